"""One letter of each kind that the site writes about a campaign, for reading in any language."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from countmein.base.clock import site_now
from countmein.campaigns import card_letters, letters, payout_letters, plan_letters
from countmein.campaigns import transfer_letters as bank
from countmein.campaigns.models import (
    Ballot,
    BallotPaper,
    Campaign,
    Failure,
    PlanShare,
    Pledge,
    Tally,
    Ticket,
)
from countmein.outreach.actions import Letterhead
from countmein.payments.models import Charge, Mandate, Payout
from countmein.rules.dunning import Decline

KINDS = ("call", "hours", "money", "presence", "purchase", "signature")
_TERMS = {
    "title": "المكتبة يوم الأحد",
    "kinds": list(KINDS),
    "currency": "EUR",
    "unit_price_minor": 1200,
    "rule": {"any": [{"people": 11}, {"places": {"people": 3, "at_least": 2}}]},
    "target": {
        "name": "المجلس",
        "email": "council@town.example",
        "ask": "افتحوها",
        "phone": "+44 113 4960000",
        "script": "مرحبًا",
    },
    "venue": "الساحة",
    "transfer_days": 5,
    "cap": {"purchase": 90},
}


def terms() -> dict[str, Any]:
    """What a campaign is launched on that takes every kind of pledge."""
    starts = site_now() + timedelta(days=40)
    ends = starts + timedelta(hours=2)
    return {**_TERMS, "starts_at": starts.isoformat(), "ends_at": ends.isoformat()}


def all_letters(campaign: Campaign) -> Iterator[tuple[str, Letterhead]]:
    """Each kind of letter by name, in the language that is active."""
    pledge = _pledge(campaign)
    yield "confirm", letters.confirm_letter(campaign, pledge, {"people": 12})
    yield "existing", letters.existing_letter(campaign, pledge)
    yield "card_refused", letters.card_refused_letter(campaign, pledge)
    for kind in KINDS:
        kept = _pledge(campaign, kind)
        ticket = Ticket(kind=kind, code="42", units=3)
        yield f"kept_{kind}", letters.kept_letter(campaign, kept, {kind: ticket}, stamp=site_now())
    yield "lapsed", letters.lapsed_letter(campaign, people=2)
    yield "lapsed_again", letters.lapsed_letter(campaign, people=3, again=campaign)
    for paid in (0, 1200):
        yield f"cancelled_{paid}", letters.cancelled_letter(campaign, paid_minor=paid)
    for by_cap in (True, False):
        yield f"left_out_{by_cap}", letters.left_out_letter(campaign, pledge, by_cap=by_cap)
    yield "topup", letters.topup_letter(campaign, pledge, tally=Tally())
    yield "dropped", letters.dropped_letter(campaign, pledge)
    for why in ("condition", "shortfall", "no_proof", "late", "recalled", "cancelled"):
        yield f"refunded_{why}", letters.refunded_letter(campaign, amount_minor=5, reason=why)
    yield (
        "target",
        letters.target_letter(campaign, number=1, signatures=13, names=["\u0628"], story=""),
    )
    for topic in ("tipped", "lapsed", "topup", "settled", "released", "reallocated_1"):
        yield f"organiser_{topic}", letters.organiser_letter(campaign, topic, people=100)
    yield from _about_cards_and_transfers(campaign, pledge)
    yield from _about_plans(campaign, pledge)
    yield from _about_payouts(campaign, pledge)


def _pledge(campaign: Campaign, kind: str = "money") -> Pledge:
    return Pledge(
        lane=campaign.lane,
        id=uuid.UUID(int=7),
        campaign_id=campaign.id,
        code="234567",
        kind=kind,
        amount=1500,
        accepted={kind: 150},
        state="accepted",
        payment_method="",
    )


def _about_cards_and_transfers(
    campaign: Campaign, pledge: Pledge
) -> Iterator[tuple[str, Letterhead]]:
    due = site_now() + timedelta(days=3)
    charge = Charge(
        lane=campaign.lane,
        amount_minor=1500,
        currency="EUR",
        due_at=due,
        parts=[],
        reference="RF18539007547034",
        decline="soft",
    )
    for decline in Decline:
        charge.decline = decline
        yield f"failing_{decline}", card_letters.failing_letter(campaign, pledge, charge)
    mandate = Mandate(card_last4="4242", card_expires_on=date(2030, 5, 31))
    yield "expiring", card_letters.expiring_letter(campaign, pledge, mandate)
    for arrived, is_again in ((0, False), (0, True), (500, True)):
        yield (
            f"transfer_{arrived}_{is_again}",
            bank.transfer_letter(
                campaign, pledge, charge, is_again=is_again, arrived_minor=arrived
            ),
        )
    yield "not_transferred", bank.not_transferred_letter(campaign)


def _about_plans(campaign: Campaign, pledge: Pledge) -> Iterator[tuple[str, Letterhead]]:
    now = site_now()
    until = now + timedelta(days=2)
    failure = Failure(
        lane=campaign.lane, campaign_id=campaign.id, number=1, failed_at=now, decide_until=until
    )
    yield "failed", plan_letters.failed_letter(campaign, pledge, failure, tried=frozenset())
    unpaid = _pledge(campaign, "signature")
    yield "failed_unpaid", plan_letters.failed_letter(campaign, unpaid, failure, tried=frozenset())
    yield "not_charged", plan_letters.not_charged_letter(campaign)
    ballot = _ballot(campaign, "left_over", ["refund", "keep"])
    share = PlanShare(borne_minor=1, refund_minor=2, delivered_minor=0, left_over_minor=3)
    yield "share", plan_letters.share_letter(campaign, pledge, failure, share, ballot=ballot)
    ballot.outcome = "refund"
    paper = BallotPaper(lane=campaign.lane, stake_minor=7)
    yield "ballot", plan_letters.ballot_letter(campaign, pledge, ballot, paper)


def _about_payouts(campaign: Campaign, pledge: Pledge) -> Iterator[tuple[str, Letterhead]]:
    ballot = _ballot(campaign, "milestone", ["yes", "no"])
    yield "milestone", payout_letters.milestone_letter(campaign, pledge, ballot)
    for topic in ("accepted", "refused", "unproven"):
        yield f"proof_{topic}", payout_letters.proof_letter(campaign, topic)
    payout = Payout(amount_minor=100, currency="EUR", kind="organiser", payee="", purpose="")
    for topic in ("wanted", "paid", "stopped"):
        yield f"payout_{topic}", payout_letters._payout_letter(campaign, payout, topic)
    yield (
        "account",
        payout_letters._account_letter(campaign.organiser, shown="42", stops=campaign.id),
    )


def _ballot(campaign: Campaign, kind: str, options: list[str]) -> Ballot:
    return Ballot(
        lane=campaign.lane,
        id=uuid.UUID(int=9),
        campaign_id=campaign.id,
        kind=kind,
        number=1,
        options=options,
        quorum_bp=1000,
        ends_at=site_now() + timedelta(days=1),
    )
