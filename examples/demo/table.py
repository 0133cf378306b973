"""The table of steps as data (`--json`), written whole; also when a step raised, with `held` false.

May never happen here: a table that says everything held although the run ended in an error.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from examples.demo.journal import Journal
from ledger.durable_file import write_whole
from ledger.errors import Unavailable, WrongUse


@dataclass(slots=True)
class Table:
    """What `--json` writes, to `path` (None: nowhere). `urls` are empty until the pages are known."""

    path: Path | None
    journal: Journal
    bundle: Path
    urls: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def written_also_on_failure(self) -> Iterator[None]:
        """Write the table at the end; where the body raised, say so in it, and let the body's error pass."""
        try:
            yield
        except BaseException:
            with suppress(Unavailable):
                self.write(held=False)
            raise
        self.write(held=self.journal.complete)

    def write(self, *, held: bool) -> None:
        """Write the rows so far. `Unavailable` FILE_UNWRITABLE."""
        if self.path is None:
            return
        value = {
            "held": held,
            "urls": self.urls,
            "bundle": str(self.bundle),
            "steps": [row.as_json() for row in self.journal],
        }
        raw = (json.dumps(value, indent=2) + "\n").encode()
        try:
            target = self.path.resolve()
            if _is_replaceable(target):
                write_whole(target, raw)
            else:
                target.write_bytes(raw)
        except OSError as error:
            raise Unavailable(
                "FILE_UNWRITABLE",
                f"the table cannot be written: {error.strerror}",
                where=str(self.path),
                cure="Run it again with another --json; the folder keeps what was done.",
            ) from error


def check_writable(path: Path) -> None:
    """Find out whether the table could be written; no file is left behind. `WrongUse` FILE_UNWRITABLE."""
    target = path.resolve()
    why = ""
    if target.is_dir():
        why = ": it is a folder"
    elif target.exists() and not os.access(target, os.W_OK):
        why = ": the file there may not be written"
    elif _is_replaceable(target):
        try:
            with tempfile.TemporaryFile(dir=target.parent):
                pass
        except OSError as error:
            why = f": {error.strerror}"
    if why:
        cure = "Name a file in a folder that this user may write."
        raise WrongUse("FILE_UNWRITABLE", f"the table cannot be written there{why}", where=str(path), cure=cure)


def _is_replaceable(target: Path) -> bool:
    # A terminal or a pipe is written to; putting a file in its place would help nobody.
    return target.is_file() or not target.exists()
