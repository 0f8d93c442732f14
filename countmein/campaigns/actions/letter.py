"""To deliver: signatures join letters to the target, each letter handed over once."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Max
from django.utils import translation

from countmein.base.clock import site_now
from countmein.campaigns import letters
from countmein.campaigns.actions.enrol import enrol_all
from countmein.campaigns.gates import hold
from countmein.campaigns.models import Campaign, Gate, Letter, Pledge
from countmein.members import contacts
from countmein.outreach.actions import Post, address_lane, post
from countmein.rules.states import CARRIED, CampaignState, PledgeState

#: One letter carries at most so many names: a digest a person can still scroll through.
DIGEST = 1000


def write_letters(campaign: Campaign, *, is_closing: bool = False) -> None:
    """Hand the target what was signed since the last letter: once settled, and at the close.

    In between, latecomers of a campaign that is still open gather for the closing letter, so that
    the target gets a few digests and not a letter a signature. `is_closing`: the door is shut and
    nobody is left to accept.
    """
    address = (campaign.target or {}).get("email")
    if not address or "signature" not in campaign.kinds:
        return
    enrol_all(campaign)
    while _write_letter(campaign, address, is_closing=is_closing):
        pass


def _write_letter(campaign: Campaign, address: str, *, is_closing: bool) -> bool:
    with transaction.atomic():
        gate = hold(campaign)
        last = Letter.objects.filter(lane=gate.lane, campaign_id=gate.id).aggregate(Max("number"))
        number = (last["number__max"] or 0) + 1
        is_time = is_closing or _is_time(gate, number)
        if gate.state not in (CampaignState.settled, *CARRIED) or not is_time:
            return False
        rows = list(
            Pledge.objects.filter(
                lane=gate.lane,
                campaign_id=gate.id,
                state=PledgeState.fulfilled,
                letter=None,
                accepted__has_key="signature",
            ).order_by("id")[:DIGEST]
        )
        if not rows:
            return False
        Pledge.objects.filter(lane=gate.lane, id__in=[row.id for row in rows]).update(letter=number)
        written = Letter(
            lane=gate.lane,
            campaign_id=gate.id,
            number=number,
            signatures=len(rows),
            delivery_lane=address_lane(address),
            written_at=site_now(),
        )
        written.save(force_insert=True)
        _hand_over(campaign, written, rows, address)
    return True


def _is_time(gate: Gate, number: int) -> bool:
    """The first digests go when the campaign is settled, all later ones when its door is shut."""
    is_shut = gate.closed_at is not None
    return is_shut or number == 1 or not _settled_letters_are_out(gate)


def _settled_letters_are_out(gate: Gate) -> bool:
    latest = Letter.objects.filter(lane=gate.lane, campaign_id=gate.id).order_by("-number").first()
    return latest is not None and latest.signatures < DIGEST


def _hand_over(campaign: Campaign, letter: Letter, rows: list[Pledge], address: str) -> None:
    story = campaign.stories.order_by("-number").first()
    with translation.override(campaign.language):
        head = letters.target_letter(
            campaign,
            number=letter.number,
            signatures=letter.signatures,
            names=public_names(rows),
            story=story.text if story else "",
        )
    post(
        [
            Post(
                once=f"letter:{campaign.id}:{letter.number}",
                topic="letter",
                letter=head,
                lane=address_lane(address),
                to_address=address,
                language=campaign.language,
            )
        ]
    )


def public_names(rows: list[Pledge]) -> list[str]:
    """The names of those who chose, for this campaign, to be named."""
    named = [(row.person_lane, row.contact_id) for row in rows if row.public_name]
    names = contacts.names(named)
    return [names[key] for key in named if names.get(key)]
