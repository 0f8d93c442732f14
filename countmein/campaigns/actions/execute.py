"""To execute: what was promised is carried out, and then it is done; nobody joins any more."""

from __future__ import annotations

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.jobs import defer
from countmein.campaigns.actions.accept import accept_slice
from countmein.campaigns.actions.release import release
from countmein.campaigns.actions.secure import secure
from countmein.campaigns.gates import gate_of, hold
from countmein.campaigns.models import Campaign
from countmein.campaigns.moves import MoveRefused, move
from countmein.rules.states import CampaignState


def execute(*, campaign: Campaign) -> None:
    """Begin to carry out what came together. Raises MoveRefused.

    The door is shut for good: who is in by now is taken, and everybody else is let go.
    """
    take_who_is_in(campaign)
    with transaction.atomic():
        begin_executing(campaign)


def finish(*, campaign: Campaign) -> None:
    """Note that it was carried out; from here on it can neither fail nor be cancelled.

    Raises MoveRefused.
    """
    with transaction.atomic():
        gate = hold(campaign)
        if gate.state != CampaignState.executing:
            raise MoveRefused("only what is being carried out can be done")
        move(
            lane=gate.lane,
            campaign_id=gate.id,
            was=[CampaignState.executing],
            to=CampaignState.done,
            at=site_now(),
        )


def take_who_is_in(campaign: Campaign) -> None:
    """Accept whoever is in and was not yet, before the door is shut."""
    if gate_of(campaign).state == CampaignState.settled:
        secure(str(campaign.id))
        while accept_slice(campaign):
            pass


def begin_executing(campaign: Campaign) -> None:
    """Move a settled campaign on; call in a transaction. Raises MoveRefused."""
    if hold(campaign).state != CampaignState.settled:
        raise MoveRefused("only a settled campaign can be carried out")
    # Whoever came in at the last moment is taken; from here on nobody can.
    while accept_slice(campaign):
        pass
    gate = hold(campaign)
    if gate.charging_stopped_at is not None:
        raise MoveRefused("its charges have stopped; somebody has to look at that first")
    now = site_now()
    gate.executing_at = gate.executing_at or now
    move(
        lane=gate.lane,
        campaign_id=gate.id,
        was=[CampaignState.settled],
        to=CampaignState.executing,
        at=now,
        executing_at=gate.executing_at,
    )
    defer(release, once=f"release:{campaign.id}", campaign_id=str(campaign.id))
