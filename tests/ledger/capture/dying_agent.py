"""`python -m tests.ledger.capture.dying_agent CAMERA.json POINT N`: a camera's agent that kills itself.

It runs the program as its user would, and dies of SIGKILL the N-th time it comes to a named point; no handler runs, no
buffer is flushed. `none` never comes.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ledger.capture import spool, uplink
from ledger.capture.chain import Chain
from ledger.capture.verbs import run, run_sensor

POINTS = (
    "before the segment's file",
    "behind the segment's file",
    "before the last number",
    "behind the last number",
    "before sending",
    "behind sending",
    "before dropping",
    "behind dropping",
    "before signing",
)


def main() -> None:
    config, point, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    coming = itertools.count(1)

    def dies(here: str) -> None:
        if here == point and next(coming) == count:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(owner: Any, name: str, where: Callable[..., str]) -> None:
        real = getattr(owner, name)

        def wrapped(*arguments: Any, **options: Any) -> Any:
            here = where(*arguments)
            dies(f"before {here}")
            result = real(*arguments, **options)
            dies(f"behind {here}")
            return result

        setattr(owner, name, wrapped)

    around(
        spool, "write_whole", lambda path, _: "the last number" if path.name == "last.json" else "the segment's file"
    )
    around(uplink.Uplink, "_ask", lambda *_: "sending")
    around(spool.Spool, "drop", lambda *_: "dropping")
    around(Chain, "_sign", lambda *_: "signing")
    vars(uplink)["CHUNK_BYTES"] = 16 * 1024  # so that segments of a test go in pieces too
    run(config) if config.name.startswith("camera") else run_sensor(config)


if __name__ == "__main__":
    main()
