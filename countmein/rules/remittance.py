"""What a bank transfer is recognised by: creditor references, account numbers, bank codes.

A creditor reference (ISO 11649) is `RF`, two check digits and 1 to 21 letters and digits. People
retype it, with slips, so it is only ever believed when its check digits prove right.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice
from typing import Final

from countmein.rules.canonical import CodeRefused, check_letter

_BODY: Final = re.compile(r"[0-9A-Z]{1,21}")
_REFERENCE: Final = re.compile(r"RF[0-9]{2}[0-9A-Z]{1,21}")
#: Overlapping on purpose: the RF of a word before must not hide the RF of the reference.
_BEGINNING: Final = re.compile(r"(?=RF([0-9OI]{2}[0-9A-Z]{1,21}))")
_MISREAD: Final = str.maketrans({"O": "0", "I": "1"})
_OWN_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_DIGITS: Final = "0123456789"
_SEPARATORS: Final = frozenset("-.,:;/_+'\u00b7")
_BREAK: Final = "|"
#: Alike by 97 to digits that are in use (97, 98 and 02), and never given out.
_NEVER_CHECKS: Final = frozenset({"00", "01", "99"})

#: A bank passes on a few lines of 140 letters; this bounds the work on a hostile text.
_READ_LETTERS: Final = 10_000
_OWN_LETTERS_AT_MOST: Final = 20
#: Looking for slips costs a tenth of a second for each RF in a text; payers write one or two.
_SUGGESTED_FOR: Final = 3

_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[0-9A-Z]{11,30}")
_BIC: Final = re.compile(r"[0-9A-Z]{4}[A-Z]{2}[0-9A-Z]{2}(?:[0-9A-Z]{3})?")

# ISO 13616: how long the account numbers of each country are.
_LENGTHS: Final = {
    15: "NO",
    16: "BE",
    18: "DK FI FK FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
IBAN_LENGTH_OF: Final = {
    country: length for length, countries in _LENGTHS.items() for country in countries.split()
}


class ReferenceRefused(ValueError):
    """The text is not a creditor reference, or not one that we could have made."""


class IbanRefused(ValueError):
    """The text is not an account number, perhaps a letter is wrong."""


class BicRefused(ValueError):
    """The text does not have the shape of a bank's code."""


def _remainder(letters: str) -> int:
    """The remainder by 97 of letters and digits read as one number, A as 10 to Z as 35."""
    return int("".join(str(int(letter, 36)) for letter in letters)) % 97


def _check_digits(start: str, body: str) -> str:
    """The two digits that make the whole leave 1 by 97 (ISO 7064, MOD 97-10)."""
    return f"{98 - _remainder(f'{body}{start}00'):02d}"


def _is_proved(text: str) -> bool:
    """Whether check digits are right that stand at the third and fourth place."""
    return text[2:4] not in _NEVER_CHECKS and _remainder(text[4:] + text[:4]) == 1


def creditor_reference(body: str) -> str:
    """The creditor reference of 1 to 21 capital letters and digits. Raises ReferenceRefused."""
    if _BODY.fullmatch(body) is None:
        raise ReferenceRefused("a reference is made of 1 to 21 capital letters and digits")
    return f"RF{_check_digits('RF', body)}{body}"


def own_reference(code: str) -> str:
    """The creditor reference of one of our codes: at most 20 letters that codes are made of.

    Check digits by 97 miss some slips between letters and digits (B1 and 1B are alike to them),
    so the code is guarded by a letter of its own as well. Raises ReferenceRefused.
    """
    if not 1 <= len(code) <= _OWN_LETTERS_AT_MOST:
        raise ReferenceRefused(f"a code in a reference has 1 to {_OWN_LETTERS_AT_MOST} letters")
    try:
        guard = check_letter(code.lower())
    except CodeRefused as error:
        raise ReferenceRefused("the code has a letter that no code has") from error
    return creditor_reference(f"{code}{guard}".upper())


def own_code(reference: str) -> str:
    """The code, in lower case, that `own_reference` made this reference of.

    Raises ReferenceRefused for every reference that is not one of ours.
    """
    if _REFERENCE.fullmatch(reference) is None or not _is_proved(reference):
        raise ReferenceRefused("the check digits are wrong, perhaps a letter is")
    code, guard = reference[4:-1].lower(), reference[-1].lower()
    try:
        is_ours = code != "" and guard == check_letter(code)
    except CodeRefused:
        is_ours = False
    if not is_ours:
        raise ReferenceRefused("this reference is not one of ours")
    return code


