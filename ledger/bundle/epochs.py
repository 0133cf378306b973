"""Whose word counts in a bundle: the pinned epoch's by itself, a past epoch's where the pinned one has sealed it.

    anchored checkpoint ── grew into ──▶ sealed checkpoint, cosigned by the pinned epoch
    its crossing's record ── an entry of ──▶ the same

May never happen here: counting a past epoch's signature on its own. Retired keys may be anybody's by now.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Protocol

from ledger.bundle.findings import Proven, utc_text
from ledger.bundle.format import Bundle, LoggedObject
from ledger.bundle.sealed import (
    CREDENTIAL_DOMAIN,
    CROSSING_DOMAIN,
    CrossingRecord,
    read_credential_record,
    read_crossing_record,
)
from ledger.bundle.trust_root import TRUST_ROOT_DOMAIN, Notaries, TrustRoot
from ledger.checkpoint import Checkpoint, CosignedCheckpoint, open_cosigned
from ledger.erasure import ERASURE_DOMAIN
from ledger.errors import BadInput, Problem, Refused
from ledger.evidence import ORDER_DOMAIN
from ledger.merkle import verify_consistency

_LATER = frozenset({CROSSING_DOMAIN, CREDENTIAL_DOMAIN, ERASURE_DOMAIN, TRUST_ROOT_DOMAIN, ORDER_DOMAIN})


class Electorate(Protocol):
    """Whose signatures count for one message."""

    @property
    def root(self) -> TrustRoot:
        """Whom to believe at all."""
        ...

    def notaries(self, epoch: int) -> Notaries:
        """The notaries of an epoch whose word counts here. Raises `Refused` EPOCH_UNLINKED, SET_EPOCH."""
        ...

    def unsealed(self, epoch: int) -> Notaries:
        """The same for what no credential binds, so that a past epoch's word could have been made up since."""
        ...

    def require_credential(self, credential: bytes) -> None:
        """Refuse (EPOCH_UNLINKED) a crossing other than the one that counts here."""
        ...

    def sealing(self, credential: bytes, /) -> Electorate:
        """As it is for a loan's instruction of this credential (32 bytes)."""
        ...


@dataclass(frozen=True, slots=True)
class JustNow:
    """For the ledger, which takes in what closed just now: the pinned epoch and the one before it, where a rotation
    came in between. Older ones do not: their keys may be anybody's, and what is taken in is sealed for good.
    """

    root: TrustRoot

    def notaries(self, epoch: int) -> Notaries:
        return _notaries(self.root, epoch, linked=epoch in {each.epoch for each in self.root.epochs[-2:]})

    def unsealed(self, epoch: int) -> Notaries:
        return self.notaries(epoch)

    def require_credential(self, credential: bytes) -> None:
        """Nothing was sealed yet that it could differ from."""

    def sealing(self, _credential: bytes) -> JustNow:
        return self


@dataclass(frozen=True, slots=True)
class Believed:
    """Under which state of the log a bundle's entries are proven, and whose signatures count.

    `anchored`: the checkpoint that crossed the chains, with those who cosigned it (`cosigners`). `proven_in`: the same,
    or the later one that seals it. `record`: the crossing's record; None where nothing had to be sealed. `sealed`: the
    credentials of loans' instructions that `proven_in` holds. `linked`: whether past epochs' words count.
    """

    root: TrustRoot
    anchored: CosignedCheckpoint
    cosigners: Notaries
    proven_in: Checkpoint
    record: CrossingRecord | None
    proven: tuple[Proven, ...]
    sealed: frozenset[bytes]
    linked: bool

    def sealing(self, credential: bytes) -> Believed:
        """As it is for a loan's instruction: a past epoch's word counts where its credential was sealed.

        That the credential is the instruction's own is for `verify_credential` to say.
        """
        return replace(self, linked=credential in self.sealed)

    def notaries(self, epoch: int) -> Notaries:
        """The notaries of an epoch whose word counts here.

        Raises `Refused` EPOCH_UNLINKED (a past epoch, and nothing seals what it said), SET_EPOCH (none that the trust
        root knows).
        """
        return _notaries(self.root, epoch, linked=self.linked)

    def unsealed(self, epoch: int) -> Notaries:
        """The pinned ones alone. Raises as `notaries`."""
        return _notaries(self.root, epoch, linked=False)

    def require_credential(self, credential: bytes) -> None:
        """Refuse (EPOCH_UNLINKED) a crossing other than the one that was sealed."""
        if self.record is not None and self.record.credential != credential:
            raise Refused(
                "EPOCH_UNLINKED", "The log holds the record of another crossing.", where=f"0x{credential.hex()}"
            )


