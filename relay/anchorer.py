"""From the log's present state to an anchor on its way: checkpoint, cosignatures, anchor, message.

The order is fixed: notaries cosign first, and only what a quorum cosigned is anchored; an uncosigned anchor would
prove nothing. Each step may be run again after a crash: the same state gives the same checkpoint, a notary cosigns
what it has cosigned, and an anchor that stands is not sent twice.
"""

from __future__ import annotations

from contracts.manifest import Manifest, Role
from contracts.transactor import Mined, Transactor
from ledger.checkpoint import (
    Checkpoint,
    CosignedCheckpoint,
    CosignerKey,
    add_cosignatures,
    open_checkpoint,
    open_cosigned,
)
from ledger.errors import Problem, Refused, Unavailable
from ledger.interoperable import encode
from ledger.store.log import Log
from relay.panel import NotaryPanel
from relay.stamper import Stamper


class Anchorer:
    """Anchors one log on the origin chain. `transactor` is the manifest's anchorer account."""

    def __init__(self, manifest: Manifest, log: Log, panel: NotaryPanel, transactor: Transactor) -> None:
        self._manifest, self._log, self._panel, self._transactor = manifest, log, panel, transactor
        self._registry = manifest.chain(Role.ORIGIN).contract("AnchorRegistry")
        self._cosigners = [CosignerKey(cosigner.name, cosigner.public_key) for cosigner in manifest.cosigners]

    def checkpoint(self) -> tuple[bytes, Checkpoint]:
        """Sign the log's present state: the note, and what it says."""
        note = self._log.make_checkpoint()
        return note, open_checkpoint(note, log_key=self._log.key)

    def cosign(self, note: bytes, checkpoint: Checkpoint) -> CosignedCheckpoint:
        """Have the notaries cosign and publish the result.

        Errors: `Unavailable` WAITING while fewer than a quorum cosign; `Refused` as `Log.store_cosigned`.
        """
        published = self._log.latest_cosigned()
        old_size = published.checkpoint.size if published is not None else 0
        lines = self._panel.cosign(
            note, old_size, lambda size: self._proof(size, checkpoint.size), lambda line: self._signer_of(note, line)
        )
        quorum = self._manifest.committee.quorum
        if len(lines) < quorum:
            missing = quorum - len(lines)
            raise Unavailable(
                "WAITING",
                f"waiting for {missing} more cosignature{'s' if missing > 1 else ''} ({len(lines)} of {quorum} given)",
                where=f"checkpoint of size {checkpoint.size}",
                cure="It goes on by itself as soon as another notary answers.",
            )
        return self._log.store_cosigned(add_cosignatures(note, lines))

    def _signer_of(self, note: bytes, line: bytes) -> str | None:
        """Whose line it is, where it holds; a single false one would spoil the whole note."""
        try:
            signed = add_cosignatures(note, [line])
            opened = open_cosigned(signed, log_key=self._log.key, cosigners=self._cosigners, quorum=1)
        except Problem:
            return None  # it counts as not given; too few are noticed, and named, where they are counted
        return opened.cosignatures[0].cosigner.name

    def stamp(self, cosigned: CosignedCheckpoint, stamper: Stamper) -> None:
        """Have the published note stamped. Errors: those of `Stamper.stamp`; the anchor does not wait for it."""
        note = self._log.cosigned_note(cosigned.checkpoint.size)
        if note is not None:
            self._log.keep_stamp(note, stamper.stamp(note))

    def anchored_size(self) -> int:
        """The size that stands on the origin chain now; 0 before the first anchor."""
        return int(self._registry.read(self._transactor.node, "latest_size"))

    def anchor(self, cosigned: CosignedCheckpoint) -> Mined:
        """Record the checkpoint on the origin chain.

        Errors: `Refused` ANCHOR_NOT_LARGER when the chain holds this size or more, and as `Transactor.send`.
        """
        checkpoint = cosigned.checkpoint
        held = self.anchored_size()
        if checkpoint.size <= held:
            raise Refused("ANCHOR_NOT_LARGER", f"size {held} is anchored, {checkpoint.size} is not larger")
        call = self._registry.encode_call("anchor", checkpoint.size, checkpoint.root)
        return self._transactor.send(self._registry.address, call)

    def carry(self, checkpoint: Checkpoint) -> tuple[Mined, bytes]:
        """Send the latest anchor, which is this checkpoint, to the destination's mirror.

        Returns the transaction and the message's id. Errors: as `Transactor.send`, also when another one is the latest.
        """
        destination = self._manifest.chain(Role.DESTINATION)
        recipient = encode(destination.chain_id, destination.contracts["AnchorMirror"])
        mined = self._transactor.send(
            self._registry.address, self._registry.encode_call("carry", recipient, checkpoint.size, checkpoint.root)
        )
        gateway = self._manifest.chain(Role.ORIGIN).contract("Gateway")
        for log in mined.logs:
            found = gateway.decode_log(log)
            if found is not None and found.name == "MessageSent":
                return mined, found.fields["sendId"]
        raise Unavailable("NODE_GARBAGE", "the anchor left, and its receipt shows no message", where="carry")

    def _proof(self, old: int, new: int) -> list[bytes]:
        # A notary that claims to have seen more than there is gets no proof; it will refuse, and be counted as missing.
        return self._log.consistency(old, new) if 0 < old <= new else []
