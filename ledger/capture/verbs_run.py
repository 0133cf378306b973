"""Running an agent at the command line: until it is done, fails, or is interrupted; its troubles are told as they come.

May never happen here: a terminal or a journal that stays silent while nothing is handed over, or one that is flooded.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Mapping

import typer

from ledger.canonical import JsonValue
from ledger.capture.agent import Running
from ledger.printable import printable

LOOK_SECONDS = 1.0
QUIET_SECONDS = 10.0
"""Between two lines about the same part of the agent."""
PARTS = ("capture", "uplink")
_WANTED = frozenset({"UPLINK_LATER"})  # the ledger's pace, and no trouble


class Troubles:
    """Tells when a part of the agent begins to fail, fails otherwise, or works again: one line each.

    `tell` takes a line; `clock` gives seconds that only grow.
    """

    def __init__(self, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell, self._clock = tell, clock
        self._told = dict[str, str | None].fromkeys(PARTS)
        self._quiet_until = dict.fromkeys(PARTS, float("-inf"))

    def look(self, shown: Mapping[str, JsonValue]) -> None:
        """Tell what changed since the last look. `shown`: what the agent says about itself (`Running.show`)."""
        for part in PARTS:
            problem = shown[part]
            code = str(problem["code"]) if isinstance(problem, dict) else None
            now = self._clock()
            if code in _WANTED or code == self._told[part] or now < self._quiet_until[part]:
                continue
            self._told[part], self._quiet_until[part] = code, now + QUIET_SECONDS
            self._tell(f"{part}: {_in_words(problem) if isinstance(problem, dict) else 'works again'}")


def run_agent(start: Callable[[], Running], begin: Callable[[Running], None]) -> None:
    """Start, print the device as one line of JSON, and stop at SIGINT, SIGTERM or the source's end.

    Standard error gets the troubles meanwhile, and at the end how much was handed over and how much waits.
    Errors: those of `start`, and what ended the capture.
    """
    troubles = Troubles(lambda line: typer.echo(line, err=True))
    with start() as running:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: running.finished.set())
        begin(running)
        typer.echo(json.dumps({"device": running.chain.device.id, "folder": str(running.spool.folder)}))
        while not running.finished.wait(LOOK_SECONDS):
            troubles.look(running.show())
    typer.echo(f"handed over {running.delivery.taken}, waiting in the spool {running.spool.count}", err=True)
    if running.problem is not None:
        raise running.problem


def _in_words(problem: Mapping[str, JsonValue]) -> str:
    # Parts of it were said by whoever answered at the ledger's address.
    where = f" ({problem['where']})" if problem["where"] else ""
    return printable(f"{problem['code']}: {problem['what']}{where} {problem['cure']}".rstrip())
