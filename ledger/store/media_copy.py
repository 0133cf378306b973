"""Media from the store that a ledger has into another, each object read there again before it counts as copied.

What happens here: all that rows name is copied, one object at a time; what was copied and found right is noted in a
journal, so that another run goes on. What may never happen here: an object called copied that was not read back; one
that was erased meanwhile and stays in the new store; a store changed before everything is there.

The journal, `media-copy.journal` in the data folder: the digest of the new store's file, then a name a line.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from ledger.cid import parse_cid
from ledger.durable_file import sync_folder, write_whole
from ledger.errors import BadInput, Refused, WrongUse
from ledger.intake.media import MediaStore
from ledger.intake.media_config import MEDIA_CONFIG_FILE, open_media, open_other
from ledger.intake.remote_media import Remote, scan
from ledger.outline import outline_of
from ledger.store.check.media import named_media
from ledger.store.ledger import DATABASE_FILE
from ledger.store.marks import open_read_only

JOURNAL_FILE: Final = "media-copy.journal"
Progress = Callable[[int, int], None]
"""Told how many objects are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What one run did. `there`: objects that were found right in the new store. `lost`: names, with why."""

    objects: int
    copied: int
    copied_bytes: int
    there: int
    withdrawn: int
    lost: tuple[tuple[str, str], ...]


def copy_media(data: Path, to: Path, progress: Progress) -> Copied:
    """Copy all media of the ledger in `data` into the store that the file `to` describes.

    `WrongUse` STORE_FOLDER, MEDIA_SAME; `BadInput` MEDIA_CONFIG; `Refused` MEDIA_CORRUPT (the new store does not hold
    what it was given); `Unavailable` MEDIA_UNAVAILABLE of either store: another run goes on.
    """
    named = _named(data)
    target, source = open_other(data, to), open_media(data)
    with closing(_Journal(data / JOURNAL_FILE, to)) as journal:
        withdrawn = sorted(journal.done - named)
        for cid in withdrawn:  # erased here since it was copied
            target.remove(cid)
            journal.done.discard(cid)
        copied, size, lost = 0, 0, []
        rest = sorted(named - journal.done)
        there = len(named) - len(rest)
        for at, cid in enumerate(rest, there):
            progress(at, len(named))
            try:
                moved = _copy(source, target, cid)
            except _NotHere as problem:
                lost.append((cid, problem.code))
                continue
            journal.note(cid)
            copied, size, there = copied + (moved is not None), size + (moved or 0), there + (moved is None)
        progress(len(named), len(named))
    return Copied(len(named), copied, size, there, len(withdrawn), tuple(lost))


def switch(data: Path, to: Path) -> None:
    """Have the ledger keep its media where `to` says, from its next start on. Only after a copy that lost nothing."""
    write_whole(data / MEDIA_CONFIG_FILE, to.read_bytes())
    (data / JOURNAL_FILE).unlink(missing_ok=True)
    sync_folder(data)


def _named(data: Path) -> set[str]:
    path = data / DATABASE_FILE
    if not path.is_file():
        raise WrongUse("STORE_FOLDER", "This is no ledger's data folder.", where=str(data), cure="Name it.")
    with closing(open_read_only(path)) as database:
        return set(named_media(database))


class _NotHere(Exception):
    """The store that the ledger has does not give the object."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _copy(source: MediaStore, target: Remote, cid: str) -> int | None:
    """How many bytes were sent; None where the object was there."""
    if target.has(cid) and _is_sound(target, cid):
        return None
    try:
        data = source.get(cid)
    except Refused as problem:
        raise _NotHere(problem.code) from problem
    target.put(data, outline_of([data]))
    scan(target, cid)
    return len(data)


def _is_sound(target: Remote, cid: str) -> bool:
    try:
        scan(target, cid)
    except Refused:
        return False
    return True


class _Journal:
    """What was copied into the store of this very configuration. What a power cut takes of it is looked at again."""

    def __init__(self, path: Path, to: Path) -> None:
        head = f"{sha256(to.read_bytes()).hexdigest()}\n"
        lines = path.read_text().splitlines() if path.exists() else []
        goes_on = lines[:1] == [head.strip()]
        self.done = {line for line in lines[1:] if _is_cid(line)} if goes_on else set[str]()
        self._file = path.open("a" if goes_on else "w", buffering=1)
        if goes_on:
            self._file.write("\n")  # the last line may have been cut short
        else:
            self._file.write(head)

    def note(self, cid: str) -> None:
        self.done.add(cid)
        self._file.write(f"{cid}\n")

    def close(self) -> None:
        os.fsync(self._file.fileno())
        self._file.close()


def _is_cid(line: str) -> bool:
    try:
        return bool(parse_cid(line))
    except BadInput:
        return False
