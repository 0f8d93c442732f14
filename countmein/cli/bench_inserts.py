"""The physical limit beside a bench: plain durable inserts into the same database."""

import threading
import time
import uuid
from collections.abc import Callable

import psycopg

_BATCH = 500
_TABLE = """
    CREATE TABLE IF NOT EXISTS bench_insert (
        lane integer, id uuid, campaign_id uuid, key text, amount bigint, at timestamptz,
        PRIMARY KEY (lane, id), UNIQUE (lane, campaign_id, key))
"""
_CAMPAIGN = uuid.UUID(int=1)
_ROW = "(1, gen_random_uuid(), %s, gen_random_uuid()::text, 1, clock_timestamp())"


def inserts_per_second(dsn: str, *, connections: int, seconds: float) -> dict[str, float]:
    """Rows a second, each in a transaction of its own and 500 at a time."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_TABLE)
    one = f"INSERT INTO bench_insert VALUES {_ROW}"
    many = f"INSERT INTO bench_insert VALUES {', '.join([_ROW] * _BATCH)}"
    # A batch keeps the database busy by itself: more connections would only wait for the disk.
    return {
        "single_inserts": _rate(dsn, one, rows=1, connections=connections, seconds=seconds),
        "batched_inserts": _rate(dsn, many, rows=_BATCH, connections=2, seconds=seconds),
    }


def _rate(dsn: str, statement: str, *, rows: int, connections: int, seconds: float) -> float:
    done = [0] * connections
    gate = threading.Barrier(connections + 1)

    def insert(place: int) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            gate.wait()
            until = time.perf_counter() + seconds
            while time.perf_counter() < until:
                connection.execute(statement, [_CAMPAIGN] * rows)
                done[place] += rows

    began = _together(insert, count=connections, gate=gate)
    return sum(done) / (time.perf_counter() - began)


def _together(act: Callable[[int], None], *, count: int, gate: threading.Barrier) -> float:
    """Run in so many threads until all are done; return when they began."""
    threads = [threading.Thread(target=act, args=[place]) for place in range(count)]
    for thread in threads:
        thread.start()
    gate.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return began
