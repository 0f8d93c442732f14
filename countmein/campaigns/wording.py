"""The words for rules, gaps and amounts, in the language that is active."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol, assert_never
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time
from babel.lists import format_list
from babel.numbers import format_decimal
from django.utils.translation import get_language, gettext, ngettext, pgettext

from countmein.campaigns.models import Campaign, Tally, totals_of
from countmein.rules import conditions
from countmein.rules.conditions import (
    Aggregates,
    All,
    AnyOf,
    Atom,
    Condition,
    Gap,
    People,
    PeopleIn,
    Places,
    PledgeIn,
    Some,
    Sum,
)
from countmein.rules.money import exponent
from countmein.rules.states import Kind


class Priced(Protocol):
    """What is needed of a campaign to word an amount."""

    currency: str
    unit_price_minor: int | None


def money_text(amount_minor: int, currency: str) -> str:
    """An amount of money with all the decimals of its currency: £10.00."""
    return _money(amount_minor, currency, decimals=exponent(currency))


def whole_money_text(amount_minor: int, currency: str) -> str:
    """An amount of money, without decimals where it is whole: £30,000."""
    digits = exponent(currency)
    is_whole = amount_minor % 10**digits == 0
    return _money(amount_minor, currency, decimals=0 if is_whole else digits)


def number_text(number: int) -> str:
    """A whole number with the separators of the language: 2,000."""
    return format_decimal(number, locale=_locale())


def rule_text(rule: Condition, *, currency: str) -> str:
    """A rule as a goal: 2,000 people and £30,000."""
    return _compound(rule, currency, word=_goal, is_inner=False)


def rule_words(campaign: Campaign) -> str:
    """A campaign's own rule as a goal."""
    rule = conditions.parse(campaign.rule, path="rule", pledges_allowed=False)
    return rule_text(rule, currency=campaign.currency)


def missing_words(campaign: Campaign, tally: Tally | None) -> str:
    """What a campaign's own rule lacks, as of a tally: 1 more person, £10.00 more."""
    rule = conditions.parse(campaign.rule, path="rule", pledges_allowed=False)
    seen = totals_of(tally) if tally else Aggregates.zero()
    gaps = conditions.gaps(rule, seen)
    return list_text([gap_text(gap, currency=campaign.currency) for gap in gaps])


def list_text(parts: Sequence[str]) -> str:
    """Several things one after the other, as the language strings them together."""
    return pgettext("between two things of a list", ", ").join(parts)


def instant_text(at: datetime, campaign: Campaign) -> str:
    """An instant in the campaign's own time zone, with the zone's name."""
    local, words = at.astimezone(ZoneInfo(campaign.timezone)), _locale()
    return gettext("%(day)s, %(time)s (%(zone)s)") % {
        "day": format_date(local.date(), format="long", locale=words),
        "time": format_time(local.time(), format="short", locale=words),
        "zone": campaign.timezone,
    }


def month_text(day: date) -> str:
    """The month until whose end a card is good."""
    return str(format_skeleton("yMMMM", day, locale=_locale()))


def condition_text(condition: Condition, *, currency: str) -> str:
    """A condition as what must be so: at least 500 people are in."""
    return _compound(condition, currency, word=_state, is_inner=False)


def gap_text(gap: Gap, *, currency: str) -> str:
    """What is missing of one atom: 1 more person, £10.00 more, 12 more in Leeds."""
    missing, count = gap.missing, number_text(gap.missing)
    match gap.atom:
        case People():
            return ngettext("%(count)s more person", "%(count)s more people", _plural(missing)) % {
                "count": count
            }
        case Sum(kind=kind):
            return _more_of(kind, missing, currency)
        case PeopleIn(place=place):
            return gettext("%(count)s more in %(place)s") % {"count": count, "place": place}
        case Places(people=people):
            return ngettext(
                "%(count)s more place with %(people)s each",
                "%(count)s more places with %(people)s each",
                _plural(missing),
            ) % {"count": count, "people": _people(people)}
        case PledgeIn(code=code):
            return gettext("the pledge %(code)s") % {"code": code}
        case _:
            assert_never(gap.atom)


def missing_json(gap: Gap, *, currency: str) -> dict[str, object]:
    """A gap as the API tells it, under the key of its atom."""
    text = gap_text(gap, currency=currency)
    match gap.atom:
        case People():
            return {"text": text, "people": gap.missing}
        case Sum(kind=kind):
            return {"text": text, "sum": {"kind": str(kind), "missing": gap.missing}}
        case PeopleIn(place=place):
            return {"text": text, "people_in": {"place": place, "missing": gap.missing}}
        case Places(people=people):
            return {"text": text, "places": {"people": people, "missing": gap.missing}}
        case PledgeIn(code=code):
            return {"text": text, "pledge": code}
        case _:
            assert_never(gap.atom)


