"""The part of a campaign's form that says what is done if it cannot be carried out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext
from pydantic import ValidationError

from countmein.campaigns.bodies import PlanBody
from countmein.rules.money import decimal_text
from countmein.web.forms import Filled, without_blanks

#: So many plans the form offers; a program may state more.
PLANS: Final = (1, 2, 3)
#: What is typed of each plan, beside its title.
_MORE: Final = ("text", "cost", "people", "supplier", "document")
_WORDS: Final = ("text", "supplier", "document")
#: Which field of the form filled which part of the body.
FIELDS: Final = {
    "plan_b": "plan_1_title",
    **{f"plan_b.plans[{n - 1}]": f"plan_{n}_title" for n in PLANS},
    **{f"plan_b.plans[{n - 1}].cost_minor": f"plan_{n}_cost" for n in PLANS},
    **{f"plan_b.plans[{n - 1}].rule": f"plan_{n}_people" for n in PLANS},
}


def plan_b_of(form: Filled, currency: str, kept: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Build the plans from their fields; what the form cannot say stays as the draft has it."""
    if form.said("plans_kept") and kept:
        return dict(kept)
    plans = [plan for n in PLANS if (plan := _plan(form, n, currency)) is not None]
    if not plans:
        return None
    others = {key: value for key, value in (kept or {}).items() if key != "plans"}
    return {**others, "plans": plans}


def _plan(form: Filled, n: int, currency: str) -> dict[str, Any] | None:
    """One plan; None if nothing is said of it, and faults noted where it is not plain."""
    said = {name: form.said(f"plan_{n}_{name}") for name in ("title", *_MORE)}
    if not any(said.values()):
        return None
    if not said["title"]:
        form.blame(f"plan_{n}_title", gettext("Say what is done then."))
        return None
    cost_minor = form.minor(f"plan_{n}_cost", currency) if said["cost"] and currency else None
    people = form.whole(f"plan_{n}_people") if said["people"] else None
    plan = without_blanks(
        {
            "title": said["title"],
            **{name: said[name] for name in _WORDS},
            "cost_minor": cost_minor,
            "rule": {"people": people} if people else None,
        }
    )
    _require_plain(form, n, plan)
    return plan


def _require_plain(form: Filled, n: int, plan: Mapping[str, Any]) -> None:
    """What is typed as numbers has proved right already, so what is wrong is a text."""
    try:
        PlanBody.model_validate(plan)
    except ValidationError as refused:
        for error in refused.errors(include_url=False, include_context=False, include_input=False):
            is_link = error["type"] == "not_a_link"
            words = gettext("Write an address that begins with https://.")
            form.blame(f"plan_{n}_{error['loc'][0]}", words if is_link else error["msg"])


def fields_of(plan_b: Mapping[str, Any] | None, currency: str) -> dict[str, str]:
    """The fields filled with what a draft says, or that the form cannot show it."""
    plans = plan_b["plans"] if plan_b else []
    if len(plans) > len(PLANS) or not all(_is_plain(plan["rule"]) for plan in plans):
        return {"plans_kept": "1"}
    fields = {}
    for n, plan in enumerate(plans, start=1):
        fields[f"plan_{n}_title"] = plan["title"]
        # A draft of an older release does not say all of them.
        fields |= {f"plan_{n}_{name}": plan.get(name, "") for name in _WORDS}
        if plan["cost_minor"] is not None:
            fields[f"plan_{n}_cost"] = decimal_text(plan["cost_minor"], currency)
        if plan["rule"] is not None:
            fields[f"plan_{n}_people"] = str(plan["rule"]["people"])
    return fields


def _is_plain(rule: Any) -> bool:
    """Whether the form can say this rule: none, or so many people."""
    return rule is None or list(rule) == ["people"]


def rows_of(form: Filled) -> list[dict[str, Any]]:
    """The plans as the form shows them; further ones are folded until they are wanted."""
    return [
        {
            "label": gettext("Plan %(n)s") % {"n": n},
            "is_open": n == 1 or is_said(form, n),
            **{
                name: {
                    "name": f"plan_{n}_{name}",
                    "value": form.values.get(f"plan_{n}_{name}", ""),
                    "fault": form.faults.get(f"plan_{n}_{name}", ""),
                }
                for name in ("title", *_MORE)
            },
        }
        for n in PLANS
    ]


def is_said(form: Filled, n: int) -> bool:
    """Whether anything stands in the fields of this plan, or is wrong with them."""
    names = [f"plan_{n}_{name}" for name in ("title", *_MORE)]
    return any(form.said(name) or name in form.faults for name in names)


def opens(form: Filled) -> bool:
    """Whether this part of the form has something to show."""
    return bool(form.said("plans_kept")) or any(is_said(form, n) for n in PLANS)
