"""An upgrade that dies inside any migration goes on at the next start, with nothing to mend."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[2]
#: Migrates, and is killed just before the so-manieth statement that changes the schema. Whole
#: migrations are transactions, unless the second argument forbids it.
MIGRATE = """
import os, re, signal, sys
import django
django.setup()
from django.core.management import call_command
from django.db import connection
from django.db.migrations import Migration
left = int(sys.argv[1])
Migration.atomic = sys.argv[2] == "atomic"
def lethal(execute, statement, *rest):
    global left
    if re.match(r"\\s*(CREATE|ALTER|DROP)", str(statement)):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return execute(statement, *rest)
with connection.execute_wrapper(lethal):
    call_command("migrate", verbosity=0)
"""
#: From the first tables to the last index; ever later, since the next try begins where it stopped.
KILLS = (25, 110)


@pytest.fixture
def empty() -> Iterator[str]:
    """A database with nothing in it, beside the tests' own."""
    url = urlsplit(os.environ["DATABASE_URL"])
    name = f"upgrade_{os.getpid()}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {name}")
        yield url._replace(path=f"/{name}").geturl()
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def migrate(dsn: str, *, die_before: int = 0, how: str = "atomic") -> int:
    """Migrate in a process of its own; answer how it ended."""
    done = subprocess.run(
        [sys.executable, "-c", MIGRATE, str(die_before), how],
        cwd=CHECKOUT,
        env={**os.environ, "DATABASE_URL": dsn},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return done.returncode


def schema(cursor: object) -> list[tuple[object, ...]]:
    """Every column, index and constraint there is, and every migration that counts as done."""
    found: list[tuple[object, ...]] = []
    for query in (
        "SELECT table_name, column_name, data_type, is_nullable, column_default"
        " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2",
        "SELECT p.proname, md5(p.prosrc) FROM pg_proc p"
        " WHERE p.pronamespace = 'public'::regnamespace ORDER BY 1, 2",
        "SELECT app, name FROM django_migrations ORDER BY 1, 2",
    ):
        cursor.execute(query)  # type: ignore[attr-defined]
        found += cursor.fetchall()  # type: ignore[attr-defined]
    return found


def test_an_upgrade_killed_again_and_again_ends_where_one_does_that_was_not(
    empty: str, transactional_db: None
) -> None:
    for die_before in KILLS:
        assert -signal.SIGKILL == migrate(empty, die_before=die_before)
    assert 0 == migrate(empty)
    with psycopg.connect(empty) as other, connection.cursor() as cursor:
        assert schema(cursor) == schema(other.cursor())


def test_without_a_transaction_around_each_migration_it_would_need_hands(empty: str) -> None:
    """The negative control."""
    assert -signal.SIGKILL == migrate(empty, die_before=60, how="piecemeal")
    assert 0 < migrate(empty)
