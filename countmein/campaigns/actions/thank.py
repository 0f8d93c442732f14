"""To thank: the organiser writes to everybody whose pledge was taken, through the site."""

from __future__ import annotations

import uuid

from django.utils import translation
from django.utils.translation import gettext as _

from countmein.base.jobs import defer, job
from countmein.campaigns.actions.enrol import enrol_newcomers
from countmein.campaigns.links import campaign_url, manage_url
from countmein.campaigns.models import Campaign, Pledge
from countmein.members import contacts
from countmein.outreach.actions import Letterhead, Post, post
from countmein.rules.states import PledgeState

#: One transaction's worth of letters; a worker that is stopped repeats at most this much.
SLICE = 500
_THANKED = (PledgeState.accepted, PledgeState.fulfilled)


def thanked_people(campaign: Campaign) -> int:
    """How many people a message would reach now."""
    return Pledge.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, state__in=_THANKED
    ).count()


def thank(*, campaign: Campaign, thank_id: uuid.UUID, subject: str, text: str) -> None:
    """Write one message to each accepted or fulfilled pledge, once per `thank_id`.

    The addresses stay with the site; the organiser learns none.
    """
    defer(
        thank_slice,
        campaign_id=str(campaign.id),
        thank_id=str(thank_id),
        subject=subject,
        text=text,
        after=None,
    )


@job(name="campaigns.thank", queue="sends")
def thank_slice(
    campaign_id: str, thank_id: str, subject: str, text: str, after: str | None
) -> None:
    """Queue a slice of the letters and the job for the next; run again, it adds nothing."""
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    rows = Pledge.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, state__in=_THANKED
    ).order_by("id")
    if after is not None:
        rows = rows.filter(id__gt=uuid.UUID(after))
    batch = list(rows[:SLICE])
    if not batch:
        return
    enrol_newcomers(batch)
    post(_posts(campaign, batch, thank_id=thank_id, subject=subject, text=text))
    if len(batch) == SLICE:
        defer(
            thank_slice,
            campaign_id=campaign_id,
            thank_id=thank_id,
            subject=subject,
            text=text,
            after=str(batch[-1].id),
        )


def _posts(
    campaign: Campaign, rows: list[Pledge], *, thank_id: str, subject: str, text: str
) -> list[Post]:
    keys = [(row.person_lane, row.contact_id) for row in rows]
    languages = contacts.languages(keys)
    posts = []
    for row in rows:
        language = languages.get((row.person_lane, row.contact_id), campaign.language)
        posts.append(
            Post(
                once=f"thank:{thank_id}:{row.id}",
                topic="thank",
                letter=thank_letter(campaign, row, subject=subject, text=text, language=language),
                lane=row.person_lane,
                contact_id=row.contact_id,
                language=language,
            )
        )
    return posts


def thank_letter(
    campaign: Campaign, pledge: Pledge, *, subject: str, text: str, language: str
) -> Letterhead:
    """The organiser's own words, with the links that belong to the reader."""
    with translation.override(language):
        return Letterhead(
            subject=subject,
            lines=(text,),
            links=(
                (_("The campaign"), campaign_url(campaign)),
                (_("My pledge"), manage_url(pledge)),
            ),
            footer=_("The organiser of %(title)s wrote this. Your address was not given to them.")
            % {"title": campaign.title},
        )
