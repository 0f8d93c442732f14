"""What is read of the log: tiles, bundles, checkpoints, proofs, exports."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from typing import Any

from countmein.log import keys
from countmein.log.models import Entry, SignedCheckpoint, Standing, Tile
from countmein.rules import log

_SLICE = 2_000


def read_tile(level: int, index: int) -> bytes:
    """The hashes of one tile as far as it is filled; empty if it is not there."""
    found = Tile.objects.filter(level=level, index=index).values_list("hashes", flat=True).first()
    return b"" if found is None else bytes(found)


def checkpoint() -> SignedCheckpoint | None:
    """The newest checkpoint."""
    return SignedCheckpoint.objects.order_by("-size").first()


def checkpoint_note() -> str:
    """The newest checkpoint as a mail carries it; empty before the first."""
    newest = checkpoint()
    return newest.note if newest else ""


def signed_tile(level: int, index: int, width: int) -> bytes | None:
    """A tile of this width, if the published tree has it."""
    newest = checkpoint()
    if newest is None or not 0 < width <= log.tile_width(newest.size, level, index):
        return None
    return read_tile(level, index)[: width * log.HASH_BYTES]


def signed_bundle(index: int, width: int) -> bytes | None:
    """The entries under a tile of level 0, if the published tree has them."""
    newest = checkpoint()
    if newest is None or not 0 < width <= log.tile_width(newest.size, 0, index):
        return None
    start = index * log.TILE_WIDTH
    texts = Entry.objects.filter(n__gte=start, n__lt=start + width).order_by("n")
    return log.bundle(text.encode() for text in texts.values_list("text", flat=True))


def export() -> Iterator[str]:
    """The whole log as far as it is signed, line by line: entries, leaf hashes, checkpoints."""
    # A log that was begun anew has checkpoints of an older key below those of this one.
    signed = SignedCheckpoint.objects.filter(note__contains=keys.signed_by())
    ends = dict(signed.values_list("size", "note"))
    start, size = 0, max(ends, default=0)
    while start < size:
        end = min(start + _SLICE, size)
        rows = Entry.objects.filter(n__gte=start, n__lt=end).order_by("n")
        hashes = _leaf_hashes(start, end)
        for n, text in rows.values_list("n", "text"):
            leaf = hashes[(n - start) * log.HASH_BYTES :][: log.HASH_BYTES].hex()
            yield json.dumps({"e": text, "h": leaf}) + "\n"
            if n + 1 in ends:
                yield json.dumps({"checkpoint": ends[n + 1]}) + "\n"
        start = end


def _leaf_hashes(start: int, end: int) -> bytes:
    first, last = start // log.TILE_WIDTH, (end - 1) // log.TILE_WIDTH
    tiles = Tile.objects.filter(level=0, index__range=(first, last)).order_by("index")
    whole = b"".join(bytes(hashes) for hashes in tiles.values_list("hashes", flat=True))
    return whole[(start - first * log.TILE_WIDTH) * log.HASH_BYTES :]


def proof(*, lane: int, pledge_id: uuid.UUID, code: str) -> dict[str, Any] | None:
    """What shows that a pledge is in the published log; None as long as it is not.

    It opens nothing: with it anybody can check the entry, and nobody can act for the member.
    """
    newest = checkpoint()
    row = Standing.objects.filter(lane=lane, pledge_id=pledge_id, part=0).exclude(salt=None).first()
    if newest is None or row is None or row.n >= newest.size:
        return None
    path = log.inclusion_path(read_tile, row.n, newest.size)
    return {
        "pledge": code,
        "salt": bytes(row.salt).hex(),
        "entry": Entry.objects.get(n=row.n).text,
        "path": [base64.b64encode(each).decode() for each in path],
        "checkpoint": newest.note,
        "key": keys.verifier_key(),
    }
