"""A campaign of each kind, and a pledge that fits it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

#: A Saturday far enough ahead that no journey's clock gets there.
SATURDAY = datetime(2031, 3, 15, 10, 0, tzinfo=UTC)

CAMPAIGNS: dict[str, dict[str, Any]] = {
    "money": {"title": "A roof for the boat house", "currency": "GBP"},
    "purchase": {
        "title": "Bread from the new bakery",
        "currency": "EUR",
        "unit_price_minor": 1250,
        "cap": {"purchase": 100},
    },
    "signature": {
        "title": "A crossing in Mill Lane",
        "story": "Children *cross* here every morning.",
        "target": {
            "name": "The council",
            "ask": "Build the crossing this year",
            "email": "council@example.org",
        },
    },
    "presence": {
        "title": "Dinner on the bridge",
        "starts_at": SATURDAY.isoformat(),
        "ends_at": (SATURDAY + timedelta(hours=3)).isoformat(),
        "venue": "The old bridge, Leeds",
        "timezone": "Europe/London",
    },
    "call": {
        "title": "Ring the water company",
        "target": {
            "name": "The water company",
            "phone": "+44 20 7946 0000",
            "script": "Please publish the readings.",
        },
        "hours": "weekdays, 9 to 5",
    },
    "hours": {
        "title": "Clean the canal",
        "starts_at": SATURDAY.isoformat(),
        "ends_at": (SATURDAY + timedelta(hours=4)).isoformat(),
        "venue": "Lock 7",
    },
}
PLEDGES: dict[str, dict[str, Any]] = {
    "money": {"amount": 2500, "payment_method": "pm_card_visa"},
    "purchase": {"amount": 2, "payment_method": "pm_card_mastercard"},
    "signature": {},
    "presence": {},
    "call": {},
    "hours": {"amount": 90},
}


def campaign(kind: str, **terms: Any) -> dict[str, Any]:
    """The terms of a campaign of this kind."""
    return {"kinds": [kind], **CAMPAIGNS[kind], **terms}


def pledge(kind: str, **said: Any) -> dict[str, Any]:
    """A pledge of this kind."""
    return {"kind": kind, **PLEDGES[kind], **said}
