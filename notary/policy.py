"""What this notary will sign: every rule, in one file, without I/O.

Each function takes what has been read and proven, and returns what may be signed or raises a typed refusal. The rows
are those of the design's journey: 3 cosigning, 5 attesting, 8 judging a commit. What may never happen here: a default
that lets something pass; a rule that depends on who asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from contracts.epochs import Epoch
from contracts.manifest import ChainManifest, Manifest, Policy
from ledger.attestation import DIFFERS, EXPIRED, SAME, VOID, Verdict
from ledger.checkpoint import Checkpoint
from ledger.conservation import Arrivals, Books, Transfer
from ledger.errors import BadInput, Problem, Refused, Unavailable
from ledger.ethereum.header import Header
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import Log
from ledger.membership import Member, operator_digest
from ledger.proposal import Message, Proposal, read_proposal

MAX_LEAVES = 64
MAX_DRIFT_SECONDS = 3600  # between a chain's newest block and this machine, before an operator is told
# Those under which a destination checks a certificate of the committee; the others rest on headers alone.
POLICIES_SERVED = frozenset({Policy.NOTARY, Policy.NOTARY_AND_RELAY})
MESSAGE_COMMITTED = keccak256(b"MessageCommitted(bytes32,bool,bytes32)")
MESSAGE_VOIDED = keccak256(b"MessageVoided(bytes32,bytes32,uint32,uint64)")
EXPIRED_OUTCOME, VOID_OUTCOME = b"expired".ljust(32, b"\x00"), b"void".ljust(32, b"\x00")
ENDED = frozenset({EXPIRED, VOID})
_WORD = 32
# What the gateway keeps of a message that is committed and was not delivered, or never will be.
_FAILED, _HELD, _APPROVED, _VOIDED = 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane as the destination's gateway holds it; generation 0 is a lane that nobody opened."""

    generation: int
    policy: int


def read_lane(word: int) -> Lane:
    """A lane from its word in the gateway, as `lane_word.vy` packs it."""
    return Lane(generation=word & (2**32 - 1), policy=word >> 32 & 255)


@dataclass(frozen=True, slots=True)
class Commit:
    """What the destination says became of a message: whether the application's call succeeded, and its outcome."""

    executed: bool
    outcome: bytes


@dataclass(frozen=True, slots=True)
class Ledgers:
    """The totals of a vault and its voucher for one asset, in its smallest units, each proven at a final block."""

    locked: int
    released: int
    minted: int
    burned: int


@dataclass(frozen=True, slots=True)
class LeafRefusal:
    """Why one leaf of a request is not signed; `leaf` counts from 0."""

    leaf: int
    problem: Problem


class LeavesRefused(Refused):
    """LEAVES_REFUSED: nothing was signed; `refused` says which leaves to leave out."""

    def __init__(self, refused: Sequence[LeafRefusal]) -> None:
        super().__init__(
            "LEAVES_REFUSED",
            f"{len(refused)} of the leaves are refused; nothing is signed",
            where=str(refused[0].problem),
            cure="Form the root again without them.",
        )
        self.refused = tuple(refused)


class LeavesNotReady(Unavailable):
    """Some leaves cannot be judged yet and none is refused; carries the first one's code, usually NOT_FINAL."""

    def __init__(self, refused: Sequence[LeafRefusal]) -> None:
        first = refused[0].problem
        super().__init__(first.code, first.what, where=first.where, cure=first.cure or "Ask again later.")
        self.refused = tuple(refused)


def require_member(manifest: Manifest, index: int, *, address: bytes, cosigning: bytes) -> None:
    """Refuse (NOT_A_MEMBER) keys that the committee does not hold at this index."""
    committee = manifest.committee.members[index] == address
    if not committee or manifest.cosigners[index].public_key != cosigning:
        which = "cosigning" if committee else "attesting"
        raise Refused(
            "NOT_A_MEMBER",
            f"the {which} key is not that of member {index} of epoch {manifest.committee.epoch}",
            where=f"0x{address.hex()}",
            cure="Check `index` and `folder` of the configuration.",
        )


