"""Money in whole minor units, and how to share it out to the last one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from countmein.rules.canonical import digest

_EXPONENTS: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD "
        "CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD "
        "GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL "
        "MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN "
        "PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP "
        "SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
}

# ISO 4217, currencies people pay with: no metals, no units of account, no test codes.
EXPONENT_OF: Final[Mapping[str, int]] = {
    code: digits for digits, codes in _EXPONENTS.items() for code in codes.split()
}

_DECIMAL: Final = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,3}))?")


class MoneyRefused(ValueError):
    """An amount, a currency or a way of sharing that makes no sense."""


class CurrencyMismatch(MoneyRefused):
    """Two amounts in different currencies were added or compared."""


def exponent(currency: str) -> int:
    """How many decimals the currency has (ISO 4217). Raises MoneyRefused for an unknown one."""
    if currency not in EXPONENT_OF:
        raise MoneyRefused("this is not a currency people pay with")
    return EXPONENT_OF[currency]


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount in minor units (cents, yen, fils) of one currency. It may be negative."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        exponent(self.currency)
        if isinstance(self.amount_minor, bool) or not isinstance(self.amount_minor, int):
            raise MoneyRefused("money is a whole number of minor units")

    def __add__(self, other: "Money") -> "Money":
        return Money(amount_minor=self.amount_minor + self._same(other), currency=self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(amount_minor=self.amount_minor - self._same(other), currency=self.currency)

    def __neg__(self) -> "Money":
        return Money(amount_minor=-self.amount_minor, currency=self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount_minor < self._same(other)

    def __le__(self, other: "Money") -> bool:
        return self.amount_minor <= self._same(other)

    def __gt__(self, other: "Money") -> bool:
        return self.amount_minor > self._same(other)

    def __ge__(self, other: "Money") -> bool:
        return self.amount_minor >= self._same(other)

    def _same(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} do not mix")
        return other.amount_minor


def parse_minor(text: str, currency: str) -> int:
    """The minor units meant by a decimal text such as `12.50`; never negative.

    Only digits and one point: a comma means thousands to one reader and decimals to another.
    Raises MoneyRefused, also for more decimals than the currency has.
    """
    digits = exponent(currency)
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise MoneyRefused("an amount is written like 12 or 12.50")
    whole, part = match[1], match[2] or ""
    if len(part) > digits:
        raise MoneyRefused(f"{currency} has {digits} decimals")
    return int(whole + part.ljust(digits, "0"))


def decimal_text(amount_minor: int, currency: str) -> str:
    """The decimal text of an amount of zero or more, with all decimals; `parse_minor` reads it."""
    digits = exponent(currency)
    if digits == 0:
        return str(amount_minor)
    whole, part = divmod(amount_minor, 10**digits)
    return f"{whole}.{part:0{digits}d}"


def hamilton(weights: Mapping[str, int], *, total: int, seed: str) -> dict[str, int]:
    """Share out `total` in proportion to `weights`, to the last unit.

    Everybody gets the floor of the exact share; the units left over go to the largest
    remainders, ties by hash of the id under the seed (the campaign's code).
    Raises MoneyRefused if a weight or the total is negative, or if there is something to share
    and nobody to get it. Source: docs/rules/money.md, Hamilton's method.
    """
    whole = _whole(weights, total)
    if total == 0:
        return dict.fromkeys(weights, 0)
    shares = {key: weight * total // whole for key, weight in weights.items()}
    left_over = total - sum(shares.values())
    by_remainder = sorted(
        weights,
        key=lambda key: (-(weights[key] * total % whole), digest("tie", seed, key), key),
    )
    for key in by_remainder[:left_over]:
        shares[key] += 1
    return shares


def _whole(weights: Mapping[str, int], total: int) -> int:
    whole = sum(weights.values())
    if total < 0 or any(weight < 0 for weight in weights.values()):
        raise MoneyRefused("neither a weight nor the total can be negative")
    if total > 0 and whole == 0:
        raise MoneyRefused("there is nobody to share with")
    return whole


def refund_split(amounts: Mapping[str, int], *, cost: int, seed: str) -> dict[str, int]:
    """What each member gets back when `cost` of what they gave together is gone for good."""
    if not 0 <= cost <= sum(amounts.values()):
        raise MoneyRefused("the cost lies between nothing and all that was given")
    return hamilton(amounts, total=sum(amounts.values()) - cost, seed=seed)


def stage_floor(
    amounts: Mapping[str, int], *, returned: int, paid: Mapping[str, int]
) -> dict[str, int]:
    """What to pay each member now, when `returned` can go back so far and more may follow.

    Floors only: by Hamilton's method a share can shrink as the sum grows (the Alabama paradox),
    and what has been paid is never taken back. `paid` is what earlier stages paid.
    Raises MoneyRefused if `returned` exceeds the amounts or fell since an earlier stage.
    """
    whole = _whole(amounts, returned)
    return _unpaid(
        {key: amount * returned // max(whole, 1) for key, amount in amounts.items()},
        returned=returned,
        whole=whole,
        paid=paid,
    )


def stage_last(
    amounts: Mapping[str, int], *, returned: int, paid: Mapping[str, int], seed: str
) -> dict[str, int]:
    """What to pay each member in the last stage, so that all stages together pay `returned`."""
    return _unpaid(
        hamilton(amounts, total=returned, seed=seed),
        returned=returned,
        whole=sum(amounts.values()),
        paid=paid,
    )


def stage_next(
    left: Mapping[str, int], *, paid: Mapping[str, int], total: int, seed: str
) -> dict[str, int]:
    """Share out `total` now, all of it, where nobody knows whether more will follow.

    `left` is what each may still get, `paid` what each got before. Everybody is brought up to the
    floor of their share of all that was paid so far; a unit beyond that goes to those who are not
    beyond their share, in the order in which the next one falls due to them. So each stays within
    a unit, and nothing is taken back. Where nothing was paid it is Hamilton's method. Raises
    MoneyRefused if `total` exceeds `left`. Source: the quota method of Balinski and Young, 1975.
    """
    whole, earlier = _whole(left, total), sum(paid.values())
    if total > whole:
        raise MoneyRefused("nobody gets back more than was given")
    if total == 0 or earlier == 0:
        return hamilton(left, total=total, seed=seed)
    gave = {key: amount + paid.get(key, 0) for key, amount in left.items()}
    had = {key: paid.get(key, 0) for key in left}
    due = {key: amount * (earlier + total) // (earlier + whole) for key, amount in gave.items()}
    reached = {key: max(had[key], due[key]) for key in left}

    def order(key: str) -> tuple[bool, int, str, str]:
        is_beyond = reached[key] * (earlier + whole) >= gave[key] * (earlier + total)
        falls_due = ((reached[key] + 1) << 64) // max(gave[key], 1)
        return is_beyond, falls_due, digest("tie", seed, key), key

    spare = total - sum(reached[key] - had[key] for key in left)
    for key in sorted((key for key in left if reached[key] < gave[key]), key=order)[
        : max(spare, 0)
    ]:
        reached[key] += 1
    while spare < 0:
        key = max((key for key in left if reached[key] > had[key]), key=order)
        reached[key], spare = reached[key] - 1, spare + 1
    return {key: reached[key] - had[key] for key in left}


def _unpaid(
    due: Mapping[str, int], *, returned: int, whole: int, paid: Mapping[str, int]
) -> dict[str, int]:
    if returned > whole:
        raise MoneyRefused("nobody gets back more than was given")
    unpaid = {key: amount - paid.get(key, 0) for key, amount in due.items()}
    if min(unpaid.values(), default=0) < 0 or not paid.keys() <= due.keys():
        raise MoneyRefused("an earlier stage paid more than is due now")
    return unpaid
