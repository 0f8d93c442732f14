"""The pledge form: from what a member typed to the body that every door gives the verb."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from pydantic import ValidationError

from countmein.campaigns import wording
from countmein.campaigns.bodies import PledgeBody
from countmein.campaigns.kinds import BANK_TRANSFER, is_charged
from countmein.campaigns.models import Campaign
from countmein.campaigns.transfers import takes_transfers
from countmein.rules.canonical import AddressRefused, mailbox
from countmein.rules.pledging import PledgeRefused, Reason
from countmein.web.fault_words import fault_words
from countmein.web.forms import Filled, amount_field, without_blanks
from countmein.web.public.plan_words import choices, fallback_of

REFUSALS: Final[dict[str, str | Promise]] = {
    Reason.campaign_closed: _("This campaign takes no more pledges."),
    Reason.key_reused: _("This form was sent before with other words. Look at it and send again."),
    Reason.already_pledged: _("Somebody has pledged with this e-mail already."),
    Reason.kind_not_offered: _("Choose one of these."),
    Reason.kind_repeated: _("This can be pledged once."),
    Reason.amount_invalid: _("This amount cannot be taken."),
    Reason.below_minimum: _("This is less than the smallest amount that can be taken."),
    Reason.address_invalid: _("Write an e-mail address such as ben@example.org."),
    Reason.place_unknown: _("Choose one of the places."),
    Reason.condition_invalid: _("This condition cannot be understood."),
    Reason.payment_method_not_needed: _("No card is needed for this."),
    Reason.transfers_not_offered: _("This campaign takes cards only."),
    Reason.latched: _("The campaign has tipped with you in it, and others have relied on that."),
    Reason.pledge_held: _("A person is looking at this pledge; nothing can change until then."),
    Reason.pledge_closed: _("This pledge has ended."),
    Reason.fallback_unknown: _("Choose one of these."),
    Reason.choice_closed: _("It is too late: what becomes of the money is decided."),
}
_CODE: Final = re.compile(r"[0-9a-z]{1,32}")
_COUNTED: Final = ("money", "purchase", "hours")
_CONDITION_FIELDS: Final = {
    "people": "condition_people",
    "people_in": "condition_place_people",
    "sum": "condition_sum",
    "pledge": "condition_pledge",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KindField:
    """One kind that can be chosen, with the field for its amount if it has one."""

    kind: str
    field: str = ""
    hint: str = ""
    amount_label: str = ""
    amount_hint: str = ""
    unit: str = ""
    value: str = ""
    fault: str = ""


def first_filled(campaign: Campaign, *, friend: str = "") -> Filled:
    """Return the form as it is offered: nothing ticked that a member did not choose.

    Who follows a friend's link finds that friend's pledge as the condition, and may choose another.
    """
    values = {"condition": "none"}
    if _CODE.fullmatch(friend):
        values = {"condition": "pledge", "condition_pledge": friend}
    if len(campaign.kinds) == 1:
        values["kind"] = campaign.kinds[0]
    return Filled(values=values)


def body_of(campaign: Campaign, form: Filled) -> PledgeBody | None:
    """Read the form; None, with every fault noted, if something in it cannot be understood."""
    kind = form.said("kind")
    if kind not in campaign.kinds:
        form.blame("kind", gettext("Choose what you pledge."))
    _check_address(form)
    amount = amount_of(campaign, form, kind) if kind in campaign.kinds else None
    condition = condition_of(campaign, form)
    more = _more(campaign, form, kind)
    if form.faults:
        return None
    fields = {
        "kind": kind,
        "amount": amount,
        "member": {"email": form.said("email"), "name": form.said("name")},
        "place": form.said("place"),
        "condition": condition,
        "public_name": bool(form.said("public_name")),
        "more": more,
        "fallback": fallback_of(form),
    }
    if takes_transfers(campaign) and form.said("pay") == BANK_TRANSFER and _is_paid(kind, more):
        fields["payment_method"] = BANK_TRANSFER
    try:
        return PledgeBody.model_validate(without_blanks(fields))
    except ValidationError as refused:
        form.blame_body(refused, _paths(form))
        return None


def _is_paid(kind: str, more: list[dict[str, Any]]) -> bool:
    return is_charged([kind, *(part["kind"] for part in more)])


def _check_address(form: Filled) -> None:
    """Look at the address with the other fields, so that all faults are named at once."""
    if not form.said("email"):
        form.blame("email", gettext("Write your e-mail address."))
        return
    try:
        mailbox(form.said("email"))
    except AddressRefused:
        form.blame("email", str(REFUSALS[Reason.address_invalid]))


def amount_of(campaign: Campaign, form: Filled, kind: str) -> int | None:
    """Read the amount of the chosen kind; one of what is counted once."""
    if kind not in _COUNTED:
        return 1
    return form.amount(f"amount_{kind}", kind=kind, currency=campaign.currency)


def condition_of(campaign: Campaign, form: Filled) -> dict[str, Any] | None:
    """Read the condition that was chosen in words; None is no condition."""
    match form.said("condition"):
        case "people":
            count = form.whole("condition_people")
            return {"people": count}
        case "people_in":
            count = form.whole("condition_place_people")
            return {"people_in": {"place": form.said("condition_place"), "at_least": count}}
        case "sum" if kind := sum_kind(campaign):
            amount = form.amount("condition_sum", kind=kind, currency=campaign.currency)
            return {"sum": {"kind": kind, "at_least": amount}}
        case "pledge":
            if not form.said("condition_pledge"):
                form.blame("condition_pledge", gettext("Write the code of that pledge."))
            return {"pledge": form.said("condition_pledge")}
        case "none":
            return None
    form.blame("condition", gettext("Choose when you count."))
    return None


def condition_fields(condition: dict[str, Any] | None, campaign: Campaign) -> dict[str, str]:
    """Fill the form with a condition, if it is one that the form can say."""
    match condition:
        case None:
            return {"condition": "none"}
        case {"people": int(n)}:
            return {"condition": "people", "condition_people": str(n)}
        case {"people_in": {"place": str(place), "at_least": int(n)}}:
            return {
                "condition": "people_in",
                "condition_place": place,
                "condition_place_people": str(n),
            }
        case {"sum": {"kind": str(kind), "at_least": int(n)}} if kind == sum_kind(campaign):
            text = amount_field(n, kind=kind, currency=campaign.currency)
            return {"condition": "sum", "condition_sum": text}
        case {"pledge": str(code)}:
            return {"condition": "pledge", "condition_pledge": code}
    return {"condition": "kept"}


def sum_kind(campaign: Campaign) -> str:
    """Name the kind whose total a condition can wait for; empty if there is none."""
    return next((kind for kind in _COUNTED if kind in campaign.kinds), "")


def refuse(form: Filled, refused: PledgeRefused) -> None:
    """Say in the form what the verb refused, in words."""
    path = refused.path or ("member.email" if refused.reason == Reason.already_pledged else "")
    form.blame_path(path, refusal_words(refused), _paths(form))


def refusal_words(refused: PledgeRefused) -> str:
    """Say in words why the verb refused."""
    return str(REFUSALS.get(refused.reason) or fault_words(refused.reason))


def fields_of(campaign: Campaign, form: Filled) -> dict[str, Any]:
    """Return what the template of the form needs beside the campaign."""
    total = sum_kind(campaign)
    return {
        "form": form,
        "fallbacks": choices(campaign, chosen=form.said("fallback")),
        "offers_transfer": takes_transfers(campaign),
        "kinds": [kind_field(campaign, form, kind) for kind in campaign.kinds],
        "sum_kind": total,
        "sum_unit": unit_of(campaign, total),
        "sum_words": gettext("Only when the total is high enough"),
        "more_kind": total,
        "more_label": {
            "money": gettext("So much more money"),
            "hours": gettext("So many more hours"),
        }.get(total, gettext("So many more")),
        "more_unit": unit_of(campaign, total),
    }


def kind_field(campaign: Campaign, form: Filled, kind: str) -> KindField:
    """Return one kind that can be chosen, as the form shows it."""
    name = f"amount_{kind}"
    labels = {
        "money": gettext("How much?"),
        "purchase": gettext("How many?"),
        "hours": gettext("How long?"),
    }
    return KindField(
        kind=kind,
        field=name,
        hint=_kind_hint(campaign, kind),
        amount_label=labels.get(kind, ""),
        amount_hint=_amount_hint(campaign, kind),
        unit=unit_of(campaign, kind),
        value=form.values.get(name, ""),
        fault=form.faults.get(name, ""),
    )


def unit_of(campaign: Campaign, kind: str) -> str:
    """Say what stands behind the number of an amount."""
    if kind == "money":
        return campaign.currency
    return gettext("hours:minutes") if kind == "hours" else ""


def _kind_hint(campaign: Campaign, kind: str) -> str:
    if kind == "purchase" and campaign.unit_price_minor:
        price = wording.money_text(campaign.unit_price_minor, campaign.currency)
        return gettext("%(price)s each") % {"price": price}
    if kind == "presence":
        return str(campaign.venue)
    if kind == "signature" and campaign.target:
        return gettext("To %(target)s") % {"target": campaign.target.get("name", "")}
    return ""


def _amount_hint(campaign: Campaign, kind: str) -> str:
    if (least := campaign.minimum.get(kind, 1)) > 1:
        text = least if kind == "purchase" else wording.amount_text(kind, least, campaign)
        return gettext("At least %(amount)s") % {"amount": text}
    return ""


def _more(campaign: Campaign, form: Filled, kind: str) -> list[dict[str, Any]]:
    if not form.said("more_amount") and not form.said("more_people"):
        return []
    more_kind = kind if kind in _COUNTED else sum_kind(campaign)
    if not more_kind:
        return []
    amount = form.amount("more_amount", kind=more_kind, currency=campaign.currency)
    people = form.whole("more_people")
    return [{"kind": more_kind, "amount": amount, "condition": {"people": people}}]


def _paths(form: Filled) -> dict[str, str]:
    """Which field of the form filled which part of the body."""
    return {
        "kind": "kind",
        "amount": f"amount_{form.said('kind')}" if form.said("kind") in _COUNTED else "kind",
        "member.email": "email",
        "member.name": "name",
        "place": "place",
        "payment_method": "pay",
        "condition": _CONDITION_FIELDS.get(form.said("condition"), "condition"),
        "more": "more_amount",
        "fallback": "fallback",
    }