def require_cosigner(record: Member | None, *, name: str | None, cosigning: bytes) -> str:
    """Row 3: the name under which readers know this notary's cosignatures, which its record binds by digest.

    `record`: its own in the epoch that is current where checkpoints are anchored; `name`: as configured, or as the
    manifest names it; `cosigning`: the key it would sign with. Errors: `Refused` NOT_A_MEMBER.
    """
    if record is None or name is None:
        what = "no record of the current epoch names this notary, so that no reader would know its cosignature"
        raise Refused("NOT_A_MEMBER", what, cure="Give `name`, the operator's name, in the configuration.")
    if record.cosigning != cosigning or record.operator != operator_digest(name):
        what = (
            "the record of the current epoch holds another cosigning key"
            if record.cosigning != cosigning
            else ("the record of the current epoch is of an operator of another name")
        )
        raise Refused("NOT_A_MEMBER", what, where=name, cure="Check `name` and `folder` of the configuration.")
    return name


def require_seat(epoch: Epoch, *, address: bytes, chain: ChainManifest) -> int:
    """Row 5 and 8: this notary's index among the members of the epoch in which it is asked to sign.

    Errors: `Refused` NOT_A_MEMBER, SUSPENDED (its key was barred: it contradicted itself, or somebody has it).
    """
    index = epoch.index_of(address)
    if index is None:
        raise Refused(
            "NOT_A_MEMBER",
            f"the attesting key is no member's of epoch {epoch.number}",
            where=f"0x{address.hex()}, {chain.caip2}",
            cure="Ask the members of that epoch; what was attested before stays served.",
        )
    if index in epoch.barred:
        what = f"member {index} of epoch {epoch.number} is barred: its signature counts for nobody"
        raise Refused("SUSPENDED", what, where=f"0x{address.hex()}, {chain.caip2}", cure="Retire the key.")
    return index


def require_network(chain: ChainManifest, *, chain_id: int, genesis: bytes) -> None:
    """Refuse a node of another chain: CHAIN_ID, or WRONG_NETWORK for the same id on another genesis (E12)."""
    if chain_id != chain.chain_id:
        raise Refused("CHAIN_ID", f"the node serves chain {chain_id}, not {chain.chain_id}", where=chain.name)
    if genesis != chain.genesis:
        raise Refused("WRONG_NETWORK", "the node's genesis block is another one", where=f"0x{genesis.hex()}")


def require_history(chain: ChainManifest, *, number: int, witnessed: bytes, found: bytes) -> None:
    """Sign nothing (`Unavailable` FINAL_REWRITTEN) of a chain on which a block that was final here is now another one.

    A reorganisation deeper than finality, or this notary's node on a fork with the same id and genesis: which of them
    is not known here, and the second one passes.
    """
    if witnessed != found:
        raise Unavailable(
            "FINAL_REWRITTEN",
            f"block {number} was final and is now another one",
            where=chain.caip2,
            cure="Check the node. If the chain was reorganised below finality, the quorum opens a new lane generation.",
        )


def final_height(chain: ChainManifest, *, head: int, finalized: int | None) -> int:
    """The highest final block, negative while there is none: as many blocks below the head as the chain's rule asks
    for, and not above what the chain itself calls finalized where the rule asks for that.
    """
    height = head - chain.rules.finality_blocks
    return height if finalized is None else min(height, finalized)


def require_final(chain: ChainManifest, *, block: int, head: int, final: int) -> None:
    """Ask to wait (`Unavailable` NOT_FINAL) until a block is final by the chain's rule (E05)."""
    where = f"{chain.caip2}, head {head}"
    if block > head:
        raise Unavailable("NOT_FINAL", f"there is no block {block} yet", where=where)
    if block > final:
        what = f"block {block} is not final: {block - final} more block(s) must become so"
        raise Unavailable("NOT_FINAL", what, where=where, cure="Ask again later.")


