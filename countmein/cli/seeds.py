"""The demo's world: campaigns of all kinds, in several languages and currencies, and their crowds.

Everybody and everything here is made up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """So many members who pledge alike; several amounts or places are taken in turn."""

    count: int
    kind: str
    amounts: tuple[int, ...] = (1,)
    places: tuple[str, ...] = ()
    condition: Any = None
    #: The number of an earlier member without whom nobody of this group comes.
    friend: int | None = None
    more: tuple[Mapping[str, Any], ...] = ()
    method: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """One campaign of the demo: its terms, with times as distances from now, and its crowd."""

    name: str
    organiser: str
    terms: Mapping[str, Any]
    crowd: tuple[Group, ...]
    deadline: timedelta
    times: Mapping[str, timedelta] = field(default_factory=dict)
    #: What there is to see in it.
    hint: str = ""


_CARD = "pm_card_visa"

_ADVERT = Seed(
    name="advert",
    organiser="ana",
    deadline=timedelta(days=40),
    terms={
        "title": "The page the Harbour Gazette would not print",
        "story": "Three times we sent the *Harbour Gazette* our page about the oil in the estuary,"
        " three times it came back. So we print it ourselves: four sheets, one for every door from"
        " the docks to the lighthouse.\n\nIt takes **200 people and £3,000**, and not one penny"
        " moves before both are there.",
        "kinds": ["money", "signature"],
        "currency": "GBP",
        "rule": {"all": [{"people": 200}, {"sum": {"kind": "money", "at_least": 300_000}}]},
        "minimum": {"money": 200},
        "target": {
            "name": "Estuary Oil plc",
            "ask": "Clean up the estuary",
            "email": "board@estuary-oil.example.org",
        },
        "places": ["Leeds", "York", "Hull"],
        "timezone": "Europe/London",
        "plan_b": {
            "plans": [
                {
                    "title": "A page in the Estuary Herald",
                    "text": "They have printed the other side of things before.",
                    "supplier": "Estuary Herald Ltd",
                    "document": "https://estuary-herald.example.org/rates/full-page",
                    "cost_minor": 180_000,
                },
                {"title": "A van with our page on it, from the docks to the lighthouse"},
            ]
        },
    },
    crowd=(
        Group(
            count=46,
            kind="money",
            amounts=(1500, 2500, 3000, 6000),
            places=("Leeds", "York", "Hull"),
            method=_CARD,
        ),
        Group(count=60, kind="signature", places=("Leeds", "Hull", "York")),
        Group(count=14, kind="signature", condition={"people": 150}, places=("York",)),
        Group(
            count=5,
            kind="money",
            amounts=(10_000,),
            condition={"sum": {"kind": "money", "at_least": 250_000}},
            method=_CARD,
        ),
        Group(
            count=6,
            kind="money",
            amounts=(1000,),
            method=_CARD,
            more=({"kind": "money", "amount": 2000, "condition": {"people": 180}},),
        ),
    ),
)

_ORANGES = Seed(
    name="oranges",
    hint="vouchers are out; one card fails and is tried again for a week",
    organiser="lucia",
    deadline=timedelta(days=12),
    terms={
        "title": "Una furgoneta de naranjas, directa del huerto",
        "story": "La cooperativa de Carcaixent llena una furgoneta si pedimos **120 cajas** de diez"
        " kilos. Sin intermediarios, sin cámaras frigoríficas: se recogen el jueves y llegan el"
        " sábado.\n\nSi no llegamos a 120, nadie paga nada y las naranjas siguen en el árbol.",
        "kinds": ["purchase"],
        "currency": "EUR",
        "unit_price_minor": 1450,
        "cap": {"purchase": 160},
        "rule": {"sum": {"kind": "purchase", "at_least": 120}},
        "timezone": "Europe/Madrid",
    },
    crowd=(
        Group(count=48, kind="purchase", amounts=(1, 2, 3, 4), method=_CARD),
        Group(count=1, kind="purchase", amounts=(2,), method="pm_card_chargeCustomerFail"),
    ),
)

_NIGHT_TRAIN = Seed(
    name="night-train",
    organiser="jonas",
    deadline=timedelta(days=55),
    terms={
        "title": "Der Nachtzug soll wieder in unserer Stadt halten",
        "story": "Bis 2009 hielt er hier jede Nacht um 0:42 Uhr. Die Bahn sagt, es steige ja doch"
        " niemand ein. Wir sagen: **In drei Städten je 25 Menschen**, die es unterschreiben und"
        " auch tun.\n\nErst wenn alle drei Städte beisammen sind, geht der Brief ab.",
        "kinds": ["signature"],
        "rule": {"places": {"people": 25, "at_least": 3}},
        "places": ["Göttingen", "Fulda", "Würzburg", "Bebra"],
        "target": {
            "name": "Nachtbahn AG",
            "ask": "Der Nachtzug hält wieder",
            "email": "fahrplan@nachtbahn.example.org",
        },
        "timezone": "Europe/Berlin",
    },
    crowd=(
        Group(count=48, kind="signature", places=("Göttingen", "Fulda")),
        Group(count=19, kind="signature", places=("Würzburg",)),
        Group(count=9, kind="signature", places=("Bebra",)),
        Group(
            count=7,
            kind="signature",
            places=("Fulda",),
            condition={"people_in": {"place": "Würzburg", "at_least": 20}},
        ),
    ),
)

_RIVER = Seed(
    name="river",
    organiser="amelie",
    deadline=timedelta(days=20),
    times={"starts_at": timedelta(days=27), "ends_at": timedelta(days=27, hours=1)},
    terms={
        "title": "Une heure de silence au bord de la rivière",
        "story": "On veut bétonner la dernière berge où l’on peut encore s’asseoir. Nous n’avons ni"
        " banderole ni mégaphone : seulement **soixante personnes** qui se taisent une heure.\n\n"
        "Beaucoup ne viendront que si une amie vient. Ici, on peut le dire.",
        "kinds": ["presence"],
        "rule": {"people": 60},
        "venue": "Quai des Saules, sous le grand frêne",
        "timezone": "Europe/Paris",
    },
    crowd=(
        Group(count=24, kind="presence"),
        Group(count=3, kind="presence", friend=4),
        Group(count=2, kind="presence", friend=11, condition={"people": 30}),
        Group(count=11, kind="presence", condition={"people": 50}),
    ),
)

_LIBRARY = Seed(
    name="library",
    organiser="noura",
    deadline=timedelta(days=33),
    terms={
        "title": "مكتبة صغيرة لحيّنا الكبير",
        "story": "في حيّنا ألف طفل ولا مكتبة واحدة. وجدنا الدكان، ووعدنا صاحبه بنصف الإيجار، وبقي"
        " أن نملأ الرفوف.\n\nنحتاج إلى **١٬٥٠٠ دينار من أربعين جارًا**. إن لم نبلغها فلا يُؤخذ من"
        " أحدٍ فلس.",
        "kinds": ["money"],
        "currency": "KWD",
        "rule": {"all": [{"people": 40}, {"sum": {"kind": "money", "at_least": 1_500_000}}]},
        "minimum": {"money": 1_000},
        "timezone": "Asia/Kuwait",
    },
    crowd=(
        Group(count=27, kind="money", amounts=(5_000, 10_000, 25_500, 50_000), method=_CARD),
        Group(count=4, kind="money", amounts=(100_000,), condition={"people": 35}, method=_CARD),
    ),
)

_CINEMA = Seed(
    name="cinema",
    organiser="ana",
    deadline=timedelta(days=26),
    terms={
        "title": "Keep the lamp burning in the last cinema of Onomichi",
        "story": "Sixty-two seats, one projector, one projectionist of eighty-one years. The lamp"
        " is good for forty more evenings; a new one costs **¥1,200,000**.\n\nWhoever gives ¥10,000"
        " chooses a film. Nobody has ever chosen the same one twice.",
        "kinds": ["money"],
        "currency": "JPY",
        "rule": {"sum": {"kind": "money", "at_least": 1_200_000}},
        "minimum": {"money": 500},
        "timezone": "Asia/Tokyo",
    },
    crowd=(
        Group(count=55, kind="money", amounts=(3_000, 5_000, 10_000, 20_000, 30_000), method=_CARD),
        Group(
            count=4,
            kind="money",
            amounts=(50_000,),
            condition={"sum": {"kind": "money", "at_least": 1_000_000}},
            method=_CARD,
        ),
    ),
)

_CALLS = Seed(
    name="calls",
    organiser="ana",
    deadline=timedelta(days=6),
    terms={
        "title": "Forty calls before the vote on the number 9 bus",
        "story": "One letter is filed. Ten calls are a nuisance. **Forty calls on one morning** are"
        " a decision.\n\nWhen forty of us have promised, everybody gets the number, the hours and"
        " four sentences to say. Nobody dials alone.",
        "kinds": ["call"],
        "rule": {"people": 40},
        "target": {
            "name": "The transport committee",
            "ask": "Keep the number 9 running after eight",
            "phone": "+44 113 496 0123",
            "script": "Good morning. My name is … and I live on the route of the number 9.\n"
            "I take it home after the late shift.\nPlease vote to keep it.\nThank you.",
        },
        "hours": "Monday to Friday, 9:00 to 12:30",
        "timezone": "Europe/London",
    },
    crowd=(
        Group(count=28, kind="call"),
        Group(count=16, kind="call", condition={"people": 44}),
    ),
)

_FOREST = Seed(
    name="forest",
    organiser="jonas",
    deadline=timedelta(days=17),
    times={"starts_at": timedelta(days=24), "ends_at": timedelta(days=24, hours=6)},
    terms={
        "title": "Ein Samstag für den Stadtwald",
        "story": "Der Sturm hat vierhundert Bäume gelegt. Der Förster bringt Setzlinge, Spaten und"
        " Erbsensuppe; was fehlt, sind **hundert Stunden** Arbeit.\n\nMit weniger fangen wir gar"
        " nicht erst an: Ein halb gepflanzter Hang rutscht.",
        "kinds": ["hours"],
        "rule": {"sum": {"kind": "hours", "at_least": 6_000}},
        "venue": "Parkplatz am Wildgehege",
        "timezone": "Europe/Berlin",
    },
    crowd=(
        Group(count=19, kind="hours", amounts=(120, 180, 240, 90)),
        Group(
            count=8,
            kind="hours",
            amounts=(360,),
            condition={"sum": {"kind": "hours", "at_least": 5_400}},
        ),
    ),
)

_BOTTLES = Seed(
    name="bottles",
    hint="one signature is missing: sign, and see it tip",
    organiser="ana",
    deadline=timedelta(days=21),
    terms={
        "title": "Change the bottles, or 500 of us drink tap water for ninety days",
        "story": "One of us is a shrug. **Five hundred of us, on the same day**, are a line in the"
        " quarterly report.\n\nSigning costs nothing until we are all here, and then it costs every"
        " one of us ninety days. *There is one name missing.*",
        "kinds": ["signature"],
        "rule": {"people": 500},
        "target": {
            "name": "Clearspring Water Ltd",
            "ask": "Take back your bottles",
            "email": "press@clearspring.example.org",
        },
        "timezone": "Europe/London",
    },
    crowd=(Group(count=499, kind="signature"),),
)

_MOB = Seed(
    name="carrots",
    hint="one more person brings in nine who are waiting",
    organiser="ana",
    deadline=timedelta(days=9),
    times={"starts_at": timedelta(days=14), "ends_at": timedelta(days=14, hours=2)},
    terms={
        "title": "Eighty shoppers on one Saturday, and the corner shop goes solar",
        "story": "Mr Okoro puts every penny of that Saturday's takings into panels, if **eighty of"
        " us** come.\n\nForty are in. Nine more wait until they would be fifty: the next one to"
        " come brings ten.",
        "kinds": ["presence"],
        "rule": {"people": 80},
        "venue": "Okoro's, 14 Mill Lane",
        "timezone": "Europe/London",
    },
    crowd=(
        Group(count=40, kind="presence"),
        Group(count=9, kind="presence", condition={"people": 50}),
    ),
)

#: Granovetter's crowd of 1978 with one threshold moved: joining one after the other stops at 1,
#: and yet all hundred want to be there if all hundred are.
_STREET = Seed(
    name="street",
    hint="Granovetter's crowd: nobody would follow the first, and all came",
    organiser="ana",
    deadline=timedelta(days=30),
    times={"starts_at": timedelta(days=37), "ends_at": timedelta(days=37, hours=8)},
    terms={
        "title": "A hundred neighbours close Mill Lane for one long table",
        "story": "One comes whatever happens. Two come if they are three, one if they are four, and"
        " so on to the last, who comes if they are a **hundred**. One after the other, nobody would"
        " follow the first. All at once, everybody does.",
        "kinds": ["presence"],
        "rule": {"people": 100},
        "venue": "Mill Lane, from the bridge to the bakery",
        "timezone": "Europe/London",
    },
    crowd=(
        Group(count=1, kind="presence"),
        Group(count=1, kind="presence", condition={"people": 3}),
        *(Group(count=1, kind="presence", condition={"people": n}) for n in range(3, 101)),
    ),
)

_FUNDRAISER = Seed(
    name="workshop",
    hint="by card or by bank transfer, which is asked for after the tip; see /desk/bank/",
    organiser="jonas",
    deadline=timedelta(days=48),
    terms={
        "title": "Offene Werkstatt: die alte Schlosserei gehört bald uns",
        "story": "Drehbank, Esse und ein Kran, der noch läuft. Der Eigentümer gibt uns das"
        " Vorkaufsrecht bis zum Stichtag; dann entscheidet sich, ob **5.000 € und 60 Menschen**"
        " beisammen sind.",
        "kinds": ["money"],
        "currency": "EUR",
        "latch": "at_deadline",
        "rule": {"all": [{"people": 60}, {"sum": {"kind": "money", "at_least": 500_000}}]},
        "minimum": {"money": 500},
        "timezone": "Europe/Vienna",
        "transfer_days": 14,
    },
    crowd=(
        Group(count=36, kind="money", amounts=(2500, 5000, 10_000, 20_000), method=_CARD),
        Group(count=5, kind="money", amounts=(5000, 20_000), method="bank_transfer"),
        Group(count=9, kind="money", amounts=(30_000,), condition={"people": 55}, method=_CARD),
    ),
)

#: Comes to its deadline while the demo is watched, too small: everybody is let go, untouched.
LAPSING = Seed(
    name="lighthouse",
    hint="it lapsed, and everybody was let go",
    organiser="amelie",
    deadline=timedelta(seconds=25),
    terms={
        "title": "Racheter le phare de la Pointe Grise",
        "story": "Le phare est à vendre pour **90 000 €**. Nous n’y arriverons peut-être pas :"
        " alors chacun sera libéré, sans qu’un centime ait bougé.\n\nÉchouer proprement, cela se"
        " prépare aussi.",
        "kinds": ["money"],
        "currency": "EUR",
        "rule": {"sum": {"kind": "money", "at_least": 9_000_000}},
        "minimum": {"money": 500},
        "timezone": "Europe/Paris",
    },
    crowd=(
        Group(count=38, kind="money", amounts=(2000, 5000, 10_000), method=_CARD),
        Group(count=6, kind="money", amounts=(25_000,), condition={"people": 60}, method=_CARD),
    ),
)

SEEDS = (
    LAPSING,
    _ADVERT,
    _ORANGES,
    _NIGHT_TRAIN,
    _RIVER,
    _LIBRARY,
    _CINEMA,
    _CALLS,
    _FOREST,
    _MOB,
    _STREET,
    _FUNDRAISER,
    _BOTTLES,
)
