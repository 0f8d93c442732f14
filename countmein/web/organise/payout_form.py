"""The part of a campaign's form that says how its money is paid out."""

from __future__ import annotations

import re
from datetime import UTC
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.utils.translation import gettext

from countmein.campaigns.models import Campaign
from countmein.campaigns.payouts import terms_of
from countmein.web.forms import Filled, without_blanks

#: Which field of the form filled which part of the body.
FIELDS: Final = {
    "payout": "payout_stages",
    "payout.stages_bp": "payout_stages",
    "payout.proof_by": "proof_by",
    "payout.holdback_bp": "holdback",
    "payout.refund_days": "refund_days",
}
_PERCENT: Final = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?")


def payout_of(form: Filled, zone: str) -> dict[str, Any] | None:
    """Read how it is paid out; None if nothing is said, and faults noted where it is not plain."""
    said = {
        "stages_bp": _stages(form),
        "proof_by": form.local_instant("proof_by", zone) if form.said("proof_by") else None,
        "holdback_bp": _share(form, "holdback", form.said("holdback")),
        "refund_days": _days(form),
    }
    return without_blanks(said) or None


def _stages(form: Filled) -> list[int]:
    parts = re.split(r"[,;/\s]+", form.said("payout_stages").replace("%", " ").strip())
    shares = [_share(form, "payout_stages", part) for part in parts if part]
    return [share for share in shares if share is not None]


def _share(form: Filled, name: str, text: str) -> int | None:
    """A percentage in basis points; a fault is noted if it is none."""
    bare = text.replace("%", "").strip()
    match = _PERCENT.fullmatch(bare)
    if match is not None:
        bp = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))
        if bp <= 10_000:
            return bp
    if bare:
        form.blame(name, gettext("Write a share in per cent, such as 60."))
    return None


def _days(form: Filled) -> int | None:
    text = form.said("refund_days")
    if text.isascii() and text.isdigit() and len(text) <= 3:
        return int(text)
    if text:
        form.blame("refund_days", gettext("Write a whole number of days, such as 14."))
    return None


def fields_of(campaign: Campaign) -> dict[str, str]:
    """The fields filled with what a draft says."""
    if campaign.payout is None:
        return {}
    terms = terms_of(campaign)
    values = {
        "payout_stages": ", ".join(_text(bp) for bp in terms.stages_bp),
        "holdback": _text(terms.holdback_bp),
        "refund_days": str(terms.refund_days),
    }
    if terms.proof_by is None:
        return values
    here = terms.proof_by.astimezone(ZoneInfo(campaign.timezone))
    is_twice = here.replace(fold=0).astimezone(UTC) != here.replace(fold=1).astimezone(UTC)
    values["proof_by"] = here.replace(tzinfo=None).isoformat(
        timespec="seconds" if here.second else "minutes"
    )
    return {**values, "proof_by_fold": str(here.fold)} if is_twice else values


def _text(bp: int) -> str:
    whole, rest = divmod(bp, 100)
    return f"{whole}.{rest:02d}" if rest else str(whole)
