"""To pay out: somebody asks, the money is set aside, who must agree agrees, and then it goes."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from countmein.base.clock import site_now
from countmein.base.ids import named_uuid
from countmein.base.jobs import defer, job
from countmein.campaigns.actions.account import look_at_account
from countmein.campaigns.documents import Upload, keep
from countmein.campaigns.gates import hold
from countmein.campaigns.models import Campaign, Gate
from countmein.campaigns.payout_letters import tell_of_payout
from countmein.campaigns.payouts import (
    PAYING,
    funds_of,
    look_again_at,
    obstacles_of,
    payee_account,
)
from countmein.campaigns.stakes import BALLOT
from countmein.members.models import Organiser
from countmein.payments.actions.accounts import LookUpFailed, account_of
from countmein.payments.actions.claims import update
from countmein.payments.actions.paying import pay_due
from countmein.payments.actions.payouts import NotEnough, set_aside, stop
from countmein.payments.models import Payout, PayoutApproval, PayoutKind, PayoutState
from countmein.rules.payout import Obstacle, payable
from countmein.rules.states import CampaignState

#: How the public ledger names the organiser; no supplier is called that.
ORGANISER = "organiser"
#: More payouts than this of one campaign are somebody's mistake; those that were stopped count only
#: towards the second limit, beyond which they are a way to fill the disk.
MOST = 500
MOST_WITH_STOPPED = 5000
#: An account of the books that is nobody's: what waits for a vote.
_RESERVED = frozenset({BALLOT})
_NO_ANSWER_RESTS = timedelta(minutes=1)


class PayoutRefused(Exception):
    """This payout cannot be asked for, agreed to or made; `reason` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def ask_payout(
    *,
    campaign: Campaign,
    by: Organiser,
    amount_minor: int,
    key: uuid.UUID,
    payee: str = ORGANISER,
    purpose: str = "",
    iban: str = "",
    document: Upload | None = None,
) -> Payout:
    """Set this much aside for the organiser, or for a supplier with a purpose, and judge it.

    `key` makes it once: asked again, the answer is the payout that is there. Raises PayoutRefused,
    also where the same key asked for something else.
    """
    is_own = payee == ORGANISER
    if payee.casefold() in _RESERVED:
        raise PayoutRefused("payee_reserved")
    id = named_uuid("payout", str(campaign.id), str(key))
    payout = Payout(
        lane=campaign.lane,
        id=id,
        campaign_id=campaign.id,
        kind=PayoutKind.ORGANISER if is_own else PayoutKind.SUPPLIER,
        payee=payee,
        purpose=purpose,
        amount_minor=amount_minor,
        currency=campaign.currency,
        asked_by_id=by.id,
        asked_at=site_now(),
    )
    payout.keep_iban(iban)
    with transaction.atomic():
        gate = hold(campaign)
        campaign.refresh_from_db()
        if campaign.organiser_id != by.id:
            raise PayoutRefused("not_the_organiser")
        known = Payout.objects.filter(lane=campaign.lane, campaign_id=campaign.id, id=id).first()
        if known is not None:
            assert isinstance(known, Payout)
            said = (known.payee, known.amount_minor, known.purpose, known.iban)
            if said != (payee, amount_minor, purpose, iban):
                raise PayoutRefused("already_asked")
            return known
        _require_payable(campaign, gate, payout)
        try:
            set_aside(payout)
        except NotEnough as short:
            raise PayoutRefused(Obstacle.nothing_left) from short
        if document is not None:
            keep(document, campaign=campaign, payout=payout)
        _judge(campaign, gate, payout)
    defer(pay_out, once=f"pay_out:{campaign.id}", campaign_id=str(campaign.id))
    return payout


def _require_payable(campaign: Campaign, gate: Gate, payout: Payout) -> None:
    """Refuse what is not there; what only time or a person keeps back may be asked for."""
    if CampaignState(gate.state) not in PAYING:
        raise PayoutRefused("not_settled")
    rows = Payout.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    if rows.exclude(state=PayoutState.STOPPED).count() >= MOST or rows.count() >= MOST_WITH_STOPPED:
        raise PayoutRefused("too_many")
    if payout.amount_minor <= 0:
        raise PayoutRefused(Obstacle.nothing_left)
    now = site_now()
    if payout.amount_minor > payable(funds_of(campaign, gate, now=now)):
        found = obstacles_of(campaign, gate, payout, now=now)
        short = (Obstacle.stage_not_proven, Obstacle.held_back, Obstacle.nothing_left)
        raise PayoutRefused(next((o for o in short if o in found), Obstacle.nothing_left))


