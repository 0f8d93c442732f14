"""R13 in small: a cap is never oversold, and it sells out."""

from __future__ import annotations

from functools import partial

from countmein.campaigns.actions.settle import settle
from countmein.campaigns.actions.withdraw import withdraw
from countmein.campaigns.models import Gate, Pledge
from countmein.campaigns.queries import public_view
from tests.apps.campaigns.acts import Join, pledge_of, states
from tests.conftest import Launch, Site
from tests.faults.crowd import Crowd, Meanwhile


def test_300_tries_for_100_places_by_16_clients(site: Site, launch: Launch, join: Join) -> None:
    """Exactly 100 get in, by order of arrival; the others wait, and may leave."""
    campaign = launch(
        kinds=["presence"],
        rule={"people": 20},
        cap={"presence": 100},
        starts_at="2027-06-01T10:00:00Z",
        ends_at="2027-06-01T12:00:00Z",
        venue="The square",
    )
    with (
        Crowd() as crowd,
        Meanwhile(partial(settle, str(campaign.id)), pause_seconds=0.05) as worker,
    ):
        answers = crowd.together([partial(join, campaign, f"cap{n}") for n in range(300)])
    assert [] == worker.failures
    assert not [a for a in answers if isinstance(a, Exception)]
    site.work()
    assert {"fulfilled": 100, "active": 200} == states(campaign)
    rows = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).order_by("id")
    in_order = list(rows.values_list("state", flat=True))
    # Every place was given in the order of arrival, as far as it was known when it was given.
    assert 100 == Gate.objects.get(lane=campaign.lane, id=campaign.id).accepted["presence"]
    assert in_order.count("fulfilled") == 100
    assert 200 == public_view(campaign)["tally"]["waitlisted_people"]
    waiting = next(a for a in answers if pledge_of(a).state == "active")  # type: ignore[arg-type]
    assert "withdrawn" == withdraw(pledge=pledge_of(waiting)).state  # type: ignore[arg-type]
    site.work()
    site.check()
