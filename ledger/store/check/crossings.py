"""What crossed between chains, by the digest that each file begins with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ledger.errors import Refused
from ledger.store.check.found import Found, Progress, Severity
from ledger.store.crossing_files import names, others, read_sealed


def check_crossings(folder: Path, progress: Progress) -> Iterator[Found]:
    """Read every file again. One that is missing is no damage: a relay hands it over again, the chains keep it."""
    held = names(folder)
    for at, name in enumerate(held):
        progress("crossings", at, len(held))
        thing = f"{folder.name}/{name}"
        try:
            read_sealed(folder / name)
        except Refused as problem:
            yield Found(problem.code, thing, problem.what, problem.cure)
        except OSError as error:
            yield Found("CROSSING_UNREADABLE", thing, f"The file cannot be read: {error.strerror}.")
    for name in others(folder):
        thing = f"{folder.name}/{name}"
        yield Found("FILE_UNKNOWN", thing, "What crossed is kept in no such file.", "Remove it.", Severity.NOTE)
