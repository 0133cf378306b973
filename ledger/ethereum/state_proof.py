"""What a state root says about an account and one of its slots; the twin of `state_proof.vy`.

Presence and absence are different types. A chain removes a slot that becomes zero, so a leaf that holds zero is
refused, unless the chain's manifest says that its tries keep such leaves; there it means what an absent one means.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.errors import BadInput, Refused
from ledger.ethereum import rlp_strict
from ledger.ethereum.packed_nodes import unpack_nodes
from ledger.ethereum.trie import Absent, Account, account_key, decode_account, prove_first, slot_key

MAX_PROOF_BYTES = 8192  # what a contract takes
MIN_PROOF_BYTES = 32  # a contract reads words; no proof of a chain's tries is shorter


def prove_account(state_root: bytes, address: bytes, nodes: Sequence[bytes]) -> tuple[Account | Absent, int]:
    """The account at a 20-byte address, or that there is none, and how many nodes that took.

    Errors: those of `prove_first` and `decode_account`.
    """
    found, used = prove_first(state_root, account_key(address), nodes)
    return (found if isinstance(found, Absent) else decode_account(found.value)), used


def prove_slot(
    storage_root: bytes, slot: int, nodes: Sequence[bytes], *, keeps_zero_leaves: bool = False
) -> tuple[int | Absent, int]:
    """The value of a slot (1 to 2**256 - 1), or that it is unset, and how many nodes that took.

    Errors: those of `prove_first`; `Refused` ZERO_LEAF; `BadInput` RLP_* for a leaf that holds no integer.
    """
    found, used = prove_first(storage_root, slot_key(slot), nodes)
    if isinstance(found, Absent):
        return found, used
    return read_slot(found.value, keeps_zero_leaves=keeps_zero_leaves), used


def read_slot(leaf: bytes, *, keeps_zero_leaves: bool) -> int | Absent:
    """A slot's value from its leaf. Errors: `Refused` ZERO_LEAF, `BadInput` RLP_*."""
    value = rlp_strict.decode_int(rlp_strict.decode(leaf))
    if value:
        return value
    if not keeps_zero_leaves:
        raise Refused("ZERO_LEAF", "a leaf holds zero, which this chain removes", cure="Compare the chain's manifest.")
    return Absent()


def prove_storage(
    state_root: bytes, address: bytes, slot: int, packed: bytes, *, keeps_zero_leaves: bool = False
) -> tuple[Account | Absent, int | Absent]:
    """An account and one of its slots from packed nodes: the account's, then the slot's, and nothing else.

    Where the account is absent its slot is too, and no node of a slot may follow. Errors: as above; `BadInput`
    PROOF_SIZE, PROOF_TRUNCATED; `Refused` PROOF_SUPERFLUOUS.
    """
    if not MIN_PROOF_BYTES <= len(packed) <= MAX_PROOF_BYTES:
        raise BadInput("PROOF_SIZE", f"{len(packed)} bytes are not {MIN_PROOF_BYTES} to {MAX_PROOF_BYTES}")
    nodes = unpack_nodes(packed)
    account, used = prove_account(state_root, address, nodes)
    value: int | Absent = Absent()
    if isinstance(account, Account):
        value, more = prove_slot(account.storage_root, slot, nodes[used:], keeps_zero_leaves=keeps_zero_leaves)
        used += more
    if used != len(nodes):
        raise Refused("PROOF_SUPERFLUOUS", "nodes are left over", where=f"node {used}")
    return account, value