def reference_text(typed: str) -> str:
    """The creditor reference meant by what a person typed into a field for it.

    Gaps, dashes and small letters do not matter; O and I are read as 0 and 1 only where the
    check digits then prove right. Raises ReferenceRefused.
    """
    squeezed = _squeezed(typed)
    for text in (squeezed, squeezed[:2] + squeezed[2:].translate(_MISREAD)):
        if _REFERENCE.fullmatch(text) is not None and _is_proved(text):
            return text
    raise ReferenceRefused("this is not a reference, perhaps a letter is wrong")


def printed(text: str) -> str:
    """A reference or an account number as it is printed: in groups of four."""
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def find_references(text: str) -> tuple[str, ...]:
    """Every creditor reference that a free text may hold, each once, in order.

    Where a reference ends cannot be seen once the gaps are gone, so one in twenty may be there by
    chance beside the one that was meant: believe those that are expected, and no other.
    """
    found: dict[str, None] = {}
    for letters in _beginnings(text):
        for read in (letters, letters.translate(_MISREAD)):
            found |= dict.fromkeys(f"RF{read[:end]}" for end in _proved_ends(read))
    return tuple(found)


def _proved_ends(letters: str) -> Iterator[int]:
    """Where a reference may end whose check digits and body begin these letters."""
    if not letters[:2].isdigit() or letters[:2] in _NEVER_CHECKS:
        return
    tail, remainder = _remainder(f"RF{letters[:2]}"), 0
    for end, letter in enumerate(letters[2:], start=3):
        digit = int(letter, 36)
        remainder = (remainder * (10 if digit < 10 else 100) + digit) % 97
        if (remainder * 10**6 + tail) % 97 == 1:
            yield end


def near_references(text: str) -> Iterator[str]:
    """The proved references that are one slip of the finger from something in the text.

    A slip is one letter wrong or two neighbours swapped. Only for suggesting to a person: there
    are hundreds, and at most one of them is expected.
    """
    seen: set[str] = set()
    for letters in islice(_beginnings(text), _SUGGESTED_FOR):
        for end in range(3, len(letters) + 1):
            for slip in _slips(letters[:end].translate(_MISREAD)):
                reference = f"RF{slip}"
                if reference not in seen and slip[:2].isdigit() and _is_proved(reference):
                    seen.add(reference)
                    yield reference


def _slips(letters: str) -> Iterator[str]:
    for place, letter in enumerate(letters):
        for other in _DIGITS if place < 2 else _OWN_LETTERS:
            if other != letter:
                yield letters[:place] + other + letters[place + 1 :]
    for place in range(len(letters) - 1):
        swapped = letters[place + 1] + letters[place]
        yield letters[:place] + swapped + letters[place + 2 :]


def _beginnings(text: str) -> Iterator[str]:
    """What stands behind each RF of the text: two check digits and all that may follow."""
    for match in _BEGINNING.finditer(_squeezed(text[:_READ_LETTERS])):
        yield match[1]


def _squeezed(text: str) -> str:
    """The text in capitals without gaps; what no reference holds becomes one sign."""
    return "".join(_letter(sign) for sign in unicodedata.normalize("NFKC", text))


def _letter(sign: str) -> str:
    if sign.isascii() and sign.isalnum():
        return sign.upper()
    is_gap = sign in _SEPARATORS or sign.isspace() or unicodedata.category(sign) in ("Pd", "Cf")
    return "" if is_gap else _BREAK


def iban_text(typed: str) -> str:
    """The account number (IBAN) meant by what a person typed: no gaps, in capitals.

    Raises IbanRefused: a wrong length for its country, or check digits that do not prove right.
    """
    text = _squeezed(typed)
    if _IBAN.fullmatch(text) is None:
        raise IbanRefused("an IBAN has two letters, two digits and up to 30 letters and digits")
    length = IBAN_LENGTH_OF.get(text[:2])
    if length is None:
        raise IbanRefused("no country with such account numbers begins like this")
    if len(text) != length:
        raise IbanRefused(f"an IBAN of this country has {length} letters and digits")
    if not _is_proved(text):
        raise IbanRefused("the check digits are wrong, perhaps a letter is")
    return text


def bic_text(typed: str) -> str:
    """The bank's code (BIC) in capitals, 8 or 11 letters. Raises BicRefused for another shape."""
    text = _squeezed(typed)
    if _BIC.fullmatch(text) is None:
        raise BicRefused("a BIC has 8 or 11 letters and digits, the country at the fifth")
    return text
