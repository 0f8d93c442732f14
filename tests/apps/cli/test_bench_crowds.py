"""The benches' crowds are made by the database, and what was acknowledged is looked for in it."""

from __future__ import annotations

import array
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from django.db import connection
from psycopg.conninfo import make_conninfo

from bench.seeding import Crowd, id_of
from bench.site import Campaign as BenchCampaign
from bench.site import Site as BenchSite
from countmein.campaigns.actions.count import count, tally_of
from countmein.campaigns.actions.enrol import enrol
from countmein.campaigns.models import Campaign, Pledge
from countmein.campaigns.selfcheck import self_check
from countmein.members.models import Contact

Launch = Callable[..., Campaign]
Join = Callable[..., dict[str, Any]]


def test_a_copied_crowd_is_one_that_the_site_itself_could_have(launch: Launch, join: Join) -> None:
    campaign = launch(rule={"people": 1000})
    join(campaign, "ben")
    enrol(str(campaign.id))
    crowd = Crowd(_dsn(), campaign_id=str(campaign.id), kind=1)
    crowd.grow(200, with_people=True)
    crowd.grow(50, with_people=True)
    count(str(campaign.id))
    assert 251 == tally_of(campaign).people
    assert [] == [check for check in self_check() if not check["ok"]]
    # Each member's contact is found where the pledge says that it is.
    for row in Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id):
        assert Contact.objects.filter(lane=row.person_lane, id=row.contact_id).exists()


def test_an_acknowledged_pledge_without_a_row_is_missed(
    launch: Launch, join: Join, tmp_path: Path
) -> None:
    campaign = launch(rule={"people": 1000})
    for number in (1, 2):
        join(campaign, f"member{number}", key=f"bench-{number:09d}")
    file = tmp_path / "acknowledged"
    site = BenchSite(
        home=tmp_path,
        environment={},
        process=cast(Any, None),
        published={"DATABASE_URL": _dsn()},
        door=cast(Any, None),
        token="",
    )
    here = BenchCampaign(code=campaign.code, id=str(campaign.id), lane=campaign.lane)
    for acknowledged, lost in (([1, 2], 0), ([1, 2, 3], 1)):
        file.write_bytes(array.array("I", acknowledged).tobytes())
        assert lost == site.lost(here, file, key="bench-#")


def test_the_ids_of_copies_are_in_the_order_of_their_numbers(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {id_of('n', 1)}, {id_of('n', 2)} FROM generate_series(1::bigint, 300) n"
        )
        made = cursor.fetchall()
    assert sorted(one for one, _two in made) == [one for one, _two in made]
    assert 600 == len({uuid.UUID(str(id)) for row in made for id in row})


def _dsn() -> str:
    place = connection.settings_dict
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST"}
    said = {name: place[ours] for name, ours in (names | {"port": "PORT"}).items()}
    return make_conninfo(**{name: value for name, value in said.items() if value})
