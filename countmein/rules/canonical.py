"""One way to write each thing down: JSON text, hashes, lanes, mailboxes and codes.

Everything here is frozen: rows and published proofs depend on the exact bytes.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

LANE_COUNT: Final = 4096

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_DIGIT: Final = {letter: digit for digit, letter in enumerate(_ALPHABET)}
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]
_MISREAD: Final = str.maketrans({"o": "0", "i": "1", "l": "1", " ": None, "-": None})

_LANE_LETTERS: Final = 3
_RANDOM_BYTES: Final = 9
_RANDOM_LETTERS: Final = 15
_CAMPAIGN_LETTERS: Final = 10
_VOUCHER_LETTERS: Final = 12

_ATOM_SIGNS: Final = frozenset("!#$%&'*+-/=?^_`{|}~.")
_PLAIN_LOCAL: Final = re.compile(r"[a-z0-9!#$%&'*+\-/=?^_`{|}~.]+")
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DOMAIN_ALIASES: Final = {"googlemail.com": "gmail.com"}
_DOTLESS_DOMAINS: Final = frozenset({"gmail.com"})


_WRITER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class CanonicalRefused(ValueError):
    """The value has no canonical text."""


class AddressRefused(ValueError):
    """The text is not an e-mail address we could write to."""


class CodeRefused(ValueError):
    """The text is not a code of this site."""


def canonical_json(value: object) -> str:
    """The one text of a JSON value: keys sorted, no spaces, characters as they are.

    Raises CanonicalRefused for floats (their text differs between machines), for keys that are
    not text, for lone surrogates and for anything that is not JSON.
    """
    try:
        _refuse_floats(value)
        text = _WRITER.encode(value)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise CanonicalRefused("this value has no canonical text") from error
    return text


def _refuse_floats(value: object) -> None:
    unseen = [value]
    while unseen:
        item = unseen.pop()
        if isinstance(item, float):
            raise CanonicalRefused("a float has no canonical text")
        if isinstance(item, dict):
            if not all(isinstance(key, str) for key in item):
                raise CanonicalRefused("a key must be text")
            unseen.extend(item.values())
        elif isinstance(item, list | tuple):
            unseen.extend(item)


def digest(use: str, *fields: str) -> str:
    """SHA-256, in hex, of the fields under the name of their use.

    The bytes are `countmein/<use>/v1` and the fields in lower case, each ended by a line feed.
    Raises CanonicalRefused if a field contains one, because two lists would then look alike.
    """
    if any("\n" in field for field in fields):
        raise CanonicalRefused("a hashed field must be one line")
    text = "".join(f"{line}\n" for line in (f"countmein/{use}/v1", *(f.lower() for f in fields)))
    return hashlib.sha256(text.encode()).hexdigest()


def lane_of(identity: bytes) -> int:
    """The lane, 0 to 4095, of an immutable identity: the first 12 bits of its SHA-256."""
    return int.from_bytes(hashlib.sha256(identity).digest()[:2]) >> 4


def mailbox(address: str) -> str:
    """The mailbox behind an address: two addresses with one mailbox belong to one person.

    Lower case, `+tag` off, dots off where the provider ignores them, the domain in ASCII.
    Applying it twice changes nothing. Raises AddressRefused.
    """
    if not isinstance(address, str) or address.count("@") != 1:
        raise AddressRefused("an address has exactly one @")
    return _mailbox(address)


# A door looks at an address when it reads a body, and once more when it takes the pledge.
@lru_cache(maxsize=2_000)
def _mailbox(address: str) -> str:
    local_typed, domain_typed = address.split("@")
    local, domain = _local_part(local_typed), _domain(domain_typed)
    domain = _DOMAIN_ALIASES.get(domain, domain)
    # An address that begins with its tag would otherwise lose all of its name.
    local = local.partition("+")[0].rstrip(".") or local
    if domain in _DOTLESS_DOMAINS:
        local = local.replace(".", "")
    if len(f"{local}@{domain}".encode()) > 254:
        raise AddressRefused("the address is too long")
    return f"{local}@{domain}"


def _local_part(typed: str) -> str:
    local = _lower(typed)
    if not 1 <= len(local.encode(errors="surrogatepass")) <= 64:
        raise AddressRefused("the part before the @ has 1 to 64 characters")
    if local.startswith(".") or local.endswith(".") or ".." in local:
        raise AddressRefused("the part before the @ has a dot out of place")
    if not _PLAIN_LOCAL.fullmatch(local) and not all(
        letter in _ATOM_SIGNS or _is_letter(letter) for letter in local
    ):
        raise AddressRefused("the part before the @ has a character that is not allowed")
    return local


def _domain(typed: str) -> str:
    if not typed.isascii():
        typed = unicodedata.normalize("NFKC", typed).replace("\u3002", ".")
    labels = _lower(typed).split(".")
    if len(labels) < 2:
        raise AddressRefused("the domain has no dot")
    domain = ".".join(_ascii_label(label) for label in labels)
    if len(domain) > 253 or domain.rpartition(".")[2].isdecimal():
        raise AddressRefused("the domain is not a domain name")
    return domain


def _ascii_label(label: str) -> str:
    """One label of a domain in ASCII.

    The standard library's own codec speaks IDNA 2003, which merges domains that are different
    today (straße.de, strasse.de), so letters are kept as they are and written in punycode.
    """
    if not label.isascii():
        if not all(letter == "-" or _is_letter(letter) for letter in label):
            raise AddressRefused("the domain has a character that is not allowed")
        label = "xn--" + label.encode("punycode").decode("ascii")
    if _LABEL.fullmatch(label) is None:
        raise AddressRefused("the domain is not a domain name")
    return label


def _lower(text: str) -> str:
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())


def _is_letter(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LMN"


def pledge_code(*, lane: int, random: bytes) -> str:
    """The public code of a pledge: three letters for its lane, fifteen for 72 random bits."""
    if not 0 <= lane < LANE_COUNT or len(random) != _RANDOM_BYTES:
        raise CodeRefused("a pledge code needs a lane below 4096 and nine random bytes")
    return _letters(lane, _LANE_LETTERS) + _letters(int.from_bytes(random), _RANDOM_LETTERS)


def lane_of_code(code: str) -> int:
    """The lane a pledge code carries. Raises CodeRefused for anything that is not such a code."""
    if not isinstance(code, str) or len(code) != _LANE_LETTERS + _RANDOM_LETTERS:
        raise CodeRefused("a pledge code has 18 letters")
    lane = _number(_digits(code[:_LANE_LETTERS]))
    rest = _number(_digits(code[_LANE_LETTERS:]))
    if lane >= LANE_COUNT or rest >= 1 << (8 * _RANDOM_BYTES):
        raise CodeRefused("no pledge has such a code")
    return lane


def campaign_code(random: bytes) -> str:
    """The public code of a campaign: ten letters from at least seven random bytes."""
    return _letters(_leading_bits(random, 5 * _CAMPAIGN_LETTERS), _CAMPAIGN_LETTERS)


def voucher_code(random: bytes) -> str:
    """A voucher's code, `XXXX-XXXX-XXXX`: eleven letters from seven random bytes and a check."""
    count = _VOUCHER_LETTERS - 1
    body = _letters(_leading_bits(random, 5 * count), count)
    letters = (body + check_letter(body)).upper()
    return "-".join(letters[start : start + 4] for start in range(0, _VOUCHER_LETTERS, 4))


