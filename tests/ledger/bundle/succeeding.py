"""Rotations that really were ordered, and what a forger makes of them: the cases that every reader must judge alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from ledger import ed25519
from ledger.bundle import Notaries, TrustRoot
from ledger.bundle.succession import RotationOrder
from ledger.checkpoint import CosignerKey
from ledger.ethereum.keccak import keccak256
from ledger.membership import Member, operator_digest
from ledger.quorum import Committee, pack
from ledger.secp256k1 import SigningKey
from tests.ledger.bundle.estate import TRUST_ROOT, address

COMMITTEE = address(0xC0)  # of the origin's committee contract
KEYS = {epoch: tuple(SigningKey.from_secret(keccak256(b"%d %d" % (epoch, n))) for n in range(4)) for epoch in range(5)}


def members_of(epoch: int) -> tuple[Member, ...]:
    """The records of an epoch's members."""
    return tuple(
        Member(operator_digest(f"bank {n}"), key.address, ed25519.public_key(keccak256(b"cosign %d %d" % (epoch, n))))
        for n, key in enumerate(KEYS[epoch])
    )


def notaries_of(epoch: int) -> Notaries:
    """The same as a trust root names them."""
    members = members_of(epoch)
    cosigners = tuple(CosignerKey(f"bank-{n}.example/{epoch}", each.cosigning) for n, each in enumerate(members))
    return Notaries(Committee(epoch, tuple(each.attesting for each in members)), cosigners, 3)


def order_of(
    epoch: int, *, by: int | None = None, signers: Sequence[int] = (0, 1, 3), **changes: object
) -> RotationOrder:
    """The order of `epoch` to be followed by the next, signed by the keys of epoch `by` (its own where None)."""
    order = RotationOrder(7101, COMMITTEE, epoch, members_of(epoch + 1), bytes([epoch]) * 32, b"")
    order = replace(order, **changes)  # type: ignore[arg-type]
    keys = KEYS[epoch if by is None else by]
    return replace(order, signatures=pack({index: keys[index].sign(order.digest) for index in signers}))


HELD = replace(TRUST_ROOT, pinned=notaries_of(1), past=(notaries_of(0),))
SECOND = HELD.renewed(notaries_of(2), HELD.dated + timedelta(days=300))
THIRD = SECOND.renewed(notaries_of(3), SECOND.dated + timedelta(days=300))


@dataclass(frozen=True)
class Succession:
    """A trust root held, one offered, what should lead from one to the other, and the code of the answer."""

    held: TrustRoot
    offered: TrustRoot
    orders: Sequence[RotationOrder]
    code: str = ""


def _pinning(notaries: Notaries) -> TrustRoot:
    return replace(SECOND, pinned=notaries)


def _others(epoch: int) -> tuple[Member, ...]:
    """Records of epoch `epoch`, the last cosigning key exchanged."""
    *first, last = members_of(epoch)
    return (*first, replace(last, cosigning=ed25519.public_key(bytes([0x99]) * 32)))


_one, _two = order_of(1), order_of(2)
_flipped = replace(_one, signatures=_one.signatures[:-1] + bytes([_one.signatures[-1] ^ 1]))
_moved = replace(SECOND, anchor_registry=address(0xEE))
_short = replace(THIRD, past=(*HELD.past, HELD.pinned))
_twice = (members_of(2)[0],) * 4

CASES: dict[str, Succession] = {
    "one rotation": Succession(HELD, SECOND, [_one]),
    "two rotations": Succession(HELD, THIRD, [_one, _two]),
    "the later of two": Succession(SECOND, THIRD, [_two]),
    "signed by all": Succession(HELD, SECOND, [order_of(1, signers=(0, 1, 2, 3))]),
    "ordered on another of its chains": Succession(HELD, SECOND, [order_of(1, chain_id=7103)]),
    "no order at all": Succession(HELD, SECOND, [], "SET_EPOCH"),
    "the first order missing": Succession(HELD, THIRD, [_two], "SET_EPOCH"),
    "the last order missing": Succession(HELD, THIRD, [_one], "SET_EPOCH"),
    "orders turned round": Succession(HELD, THIRD, [_two, _one], "SET_EPOCH"),
    "an order repeated": Succession(HELD, SECOND, [_one, _one], "SET_EPOCH"),
    "an order too many": Succession(HELD, SECOND, [_one, _two], "SET_EPOCH"),
    "back to an earlier trust root": Succession(SECOND, HELD, [_one], "SET_EPOCH"),
    "nothing new": Succession(SECOND, SECOND, [], "SET_EPOCH"),
    "retired keys order the next epoch": Succession(HELD, SECOND, [order_of(1, by=0)], "SIG_UNKNOWN"),
    "retired keys order their own successors again": Succession(HELD, SECOND, [order_of(0), _one], "EPOCH_UNLINKED"),
    "those who follow order themselves": Succession(HELD, SECOND, [order_of(1, by=2)], "SIG_UNKNOWN"),
    "too few ordered it": Succession(HELD, SECOND, [order_of(1, signers=(0, 1))], "QUORUM"),
    "a signature spoilt": Succession(HELD, SECOND, [_flipped], "SIG_UNKNOWN"),
    "no signature": Succession(HELD, SECOND, [replace(_one, signatures=b"")], "SIG_LENGTH"),
    "an order of other members": Succession(HELD, SECOND, [order_of(1, members=members_of(4))], "ROTATION_ROOT"),
    "members exchanged after they signed": Succession(
        HELD, SECOND, [replace(_one, members=members_of(4))], "SIG_UNKNOWN"
    ),
    "another salt": Succession(HELD, SECOND, [replace(_one, salt=bytes(32))], "SIG_UNKNOWN"),
    "a cosigning key that nobody ordered": Succession(HELD, SECOND, [order_of(1, members=_others(2))], "ROTATION_ROOT"),
    "one member four times": Succession(HELD, SECOND, [order_of(1, members=_twice)], "CONFIG_SET"),
    "a chain that nobody named": Succession(HELD, SECOND, [order_of(1, chain_id=9)], "ROTATION_CHAIN"),
    "another contract slipped in": Succession(HELD, _moved, [_one], "ROTATION_ROOT"),
    "another log slipped in": Succession(
        HELD, replace(SECOND, log=replace(SECOND.log, name="other.example/log")), [_one], "ROTATION_ROOT"
    ),
    "notaries that nobody ordered": Succession(
        HELD, _pinning(replace(notaries_of(4), committee=Committee(2, notaries_of(4).committee.members))),
        [_one], "ROTATION_ROOT",
    ),
    "an epoch left out": Succession(HELD, _short, [_one, _two], "ROTATION_ROOT"),
    "the past rewritten": Succession(HELD, replace(SECOND, past=(notaries_of(1),)), [_one], "ROTATION_ROOT"),
    "dated back": Succession(HELD, replace(SECOND, dated=HELD.dated - timedelta(days=1)), [_one], "ROTATION_ROOT"),
}  # fmt: skip
