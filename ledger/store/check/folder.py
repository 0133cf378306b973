"""The whole folder of a ledger, pass after pass; one that damage stops is a finding, and the others go on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from ledger.errors import WrongUse
from ledger.intake.media_config import COPIES_FOLDER, MEDIA_FOLDER, open_remote
from ledger.store.check.crossings import check_crossings
from ledger.store.check.found import UNREADABLE, Found, Progress
from ledger.store.check.key import check_key
from ledger.store.check.media import check_copies, check_media
from ledger.store.check.pages import check_pages
from ledger.store.check.rows import check_rows
from ledger.store.check.tree import check_log
from ledger.store.crossing_files import CROSSINGS_FOLDER
from ledger.store.ledger import DATABASE_FILE
from ledger.store.log import TREE_SUFFIX
from ledger.store.marks import APPLICATION_ID, open_read_only, read_marks
from ledger.store.tables import SCHEMA_VERSION

MAX_PROBLEMS = 100  # of the database's own check


def check_folder(folder: Path, progress: Progress) -> Iterator[Found]:
    """Everything that is wrong in a ledger's data folder. Writes nothing, and may run beside the ledger, which it keeps
    from moving pages meanwhile. `WrongUse` FSCK_FOLDER where there is no ledger.
    """
    path = folder / DATABASE_FILE
    if not path.is_file():
        raise WrongUse(
            "FSCK_FOLDER", "This folder holds no ledger.", where=str(path), cure="Name the ledger's data folder."
        )
    with closing(open_read_only(path)) as database:
        readable = _readable(database)
        yield from check_pages(path, database if readable is None else None, progress)
        if readable is not None:
            yield readable
        else:
            yield from _guarded(lambda: _check_database(database, progress))
            key = yield from check_key(folder, database)
            yield from _guarded(
                lambda: check_log(database, path.with_suffix(TREE_SUFFIX), key, lambda: _size(path), progress)
            )
            yield from _guarded(lambda: check_rows(database, progress))
        yield from _guarded(
            lambda: check_media(
                folder / MEDIA_FOLDER, None if readable else database, progress, elsewhere=open_remote(folder)
            )
        )
        yield from check_copies(folder / COPIES_FOLDER, progress)
        yield from check_crossings(folder / CROSSINGS_FOLDER, progress)


def _readable(database: sqlite3.Connection) -> Found | None:
    """Begin to read one state; what keeps from it as a finding."""
    try:
        database.execute("BEGIN")
        marks = read_marks(database)
    except UNREADABLE as error:
        return Found("DATABASE_DAMAGED", DATABASE_FILE, f"The database cannot be read: {error}")
    if marks.owner != APPLICATION_ID:
        return Found("DATABASE_DAMAGED", DATABASE_FILE, f"Its mark is {marks.owner:#x}: not a ledger's.")
    if marks.version != SCHEMA_VERSION:
        what = (
            f"It has schema version {marks.version}, this program reads {SCHEMA_VERSION}: only its pages are checked."
        )
        cure = (
            "Check it with the program that wrote it, or start the ledger, which upgrades an earlier one; then check."
        )
        return Found("DATABASE_VERSION", DATABASE_FILE, what, cure)
    return None


def _guarded(check: Callable[[], Iterator[Found]]) -> Iterator[Found]:
    try:
        yield from check()
    except UNREADABLE as error:
        yield Found("DATABASE_DAMAGED", DATABASE_FILE, f"Reading stopped: {error}")


def _check_database(database: sqlite3.Connection, progress: Progress) -> Iterator[Found]:
    progress("database", 0, 1)
    for (said,) in database.execute(f"PRAGMA integrity_check({MAX_PROBLEMS})"):
        if said != "ok":
            yield Found("DATABASE_DAMAGED", DATABASE_FILE, f"SQLite says: {said}")


def _size(path: Path) -> int:
    """How many entries there are now, not in the state that is read: a running ledger goes on."""
    try:
        with closing(open_read_only(path)) as database:
            return int(database.execute("SELECT count(*) FROM entry").fetchone()[0])
    except UNREADABLE:
        return 0
