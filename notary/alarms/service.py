"""The watch as a running program: a thread that steps, and says on standard error why it cannot.

Stopping it in any way is safe. May never happen here: a watch that died and looks as if it lived; `beat` is written
after each whole step, so that its age says so.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing

from ledger.durable_file import write_whole
from ledger.errors import Problem
from notary.alarms.config import WatchConfig
from notary.alarms.memory import Memory
from notary.alarms.notaries import HttpNotaries
from notary.alarms.outlet import Outlet, row_of
from notary.alarms.sight import ProvenSight
from notary.alarms.watch import Turn, Watch
from notary.connecting import connect

STEP_SECONDS = 1.0  # between two steps that find nothing
BEAT_FILE = "beat"


class RunningWatch:
    """A watch that runs in a thread of its own. Made by `start`."""

    def __init__(self, config: WatchConfig, *, show: Callable[[str], None], warn: Callable[[str], None]) -> None:
        self.config, self._warn = config, warn
        with ExitStack() as opening:
            memory = opening.enter_context(closing(Memory(config.folder, owner=config.owner)))
            nodes = connect(config.nodes, opening)
            manifest = config.terms.manifest
            sights = [ProvenSight(manifest, chain, nodes[chain.chain_id]) for chain in manifest.chains]
            notaries = opening.enter_context(closing(HttpNotaries(config.notaries))) if config.notaries else None
            tell = Outlet(config.folder, show=show)
            hint = lambda alarm: show(f"not final yet | {row_of(alarm)}")  # noqa: E731
            self.watch = Watch(config.terms, memory, sights, notaries, clock=time.time, tell=tell, hint=hint)
            self._opened = opening.pop_all()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the present step, and give up the folder."""
        self._stopping.set()
        self.watch.stop()
        self._thread.join()
        self._opened.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            turn = self._step()
            if turn is Turn.STOP or (turn is Turn.IDLE and self._stopping.wait(STEP_SECONDS)):
                return

    def _step(self) -> Turn:
        try:
            turn = self.watch.step()
            write_whole(self.config.folder / BEAT_FILE, f"{int(time.time())}\n".encode())
        except (Problem, OSError) as problem:
            self._warn(f"the watch cannot go on yet: {problem}")
            return Turn.IDLE
        return turn


def start(
    config: WatchConfig,
    *,
    show: Callable[[str], None] = print,
    warn: Callable[[str], None] = lambda line: print(line, file=sys.stderr),  # noqa: T201 - a program's own output
) -> RunningWatch:
    """Open the watch and let it run. Errors: those of `Memory`, `Outlet` and `SeveralNodes`."""
    return RunningWatch(config, show=show, warn=warn)
