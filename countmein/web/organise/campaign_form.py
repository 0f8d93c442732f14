"""The form of a campaign: from human words to the body that every door gives the verb, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from babel.numbers import get_currency_name
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from pydantic import ValidationError

from countmein.campaigns.bodies import CampaignBody
from countmein.campaigns.models import Campaign
from countmein.campaigns.terms import Fault
from countmein.rules.money import EXPONENT_OF, decimal_text
from countmein.web.fault_words import fault_words
from countmein.web.forms import Filled, amount_field, without_blanks
from countmein.web.organise import payout_form, plan_form
from countmein.web.templatetags.words import locale


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A usual kind of campaign: what it is for, and what its form begins with."""

    name: str
    title: str | Promise
    words: str | Promise
    kinds: tuple[str, ...]


TEMPLATES: Final[dict[str, Template]] = {
    template.name: template
    for template in (
        Template(
            name="fund",
            title=_("Fund something together"),
            words=_("Everybody gives if the sum comes together: an advert, a roof, a barber."),
            kinds=("money",),
        ),
        Template(
            name="buy",
            title=_("Buy together"),
            words=_("A price that a shop gives only to many at once. Each gets a voucher."),
            kinds=("purchase",),
        ),
        Template(
            name="petition",
            title=_("Petition somebody"),
            words=_("A letter to whoever must answer, delivered once enough have signed."),
            kinds=("signature",),
        ),
        Template(
            name="gather",
            title=_("Gather in one place"),
            words=_("A meeting, a flash mob, a dinner: it takes place if enough people come."),
            kinds=("presence",),
        ),
        Template(
            name="call",
            title=_("Make phone calls"),
            words=_("Many ring the same number, with a script, on the same day."),
            kinds=("call",),
        ),
        Template(
            name="volunteer",
            title=_("Volunteer hours"),
            words=_("A clean-up, a build, a shift: everybody turns up if there are enough hands."),
            kinds=("hours",),
        ),
    )
}
ALL_KINDS: Final = ("money", "purchase", "signature", "presence", "call", "hours")
TARGET: Final = ("name", "ask", "email", "phone", "script")
_PLAIN: Final = ("title", "story", "venue", "hours", "timezone", "latch", "confirm", "shortfall")
#: Which field of the form filled which part of the body.
_FIELDS: Final = {
    "title": "title",
    "story": "story",
    "kinds": "kinds",
    "currency": "currency",
    "rule": "rule",
    "latch": "latch",
    "deadline": "deadline",
    "timezone": "timezone",
    "confirm": "confirm",
    "shortfall": "shortfall",
    **{f"minimum.{kind}": f"minimum_{kind}" for kind in ALL_KINDS},
    **{f"cap.{kind}": f"cap_{kind}" for kind in ALL_KINDS},
    **{f"target.{name}": f"target_{name}" for name in TARGET},
    "places": "places",
    "unit_price_minor": "unit_price",
    "starts_at": "starts_at",
    "ends_at": "ends_at",
    "venue": "venue",
    "hours": "hours",
    **plan_form.FIELDS,
    **payout_form.FIELDS,
    "transfer_days": "transfer_days",
}


def first_filled(template: Template, *, timezone: str) -> Filled:
    """Return the form as a template offers it."""
    return Filled(
        values={"timezone": timezone, "latch": "on_tip", "confirm": "email", "rule_mode": "all"},
        ticked={"kinds": list(template.kinds)},
    )


def body_of(form: Filled, *, kept: Mapping[str, Any] | None = None) -> CampaignBody | None:
    """Read the form; None, with every fault noted, if something in it cannot be understood.

    `kept`: the plan B of the draft, of which the form says only a part.
    """
    kinds = [kind for kind in form.ticked.get("kinds", []) if kind in ALL_KINDS]
    zone, currency = form.said("timezone") or "UTC", form.said("currency")
    if not form.said("title"):
        form.blame("title", gettext("Give it a title."))
    if not kinds:
        form.blame("kinds", gettext("Choose what people pledge."))
    if {"money", "purchase"} & set(kinds) and currency not in EXPONENT_OF:
        form.blame("currency", gettext("Choose the currency."))
        return None
    fields: dict[str, Any] = {
        **{name: form.said(name) for name in _PLAIN},
        "kinds": kinds,
        "currency": currency or None,
        "rule": _rule(form, kinds, currency),
        "deadline": form.local_instant("deadline", zone),
        "minimum": _per_kind(form, "minimum", kinds, currency),
        "cap": _per_kind(form, "cap", kinds, currency),
        "target": without_blanks({name: form.said(f"target_{name}") for name in TARGET}),
        "places": _lines(form.said("places")),
        "unit_price_minor": _optional_money(form, "unit_price", currency),
        "starts_at": _optional_instant(form, "starts_at", zone),
        "ends_at": _optional_instant(form, "ends_at", zone),
        "plan_b": plan_form.plan_b_of(form, currency, kept),
        "payout": payout_form.payout_of(form, zone),
        "transfer_days": form.whole("transfer_days") if form.said("transfer_days") else None,
    }
    if form.faults:
        return None
    try:
        return CampaignBody.model_validate(without_blanks(fields))
    except ValidationError as refused:
        form.blame_body(refused, _FIELDS)
        return None


def blame(form: Filled, errors: Sequence[Fault]) -> None:
    """Say in the form what the verb refused, in words."""
    for fault in errors:
        form.blame_path(fault.path, fault_words(fault.reason, path=fault.path), _FIELDS)


