"""The benches' crowds are made by the database; they must be such as the site itself makes."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection

from bench.seeding import _LANE, _MAILBOX, id_of
from countmein.rules.canonical import lane_of

pytestmark = pytest.mark.django_db


def test_the_copies_of_a_member_stand_in_their_own_lanes() -> None:
    mailbox = _MAILBOX.format(salt="'1-'", n="n")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {mailbox}, {_LANE.format(mailbox=mailbox)} FROM generate_series(1, 200) n"
        )
        made = cursor.fetchall()
    assert [lane_of(bytes.fromhex(box)) for box, _lane in made] == [lane for _box, lane in made]
    assert 200 == len({box for box, _lane in made})


def test_the_ids_of_copies_are_in_the_order_of_their_numbers_and_of_a_kind_of_their_own() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {id_of('n', 1)}, {id_of('n', 2)} FROM generate_series(1::bigint, 300) n"
        )
        made = cursor.fetchall()
    assert sorted(one for one, _two in made) == [one for one, _two in made]
    assert 600 == len({uuid.UUID(str(id)) for row in made for id in row})
