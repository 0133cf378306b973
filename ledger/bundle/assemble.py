"""`assemble`: a bundle's file out of plain values that the log, the chains and the notaries gave.

It verifies what it has put together before it hands it out: a file that leaves here is accepted, or it does not leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ledger.attestation import Verdict, attestation_digest, credential_of, signed, verdict_digest
from ledger.bundle.certified import current
from ledger.bundle.format import (
    Attested,
    BlockLog,
    Bundle,
    Crossing,
    ErasedEntry,
    Judged,
    Link,
    LoggedObject,
    Pledge,
    SealedHeader,
    dump,
)
from ledger.bundle.header_certificate import HeaderCertificate
from ledger.bundle.subject import Subject
from ledger.bundle.trust_root import TrustRoot
from ledger.bundle.verify import verify
from ledger.errors import WrongUse
from ledger.proposal import Chain
from ledger.quorum import Certificate


def assemble(
    *,
    subject: Subject,
    trust_root: TrustRoot,
    objects: Iterable[LoggedObject],
    note: bytes,
    link: Link | None = None,
    sent: BlockLog,
    certificate: Certificate | None,
    committed: BlockLog,
    verdict: Verdict,
    signatures: bytes,
    pledge: Pledge | None = None,
    stamp: bytes | None = None,
) -> bytes:
    """The file of one unit's bundle.

    `subject`: the unit or lot, one event, or one statement of a device. `trust_root`: the very one that was logged.
    `objects`, in any order, all proven in the tree of the checkpoint's size: the trust root's entry, every event of
    `trace(subject, …)`, the envelope of every segment filmed for `filmed_for(trace)`, the enrolment of each device that
    filmed one; nothing else. Of an event or a statement as the subject: itself, and its device's enrolment.
    `note`: the checkpoint that was anchored, with at least a quorum of cosignatures and no line of anybody else.
    `link`: for a checkpoint that was cosigned, certified or judged in a past epoch: what leads to one that the pinned
    epoch cosigned. Then `objects` are proven in that later tree, with the crossing's record among them.
    `sent`: the origin gateway's `MessageSent` of that anchor; `committed`: the destination gateway's
    `MessageCommitted` for it; headers as RLP, log indices within the transaction.
    `certificate`: the one that the transaction chain recorded for it. `verdict`, `signatures`: as judged there, the
    signatures packed. `pledge`: what was told about one loan secured by the subject's goods. `stamp`: an RFC 3161
    timestamp over `note`.

    Raises whatever `verify` raises about the result: nothing that would be refused is handed out.
    """
    anchor = crossing_of(
        trust_root, sent=sent, certificate=certificate, committed=committed, verdict=verdict, signatures=signatures
    )
    return assemble_crossed(
        subject=subject,
        trust_root=trust_root,
        objects=objects,
        note=note,
        link=link,
        anchor=anchor,
        pledge=pledge,
        stamp=stamp,
    )


def assemble_crossed(
    *,
    subject: Subject,
    trust_root: TrustRoot,
    objects: Iterable[LoggedObject],
    note: bytes,
    link: Link | None,
    anchor: Crossing,
    pledge: Pledge | None,
    stamp: bytes | None,
    erased: Iterable[ErasedEntry] = (),
) -> bytes:
    """As `assemble`, of an anchor's way that was put into its form already.

    `erased`: entries about the subject that were erased, each with its record among `objects`.
    """
    told = () if pledge is None else tuple(replace(e, certified=current(e, trust_root)) for e in pledge.crossings)
    bundle = Bundle(
        subject=subject.text,
        objects=tuple(sorted(objects, key=lambda found: found.index)),
        note=note,
        link=link,
        sent=anchor.sent,
        attested=anchor.attested,
        committed=anchor.committed,
        judged=anchor.judged,
        seals=anchor.seals,
        certified=current(anchor, trust_root),
        pledge=None if pledge is None else replace(pledge, crossings=told),
        stamp=stamp,
        erased=tuple(sorted(erased, key=lambda each: each.index)),
    )
    raw = dump(bundle)
    verify(raw, trust_root=trust_root)
    return raw


def crossing_of(
    trust_root: TrustRoot,
    *,
    sent: BlockLog,
    certificate: Certificate | None,
    committed: BlockLog,
    verdict: Verdict,
    signatures: bytes,
    destination: Chain | None = None,
    seals: Iterable[SealedHeader] = (),
    certified: HeaderCertificate | None = None,
) -> Crossing:
    """A message's way as a bundle tells it. `destination`: the anchor's where None; `certificate`: None where the lane
    asked for none and none was recorded; `seals`, `certified`: see `Crossing`; the rest as in `assemble`.
    """
    end, registry = destination or trust_root.destination, trust_root.transaction_registry
    digest = verdict_digest(chain_id=trust_root.transaction.chain_id, registry=registry, verdict=verdict)
    if certificate is None:
        credential = credential_of(bytes(32), signed(digest, signatures))
        judged = Judged(verdict, signatures, credential)
        return Crossing(sent, Attested(verdict.epoch, (), b""), committed, judged, tuple(seals), certified)
    attested = attestation_digest(
        chain_id=end.chain_id, gateway=end.gateway, root=certificate.root, epoch=certificate.epoch
    )
    credential = credential_of(signed(attested, certificate.signatures), signed(digest, signatures))
    path = sided_path(certificate.index, certificate.size, certificate.proof)
    attested_by = Attested(certificate.epoch, path, certificate.signatures)
    return Crossing(sent, attested_by, committed, Judged(verdict, signatures, credential), tuple(seals), certified)


def sided_path(index: int, size: int, proof: Sequence[bytes]) -> tuple[bytes, ...]:
    """An inclusion proof as siblings that say where they stand: 0 left, 1 right, then the hash.

    A certificate signs a root and neither index nor size, so a bundle that carried them would carry two numbers
    nothing binds. Raises `WrongUse` TREE_RANGE for a proof of another length than the tree is high.
    """
    position, last, path = index, size - 1, list[bytes]()
    for sibling in proof:
        if not last:
            raise _misfit()
        # A last node without a sibling moves up as it is (RFC 9162 section 2.1.3.2).
        while position == last and not position & 1 and last:
            position, last = position >> 1, last >> 1
        path.append((b"\x00" if position & 1 else b"\x01") + sibling)
        position, last = position >> 1, last >> 1
    if not 0 <= index < size or last:
        raise _misfit()
    return tuple(path)


def _misfit() -> WrongUse:
    return WrongUse("TREE_RANGE", "The certificate's proof does not fit its index and size.")