def voucher_text(typed: str) -> str:
    """The voucher code meant by what a person typed: case, gaps, O for 0, I and L for 1.

    Raises CodeRefused if the check letter shows a slip of the finger.
    """
    if not isinstance(typed, str) or not typed.isascii():
        raise CodeRefused("a voucher code has plain letters and digits")
    letters = typed.lower().translate(_MISREAD)
    if len(letters) != _VOUCHER_LETTERS or _check(_digits(letters[:-1])) != _DIGIT.get(letters[-1]):
        raise CodeRefused("this is not a voucher code, perhaps a letter is wrong")
    grouped = letters.upper()
    return "-".join(grouped[start : start + 4] for start in range(0, _VOUCHER_LETTERS, 4))


def voucher_ok(code: str) -> bool:
    """Whether a typed text can be a voucher code; it says nothing about its being issued."""
    try:
        voucher_text(code)
    except CodeRefused:
        return False
    return True


def check_letter(letters: str) -> str:
    """The letter that guards these: every single wrong letter and every swap of neighbours shows.

    Raises CodeRefused if a letter is not one that codes are made of.
    """
    return _ALPHABET[_check(_digits(letters))]


def _check(digits: Iterable[int]) -> int:
    """The check digit: a weighted sum in the field of 32 elements, each step times 2.

    Every single wrong letter and every swap of neighbours changes it. Modulus x^5 + x^2 + 1.
    """
    check = 0
    for digit in digits:
        check = (check ^ digit) << 1
        if check >= 32:
            check ^= 0b100101
    return check


def _letters(number: int, count: int) -> str:
    pairs = [_PAIRS[number >> shift & 1023] for shift in range(5 * (count & ~1) - 10, -1, -10)]
    head = _ALPHABET[number >> (5 * (count - 1)) & 31] if count % 2 else ""
    return head + "".join(pairs)


def _digits(letters: str) -> list[int]:
    try:
        return [_DIGIT[letter] for letter in letters]
    except KeyError as error:
        raise CodeRefused("the code has a letter that no code has") from error


def _number(digits: Iterable[int]) -> int:
    number = 0
    for digit in digits:
        number = number << 5 | digit
    return number


def _leading_bits(random: bytes, count: int) -> int:
    if 8 * len(random) < count:
        raise CodeRefused("the code needs more random bytes")
    return int.from_bytes(random) >> (8 * len(random) - count)
