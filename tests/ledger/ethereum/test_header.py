"""A header is its hash: one wrong, missing, extra or misplaced field and it is refused. Row D12."""

from dataclasses import replace
from typing import Any

import pytest
from eth.vm.forks.prague.blocks import PragueBlockHeader

from ledger.errors import Refused
from ledger.ethereum import rlp_strict
from ledger.ethereum.header import FIELD_COUNTS, Header, header_from_rlp, header_from_rpc

MAINNET_GENESIS = {
    "parentHash": "0x" + "00" * 32,
    "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
    "miner": "0x" + "00" * 20,
    "stateRoot": "0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544",
    "transactionsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
    "receiptsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
    "logsBloom": "0x" + "00" * 256,
    "difficulty": "0x400000000",
    "number": "0x0",
    "gasLimit": "0x1388",
    "gasUsed": "0x0",
    "timestamp": "0x0",
    "extraData": "0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa",
    "mixHash": "0x" + "00" * 32,
    "nonce": "0x0000000000000042",
    "hash": "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
}
LATER_FIELDS = {
    "baseFeePerGas": "0x7",
    "withdrawalsRoot": "0x" + "11" * 32,
    "blobGasUsed": "0x0",
    "excessBlobGas": "0x20000",
    "parentBeaconBlockRoot": "0x" + "22" * 32,
    "requestsHash": "0x" + "33" * 32,
}
BY_COUNT = {15: 0, 16: 1, 17: 2, 20: 5, 21: 6}


def block(count: int = 21, **changes: Any) -> dict[str, Any]:
    """A block object of a fork with `count` header fields, its hash stated correctly before `changes`."""
    fields = MAINNET_GENESIS | {"number": "0x10"} | dict(list(LATER_FIELDS.items())[: BY_COUNT[count]])
    values = [v for k, v in fields.items() if k != "hash"]
    integers = {"difficulty", "number", "gasLimit", "gasUsed", "timestamp"}
    integers |= {"baseFeePerGas", "blobGasUsed", "excessBlobGas"}
    items = [
        rlp_strict.encode_int(int(v, 16)) if k in integers else bytes.fromhex(v[2:])
        for k, v in zip((k for k in fields if k != "hash"), values, strict=True)
    ]
    fields["hash"] = "0x" + header_from_rlp(rlp_strict.encode(tuple(items))).hash.hex()
    return fields | {"size": "0x21d", "transactions": [], "uncles": []} | changes


def refusal(fields: dict[str, Any]) -> str:
    with pytest.raises(Refused) as refused:
        header_from_rpc(fields)
    return refused.value.code


def test_the_first_mainnet_block_has_its_hash() -> None:
    header = header_from_rpc(MAINNET_GENESIS)
    assert header.hash.hex() == MAINNET_GENESIS["hash"][2:]
    assert header.base_fee_per_gas is None


@pytest.mark.parametrize("count", FIELD_COUNTS)
def test_the_headers_of_every_fork_round_trip(count: int) -> None:
    header = header_from_rpc(block(count))
    assert header_from_rlp(header.rlp()) == header
    assert len(rlp_strict.decode(header.rlp())) == count


def test_a_prague_header_hashes_as_py_evm_hashes_it() -> None:
    ours = header_from_rpc(block())
    theirs = PragueBlockHeader(
        difficulty=ours.difficulty,
        block_number=ours.number,
        gas_limit=ours.gas_limit,
        timestamp=ours.timestamp,
        parent_hash=ours.parent_hash,
        state_root=ours.state_root,
        extra_data=ours.extra_data,
        nonce=ours.nonce,
        base_fee_per_gas=7,
        withdrawals_root=b"\x11" * 32,
        excess_blob_gas=0x20000,
        parent_beacon_block_root=b"\x22" * 32,
        requests_hash=b"\x33" * 32,
    )
    assert ours.hash == theirs.hash


@pytest.mark.parametrize("name", [name for name in block() if name not in ("size", "transactions", "uncles")])
def test_d12_a_missing_field_is_refused(name: str) -> None:
    fields = block()
    del fields[name]
    assert refusal(fields) == "HEADER_HASH"
    assert refusal(block() | {name: None}) == "HEADER_HASH"


@pytest.mark.parametrize("name", [name for name in block() if name not in ("size", "transactions", "uncles")])
def test_d12_a_changed_field_is_refused(name: str) -> None:
    value = block()[name]
    changed = value[:-1] + ("1" if value[-1] != "1" else "2")
    assert refusal(block(**{name: changed})) == "HEADER_HASH"
    assert refusal(block(**{name: value + "00"})) == "HEADER_HASH"
    assert refusal(block(**{name: 7})) == "HEADER_HASH"


def test_d12_exchanged_fields_are_refused() -> None:
    fields = block()
    fields["gasLimit"], fields["difficulty"] = fields["difficulty"], fields["gasLimit"]
    assert refusal(fields) == "HEADER_HASH"
    assert header_from_rpc(block()).number == 16


def test_d12_a_field_of_a_later_fork_added_to_an_older_header_is_refused() -> None:
    for count, extra in ((15, "baseFeePerGas"), (16, "withdrawalsRoot"), (20, "requestsHash")):
        assert refusal(block(count) | {extra: LATER_FIELDS[extra]}) == "HEADER_HASH"
        assert header_from_rpc(block(count))


@pytest.mark.parametrize("count", [0, 14, 18, 19, 22])
def test_d12_a_length_that_no_fork_has_is_refused(count: int) -> None:
    items = rlp_strict.decode(header_from_rpc(block()).rlp())
    assert isinstance(items, tuple)
    with pytest.raises(Refused) as refused:
        header_from_rlp(rlp_strict.encode((*items, b"\x01")[:count]))
    assert refused.value.code == "HEADER_HASH"


@pytest.mark.parametrize(
    ("place", "item"),
    [
        (0, b"\x01" * 31),
        (6, b"\x00" * 255),
        (8, b"\x00"),
        (8, b"\x01" * 33),
        (14, b""),
        (3, (b"",)),
        (12, b"x" * 20_000),
    ],
    ids=[
        "short parent",
        "short bloom",
        "zero number",
        "wide number",
        "no nonce",
        "list",
        "endless extra data",
    ],
)
def test_d12_a_malformed_item_is_refused(place: int, item: rlp_strict.Rlp) -> None:
    items = rlp_strict.decode(header_from_rpc(block()).rlp())
    assert isinstance(items, tuple)
    with pytest.raises(Refused) as refused:
        header_from_rlp(rlp_strict.encode((*items[:place], item, *items[place + 1 :])))
    assert refused.value.code == "HEADER_HASH"


def test_d12_a_block_of_another_chain_or_an_uncle_is_no_child() -> None:
    parent = header_from_rpc(block())
    child = replace(parent, number=17, parent_hash=parent.hash, timestamp=12)
    child.require_parent(parent)
    wrong: list[tuple[Header, Header]] = [
        (replace(child, extra_data=b"fork"), replace(parent, extra_data=b"another chain, same number")),
        (replace(child, number=18), parent),
        (replace(child, number=16), parent),
        (replace(parent, extra_data=b"uncle"), parent),
        (replace(child, timestamp=4), replace(parent, timestamp=5)),
    ]
    for younger, older in wrong:
        with pytest.raises(Refused) as refused:
            younger.require_parent(older)
        assert refused.value.code == "HEADER_HASH"
