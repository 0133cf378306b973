"""Row 3 of the journey: a checkpoint of the evidence log cosigned, once it is proven to grow from the last one seen.

A signed checkpoint that shrinks, forks or comes with a proof that does not hold is refused and reported: both notes
stay in the journal, and `status` names them.
What may never happen here: a cosignature before the checkpoint is on disk; two requests that both grow from one state;
a fork that is refused and forgotten.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from contracts.manifest import Manifest, Role
from ledger.checkpoint import Checkpoint, LogKey, open_checkpoint
from ledger.errors import Refused
from ledger.witness import consider
from notary import policy
from notary.journal import Doubt, Journal
from notary.seats import Seats
from notary.signer import Signer

_SAYS_SOMETHING = ("SPLIT_VIEW", "LOG_SHRINKS", "PROOF_INVALID")


class Cosigning:
    """Cosigns the deployment's one log as one member. Safe to share between threads."""

    def __init__(
        self,
        manifest: Manifest,
        journal: Journal,
        signer: Signer,
        seats: Seats,
        *,
        name: str | None,
        clock: Callable[[], int],
    ) -> None:
        """`name`: the operator's, by which readers know its cosignatures; None cosigns nothing. `clock`: POSIX seconds,
        the time a cosignature states."""
        self._log_key = LogKey(manifest.log_origin, manifest.log_key)
        self._name, self._seats = name, seats
        self._anchored = manifest.chain(Role.ORIGIN).chain_id
        self._journal, self._signer, self._clock = journal, signer, clock
        self._lock = threading.Lock()

    def add_checkpoint(self, note: bytes, *, old_size: int, proof: Sequence[bytes]) -> bytes:
        """The cosignature line over a checkpoint's note. The same checkpoint again is cosigned again, at a later time.

        Errors: `Refused` NOT_A_MEMBER (of the epoch that is current where checkpoints are anchored), LOG_STALE for a
        stale `old_size`; those of `Seats.record`, `open_checkpoint`, `require_growth` and `consider`.
        """
        record = self._seats.record(self._anchored)
        name = policy.require_cosigner(record, name=self._name, cosigning=self._signer.public.cosigning)
        offered = open_checkpoint(note, log_key=self._log_key)
        with self._lock:
            seen = self._journal.checkpoint(offered.origin)
            try:
                policy.require_growth(offered, old_size=old_size)
                accepted = consider(seen=seen, offered=offered, old_size=old_size, proof=proof)
            except Refused as refused:
                self._report(refused.code, seen, offered, note, old_size)
                raise
            self._convict(offered, note)
            self._journal.accept_checkpoint(accepted, note)
            return self._signer.cosign(note, log_key=self._log_key, name=name, time=self._clock())

    def doubts(self) -> list[Doubt]:
        """What is kept against the log: both signed notes of each."""
        return self._journal.doubts()

    def _report(self, code: str, seen: Checkpoint | None, offered: Checkpoint, note: bytes, old_size: int) -> None:
        """Keep both notes, where the refusal says something about the log and not only about who asked."""
        if seen is None or offered == seen:
            return
        if code == "OLD_SIZE" and old_size == seen.size:
            code = "LOG_SHRINKS"
        if code in _SAYS_SOMETHING:
            self._keep(code, offered, note, self._journal.checkpoint_note(seen.origin), seen.size)

    def _convict(self, accepted: Checkpoint, note: bytes) -> None:
        """A state that was offered without proof turns into a fork once another one of its size is proven."""
        for doubt in self._journal.doubts():
            if doubt.kind != "SPLIT_VIEW" and doubt.size == accepted.size and doubt.root != accepted.root:
                other = Checkpoint(accepted.origin, doubt.size, doubt.root)
                self._keep("SPLIT_VIEW", other, doubt.offered, note, accepted.size)

    def _keep(self, kind: str, offered: Checkpoint, note: bytes, held: bytes, held_size: int) -> None:
        self._journal.doubt(Doubt(kind, offered.size, offered.root, note, held, held_size, self._clock()))

    @property
    def log_size(self) -> int:
        """The size of the last checkpoint that was accepted, 0 before the first."""
        seen = self._journal.checkpoint(self._log_key.name)
        return 0 if seen is None else seen.size
