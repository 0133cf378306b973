"""A message's way from one chain to another, proven backwards from the notaries' signatures; the anchor's above all.

    quorum's signatures → verdict → two block hashes → headers → receipts roots → logs → what the message carries

May never happen here: believing a header that the verdict does not name, or a log of another contract.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ledger import merkle
from ledger.attestation import (
    DIFFERS,
    SAME,
    attestation_digest,
    credential_of,
    log_place,
    signed,
    verdict_digest,
    word,
)
from ledger.bundle.certified import verify_certified
from ledger.bundle.epochs import Electorate
from ledger.bundle.findings import Proven, utc_text
from ledger.bundle.format import Attested, BlockLog, Crossing, Judged
from ledger.bundle.seals import POLICIES, RELAY, WITH_CERTIFICATE, Sealing, verify_seals
from ledger.bundle.trust_root import TrustRoot
from ledger.checkpoint import Checkpoint
from ledger.errors import BadInput, Problem, Refused
from ledger.ethereum.header import Header, header_from_rlp
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import ProvenLog, open_log
from ledger.proposal import Chain, Kind, Message, read_proposal

MESSAGE_COMMITTED = keccak256(b"MessageCommitted(bytes32,bool,bytes32)")
MIRRORED = b"mirrored".ljust(32, b"\x00")


@dataclass(frozen=True, slots=True)
class Anchored:
    """What the crossing proves: the payload of the anchor's message, the steps that lead to it, and what stays open."""

    payload: bytes
    proven: tuple[Proven, ...]
    not_proven: tuple[str, ...] = ()

    def require(self, checkpoint: Checkpoint) -> None:
        """Refuse (ANCHOR_MISMATCH) unless this checkpoint is what was anchored."""
        if self.payload != anchor_payload(checkpoint):
            raise Refused(
                "ANCHOR_MISMATCH",
                "The anchor that crossed the chains is not the bundle's checkpoint.",
                where=f"{checkpoint.origin} at size {checkpoint.size}",
                cure="Ask for a bundle under a checkpoint that was anchored.",
            )


def anchor_payload(checkpoint: Checkpoint) -> bytes:
    """What AnchorRegistry sends: SHA-256 of the origin line, size, root; one ABI word each."""
    return hashlib.sha256(checkpoint.origin.encode()).digest() + word(checkpoint.size) + checkpoint.root


@dataclass(frozen=True, slots=True)
class Crossed:
    """A message that was sent, let in, committed and judged *same*: its payload, and the outcome of its call."""

    message: Message
    payload: bytes
    executed: bool
    outcome: bytes
    left: tuple[Header, ProvenLog]
    arrived: tuple[Header, ProvenLog]
    let_in: Proven
    judged: Proven
    certificate: bytes
    sealing: Sealing
    certified: Proven | None

    @property
    def shown(self) -> tuple[Proven, ...]:
        """What else shows that the origin's block is the one."""
        return tuple(each for each in (self.sealing.proven, self.certified) if each is not None)


def follow(crossing: Crossing, believed: Electorate, *, origin: Chain, destinations: Sequence[Chain]) -> Crossed:
    """Follow one message from `origin` to one of `destinations`; says nothing about who sent it and what it carries.

    Raises `Refused` QUORUM, SET_EPOCH, EPOCH_UNLINKED, SIG_… (verdict or certificate), VERDICT_…, HEADER_HASH, PROOF_…,
    LOG_PLACE, TX_FAILED, CERTIFICATE…, COMMIT_MISMATCH, COMMIT_NOT_CHECKED; `BadInput` EMITTER, PROPOSAL_…, RECEIPT_….
    """
    verdict = crossing.judged.verdict
    judged = _verify_verdict(crossing.judged, believed)
    left = _open_block(crossing.sent, verdict.origin_block, "sent")
    sent = open_log(left, crossing.sent.proof, crossing.sent.transaction, crossing.sent.log_index)
    _require_place(crossing.sent, verdict.origin_log, "sent")
    proposal = read_proposal(sent.log, origin=origin, destinations={end.chain_id: end for end in destinations})
    message = proposal.message
    if message.id != verdict.id:
        raise Refused("VERDICT_MISMATCH", "The notaries' verdict is about another message.", where="judged.verdict.id")
    sealing = verify_seals(crossing, believed.root, origin, sent.block_number)
    certified, why_not = verify_certified(crossing, believed, origin, message.destination, left)
    sealing = sealing if sealing.why_not else replace(sealing, why_not=why_not)
    let_in, certificate = _let_in(crossing, message, believed)
    arrived = _open_block(crossing.committed, verdict.commit_block, "committed")
    place = crossing.committed
    committed = open_log(arrived, place.proof, place.transaction, place.log_index)
    _require_place(place, verdict.commit_log, "committed")
    executed, outcome = _require_commit(committed, message, crossing.judged)
    return Crossed(
        message,
        proposal.payload,
        executed,
        outcome,
        (left, sent),
        (arrived, committed),
        let_in,
        judged,
        certificate,
        sealing,
        certified,
    )


