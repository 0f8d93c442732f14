"""Made-up people: names in the scripts of the world, addresses that lead nowhere."""

#: Who launches: address, name, language. Ana owns the site.
ORGANISERS = {
    "ana": ("ana@example.org", "Ana", "en-gb"),
    "jonas": ("jonas@example.org", "Jonas Weiß", "de"),
    "amelie": ("amelie@example.org", "Amélie Lefèvre", "fr"),
    "lucia": ("lucia@example.org", "Lucía Ibáñez", "es"),
    "noura": ("noura@example.org", "نورة الصباح", "ar"),
}

_NAMES = (
    ("Ada Ben Clara Dilan Edith Femi Grace Hamish Iris Jonah", "Abbott Carr Doyle Hughes Okoro"),
    ("Anke Björn Cem Dörte Emil Frieda Götz Heike Ines Jörg", "Maier Schröder Weiß Öztürk Voß"),
    ("Aïcha Benoît Chloé Éloïse François Gaël Inès Léa", "Dubois Lefèvre N’Diaye Moreau"),
    ("Álvaro Begoña Íñigo Lucía Martín Nuria Óscar Ximena", "Muñoz Ibáñez Peña Gómez"),
    ("أحمد سارة ليلى يوسف مريم عمر نور هدى", "الأحمد الصباح المطيري العنزي"),
    ("Ольга Дмитрий Настя Юрий Алёна Фёдор", "Ковалёва Шевченко Орлова Мельник"),
    ("Ελένη Γιώργος Δέσποινα Νίκος", "Παππά Ιωάννου Σταύρου"),
    ("美咲 陽斗 さくら 健太", "佐藤 渡辺 小林"),
    ("小明 雨桐 子涵 浩然", "王 李 张"),
    ("민준 서연 지우", "김 박 최"),
    ("आदित्य प्रिया रोहन मीरा", "शर्मा पटेल राव"),
    ("Şule Çağlar Gül İlker", "Yılmaz Öztürk Çelik"),
    ("Łukasz Żaneta Świętosława", "Wójcik Dąbrowski"),
    ("תמר נועם יעל", "לוי כהן"),
    ("Chidi Ngozi Wanjikũ Thandiwe", "Adeyemi Mwangi Dlamini"),
    ("Nguyễn Trần Phạm", "Thị Hương Văn Đức"),
)
_PEOPLE = [
    f"{given} {family}"
    for givens, families in _NAMES
    for given in givens.split()
    for family in families.split()
]
#: Shares no factor with the number of names, so that neighbours come from different scripts.
_STRIDE = 97


def name_of(number: int) -> str:
    """The name of the how-manieth member."""
    return _PEOPLE[number * _STRIDE % len(_PEOPLE)]


def address_of(crowd: str, number: int) -> str:
    """The address of the how-manieth member of a crowd; nobody can have it."""
    return f"{crowd}.{number}@example.org"
