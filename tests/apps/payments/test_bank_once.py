"""A statement is kept once and each entry decided on once, whoever comes at once or is killed."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from threading import Barrier
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections

from countmein.base.clock import site_now
from countmein.ledger.models import Transfer
from countmein.payments.actions.bank_compare import differences
from countmein.payments.actions.bank_import import SLICE, import_statements
from countmein.payments.actions.bank_match import match_slice
from countmein.payments.actions.bank_orders import OrderImpossible, make_order
from countmein.payments.actions.bank_queue import ActRefused, return_all
from countmein.payments.bank.elements import BankFileRefused
from countmein.payments.bank_models import BankEntry, BankOrder, BankStatement, BankTransfer
from countmein.payments.models import Charge
from tests.apps.payments.bank.statements import Moved, camt
from tests.apps.payments.test_bank import Bank, Tipped, bank, charge_of, olga, tipped
from tests.conftest import Site
from tests.faults.masses import size

__all__ = ["bank", "olga", "tipped"]


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Do all of these at one moment, and return what came of each."""
    barrier = Barrier(len(acts))

    def one(act: Callable[[], Any]) -> Any:
        try:
            barrier.wait(timeout=20)
            return act()
        except (ActRefused, OrderImpossible, IntegrityError, AssertionError) as refused:
            return refused
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(one, acts))


def crowd(count: int, *first: Moved) -> bytes:
    """A statement of so many entries that name nothing."""
    many = (Moved(minor=100 + n % 7, id=f"C-{n}", text="hello") for n in range(count))
    return camt(*first, *many, on=site_now().date())


class Killed(Exception):
    """The worker is gone."""


class Cut(BytesIO):
    """A file whose reader is killed so many bytes into its second reading."""

    def __init__(self, content: bytes, *, after: int) -> None:
        super().__init__(content)
        self.left = len(content) + after

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.left -= len(found)
        if self.left < 0:
            raise Killed
        return found


@pytest.mark.slow
def test_two_who_import_the_same_file_at_once_keep_it_once(
    site: Site, tipped: Tipped, bank: Bank
) -> None:
    _campaign, people = tipped("ben")
    said = crowd(2 * SLICE, Moved(minor=5000, id="B-1", text=charge_of(people["ben"]).reference))
    done = at_once(*[lambda: import_statements(BytesIO(said))] * 3)
    assert [2 * SLICE + 1] * 3 == [one.entries for one in done]
    assert (2 * SLICE + 1, 1) == (BankEntry.objects.count(), BankStatement.objects.count())
    site.work()
    assert "paid" == charge_of(people["ben"]).state
    site.check()


def test_without_the_unique_key_both_would_keep_it(site: Site, bank: Bank) -> None:
    """The negative control: what holds the test above is the key, and not luck."""
    said = crowd(10)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payments_bankentry DROP CONSTRAINT one_row_per_bank_entry")
    try:
        for _twice in range(2):
            import_statements(BytesIO(said))
        assert 20 == BankEntry.objects.count()
    finally:
        BankEntry.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.execute(
                "ALTER TABLE payments_bankentry"
                " ADD CONSTRAINT one_row_per_bank_entry UNIQUE (entry_id)"
            )


