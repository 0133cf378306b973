"""The log: entries without a gap, the tree over them, the tree's files, and the roots that were signed for.

One walk over the entries in order; what is held is one hash a height.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ledger.canonical import DIGEST_BYTES
from ledger.checkpoint import Checkpoint, open_checkpoint
from ledger.errors import Problem
from ledger.merkle import EMPTY_ROOT, HASH_BYTES, leaf_hashes, node_hash, parent_hashes
from ledger.note_keys import LogKey
from ledger.store.check.found import Found, Progress, Severity
from ledger.store.tree_files import file_name
from ledger.tiles import HEIGHT, WIDTH, Tile

_AT_ONCE = 8192  # entries
_MADE_AGAIN = "If nothing else is found, stop the ledger and remove the folder: it is made again from the entries."
_ENTRIES = 'SELECT "index", digest FROM entry ORDER BY "index"'
_CHECKPOINTS = "SELECT size, note, cosigned FROM checkpoint ORDER BY size"


@dataclass(slots=True)
class Walk:
    """How far the walk has come: the leaves, and at each height the full subtree that awaits its right half."""

    leaves: int = 0
    waiting: list[bytes] = field(default_factory=list)

    def root(self) -> bytes:
        """The root over all leaves so far."""
        reached: bytes | None = None
        for height, left in enumerate(self.waiting):
            if self.leaves >> height & 1:
                reached = left if reached is None else node_hash(left, reached)
        return EMPTY_ROOT if reached is None else reached


def check_log(
    database: sqlite3.Connection, folder: Path, key: LogKey | None, size: Callable[[], int], progress: Progress
) -> Iterator[Found]:
    """`folder`: of the tree's files. `key`: None where it cannot be told. `size`: how many entries there are by now."""
    total = size()
    signed = list(_signed(database, key))
    for item in signed:
        if isinstance(item, Found):
            yield item
    roots = {item.size: item for item in signed if isinstance(item, Checkpoint)}
    walk, digests = Walk(), list[bytes]()
    for number, (index, digest) in enumerate(database.execute(_ENTRIES)):
        if index != number:
            yield Found("ENTRY_MISSING", f"entry {number}", f"The next entry that is there is {index}.")
            return
        if not isinstance(digest, bytes) or len(digest) != DIGEST_BYTES:
            yield Found("ENTRY_CHANGED", f"entry {index}", "Its digest is no digest.")
            digest = bytes(DIGEST_BYTES)  # noqa: PLW2901 - the walk goes on, and finds the roots above it false
        digests.append(digest)
        if len(digests) == _AT_ONCE or number + 1 in roots:
            yield from _take(walk, digests, folder)
            digests.clear()
            progress("log", number + 1, total)
            yield from _hold_against(walk, roots.pop(number + 1, None))
    yield from _take(walk, digests, folder)
    for beyond in sorted(set(roots) - {0}):
        yield Found("LOG_SHORT", f"checkpoint of size {beyond}", f"The log has {walk.leaves} entries left.")
    most = max((item.size for item in signed if isinstance(item, Checkpoint)), default=0)
    yield from _lengths(folder, max(size(), walk.leaves), min(most, walk.leaves))


def _take(walk: Walk, digests: list[bytes], folder: Path) -> Iterator[Found]:
    added, height = leaf_hashes(digests), 0
    while added:
        if height == len(walk.waiting):
            walk.waiting.append(b"")
        place = walk.leaves >> height
        yield from _compare(folder, height, place, b"".join(added))
        run = [walk.waiting[height], *added] if place & 1 else added
        if len(run) & 1:
            walk.waiting[height] = run[-1]
        added, height = parent_hashes(run), height + 1
    walk.leaves += len(digests)


def _compare(folder: Path, height: int, place: int, right: bytes) -> Iterator[Found]:
    try:
        with (folder / file_name(height)).open("rb") as file:
            held = os.pread(file.fileno(), len(right), place * HASH_BYTES)
    except OSError:
        return  # absent files are named once, by `_lengths`
    if held == right[: len(held)]:
        return
    for at in range(0, len(held), HASH_BYTES):
        if held[at : at + HASH_BYTES] != right[at : at + HASH_BYTES][: len(held) - at]:
            yield Found(
                "TREE_DAMAGED",
                f"{folder.name}/{_place(height, place + at // HASH_BYTES)}",
                "The hash is not the one that the entries give.",
                _MADE_AGAIN,
            )


def _place(height: int, position: int) -> str:
    level, within = divmod(height, HEIGHT)
    tile = "" if within else f" ({Tile(level, position // WIDTH).path()})"
    return f"{file_name(height)} hash {position}{tile}"


def _hold_against(walk: Walk, signed: Checkpoint | None) -> Iterator[Found]:
    if signed is not None and signed.root != walk.root():
        what = "The entries up to it no longer give the root that was signed."
        yield Found("LOG_CHANGED", f"checkpoint of size {signed.size}", what)


def _signed(database: sqlite3.Connection, key: LogKey | None) -> Iterator[Checkpoint | Found]:
    """Every checkpoint that the log signed, or what is wrong with it."""
    for size, note, cosigned in database.execute(_CHECKPOINTS):
        thing = f"checkpoint of size {size}"
        try:
            opened = [open_checkpoint(raw, log_key=key) for raw in (note, cosigned) if raw is not None and key]
        except (Problem, TypeError, AttributeError) as error:
            yield Found("CHECKPOINT_CHANGED", thing, f"It is not what the log signed: {error}")
            continue
        if any(each.size != size or each != opened[0] for each in opened):
            yield Found("CHECKPOINT_CHANGED", thing, "It stands in another one's place.")
        elif opened:
            yield opened[0]


def _lengths(folder: Path, leaves: int, signed: int) -> Iterator[Found]:
    height = 0
    while signed >> height:
        path = folder / file_name(height)
        held = path.stat().st_size if path.exists() else 0
        if held < (signed >> height) * HASH_BYTES:
            what = f"It has {held} bytes; the last signed checkpoint alone needs {(signed >> height) * HASH_BYTES}."
            cure = "Nothing is lost: it is made again at the next start."
            yield Found("TREE_SHORT", f"{folder.name}/{path.name}", what, cure)
        height += 1
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        number = path.name.removeprefix("height-")
        known = path.name == file_name(int(number)) if number.isdecimal() and len(number) < 4 else False
        if not known:
            yield Found("FILE_UNKNOWN", f"{folder.name}/{path.name}", "The log keeps no such file.", "", Severity.NOTE)
        elif path.stat().st_size > (leaves >> int(number)) * HASH_BYTES:
            what = f"It is longer than {leaves} entries need."
            yield Found("TREE_DAMAGED", f"{folder.name}/{path.name}", what, _MADE_AGAIN)
