"""Tiles: the log's tree and its entries as files that never change and that anybody may cache (C2SP tlog-tiles).

A tile holds up to 256 neighbouring hashes of every eighth level of the tree; a bundle holds the entries under one.
`TileTree` builds roots, inclusion and consistency proofs from nothing but tiles, however they are fetched.
May never happen here: a hash used before its tile is proven to belong to the checkpoint; two names for one tile.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.canonical import DIGEST_BYTES
from ledger.checkpoint import Checkpoint
from ledger.errors import BadInput, Refused
from ledger.merkle import HASH_BYTES, Subtrees, leaf_hashes, node_hash, parent_hashes

HEIGHT = 8  # levels of the tree that one tile stands for
WIDTH = 1 << HEIGHT  # hashes in a full tile
MAX_LEVEL = 63
ENTRIES: Final = -1  # the "level" of a bundle of entries
MAX_TILES_HELD = 1024  # 8 MiB: what a `TileTree` keeps of what it has verified

_LENGTH = DIGEST_BYTES.to_bytes(2, "big")
_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tile:
    """The name of a tile, or of a bundle where `level` is `ENTRIES`. `width`: of 1 to 256 hashes (or entries)."""

    level: int
    index: int
    width: int = WIDTH

    def path(self) -> str:
        """`tile/<L>/<N>[.p/<W>]`, with the index in groups of three digits: `tile/0/x001/x234/067.p/8`."""
        digits = str(self.index)
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        place = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        level = "entries" if self.level == ENTRIES else str(self.level)
        return f"tile/{level}/{place}" + ("" if self.width == WIDTH else f".p/{self.width}")

    @property
    def start(self) -> int:
        """The position of its first hash (or entry) within its level."""
        return self.index * WIDTH


def read_tile_path(path: str) -> Tile:
    """The tile that a path names; no tile has two paths. Raises `BadInput` TILE_PATH."""
    found = _PATH.fullmatch(path)
    if found is not None:
        level = ENTRIES if found[1] == "entries" else int(found[1])
        tile = Tile(level, int(found[2].replace("x", "").replace("/", "")), int(found[3] or WIDTH))
        if level <= MAX_LEVEL and tile.path() == path:
            return tile
    raise BadInput(
        "TILE_PATH",
        "This is not the path of a tile.",
        where=ascii(path)[:80],
        cure="Use tile/<level>/<index>[.p/<width>] with the index in groups of three digits, as c2sp.org/tlog-tiles.",
    )


def width_in(level: int, index: int, size: int) -> int:
    """How many hashes (or entries) a tile has in the tree of `size` leaves, 0 to 256; 0 where it does not exist."""
    hashes = size >> (HEIGHT * max(level, 0))
    return max(0, min(WIDTH, hashes - index * WIDTH))


def write_entries(digests: Sequence[bytes]) -> bytes:
    """A bundle: each entry (a 32-byte digest) after its length as two bytes, big-endian."""
    return b"".join([_LENGTH + digest for digest in digests])


def read_entries(raw: bytes, *, width: int) -> list[bytes]:
    """The `width` digests of a bundle. Raises `BadInput` BUNDLE_FORMAT for entries of another length or number."""
    step = len(_LENGTH) + DIGEST_BYTES
    pieces = [raw[at : at + step] for at in range(0, len(raw), step)]
    if len(raw) != width * step or any(not piece.startswith(_LENGTH) for piece in pieces):
        raise BadInput("BUNDLE_FORMAT", f"This is no bundle of {width} entries of {DIGEST_BYTES} bytes each.")
    return [piece[len(_LENGTH) :] for piece in pieces]


class TileTree(Subtrees):
    """The tree under one checkpoint, read from tiles.

    Whether the checkpoint is to be believed is the caller's question (`ledger.checkpoint`); that every hash used leads
    to its root is this class's. Raises `Refused` TILE_INVALID, naming the tile, for one that does not; and whatever
    `fetch` raises.
    """

    def __init__(self, checkpoint: Checkpoint, fetch: Callable[[Tile], bytes]) -> None:
        """`fetch`: gives the bytes of a tile, from wherever. The tree's right edge is fetched and verified here."""
        super().__init__()
        self._checkpoint, self._fetch = checkpoint, fetch
        self._verified: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._edge = self._verified_edge()

    def __len__(self) -> int:
        return self._checkpoint.size

    def entries(self, index: int) -> list[bytes]:
        """The entries (32-byte digests) of bundle `index`, each checked against its leaf hash."""
        bundle = Tile(ENTRIES, index, width_in(ENTRIES, index, len(self)))
        if index < 0 or not bundle.width:
            raise BadInput("TILE_PATH", f"A log of {len(self)} entries has no bundle {index}.", where=bundle.path())
        digests = read_entries(self._fetch(bundle), width=bundle.width)
        if b"".join(leaf_hashes(digests)) != self._tile(0, index):
            raise _invalid(bundle)
        return digests

    def _full(self, height: int, position: int) -> bytes:
        level, within = divmod(height, HEIGHT)
        first = position << within
        at = first % WIDTH * HASH_BYTES
        return _up(self._tile(level, first // WIDTH)[at : at + (HASH_BYTES << within)])

    def _tile(self, level: int, index: int) -> bytes:
        """The hashes of a tile that is proven to stand under the checkpoint."""
        if width_in(level, index, len(self)) < WIDTH:
            return self._edge[level]
        held = self._verified.get((level, index))
        if held is None:
            tile = Tile(level, index)
            held = self._loaded(tile)
            # A full tile's own root stands in the tile above, which is verified first.
            if _up(held) != self._full(HEIGHT * (level + 1), index):
                raise _invalid(tile)
            self._verified[level, index] = held
            if len(self._verified) > MAX_TILES_HELD:
                self._verified.popitem(last=False)
        else:
            self._verified.move_to_end((level, index))
        return held

    def _verified_edge(self) -> dict[int, bytes]:
        """The partial tiles by level: together, and only together, they give the root."""
        edge, level = dict[int, bytes](), 0
        reached: bytes | None = None
        while hashes := len(self) >> (HEIGHT * level):
            index, width = divmod(hashes, WIDTH)
            if width:
                edge[level] = self._loaded(Tile(level, index, width))
                reached = _joined(edge[level], reached)
            level += 1
        if reached is not None and reached != self._checkpoint.root:
            names = ", ".join(Tile(at, *divmod(len(self) >> (HEIGHT * at), WIDTH)).path() for at in edge)
            raise Refused(
                "TILE_INVALID",
                "The tiles at the right edge do not give the checkpoint's root.",
                where=names,
                cure="Fetch tiles and checkpoint again, from another place too; keep both if they still differ.",
            )
        return edge

    def _loaded(self, tile: Tile) -> bytes:
        raw = self._fetch(tile)
        if len(raw) != tile.width * HASH_BYTES:
            raise _invalid(tile)
        return raw


def _joined(run: bytes, right: bytes | None) -> bytes:
    """The root over a run of hashes and, if any, what stands to their right; the run begins on a tile's border."""
    hashes = len(run) // HASH_BYTES
    while hashes:
        low = hashes & -hashes
        piece = _up(run[(hashes - low) * HASH_BYTES : hashes * HASH_BYTES])
        right = piece if right is None else node_hash(piece, right)
        hashes -= low
    assert right is not None
    return right


def _up(run: bytes) -> bytes:
    """The root over a power of two of hashes, joined."""
    hashes = [run[at : at + HASH_BYTES] for at in range(0, len(run), HASH_BYTES)]
    while len(hashes) > 1:
        hashes = parent_hashes(hashes)
    return hashes[0]


def _invalid(tile: Tile) -> Refused:
    return Refused(
        "TILE_INVALID",
        "This tile does not belong to the checkpoint.",
        where=tile.path(),
        cure="Fetch it again, from another place too.",
    )
