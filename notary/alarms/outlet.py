"""Where alarms go: one line of JSON each in a file that only grows, and one row each for people.

A line is on disk before an alarm counts as told; a line that stands already is not written again, so that each alarm is
there once however often the watch is killed: each is noted as told before the next, so that only the last can come
again. Of a file of any length only its end is read. May never happen here: half a line that is taken for one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from ledger.canonical import JsonValue
from ledger.errors import Unavailable

FILE = "alarms.jsonl"
END_BYTES: Final = 1024 * 1024  # of the file, read at a start: thousands of alarms, where the last is enough
KNOWN: Final = 10_000  # ids held of what was written
_AT_ONCE = 64 * 1024  # bytes, looked through for the end of the last whole line


class Outlet:
    """The file `alarms.jsonl` of a folder, and whatever shows a row. One process's."""

    def __init__(self, folder: Path, *, show: Callable[[str], None]) -> None:
        """Errors: `Unavailable` ALARMS_WRITE, as those of calling it."""
        self._path, self._show = folder / FILE, show
        self._written: dict[str, None] | None = None  # None: how the file ends is to be looked at first
        try:
            self._take_up()
        except OSError as error:
            raise self._unwritable(error) from error

    def __call__(self, alarm: dict[str, JsonValue]) -> None:
        """Write an alarm down and show it."""
        named = str(alarm["id"])
        try:
            written = self._take_up() if self._written is None else self._written
            if named not in written:
                self._written = None  # until it stands: a disk that fails may leave half of it, or all
                self._append(json.dumps(alarm, ensure_ascii=False, sort_keys=True).encode() + b"\n")
                written[named] = None
                if len(written) > KNOWN:
                    del written[next(iter(written))]  # the oldest
                self._written = written
        except OSError as error:
            raise self._unwritable(error) from error
        self._show(row_of(alarm))

    def _append(self, line: bytes) -> None:
        with self._path.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _take_up(self) -> dict[str, None]:
        """Cut off a line that was being written when the process died or the disk was full; what the others tell."""
        if self._path.exists():
            with self._path.open("r+b") as file:
                file.truncate(_whole_lines(file))
                os.fsync(file.fileno())
        self._written = {str(alarm["id"]): None for alarm in read_alarms(self._path, end=END_BYTES)}
        return self._written

    def _unwritable(self, error: OSError) -> Unavailable:
        what = f"an alarm cannot be written down: {error.strerror}"
        return Unavailable(
            "ALARMS_WRITE", what, where=str(self._path), cure="Make room; it is told as soon as there is."
        )


def _whole_lines(file: IO[bytes]) -> int:
    """How many bytes of the file are whole lines."""
    at = file.seek(0, os.SEEK_END)
    while at:
        start = max(0, at - _AT_ONCE)
        file.seek(start)
        found = file.read(at - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        at = start
    return 0


def read_alarms(path: Path, *, end: int | None = None) -> Iterator[dict[str, JsonValue]]:
    """The alarms of a file, oldest first; none where there is no file. `end`: of so many bytes at its end alone."""
    if not path.exists():
        return
    with path.open("rb") as file:
        start = 0 if end is None else max(0, file.seek(0, os.SEEK_END) - end)
        file.seek(max(0, start - 1))
        if start:
            file.readline()  # what was begun before
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
