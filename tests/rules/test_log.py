"""The public log's tree: known answers of RFC 6962 and C2SP, and what must hold of every tree."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countmein.rules import log

#: The eight inputs that every implementation of RFC 6962 is tried on.
CLASSIC = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


class Tiles:
    """Tiles kept in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[int, int], bytes] = {}
        self.size = 0

    def read(self, level: int, index: int) -> bytes:
        return self.kept[level, index]

    def grow(self, leaves: list[bytes]) -> None:
        for level, index, hashes in log.grow_tiles(self.size, leaves, self.read):
            self.kept[level, index] = hashes
        self.size += len(leaves)


def naive_root(leaves: list[bytes]) -> bytes:
    """The definition in RFC 6962, 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return log.node_hash(naive_root(leaves[:k]), naive_root(leaves[k:]))


def leaves_of(size: int) -> list[bytes]:
    return [log.leaf_hash(str(n).encode()) for n in range(size)]


def tiles_of(size: int) -> Tiles:
    tiles = Tiles()
    tiles.grow(leaves_of(size))
    return tiles


@pytest.mark.parametrize(("size", "root"), ROOTS.items())
def test_the_classic_inputs_have_the_known_roots(size: int, root: str) -> None:
    assert root == log.root_of([log.leaf_hash(entry) for entry in CLASSIC[:size]]).hex()


def test_an_entry_has_the_published_leaf_hash() -> None:
    w = "3fa3254a2d9c3535217f622eb9792de8d27d84583cbd5d573b4af56e210e53bd"
    entry = f'{{"a":2500,"c":"7","k":"pledge","n":0,"t":2500,"w":"{w}"}}'
    expected = "2c30e5506d5962899b84e57adc64f088d2ff12d76135d1e5468c08d7d213c861"
    assert expected == log.leaf_hash(entry.encode()).hex()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=4))
def test_a_tree_grown_in_steps_is_the_tree_by_definition(steps: list[int]) -> None:
    tiles, leaves = Tiles(), leaves_of(sum(steps))
    for step in steps:
        tiles.grow(leaves[tiles.size : tiles.size + step])
    assert naive_root(leaves) == log.root_from_tiles(tiles.read, len(leaves))
    assert naive_root(leaves) == log.root_of(leaves)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_path_shows_its_leaf_and_no_other(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 700))
    tiles, leaves = tiles_of(size), leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    path = log.inclusion_path(tiles.read, index, size)
    root = naive_root(leaves)
    assert root == log.root_by_path(leaves[index], index, size, path)
    assert root != log.root_by_path(log.leaf_hash(b"x"), index, size, path)
    if path:
        bent = [bytes([path[0][0] ^ 1]) + path[0][1:], *path[1:]]
        assert root != log.root_by_path(leaves[index], index, size, bent)
        with pytest.raises(log.LogRefused):
            log.root_by_path(leaves[index], index, size, path[:-1])
    with pytest.raises(log.LogRefused):
        log.root_by_path(leaves[index], index, size, [*path, root])


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_tree_is_consistent_with_what_it_grew_from_and_nothing_else(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, 700))
    old = data.draw(st.integers(1, new))
    tiles, leaves = tiles_of(new), leaves_of(new)
    path = log.consistency_path(tiles.read, old, new)
    before, after = naive_root(leaves[:old]), naive_root(leaves)
    assert log.is_consistent(old, before, new, after, path)
    other = naive_root([*leaves[: old - 1], log.leaf_hash(b"x")])
    assert not log.is_consistent(old, other, new, after, path)
    assert not log.is_consistent(old, before, new, other, path)
    assert not log.is_consistent(old, before, new, after, [*path, before])


def test_tiles_of_a_large_tree_have_the_widths_of_the_specification() -> None:
    widths = [(level, log.tile_width(70_000, level, 70_000 >> 8 * level + 8)) for level in range(3)]
    assert [(0, 112), (1, 17), (2, 1)] == widths
    assert 256 == log.tile_width(70_000, 0, 272)
    assert (256, 1, 0) == (
        log.tile_width(256, 0, 0),
        log.tile_width(256, 1, 0),
        log.tile_width(256, 2, 0),
    )


def test_tiles_are_named_as_the_specification_says() -> None:
    assert "x001/x234/067" == log.tile_path(1_234_067)
    assert "000" == log.tile_path(0)
    for path in ("0", "x000/001", "x001/x234/67", "001/234", "-01", "", "x001"):
        with pytest.raises(log.LogRefused):
            log.tile_index(path)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**12))
def test_an_index_survives_its_spelling(index: int) -> None:
    assert index == log.tile_index(log.tile_path(index))


def test_a_bundle_says_how_long_each_entry_is() -> None:
    assert b"\0\1a\0\2bc" == log.bundle([b"a", b"bc"])


def test_a_checkpoint_is_three_lines() -> None:
    checkpoint = log.Checkpoint(origin="example.com/log", size=7, root=bytes(32))
    assert f"example.com/log\n7\n{'A' * 43}=\n" == checkpoint.text()
