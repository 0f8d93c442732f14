"""Large crowds quickly: one pledge is made through the door, and copied by the database.

Copies have ids, codes, keys and mailboxes of their own, and a member and a contact each; all other
columns are those of the pledge that was made, so a table that changes needs no change here.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg

from countmein.rules.canonical import pledge_code

#: How long the site may take to write the one who is copied down among the members.
_PATIENCE_SECONDS = 60.0
#: One transaction holds the gate, as a pledge does: no round may close under half of its rows.
_SLICE = 100_000

# Ids of copies sort by number. `{n}` is the number, `%s` what tells kinds of rows apart.
_ID = "(lpad(to_hex({n} + 1600000000000), 12, '0') || '7{kind}8000' || lpad(to_hex({n}), 12, '0'))"
_MAILBOX = "encode(sha256(convert_to({salt} || {n}::text, 'UTF8')), 'hex')"
_LANE = (
    "((get_byte(sha256(decode({mailbox}, 'hex')), 0) << 4)"
    " | (get_byte(sha256(decode({mailbox}, 'hex')), 1) >> 4))"
)


#: How the change of the pledge that is copied is found: it came alone.
_ITS_CHANGE = (
    "t.lane = p.lane AND t.campaign_id = p.campaign_id AND t.crowd_id = p.crowd_id"
    " AND t.people = 1 AND t.amount = p.amount"
)


def id_of(n: str, kind: int) -> str:
    """SQL for the id of the row of one kind (below 4096) with number `n`."""
    return _ID.format(n=n, kind=f"{kind:03x}") + "::uuid"


def copies(table: str, *, into: str = "", n: str = "n", **columns: str) -> str:
    """SQL that copies the row `t` of a table for each number; `columns` are what differs."""
    named = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT INTO {into or table} ({named}) SELECT {', '.join(columns.values())}"


class Crowd:
    """One campaign's crowd, made of copies of the first pledge in it."""

    def __init__(self, dsn: str, *, campaign_id: str, kind: int) -> None:
        self._dsn = dsn
        self._campaign_id = campaign_id
        #: Tells the rows of one campaign's crowd from another's; below 800.
        self._kind = kind
        self._size = 0
        self._changes = "0"

    def grow(self, count: int, *, with_people: bool = False, with_cards: bool = False) -> None:
        """Add so many pledges; with member and contact each, and with consent and mandate each."""
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            ends_at = time.monotonic() + _PATIENCE_SECONDS
            while with_people and self._is_new(connection):
                if time.monotonic() > ends_at:
                    raise TimeoutError("the one who is copied is still not among the members")
                time.sleep(0.05)
            for first in range(self._size + 1, self._size + count + 1, _SLICE):
                last = min(first + _SLICE - 1, self._size + count)
                with connection.transaction():
                    self._add(connection, first, last, with_people, with_cards)
            self._size += count
            connection.execute("ANALYZE campaigns_pledge, campaigns_change")

    def _is_new(self, connection: Any) -> bool:
        """Whether the one who is copied is not among the members yet."""
        found = connection.execute(
            "SELECT 1 FROM campaigns_pledge WHERE campaign_id = %s AND newcomer IS NOT NULL",
            [self._campaign_id],
        )
        return found.fetchone() is not None

    def _add(
        self, connection: Any, first: int, last: int, with_people: bool, with_cards: bool
    ) -> None:
        row = connection.execute(
            """SELECT p.lane, p.id, g.round FROM campaigns_gate g, campaigns_pledge p
               WHERE g.id = %s AND p.lane = g.lane AND p.campaign_id = g.id
               ORDER BY p.at LIMIT 1 FOR SHARE OF g""",
            [self._campaign_id],
        ).fetchone()
        lane, model, round_ = row
        for table, found, changed in self._tables(lane, round_, with_people, with_cards):
            columns = columns_of(connection, table) | changed
            connection.execute(
                copies(table, **columns) + f" FROM (SELECT t.* FROM {table} t, campaigns_pledge p"
                f" WHERE p.lane = %s AND p.id = %s AND {found} LIMIT 1) t,"
                " generate_series(%s::bigint, %s::bigint) n",
                [lane, model, first, last],
            )

        connection.execute(
            """INSERT INTO campaigns_uncounted (lane, id, campaign_id, round)
               SELECT lane, gen_random_uuid(), id, round FROM campaigns_gate
               WHERE lane = %s AND id = %s""",
            [lane, self._campaign_id],
        )

    def _tables(
        self, lane: int, round_: int, with_people: bool, with_cards: bool
    ) -> list[tuple[str, str, dict[str, str]]]:
        """The tables, how the row that is copied belongs to the pledge, what copies differ in."""
        about = "t.lane = p.lane AND t.pledge_id = p.id"
        tables = [
            ("campaigns_pledge", "t.lane = p.lane AND t.id = p.id", self.pledge_columns(lane)),
            ("campaigns_change", _ITS_CHANGE, self.change_columns(round_)),
        ]
        if with_people:
            tables += [
                ("members_member", "t.mailbox = p.mailbox", self._member()),
                ("members_contact", "t.id = p.contact_id", self._contact()),
            ]
        if with_cards:
            own = {"id": id_of("n", self._kind + 0x300), "pledge_id": id_of("n", self._kind)}
            tables += [
                ("payments_consent", about, own),
                ("payments_mandate", f"{about} AND t.state = 'made'", own),
            ]
        return tables

    def pledge_columns(self, lane: int) -> dict[str, str]:
        """What one pledge has of its own."""
        code = pledge_code(lane=lane, random=bytes(9))[:3]
        return {
            "id": id_of("n", self._kind),
            "code": f"'{code}' || '{self._kind:03x}' || lpad(to_hex(n), 12, '0')",
            "key": f"'seed-{self._kind}-' || n",
            "mailbox": _MAILBOX.format(salt=f"'{self._kind}-'", n="n"),
            "contact_id": id_of("n", self._kind + 0x200),
            "newcomer": "NULL",
        }

    def change_columns(self, round_: int) -> dict[str, str]:
        """What the change of one pledge has of its own."""
        return {
            "id": id_of("n", self._kind + 0x100),
            "round": str(round_),
        }

    def _member(self) -> dict[str, str]:
        mailbox = _MAILBOX.format(salt=f"'{self._kind}-'", n="n")
        return {
            "id": id_of("n", self._kind + 0x100),
            "lane": _LANE.format(mailbox=mailbox),
            "mailbox": mailbox,
        }

    def _contact(self) -> dict[str, str]:
        return {
            "id": id_of("n", self._kind + 0x200),
            "lane": _LANE.format(mailbox=_MAILBOX.format(salt=f"'{self._kind}-'", n="n")),
            "member_id": id_of("n", self._kind + 0x100),
            "address": f"'seed.{self._kind}.' || n || '@example.org'",
        }


