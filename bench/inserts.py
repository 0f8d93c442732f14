"""The physical limit of pledging: the same rows put into copies of the same tables by the
database itself, without a client, a check or an answer."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

from bench.seeding import Crowd, columns_of, copies
from bench.site import Campaign

_KIND = 0x3F0
_PROCEDURE = """
CREATE OR REPLACE PROCEDURE bench_insert(
    start bigint, batch integer, seconds double precision, INOUT done bigint) LANGUAGE plpgsql AS $$
DECLARE
    until timestamptz := clock_timestamp() + make_interval(secs => seconds);
    first bigint := start;
BEGIN
    done := 0;
    WHILE clock_timestamp() < until LOOP
        {pledge} FROM bench_pledge_model t, generate_series(first, first + batch - 1) n;
        {change} FROM bench_change_model t, generate_series(first, first + batch - 1) n;
        first := first + batch;
        done := done + batch;
        COMMIT;
    END LOOP;
END $$
"""


class Inserts:
    """Inserts pledges and their changes, so many a transaction."""

    def __init__(self, dsn: str, campaign: Campaign) -> None:
        """The campaign has one pledge at least: it is what is copied."""
        self._dsn = dsn
        self._next = 1
        crowd = Crowd(dsn, campaign_id=campaign.id, kind=_KIND)
        with psycopg.connect(dsn, autocommit=True) as connection:
            for name, about in (("pledge", "id"), ("change", "pledge_id")):
                table = f"campaigns_{name}"
                connection.execute(f"CREATE TABLE bench_{name} (LIKE {table} INCLUDING ALL)")
                connection.execute(
                    f"""CREATE TABLE bench_{name}_model AS SELECT * FROM {table}
                        WHERE lane = %s AND {about} = (SELECT id FROM campaigns_pledge
                        WHERE lane = %s AND campaign_id = %s ORDER BY at LIMIT 1) LIMIT 1""",
                    [campaign.lane, campaign.lane, campaign.id],
                )
            connection.execute(self._procedure(connection, crowd, campaign.lane))

    def _procedure(self, connection: Any, crowd: Crowd, lane: int) -> Any:
        pledge = columns_of(connection, "campaigns_pledge") | crowd.pledge_columns(lane)
        change = columns_of(connection, "campaigns_change") | crowd.change_columns(1)
        return _PROCEDURE.format(
            pledge=copies("", into="bench_pledge", **pledge),
            change=copies("", into="bench_change", **change),
        ).encode()

    def per_second(self, *, batch: int, connections: int, seconds: float) -> float:
        """Pledges a second."""

        def insert(connection: Any, start: int) -> int:
            with connection:
                row = connection.execute(
                    "CALL bench_insert(%s, %s, %s, NULL)", [start, batch, seconds]
                ).fetchone()
            return int(row[0])

        opened = [psycopg.connect(self._dsn, autocommit=True) for _ in range(connections)]
        # Numbers that no other connection or round uses.
        starts = [self._next + 10**8 * place for place in range(connections)]
        self._next += 10**8 * connections
        began = time.perf_counter()
        with ThreadPoolExecutor(connections) as pool:
            done = sum(pool.map(insert, opened, starts))
        return done / (time.perf_counter() - began)