def clock_alarm(drift: int) -> str:
    """What to tell an operator of a chain whose newest block is `drift` seconds ahead of this machine; "" for nothing.

    Only an alarm (E11): expiries are judged by the time of the chain they are about, whatever any other clock says.
    """
    if abs(drift) <= MAX_DRIFT_SECONDS:
        return ""
    return f"CLOCK_DRIFT: the newest block is {abs(drift)} seconds {'ahead of' if drift > 0 else 'behind'} this machine"


def require_undisputed(chain: ChainManifest, *, block: int, differs_at: int | None) -> None:
    """Refuse (ORIGIN_DIFFERS) what a chain says from the first block on that did not re-execute to what it claims."""
    if differs_at is not None and block >= differs_at:
        raise Refused(
            "ORIGIN_DIFFERS",
            f"re-executing block {differs_at} gave another result; nothing from it on is attested",
            where=chain.caip2,
            cure="See `status` for what differs; if the node was at fault, see notary/README.md, section Clear.",
        )


def read_leaf(log: Log, *, origin: ChainManifest, manifest: Manifest) -> Proposal:
    """Row 5: a proven log as a proposal of this deployment. Errors as `read_proposal` (EMITTER, PROPOSAL_*)."""
    return read_proposal(log, origin=origin.end, destinations=manifest.ends)


def require_carriage(message: Message, *, lane: Lane, now: int, attested: bytes | None, is_used: bool = False) -> None:
    """Row 5: whether a proven proposal may be attested.

    `lane`: as the destination holds it at finality; `now`: the destination's latest block time in seconds;
    `attested`: the id this notary attested before at the same place of the same lane and generation; `is_used`: whether
    the sequence is used up at the destination. What has arrived does not expire, and stays what it was when its lane is
    opened anew: the registry closes a message only with its certificate, the relay that had one may have died, and no
    destination takes one of a generation that is over. Errors: `Refused` LANE, EXPIRED, EQUIVOCATION.
    """
    is_over = is_superseded(lane, message=message)
    if not is_open(lane, message=message) and not (is_over and is_used):
        held = f"generation {lane.generation} with policy {lane.policy}" if lane.generation else "not open"
        raise Refused(
            "LANE",
            f"the lane is {held} at the destination, the message is of generation {message.generation}",
            where=f"0x{message.lane.hex()}",
            cure="It can no longer be delivered, and ends when it expires: its sender sends a new one."
            if is_over
            else "The recipient's owner opens lanes, at the destination's gateway.",
        )
    if message.expiry <= now and not is_used:
        raise Refused("EXPIRED", f"the message expired at {message.expiry}, it is {now} there", where=_id(message))
    require_first(message, attested=attested)


def require_counted(transfer: Transfer, *, sent: int, arrivals: Arrivals, is_used: bool) -> None:
    """Row 5: whether the origin's gateway sent what a transfer says, and the destination's has room for it (F05).

    `sent`: the origin's count for lane, generation and asset; `arrivals`: the destination's; `is_used`: whether the
    message has arrived and is counted there. Errors: `Refused` VALUE_UNBACKED.
    """
    if max(transfer.total, arrivals.shown) > sent:
        what = "the origin has not sent so much"
        raise Refused("VALUE_UNBACKED", what, where=f"{max(transfer.total, arrivals.shown)} > {sent}")
    if not is_used:
        arrivals.count_in(transfer)


def require_conserved(transfer: Transfer, *, books: Ledgers, is_used: bool) -> None:
    """Row 5: minted - burned <= locked - released, also once this transfer has arrived.

    `is_used`: whether it has, and stands in the books. Errors: `Refused` VALUE_UNBACKED with the figures.
    """
    moving = 0 if is_used else transfer.quantity
    Books(books.locked, books.released, books.minted, books.burned, moving)


def policy_of(lane: Lane, *, message: Message) -> int:
    """Row 8: the policy of the lane on which a message was committed, held when it was.

    `Unavailable` LANE for another generation: the node shows another state than the one the commit happened in.
    """
    if lane.generation != message.generation:
        what = f"the lane is of generation {lane.generation} at the commit, the message of {message.generation}"
        raise Unavailable("LANE", what, where=f"0x{message.lane.hex()}", cure="Check this notary's node.")
    return lane.policy


