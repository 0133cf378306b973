"""QBFT headers hash and seal as Besu does it: checked on what Besu made, then on every way to spell them wrongly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from ledger.errors import Refused
from ledger.ethereum import rlp_strict
from ledger.ethereum.header import Header, header_from_rlp, header_from_rpc
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.qbft import ExtraData, QbftHeader, Vote, quorum, read_extra, read_unsealed, validator_items
from ledger.headers.seals import check_seals, pack_seals
from tests.simulator.qbft import FORKS, QbftChain, changed, keys, seal

# Block 7528 of a Besu QBFT network of four validators, agreed in round 1. Values as they stand in the tests of
# github.com/datachainlab/besu-qbft-elc at 6336662a9bd3ed1f66da8914bc3fcfdcf07a8cf5, elc/src/header.rs.
BESU_VALIDATORS = tuple(
    bytes.fromhex(address)
    for address in (
        "647bfdd19655e51e69d35454ff3a92f8828e6302",
        "a5c8416b9d13417b45b45ada76408f39d1e504ef",
        "b92e91f4dcc9d28503be521afa2a8fbf3c1acf60",
        "ee3353e587cfa91625a1adaef308a726de3803d3",
    )
)
BESU_SEALS = tuple(
    bytes.fromhex(seal)
    for seal in (
        "bc7633fd65570f610a595086e9a34e5bf6aacfb67b8f8cd01852e6b285147f04"
        "6a50577b49378b86723ac9b456ef59ef7ab57cda7139d807f10f58e8cb10c67600",
        "ad1defc2b0b4a48158cff24778bb5ba4d9f373c171022ab0a42e37bdb0d40257"
        "18434d303a8d94df56ef9ad5219be9f27b2f67179a7fb82d3323dde29546f9f701",
        "e233d3670dd97c715f72b440eeb1ccb1e22c8c23f6ab470c46c99c2d0ee6509f"
        "0341a42e0e4569782557e93c3815e8ca4294043595f69a90f73f135de8ecf41e00",
    )
)
EMPTY_ROOT = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
BESU = QbftHeader(
    parent_hash=bytes.fromhex("0af93e70b1c6d3974a88a42eb70bb61adbd523bfac0c83027ba4637c52746a0f"),
    ommers_hash=bytes.fromhex("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"),
    beneficiary=BESU_VALIDATORS[3],
    state_root=bytes.fromhex("166ed98eea93ab2b6f6b1a425526994adc2d675bf9a0d77d600ed1e02d8f77df"),
    transactions_root=EMPTY_ROOT,
    receipts_root=EMPTY_ROOT,
    logs_bloom=bytes(256),
    difficulty=1,
    number=7528,
    gas_limit=0x47B760,
    gas_used=0,
    timestamp=1715495307,
    extra_data=ExtraData(bytes(32), BESU_VALIDATORS, None, 1, BESU_SEALS).rlp(),
    prev_randao=b"ctical byzantine fault tolerance",
    nonce=bytes(8),
)
BESU_SEAL_DIGEST = "75ea184f58cd3f0ef89032a069df01f07ec524ef3a85cf6d3e424d62130c0a32"
BESU_BYTES = (834, 630)  # with and without seals


def test_a_header_that_besu_sealed_has_the_digest_its_validators_signed() -> None:
    assert (len(BESU.rlp()), len(BESU.unsealed)) == BESU_BYTES
    assert BESU.seal_digest.hex() == BESU_SEAL_DIGEST
    assert check_seals(BESU, pack_seals(BESU)) == (0, 1, 3)
    assert header_from_rlp(BESU.rlp(), QbftHeader) == BESU
    assert read_unsealed(BESU.unsealed).extra == replace(BESU.extra, seals=())


# Besu's own vector for extra data (QbftExtraDataCodecTest): two validators, a vote to add, round 0xFEDCBA, two seals.
BESU_EXTRA = (
    "f8f0a00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
    "ea940000000000000000000000000000000000000001940000000000000000000000000000000000000002"
    "d794000000000000000000000000000000000000000181ff83fedcba"
    "f886b84100000000000000000000000000000000000000000000000000000000000000010000000000000000"
    "00000000000000000000000000000000000000000000000a00b841"
    "000000000000000000000000000000000000000000000000000000000000000a"
    "000000000000000000000000000000000000000000000000000000000000000100"
)


def address(number: int) -> bytes:
    return number.to_bytes(20, "big")


def test_extra_data_reads_and_writes_as_besu_writes_it() -> None:
    one, ten = (1).to_bytes(32, "big"), (10).to_bytes(32, "big")
    decoded = ExtraData(
        bytes(range(1, 33)),
        (address(1), address(2)),
        Vote(address(1), True),
        0xFEDCBA,
        (one + ten + b"\0", ten + one + b"\0"),
    )
    assert decoded.rlp().hex() == BESU_EXTRA
    assert read_extra(decoded.rlp()) == decoded


VOTES = (None, Vote(address(7), True), Vote(address(7), False))


@pytest.mark.parametrize("vote", VOTES)
def test_extra_data_round_trips(vote: Vote | None) -> None:
    for number in (0, 1, 127, 128, 2**31):
        extra = ExtraData(bytes(32), (address(1),), vote, number, (b"\x01" * 65,))
        assert read_extra(extra.rlp()) == extra


def items(**changes: Any) -> rlp_strict.Rlp:
    plain: dict[str, Any] = {"vanity": bytes(32), "validators": (address(1),), "vote": (), "round": b"", "seals": ()}
    return tuple((plain | changes).values())


MALFORMED: dict[str, rlp_strict.Rlp] = {
    "a_string": b"\x01" * 40,
    "nothing_in_it": (),
    "a_field_less": items()[:4],
    "a_field_more": (*items(), b""),
    "31_bytes_of_vanity": items(vanity=bytes(31)),
    "an_address_of_19_bytes": items(validators=(bytes(19),)),
    "a_list_for_an_address": items(validators=((address(1),),)),
    "validators_in_one_string": items(validators=address(1)),
    "a_vote_without_a_kind": items(vote=(address(1),)),
    "a_vote_of_another_kind": items(vote=(address(1), b"\x01")),
    "a_vote_for_nobody": items(vote=(b"", b"\xff")),
    # As the specification's first drafts, and some old vectors, wrote them.
    "an_empty_string_for_no_vote": items(vote=b""),
    "a_vote_to_drop_spelled_as_zero": items(vote=(address(1), b"\x00")),
    "a_round_in_four_bytes": items(round=b"\x00\x00\x00\x01"),
    "a_round_of_five_bytes": items(round=b"\x01" * 5),
    "a_seal_of_64_bytes": items(seals=(b"\x01" * 64,)),
    "seals_in_one_string": items(seals=b"\x01" * 65),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_D12_extra_data_is_refused_that_is(name: str) -> None:
    with pytest.raises(Refused, match="HEADER_HASH"):
        read_extra(rlp_strict.encode(MALFORMED[name]))
    read_extra(rlp_strict.encode(items()))


def test_D12_extra_data_with_bytes_after_it_or_of_another_chain_is_refused() -> None:
    for raw in (rlp_strict.encode(items()) + b"\x00", b"", b"geth", bytes(32)):
        with pytest.raises(Refused, match="HEADER_HASH"):
            read_extra(raw)


# -- hashes ------------------------------------------------------------------------------------------------------------


def test_the_hash_leaves_out_who_sealed_and_in_which_round() -> None:
    header = QbftChain(keys(4)).mine()
    others = (seal(header, ()), changed(header, round=77), seal(changed(header, round=1), keys(3)))
    assert {other.hash for other in others} == {header.hash}
    assert header.hash == keccak256(changed(header, round=0, seals=()).rlp())
    for other in (changed(header, vanity=b"\x01" * 32), changed(header, vote=Vote(address(1), True))):
        assert other.hash != header.hash


def test_the_genesis_block_is_hashed_as_it_stands() -> None:
    genesis = QbftChain(keys(4)).blocks[0]
    assert genesis.hash == keccak256(genesis.rlp())
    assert replace(genesis, extra_data=b"anything").hash == keccak256(replace(genesis, extra_data=b"anything").rlp())


def test_blocks_of_the_chain_continue_one_another() -> None:
    chain = QbftChain(keys(4))
    for _ in range(3):
        chain.mine(decided_in=1)
    for parent, child in zip(chain.blocks, chain.blocks[1:], strict=False):
        child.require_parent(parent)
    with pytest.raises(Refused, match="HEADER_HASH"):
        chain.blocks[3].require_parent(chain.blocks[1])


def as_rpc(header: QbftHeader, **changes: Any) -> dict[str, Any]:
    names = {
        "ommers_hash": "sha3Uncles",
        "beneficiary": "miner",
        "prev_randao": "mixHash",
        "parent_beacon_block_root": "parentBeaconBlockRoot",
    }
    block: dict[str, Any] = {"hash": f"0x{header.hash.hex()}"}
    for each in fields(Header):
        value = getattr(header, each.name)
        first, *rest = each.name.split("_")
        name = names.get(each.name, first + "".join(part.title() for part in rest))
        if value is not None:
            block[name] = f"0x{value.hex()}" if isinstance(value, bytes) else hex(value)
    return block | changes


def test_a_node_of_a_sealed_chain_is_believed_only_by_the_rule_of_its_chain() -> None:
    block = as_rpc(BESU)
    assert header_from_rpc(block, QbftHeader) == BESU
    with pytest.raises(Refused, match="HEADER_HASH"):
        header_from_rpc(block)
    plain = block | {"hash": f"0x{keccak256(BESU.rlp()).hex()}"}
    assert header_from_rpc(plain).number == BESU.number
    with pytest.raises(Refused, match="HEADER_HASH"):
        header_from_rpc(plain, QbftHeader)


@pytest.mark.parametrize("name", ["stateRoot", "timestamp", "extraData", "miner"])
def test_D12_a_changed_field_of_a_sealed_block_is_refused(name: str) -> None:
    block = as_rpc(BESU)
    other = {"extraData": "0x00", "timestamp": "0x1"}.get(name, block[name][:-1] + "e")
    with pytest.raises(Refused, match="HEADER_HASH"):
        header_from_rpc(block | {name: other}, QbftHeader)


# -- what a light client takes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fork", FORKS)
def test_the_headers_of_every_fork_are_read(fork: str) -> None:
    header = QbftChain(keys(4), fork=fork).mine()
    read = read_unsealed(header.unsealed)
    assert (read.hash, read.seal_digest, read.state_root) == (header.hash, header.seal_digest, header.state_root)


REFUSED: dict[str, tuple[Callable[[QbftHeader], QbftHeader], str]] = {
    "difficulty": (lambda h: replace(h, difficulty=2), "HEADER_HASH"),
    "mix_hash": (lambda h: replace(h, prev_randao=bytes(32)), "HEADER_HASH"),
    "nonce": (lambda h: replace(h, nonce=b"\xff" * 8), "HEADER_HASH"),
    "ommers": (lambda h: replace(h, ommers_hash=bytes(32)), "HEADER_HASH"),
    "a_gas_limit_of_nine_bytes": (lambda h: replace(h, gas_limit=2**64), "HEADER_HASH"),
    "a_base_fee_of_nine_bytes": (lambda h: replace(h, base_fee_per_gas=2**64), "HEADER_HASH"),
    "round_128": (lambda h: changed(h, round=128), "HEADER_HASH"),
    "three_validators": (lambda h: changed(h, validators=h.extra.validators[:3]), "CONFIG_SET"),
    "101_validators": (lambda h: changed(h, validators=tuple(map(address, range(1, 102)))), "CONFIG_SET"),
    "validators_in_a_contract": (lambda h: changed(h, validators=()), "SEAL_MODE"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_D12_a_light_client_refuses(name: str) -> None:
    build, code = REFUSED[name]
    header = QbftChain(keys(4)).mine()
    with pytest.raises(Refused) as refused:
        read_unsealed(build(header).unsealed)
    assert refused.value.code == code
    assert read_unsealed(header.unsealed).hash == header.hash


def test_D12_a_header_with_its_seals_or_more_bytes_than_any_is_refused() -> None:
    header = QbftChain(keys(4)).mine()
    for raw in (header.rlp(), replace(header, extra_data=bytes(4000)).rlp(), b"", header.unsealed + b"\x00"):
        with pytest.raises(Refused, match="HEADER_HASH"):
            read_unsealed(raw)


def test_the_quorum_is_two_thirds_rounded_up() -> None:
    assert [quorum(n) for n in range(4, 13)] == [3, 4, 4, 5, 6, 6, 7, 8, 8]
    # Two quorums always share more than the faulty: f = floor((n - 1) / 3).
    assert all(2 * quorum(n) - n > (n - 1) // 3 for n in range(1, 101))


def test_a_list_of_validators_is_hashed_as_it_stands_in_the_header() -> None:
    listed = validator_items(BESU_VALIDATORS)
    assert len(listed) == 4 * 21
    assert listed in BESU.rlp()
