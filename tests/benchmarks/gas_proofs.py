"""What Merkle-Patricia proofs cost to check, without the headers they hang from: the frame of the checking function.

The place proven is of median size among a sample, since depths differ from key to key.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from trie import HexaryTrie

from ledger.ethereum.keccak import keccak256
from ledger.ethereum.packed_nodes import pack_nodes
from ledger.ethereum.rlp_strict import encode, encode_int
from ledger.ethereum.trie import ordered_proof, ordered_root
from ledger.ethereum.tx_receipt import Log, TxReceipt, bloom_of
from tests.benchmarks.gas_figures import Spent, Work
from tests.contracts.evm import Outcome
from tests.contracts.proofs import Proofs, deployed_proofs

COUNT: Final = 1024  # accounts, and slots of one account
SAMPLE: Final = 15
RECEIPTS: Final = 200  # in the block
CODE_HASH: Final = keccak256(b"code")


def works() -> Iterator[Work]:
    """Every line of this part of the table."""
    yield Work("storage proof, 1,024 accounts x 1,024 slots", storage, kind="storage", basis="frame_gas", is_quick=True)
    yield Work("receipt proof, 200 receipts, one log of three", receipt, is_quick=True)


def storage() -> Spent:
    """One slot of one account under a state root."""
    slots = HexaryTrie({})
    for slot in range(COUNT):
        slots[keccak256(slot.to_bytes(32, "big"))] = encode(encode_int(10**18 + slot))
    account = encode((encode_int(1), b"", slots.root_hash, CODE_HASH))
    accounts = HexaryTrie({})
    for index in range(COUNT):
        accounts[keccak256(_address(index))] = account
    index = _median({each: _nodes(accounts, _address(each)) for each in range(SAMPLE)})
    slot = _median({each: _nodes(slots, each.to_bytes(32, "big")) for each in range(SAMPLE)})
    packed = pack_nodes(_nodes(accounts, _address(index)) + _nodes(slots, slot.to_bytes(32, "big")))
    arguments = (accounts.root_hash, _address(index), slot.to_bytes(32, "big"), packed, False)
    outcome = _proofs().contract.send("storage", *arguments)
    assert outcome.values[1] == (True, 10**18 + slot)
    return _spent(outcome)


def receipt() -> Spent:
    """One log of one transaction under a receipts root."""
    logs = tuple(Log(b"\x6a" * 20, (keccak256(b"%d" % place),), bytes(96)) for place in range(3))
    raw = [TxReceipt(2, 1, 100_000 * (index + 1), bloom_of(logs), logs).encode() for index in range(RECEIPTS)]
    index = RECEIPTS // 2
    arguments = (ordered_root(raw), index, 1, pack_nodes(ordered_proof(raw, index)))
    outcome = _proofs().contract.send("receipt_log", *arguments)
    assert outcome.values[0] == b"\x6a" * 20
    return _spent(outcome)


@cache
def _proofs() -> Proofs:
    return deployed_proofs(exact=True)


def _spent(outcome: Outcome) -> Spent:
    return Spent(outcome.gas, outcome.gas_frame)


def _address(index: int) -> bytes:
    return keccak256(b"account %d" % index)[:20]


def _nodes(tree: HexaryTrie, key: bytes) -> list[bytes]:
    return [encode(node) for node in tree.get_proof(keccak256(key))]


def _median(proofs: dict[int, list[bytes]]) -> int:
    return sorted(proofs, key=lambda each: (sum(map(len, proofs[each])), each))[len(proofs) // 2]