def verify_crossing(anchor: Crossing, believed: Electorate) -> Anchored:
    """Follow the anchor's message through both chains.

    Raises what `follow` raises, and `Refused` ANCHOR_MISMATCH, COMMIT_NOT_EXECUTED, COMMIT_MISMATCH,
    CREDENTIAL_MISMATCH, EPOCH_UNLINKED.
    """
    root = believed.root
    crossed = follow(anchor, believed, origin=root.origin, destinations=(root.destination,))
    _require_anchor(crossed.message, root)
    if not crossed.executed:
        where = f"block {crossed.arrived[1].block_number} of {root.destination}"
        raise Refused("COMMIT_NOT_EXECUTED", "The message was committed, but the mirror's call failed.", where=where)
    if crossed.outcome != MIRRORED:
        raise Refused("COMMIT_MISMATCH", "The mirror did not take the anchor, or the verdict says so.")
    (origin, sent), (destination, committed) = crossed.left, crossed.arrived
    left = Proven(
        "anchored",
        f"The checkpoint's anchor left {root.origin} in block {origin.number}.",
        f"the block's receipts, transaction {sent.tx_index}",
        utc_text(origin.timestamp),
        {"block": _hex(origin.hash), "message": _hex(crossed.message.id), "contract": _hex(crossed.message.sender)},
    )
    arrived = Proven(
        "committed",
        f"It was committed on {root.destination} in block {destination.number} and mirrored there.",
        f"the block's receipts, transaction {committed.tx_index}",
        utc_text(destination.timestamp),
        {
            "block": _hex(destination.hash),
            "transaction": _hex(anchor.judged.verdict.commit_transaction),
            "contract": _hex(crossed.message.recipient),
        },
    )
    credential = verify_credential(anchor.judged, crossed.certificate, root)
    believed.require_credential(anchor.judged.credential)
    open_ = (crossed.sealing.why_not,) if crossed.sealing.why_not else ()
    return Anchored(crossed.payload, (left, *crossed.shown, crossed.let_in, arrived, crossed.judged, credential), open_)


def _verify_verdict(judged: Judged, believed: Electorate) -> Proven:
    verdict = judged.verdict
    digest = _verdict_digest(judged, believed.root)
    notaries = _require_quorum(believed, verdict.epoch, digest, judged.signatures, "judged")
    if verdict.verdict != SAME:
        what = "differs from what was committed" if verdict.verdict == DIFFERS else "is none"
        raise Refused("VERDICT_NOT_SAME", f"The notaries' verdict {what}.", where=f"verdict {verdict.verdict}")
    if verdict.policy not in POLICIES:
        what = "The message came over a lane of a policy that this version cannot show."
        raise Refused("VERDICT_POLICY", what, where=f"policy {verdict.policy}")
    return Proven(
        "judged",
        f"Re-executing the destination's blocks from {verdict.checked_from} on gave the same commit.",
        notaries,
        facts={"message": _hex(verdict.id), "transaction": _hex(verdict.commit_transaction)},
    )


def _let_in(crossing: Crossing, message: Message, believed: Electorate) -> tuple[Proven, bytes]:
    """How the destination let the message in, and the certificate as the registry records it; zeroes for none.

    Where a lane asks for none, somebody may have recorded one all the same: it is then part of the credential.
    """
    attested, verdict = crossing.attested, crossing.judged.verdict
    if attested.signatures or verdict.policy in WITH_CERTIFICATE:
        return _verify_certificate(attested, message, believed)
    if (attested.epoch, attested.path) != (verdict.epoch, ()):
        raise BadInput("NON_CANONICAL", "A certificate that is not there has a path, or an epoch.", where="attested")
    by = "a light client" if verdict.policy == RELAY else "certified headers"
    what = (
        f"The lane's policy is {POLICIES[verdict.policy]}: {message.destination} let the message in by {by} of its own."
    )
    return Proven("observed", what, "the notaries' verdict"), bytes(32)


