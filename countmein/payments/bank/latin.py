"""The letters that every bank carries, and how other Latin letters are written with them.

Source: EPC217-08, the minimum character set of SEPA messages. Other alphabets are not guessed at:
a name is a person's, who knows how it is written in Latin letters.
"""

import re
import unicodedata
from typing import Final

_CARRIED: Final = re.compile(r"[A-Za-z0-9/\-?:().,'+ ]*")
_SPELT: Final = str.maketrans(
    {
        "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O",
        "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "TH", "ł": "l", "Ł": "L",
        "ħ": "h", "Ħ": "H", "ı": "i", "ŋ": "n", "Ŋ": "N", "ŧ": "t", "Ŧ": "T",
        "’": "'", "‘": "'", "“": "'", "”": "'", '"': "'", "`": "'", "–": "-", "—": "-",
        "&": "+", "_": "-", "@": "(at)", "€": "EUR", "\n": " ", "\t": " ",
    }
)  # fmt: skip


class LettersRefused(ValueError):
    """A text has letters that no bank carries, and that nobody can guess in Latin ones."""


def latin(text: str) -> str:
    """The text in the letters that every bank carries. Raises LettersRefused."""
    spelt = unicodedata.normalize("NFKD", text.translate(_SPELT))
    carried = " ".join(
        "".join(sign for sign in spelt if unicodedata.category(sign) != "Mn")
        .translate(_SPELT)
        .split()
    )
    if _CARRIED.fullmatch(carried) is None:
        raise LettersRefused("banks carry Latin letters, digits and / - ? : ( ) . , ' + only")
    return carried
