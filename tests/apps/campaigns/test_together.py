"""Pledges that come together: one or five hundred, each is answered by its own row."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from countmein.base.arrays import array
from countmein.campaigns import pledge_door
from countmein.campaigns.actions import pledge as verb
from countmein.campaigns.actions.count import count
from countmein.campaigns.actions.enrol import enrol, enrol_newcomers, with_newcomers
from countmein.campaigns.actions.pledge import Answer
from countmein.campaigns.bodies import PledgeBody
from countmein.campaigns.models import Campaign, Change, Crowd, Pledge
from countmein.campaigns.pledge_terms import PledgeRequest
from countmein.campaigns.queries import public_people, public_view
from countmein.members import actions as members
from countmein.members.models import Contact, Member
from countmein.rules.pledging import PledgeRefused, Reason
from tests.conftest import Launch, Site


def request(who: str, *, key: str | None = None, **said: Any) -> PledgeRequest:
    member = {"email": f"{who}@example.org", "name": who.title()}
    body = PledgeBody.model_validate({"kind": "signature", "member": member, **said})
    return PledgeRequest(body=body, key=key or f"key-{who}")


def answers(campaign: Campaign, requests: Sequence[PledgeRequest]) -> list[str]:
    """What each is told, in one word."""
    return [
        "replayed"
        if isinstance(said, Answer) and said.replayed
        else "taken"
        if isinstance(said, Answer)
        else str(said.reason)
        for said in verb.pledge(campaign=campaign, requests=requests)
    ]


def rows(campaign: Campaign) -> Any:
    return Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)


def test_each_of_a_batch_is_answered_by_its_own_row(site: Site, launch: Launch) -> None:
    campaign = launch(places=["Leeds"])
    assert ["taken"] == answers(campaign, [request("ben")])
    said = answers(
        campaign,
        [
            request("cleo", place="Leeds"),
            request("ben"),
            request("ben", place="Leeds"),
            request("Ben+two", key="other"),
            request("dora", place="Ys"),
            request("eve", condition={"pledge": "0000000000000000"}),
            request("fay"),
            request("fay"),
            request("fay", place="Leeds"),
            request("fay", key="again"),
            request("gil", condition={"people": 3}),
        ],
    )
    assert [
        "taken",
        "replayed",
        Reason.key_reused,
        Reason.already_pledged,
        Reason.place_unknown,
        Reason.condition_invalid,
        "taken",
        "replayed",
        Reason.key_reused,
        Reason.already_pledged,
        "taken",
    ] == said
    assert 4 == rows(campaign).count()
    site.work()
    assert 4 == public_view(campaign)["tally"]["people"]
    assert {"Leeds": 1} == public_view(campaign)["tally"]["places"]
    site.check()


def test_five_hundred_take_as_many_statements_as_one(site: Site, launch: Launch) -> None:
    campaign = launch(rule={"people": 10_000}, places=["Leeds", "York"])
    taken = {}
    for number in (1, 500):
        requests = [
            request(
                f"m{number}-{n}", place=("Leeds", "York")[n % 2], condition={"people": 1 + n % 7}
            )
            for n in range(number)
        ]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert ["taken"] * number == answers(campaign, requests)
        taken[number] = len(queries)
    assert taken[1] == taken[500]
    # What the 501 add is 1 row for the first and 14 for the others: a row a crowd and place.
    assert 15 == Change.objects.filter(lane=campaign.lane, campaign_id=campaign.id).count()
    count(str(campaign.id))
    assert 501 == public_view(campaign)["tally"]["people"]
    site.check()


def test_one_that_breaks_the_batch_breaks_it_for_itself_alone(
    site: Site, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign, honest = launch(), verb.pledge

    def brittle(*, campaign: Campaign, requests: Sequence[PledgeRequest]) -> Any:
        said = honest(campaign=campaign, requests=requests)
        if any(request.key == "key-eve" for request in requests):
            raise ValueError("nobody thought of this")
        return said

    asked = [(campaign, request(who)) for who in ("ben", "eve", "cleo")]
    with pytest.raises(ValueError, match="nobody"):
        brittle(campaign=campaign, requests=[request for _campaign, request in asked])
    monkeypatch.setattr(pledge_door, "pledge", brittle)
    said = pledge_door._commit(campaign.code, asked)
    assert [Answer, ValueError, Answer] == [type(one) for one in said]
    # Tried alone, it wrote what it wrote: its sender, who heard of a fault, sends the same again.
    assert {"key-ben", "key-cleo"} <= set(rows(campaign).values_list("key", flat=True))


def test_a_crowd_that_was_rolled_back_is_written_by_the_next(
    site: Site, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign, wanted = launch(), request("ben", condition={"people": 2})

    def broken(_consents: Any) -> None:
        raise ValueError("rolled back")

    monkeypatch.setattr(verb, "write_consents", broken)
    with pytest.raises(ValueError, match="rolled back"):
        verb.pledge(campaign=campaign, requests=[wanted])
    monkeypatch.undo()
    assert ["taken"] == answers(campaign, [wanted])
    crowd_id = rows(campaign).get().crowd_id
    assert Crowd.objects.filter(lane=campaign.lane, id=crowd_id).exists()
    count(str(campaign.id))
    site.check()


def test_who_pledged_is_enrolled_afterwards(site: Site, launch: Launch) -> None:
    campaign = launch()
    asked = [request("ben", public_name=True), request("cleo"), request("Ben", key="other")]
    assert ["taken", "taken", Reason.already_pledged] == answers(campaign, asked)
    assert not Member.objects.all_lanes().exists()
    assert ["Ben"] == _named(campaign)
    assert [campaign.id] == with_newcomers()
    site.work()
    assert [] == with_newcomers()
    assert 2 == Member.objects.all_lanes().count() == Contact.objects.all_lanes().count()
    assert not rows(campaign).exclude(newcomer=None).exists()
    assert ["Ben"] == _named(campaign)
    contacts = Contact.objects.all_lanes().values_list("id", flat=True)
    assert set(contacts) == set(rows(campaign).values_list("contact_id", flat=True))
    site.check()


def _named(campaign: Campaign) -> list[str]:
    count(str(campaign.id))
    return public_people(campaign)


def test_enrolling_that_was_killed_is_done_again(
    site: Site, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = launch()
    answers(campaign, [request(f"m{n}") for n in range(20)])
    honest = members.enrol

    def enrol_and_die(*args: Any, **options: Any) -> None:
        honest(*args, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(members, "enrol", enrol_and_die)
    with pytest.raises(KeyboardInterrupt):
        enrol(str(campaign.id))
    assert [campaign.id] == with_newcomers()
    monkeypatch.undo()
    enrol(str(campaign.id))
    enrol_newcomers(list(rows(campaign)))
    assert 20 == Member.objects.all_lanes().count() == Contact.objects.all_lanes().count()
    assert [] == with_newcomers()


def test_every_campaign_with_newcomers_is_found(site: Site, launch: Launch) -> None:
    campaigns = [launch() for _ in range(12)]
    for campaign in campaigns[::2]:
        answers(campaign, [request(f"m{n}") for n in range(3)])
    assert sorted(c.id for c in campaigns[::2]) == sorted(with_newcomers())


def test_a_refused_person_leaves_nothing(site: Site, launch: Launch) -> None:
    campaign = launch(places=["Leeds"])
    assert [Reason.place_unknown] == answers(campaign, [request("dora", place="Ys")])
    site.work()
    assert not Contact.objects.all_lanes().exists()


@given(st.lists(st.text(st.characters(exclude_characters="\x00", codec="utf-8"))))
@example([])
@example(["", "NULL", '"', "\\", '\\"', "{", "}", "a,b", " ", "\n", "ü"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_an_array_is_what_was_put_in(db: None, values: list[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text[]", [array(values)])
        assert (values,) == cursor.fetchone()


def test_a_value_that_would_end_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        array(["a", "b\0c"])


def test_a_door_that_has_room_again_takes_the_same_pledge(site: Site, launch: Launch) -> None:
    campaign = launch()
    assert "active" == pledge_door.take(campaign, request("ben")).body["state"]
    with pytest.raises(PledgeRefused):
        pledge_door.take(campaign, request("ben", key="other"))
    assert pledge_door.take(campaign, request("ben")).replayed


def test_a_thread_whose_connection_broke_is_well_again_at_the_next_pledge(
    site: Site, launch: Launch
) -> None:
    """Threads that serve no page have nobody else who would look."""
    campaign = launch()
    first = pledge_door.take(campaign, request("ben"))
    # What is looked up before the transaction; a transaction would mend its connection by itself.
    waits = {"condition": {"pledge": first.body["code"]}}

    def session() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return int(cursor.fetchone()[0])

    def go_on() -> list[str]:
        try:
            return [_taken(campaign, request(who, **waits)) for who in ("cleo", "dora")]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        pid = pool.submit(session).result(30)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        assert ["away", "active"] == pool.submit(go_on).result(30)


def _taken(campaign: Campaign, wanted: PledgeRequest) -> str:
    try:
        return str(pledge_door.take(campaign, wanted).body["state"])
    except OperationalError:
        return "away"
