"""What fails on this machine while requests are answered: told to its operator, and to nobody else where it stands.

May never happen here: a full disk that only those who ask are told of, one line for each request, or an answer with a
path of this machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import PurePath
from threading import Lock
from typing import Final

from ledger.errors import Problem

QUIET_SECONDS: Final = 60.0
"""Between two lines of one code."""
CODES: Final = frozenset(
    {
        "CROSSING_UNREADABLE",
        "CROSSING_WRITE",
        "LOG_DAMAGED",
        "LOG_TREE",
        "MEDIA_CORRUPT",
        "MEDIA_CREDENTIALS",
        "MEDIA_UNAVAILABLE",
        "STORE_UNAVAILABLE",
    }
)
"""What only the operator can mend; all else is the asker's business, or passes by itself."""


class Failing:
    """`tell` takes a line; `clock` gives seconds that only grow. Safe to share between threads."""

    def __init__(self, tell: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell, self._clock, self._lock = tell, clock, Lock()
        self._quiet_until = dict.fromkeys(CODES, float("-inf"))

    def look(self, problem: Problem) -> Problem:
        """Tell the operator of `problem` where it is theirs to mend; return it as others may see it."""
        if problem.code in CODES:
            with self._lock:
                now = self._clock()
                is_due = now >= self._quiet_until[problem.code]
                if is_due:
                    self._quiet_until[problem.code] = now + QUIET_SECONDS
            if is_due:
                self._tell(str(problem))
            if PurePath(problem.where).is_absolute():
                problem.where = PurePath(problem.where).name
        return problem