def is_open(lane: Lane, *, message: Message) -> bool:
    """Whether a lane, as the destination holds it, takes a message."""
    return lane.generation == message.generation != 0 and lane.policy in POLICIES_SERVED


def is_superseded(lane: Lane, *, message: Message) -> bool:
    """Whether a lane was opened anew since a message was sent: nothing of its generation arrives any more."""
    return lane.generation > message.generation > 0


def require_lane_final(message: Message, *, final: Lane, head: Lane) -> None:
    """Ask to wait (`Unavailable` NOT_FINAL) for a lane that takes the message at the head and not yet at finality."""
    if not is_open(final, message=message) and is_open(head, message=message):
        raise Unavailable(
            "NOT_FINAL",
            "the lane was opened at the destination, and that is not final yet",
            where=f"0x{message.lane.hex()}",
            cure="Ask again later.",
        )


def require_first(message: Message, *, attested: bytes | None) -> None:
    """Refuse (EQUIVOCATION) a second message for one sequence; the same message again is no conflict (B13)."""
    if attested is not None and attested != message.id:
        raise Refused(
            "EQUIVOCATION",
            f"another message was attested for sequence {message.sequence} of this lane",
            where=f"0x{attested.hex()}",
            cure="Keep both: the origin chain was rewritten below finality.",
        )


def require_one_destination(messages: Sequence[Message]) -> None:
    """A certificate is for one gateway and holds each message once; else `BadInput` LEAVES_MIXED, LEAF_REPEATED."""
    if len({message.destination for message in messages}) != 1:
        raise BadInput("LEAVES_MIXED", "the leaves are for different destinations", cure="Ask once per destination.")
    if len({message.id for message in messages}) != len(messages):
        raise BadInput("LEAF_REPEATED", "a message is named twice")


def require_all(refused: Sequence[LeafRefusal]) -> None:
    """All or nothing: raise `LeavesRefused` when a leaf is refused, `LeavesNotReady` when all it takes is time."""
    if not refused:
        return
    if all(isinstance(refusal.problem, Unavailable) for refusal in refused):
        raise LeavesNotReady(refused)
    raise LeavesRefused(refused)


def read_commit(log: Log, *, message: Message) -> Commit:
    """Row 8: a proven log of the destination as the commit of exactly this message.

    Errors: `BadInput` EMITTER, COMMIT_LOG; `Refused` COMMIT_MISMATCH.
    """
    if log.address != message.destination.gateway:
        raise BadInput("EMITTER", "the log is not the destination gateway's", where=f"0x{log.address.hex()}")
    if len(log.topics) != 2 or log.topics[0] != MESSAGE_COMMITTED or len(log.data) != 2 * _WORD:
        raise BadInput("COMMIT_LOG", "not a MessageCommitted log")
    # The id binds the lane, its generation and the sequence: the log says nothing that could contradict it.
    executed = int.from_bytes(log.data[:_WORD], "big")
    if log.topics[1] != message.id or executed > 1:
        raise Refused("COMMIT_MISMATCH", "the commit is of another message", where=f"0x{log.topics[1].hex()}")
    return Commit(bool(executed), log.data[_WORD:])


def is_void(log: Log) -> bool:
    """Whether a log says that a message was voided, and not that it was committed."""
    return log.topics[:1] == (MESSAGE_VOIDED,)


def read_void(log: Log, *, message: Message) -> Commit:
    """Row 8: a proven log of the destination as the end of exactly this message, voided and never to be delivered.

    Errors: as `read_commit`.
    """
    if log.address != message.destination.gateway:
        raise BadInput("EMITTER", "the log is not the destination gateway's", where=f"0x{log.address.hex()}")
    if not is_void(log) or len(log.topics) != 3 or len(log.data) != 2 * _WORD:
        raise BadInput("COMMIT_LOG", "not a MessageVoided log")
    generation, sequence = (int.from_bytes(log.data[at : at + _WORD], "big") for at in (0, 32))
    if (log.topics[1], log.topics[2], generation, sequence) != (
        message.id,
        message.lane,
        message.generation,
        message.sequence,
    ):
        raise Refused("COMMIT_MISMATCH", "the void is of another message", where=f"0x{log.topics[1].hex()}")
    return Commit(executed=False, outcome=VOID_OUTCOME)


