"""A notary as a running service: its HTTP server, and a thread that keeps the re-execution up to date.

Stopping it in any way is safe: what was promised is in the journal, and everything else is read again.
"""

from __future__ import annotations

import threading

from ledger.serve import RunningServer, serve
from notary.api import create_app
from notary.config import NotaryConfig
from notary.notary import Notary

RECHECK_SECONDS = 0.5  # between two looks at the chains


class RunningNotary:
    """A notary that listens at `url`. Made by `start`."""

    def __init__(self, notary: Notary, server: RunningServer) -> None:
        self.notary, self._server = notary, server
        self.url = server.url
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_up, name=f"recheck-{notary.config.index}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop answering, finish the block that is being re-executed, and give up the folder."""
        self._stopping.set()
        self._server.stop()
        self._thread.join()
        self.notary.close()

    def _keep_up(self) -> None:
        lull = self.notary.lull
        while not self._stopping.wait(RECHECK_SECONDS):
            if lull.has_come():
                self.notary.keep_up(lambda: self._stopping.is_set() or lull.is_over())
                lull.end()


def start(config: NotaryConfig, *, host: str = "127.0.0.1", port: int = 0) -> RunningNotary:
    """Open the notary and serve it; `port` 0 takes a free one. Errors: those of `Notary` and of `serve`."""
    notary = Notary(config)
    try:
        return RunningNotary(notary, serve(create_app(notary), host=host, port=port))
    except BaseException:
        notary.close()
        raise