def approve(*, campaign: Campaign, payout_id: uuid.UUID, by: Organiser) -> Payout:
    """Agree to a payout as the second person, a site owner who did not ask for it.

    Agreeing twice changes nothing. Raises PayoutRefused.
    """
    with transaction.atomic():
        gate = hold(campaign)
        payout = asked(campaign, payout_id)
        if by.id == payout.asked_by_id:
            raise PayoutRefused(Obstacle.approved_own_request)
        if not by.is_owner:
            raise PayoutRefused("not_an_owner")
        approvals = PayoutApproval.objects.filter(lane=payout.lane, payout_id=payout.id)
        if not approvals.filter(by_id=by.id).exists():
            PayoutApproval(
                lane=payout.lane,
                campaign_id=campaign.id,
                payout_id=payout.id,
                by_id=by.id,
                at=site_now(),
            ).save(force_insert=True)
        _judge(campaign, gate, payout)
    defer(pay_out, once=f"pay_out:{campaign.id}", campaign_id=str(campaign.id))
    return payout


def stop_payout(*, campaign: Campaign, payout_id: uuid.UUID, note: str) -> None:
    """Take a payout back that is only asked for. Raises PayoutRefused if it is too late."""
    with transaction.atomic():
        hold(campaign)
        payout = asked(campaign, payout_id)
        stop(payout, note=note)
        tell_of_payout(campaign, payout, topic="stopped")


def asked(campaign: Campaign, payout_id: uuid.UUID) -> Payout:
    """A payout of this campaign that still waits. Raises PayoutRefused."""
    payout = Payout.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, id=payout_id, state=PayoutState.ASKED
    ).first()
    if payout is None:
        raise PayoutRefused("not_asked")
    assert isinstance(payout, Payout)
    return payout


@job(name="campaigns.pay_out", queue="money")
def pay_out(campaign_id: str) -> None:
    """Judge what is asked for of one campaign, on what the provider shows of the account now."""
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    _tell_paid(campaign)
    waiting = Payout.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, state=PayoutState.ASKED
    ).order_by("id")
    if waiting.filter(kind=PayoutKind.ORGANISER).exists():
        try:
            look_at_account(str(campaign.organiser_id))
        except LookUpFailed:
            waiting.filter(due_at__lte=site_now()).update(due_at=site_now() + _NO_ANSWER_RESTS)
            return
    for payout_id in waiting.values_list("id", flat=True):
        with transaction.atomic():
            gate = hold(campaign)
            campaign.refresh_from_db()
            payout = waiting.filter(id=payout_id).first()
            if payout is not None and _judge(campaign, gate, payout, may_send=True):
                defer(pay_due, once="payments.pay_due")


def _tell_paid(campaign: Campaign) -> None:
    """Let the organiser know of what was paid, each once."""
    news = Payout.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, state=PayoutState.PAID, is_told=False
    )
    for payout in news:
        with transaction.atomic():
            tell_of_payout(campaign, payout, topic="paid")
            update(payout, was=PayoutState.PAID, is_told=True)


def _judge(campaign: Campaign, gate: Gate, payout: Payout, *, may_send: bool = False) -> bool:
    """Ask the law about a payout and note its answer; tell whether it goes now.

    Call with the gate held. An organiser's payout is sent only where the account has just been
    looked at; until then it is due for that look.
    """
    now = site_now()
    # What one person pays alone adds up over campaigns: two of them are judged in turn.
    Organiser.objects.select_for_update(no_key=True).filter(id=payout.asked_by_id).first()
    if CampaignState(gate.state) not in PAYING:
        update(payout, was=PayoutState.ASKED, due_at=None, agreed_at=None)
        return False
    found = obstacles_of(campaign, gate, payout, now=now)
    if found:
        account = payee_account(campaign, kind=payout.kind)
        again = look_again_at(campaign, gate, found, account, now=now)
        update(payout, was=PayoutState.ASKED, due_at=again, agreed_at=None)
        if Obstacle.second_person_needed in found:
            tell_of_payout(campaign, payout, topic="wanted")
        return False
    if payout.kind == PayoutKind.SUPPLIER:
        update(payout, was=PayoutState.ASKED, due_at=None, agreed_at=payout.agreed_at or now)
        return False
    if not may_send:
        update(payout, was=PayoutState.ASKED, due_at=now)
        return False
    own = account_of(campaign.organiser_id)
    assert own is not None
    return update(
        payout,
        was=PayoutState.ASKED,
        state=PayoutState.SENDING,
        destination=own.provider_account_id,
        agreed_at=now,
        due_at=now,
    )


def to_judge() -> list[Any]:
    """The campaigns with a payout that is to be judged now, or that was paid and is not told."""
    is_due = Q(state=PayoutState.ASKED, due_at__lte=site_now())
    is_news = Q(state=PayoutState.PAID, is_told=False)
    rows = Payout.objects.all_lanes().filter(is_due | is_news)
    return list(rows.values_list("campaign_id", flat=True).distinct())


def judge_anew(campaign: Campaign) -> None:
    """Have what is asked for judged again, because something has changed."""
    Payout.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, state=PayoutState.ASKED
    ).update(due_at=site_now(), agreed_at=None)


__all__ = [
    "PayoutRefused",
    "approve",
    "ask_payout",
    "asked",
    "judge_anew",
    "pay_out",
    "stop_payout",
    "to_judge",
]
