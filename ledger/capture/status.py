"""What a running agent says about itself: one small file in its spool, written anew at most once a second.

It is for people and watchdogs, and proves nothing. May never happen here: a secret, or a write for each segment.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from ledger.canonical import JsonValue, parse_json
from ledger.errors import BadInput, Problem, Unavailable

STATUS_FILE = "status.json"
EVERY_SECONDS = 1.0
MAX_STATUS_BYTES = 64 * 1024


class StatusFile:
    """Writes what `show` says into `folder`."""

    def __init__(self, folder: Path, show: Callable[[], dict[str, JsonValue]]) -> None:
        self._path, self._show, self._lock = folder / STATUS_FILE, show, Lock()
        self._next = 0.0

    def refresh(self, *, now: bool = False) -> None:
        """Write it where a second has passed, or `now`. A disk that fails is the spool's business, not this file's."""
        with self._lock:
            if not now and time.monotonic() < self._next:
                return
            self._next = time.monotonic() + EVERY_SECONDS
            unfinished = self._path.with_suffix(".new")
            try:
                unfinished.write_text(json.dumps(self._show(), indent=1) + "\n", encoding="utf-8")
                unfinished.replace(self._path)
            except OSError:
                return


def read_status(folder: Path) -> dict[str, JsonValue]:
    """What the agent of this folder said last, and how long ago. `Unavailable` STATUS_MISSING; `BadInput` JSON_…."""
    path = folder / STATUS_FILE
    try:
        raw, age = path.read_bytes(), time.time() - os.stat(path).st_mtime  # noqa: PTH116
    except OSError as error:
        cure = "Start it with `pledgetrail camera run` or `pledgetrail sensor run`."
        raise Unavailable("STATUS_MISSING", "Nothing ran here yet.", where=str(path), cure=cure) from error
    value = parse_json(raw, max_bytes=MAX_STATUS_BYTES)
    if not isinstance(value, dict):
        raise BadInput("JSON_SYNTAX", "The status is no object.", where=str(path))
    return value | {"seconds_ago": round(age, 1)}


def problem_json(problem: Problem | None) -> JsonValue:
    """A problem as the status shows it."""
    if problem is None:
        return None
    return {"code": problem.code, "what": problem.what, "where": problem.where, "cure": problem.cure}
