"""Two processes of eight workers each that all do the same at one moment: who did what, and what the others were told.

    outcomes = crowd("tests.ledger.store.folding", folder)   # 2 x 8 lists of codes, "done" where nothing was refused

The module named is run as a program with the folder; it calls `work`, which waits for the word of the parent.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ledger.errors import Problem

PROCESSES, WORKERS = 2, 8
DONE = "done"
SECONDS = 60  # whoever waits longer than that waits for somebody who waits for him
ROOT = Path(__file__).parent.parent


def crowd(module: str, folder: Path) -> list[list[list[str]]]:
    """Run `module` in every process at once. Per process and worker: what became of each of its acts, in order."""
    command = [sys.executable, "-m", module, str(folder)]
    started = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        with ThreadPoolExecutor(PROCESSES) as threads:
            said = list(threads.map(lambda process: process.communicate("go\n", timeout=SECONDS)[0], started))
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert [process.returncode for process in started] == [0] * PROCESSES
    return [json.loads(text) for text in said]


def work(acts: Callable[[int], list[Callable[[], object]]]) -> None:
    """In a process of the crowd: every worker (0 to 7) does its acts, all beginning at one moment; prints the codes."""
    begin = threading.Barrier(WORKERS)

    def worker(number: int) -> list[str]:
        todo = acts(number)
        begin.wait(SECONDS)
        return [told(act) for act in todo]

    wait_for_the_word()
    with ThreadPoolExecutor(WORKERS) as threads:
        say(list(threads.map(worker, range(WORKERS))))


def wait_for_the_word() -> None:
    """Tell the parent that everything is in place, and wait until all others are."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()


def say(outcomes: list[list[str]]) -> None:
    """Tell the parent what became of everything."""
    sys.stdout.write(json.dumps(outcomes))


def told(act: Callable[[], object]) -> str:
    """The code of an act's refusal."""
    try:
        act()
    except Problem as problem:
        return problem.code
    return DONE
