"""The verbs of the log: write entries, sign what is written, forget a salt."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

from countmein.base.arrays import array
from countmein.base.clock import real_now
from countmein.log import keys
from countmein.log.models import Chain, Entry, Fact, Head, SignedCheckpoint, Standing
from countmein.log.queries import read_tile
from countmein.rules import log
from countmein.rules.entries import Totals


class ForkRefused(Exception):
    """The tree does not continue what was signed before: nothing is signed."""


@dataclass(slots=True, kw_only=True)
class Pen:
    """The right to write entries of one campaign, until the end of the transaction."""

    chain: Chain
    size: int
    totals: Totals
    texts: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)

    def write(self, kind: str, **said: Any) -> int:
        """Add the campaign's next entry and return its number."""
        n = self.size + len(self.texts)
        self.texts.append(self.totals.entry(n, kind, **said))
        return n

    def note(self, n: int, *, kind: str, about: uuid.UUID, leg: int = 0) -> None:
        """Remember which fact an entry is about; a second entry about it is an IntegrityError."""
        chain = self.chain
        self.facts.append(
            Fact(lane=chain.lane, campaign_id=chain.id, kind=kind, about=about, leg=leg, n=n)
        )


@contextmanager
def writing(*, lane: int, campaign_id: uuid.UUID, code: str) -> Iterator[Pen]:
    """Write entries of one campaign in one transaction: all of them with what goes with them.

    The head is held from the start: what the block reads is what all writers before have left.
    """
    with transaction.atomic():
        Head.objects.bulk_create([Head()], ignore_conflicts=True)
        head = Head.objects.select_for_update().get(id=1)
        found = Chain.objects.filter(lane=lane, id=campaign_id).first()
        chain = found or Chain(lane=lane, id=campaign_id, code=code)
        assert isinstance(chain, Chain)
        totals = Totals(
            campaign=code, last=chain.last, people=chain.people, totals=dict(chain.totals)
        )
        pen = Pen(chain=chain, size=head.size, totals=totals)
        yield pen
        if pen.texts:
            _append(head, campaign_id, pen.texts)
        Fact.objects.bulk_create(pen.facts)
        chain.last, chain.people, chain.totals = totals.last, totals.people, totals.totals
        chain.save(force_insert=found is None)


def _append(head: Head, campaign_id: uuid.UUID, texts: list[str]) -> None:
    """Add entries to the sequence and their hashes to the tree. Call with the head held."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO log_entry (n, campaign_id, text)
               SELECT %s + place - 1, %s, text
               FROM unnest(%s::text[]) WITH ORDINALITY AS e(text, place)""",
            [head.size, campaign_id, array(texts)],
        )
    leaves = [log.leaf_hash(text.encode()) for text in texts]
    with connection.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO log_tile (level, index, hashes) VALUES (%s, %s, %s)
               ON CONFLICT (level, index) DO UPDATE SET hashes = excluded.hashes""",
            list(log.grow_tiles(head.size, leaves, read_tile)),
        )
    head.size += len(texts)
    head.written_at = real_now()
    head.save(update_fields=["size", "written_at"])


def seal() -> SignedCheckpoint | None:
    """Sign the tree as it is committed, unless that is done; return what is new.

    Never signs what does not continue the last thing that was signed, not even after a crash or on
    a database that was restored: what is about to be signed is on the disk before it is. Raises
    ForkRefused then. Call outside a transaction.
    """
    if connection.in_atomic_block:
        raise AssertionError("only what is committed may be signed")
    with keys.signing():
        head = Head.objects.filter(id=1).first()
        size = 0 if head is None else head.size
        was, was_root = keys.last_signed()
        if size < was or (was and log.root_from_tiles(read_tile, was) != was_root):
            raise ForkRefused(f"the log has {size} entries and does not continue the {was} signed")
        if size == 0 or SignedCheckpoint.objects.filter(size=size).exists():
            return None
        root = log.root_from_tiles(read_tile, size)
        keys.keep_signed(size, root)
        text = log.Checkpoint(origin=keys.origin(), size=size, root=root).text()
        row = SignedCheckpoint(size=size, note=keys.sign(text), at=real_now())
        SignedCheckpoint.objects.bulk_create([row], ignore_conflicts=True)
        return row


def stand(rows: Collection[Standing]) -> None:
    """Write down what the log now says of parts of pledges."""
    Standing.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["lane", "pledge_id", "part"],
        update_fields=["crowd_id", "kind", "amount", "people", "n", "is_in"],
    )


def forget(*, lane: int, pledge_ids: Iterable[uuid.UUID]) -> None:
    """Destroy the salts of pledges: from now on nobody can tell which entries are theirs."""
    rows = Standing.objects.filter(lane=lane, pledge_id__in=list(pledge_ids))
    rows.update(salt=None)


__all__ = ["Entry", "ForkRefused", "Pen", "forget", "seal", "stand", "writing"]
