"""Who paid by bank, and from where: sealed in the database, masked in logs, forgotten in time."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection

from countmein.base.logs import mask
from countmein.base.sealing import newest_key
from countmein.campaigns.actions.cancel import cancel
from countmein.members.models import Organiser
from countmein.payments.actions.bank_forget import KEPT, forget_parties
from countmein.payments.actions.bank_orders import OrderImpossible, make_order, order_bytes
from countmein.payments.actions.bank_queue import return_all
from countmein.payments.actions.bank_reseal import parties_sealed_by, reseal_parties
from countmein.payments.bank_models import BankEntry, BankOrder, BankTransfer
from countmein.payments.parties import Known, opened_party, sealed_party
from tests.apps.payments.bank.statements import PAYER, Moved
from tests.apps.payments.test_bank import Bank, Tipped, bank, charge_of, olga, the_queued, tipped
from tests.conftest import Site

__all__ = ["bank", "olga", "tipped"]

NAME = "Quirina Zäpfle"


def found(cursor: Any, *needles: str) -> set[str]:
    """The tables of which a row says one of these, whatever the column."""
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    seen = set()
    for (table,) in cursor.fetchall():
        for needle in needles:
            cursor.execute(
                f'SELECT EXISTS (SELECT FROM "{table}" t WHERE t::text LIKE %s)', [f"%{needle}%"]
            )
            if cursor.fetchone()[0]:
                seen.add(table)
    return seen


@pytest.fixture
def given_back(site: Site, tipped: Tipped, bank: Bank, olga: Organiser) -> BankOrder:
    """One paid and got a refund, another paid what was nobody's; both are in an order."""
    campaign, people = tipped("ben")
    bank.tells(
        Moved(minor=5000, id="B-1", text=charge_of(people["ben"]).reference, name=NAME),
        Moved(minor=700, id="B-2", text="for nothing", name=NAME),
    )
    return_all(the_queued().id, by=olga)
    cancel(campaign=campaign)
    site.work()
    return make_order(by=olga)


def test_no_account_is_in_the_database_in_clear(given_back: BankOrder) -> None:
    file = order_bytes(given_back)
    assert 2 == file.count(PAYER.encode()), "and the order still says where it goes"
    with connection.cursor() as cursor:
        assert set() == found(cursor, PAYER, NAME, "Zaepfle", "Zapfle")
        # The control: what is looked for would be found.
        BankEntry.objects.filter(bank_reference="B-2").update(note=f"it was {PAYER}")
        assert {"payments_bankentry"} == found(cursor, PAYER, NAME)


def test_what_was_sealed_for_one_row_does_not_open_in_another() -> None:
    known = Known(name="Ben", account=PAYER)
    sealed = sealed_party(known, about="bank entry 1")
    assert known == opened_party(sealed, about="bank entry 1")
    assert Known() == opened_party(sealed, about="bank entry 2")
    assert (None, Known()) == (sealed_party(Known(), about="x"), opened_party(None, about="x"))


@pytest.mark.slow
def test_a_newer_key_seals_all_of_it_anew(given_back: BankOrder, settings: Any) -> None:
    """A row whose key is gone for good stays, and opens as nobody's."""
    file, old = order_bytes(given_back), newest_key()
    lost = BankEntry.objects.get(bank_reference="B-2")
    BankEntry.objects.filter(id=lost.id).update(payer=b"\x00\x63" + bytes(40))
    settings.SEALING_KEYS = {**settings.SEALING_KEYS, old + 1: bytes(range(32))}
    assert {old: 3, 99: 1} == parties_sealed_by()
    for _again in range(2):
        reseal_parties()
        assert {old + 1: 3, 99: 1} == parties_sealed_by()
    settings.SEALING_KEYS = {old + 1: bytes(range(32))}
    assert file == order_bytes(given_back)
    assert NAME == BankEntry.objects.get(bank_reference="B-1").from_whom.name
    assert Known() == BankEntry.objects.get(id=lost.id).from_whom


