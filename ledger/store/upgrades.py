"""The steps that bring a database of an earlier program to today's tables, in order, each whole or not at all.

A step that was released is never changed: databases of all earlier programs come through it. Its SQL is written out,
and not taken from `tables`, which goes on. What is lost if the process dies here: nothing, the next start goes on with
the step that was under way. May never happen here: a step that is half done, or one done twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

FILLED_AT_ONCE: Final = 10_000  # rows between two words about how far a step is

Told = Callable[[int, int], None]
"""Told how many rows are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Filling:
    """Rows of `table` that get what a new column says of them. `update` takes two row ids: after which, and up to."""

    table: str
    update: str


@dataclass(frozen=True, slots=True)
class Step:
    """From version `leaves` to the next one: `what` it does, in words, and its parts (SQL, or a filling), in order."""

    leaves: int
    what: str
    parts: tuple[str | Filling, ...]


STEPS: Final = (
    Step(
        2,
        "room for what the signatures inside videos showed",
        (
            "CREATE TABLE signed_video (digest BLOB NOT NULL, document BLOB NOT NULL, judged_at VARCHAR(27) NOT NULL,"
            " PRIMARY KEY (digest), FOREIGN KEY(digest) REFERENCES evidence (digest))",
        ),
    ),
    Step(
        3,
        "room for statements ahead of their video, and for timestamps over checkpoints",
        (
            # Programs of one day wrote this table under version 3 already.
            "CREATE TABLE IF NOT EXISTS announcement (digest BLOB NOT NULL, device VARCHAR NOT NULL,"
            " sequence BIGINT NOT NULL, envelope BLOB NOT NULL, received_at VARCHAR(27) NOT NULL,"
            " PRIMARY KEY (digest), FOREIGN KEY(device) REFERENCES device (id))",
            "CREATE INDEX IF NOT EXISTS ix_announcement_device ON announcement (device)",
            "ALTER TABLE checkpoint ADD COLUMN stamp BLOB",
        ),
    ),
    Step(
        4,
        "room for what is left of things that were erased",
        (
            "CREATE TABLE erased (entry BIGINT NOT NULL, digest BLOB NOT NULL, kind VARCHAR NOT NULL,"
            " erased_at VARCHAR(27) NOT NULL, reason VARCHAR NOT NULL, device VARCHAR, sequence BIGINT,"
            ' PRIMARY KEY (entry), FOREIGN KEY(entry) REFERENCES entry ("index"), UNIQUE (digest),'
            " FOREIGN KEY(digest) REFERENCES statement (digest))",
            "CREATE INDEX erased_by_device ON erased (device, sequence)",
            "CREATE TABLE erased_mark (mark BLOB NOT NULL, entry BIGINT NOT NULL, PRIMARY KEY (mark, entry),"
            " FOREIGN KEY(entry) REFERENCES erased (entry))",
            "CREATE TABLE erasure_work (what VARCHAR NOT NULL, PRIMARY KEY (what))",
        ),
    ),
    Step(
        5,
        "the place of each reading",
        (
            "ALTER TABLE reading ADD COLUMN place VARCHAR",
            Filling(
                "reading",
                "UPDATE reading SET place = (SELECT e.place FROM evidence AS e WHERE e.digest = reading.digest)"
                " WHERE rowid > ? AND rowid <= ?",
            ),
            "CREATE INDEX reading_by_place ON reading (place, quantity, observed_at)",
        ),
    ),
)

OLDEST: Final = STEPS[0].leaves
"""Before it, statements of devices were written in another form, which only the devices could sign anew."""


def step_from(version: int) -> Step | None:
    """The step that leads on from a version; None where it is today's."""
    return next((step for step in STEPS if step.leaves == version), None)


def take(step: Step, connection: sqlite3.Connection, told: Told) -> None:
    """Do one step inside the caller's write, and mark the database as of the next version. Raises sqlite3.Error."""
    for part in step.parts:
        if isinstance(part, str):
            connection.execute(part)
        else:
            _fill(part, connection, told)
    connection.execute(f"PRAGMA user_version = {step.leaves + 1}")


def _fill(filling: Filling, connection: sqlite3.Connection, told: Told) -> None:
    table = f'"{filling.table}"'
    (total,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
    (highest,) = connection.execute(f"SELECT coalesce(max(rowid), 0) FROM {table}").fetchone()  # noqa: S608
    done = 0
    for start in range(0, highest, FILLED_AT_ONCE):
        done += connection.execute(filling.update, (start, start + FILLED_AT_ONCE)).rowcount
        told(done, total)
