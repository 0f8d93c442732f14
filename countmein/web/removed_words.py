"""What is said of pledges that were taken out of a count: to everybody, and at the desk."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from countmein.campaigns.models import Moderation

REASON_WORDS: Final = {
    "duplicates": _("The same people, more than once"),
    "automated": _("Made by a program"),
    "not_people": _("Behind them are no people who could be found"),
    "reported": _("Reported by those whose names were used"),
    "other": _("Another reason"),
}
VERDICT_WORDS: Final = {
    "held": _("Held, until somebody has looked at them"),
    "invalid": _("Found invalid"),
}


def removed_rows(moderations: list[Moderation]) -> list[dict[str, Any]]:
    """One line for each act: when, why, how many, and whether it was taken back."""
    return [
        {
            "row": row,
            "reason": REASON_WORDS.get(row.reason, row.reason),
            "verdict": VERDICT_WORDS.get(row.verdict, row.verdict),
            "out": row.people - row.lifted_people,
            "may_lift": row.done_at is not None and row.lift_asked_at is None,
        }
        for row in moderations
    ]
