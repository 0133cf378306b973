"""Where alarms go: one line of JSON each in a file that only grows, and one row each for people.

A line is on disk before an alarm counts as told; a line that stands already is not written again, so that each alarm is
there once however often the watch is killed. May never happen here: half a line that is taken for one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from ledger.canonical import JsonValue
from ledger.errors import Unavailable

FILE = "alarms.jsonl"


class Outlet:
    """The file `alarms.jsonl` of a folder, and whatever shows a row. One process's."""

    def __init__(self, folder: Path, *, show: Callable[[str], None]) -> None:
        """Errors: `Unavailable` ALARMS_WRITE, as those of calling it."""
        self._path, self._show = folder / FILE, show
        try:
            self._mend()
            self._written = {str(alarm["id"]) for alarm in read_alarms(self._path)}
        except OSError as error:
            raise self._unwritable(error) from error

    def __call__(self, alarm: dict[str, JsonValue]) -> None:
        """Write an alarm down and show it."""
        named = str(alarm["id"])
        if named not in self._written:
            try:
                with self._path.open("ab") as file:
                    file.write(json.dumps(alarm, ensure_ascii=False, sort_keys=True).encode() + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise self._unwritable(error) from error
            self._written.add(named)
        self._show(row_of(alarm))

    def _mend(self) -> None:
        """Cut off a line that was being written when the process died, or leave it out where the disk was full."""
        if not self._path.exists():
            return
        with self._path.open("r+b") as file:
            whole = file.read().rfind(b"\n") + 1
            file.truncate(whole)

    def _unwritable(self, error: OSError) -> Unavailable:
        what = f"an alarm cannot be written down: {error.strerror}"
        return Unavailable(
            "ALARMS_WRITE", what, where=str(self._path), cure="Make room; it is told as soon as there is."
        )


def read_alarms(path: Path) -> Iterator[dict[str, JsonValue]]:
    """The alarms of a file, oldest first; none where there is no file."""
    if path.exists():
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield json.loads(line)


def row_of(alarm: dict[str, JsonValue]) -> str:
    """One alarm as one line for people: since when (UTC), how bad, label, where, what, and who acts."""
    where = alarm["where"]
    assert isinstance(where, dict) and isinstance(alarm["since"], int)
    place = " ".join(str(where[name]) for name in ("chain", "block", "lane", "sequence", "of") if name in where)
    since = datetime.fromtimestamp(alarm["since"], UTC).strftime("%Y-%m-%d %H:%M:%S")
    words = (since, str(alarm["severity"]).upper(), str(alarm["label"]), place or "-", str(alarm["what"]))
    return " | ".join(words) + f" | next: {alarm['acts']}"
