"""The whole folder of a ledger, pass after pass; one that damage stops is a finding, and the others go on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from ledger.errors import WrongUse
from ledger.intake.media_config import COPIES_FOLDER, MEDIA_FOLDER, open_remote
from ledger.store.check.found import UNREADABLE, Found, Progress
from ledger.store.check.key import check_key
from ledger.store.check.media import check_copies, check_media
from ledger.store.check.pages import check_pages
from ledger.store.check.rows import check_rows
from ledger.store.check.tree import check_log
from ledger.store.database import APPLICATION_ID
from ledger.store.ledger import DATABASE_FILE
from ledger.store.log import TREE_SUFFIX
from ledger.store.page_sums import WAL, beside
from ledger.store.tables import SCHEMA_VERSION
from ledger.store.wal import wal_bytes

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


def open_read_only(path: Path) -> sqlite3.Connection:
    """The database in `path`, beside whoever writes it; nothing is changed. Close it."""
    # Without a write-ahead log nothing can move meanwhile, and SQLite need not make files of its own to read.
    still = "" if wal_bytes(beside(path, WAL)) else "&immutable=1"
    database = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro{still}", uri=True, isolation_level=None)
    database.text_factory = lambda raw: raw.decode("utf-8", "replace")  # damaged text is compared, and found, as it is
    return database


def _readable(database: sqlite3.Connection) -> Found | None:
    """Begin to read one state; what keeps from it as a finding."""
    try:
        database.execute("BEGIN")
        owner = database.execute("PRAGMA application_id").fetchone()[0]
        version = database.execute("PRAGMA user_version").fetchone()[0]
        database.execute('SELECT count(*) FROM sqlite_master WHERE name = "entry"').fetchone()
    except UNREADABLE as error:
        return Found("DATABASE_DAMAGED", DATABASE_FILE, f"The database cannot be read: {error}")
    if (owner, version) != (APPLICATION_ID, SCHEMA_VERSION):
        return Found(
            "DATABASE_DAMAGED", DATABASE_FILE, f"Its marks are {owner:#x} and {version}: not a ledger of today's."
        )
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
