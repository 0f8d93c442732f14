"""The end of what is known about a person: begun at once and for good, and made sure of later."""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from django.db import transaction

from countmein.base.ids import keyed_digest
from countmein.base.kept_files import append_kept
from countmein.members.models import Contact, Erasure, Member, Suppression
from countmein.rules.canonical import lane_of, mailbox

#: A line for each erasure: the digest by which imports know whom not to bring back, and when.
NOTES: Final = "erasures"
_SLICE: Final = 1000


def begin_erasure(*, lane: int, box: str, by: str, at: datetime) -> tuple[Erasure, list[uuid.UUID]]:
    """Destroy the key and the contacts of a mailbox, and note that the rest is to be done; return
    the note, and the ids of the contacts that were.

    In the caller's transaction. Asked again while the rest is under way, it stays one erasure.
    """
    row = Erasure(lane=lane, mailbox=box, by=by, asked_at=at)
    Erasure.objects.bulk_create([row], ignore_conflicts=True)
    found = Erasure.objects.filter(lane=lane, mailbox=box, done_at=None).get()
    assert isinstance(found, Erasure)
    suppress([box], at=at)
    return found, forget(lane=lane, box=box, kept=())


def hold_member(*, lane: int, box: str) -> Member | None:
    """Hold a member until the end of the transaction: nobody enrols them anew meanwhile."""
    found = Member.objects.filter(lane=lane, mailbox=box).select_for_update().first()
    assert found is None or isinstance(found, Member)
    return found


def forget(*, lane: int, box: str, kept: Collection[uuid.UUID]) -> list[uuid.UUID]:
    """Delete the contacts of a mailbox but those that are `kept`, and the member where none is;
    return the ids of those deleted.

    The key goes with the member's row: what it sealed opens nowhere any more.
    """
    with transaction.atomic():
        member = hold_member(lane=lane, box=box)
        if member is None:
            return []
        rows = Contact.objects.filter(lane=lane, member_id=member.id).exclude(id__in=kept)
        gone = list(rows.values_list("id", flat=True))
        rows.delete()
        if not kept:
            Member.objects.filter(lane=lane, id=member.id).delete()
    return gone


def being_erased(lanes: Mapping[str, int]) -> dict[str, datetime]:
    """Which of these mailboxes are just being erased, and when that was asked for."""
    rows = Erasure.objects.filter(lane__in=set(lanes.values()), done_at=None, mailbox__in=lanes)
    return dict(rows.values_list("mailbox", "asked_at"))


def undone() -> list[tuple[int, uuid.UUID]]:
    """Erasures of which something is left to do."""
    rows = Erasure.objects.all_lanes().filter(done_at=None).order_by("lane", "id")
    return list(rows.values_list("lane", "id")[:500])


def note_outside(box: str, *, at: datetime) -> None:
    """Write an erasure down beside the database, too: a backup from before it knows nothing of it.

    In the site's home and where its backups are, by the digest that imports look at.
    """
    line = f"{suppression_digest(box)} {at.isoformat()}"
    for name in ("COUNTMEIN_HOME", "COUNTMEIN_BACKUP_DIR"):
        place = Path(os.environ[name]) if os.environ.get(name) else None
        if place is not None and place.is_dir():
            append_kept(place / NOTES, line=line)


def noted(path: Path) -> dict[str, datetime]:
    """The erasures that such a file tells of: the latest of each mailbox, by its digest."""
    found: dict[str, datetime] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        digest, _space, said = line.partition(" ")
        at = datetime.fromisoformat(said)
        found[digest] = max(at, found.get(digest, at))
    return found


def to_repeat(erased: Mapping[str, datetime]) -> Iterator[str]:
    """The mailboxes that stand in this database although they were erased since it was copied.

    Who came back after their erasure is a newer member than it.
    """
    after = (-1, uuid.UUID(int=0))
    rows = Member.objects.all_lanes().order_by("lane", "id")
    while page := list(rows.filter(pk__gt=after)[:_SLICE]):
        after = (page[-1].lane, page[-1].id)
        for member in page:
            at = erased.get(suppression_digest(member.mailbox))
            if at is not None and member.created_at <= at:
                yield member.mailbox


def latest_erasures(*, limit: int = 100) -> list[Erasure]:
    """The erasures that were asked for last, the latest first; they name nobody."""
    return list(Erasure.objects.all_lanes().order_by("-asked_at")[:limit])


def suppress(boxes: Iterable[str], *, at: datetime) -> None:
    """Keep a digest of its own of each mailbox, by which an import knows whom not to bring back."""
    digests = sorted({suppression_digest(box) for box in boxes})
    Suppression.objects.bulk_create(
        [Suppression(lane=_lane(digest), digest=digest, at=at) for digest in digests],
        ignore_conflicts=True,
    )


def importable(addresses: Iterable[str]) -> list[str]:
    """Those addresses that an import may bring in: whoever was erased comes back by pledging alone.

    Raises AddressRefused.
    """
    said = list(addresses)
    digests = {
        address: suppression_digest(keyed_digest("mailbox", mailbox(address))) for address in said
    }
    lanes = {_lane(digest) for digest in digests.values()}
    rows = Suppression.objects.filter(lane__in=lanes, digest__in=set(digests.values()))
    erased = set(rows.values_list("digest", flat=True))
    return [address for address in said if digests[address] not in erased]


def suppression_digest(box: str) -> str:
    """What is kept of a mailbox that was erased; it agrees with no column of any other table."""
    return keyed_digest("suppressed", box)


def _lane(digest: str) -> int:
    return lane_of(bytes.fromhex(digest))
