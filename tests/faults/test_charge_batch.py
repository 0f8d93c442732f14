"""A batch of charges killed on the way is resumed: none twice, none forgotten."""

from __future__ import annotations

import random

import pytest

from countmein.campaigns.actions.settle import settle
from countmein.payments.models import Charge
from tests.apps.campaigns.acts import states
from tests.conftest import Launch, Site
from tests.faults.kills import run_and_die
from tests.faults.masses import CARD, most_per_charge, paid_at_provider, size, unclear
from tests.faults.test_charged_once import _booked, _fund
from tests.faults.test_kills import one_round, rescue

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("books_read")]


def test_a_killed_batch_of_charges_is_resumed(site: Site, launch: Launch) -> None:
    """None twice, none forgotten, wherever the worker died."""
    count, draw = size(400, 20_000), random.Random(20)
    campaign = _fund(launch, "batch", [CARD] * count, people=count)
    settle(str(campaign.id))
    assert {"accepted": count} == states(campaign)
    kills = 0
    for _kill in range(20):
        kills += run_and_die(one_round, at=draw.randint(20, count // 5))
        rescue()
    while Charge.objects.filter(lane=campaign.lane, state__in=["due", "doing"]).exists():
        rescue()
        one_round()
    assert 20 == kills
    paid = paid_at_provider(campaign)
    assert (count, 1) == (len(paid), most_per_charge(paid))
    assert sum(c["amount"] for c in paid) == _booked(campaign)
    one_round()
    assert {"fulfilled": count} == states(campaign)
    assert 0 == unclear(campaign)