def fault_field(fault: Fault) -> str:
    """Name the field that a fault is about."""
    known = [start for start in _FIELDS if fault.path.startswith(start)]
    return _FIELDS[max(known, key=len)] if known else "form"


def filled_of(campaign: Campaign, *, story: str) -> Filled:
    """Return the form filled with a draft."""
    target = campaign.target or {}
    currency = campaign.currency
    values = {
        **{name: getattr(campaign, name) for name in _PLAIN if name != "story"},
        "story": story,
        "currency": currency,
        "places": "\n".join(campaign.places),
        **{f"target_{name}": target.get(name) or "" for name in TARGET},
        **_amounts("minimum", campaign.minimum, currency),
        **_amounts("cap", campaign.cap, currency),
        **_local(campaign, "deadline", campaign.deadline),
        **_local(campaign, "starts_at", campaign.starts_at),
        **_local(campaign, "ends_at", campaign.ends_at),
        **_rule_fields(campaign.rule, currency),
        **payout_form.fields_of(campaign),
    }
    if campaign.unit_price_minor:
        values["unit_price"] = decimal_text(campaign.unit_price_minor, currency)
    values |= plan_form.fields_of(campaign.plan_b, currency)
    if campaign.transfer_days:
        values["transfer_days"] = str(campaign.transfer_days)
    return Filled(values=values, ticked={"kinds": list(campaign.kinds)})


@cache
def timezones() -> tuple[str, ...]:
    """Return the time zones one can choose from: those of places, and UTC."""
    left_out = ("Etc/", "SystemV/", "posix/", "right/", "US/")
    named = (zone for zone in available_timezones() if "/" in zone)
    return ("UTC", *sorted(zone for zone in named if not zone.startswith(left_out)))


def currencies() -> list[tuple[str, str]]:
    """Return the currencies one can choose from, with their names."""
    return [(code, f"{code} – {get_currency_name(code, locale=locale())}") for code in _SORTED]


_SORTED: Final = sorted(EXPONENT_OF)


def _rule(form: Filled, kinds: Sequence[str], currency: str) -> Any:
    """Build the rule from its words, or take the one written by hand."""
    if raw := form.said("rule_json"):
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            form.blame("rule_json", gettext("This is not JSON."))
            return None
    atoms: list[dict[str, Any]] = []
    if form.said("rule_people"):
        atoms.append({"people": form.whole("rule_people")})
    for kind in ("money", "purchase", "hours"):
        if kind in kinds and form.said(f"rule_{kind}"):
            amount = form.amount(f"rule_{kind}", kind=kind, currency=currency)
            atoms.append({"sum": {"kind": kind, "at_least": amount}})
    if form.said("rule_places") or form.said("rule_places_people"):
        people, places = form.whole("rule_places_people"), form.whole("rule_places")
        atoms.append({"places": {"people": people, "at_least": places}})
    if not atoms:
        form.blame("rule_people", gettext("Say when it tips: at least one of these is needed."))
        return None
    if len(atoms) == 1:
        return atoms[0]
    return {"any" if form.said("rule_mode") == "any" else "all": atoms}


def _rule_fields(rule: Any, currency: str) -> dict[str, str]:
    """Fill the words of a rule; one that they cannot say is shown as it is written."""
    by_hand = {"rule_json": json.dumps(rule, indent=1, ensure_ascii=False), "rule_mode": "all"}
    mode, atoms = "all", [rule]
    if isinstance(rule, dict) and ("all" in rule or "any" in rule):
        mode = "all" if "all" in rule else "any"
        atoms = rule[mode]
    fields = {"rule_mode": mode}
    for atom in atoms:
        match atom:
            case {"people": int(n)}:
                new = {"rule_people": str(n)}
            case {"sum": {"kind": "money" | "purchase" | "hours" as kind, "at_least": int(n)}}:
                new = {f"rule_{kind}": amount_field(n, kind=kind, currency=currency)}
            case {"places": {"people": int(people), "at_least": int(places)}}:
                new = {"rule_places": str(places), "rule_places_people": str(people)}
            case _:
                return by_hand
        if new.keys() & fields.keys():
            return by_hand
        fields |= new
    return fields


def _per_kind(form: Filled, name: str, kinds: Sequence[str], currency: str) -> dict[str, int]:
    found = {
        kind: form.amount(f"{name}_{kind}", kind=kind, currency=currency)
        for kind in kinds
        if form.said(f"{name}_{kind}")
    }
    return {kind: amount for kind, amount in found.items() if amount is not None}


def _amounts(name: str, amounts: Mapping[str, int], currency: str) -> dict[str, str]:
    return {
        f"{name}_{kind}": amount_field(amount, kind=kind, currency=currency)
        for kind, amount in amounts.items()
    }


def _optional_money(form: Filled, name: str, currency: str) -> int | None:
    return form.minor(name, currency) if form.said(name) and currency else None


def _optional_instant(form: Filled, name: str, zone: str) -> datetime | None:
    return form.local_instant(name, zone) if form.said(name) else None


def _local(campaign: Campaign, name: str, at: datetime | None) -> dict[str, str]:
    if at is None:
        return {}
    here = at.astimezone(ZoneInfo(campaign.timezone))
    precision = "seconds" if here.second else "minutes"
    fields = {name: here.replace(tzinfo=None).isoformat(timespec=precision)}
    is_twice = here.replace(fold=0).astimezone(UTC) != here.replace(fold=1).astimezone(UTC)
    return {**fields, f"{name}_fold": str(here.fold)} if is_twice else fields


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
