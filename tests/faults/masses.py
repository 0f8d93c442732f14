"""Crowds made quickly, and what the witnesses outside saw of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeVar

from django.conf import settings

from countmein.campaigns.actions.count import count
from countmein.campaigns.actions.pledge import Answer, pledge
from countmein.campaigns.bodies import PledgeBody
from countmein.campaigns.models import Campaign
from countmein.campaigns.pledge_terms import PledgeRequest
from countmein.campaigns.queries import public_view
from countmein.payments.actions.mandates import make_mandates
from countmein.payments.models import Attempt, Charge, Mandate
from tests.conftest import ask

CARD = "pm_card_visa"
T = TypeVar("T")
#: The full size takes hours and is for the night; each change gets the small one.
IS_FULL = os.environ.get("CHAOS") == "full"


def size(small: T, full: T) -> T:
    """How many, or which, by CHAOS=full."""
    return full if IS_FULL else small


def crowd(campaign: Campaign, prefix: str, said: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pledge as many people, a hundred at a time; everybody must be taken."""
    made = []
    for start in range(0, len(said), 100):
        requests = [
            PledgeRequest(
                body=PledgeBody.model_validate(
                    {
                        "kind": campaign.kinds[0],
                        "member": {"email": f"{prefix}{start + n}@example.org", "name": "N"},
                        **body,
                    }
                ),
                key=f"{prefix}{start + n}",
            )
            for n, body in enumerate(said[start : start + 100])
        ]
        answers = pledge(campaign=campaign, requests=requests)
        made += [answer.body for answer in answers if isinstance(answer, Answer)]
    assert len(said) == len(made)
    return made


def until_tipped(campaign: Campaign) -> None:
    """Save the cards and count, and go no further."""
    wanted = Mandate.objects.filter(lane=campaign.lane, campaign_id=campaign.id, state="wanted")
    while wanted.exists():
        make_mandates()
    count(str(campaign.id))
    assert "tipped" == public_view(campaign)["state"]


def references(campaign: Campaign) -> set[str]:
    """What the provider knows this campaign's charges by."""
    rows = Charge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    return {str(id) for id in rows.values_list("id", flat=True)}


def paid_at_provider(campaign: Campaign) -> list[dict[str, Any]]:
    """The charges of this campaign that succeeded in the provider's own book."""
    ours = references(campaign)
    items = ask(f"{settings.STRIPE_API_BASE}/_book/charges")["items"]
    return [
        c for c in items if c["metadata"].get("reference") in ours and c["status"] == "succeeded"
    ]


def most_per_charge(paid: Sequence[dict[str, Any]]) -> int:
    """How often the one who was charged most often was charged."""
    return max(Counter(c["metadata"]["reference"] for c in paid).values(), default=0)


def unclear(campaign: Campaign) -> int:
    """How many tries nobody knows the outcome of."""
    tries = Attempt.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    return int(tries.filter(outcome__in=["started", "unknown"]).count())


def letters_at_sink(subject: str) -> Counter[str]:
    """How many letters with these words in the subject each address really got."""
    got: Counter[str] = Counter()
    after = 0
    while items := ask(f"{settings.OUTBOX_URL}/messages?limit=1000&after={after}")["items"]:
        for mail in items:
            if subject in mail["subject"]:
                got.update([mail["to"]] if isinstance(mail["to"], str) else mail["to"])
        after = items[-1]["id"]
    return got
