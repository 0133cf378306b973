"""One SQLite database: opened strictly, written by one at a time, each write whole or not at all.

WAL with synchronous=FULL: what was acknowledged is on the disk. Pages leave the write-ahead log through `Pages.fold`
only, which keeps a sum of each. A database of an earlier program is upgraded when it is opened (`upgrades`). May never
happen here: opening a database of another program or of a later one, or going on with weaker durability than promised.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, SQLModel

from ledger.errors import Problem, Unavailable, WrongUse
from ledger.store import tables, upgrades
from ledger.store.marks import APPLICATION_ID, look, read_marks, require_ours
from ledger.store.page_sums import BESIDE, READERS_SECONDS, Pages, beside

BUSY_TIMEOUT_MS = 10_000
DURABILITY, FULL = "FULL", 2  # PRAGMA synchronous: what is set, and the least that is accepted

REWRITE_TRIES = 200  # each waits `READERS_SECONDS` for those who read an old state

UPGRADE_WORD_SECONDS = 10.0  # between two words about how far an upgrade is

_SQLITE_URL = "sqlite:///"
_log = logging.getLogger(__name__)


class Database:
    """Sessions over one database file; safe to share between threads."""

    def __init__(self, engine: Engine, path: Path) -> None:
        """Use `open`."""
        self._engine, self.path = engine, path
        self._writing_engine = engine.execution_options(writes=True)
        self._writer = threading.Lock()
        self._pages: Pages | None = None
        self._finish: weakref.finalize[..., Any] = weakref.finalize(self, engine.dispose)

    @classmethod
    def open(cls, place: Path | str) -> Self:
        """Open the database, or make it where there is none. `place`: a path or a `sqlite:///` URL.

        One of an earlier program is brought to today's tables first, which may take a while: it is told in the log.
        `WrongUse` STORE_URL (another kind of database), STORE_VERSION (of a later program), STORE_TOO_OLD (of one that
        no upgrade leads on from), STORE_OTHER (somebody else's file), STORE_SYNCHRONOUS (durability switched off);
        `Unavailable` STORE_UNAVAILABLE, STORE_BUSY.
        """
        path = _path(place)
        with _typed(str(path)):
            found = look(path)
        if found is not None:
            require_ours(found, path)  # before anything of ours touches it
        engine = create_engine(_SQLITE_URL + str(path), connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
        database = cls(engine, path)
        try:
            database._check_or_create(path)
            database._watch_pages()
            database._upgrade()
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session over one consistent state. What is written in it is thrown away."""
        with _typed(), Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that is committed at the end, or rolled back whole when anything is raised."""
        # The lock gives writers of this process an order; BEGIN IMMEDIATE gives those of others one.
        pages = self._pages
        assert pages is not None
        with self._writer:
            with _typed(str(self.path)), _folder(self.path):
                pages.fold()  # before, not after: what goes wrong with it must not look like a write that failed
            with pages.writing(), _typed(), Session(self._writing_engine, expire_on_commit=False) as session:
                yield session
                session.commit()

    @contextmanager
    def inserting(self) -> Iterator[sqlite3.Connection]:
        """As `writing`, but SQLite's own connection: for what every record passes through, where a session alone would
        take as long as the disk.
        """
        pages = self._pages
        assert pages is not None
        with self._writer:
            with _typed(str(self.path)), _folder(self.path):
                pages.fold()
            with pages.writing(), _typed(), closing(self._engine.raw_connection()) as pooled:
                connection = pooled.driver_connection
                assert isinstance(connection, sqlite3.Connection)
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")

    def rewrite(self) -> None:
        """Write every page anew, so that nothing of what was deleted is left in the file or beside it.

        Deleting alone leaves it: in pages that are free, and where rows once stood that SQLite moved since. Costs the
        disk and, while pages move from the write-ahead log, the memory of the whole database. `Unavailable` STORE_BUSY
        where somebody goes on reading an old state.
        """
        pages = self._pages
        assert pages is not None
        with self._writer:
            with pages.writing(), _typed(str(self.path)), closing(self._engine.raw_connection()) as pooled:
                connection = pooled.driver_connection
                assert isinstance(connection, sqlite3.Connection)
                connection.execute("VACUUM")
            with _typed(str(self.path)), _folder(self.path):
                for _ in range(REWRITE_TRIES):
                    if pages.empty():
                        return
                    time.sleep(READERS_SECONDS)
        raise Unavailable(
            "STORE_BUSY",
            "Somebody still reads an old state of the database.",
            where=str(self.path),
            cure="Try again when no long query or check runs.",
        )

    def close(self) -> None:
        """Close every connection; the object is of no use afterwards."""
        with self._writer:
            self._finish()

    def _watch_pages(self) -> None:
        with _typed(str(self.path)), _folder(self.path):
            pages = Pages(self.path)
            pages.begin()
        self._pages = pages
        # Also where nobody closes: SQLite would fold by itself when the last connection goes, and make no sums.
        self._finish.detach()
        self._finish = weakref.finalize(self, _finish, pages, self._engine)

    def _check_or_create(self, path: Path) -> None:
        with _typed(str(path)), self._writing_engine.begin() as connection:
            if _pragma(connection, "synchronous") < FULL:
                raise WrongUse(
                    "STORE_SYNCHRONOUS", "The database does not write durably (synchronous < FULL).", where=str(path)
                )
            if read_marks(_driver(connection)).is_new:
                SQLModel.metadata.create_all(connection, tables=_TABLES)
                connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.exec_driver_sql(f"PRAGMA user_version = {tables.SCHEMA_VERSION}")

    def _upgrade(self) -> None:
        """One step after another, each in a write of its own."""
        while (step := self._next_step()) is not None:
            with self.inserting() as connection:
                if upgrades.step_from(read_marks(connection).version) is step:  # else another process took it
                    _log.warning("%s: upgrading from schema version %d: %s", self.path, step.leaves, step.what)
                    upgrades.take(step, connection, _words(self.path))

    def _next_step(self) -> upgrades.Step | None:
        with self.reading() as session:
            found = read_marks(driver(session))
        require_ours(found, self.path)  # another process may have made it, or a later program upgraded it, just now
        return upgrades.step_from(found.version)


def _words(path: Path) -> upgrades.Told:
    """Says every few seconds in the log how far an upgrade is."""
    last = time.monotonic()

    def told(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= UPGRADE_WORD_SECONDS:
            last = time.monotonic()
            _log.warning("%s: %d of %d rows are upgraded", path, done, total)

    return told


def _finish(pages: Pages, engine: Engine) -> None:
    try:
        pages.fold(at_least=0)
    finally:
        engine.dispose()
        pages.close()


def remove(path: Path) -> None:
    """Remove a database that nobody has open, with all that belongs to it."""
    for suffix in BESIDE:
        beside(path, suffix).unlink(missing_ok=True)


_TABLES = [
    model.__table__  # type: ignore[attr-defined]
    for model in vars(tables).values()
    if isinstance(model, type) and issubclass(model, SQLModel) and model is not SQLModel
]


def _path(place: Path | str) -> Path:
    if isinstance(place, str) and "://" in place:
        if not place.startswith(_SQLITE_URL):
            raise WrongUse(
                "STORE_URL",
                "Only SQLite databases are served.",
                where=place.partition("://")[0],
                cure="Give a file path.",
            )
        place = place.removeprefix(_SQLITE_URL)
    path = Path(place)
    if not path.parent.is_dir():
        raise WrongUse("STORE_FOLDER", "The database's folder does not exist.", where=str(path.parent), cure="Make it.")
    return path


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver would begin transactions by itself, and not before reads: we begin every one (see `_begin`).
    connection.isolation_level = None
    for pragma in (
        "journal_mode = WAL",
        f"synchronous = {DURABILITY}",
        "foreign_keys = ON",
        "trusted_schema = OFF",
        "wal_autocheckpoint = 0",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # A writer takes its place in the queue at once: one that first reads and then writes could fail half way.
    writes = connection.get_execution_options().get("writes", False)
    _driver(connection).execute("BEGIN IMMEDIATE" if writes else "BEGIN")


def driver(session: Session) -> sqlite3.Connection:
    """SQLite's own connection, inside the session's transaction."""
    return _driver(session.connection())


def _driver(connection: Connection) -> sqlite3.Connection:
    found = connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


def _pragma(connection: Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())


@contextmanager
def _typed(where: str = "") -> Iterator[None]:
    """The database's own failures as `Unavailable` STORE_UNAVAILABLE or STORE_BUSY, without SQL in them."""
    try:
        yield
    except Problem:
        raise
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        name = getattr(cause, "sqlite_errorname", "") or type(cause).__name__
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise Unavailable("STORE_BUSY", "The database is busy.", where=where, cure="Try again.") from error
        if name.startswith("SQLITE_NOTADB"):
            raise WrongUse(
                "STORE_OTHER", "This file is no database.", where=where, cure="Name another file."
            ) from error
        if name.startswith("SQLITE_CONSTRAINT"):
            raise  # a rule of ours was not checked first: a defect, which must not look like a passing failure
        raise Unavailable(
            "STORE_UNAVAILABLE",
            f"The database failed: {name}.",
            where=where,
            cure="Check the disk's space and the folder's permissions.",
        ) from error


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    """A failure of the files beside the database as `Unavailable` STORE_UNAVAILABLE."""
    try:
        yield
    except OSError as error:
        raise Unavailable(
            "STORE_UNAVAILABLE",
            f"The database's folder failed: {error.strerror}.",
            where=str(path),
            cure="Check the disk's space and the folder's permissions.",
        ) from error
