"""Importing what a bank tells: each entry is kept once, whatever is imported twice or again."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, Final

from countmein.base.clock import site_now
from countmein.base.jobs import defer
from countmein.members.models import Organiser
from countmein.payments.actions.bank_match import match_entries
from countmein.payments.bank import camt
from countmein.payments.bank.account import masked, own_account
from countmein.payments.bank.elements import BankFileRefused
from countmein.payments.bank.entries import Entry, Statement
from countmein.payments.bank_models import BankEntry, BankStatement, EntryState
from countmein.payments.parties import Known

log = logging.getLogger(__name__)

#: One statement of the database's worth of entries.
SLICE: Final = 500


@dataclass(slots=True, kw_only=True)
class Imported:
    """What a file held, and how much of it was new."""

    statements: int = 0
    entries: int = 0
    fresh: int = 0


@dataclass(slots=True, kw_only=True)
class _Sheet:
    """What the first reading learnt of one statement."""

    content: str
    is_proved: bool


@dataclass(slots=True)
class _Reading:
    """The digest of a statement while it is read."""

    entries: Any = field(default_factory=hashlib.sha256)

    def content(self, end: Statement) -> str:
        said = (end.statement_id, end.opening, end.closing, end.opening_on, end.closing_on)
        self.entries.update(repr(said).encode())
        return str(self.entries.hexdigest())


def import_statements(
    file: BinaryIO, *, by: Organiser | None = None, bytes_at_most: int = camt.BYTES_AT_MOST
) -> Imported:
    """Keep what a file of statements tells, and have it matched.

    The file is read twice: first to its end, for it is taken in as a whole or not at all, then
    slice by slice. Killed between two slices, importing it again adds what is missing. Raises
    BankFileRefused, with the reason in words.
    """
    sheets = _sheets(file, bytes_at_most=bytes_at_most)
    file.seek(0)
    done, now = Imported(), site_now()
    waiting: list[Entry] = []
    current = iter(sheets)
    sheet = next(current, None)
    for item in camt.read(file, bytes_at_most=bytes_at_most):
        assert sheet is not None, "the file had as many statements when it was read first"
        if isinstance(item, Entry):
            waiting.append(item)
        if len(waiting) == SLICE or not isinstance(item, Entry):
            _keep(waiting, sheet, done, now)
            waiting = []
        if isinstance(item, Statement):
            _keep_statement(item, sheet, done, now, by)
            sheet = next(current, None)
    defer(match_entries, once="payments.match_entries")
    log.info("statements imported", extra={"entries": done.entries, "fresh": done.fresh})
    return done


def _sheets(file: BinaryIO, *, bytes_at_most: int) -> list[_Sheet]:
    """Read the file to its end without keeping anything. Raises BankFileRefused."""
    account = own_account()
    if account is None:
        raise BankFileRefused("this site has no bank account: set BANK_IBAN")
    sheets, reading = list[_Sheet](), _Reading()
    for item in camt.read(file, bytes_at_most=bytes_at_most):
        if item.account != account.iban:
            raise BankFileRefused(
                f"the statement is of the account {masked(item.account)}, "
                f"and ours is {masked(account.iban)}"
            )
        if isinstance(item, Entry):
            reading.entries.update(item.entry_id.encode())
        else:
            sheets.append(_Sheet(content=reading.content(item), is_proved=item.is_proved))
            reading = _Reading()
    return sheets


def _keep(entries: list[Entry], sheet: _Sheet, done: Imported, now: datetime) -> None:
    """Keep a slice of entries, those that are known already as they are.

    In one order, so that two who import the same file wait for each other.
    """
    if not entries:
        return
    ids = sorted(entry.entry_id for entry in entries)
    done.entries += len(entries)
    done.fresh += len(entries) - BankEntry.objects.filter(entry_id__in=ids).count()
    BankEntry.objects.bulk_create(
        [_row(entry, sheet, now) for entry in sorted(entries, key=lambda entry: entry.entry_id)],
        ignore_conflicts=True,
    )
    if sheet.is_proved:
        # Entries that were known from a list of the day stand in a whole statement now.
        BankEntry.objects.filter(entry_id__in=ids, is_proved=False).update(is_proved=True)


def _row(entry: Entry, sheet: _Sheet, now: datetime) -> BankEntry:
    row = BankEntry(
        entry_id=entry.entry_id,
        account=entry.account,
        statement_id=entry.statement_id[:64],
        is_proved=sheet.is_proved,
        booked_on=entry.booked_on,
        valued_on=entry.valued_on,
        amount_minor=entry.amount.amount_minor,
        currency=entry.amount.currency,
        direction=entry.direction,
        reversal=entry.reversal,
        bank_reference=entry.bank_reference,
        end_to_end_id=entry.end_to_end_id,
        references=list(entry.references),
        text=entry.text,
        imported_at=now,
        state=EntryState.NEW,
    )
    row.keep_payer(Known(name=entry.counterparty, account=entry.counterparty_account[:64]))
    return row


def _keep_statement(
    end: Statement, sheet: _Sheet, done: Imported, now: datetime, by: Organiser | None
) -> None:
    money = end.opening if end.closing is None else end.closing
    BankStatement.objects.bulk_create(
        [
            BankStatement(
                account=end.account,
                statement_id=end.statement_id[:64],
                content=sheet.content,
                entry_count=end.entry_count,
                currency=money.currency if money else "",
                opening_minor=end.opening.amount_minor if end.opening is not None else None,
                closing_minor=end.closing.amount_minor if end.closing is not None else None,
                opening_on=end.opening_on,
                closing_on=end.closing_on,
                imported_at=now,
                imported_by=by,
            )
        ],
        ignore_conflicts=True,
    )
    done.statements += 1
