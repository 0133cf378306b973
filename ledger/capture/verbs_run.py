"""Running an agent at the command line: until it is done, fails, or is interrupted."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import typer

from ledger.capture.agent import Running


def run_agent(start: Callable[[], Running], begin: Callable[[Running], None]) -> None:
    """Start, print the device as one line of JSON, and stop at SIGINT, SIGTERM or the source's end.

    Errors: those of `start`, and what ended the capture.
    """
    with start() as running:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: running.finished.set())
        begin(running)
        typer.echo(json.dumps({"device": running.chain.device.id, "folder": str(running.spool.folder)}))
        running.finished.wait()
    if running.problem is not None:
        raise running.problem
