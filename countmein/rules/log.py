"""The public log's tree: hashes, roots and proofs of RFC 6962, tiles and checkpoints of C2SP.

A tree is read through its tiles: 256 hashes of one level each. Nothing here signs or reads files.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

TILE_WIDTH: Final = 256
_TILE_HEIGHT: Final = 8
HASH_BYTES: Final = 32
MAX_ENTRY_BYTES: Final = 65_535

#: Gives the hashes that a tile (level, index) holds so far, one after the other.
ReadTile = Callable[[int, int], bytes]


class LogRefused(ValueError):
    """What was handed in is no tree, path or checkpoint of this log."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry: SHA-256(0x00 | entry)."""
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbours: SHA-256(0x01 | left | right)."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over leaf hashes; that of no leaves is the hash of nothing."""
    tree = CompactRange()
    for each in hashes:
        tree.append(each)
    return tree.root()


class CompactRange:
    """The roots of the full subtrees of a growing tree: all that appending needs."""

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Take in the next leaf hash."""
        self._roots.append(leaf)
        self.size += 1
        # As many merges as the new size has zeros at its end.
        for _ in range((self.size & -self.size).bit_length() - 1):
            right = self._roots.pop()
            self._roots.append(node_hash(self._roots.pop(), right))

    def root(self) -> bytes:
        """The root of what was taken in."""
        if not self._roots:
            return hashlib.sha256(b"").digest()
        return _folded(self._roots)


def _folded(roots: Sequence[bytes]) -> bytes:
    root = roots[-1]
    for left in reversed(roots[:-1]):
        root = node_hash(left, root)
    return root


def grow_tiles(
    size: int, leaves: Sequence[bytes], read: ReadTile
) -> Iterator[tuple[int, int, bytes]]:
    """The tiles (level, index, hashes) that change when leaf hashes join a tree of `size`."""
    level = 0
    while leaves:
        index, width = divmod(size, TILE_WIDTH)
        held = (read(level, index) if width else b"")[: width * HASH_BYTES] + b"".join(leaves)
        above: list[bytes] = []
        step = TILE_WIDTH * HASH_BYTES
        for start in range(0, len(held), step):
            tile = held[start : start + step]
            yield level, index + start // step, tile
            if len(tile) == step:
                above.append(root_of(_cut(tile)))
        level, size, leaves = level + 1, index, above


def _cut(tile: bytes) -> list[bytes]:
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]


def _subtree(read: ReadTile, height: int, index: int) -> bytes:
    """The root of the full subtree over the leaves [index << height, (index + 1) << height)."""
    level, spare = divmod(height, _TILE_HEIGHT)
    first = index << spare
    tile, offset = divmod(first, TILE_WIDTH)
    hashes = read(level, tile)[offset * HASH_BYTES : (offset + (1 << spare)) * HASH_BYTES]
    if len(hashes) != HASH_BYTES << spare:
        raise LogRefused(f"tile {level}/{tile} is shorter than the tree")
    return root_of(_cut(hashes))


def _range_hash(read: ReadTile, start: int, end: int) -> bytes:
    """The root over the leaves [start, end) as RFC 6962 nests them; `start` is aligned."""
    roots: list[bytes] = []
    while start < end:
        height = (end - start).bit_length() - 1
        roots.append(_subtree(read, height, start >> height))
        start += 1 << height
    return _folded(roots)


def root_from_tiles(read: ReadTile, size: int) -> bytes:
    """The root of the first `size` leaves."""
    return _range_hash(read, 0, size) if size else hashlib.sha256(b"").digest()


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_path(read: ReadTile, index: int, size: int) -> list[bytes]:
    """The hashes that lead from a leaf to the root. Requires 0 <= index < size."""
    if not 0 <= index < size:
        raise LogRefused("no such leaf in a tree of this size")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_hash(read, middle, end))
            end = middle
        else:
            path.append(_range_hash(read, start, middle))
            start = middle
    return path[::-1]


def consistency_path(read: ReadTile, old: int, new: int) -> list[bytes]:
    """The hashes that show the first `old` leaves to begin the tree of `new`; 0 < old <= new."""
    if not 0 < old <= new:
        raise LogRefused("no tree can have grown so")
    path: list[bytes] = []
    start, end, is_whole = 0, new, True
    while start + (old - start) < end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_hash(read, middle, end))
            end = middle
        else:
            path.append(_range_hash(read, start, middle))
            start, is_whole = middle, False
    if not is_whole:
        path.append(_range_hash(read, start, end))
    return path[::-1]


def root_by_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that an inclusion path leads to. Raises LogRefused if its length is wrong."""
    if not 0 <= index < size:
        raise LogRefused("no such leaf in a tree of this size")
    at, last, root = index, size - 1, leaf
    for beside in path:
        if last == 0:
            raise LogRefused("the path is too long")
        if at & 1 or at == last:
            root = node_hash(beside, root)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            root = node_hash(root, beside)
        at, last = at >> 1, last >> 1
    if last:
        raise LogRefused("the path is too short")
    return root


def is_consistent(
    old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether the path shows that the old tree begins the new one. RFC 9162, 2.1.4.2."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    rest = list(path)
    if old & (old - 1) == 0:
        rest.insert(0, old_root)
    if not rest:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = rest[0]
    for beside in rest[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first, second = node_hash(beside, first), node_hash(beside, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, beside)
        at, last = at >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def tile_path(index: int) -> str:
    """How an address spells a tile's index: `x001/x234/067`."""
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups))


def tile_index(path: str) -> int:
    """The index that `tile_path` has written. Raises LogRefused for every other spelling."""
    digits = path.replace("/x", "").replace("/", "").removeprefix("x")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 18):
        raise LogRefused("this names no tile")
    index = int(digits)
    if tile_path(index) != path:
        raise LogRefused("this names no tile")
    return index


def tile_width(size: int, level: int, index: int) -> int:
    """How many hashes a tile has in a tree of `size`: 256, some, or 0 if it is not there."""
    hashes = size >> _TILE_HEIGHT * level
    return max(0, min(TILE_WIDTH, hashes - index * TILE_WIDTH))


def bundle(entries: Iterable[bytes]) -> bytes:
    """Entries as a bundle carries them: each after its length in two bytes."""
    return b"".join(len(entry).to_bytes(2) + entry for entry in entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The size and root of a log at one instant; what is signed is its text."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The note's text: origin, size, root, each on a line of its own."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def key_id(name: str, algorithm: int, public_key: bytes) -> bytes:
    """The four bytes by which a signature line says which key made it (C2SP signed-note)."""
    whole = name.encode() + b"\n" + bytes([algorithm]) + public_key
    return hashlib.sha256(whole).digest()[:4]


def verifier_key(name: str, public_key: bytes) -> str:
    """An Ed25519 key as others are told of it: name, id and key in one line."""
    id = key_id(name, 1, public_key).hex()
    return f"{name}+{id}+{base64.b64encode(bytes([1]) + public_key).decode()}"


def signature_line(name: str, public_key: bytes, signature: bytes) -> str:
    """The line under a note that carries an Ed25519 signature of its text."""
    blob = base64.b64encode(key_id(name, 1, public_key) + signature).decode()
    return f"— {name} {blob}\n"