def columns_of(connection: Any, table: str) -> dict[str, str]:
    """Every column of a table, as it is in the row that is copied."""
    rows = connection.execute(
        """SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0
           AND NOT attisdropped AND attgenerated = '' ORDER BY attnum""",
        [table],
    ).fetchall()
    return {name: f't."{name}"' for (name,) in rows}


def many_campaigns(dsn: str, *, campaign_id: str, first: int, last: int) -> None:
    """Copy a campaign and its gate; each copy is open, and the site's last organiser's.

    Nobody has pledged to a copy, so its first round is still open.
    """
    id = id_of("n", 0x600)
    with psycopg.connect(dsn, autocommit=True) as connection, connection.transaction():
        digest = f"sha256(uuid_send({id}))"
        lane = f"((get_byte({digest}, 0) << 4) | (get_byte({digest}, 1) >> 4))"
        other = "(SELECT id FROM members_organiser ORDER BY id DESC LIMIT 1)"
        for table, changed in (
            ("campaigns_campaign", {"id": id, "code": "'many' || n", "organiser_id": other}),
            ("campaigns_gate", {"id": id, "lane": lane, "round": "1"}),
        ):
            columns = columns_of(connection, table) | changed
            connection.execute(
                copies(table, **columns) + f" FROM (SELECT * FROM {table} WHERE id = %s) t,"
                " generate_series(%s::bigint, %s::bigint) n",
                [campaign_id, first, last],
            )
        connection.execute("ANALYZE campaigns_campaign, campaigns_gate")