def believe(bundle: Bundle, root: TrustRoot) -> Believed:
    """Open the bundle's checkpoints. That the record is in the log is for `verify_entries` to prove, under `proven_in`.

    Raises `Refused` of `open_cosigned` and `verify_consistency`, EPOCH_UNLINKED, SET_EPOCH, SUPERFLUOUS; `BadInput`
    CROSSING_FORMAT, BUNDLE_FIELD.
    """
    records = bundle.of(CROSSING_DOMAIN)
    sealed = frozenset(read_credential_record(found.canonical) for found in bundle.of(CREDENTIAL_DOMAIN))
    if bundle.link is None:
        if records:
            raise _superfluous("A record of a crossing is of use only with the checkpoint that seals it.")
        _notaries(root, bundle.judged.verdict.epoch, linked=False)  # says why, where the note would only look unsigned
        anchored = _open(bundle.note, root, root.pinned)
        return Believed(root, anchored, root.pinned, anchored.checkpoint, None, (), sealed, linked=False)
    if len(records) != 1:
        raise Refused(
            "EPOCH_UNLINKED", f"The bundle carries {len(records)} records of a crossing; exactly one is needed."
        )
    record = read_crossing_record(records[0].canonical)
    if record.dump() != records[0].canonical:
        raise BadInput("NON_CANONICAL", "The crossing's record is not in its canonical form.")
    if record.note != hashlib.sha256(bundle.note).digest():
        raise Refused("EPOCH_UNLINKED", "The log holds the record of another checkpoint, or of other cosignatures.")
    cosigners = _notaries(root, record.cosigned_in, linked=True)
    anchored = _open(bundle.note, root, cosigners)
    later = _open(bundle.link.note, root, root.pinned)
    _require_growth(anchored.checkpoint, later.checkpoint, bundle.link.growth)
    _require_order(bundle, records[0], anchored.checkpoint)
    if {record.cosigned_in, bundle.attested.epoch, bundle.judged.verdict.epoch} == {root.pinned.epoch}:
        raise _superfluous("Everything was signed in the pinned epoch; nothing has to be sealed.")
    told = (_tell(record, later, root),)
    return Believed(root, anchored, cosigners, later.checkpoint, record, told, sealed, linked=True)


def cosigned_in(note: bytes, root: TrustRoot) -> int:
    """The newest epoch whose cosigners make this note good; for whoever assembles a bundle or records a crossing.

    Raises what `open_cosigned` raises for the last epoch tried.
    """
    problem: Problem | None = None
    for notaries in reversed(root.epochs):
        try:
            _open(note, root, notaries)
        except Refused as error:
            problem = problem or error
        else:
            return notaries.epoch
    raise problem or Refused("SET_EPOCH", "the trust root knows no epoch")


def _notaries(root: TrustRoot, epoch: int, *, linked: bool) -> Notaries:
    found = next((notaries for notaries in root.epochs if notaries.epoch == epoch), None)
    if found is None:
        raise Refused("SET_EPOCH", f"signed in epoch {epoch}, which the trust root does not know")
    if found is not root.pinned and not linked:
        raise Refused(
            "EPOCH_UNLINKED",
            f"It was signed in epoch {epoch}; the trust root pins epoch {root.pinned.epoch}, and nothing here shows "
            "that this was said before the epoch's keys were retired.",
            where=f"epoch {epoch}",
            cure="Ask for the bundle again: it is then linked to a checkpoint that the later notaries sealed.",
        )
    return found


def _open(note: bytes, root: TrustRoot, notaries: Notaries) -> CosignedCheckpoint:
    return open_cosigned(note, log_key=root.log, cosigners=notaries.cosigners, quorum=notaries.quorum)


def _require_growth(anchored: Checkpoint, sealed: Checkpoint, growth: tuple[bytes, ...]) -> None:
    if sealed.size <= anchored.size:
        raise Refused(
            "EPOCH_UNLINKED",
            "The checkpoint that should seal the anchored one is not later than it.",
            where=f"sizes {anchored.size} and {sealed.size}",
        )
    verify_consistency(
        old_size=anchored.size, old_root=anchored.root, new_size=sealed.size, new_root=sealed.root, proof=growth
    )


def _require_order(bundle: Bundle, record: LoggedObject, anchored: Checkpoint) -> None:
    """What the bundle tells stood in the anchored log; what `_LATER` names may have come after it."""
    if record.index < anchored.size:
        raise Refused("EPOCH_UNLINKED", "The crossing's record is older than the checkpoint it is about.")
    for found in bundle.objects:
        if found.index >= anchored.size and found.domain not in _LATER:
            raise _superfluous(f"Entry {found.index} of the log is later than the anchored checkpoint.")
    for entry in bundle.erased:
        if entry.index >= anchored.size:
            raise _superfluous(f"Entry {entry.index} of the log is later than the anchored checkpoint.")


def _tell(record: CrossingRecord, sealed: CosignedCheckpoint, root: TrustRoot) -> Proven:
    last = max(cosignature.time for cosignature in sealed.cosignatures)
    return Proven(
        "linked",
        f"What epoch {record.cosigned_in} had signed stood in the log when epoch {root.pinned.epoch} cosigned it at "
        f"{sealed.checkpoint.size} entries.",
        "; ".join(cosignature.cosigner.name for cosignature in sealed.cosignatures),
        utc_text(last),
        {"root": sealed.checkpoint.root.hex()},
    )


def _superfluous(what: str) -> Refused:
    return Refused("SUPERFLUOUS", what, cure="Ask for a bundle of this unit alone.")
