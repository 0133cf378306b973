"""The thread that makes blocks: at once when a transaction waits, or at an interval. It decides nothing else."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from contracts.embedded.chain import EmbeddedChain

RETRY_SECONDS: Final = 1.0  # after a block that could not be made or stored (a full disk, say)

logger = logging.getLogger(__name__)


class Miner:
    """`block_seconds` None: a block whenever one would hold something. Else one at each interval, empty or not."""

    def __init__(self, chain: EmbeddedChain, block_seconds: float | None) -> None:
        self._chain = chain
        self._block_seconds = block_seconds
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"miner-{chain.chain_id}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the block at hand and end the thread."""
        with self._chain.arrived:
            self._stopping = True
            self._chain.arrived.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while self._wait_for_turn():
            try:
                self._chain.mine()
            except Exception:
                # Nothing was made durable and nothing acknowledged is lost: the same block can be tried again.
                logger.exception("no block could be made on chain %d", self._chain.chain_id)
                self._pause(RETRY_SECONDS)

    def _wait_for_turn(self) -> bool:
        if self._block_seconds is not None:
            return self._pause(self._block_seconds)
        with self._chain.arrived:
            while not self._stopping and not self._chain.has_turns():
                self._chain.arrived.wait()
            return not self._stopping

    def _pause(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        with self._chain.arrived:
            while not self._stopping and (left := until - time.monotonic()) > 0:
                self._chain.arrived.wait(left)
            return not self._stopping
