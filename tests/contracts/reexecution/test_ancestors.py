"""Ancestors' hashes for BLOCKHASH: linked hash by hash, fetched only when asked for, at most 256."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from contracts.reexecution.ancestors import DEPTH, Ancestors
from contracts.reexecution.verdict import Disagreement
from ledger.errors import Problem, Refused, Unavailable
from ledger.ethereum.header import Header
from tests.contracts.reexecution.test_header_rules import PARENT

JSON_NAMES = {
    "parentHash": "parent_hash", "sha3Uncles": "ommers_hash", "miner": "beneficiary", "stateRoot": "state_root",
    "transactionsRoot": "transactions_root", "receiptsRoot": "receipts_root", "logsBloom": "logs_bloom",
    "difficulty": "difficulty", "number": "number", "gasLimit": "gas_limit", "gasUsed": "gas_used",
    "timestamp": "timestamp", "extraData": "extra_data", "mixHash": "prev_randao", "nonce": "nonce",
    "baseFeePerGas": "base_fee_per_gas", "withdrawalsRoot": "withdrawals_root", "blobGasUsed": "blob_gas_used",
    "excessBlobGas": "excess_blob_gas", "parentBeaconBlockRoot": "parent_beacon_block_root",
    "requestsHash": "requests_hash", "hash": "hash",
}  # fmt: skip


def as_rpc(header: Header) -> dict[str, Any]:
    values = {name: getattr(header, field) for name, field in JSON_NAMES.items()}
    return {name: hex(v) if isinstance(v, int) else "0x" + v.hex() for name, v in values.items()}


class HeaderNode:
    """A node that has only headers, `length` of them."""

    url = "memory:"

    def __init__(self, length: int) -> None:
        self.headers = [replace(PARENT, number=0, parent_hash=bytes(32))]
        for number in range(1, length):
            self.headers.append(replace(PARENT, number=number, parent_hash=self.headers[-1].hash))
        self.exchanges = 0

    def request(self, method: str, *params: Any) -> Any:
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        self.exchanges += 1
        numbers = [int(params[0], 16) for _, params in calls]
        return [as_rpc(self.headers[number]) if number < len(self.headers) else None for number in numbers]


def test_a_long_chain_gives_256_hashes_parent_first() -> None:
    node = HeaderNode(300)
    hashes = list(Ancestors(node).of(node.headers[-1]))
    assert len(hashes) == DEPTH
    assert hashes == [header.hash for header in reversed(node.headers)][:DEPTH]


def test_a_young_chain_gives_all_it_has() -> None:
    node = HeaderNode(3)
    assert list(Ancestors(node).of(node.headers[-1])) == [header.hash for header in reversed(node.headers)]


def test_nothing_is_fetched_for_the_parent_and_its_parent_nor_twice() -> None:
    node = HeaderNode(100)
    ancestors = Ancestors(node)
    assert len(list(islice(ancestors.of(node.headers[-1]), 2))) == 2
    assert node.exchanges == 0
    list(islice(ancestors.of(node.headers[-1]), 30))
    once = node.exchanges
    list(islice(ancestors.of(node.headers[-1]), 30))
    assert node.exchanges == once == 1


@pytest.mark.parametrize("place", [97, 90, 60])
def test_a_header_that_is_not_the_one_its_child_names_is_refused(place: int) -> None:
    node = HeaderNode(100)
    parent = node.headers[-1]
    honest = node.headers[place]
    node.headers[place] = replace(honest, extra_data=b"another")
    with pytest.raises(Disagreement):
        list(Ancestors(node).of(parent))
    node.headers[place] = honest
    assert len(list(Ancestors(node).of(parent))) == 100


def test_a_header_whose_hash_is_false_or_that_is_missing_is_refused() -> None:
    node = HeaderNode(50)
    parent = node.headers[-1]
    node.headers = node.headers[:20]
    with pytest.raises(Unavailable):
        list(Ancestors(node).of(parent))

    class FalseHash(HeaderNode):
        def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
            return [reply | {"hash": "0x" + "00" * 32} for reply in super().batch(calls)]

    false = FalseHash(50)
    with pytest.raises(Refused) as refusal:
        list(Ancestors(false).of(false.headers[-1]))
    assert refusal.value.code == "HEADER_HASH"
    assert isinstance(refusal.value, Problem)