def amount_text(kind: str, amount: int, campaign: Priced) -> str:
    """What one part of a pledge promises: £25.00, 3 × £12.00, signature, 2 h 30 min."""
    match Kind(kind):
        case Kind.money:
            return money_text(amount, campaign.currency)
        case Kind.purchase:
            price = money_text(campaign.unit_price_minor or 0, campaign.currency)
            return f"{number_text(amount)} × {price}"
        case Kind.hours:
            return duration_text(amount)
        case Kind.signature:
            return pgettext("what is pledged", "signature")
        case Kind.presence:
            return pgettext("what is pledged", "presence")
        case Kind.call:
            return pgettext("what is pledged", "call")


def duration_text(minutes: int) -> str:
    """A length of time: 2 h 30 min."""
    hours, rest = divmod(minutes, 60)
    parts = []
    if hours:
        parts.append(gettext("%(count)s h") % {"count": number_text(hours)})
    if rest or not hours:
        parts.append(gettext("%(count)s min") % {"count": number_text(rest)})
    return " ".join(parts)


def _locale() -> Locale:
    try:
        return Locale.parse(get_language() or "en-gb", sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale("en", "GB")


def _money(amount_minor: int, currency: str, *, decimals: int) -> str:
    locale = _locale()
    # The pattern's own decimals come from CLDR, which rounds currencies whose cents are small.
    pattern = copy.copy(locale.currency_formats["standard"])
    pattern.frac_prec = (decimals, decimals)
    amount = Decimal(amount_minor).scaleb(-exponent(currency))
    return str(pattern.apply(amount, locale, currency=currency, currency_digits=False))


def _plural(number: int) -> int:
    """A number that has the same plural form; gettext's C formulas overflow beyond it."""
    return number if number < 10**6 else 10**6 + number % 10**6


def _people(count: int) -> str:
    return ngettext("%(count)s person", "%(count)s people", _plural(count)) % {
        "count": number_text(count)
    }


def _of(kind: str, amount: int, currency: str) -> str:
    """An amount of one kind as the sum of many pledges."""
    count = {"count": number_text(amount)}
    match Kind(kind):
        case Kind.money:
            return whole_money_text(amount, currency)
        case Kind.hours:
            return gettext("%(time)s of work") % {"time": duration_text(amount)}
        case Kind.purchase:
            return ngettext("%(count)s purchase", "%(count)s purchases", _plural(amount)) % count
        case Kind.signature:
            return ngettext("%(count)s signature", "%(count)s signatures", _plural(amount)) % count
        case Kind.presence:
            return (
                ngettext("%(count)s person coming", "%(count)s people coming", _plural(amount))
                % count
            )
        case Kind.call:
            return ngettext("%(count)s call", "%(count)s calls", _plural(amount)) % count


def _more_of(kind: str, missing: int, currency: str) -> str:
    amount = money_text(missing, currency) if kind == Kind.money else _of(kind, missing, currency)
    return gettext("%(amount)s more") % {"amount": amount}


def _goal(atom: Atom, currency: str) -> str:
    match atom:
        case People(n=n):
            return _people(n)
        case Sum(kind=kind, at_least=x):
            return _of(kind, x, currency)
        case PeopleIn(place=place, at_least=n):
            return gettext("%(people)s in %(place)s") % {"people": _people(n), "place": place}
        case Places(people=q, at_least=r):
            return ngettext(
                "%(count)s place with %(people)s each",
                "%(count)s places with %(people)s each",
                _plural(r),
            ) % {"count": number_text(r), "people": _people(q)}
        case PledgeIn(code=code):
            return gettext("the pledge %(code)s") % {"code": code}
        case _:
            assert_never(atom)


def _state(atom: Atom, currency: str) -> str:
    if isinstance(atom, PledgeIn):
        return gettext("the pledge %(code)s is in") % {"code": atom.code}
    goal = {"goal": _goal(atom, currency)}
    if isinstance(atom, Sum):
        return gettext("at least %(goal)s together") % goal
    if isinstance(atom, People | PeopleIn) and (atom.n if isinstance(atom, People) else 0) == 1:
        return gettext("at least %(goal)s is in") % goal
    return gettext("at least %(goal)s are in") % goal


class _Word(Protocol):
    def __call__(self, atom: Atom, currency: str, /) -> str: ...


def _compound(condition: Condition, currency: str, *, word: _Word, is_inner: bool) -> str:
    if not isinstance(condition, All | AnyOf | Some):
        return word(condition, currency)
    inner = [_compound(part, currency, word=word, is_inner=True) for part in condition.of]
    if len(inner) == 1:
        return inner[0]
    text = _listed(condition, inner)
    return f"({text})" if is_inner else text


def _listed(condition: All | AnyOf | Some, inner: Sequence[str]) -> str:
    match condition:
        case All():
            return format_list(list(inner), style="standard", locale=_locale())
        case AnyOf():
            return format_list(list(inner), style="or", locale=_locale())
        case Some(at_least=m):
            return gettext("%(count)s of these: %(list)s") % {
                "count": number_text(m),
                "list": list_text(inner),
            }
