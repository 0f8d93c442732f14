"""To tell: members hear of a turn in their pledge, each once."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta

from django.db.models import Sum
from django.utils import translation

from countmein.base.clock import real_now, site_now
from countmein.base.jobs import job
from countmein.campaigns import letters
from countmein.campaigns.models import LIVE_STATES, Campaign, Crowd, Pledge, Tally, Ticket
from countmein.members.models import Contact
from countmein.outreach.actions import Letterhead, Post, address_lane, post
from countmein.outreach.models import Delivery
from countmein.payments.models import Charge, Refund

#: One address is nobody's mail bomb: so many confirmation mails a day, whoever asks for them.
CONFIRMATIONS_A_DAY = 3


@job(name="campaigns.tell", queue="sends")
def tell(campaign_id: str, topic: str, pledge_ids: list[str]) -> None:
    """Queue one letter about `topic` for each of these pledges; told before means told."""
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    rows = list(
        Pledge.objects.filter(lane=campaign.lane, id__in=[uuid.UUID(i) for i in pledge_ids])
    )
    if topic == "confirm":
        rows = _within_allowance(rows)
    languages = _languages(rows)
    background = _Background(campaign, rows)
    posts = []
    for row in rows:
        language = languages.get((row.person_lane, row.contact_id), "en-gb")
        with translation.override(language):
            letter = background.letter(row, topic)
        posts.append(
            Post(
                once=f"{topic}:{row.id}",
                topic=topic,
                letter=letter,
                lane=row.person_lane,
                contact_id=row.contact_id,
                language=language,
            )
        )
    post(posts)


class _Background:
    """What the letters of a batch need to know, read once for all of them."""

    def __init__(self, campaign: Campaign, rows: Sequence[Pledge]) -> None:
        lane, ids = campaign.lane, [row.id for row in rows]
        self.campaign = campaign
        self.now = site_now()
        self.tickets: dict[uuid.UUID, dict[str, Ticket]] = {}
        for ticket in Ticket.objects.filter(lane=lane, pledge_id__in=ids):
            self.tickets.setdefault(ticket.pledge_id, {})[ticket.kind] = ticket
        crowds = Crowd.objects.filter(lane=lane, id__in={row.crowd_id for row in rows})
        self.crowds = {crowd.id: crowd for crowd in crowds}
        tally = Tally.objects.filter(lane=lane, id=campaign.id).first()
        self.people = tally.people if tally else 0
        self.again = Campaign.objects.filter(follows=campaign.id).first()
        self.paid = dict(
            Charge.objects.filter(lane=lane, pledge_id__in=ids, state="paid").values_list(
                "pledge_id", "amount_minor"
            )
        )
        self.refunds = {
            (pledge_id, reason): amount
            for pledge_id, reason, amount in Refund.objects.filter(lane=lane, pledge_id__in=ids)
            .values_list("pledge_id", "reason")
            .annotate(Sum("amount_minor"))
        }
        self.earlier = {
            row.mailbox: row
            for row in Pledge.objects.filter(
                lane=lane,
                campaign_id=campaign.id,
                mailbox__in={row.mailbox for row in rows},
                state__in=LIVE_STATES,
            ).exclude(id__in=ids)
        }

    def letter(self, row: Pledge, topic: str) -> Letterhead:
        """The letter about one pledge, in the active language."""
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
            return letters.cancelled_letter(self.campaign, paid_minor=self.paid.get(row.id, 0))
        if topic == "left_out":
            return letters.left_out_letter(self.campaign, row, by_cap=row.was_waitlisted)
        if topic == "dropped":
            return letters.dropped_letter(self.campaign, row)
        reason = topic.removeprefix("refunded_")
        amount = self.refunds.get((row.id, reason), 0)
        return letters.refunded_letter(self.campaign, amount_minor=amount, reason=reason)


def _languages(rows: Sequence[Pledge]) -> dict[tuple[int, uuid.UUID], str]:
    keys = [(row.person_lane, row.contact_id) for row in rows]
    return {
        (lane, contact): language
        for lane, contact, language in Contact.objects.filter(pk__in=keys).values_list(
            "lane", "id", "language"
        )
    }


def _within_allowance(rows: Sequence[Pledge]) -> list[Pledge]:
    """Leave out addresses that have had their share of confirmation mails today."""
    since = real_now() - timedelta(days=1)
    members = {row.member_id: row.person_lane for row in rows}
    contacts = dict(
        Contact.objects.filter(lane__in=set(members.values()), member_id__in=members).values_list(
            "id", "member_id"
        )
    )
    had: dict[uuid.UUID, int] = {}
    for contact in Delivery.objects.filter(
        lane__in=set(members.values()),
        contact_id__in=contacts,
        topic="confirm",
        queued_at__gt=since,
    ).values_list("contact_id", flat=True):
        had[contacts[contact]] = had.get(contacts[contact], 0) + 1
    allowed = []
    for row in rows:
        had[row.member_id] = had.get(row.member_id, 0) + 1
        if had[row.member_id] <= CONFIRMATIONS_A_DAY:
            allowed.append(row)
    return allowed


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
