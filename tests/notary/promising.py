"""Run by `test_concurrency`: eight workers of one key promise one of two rival messages; the second process as well.

A process that finds the folder in use says so, waits until it is free, and then tries the same.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from ledger.errors import Problem
from notary.journal import Journal
from tests.crowd import SECONDS, say, told, wait_for_the_word, work
from tests.ledger.messages import MESSAGE

OWNER = b"\x01" * 20
RIVALS = (MESSAGE, replace(MESSAGE, payload_digest=b"\x11" * 32))
ROOT, DIGEST = b"\x12" * 32, b"\x13" * 32


def promise(journal: Journal, which: int) -> None:
    """Promise one of the rivals, as a request to attest does."""
    journal.promise([RIVALS[which]], epoch=1, root=ROOT, digest=DIGEST, blocks=())


def acts(journal: Journal, worker: int) -> list[Callable[[], object]]:
    return [partial(promise, journal, worker % 2)] * 3


def opened(folder: Path) -> Journal:
    """The journal, once nobody else has it."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return Journal(folder, owner=OWNER)
        except Problem as problem:
            if problem.code != "FOLDER_IN_USE" or time.monotonic() > deadline:
                raise


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    try:
        journal = Journal(folder, owner=OWNER)
    except Problem as problem:
        wait_for_the_word()
        later = opened(folder)
        say([[problem.code], *([told(act) for act in acts(later, worker)] for worker in range(2))])
        later.close()
    else:
        work(partial(acts, journal))
        journal.close()
