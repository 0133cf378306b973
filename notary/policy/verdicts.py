"""Row 8: what became of a message at its destination, and which verdict over it this notary signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from contracts.manifest import ChainManifest
from ledger.attestation import DIFFERS, EXPIRED, SAME, VOID, Verdict
from ledger.errors import BadInput, Refused, Unavailable
from ledger.ethereum.header import Header
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import Log
from ledger.proposal import Message
from notary.policy.carriage import Lane

MESSAGE_COMMITTED = keccak256(b"MessageCommitted(bytes32,bool,bytes32)")
MESSAGE_VOIDED = keccak256(b"MessageVoided(bytes32,bytes32,uint32,uint64)")
EXPIRED_OUTCOME, VOID_OUTCOME = b"expired".ljust(32, b"\x00"), b"void".ljust(32, b"\x00")
ENDED = frozenset({EXPIRED, VOID})
_WORD = 32
# What the gateway keeps of a message that is committed and was not delivered, or never will be.
_FAILED, _HELD, _APPROVED, _VOIDED = 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class Commit:
    """What the destination says became of a message: whether the application's call succeeded, and its outcome."""

    executed: bool
    outcome: bytes


def is_void(log: Log) -> bool:
    """Whether a log says that a message was voided, and not that it was committed."""
    return log.topics[:1] == (MESSAGE_VOIDED,)


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


def policy_of(lane: Lane, *, message: Message) -> int:
    """Row 8: the policy of the lane on which a message was committed, held when it was.

    `Unavailable` LANE for another generation: the node shows another state than the one the commit happened in.
    """
    if lane.generation != message.generation:
        what = f"the lane is of generation {lane.generation} at the commit, the message of {message.generation}"
        raise Unavailable("LANE", what, where=f"0x{message.lane.hex()}", cure="Check this notary's node.")
    return lane.policy


def require_unexecuted(message: Message, *, is_used: bool, status: int) -> None:
    """Row 8: whether the destination, after the message's expiry, has not executed it: then it never will.

    `is_used`: whether the sequence is used up; `status`: what the gateway keeps of the message. A call that failed, or
    a transfer that is held or approved, was committed and not executed, and no retry passes the expiry.
    Errors: `Refused` EXECUTED, VOIDED.
    """
    if status == _VOIDED:
        cure = "Ask for the verdict over the void: name its log as the commit."
        raise Refused("VOIDED", "the message was voided, and did not expire", where=f"0x{message.id.hex()}", cure=cure)
    if is_used and status not in (_FAILED, _HELD, _APPROVED):
        what = "the sequence is used up at the destination: it was executed, or another message was"
        raise Refused("EXECUTED", what, where=f"0x{message.id.hex()}", cure="Ask for the verdict over its commit.")


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
