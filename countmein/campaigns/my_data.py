"""All that is kept about one person, for that person alone: asked for by mail, then read."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from countmein.base.clock import real_now
from countmein.base.ids import keyed_digest, uuid7
from countmein.campaigns.actions.erase import is_withdrawn_with_member, linked
from countmein.campaigns.links import campaign_url, manage_url, same
from countmein.campaigns.models import BallotPaper, Campaign, Pledge
from countmein.campaigns.own_pledge import pledge_view
from countmein.members import contacts
from countmein.members.actions import Person
from countmein.members.models import Contact, Member
from countmein.outreach.actions import Letterhead, Post, post
from countmein.outreach.models import Delivery
from countmein.payments.models import Consent, Refund

#: How long a mailed link opens what is kept about somebody.
LINK_LASTS: Final = timedelta(hours=24)
#: One mailbox is nobody's mail bomb: so many of these links a day, whoever asks for them.
LINKS_A_DAY: Final = 3
SLICE: Final = 100
_TOPIC: Final = "my_data"


def send_link(address: str) -> None:
    """Mail the link to a mailbox that we know; of any other, do nothing.

    Whoever asks is told the same either way. Raises AddressRefused.
    """
    person = Person(address=address)
    member = Member.objects.filter(lane=person.lane, mailbox=person.mailbox).first()
    if member is None:
        return
    rows = list(Contact.objects.filter(lane=member.lane, member_id=member.id).order_by("id")[:200])
    if not rows or _had_enough(rows):
        return
    # As it was typed now, if it was ever typed so: other spellings lead to the same mailbox.
    found = contacts.open_rows(rows)
    row, _said = next(((r, s) for r, s in found if s.address == address), found[0])
    with translation.override(row.language):
        letter = _letter(member)
    post(
        [
            Post(
                once=f"{_TOPIC}:{uuid7()}",
                topic=_TOPIC,
                letter=letter,
                lane=row.lane,
                contact_id=row.id,
                language=row.language,
                is_awaited=True,
            )
        ]
    )


def _had_enough(rows: Sequence[Contact]) -> bool:
    since = real_now() - timedelta(days=1)
    had = Delivery.objects.filter(
        lane=rows[0].lane,
        contact_id__in=[row.id for row in rows],
        topic=_TOPIC,
        queued_at__gt=since,
    )
    return had.count() >= LINKS_A_DAY


def _letter(member: Member) -> Letterhead:
    return Letterhead(
        subject=_("What %(site)s knows about you") % {"site": settings.SITE_NAME},
        lines=(
            _("With this link you see all that we keep about you, take it along, or erase it."),
            _("It opens for a day, for whoever has it: do not pass it on."),
            _("If you did not ask for it, do nothing: nothing will happen."),
        ),
        links=((_("My data"), link_to(member)),),
        footer=_("You get this because this address was typed on our site."),
    )


def link_to(member: Member) -> str:
    """The address that opens what is kept about somebody, for a day from now on."""
    until = int((real_now() + LINK_LASTS).timestamp())
    name = f"{member.lane}-{member.id.hex}"
    return f"{settings.SITE_URL}/my-data/{name}/?token={until}-{_key(name, until)}"


def member_of(name: str, token: str) -> Member | None:
    """Who is behind a mailed link; None once it has ended, or they were erased."""
    until, _dash, key = token.partition("-")
    if not (until.isascii() and until.isdecimal() and len(until) < 12):
        return None
    if not same(key, _key(name, int(until))):
        return None
    if real_now() > datetime.fromtimestamp(int(until), tz=UTC):
        return None
    lane, _dash, id = name.partition("-")
    member = Member.objects.filter(lane=int(lane), id=uuid.UUID(hex=id)).first()
    assert member is None or isinstance(member, Member)
    return member


def _key(name: str, until: int) -> str:
    return keyed_digest("my-data", f"{name}\n{until}")[:40]


def person_view(member: Member) -> dict[str, Any]:
    """Who somebody is to us: since when, and every spelling of name and address they gave."""
    rows = list(Contact.objects.filter(lane=member.lane, member_id=member.id).order_by("id"))
    return {
        "known_since": member.created_at,
        "contacts": [
            {"address": said.address, "name": said.name, "language": said.language}
            for _row, said in contacts.open_rows(rows)
        ],
    }


def pledges_of(member: Member) -> Iterator[dict[str, Any]]:
    """Everything about each pledge of theirs, a slice in memory at a time."""
    after: tuple[int, uuid.UUID] | None = None
    while True:
        rows = linked([member.mailbox]).order_by("lane", "id")
        page = list((rows if after is None else rows.filter(pk__gt=after))[:SLICE])
        if not page:
            return
        after = (page[-1].lane, page[-1].id)
        yield from _pledges(page)


def _pledges(rows: Sequence[Pledge]) -> Iterator[dict[str, Any]]:
    campaigns = {c.id: c for c in Campaign.objects.filter(id__in={r.campaign_id for r in rows})}
    for row in rows:
        campaign, at = campaigns[row.campaign_id], {"lane": row.lane, "pledge_id": row.id}
        papers = BallotPaper.objects.filter(**at).order_by("id")
        refunds = Refund.objects.filter(**at).order_by("id")
        consents = Consent.objects.filter(**at).order_by("id")
        yield {
            "campaign_title": campaign.title,
            "campaign_url": campaign_url(campaign),
            "manage_url": manage_url(row),
            "is_withdrawn_with_member": is_withdrawn_with_member(row),
            **pledge_view(row),
            "acted_at": row.acted_at,
            "fallback": row.fallback,
            "payment_method": row.payment_method or None,
            "idempotency_key": row.key,
            "votes": [{"choice": p.choice, "voted_at": p.voted_at} for p in papers],
            "refunds": [
                {"amount_minor": r.amount_minor, "currency": r.currency, "reason": r.reason}
                for r in refunds
            ],
            "consents": [{"words": c.words, "at": c.at} for c in consents],
        }


def letters_to(member: Member) -> Iterator[dict[str, Any]]:
    """What we wrote to them, when, and what came of it."""
    ids = list(
        Contact.objects.filter(lane=member.lane, member_id=member.id).values_list("id", flat=True)
    )
    rows = Delivery.objects.filter(lane=member.lane, contact_id__in=ids).order_by("queued_at")
    for row in rows.iterator(chunk_size=SLICE):
        yield {
            "about": row.topic,
            "queued_at": row.queued_at,
            "state": row.state,
            "done_at": row.done_at,
        }
