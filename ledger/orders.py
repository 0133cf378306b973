"""Orders of the quorum: announced first, carried out after a delay, once.

Twin of `contracts/vyper/order.vy`: what is signed, and the states an order goes through. Who signed is the
committee's to say (`ledger.rotation`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ledger.attestation import domain_separator, word
from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256 as keccak

WINDOW = 7 * 24 * 3600  # seconds in which a due order can be taken

_ORDER_TYPE = keccak(b"Order(bytes32 action,bytes32 salt,uint64 epoch)")
_APPROVAL_TYPE = keccak(b"Approval(bytes32 action,bytes32 salt,uint64 epoch)")


def action_of(function: str, *words: bytes) -> bytes:
    """The action of `<Contract>.<function>` with static arguments, one ABI word each."""
    return keccak(keccak(f"pledgetrail/order/{function}".encode()) + b"".join(words))


def order_digest(*, chain_id: int, contract: bytes, action: bytes, salt: bytes, epoch: int) -> bytes:
    """What a quorum signs so that a contract does something after its delay."""
    return _digest(_ORDER_TYPE, chain_id, contract, action, salt, epoch)


def approval_digest(*, chain_id: int, contract: bytes, action: bytes, salt: bytes, epoch: int) -> bytes:
    """What a quorum signs so that a contract releases at once what it held back."""
    return _digest(_APPROVAL_TYPE, chain_id, contract, action, salt, epoch)


def _digest(kind: bytes, chain_id: int, contract: bytes, action: bytes, salt: bytes, epoch: int) -> bytes:
    statement = keccak(kind + action + salt + word(epoch))
    return keccak(b"\x19\x01" + domain_separator(chain_id, contract) + statement)


@dataclass(frozen=True, slots=True)
class Orders:
    """The orders a contract knows. A value: each change gives a new one. `delay` in seconds."""

    delay: int
    _due: Mapping[tuple[bytes, bytes], tuple[int, int] | None] = field(default_factory=lambda: MappingProxyType({}))

    def announce(self, action: bytes, salt: bytes, *, epoch: int, now: int) -> Orders:
        """Keep an order that a quorum of the current epoch signed. Errors: `Refused` ORDER_REPEATED."""
        if (action, salt) in self._due:
            raise Refused("ORDER_REPEATED", "announced or approved before", cure="Sign it with another salt.")
        return self._with(action, salt, (epoch, now + self.delay))

    def take(self, action: bytes, salt: bytes, *, epoch: int, now: int) -> Orders:
        """Consume a due order. Errors: `Refused` ORDER_UNKNOWN, ORDER_REPEATED, ORDER_EARLY, ORDER_LAPSED."""
        if (action, salt) not in self._due:
            raise Refused("ORDER_UNKNOWN", "not announced")
        held = self._due[action, salt]
        if held is None:
            raise Refused("ORDER_REPEATED", "taken before")
        signed_in, due = held
        if now < due:
            raise Refused("ORDER_EARLY", f"due in {due - now} seconds")
        if now >= due + WINDOW or signed_in != epoch:
            raise Refused("ORDER_LAPSED", "its window is over, or another epoch has begun")
        return self._with(action, salt, None)

    def approve(self, action: bytes, salt: bytes) -> Orders:
        """Consume an approval that a quorum of the current epoch signed. Errors: `Refused` ORDER_REPEATED."""
        if (action, salt) in self._due:
            raise Refused("ORDER_REPEATED", "announced or approved before", cure="Sign it with another salt.")
        return self._with(action, salt, None)

    def _with(self, action: bytes, salt: bytes, held: tuple[int, int] | None) -> Orders:
        return Orders(self.delay, MappingProxyType({**self._due, (action, salt): held}))
