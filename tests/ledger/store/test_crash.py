"""A process may die anywhere: what it acknowledged is there, nothing is half there, and the log still proves itself."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from ledger.store import Ledger
from tests.ledger.store.writer import DOMAIN
from tests.ledger.tea import open_ledger

ROOT = Path(__file__).parents[3]


def _write_until_killed(folder: Path, lines: int) -> int:
    """The last index that a writer acknowledged before it was killed."""
    command = [sys.executable, "-m", "tests.ledger.store.writer", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(lines):
            writer.stdout.readline()
        writer.kill()
        rest = writer.stdout.read().split()
    return int(rest[-1]) if rest else lines - 1


def _is_whole(ledger: Ledger) -> bool:
    stated = ledger.statements.of_domain(DOMAIN)
    entries = ledger.log.entries(range(ledger.log.size))
    return [statement.entry for statement in stated] == list(range(ledger.log.size)) and all(
        entries[statement.entry].holds(statement.canonical) for statement in stated
    )


def test_after_kill_9_everything_acknowledged_is_there_and_nothing_is_half_there(tmp_path: Path) -> None:
    size = 0
    for lines in (3, 25, 40):
        acknowledged = _write_until_killed(tmp_path / "ledger", lines)
        ledger = open_ledger(tmp_path / "ledger")  # checks the signed checkpoints against the table
        assert ledger.log.size > max(acknowledged, size)
        size = ledger.log.size
        assert _is_whole(ledger)
        ledger.close()


def test_writers_in_several_threads_take_turns(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger")

    def write(name: int) -> None:
        for number in range(20):
            ledger.statements.enter(DOMAIN, f"{name} {number}".encode())

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.log.size == 80
    assert _is_whole(ledger)
