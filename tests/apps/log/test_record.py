"""To record: each fact has exactly one entry, and the export convinces a stranger."""

from __future__ import annotations

import json
from typing import Any

from countmein.campaigns.actions.cancel import cancel
from countmein.campaigns.actions.erase import erase
from countmein.campaigns.actions.withdraw import withdraw
from countmein.campaigns.models import Campaign, Tally
from countmein.log import keys, queries
from countmein.log.models import Chain, Entry, Standing
from countmein.members.actions import Person
from countmein.rules import verify
from tests.apps.campaigns.acts import Join, pledge_of
from tests.conftest import Launch, Site


def entries(campaign: Campaign) -> list[dict[str, Any]]:
    rows = Entry.objects.filter(campaign_id=campaign.id).order_by("n")
    return [json.loads(text) for text in rows.values_list("text", flat=True)]


def verified() -> verify.Log:
    """What a stranger finds who checks the whole log."""
    return verify.verify_export(list(queries.export()), keys.verifier_key())


def agrees(campaign: Campaign) -> None:
    """The log's totals are the published ones."""
    tally = Tally.objects.get(lane=campaign.lane, id=campaign.id)
    seen = verified().campaigns[campaign.code]
    chain = Chain.objects.get(lane=campaign.lane, id=campaign.id)
    assert seen.people == chain.people
    assert tally.people + tally.waiting_people == seen.people
    pledged = {kind: seen.totals[kind] for kind in campaign.kinds}
    assert chain.totals == dict(seen.totals)
    if not tally.waiting_people:
        assert tally.sum == pledged


def test_a_petition_is_told_from_the_launch_to_the_tip(
    site: Site, launch: Launch, join: Join
) -> None:
    campaign = launch()
    site.work()
    for who in ("ben", "dan", "eve"):
        join(campaign, who)
    site.work()
    kinds = [e["k"] for e in entries(campaign)]
    assert ["rule", "story", "move", "pledge", "pledge", "pledge", "class", "move"] == kinds[:8]
    agrees(campaign)


def test_who_leaves_is_taken_out_by_reference(site: Site, launch: Launch, join: Join) -> None:
    campaign = launch(rule={"people": 9})
    first, second = join(campaign, "ben"), join(campaign, "dan")
    site.work()
    withdraw(pledge=pledge_of(first))
    site.work()
    *_rest, last = entries(campaign)
    stood = Standing.objects.get(lane=campaign.lane, pledge_id=pledge_of(first).id)
    assert ("withdrawn", stood.n, -1, 1) == (last["k"], last["r"], last["a"], last["t"])
    assert not stood.is_in
    assert second["state"] == "active"
    agrees(campaign)


def test_conditions_are_cleared_once_more(site: Site, launch: Launch, join: Join) -> None:
    """Dan comes only with Ben, Eve only if four are in, Fay only if nine are."""
    campaign = (
        launch(rule={"people": 4}, deadline_days=None) if False else launch(rule={"people": 4})
    )
    ben = join(campaign, "ben", condition={"people": 3})
    join(campaign, "dan", condition={"pledge": ben["code"]})
    join(campaign, "fay", condition={"people": 9})
    join(campaign, "eve", condition={"people": 4})
    join(campaign, "gil")
    site.work()
    classes = [e for e in entries(campaign) if e["k"] == "class"]
    assert [1, 0] == sorted({e["i"] for e in classes}, reverse=True)
    assert ben["code"] not in "".join(queries.export())
    agrees(campaign)


def test_money_goes_in_and_back_under_its_charge(site: Site, launch: Launch, join: Join) -> None:
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 2})
    for who in ("ben", "dan"):
        join(campaign, who, amount=2500, payment_method="pm_card_visa")
    site.work()
    cancel(campaign=campaign)
    site.work()
    told = entries(campaign)
    charges = [e["n"] for e in told if e["k"] == "charge"]
    assert sorted(charges) == sorted(e["r"] for e in told if e["k"] == "refund")
    assert 0 == verified().campaigns[campaign.code].totals["held:EUR"]
    assert len(charges) == 2
    site.check()


def test_working_again_writes_nothing(site: Site, launch: Launch, join: Join) -> None:
    campaign = launch()
    join(campaign, "ben")
    site.work()
    told = entries(campaign)
    site.work()
    assert told == entries(campaign)


def test_a_pledge_has_a_proof_that_opens_nothing(site: Site, launch: Launch, join: Join) -> None:
    campaign = launch(rule={"people": 9})
    answer = join(campaign, "ben")
    site.work()
    row = pledge_of(answer)
    proof = queries.proof(lane=row.lane, pledge_id=row.id, code=row.code)
    assert proof is not None
    assert campaign.code == verify.verify_proof(proof, keys.verifier_key())["c"]
    assert answer["receipt"] not in json.dumps(proof)
    assert len(json.dumps(proof)) < 4096


def test_whoever_is_erased_is_nobodys_entry_any_more(
    site: Site, launch: Launch, join: Join
) -> None:
    """Their salt is gone, also of who was erased before the log came to them; the log holds."""
    campaign = launch(rule={"people": 9})
    join(campaign, "ben")
    site.work()
    assert [True] == [bool(each.salt) for each in Standing.objects.all_lanes()]
    join(campaign, "dora")
    for who in ("ben", "dora"):
        erase(mailbox=Person(address=f"{who}@example.org").mailbox, by="member")
    site.work()
    assert [None, None] == [each.salt for each in Standing.objects.all_lanes()]
    agrees(campaign)
    site.check()
