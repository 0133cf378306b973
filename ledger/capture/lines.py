"""Where a sensor's lines come from: standard input, a serial line or pipe, or a file that grows.

A file that grows is read exactly once, line by line: before a line is signed, a note says which number it will have and
where the file stood before and after; after a crash the device's last number tells which of both is true. What comes
through a pipe is gone when the process dies: whatever writes into it has to keep what matters. What may never happen
here: an unbounded line, or a half line taken for a whole one.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from ledger.canonical import JsonValue, canonical_json, parse_json
from ledger.durable_file import write_whole
from ledger.errors import BadInput, Problem, Unavailable

CURSOR_FILE = "cursor.json"
MAX_LINE_BYTES = 4096
POLL_SECONDS = 0.25
_MAX_CURSOR_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end.

    `about_to_keep`: told its number before it is signed. `kept`: told when it was. `can_wait`: it does not run away.
    """

    raw: bytes
    about_to_keep: Callable[[int], None] = lambda _: None
    kept: Callable[[], None] = lambda: None
    can_wait: bool = False


def from_descriptor(descriptor: int, stopping: Event) -> Iterator[Line]:
    """The lines of a pipe, a terminal or a serial line, until it ends. A line over the bound is given cut."""
    rest = b""
    while not stopping.is_set():
        if not select.select([descriptor], [], [], POLL_SECONDS)[0]:
            continue
        piece = os.read(descriptor, MAX_LINE_BYTES)
        if not piece:
            if rest:
                yield Line(rest)
            return
        *whole, rest = (rest + piece).split(b"\n")
        for raw in whole:
            yield Line(raw[: MAX_LINE_BYTES + 1])
        rest = rest[: MAX_LINE_BYTES + 1]  # what is longer is refused as a whole


def from_path(path: Path, stopping: Event) -> Iterator[Line]:
    """The lines of a serial device or a named pipe. `Unavailable` SOURCE_LOST where it cannot be opened."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise _lost(path, error) from error
    try:
        yield from from_descriptor(descriptor, stopping)
    finally:
        os.close(descriptor)


class GrowingFile:
    """A file that another program appends to. `last_number`: of the device's newest statement when this starts."""

    def __init__(self, path: Path, folder: Path, last_number: int) -> None:
        """`folder`: where the note is kept. `BadInput` SPOOL_DAMAGED for a note that cannot be read."""
        self._path, self._note = path, folder / CURSOR_FILE
        self._identity, self._offset = _read_note(self._note, last_number)

    def lines(self, stopping: Event) -> Iterator[Line]:
        """Its lines, those not yet kept first, then as they come; a file that was replaced is read from its start."""
        while not stopping.is_set():
            before = self._offset
            for line in self._whole_lines():
                yield line
                if stopping.is_set():
                    return
            if self._offset == before:
                stopping.wait(POLL_SECONDS)

    def _whole_lines(self) -> Iterator[Line]:
        try:
            with self._path.open("rb") as file:
                stat = os.fstat(file.fileno())
                identity = f"{stat.st_dev}:{stat.st_ino}"
                if identity != self._identity or stat.st_size < self._offset:
                    self._identity, self._offset = identity, 0
                file.seek(self._offset)
                while (raw := file.readline(1 << 20)).endswith(b"\n"):
                    yield self._line(raw)
        except FileNotFoundError:
            return  # it will come
        except OSError as error:
            raise _lost(self._path, error) from error

    def _line(self, raw: bytes) -> Line:
        before, after = self._offset, self._offset + len(raw)

        def about_to_keep(number: int) -> None:
            fields: dict[str, JsonValue] = {"file": self._identity, "number": number, "before": before, "after": after}
            write_whole(self._note, canonical_json(fields))

        def kept() -> None:
            self._offset = after

        return Line(raw[:-1][: MAX_LINE_BYTES + 1], about_to_keep, kept, can_wait=True)


def _read_note(path: Path, last_number: int) -> tuple[str, int]:
    """The file's identity and how far it was kept."""
    try:
        read = parse_json(path.read_bytes(), max_bytes=_MAX_CURSOR_BYTES)
        value = read if isinstance(read, dict) else {}
        was_kept = last_number >= int(str(value["number"]))
        return str(value["file"]), int(str(value["after" if was_kept else "before"]))
    except FileNotFoundError:
        return "", 0
    except (OSError, Problem, KeyError, ValueError) as error:
        raise BadInput(
            "SPOOL_DAMAGED",
            "The note of how far the file was read cannot be read.",
            where=str(path),
            cure="Remove it, and the lines of the file that were sent already.",
        ) from error


def _lost(path: Path, error: OSError) -> Unavailable:
    return Unavailable(
        "SOURCE_LOST", f"The sensor cannot be read: {error.strerror}.", where=str(path), cure="Check cable and path."
    )
