"""Tiles: other people's names and layout, and proofs built from nothing but tiles that lead to the checkpoint."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.checkpoint import Checkpoint
from ledger.errors import BadInput, Refused
from ledger.merkle import EMPTY_ROOT, HASH_BYTES, Tree, leaf_hash, verify_consistency, verify_inclusion
from ledger.tiles import ENTRIES, HEIGHT, WIDTH, Tile, TileTree, read_entries, read_tile_path, width_in, write_entries
from tests.ledger.refusals import refused

ORIGIN = "ledger.example/estate"
MOST = 70_000  # the specification's own example: three levels
DIGESTS = [number.to_bytes(32, "big") for number in range(MOST)]
TREE = Tree(map(leaf_hash, DIGESTS))


def served(tile: Tile) -> bytes:
    """What an honest log serves, made without the code under test: hash by hash."""
    if tile.level == ENTRIES:
        return b"".join(b"\x00\x20" + digest for digest in DIGESTS[tile.start : tile.start + tile.width])
    return b"".join(TREE._full(HEIGHT * tile.level, tile.start + at) for at in range(tile.width))


def checkpoint(size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, size, TREE.root(size))


class Fetching:
    """An honest server that counts, and that may be told to lie about one tile."""

    def __init__(self, lie: Callable[[Tile, bytes], bytes] = lambda tile, raw: raw) -> None:
        self.asked: list[str] = []
        self._lie = lie

    def __call__(self, tile: Tile) -> bytes:
        self.asked.append(tile.path())
        return self._lie(tile, served(tile))


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(0, 999), "tile/0/999"),
        (Tile(1, 1000), "tile/1/x001/000"),
        (Tile(63, 5, 255), "tile/63/005.p/255"),
        (Tile(ENTRIES, 1234067, 8), "tile/entries/x001/x234/067.p/8"),
    ],
)
def test_a_tile_is_named_as_the_specification_names_it(tile: Tile, path: str) -> None:
    assert tile.path() == path
    assert read_tile_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/001",
        "tile/0/x001/x234/67",
        "tile/0/001/234",
        "tile/0/1234067",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000/",
        "tile/0/000\n",
        "tile/0/\u0661\u0661\u0661",
        "tile/entries/../000",
        "tile/entry/000",
        "/tile/0/000",
        "tile/0/" + "x001/" * 40 + "000",
        "",
    ],
)
def test_refuses_a_path_that_names_no_tile_or_names_one_otherwise(path: str) -> None:
    with refused("TILE_PATH"):
        read_tile_path(path)


def test_a_tree_of_70000_has_the_tiles_that_the_specification_counts() -> None:
    widths = {
        (level, index): width_in(level, index, MOST)
        for level in range(4)
        for index in range(300)
        if width_in(level, index, MOST)
    }
    assert [sum(1 for at, _ in widths if at == level) for level in range(4)] == [274, 2, 1, 0]
    assert (widths[0, 273], widths[1, 0], widths[1, 1], widths[2, 0]) == (112, WIDTH, 17, 1)
    assert [width_in(level, 0, 256) for level in range(3)] == [WIDTH, 1, 0]
    assert width_in(ENTRIES, 273, MOST) == 112


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537, MOST])
def test_proofs_built_from_tiles_alone_are_the_trees_own(size: int) -> None:
    read = TileTree(checkpoint(size), Fetching())
    assert (len(read), read.root()) == (size, TREE.root(size))
    for index in {0, size // 3, size // 2, size - 1}:
        proof = read.inclusion_proof(index)
        assert proof == TREE.inclusion_proof(index, size)
        verify_inclusion(
            leaf=leaf_hash(DIGESTS[index]), index=index, size=size, proof=proof, root=checkpoint(size).root
        )
    for old in {1, max(1, size // 3), max(1, size - 1), size}:
        proof = read.consistency_proof(old)
        verify_consistency(old_size=old, old_root=TREE.root(old), new_size=size, new_root=TREE.root(size), proof=proof)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, MOST), st.data())
def test_any_proof_from_tiles_is_the_trees_own(size: int, data: st.DataObject) -> None:
    read = TileTree(checkpoint(size), served)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    assert read.inclusion_proof(index) == TREE.inclusion_proof(index, size)
    assert read.consistency_proof(old) == TREE.consistency_proof(old, size)


def test_an_empty_log_has_no_tiles_and_needs_none() -> None:
    fetching = Fetching()
    assert TileTree(Checkpoint(ORIGIN, 0, EMPTY_ROOT), fetching).root() == EMPTY_ROOT
    assert fetching.asked == []


def test_only_tiles_that_the_size_requires_are_fetched_and_each_once() -> None:
    fetching = Fetching()
    read = TileTree(checkpoint(MOST), fetching)
    assert fetching.asked == ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]
    for _ in range(2):
        read.inclusion_proof(5)
    assert sorted(fetching.asked[3:]) == ["tile/0/000", "tile/1/000"]


def test_entries_are_given_once_their_leaf_hashes_are_proven() -> None:
    read = TileTree(checkpoint(MOST), Fetching())
    assert read.entries(0) == DIGESTS[:256]
    assert read.entries(273) == DIGESTS[273 * 256 :]
    for index in (-1, 274):
        with refused("TILE_PATH"):
            read.entries(index)


def test_bundles_are_read_as_they_are_written() -> None:
    raw = write_entries(DIGESTS[:3])
    assert raw == served(Tile(ENTRIES, 0, 3))
    assert read_entries(raw, width=3) == DIGESTS[:3]
    for wrong in (raw[:-1], raw + b"\0", raw[34:], b"\x00\x21" + raw[2:], b""):
        with refused("BUNDLE_FORMAT"):
            read_entries(wrong, width=3)


def flip(raw: bytes, bit: int) -> bytes:
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


LIES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "C04 a bit of a full tile": ("tile/0/000", lambda raw: flip(raw, 77)),
    "C04 a bit of the tile above": ("tile/1/000", lambda raw: flip(raw, 20_000)),
    "C04 a bit of a partial tile": ("tile/0/273.p/112", lambda raw: flip(raw, 0)),
    "C04 two hashes swapped": ("tile/0/000", lambda raw: raw[32:64] + raw[:32] + raw[64:]),
    "C04 a tile cut short": ("tile/0/000", lambda raw: raw[:-32]),
    "C04 a tile with a hash more": ("tile/0/273.p/112", lambda raw: raw + bytes(32)),
    "C04 a full tile with a hash more": ("tile/0/000", lambda raw: raw + raw[:32]),
    "C04 an empty tile": ("tile/2/000.p/1", lambda raw: b""),
    "C02 the last hash doubled in place of what follows": ("tile/1/001.p/17", lambda raw: raw[:-32] + raw[-64:-32]),
    "C06 a tile of zeros": ("tile/0/000", lambda raw: bytes(len(raw))),
    "C10 another tile of the log in its place": ("tile/0/000", lambda raw: served(Tile(0, 1))),
    "C01 hashes of the level above in place of leaves": ("tile/0/000", lambda raw: served(Tile(1, 0))),
}


@pytest.mark.parametrize("name", LIES)
def test_a_tile_that_does_not_belong_is_refused_before_it_is_used(name: str) -> None:
    path, change = LIES[name]
    lying = Fetching(lambda tile, raw: change(raw) if tile.path() == path else raw)
    with pytest.raises(Refused) as caught:
        TileTree(checkpoint(MOST), lying).inclusion_proof(3)
    assert caught.value.code == "TILE_INVALID"
    assert path in caught.value.where
    assert TileTree(checkpoint(MOST), Fetching()).inclusion_proof(3) == TREE.inclusion_proof(3)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 8 * WIDTH * HASH_BYTES - 1), st.sampled_from([0, 1, 2]))
def test_C04_every_flipped_bit_of_a_tile_is_refused(bit: int, index: int) -> None:
    path = Tile(0, index).path()
    lying = Fetching(lambda tile, raw: flip(raw, bit) if tile.path() == path else raw)
    with refused("TILE_INVALID"):
        TileTree(checkpoint(800), lying).inclusion_proof(index * WIDTH)


def test_C04_bundle_entries_that_hash_to_other_leaves_are_refused() -> None:
    for change in (lambda raw: flip(raw, 30), lambda raw: raw[34:68] + raw[:34] + raw[68:]):
        lying = Fetching(lambda tile, raw, change=change: change(raw) if tile.level == ENTRIES else raw)  # type: ignore[misc]
        with pytest.raises((Refused, BadInput)) as caught:
            TileTree(checkpoint(300), lying).entries(0)
        assert caught.value.code == "TILE_INVALID"
    assert TileTree(checkpoint(300), Fetching()).entries(0) == DIGESTS[:256]


def test_C06_a_checkpoint_of_another_root_is_believed_of_no_tile() -> None:
    for root in (bytes(32), TREE.root(299)):
        with refused("TILE_INVALID"):
            TileTree(Checkpoint(ORIGIN, 300, root), Fetching())
    assert TileTree(checkpoint(300), Fetching()).root() == TREE.root(300)


def test_C07_tiles_of_a_fork_do_not_extend_the_log() -> None:
    fork = Tree([*map(leaf_hash, DIGESTS[:200]), *map(leaf_hash, DIGESTS[300:500])])
    with refused("TILE_INVALID"):
        TileTree(Checkpoint(ORIGIN, 400, fork.root()), served)
