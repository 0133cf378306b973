"""A checkpoint's cosignatures: asked of every notary, counted by the keys that the trust root names.

A notary that saw another size says so and is asked from there (C2SP tlog-witness); one that is down, hangs or lies
counts as not having answered. May never happen here: a note with a line that does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.bundle import TrustRoot
from ledger.checkpoint import Checkpoint, CosignedCheckpoint, add_cosignatures, open_cosigned
from ledger.errors import Problem, Unavailable
from relay.log_port import LogPort
from relay.panel import NotaryPanel


class Cosigning:
    """Has one log's checkpoints cosigned by the notaries of a trust root's pinned epoch."""

    def __init__(self, root: TrustRoot, panel: NotaryPanel) -> None:
        self._root, self._panel = root, panel

    def open(self, note: bytes) -> CosignedCheckpoint:
        """A note that a quorum has cosigned. Errors: those of `open_cosigned`."""
        pinned = self._root.pinned
        return open_cosigned(note, log_key=self._root.log, cosigners=pinned.cosigners, quorum=pinned.quorum)

    def ask(self, note: bytes, checkpoint: Checkpoint, log: LogPort, *, old_size: int) -> bytes:
        """The note with every cosignature that was given. `old_size`: what the notaries saw last, as far as we know.

        Errors: `Unavailable` WAITING while fewer than a quorum cosign.
        """
        proofs: dict[int, list[bytes]] = {}

        def proof_from(size: int) -> Iterable[bytes]:
            # A notary that claims to have seen more than there is gets no proof; it will refuse, and is missed.
            if 0 < size <= checkpoint.size and size not in proofs:
                try:
                    proofs[size] = log.consistency(size, checkpoint.size)
                except Problem:
                    return []  # as above: too few cosignatures are noticed, and named, where they are counted
            return proofs.get(size, [])

        lines = self._panel.cosign(note, old_size, proof_from, lambda line: self._signer_of(note, line))
        quorum = self._root.pinned.quorum
        if len(lines) < quorum:
            missing = quorum - len(lines)
            raise Unavailable(
                "WAITING",
                f"waiting for {missing} more cosignature{'s' if missing > 1 else ''} ({len(lines)} of {quorum} given)",
                where=f"checkpoint of size {checkpoint.size}",
                cure="It goes on by itself as soon as another notary answers.",
            )
        return add_cosignatures(note, lines)

    def _signer_of(self, note: bytes, line: bytes) -> str | None:
        """Whose line it is, where it holds; a single false one would spoil the whole note."""
        try:
            signed = add_cosignatures(note, [line])
            opened = open_cosigned(signed, log_key=self._root.log, cosigners=self._root.pinned.cosigners, quorum=1)
        except Problem:
            return None  # it counts as not given; too few are noticed, and named, where they are counted
        return opened.cosignatures[0].cosigner.name
