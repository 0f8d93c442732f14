"""To tell: members hear of a turn in their pledge, each once."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import translation

from countmein.base.clock import real_now, site_now
from countmein.base.jobs import defer, job
from countmein.campaigns import (
    card_letters,
    letters,
    payout_letters,
    plan_news,
    transfer_letters,
)
from countmein.campaigns.actions.enrol import enrol_newcomers
from countmein.campaigns.kinds import pays_by_bank
from countmein.campaigns.models import (
    LIVE_STATES,
    Ballot,
    BallotKind,
    BallotPaper,
    Campaign,
    Crowd,
    PlanShare,
    Pledge,
    Tally,
    Ticket,
)
from countmein.members import contacts
from countmein.members.models import ERASED, UNLINKED, Contact, Member
from countmein.outreach.actions import Letterhead, Post, address_lane, post
from countmein.outreach.models import Delivery
from countmein.payments.models import BANK, Charge, ChargeState, Mandate, MandateState, Refund
from countmein.payments.queries import Part, parts_arrived
from countmein.rules.states import PledgeState

#: One transaction's worth of letters.
SLICE = 500
#: One address is nobody's mail bomb: so many confirmation mails a day, whoever asks for them.
CONFIRMATIONS_A_DAY = 3


#: Somebody sits at the screen and waits for these: they go before any mass of letters.
AWAITED = frozenset({"confirm", "card_refused"})
#: These say the same to everybody who reads one language.
_ALIKE = frozenset({"lapsed"})


@job(name="campaigns.tell", queue="sends", is_awaited=lambda ids: ids["topic"] in AWAITED)
def tell(campaign_id: str, topic: str, pledge_ids: list[str]) -> None:
    """Queue one letter about `topic` for each of these pledges; told before means told."""
    _tell(Campaign.objects.get(id=uuid.UUID(campaign_id)), topic, pledge_ids)


def tell_some(campaign: Campaign, *, topic: str, ids: Sequence[uuid.UUID]) -> None:
    """Have a letter about `topic` queued for each of these pledges, a slice a job.

    Call in the transaction that turns them.
    """
    for start in range(0, len(ids), SLICE):
        some = [str(id) for id in ids[start : start + SLICE]]
        defer(tell, campaign_id=str(campaign.id), topic=topic, pledge_ids=some)


def _tell(campaign: Campaign, topic: str, pledge_ids: list[str]) -> None:
    rows = list(
        Pledge.objects.filter(lane=campaign.lane, id__in=[uuid.UUID(i) for i in pledge_ids])
    )
    rows = [row for row in rows if row.contact_id not in (ERASED, UNLINKED)]
    enrol_newcomers(rows)
    if topic == "confirm":
        rows = _within_allowance(rows)
    languages = contacts.languages((row.person_lane, row.contact_id) for row in rows)
    background = _Background(campaign, rows)
    posts, alike = [], dict[str, Letterhead]()
    for row in rows:
        language = languages.get((row.person_lane, row.contact_id), "en-gb")
        letter = alike.get(language)
        if letter is None:
            with translation.override(language):
                letter = background.letter(row, topic)
            if letter is None:
                continue
            if topic in _ALIKE:
                alike[language] = letter
        posts.append(
            Post(
                once=f"{topic}:{row.id}",
                topic=topic,
                letter=letter,
                lane=row.person_lane,
                contact_id=row.contact_id,
                language=language,
                is_awaited=topic in AWAITED,
            )
        )
    post(posts)


class _Background:
    """What the letters of a batch need to know, read once for all of them."""

    def __init__(self, campaign: Campaign, rows: Sequence[Pledge]) -> None:
        lane, ids = campaign.lane, [row.id for row in rows]
        self.campaign = campaign
        self.now = site_now()
        self.plan_news = plan_news.PlanNews(campaign, ids)
        self.tickets: dict[uuid.UUID, dict[str, Ticket]] = {}
        for ticket in Ticket.objects.filter(lane=lane, pledge_id__in=ids):
            self.tickets.setdefault(ticket.pledge_id, {})[ticket.kind] = ticket
        crowds = Crowd.objects.filter(lane=lane, id__in={row.crowd_id for row in rows})
        self.crowds = {crowd.id: crowd for crowd in crowds}
        self.tally = Tally.objects.filter(lane=lane, id=campaign.id).first()
        self.people = self.tally.people if self.tally else 0
        self.again = Campaign.objects.filter(follows=campaign.id).first()
        charges = Charge.objects.filter(lane=lane, pledge_id__in=ids)
        self.charges = {charge.pledge_id: charge for charge in charges}
        by_bank = [charge.id for charge in charges if charge.provider == BANK]
        self.arrived = parts_arrived(by_bank) if by_bank else {}
        mandates = Mandate.objects.filter(lane=lane, pledge_id__in=ids, state=MandateState.MADE)
        self.mandates = {mandate.pledge_id: mandate for mandate in mandates}
        self.refunds = {
            (refund.pledge_id, refund_topic(refund)): refund
            for refund in Refund.objects.filter(lane=lane, pledge_id__in=ids)
        }
        ballots = Ballot.objects.filter(
            lane=lane, campaign_id=campaign.id, kind=BallotKind.MILESTONE
        )
        self.milestones = {ballot.number: ballot for ballot in ballots}
        self.earlier = {
            row.mailbox: row
            for row in Pledge.objects.filter(
                lane=lane,
                campaign_id=campaign.id,
                mailbox__in={row.mailbox for row in rows},
                state__in=LIVE_STATES,
            ).exclude(id__in=ids)
        }

    def letter(self, row: Pledge, topic: str) -> Letterhead | None:
        """The letter about one pledge, in the active language; None if it is no news any more."""
        if plan_news.is_news(topic):
            return self.plan_news.letter(row, topic)
        crowd = self.crowds.get(row.crowd_id)
        if topic == "confirm":
            if row.mailbox in self.earlier:
                return letters.existing_letter(self.campaign, self.earlier[row.mailbox])
            return letters.confirm_letter(self.campaign, row, crowd.condition if crowd else None)
        if topic == "card_refused":
            return letters.card_refused_letter(self.campaign, row)
        if topic == "kept":
            tickets = self.tickets.get(row.id, {})
            return letters.kept_letter(self.campaign, row, tickets, stamp=self.now)
        if topic == "lapsed":
            return letters.lapsed_letter(self.campaign, people=self.people, again=self.again)
        if topic == "cancelled":
            charge = self.charges.get(row.id)
            is_paid = charge is not None and charge.state == ChargeState.PAID
            paid_minor = charge.amount_minor if charge and is_paid else 0
            return letters.cancelled_letter(self.campaign, paid_minor=paid_minor)
        if topic == "left_out":
            return letters.left_out_letter(self.campaign, row, by_cap=row.was_waitlisted)
        if topic == "dropped":
            return letters.dropped_letter(self.campaign, row)
        if topic.startswith("transfer"):
            is_again = topic != "transfer"
            return transfer_letters.transfer_letter(
                self.campaign,
                row,
                self.charges[row.id],
                is_again=is_again,
                arrived_minor=sum(part.amount_minor for part in self._parts(row)),
            )
        if topic.startswith("part_"):
            return self._part_letter(row)
        if topic.startswith("failing_"):
            return card_letters.failing_letter(self.campaign, row, self.charges[row.id])
        if topic.startswith("expiring"):
            return card_letters.expiring_letter(self.campaign, row, self.mandates.get(row.id))
        if topic == "topup":
            return letters.topup_letter(self.campaign, row, tally=self.tally)
        if topic.startswith("milestone_"):
            ballot = self.milestones[int(topic.removeprefix("milestone_"))]
            return payout_letters.milestone_letter(self.campaign, row, ballot)
        refund = self.refunds[row.id, topic]
        return letters.refunded_letter(
            self.campaign,
            amount_minor=refund.amount_minor,
            reason=refund.reason,
            by_bank=pays_by_bank(row),
        )

    def _parts(self, row: Pledge) -> list[Part]:
        return self.arrived.get(self.charges[row.id].id, [])

    def _part_letter(self, row: Pledge) -> Letterhead | None:
        """Nothing to tell if the rest came meanwhile, or what came went back."""
        charge, parts = self.charges[row.id], self._parts(row)
        if charge.state != ChargeState.AWAITED or not parts:
            return None
        return transfer_letters.part_letter(self.campaign, row, charge, parts=parts)


def refund_topic(refund: Refund) -> str:
    """The letter about one refund: money that goes back in stages has a letter for each."""
    stage = f"_{refund.stage}" if refund.stage else ""
    return f"refunded_{refund.reason}{stage}"


def _within_allowance(rows: Sequence[Pledge]) -> list[Pledge]:
    """Leave out addresses that have had their share of confirmation mails today."""
    since = real_now() - timedelta(days=1)
    lanes = {row.person_lane for row in rows}
    boxes = {row.mailbox for row in rows}
    members = dict(
        Member.objects.filter(lane__in=lanes, mailbox__in=boxes).values_list("id", "mailbox")
    )
    boxes_by_contact = {
        contact: members[member]
        for contact, member in Contact.objects.filter(
            lane__in=lanes, member_id__in=members
        ).values_list("id", "member_id")
    }
    had: dict[str, int] = {}
    for contact in Delivery.objects.filter(
        lane__in=lanes,
        contact_id__in=boxes_by_contact,
        topic="confirm",
        queued_at__gt=since,
    ).values_list("contact_id", flat=True):
        box = boxes_by_contact[contact]
        had[box] = had.get(box, 0) + 1
    allowed = []
    for row in rows:
        had[row.mailbox] = had.get(row.mailbox, 0) + 1
        if had[row.mailbox] <= CONFIRMATIONS_A_DAY:
            allowed.append(row)
    return allowed


def tell_each(
    campaign: Campaign,
    *,
    topic: str,
    states: Collection[PledgeState],
    is_paid: bool | None = None,
) -> None:
    """Have a letter about `topic` queued for every pledge in these states, slice by slice.

    `is_paid`: only those who have paid, or only those who have paid nothing.
    """
    defer(
        tell_slice,
        campaign_id=str(campaign.id),
        topic=topic,
        states=sorted(states),
        after=None,
        is_paid=is_paid,
    )


@job(name="campaigns.tell_slice", queue="sends")
def tell_slice(
    campaign_id: str,
    topic: str,
    states: list[str],
    after: str | None,
    is_paid: bool | None = None,
) -> None:
    """Queue a slice of the letters and the job for the next; run again, it adds nothing."""
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    rows = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id, state__in=states)
    if is_paid is not None:
        paid = Charge.objects.get_queryset().filter(
            lane=OuterRef("lane"), pledge_id=OuterRef("id"), state=ChargeState.PAID
        )
        rows = rows.filter(Exists(paid) if is_paid else ~Exists(paid))
    if after is not None:
        rows = rows.filter(id__gt=uuid.UUID(after))
    ids = [str(id) for id in rows.order_by("id").values_list("id", flat=True)[:SLICE]]
    with transaction.atomic():
        _tell(campaign, topic, ids)
        if len(ids) == SLICE:
            defer(
                tell_slice,
                campaign_id=campaign_id,
                topic=topic,
                states=states,
                after=ids[-1],
                is_paid=is_paid,
            )


def tell_shares(campaign: Campaign, *, number: int) -> None:
    """Have everybody told what became of their money when a failure was settled."""
    defer(tell_shares_slice, campaign_id=str(campaign.id), number=number, after=None)


@job(name="campaigns.tell_shares", queue="sends")
def tell_shares_slice(campaign_id: str, number: int, after: str | None) -> None:
    """Queue a slice of the letters and the job for the next; run again, it adds nothing."""
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    rows = PlanShare.objects.filter(lane=campaign.lane, campaign_id=campaign.id, number=number)
    last = _tell_rows(campaign, f"{plan_news.SHARED}{number}", rows, after)
    if last is not None:
        defer(tell_shares_slice, campaign_id=campaign_id, number=number, after=last)


def tell_voters(campaign: Campaign, ballot: Ballot, *, topic: str) -> None:
    """Have everybody who has a vote in this ballot, and nobody else, told of it."""
    defer(
        tell_voters_slice,
        campaign_id=str(campaign.id),
        ballot_id=str(ballot.id),
        after=None,
        topic=topic,
    )


@job(name="campaigns.tell_voters", queue="sends")
def tell_voters_slice(campaign_id: str, ballot_id: str, after: str | None, topic: str = "") -> None:
    """Queue a slice of the letters and the job for the next; run again, it adds nothing.

    Without a topic, as an older release queued it, it is about what the ballot came to.
    """
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    ballot = Ballot.objects.get(lane=campaign.lane, id=uuid.UUID(ballot_id))
    topic = topic or plan_news.voted_topic(ballot)
    rows = BallotPaper.objects.filter(lane=campaign.lane, ballot_id=ballot.id)
    last = _tell_rows(campaign, topic, rows, after)
    if last is not None:
        defer(
            tell_voters_slice,
            campaign_id=campaign_id,
            ballot_id=ballot_id,
            after=last,
            topic=topic,
        )


def _tell_rows(campaign: Campaign, topic: str, rows: Any, after: str | None) -> str | None:
    """Tell the pledges that a slice of rows is about; returns the last row if there may be more."""
    if after is not None:
        rows = rows.filter(id__gt=uuid.UUID(after))
    page = list(rows.order_by("id").values_list("id", "pledge_id")[:SLICE])
    _tell(campaign, topic, [str(pledge_id) for _id, pledge_id in page])
    return str(page[-1][0]) if len(page) == SLICE else None


@job(name="campaigns.tell_organiser", queue="sends")
def tell_organiser(campaign_id: str, topic: str) -> None:
    """Let the organiser know that the campaign has turned."""
    campaign = Campaign.objects.select_related("organiser").get(id=uuid.UUID(campaign_id))
    tally = Tally.objects.filter(lane=campaign.lane, id=campaign.id).first()
    address = campaign.organiser.email
    with translation.override(campaign.language):
        letter = letters.organiser_letter(campaign, topic, people=tally.people if tally else 0)
    post(
        [
            Post(
                once=f"organiser:{topic}:{campaign.id}",
                topic="organiser",
                letter=letter,
                lane=address_lane(address),
                to_address=address,
                language=campaign.language,
            )
        ]
    )