def require_unexecuted(message: Message, *, is_used: bool, status: int) -> None:
    """Row 8: whether the destination, after the message's expiry, has not executed it: then it never will.

    `is_used`: whether the sequence is used up; `status`: what the gateway keeps of the message. A call that failed, or
    a transfer that is held or approved, was committed and not executed, and no retry passes the expiry.
    Errors: `Refused` EXECUTED, VOIDED.
    """
    if status == _VOIDED:
        cure = "Ask for the verdict over the void: name its log as the commit."
        raise Refused("VOIDED", "the message was voided, and did not expire", where=_id(message), cure=cure)
    if is_used and status not in (_FAILED, _HELD, _APPROVED):
        what = "the sequence is used up at the destination: it was executed, or another message was"
        raise Refused("EXECUTED", what, where=_id(message), cure="Ask for the verdict over its commit.")


def require_checked_to(chain: ChainManifest, *, block: int, header: Header, at: int | None) -> None:
    """Whether a chain was re-executed to a block. `header`: the last one found right; `at`: the first false one.

    Errors: `Refused` DESTINATION_DIFFERS; `Unavailable` UNKNOWN.
    """
    if header.number >= block:
        return
    if at is not None:
        what = f"re-executing block {at} gave another result: what its state lacks proves nothing"
        raise Refused("DESTINATION_DIFFERS", what, where=chain.caip2, cure="See `status` for what differs.")
    raise Unavailable("UNKNOWN", f"re-executed up to block {header.number}, not yet {block}", cure="Ask again later.")


def verdict_word(*, block: int, first: int, checked_to: int, differs_at: int | None) -> int:
    """SAME or DIFFERS for a commit in `block`, from what re-execution from block `first` on has found so far.

    The first block that differs taints itself and everything after it, because all of that rests on a state nobody
    can derive. Errors: `Unavailable` UNKNOWN while the blocks up to this one have not all been re-executed; `Refused`
    NOT_CHECKED for a block before the first.
    """
    if block < first:
        raise Refused("NOT_CHECKED", f"blocks are re-executed from {first} on, not block {block}")
    if differs_at is not None and block >= differs_at:
        return DIFFERS
    if checked_to < block:
        raise Unavailable("UNKNOWN", f"re-executed up to block {checked_to}, not yet {block}", cure="Ask again later.")
    return SAME


def require_same_verdict(verdict: Verdict, *, recorded: Verdict | None) -> None:
    """Refuse (VERDICT_CONFLICT) to contradict an earlier verdict over one commit; a later epoch may repeat it."""
    if recorded is not None and replace(recorded, epoch=verdict.epoch) != verdict:
        raise Refused(
            "VERDICT_CONFLICT",
            "this notary judged the commit otherwise before",
            where=f"0x{verdict.id.hex()}",
            cure="See the journal; an operator decides.",
        )


def require_no_rival(verdict: Verdict, *, recorded: Sequence[Verdict]) -> None:
    """Refuse (VERDICT_CONFLICT) to find a message both executed and ended without execution. `recorded`: every verdict
    this notary gave over the message before."""
    given = (verdict, *recorded)
    if any(each.verdict == SAME and each.executed for each in given) and any(each.verdict in ENDED for each in given):
        raise Refused(
            "VERDICT_CONFLICT",
            "this notary found the message executed, and is asked to find that it never was, or the other way round",
            where=f"0x{verdict.id.hex()}",
            cure="See the journal; an operator decides.",
        )


def require_growth(offered: Checkpoint, *, old_size: int) -> None:
    """Row 3: refuse (OLD_SIZE) a proof that claims to start above the checkpoint it ends at (C2SP tlog-witness).

    What else decides over a cosignature is `ledger.witness.consider`.
    """
    if old_size > offered.size:
        raise Refused("OLD_SIZE", f"the proof starts at {old_size}, above the checkpoint's size {offered.size}")


def _id(message: Message) -> str:
    return f"0x{message.id.hex()}"
