"""Why a body or a wish is refused, in our words: path, stable reason, detail."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from countmein.base.problems import Fault, Problem
from countmein.rules.pledging import PledgeRefused, Reason

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")

#: Refusals that speak of where things stand, not of what was sent.
_CONFLICTS: Final = frozenset(
    {
        Reason.campaign_closed,
        Reason.already_pledged,
        Reason.key_reused,
        Reason.latched,
        Reason.pledge_held,
        Reason.pledge_closed,
        Reason.choice_closed,
    }
)
#: Our words for pydantic's; a fault of our own types already carries its word.
_REASONS: Final = {
    "extra_forbidden": "unknown_field",
    "int_type": "not_an_integer",
    "int_from_float": "not_an_integer",
    "string_type": "not_text",
    "string_unicode": "strange_character",
    "string_too_short": "too_short",
    "string_too_long": "too_long",
    "string_pattern_mismatch": "malformed",
    "bool_type": "not_true_or_false",
    "list_type": "not_a_list",
    "dict_type": "not_an_object",
    "model_type": "not_an_object",
    "model_attributes_type": "not_an_object",
    "enum": "unknown_word",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
}


def faults_of(error: ValidationError) -> tuple[Fault, ...]:
    """Every fault of a body that was read directly."""
    found = error.errors(include_url=False, include_input=False)
    return tuple(fault_of(one, steps=one["loc"]) for one in found)


def fault_of(found: Mapping[str, Any], *, steps: Sequence[str | int]) -> Fault:
    """One fault; `steps` lead to its field from the top of the body."""
    path = _path(steps)
    own_path = found.get("ctx", {}).get("path")
    if isinstance(own_path, str):
        # The grammar points further in, and its path begins with the field's own name.
        outer = path.rpartition(".")[0]
        path = f"{outer}.{own_path}" if outer else own_path
    kind = found["type"]
    return Fault(path=path, reason=_REASONS.get(kind, kind), detail=found["msg"])


def _path(steps: Sequence[str | int]) -> str:
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step != "[key]":
            # The path is shown and logged, so a key goes into it only if it looks like a name.
            name = step if _NAME.fullmatch(step) else "…"
            path += f".{name}" if path else name
    return path


def refusal(refused: PledgeRefused) -> Problem:
    """A refusal of the law, with the field it names."""
    detail = refused.detail or str(refused.reason).replace("_", " ")
    errors: tuple[Fault, ...] = ()
    if refused.path is not None:
        errors = (Fault(path=refused.path, reason=refused.reason, detail=detail),)
    status = 409 if refused.reason in _CONFLICTS else 422
    return Problem(status=status, reason=refused.reason, detail=detail, errors=errors)


def invalid(faults: tuple[Fault, ...]) -> Problem:
    """A body that says what cannot be taken, with every field at fault."""
    reason = _headline(faults)
    status = 409 if reason == "already_launched" else 422
    detail = "; ".join(f"{fault.path}: {fault.detail}" for fault in faults[:5])
    return Problem(status=status, reason=reason, detail=detail, errors=faults)


def _headline(faults: tuple[Fault, ...]) -> str:
    """One word for all the faults: the first that says more than `invalid`."""
    for fault in faults:
        if fault.reason in ("already_launched", "address_invalid", "fallback_unknown"):
            return fault.reason
        segments = re.split(r"[.\[]", fault.path)
        if segments[0] == "rule":
            return "rule_invalid"
        if "condition" in segments:
            return "condition_invalid"
    return "invalid"
