"""The lock contracts' logs: what was funded under which terms, and the secret that a claim reveals.

A log is a hint until its receipt is proven and its block final; both are asked elsewhere. Reading the reveal from the
chain needs nobody's good will: one relay that is honest, or none and a node, suffices.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.errors import BadInput, Refused
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import Log
from ledger.hash_lock.secret import hash_of
from ledger.hash_lock.terms import Lane, Role, Terms

_LEG = b"(uint256,address,address,uint64)"
FUNDED = keccak256(b"Funded(bytes32,bytes32,address,(bytes32,uint256," + _LEG + b"," + _LEG + b"))")
CLAIMED = keccak256(b"Claimed(bytes32,bytes32,address,uint256,bytes32)")


@dataclass(frozen=True, slots=True)
class Funding:
    """A leg that a contract of the lane says is funded. `at`: its block's time, seconds of that chain."""

    role: Role
    terms: Terms
    at: int


@dataclass(frozen=True, slots=True)
class Reveal:
    """A claim, and what it made public. `swap`: the id; `at`: its block's time."""

    swap: bytes
    hashlock: bytes
    preimage: bytes
    at: int


def read_funding(log: Log, *, lane: Lane, role: Role, at: int) -> Funding:
    """Read a `Funded` log of the role's contract; the id is recomputed from lane and terms.

    Errors: `BadInput` EMITTER, LOCK_LOG, and those of `Terms.parse`; `Refused` OFFER_MIRROR (the id is another lane's).
    """
    _check_event(log, lane, role, FUNDED)
    terms = Terms.parse(log.data)
    if terms.id(lane.id) != log.topics[1]:
        raise Refused("OFFER_MIRROR", "the log's id is not of this lane and these terms", where=log.topics[1].hex())
    if log.topics[2] != terms.hashlock or log.topics[3][12:] != terms.leg(role).funder:
        raise BadInput("LOCK_LOG", "the log's topics contradict its terms", where=log.topics[1].hex())
    return Funding(role, terms, at)


def read_reveal(log: Log, *, lane: Lane, role: Role, at: int) -> Reveal:
    """Read a `Claimed` log of the role's contract. Errors: `BadInput` EMITTER, LOCK_LOG, `Refused` PREIMAGE_WRONG."""
    _check_event(log, lane, role, CLAIMED)
    if len(log.data) != 64:
        raise BadInput("LOCK_LOG", f"a claim's log has 64 bytes, not {len(log.data)}")
    swap, hashlock, preimage = log.topics[1], log.topics[2], log.data[32:]
    if hash_of(preimage) != hashlock:
        raise Refused("PREIMAGE_WRONG", "the log's preimage does not open its hash lock", where=swap.hex())
    return Reveal(swap, hashlock, preimage, at)


def _check_event(log: Log, lane: Lane, role: Role, event: bytes) -> None:
    if log.address != lane.end(role).lock:
        raise BadInput("EMITTER", f"the log is not of the {role}'s lock", where=f"0x{log.address.hex()}")
    if len(log.topics) != 4 or log.topics[0] != event:
        raise BadInput("LOCK_LOG", "not the log that was asked for")
