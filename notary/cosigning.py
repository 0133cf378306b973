"""Row 3 of the journey: a checkpoint of the evidence log cosigned, once it is proven to grow from the last one seen.

What may never happen here: a cosignature before the checkpoint is on disk; two requests that both grow from one state.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from contracts.manifest import Manifest
from ledger.checkpoint import LogKey, open_checkpoint
from ledger.witness import consider
from notary import policy
from notary.journal import Journal
from notary.signer import Signer


class Cosigning:
    """Cosigns the deployment's one log as one member. Safe to share between threads."""

    def __init__(
        self, manifest: Manifest, journal: Journal, signer: Signer, *, member: int | None, clock: Callable[[], int]
    ) -> None:
        """`member`: None for a notary whom the manifest does not name; readers know no name for it, so it cosigns
        nothing. `clock`: POSIX seconds, the time a cosignature states."""
        self._log_key = LogKey(manifest.log_origin, manifest.log_key)
        self._name = None if member is None else manifest.cosigners[member].name
        self._journal, self._signer, self._clock = journal, signer, clock
        self._lock = threading.Lock()

    def add_checkpoint(self, note: bytes, *, old_size: int, proof: Sequence[bytes]) -> bytes:
        """The cosignature line over a checkpoint's note. The same checkpoint again is cosigned again, at a later time.

        Errors: `Refused` NOT_A_MEMBER, LOG_STALE for a stale `old_size`; those of `open_checkpoint`, `require_growth`
        and `consider`.
        """
        name = policy.require_cosigner(self._name)
        offered = open_checkpoint(note, log_key=self._log_key)
        policy.require_growth(offered, old_size=old_size)
        with self._lock:
            seen = self._journal.checkpoint(offered.origin)
            self._journal.accept_checkpoint(consider(seen=seen, offered=offered, old_size=old_size, proof=proof))
            return self._signer.cosign(note, log_key=self._log_key, name=name, time=self._clock())

    @property
    def log_size(self) -> int:
        """The size of the last checkpoint that was accepted, 0 before the first."""
        seen = self._journal.checkpoint(self._log_key.name)
        return 0 if seen is None else seen.size
