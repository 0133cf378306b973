"""An ingester that kills itself (SIGKILL) the n-th time it comes to a named point; run by `test_crash_points`.

`python -m tests.ledger.intake.dying http|mqtt FOLDER POINT COUNT [BROKER_PORT]`; POINT `never` lives on.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlmodel import Session

from ledger.api.app import create_app
from ledger.intake import mqtt
from ledger.intake.media import FolderStore
from ledger.intake.mqtt_service import IntakeConfig, start
from ledger.serve import serve
from ledger.store import Ledger, SqlEvidenceBook
from tests.ledger.intake.mosquitto import SECRET
from tests.ledger.intake.speaking import NOON

POINTS = ("before judging", "before the write", "before the commit", "after the commit", "before the answer")


class Death:
    """Counts down to the end."""

    def __init__(self, point: str, count: int) -> None:
        self._point, self._left = point, count

    def at(self, point: str) -> None:
        if point == self._point:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


def arm(death: Death) -> None:
    """Put the points into the code under test."""

    def before(owner: type, name: str, point: str, after: str = "") -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def dying(*arguments: Any, **options: Any) -> Any:
            death.at(point)
            done = real(*arguments, **options)
            if after:
                death.at(after)
            return done

        setattr(owner, name, dying)

    before(SqlEvidenceBook, "known", "before judging")
    before(SqlEvidenceBook, "add", "before the write", "before the answer")
    before(Session, "commit", "before the commit", "after the commit")
    before(FolderStore, "_put", "before the media", "after the media")


def main(kind: str, folder: str, point: str, count: str, port: str = "0") -> None:
    ledger = Ledger.open(Path(folder), origin="ledger.example/log", clock=lambda: NOON)
    if kind == "http":
        arm(Death(point, int(count)))
        server = serve(create_app(ledger), port=0)
        gc.freeze()  # as `ledger.program` does
        sys.stdout.write(f"{server.url}\n")
    else:
        mqtt.RETRY_SECONDS = 0.1
        arm(Death(point, int(count)))
        start(IntakeConfig(Path(folder), "127.0.0.1", int(port)), ledger.evidence, SECRET)
        sys.stdout.write("listening\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
