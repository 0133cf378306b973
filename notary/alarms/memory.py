"""What the watch remembers: records by kind and key, of which little is in this process's memory, and the alarms.

Everything a step learns (records, cursors, alarms) is written in one transaction: killed at any moment, the watch goes
on as if the step had not begun, and an alarm that stands is never raised again. May never happen here: a cursor that is
ahead of what was folded; an alarm that is told and not on disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cbor2

from notary.alarms.alarm import Alarm
from notary.alarms.floor import Record
from notary.durable import DurableFile

VERSION = 1
MAX_CACHED = 50_000  # records kept ready, beside those of the present step

_TABLES = """
CREATE TABLE records (kind TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, due INTEGER,
  PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE INDEX records_due ON records (kind, due) WHERE due IS NOT NULL;
CREATE TABLE alarms (id TEXT PRIMARY KEY, number INTEGER NOT NULL, body TEXT NOT NULL, told INTEGER NOT NULL)
  WITHOUT ROWID;
CREATE INDEX alarms_untold ON alarms (number) WHERE told = 0
"""

_Key = tuple[str, bytes]


class Memory:
    """One watch's records and alarms, in a folder that one process holds.

    Errors: those of `DurableFile`; another deployment's folder is `Refused` JOURNAL_OWNER.
    """

    def __init__(self, folder: Path, *, owner: bytes) -> None:
        """`owner`: 20 bytes that name the deployment watched."""
        self._file = DurableFile(folder, owner=owner, tables=_TABLES, version=VERSION)
        self._changed: dict[_Key, tuple[Record, int | None] | None] = {}
        self._known: dict[_Key, Record] = {}
        self._forgets = False
        # Whether a kind has any record on disk: most of what is looked for is a suspicion, and mostly there is none.
        self._any: dict[str, bool] = {}

    def close(self) -> None:
        """Give up the folder. May be called twice."""
        self._file.close()

    # -- records --------------------------------------------------------------------------------------------------

    def get(self, kind: str, key: bytes) -> Record | None:
        """The record as it is in this step; None where there is none."""
        place = (kind, key)
        if place in self._changed:
            held = self._changed[place]
            return None if held is None else held[0]
        if self._forgets or not self._has_any(kind):
            return None
        known = self._known.get(place)
        if known is None:
            row = self._file.row("SELECT value FROM records WHERE kind = ? AND key = ?", kind, key)
            if row is None:
                return None
            known = self._keep(place, _unpack(row[0]))
        return known

    def put(self, kind: str, key: bytes, record: Record, *, due: int | None = None) -> None:
        """Keep a record. `due`: the second of the watch's clock from which `due` gives it back; None for never."""
        self._changed[kind, key] = record, due

    def drop(self, kind: str, key: bytes) -> None:
        """Forget a record."""
        self._changed[kind, key] = None

    def due(self, kind: str, by: int, limit: int) -> list[tuple[bytes, Record]]:
        """At most `limit` records that are due, those waiting longest first."""
        found = {
            key: (held[1], held[0])
            for (each, key), held in self._changed.items()
            if each == kind and held is not None and held[1] is not None and held[1] <= by
        }
        if not self._forgets:
            query = "SELECT key, value, due FROM records WHERE kind = ? AND due <= ? ORDER BY due LIMIT ?"
            for key, value, due in self._file.rows(query, kind, by, limit):
                if (kind, key) not in self._changed:
                    found[key] = due, _unpack(value)
        ordered = sorted(found.items(), key=lambda each: (each[1][0], each[0]))
        return [(key, record) for key, (_, record) in ordered[:limit]]

    def forget(self) -> None:
        """Drop every record, and keep the alarms: the chains are read again from their beginning."""
        self._changed, self._forgets = {}, True

    # -- steps ----------------------------------------------------------------------------------------------------

    def commit(self, alarms: Iterable[Alarm]) -> list[Alarm]:
        """Write the step. Answers the alarms that were not known before, in order. Errors: JOURNAL_WRITE."""
        raised = list({alarm.id: alarm for alarm in alarms}.values())
        if not (self._changed or raised or self._forgets):
            return []
        new: list[Alarm] = []
        with self._file.transaction() as db:
            if self._forgets:
                self._known.clear()
                db.execute("DELETE FROM records")
            gone = [place for place, held in self._changed.items() if held is None]
            kept = [
                (*place, cbor2.dumps(held[0]), held[1]) for place, held in self._changed.items() if held is not None
            ]
            db.executemany("DELETE FROM records WHERE kind = ? AND key = ?", gone)
            db.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)", kept)
            number = db.execute("SELECT coalesce(max(number), 0) FROM alarms").fetchone()[0]
            for alarm in raised:
                body = json.dumps(alarm.as_json(), ensure_ascii=False)
                row = (alarm.id, number + len(new) + 1, body)
                if db.execute("INSERT OR IGNORE INTO alarms VALUES (?, ?, ?, 0)", row).rowcount:
                    new.append(alarm)
        for place, held in self._changed.items():
            if held is None:
                self._known.pop(place, None)
            else:
                self._keep(place, held[0])
        for kind in {kind for kind, _ in self._changed} if not self._forgets else list(self._any):
            self._any.pop(kind, None)
        self._changed, self._forgets = {}, False
        return new

    def undo(self) -> None:
        """Forget what the step has changed so far."""
        self._changed, self._forgets = {}, False

    # -- alarms ---------------------------------------------------------------------------------------------------

    def is_raised(self, alarm: Alarm) -> bool:
        """Whether it stands already."""
        return self._file.row("SELECT 1 FROM alarms WHERE id = ?", alarm.id) is not None

    def untold(self, limit: int) -> list[str]:
        """Alarms (JSON) that nobody was told yet, oldest first."""
        return [
            body for (body,) in self._file.rows("SELECT body FROM alarms WHERE told = 0 ORDER BY number LIMIT ?", limit)
        ]

    def tell(self, ids: Iterable[str]) -> None:
        """These were told."""
        with self._file.transaction() as db:
            db.executemany("UPDATE alarms SET told = 1 WHERE id = ?", [(each,) for each in ids])

    def all_alarms(self, limit: int = 10_000) -> list[dict[str, Any]]:
        """Every alarm as JSON, in the order in which they were raised."""
        rows = self._file.rows("SELECT body FROM alarms ORDER BY number LIMIT ?", limit)
        return [json.loads(body) for (body,) in rows]

    def count(self, kind: str) -> int:
        """How many records of a kind are on disk."""
        row = self._file.row("SELECT count(*) FROM records WHERE kind = ?", kind)
        assert row is not None
        return int(row[0])

    def _has_any(self, kind: str) -> bool:
        found = self._any.get(kind)
        if found is None:
            found = self._file.row("SELECT 1 FROM records WHERE kind = ? LIMIT 1", kind) is not None
            self._any[kind] = found
        return found

    def _keep(self, place: _Key, record: Record) -> Record:
        if len(self._known) >= MAX_CACHED:
            self._known.clear()
        self._known[place] = record
        return record


def _unpack(value: bytes) -> Record:
    return tuple(cbor2.loads(value))