def test_it_is_forgotten_once_nothing_can_move_any_more(
    site: Site, given_back: BankOrder, bank: Bank
) -> None:
    left = [
        Moved(minor=-row.amount_minor, id=f"O-{n}", end_to_end_id=row.end_to_end_id)
        for n, row in enumerate(BankTransfer.objects.order_by("id"))
    ]
    bank.tells(*left, Moved(minor=1, id="B-9", text="still to look at", name="Open"))
    site.advance(KEPT - timedelta(days=2))
    forget_parties()
    assert NAME == BankEntry.objects.get(bank_reference="B-1").from_whom.name
    site.advance(timedelta(days=4))
    forget_parties()
    kept = BankEntry.objects.exclude(payer=None)
    assert [("B-9", "still to look at")] == list(kept.values_list("bank_reference", "text"))
    assert not BankEntry.objects.exclude(bank_reference="B-9").exclude(text="").exists()
    assert not BankTransfer.objects.exclude(payee=None).exists()
    with pytest.raises(OrderImpossible):
        order_bytes(given_back)
    site.check()


@pytest.mark.slow
def test_what_is_under_way_keeps_its_payee(site: Site, given_back: BankOrder) -> None:
    site.advance(KEPT + timedelta(days=2))
    forget_parties()
    assert 2 == order_bytes(given_back).count(PAYER.encode())


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"from {PAYER}.", "from DE…00."),
        ("DE89 3704 0044 0532 0130 00", "DE…00"),
        ("FR1420041010050500013M02606 paid", "FR…606 paid"),
        ("RF18 5390 0754 7034 paid", "RF18 5390 0754 7034 paid"),
    ],
)
def test_logs_show_the_end_of_an_account_at_most(said: str, shown: str) -> None:
    assert shown == mask(said)


@pytest.fixture
def old_database() -> Iterator[str]:
    """A database of the release before, beside the tests' own."""
    url = urlsplit(os.environ["DATABASE_URL"])
    name = f"sealing_{os.getpid()}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield url._replace(path=f"/{name}").geturl()
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def migrate(dsn: str, *to: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", *to, "--verbosity=0"],
        cwd=Path(__file__).parents[3],
        env={
            **os.environ,
            "DATABASE_URL": dsn,
            "DJANGO_SETTINGS_MODULE": "countmein.settings",
            "PYTHONPATH": str(Path(__file__).parents[3]),
        },
        check=True,
        capture_output=True,
    )


@pytest.mark.slow
def test_the_upgrade_seals_what_stood_in_clear(old_database: str) -> None:
    migrate(old_database, "payments", "0006")
    ids = [uuid.uuid4() for _ in range(3)]
    with psycopg.connect(old_database, autocommit=True) as there:
        for id in ids:
            there.execute(
                """INSERT INTO payments_bankentry (id, entry_id, account, statement_id, is_proved,
                     booked_on, valued_on, amount_minor, currency, direction, reversal,
                     bank_reference, end_to_end_id, "references", text, counterparty,
                     counterparty_account, imported_at, state, verdict, act, candidates,
                     excess_minor, assigned, booked_minor, note)
                   VALUES (%s, %s, '', '', true, now(), now(), 100, 'EUR', 'credit', false,
                     '', '', '[]', '', %s, %s, now(), 'booked', 'exact', 'book', '[]',
                     0, '', 100, '')""",
                [id, str(id), NAME, PAYER],
            )
    migrate(old_database)
    with psycopg.connect(old_database) as there, there.cursor() as cursor:
        assert set() == found(cursor, PAYER, NAME)
        rows = dict(cursor.execute("SELECT id, payer FROM payments_bankentry").fetchall())
    known = Known(name=NAME, account=PAYER)
    assert [known] * 3 == [opened_party(rows[id], about=f"bank entry {id}") for id in ids]