def _verify_certificate(attested: Attested, message: Message, believed: Electorate) -> tuple[Proven, bytes]:
    """What it proves, and the certificate as the registry records it."""
    reached = merkle.leaf_hash(message.id)
    for step in attested.path:
        if step[0] not in (0, 1):
            raise BadInput("BUNDLE_FIELD", "A sibling stands neither left nor right.", where="attested.path")
        reached = merkle.node_hash(step[1:], reached) if step[0] == 0 else merkle.node_hash(reached, step[1:])
    end = message.destination
    digest = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=reached, epoch=attested.epoch)
    notaries = _require_quorum(believed, attested.epoch, digest, attested.signatures, "attested")
    what = f"The message was attested for the gateway of {end}."
    proven = Proven("attested", what, notaries, facts={"root": _hex(reached)})
    return proven, signed(digest, attested.signatures)


def verify_credential(judged: Judged, certificate: bytes, root: TrustRoot) -> Proven:
    """That the credential stated is the one of certificate and verdict. Raises `Refused` CREDENTIAL_MISMATCH."""
    credential = credential_of(certificate, signed(_verdict_digest(judged, root), judged.signatures))
    if credential != judged.credential:
        raise Refused(
            "CREDENTIAL_MISMATCH",
            "The credential is not the one of this certificate, this verdict and these signatures.",
            where=_hex(judged.credential),
        )
    return Proven(
        "credential",
        f"This is the credential to look up on {root.transaction}, where that chain still answers.",
        "computed from certificate and verdict, each with its signatures",
        facts={"credential": _hex(credential), "registry": _hex(root.transaction_registry)},
    )


def _open_block(log: BlockLog, stated: bytes, where: str) -> Header:
    header = header_from_rlp(log.header)
    if header.hash != stated or keccak256(log.header) != stated:
        raise Refused("HEADER_HASH", "The block is not the one the notaries' verdict names.", where=f"{where}.header")
    return header


def _require_place(log: BlockLog, stated: int, where: str) -> None:
    if log_place(log.transaction, log.log_index) != stated:
        what = "The log stands at another place of its block than the notaries' verdict says."
        raise Refused("LOG_PLACE", what, where=f"{where}.log_index")


def _require_anchor(message: Message, root: TrustRoot) -> None:
    """The anchor's message: from the anchor registry, to the anchor mirror, a notice."""
    expected = (root.anchor_registry, root.anchor_mirror, Kind.NOTICE)
    if (message.sender, message.recipient, message.kind) != expected:
        raise Refused(
            "ANCHOR_MISMATCH",
            "The message is not from the anchor registry to the anchor mirror.",
            where=f"from {_hex(message.sender)} to {_hex(message.recipient)}",
        )


def _require_commit(committed: ProvenLog, message: Message, judged: Judged) -> tuple[bool, bytes]:
    """Whether the call went through, and its outcome, as the log and the verdict both say."""
    log, verdict = committed.log, judged.verdict
    where = f"block {committed.block_number} of {message.destination}"
    if log.address != message.destination.gateway:
        raise BadInput("EMITTER", "The log is not the destination gateway's.", where=_hex(log.address))
    if log.topics != (MESSAGE_COMMITTED, message.id) or len(log.data) != 64:
        raise Refused("COMMIT_MISMATCH", "The log is not the commit of this message.", where=where)
    executed, outcome = log.data[:32] == word(1), log.data[32:]
    if log.data[:32] not in (word(0), word(1)) or (executed, outcome) != (verdict.executed, verdict.outcome):
        raise Refused("COMMIT_MISMATCH", "The log and the verdict tell the commit differently.", where=where)
    if not verdict.checked_from <= committed.block_number:
        raise Refused("COMMIT_NOT_CHECKED", "The notaries re-executed only blocks after the commit.", where=where)
    return executed, outcome


def _require_quorum(believed: Electorate, epoch: int, digest: bytes, packed: bytes, where: str) -> str:
    """Who signed, in words, where a quorum of the epoch did."""
    committee = believed.notaries(epoch).committee
    try:
        members = committee.check(epoch, digest, packed)
    except Problem as error:
        place = f"{where}.signatures" + (f", {error.where}" if error.where else "")
        what = f"The notaries' signatures do not hold: {error.what}."
        raise Refused(error.code, what, where=place, cure="A quorum of the notaries must have signed this.") from error
    listed = ", ".join(str(member) for member in members)
    return f"{len(members)} of {len(committee.members)} notaries (members {listed}; epoch {epoch})"


def _verdict_digest(judged: Judged, root: TrustRoot) -> bytes:
    return verdict_digest(
        chain_id=root.transaction.chain_id, registry=root.transaction_registry, verdict=judged.verdict
    )


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"
