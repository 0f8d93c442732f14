"""To execute: what was promised is carried out, and then it is done; nobody joins any more."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.jobs import defer
from countmein.campaigns.actions.accept import accept_slice
from countmein.campaigns.actions.release import release
from countmein.campaigns.actions.secure import secure
from countmein.campaigns.gates import gate_of, has_come_since, hold
from countmein.campaigns.models import Campaign
from countmein.campaigns.moves import MoveRefused, move
from countmein.rules.states import CampaignState

Answered = TypeVar("Answered")
#: How often it is tried to find the door empty.
_TRIES = 20


def execute(*, campaign: Campaign) -> None:
    """Begin to carry out what came together. Raises MoveRefused.

    The door is shut for good: who is in by now is taken, and everybody else is let go.
    """
    with_all_taken(campaign, partial(begin_executing, campaign))


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


class SomebodyCame(Exception):
    """Somebody came in after the last acceptance; they are taken first."""


def with_all_taken(campaign: Campaign, act: Callable[[], Answered]) -> Answered:
    """Accept whoever is in, and act in one transaction before anybody else comes in.

    `act` holds the gate and raises SomebodyCame where another turn is needed. Raises MoveRefused
    while people pour in so fast that there is no such moment.
    """
    for _try in range(_TRIES):
        if gate_of(campaign).state == CampaignState.settled:
            secure(str(campaign.id))
            while accept_slice(campaign):
                pass
        try:
            with transaction.atomic():
                return act()
        except SomebodyCame:
            continue
    raise MoveRefused("people are still coming in; try again in a moment")


def begin_executing(campaign: Campaign) -> None:
    """Move a settled campaign on, see `with_all_taken`. Raises MoveRefused and SomebodyCame."""
    gate = hold(campaign)
    if gate.state != CampaignState.settled:
        raise MoveRefused("only a settled campaign can be carried out")
    if gate.charging_stopped_at is not None:
        raise MoveRefused("its charges have stopped; somebody has to look at that first")
    # Whoever came in at the last moment is taken; from here on nobody can.
    if has_come_since(gate):
        raise SomebodyCame
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