@pytest.mark.slow
def test_killed_in_the_middle_it_is_complete_once_imported_again(
    site: Site, tipped: Tipped, bank: Bank
) -> None:
    _campaign, people = tipped("ben", "cleo")
    named = [
        Moved(minor=5000, id=f"B-{who}", text=charge_of(answer).reference)
        for who, answer in people.items()
    ]
    said = camt(
        named[0],
        *(Moved(minor=100, id=f"C-{n}") for n in range(3 * SLICE)),
        named[1],
        on=site_now().date(),
    )
    with pytest.raises(Killed):
        import_statements(Cut(said, after=len(said) // 2))
    kept = BankEntry.objects.count()
    assert 0 < kept < 3 * SLICE + 2
    assert 0 == BankStatement.objects.count()
    site.work()
    again = import_statements(BytesIO(said))
    site.work()
    assert (3 * SLICE + 2, 3 * SLICE + 2 - kept) == (again.entries, again.fresh)
    assert ["paid", "paid"] == [charge_of(answer).state for answer in people.values()]
    site.check()


def test_a_file_that_is_wrong_at_its_end_leaves_nothing(site: Site, bank: Bank) -> None:
    said = crowd(2 * SLICE).replace(b"</Stmt>", b"</Stmtt>")
    with pytest.raises(BankFileRefused):
        import_statements(BytesIO(said))
    other = camt(on=site_now().date(), account="DE89370400440532013000")
    with pytest.raises(BankFileRefused, match="DE…3000"):
        import_statements(BytesIO(other))
    assert 0 == BankEntry.objects.count()


def test_two_workers_that_match_at_once_book_once(site: Site, tipped: Tipped, bank: Bank) -> None:
    campaign, people = tipped("ben")
    import_statements(
        BytesIO(crowd(3, Moved(minor=5000, id="B-1", text=charge_of(people["ben"]).reference)))
    )
    done = at_once(*[match_slice] * 4)
    assert sorted(done) == [False, False, False, True]
    booked = Transfer.objects.filter(lane=campaign.lane, campaign_id=campaign.id, kind="charge")
    assert 1 == booked.count()


def test_without_the_lock_the_second_worker_finds_it_undecided(
    site: Site, tipped: Tipped, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: unlocked, the second judges what the first has booked, as a double."""
    _campaign, people = tipped("ben")
    import_statements(
        BytesIO(crowd(3, Moved(minor=5000, id="B-1", text=charge_of(people["ben"]).reference)))
    )
    both = Barrier(2)
    monkeypatch.setattr(
        "countmein.payments.actions.bank_match.hold_bank", lambda: both.wait(timeout=20)
    )
    monkeypatch.setattr(
        "countmein.payments.actions.bank_match.note_own",
        lambda rows, now: (both.wait(timeout=20) and set()) or set(),
    )
    done = at_once(match_slice, match_slice)
    assert [True, True] == done
    entry = BankEntry.objects.get(bank_reference="B-1")
    assert ("queued", "double") == (entry.state, entry.verdict)
    assert "charge" in {each.event for each in differences()}, "and the self-check sees it"


def test_two_people_who_return_the_same_money_return_it_once(
    site: Site, bank: Bank, olga: Any
) -> None:
    bank.tells(Moved(minor=700, id="B-1", text="?"))
    entry = BankEntry.objects.get()
    done = at_once(*[lambda: return_all(entry.id, by=olga)] * 3)
    assert 2 == sum(isinstance(one, ActRefused) for one in done)
    assert 1 == BankTransfer.objects.count()
    made = at_once(*[lambda: make_order(by=olga)] * 3)
    assert 2 == sum(isinstance(one, OrderImpossible) for one in made)
    assert 1 == BankOrder.objects.get().transfer_count


@pytest.mark.slow
def test_a_long_statement_passes_in_little_memory(site: Site, bank: Bank) -> None:
    count = size(10_000, 50_000)
    said = crowd(count)
    tracemalloc.start()
    try:
        done = import_statements(BytesIO(said))
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == done.fresh
    assert peak < 16 * 1024 * 1024, peak


def test_a_slice_is_matched_in_a_constant_number_of_queries(
    site: Site, tipped: Tipped, bank: Bank, django_assert_max_num_queries: Any
) -> None:
    _campaign, people = tipped(*(f"p{n}" for n in range(40)))
    said = camt(
        *(
            Moved(minor=5000, id=f"B-{who}", text=charge_of(answer).reference)
            for who, answer in people.items()
        ),
        on=site_now().date(),
    )
    import_statements(BytesIO(said))
    with django_assert_max_num_queries(25):
        match_slice()
    assert 40 == Charge.objects.all_lanes().filter(state="paid").count()
