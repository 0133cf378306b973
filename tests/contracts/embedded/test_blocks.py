"""What a block is: its hash, its system writes, its time, and what stays readable of it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import rlp
from eth_hash.auto import keccak

from contracts.embedded.genesis import Genesis
from contracts.embedded.proofs import EMPTY_TRIE_ROOT
from tests.contracts.embedded.conftest import START, HandChain, HandClock
from tests.contracts.embedded.probe import ETHER, GWEI, STRANGER, calldata, genesis

HISTORY = "0x0000f90827f1c53a10cb7a02335b175320002935"
BEACON_ROOTS = "0x000f3df6d732807ef1319fb7b8bb8522d0beac02"
# EIP-2935 and EIP-4788: keccak256 of the official runtime code.
HISTORY_CODE_HASH = "0x6e49e66782037c0555897870e29fa5e552daf4719552131a0abce779daec0a5d"
BEACON_ROOTS_CODE_HASH = "0xf57acd40259872606d76197ef052f3d35588dadf919ee1f0e3cb9b62d3f4b02c"
RING = 8191
# The order of a Prague header's fields (EIP-7685).
ORDER = [
    "parentHash",
    "sha3Uncles",
    "miner",
    "stateRoot",
    "transactionsRoot",
    "receiptsRoot",
    "logsBloom",
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "extraData",
    "mixHash",
    "nonce",
    "baseFeePerGas",
    "withdrawalsRoot",
    "blobGasUsed",
    "excessBlobGas",
    "parentBeaconBlockRoot",
    "requestsHash",
]
NUMBERS = frozenset(
    ["difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed", "excessBlobGas"]
)


def header_hash(block: dict[str, Any]) -> str:
    """keccak256 of the header's RLP, from the JSON alone."""
    fields = [int(block[name], 16) if name in NUMBERS else bytes.fromhex(block[name][2:]) for name in ORDER]
    return "0x" + keccak(rlp.encode(fields)).hex()


def blocks_of(hand: HandChain) -> list[dict[str, Any]]:
    last = int(hand.request("eth_blockNumber"), 16)
    return [hand.request("eth_getBlockByNumber", hex(number), True) for number in range(last + 1)]


def test_every_block_hash_is_that_of_its_fields_and_names_its_parent(hand: HandChain) -> None:
    probe = hand.deploy()
    hand.send(to=probe, data=calldata("put(uint256,uint256)", 1, 2))
    hand.chain.mine()
    blocks = blocks_of(hand)
    assert len(blocks) == 4
    assert [header_hash(block) for block in blocks] == [block["hash"] for block in blocks]
    assert all(child["parentHash"] == parent["hash"] for parent, child in pairwise(blocks))


def test_a_header_holds_what_a_chain_without_validators_must_say(hand: HandChain) -> None:
    hand.send()
    block = hand.request("eth_getBlockByNumber", "latest", False)
    assert block["difficulty"] == "0x0"
    assert block["nonce"] == "0x0000000000000000"
    assert block["withdrawalsRoot"] == "0x" + EMPTY_TRIE_ROOT.hex()
    assert block["parentBeaconBlockRoot"] == "0x" + "00" * 32
    assert (block["blobGasUsed"], block["excessBlobGas"]) == ("0x0", "0x0")
    # EIP-7685: SHA-256 of nothing, because no request was made.
    assert block["requestsHash"] == "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_system_contracts_carry_their_official_code(hand: HandChain) -> None:
    for address, code_hash in ((HISTORY, HISTORY_CODE_HASH), (BEACON_ROOTS, BEACON_ROOTS_CODE_HASH)):
        assert hand.request("eth_getProof", address, [], "earliest")["codeHash"] == code_hash
        code = bytes.fromhex(hand.request("eth_getCode", address, "latest")[2:])
        assert "0x" + keccak(code).hex() == code_hash


def test_each_block_writes_its_parents_hash_and_its_time(hand: HandChain) -> None:
    """EIP-2935 and EIP-4788, whether the block holds a transaction or not."""
    hand.chain.mine()
    hand.send()
    for block in blocks_of(hand)[1:]:
        number, timestamp = int(block["number"], 16), int(block["timestamp"], 16)
        written = hand.request("eth_getStorageAt", HISTORY, hex((number - 1) % RING), hex(number))
        assert written == block["parentHash"]
        time_slot, root_slot = timestamp % RING, timestamp % RING + RING
        assert int(hand.request("eth_getStorageAt", BEACON_ROOTS, hex(time_slot), hex(number)), 16) == timestamp
        assert int(hand.request("eth_getStorageAt", BEACON_ROOTS, hex(root_slot), hex(number)), 16) == 0


def test_contracts_read_the_written_hashes_through_the_system_contract(hand: HandChain) -> None:
    for _ in range(3):
        hand.chain.mine()
    wanted = hand.request("eth_getBlockByNumber", "0x1", False)["hash"]
    asked = {"to": HISTORY, "data": "0x" + (1).to_bytes(32, "big").hex()}
    assert hand.request("eth_call", asked, "latest") == wanted
    # The state root of a block reflects its write: the parent does not know its own hash yet.
    assert hand.request("eth_getStorageAt", HISTORY, "0x1", "0x1") == "0x" + "00" * 32


def test_the_history_is_a_ring(tmp_path: Path) -> None:
    hand = HandChain(tmp_path / "ring", HandClock())
    hand.chain.mine()
    slot = hand.request("eth_getStorageAt", HISTORY, "0x0", "latest")
    assert slot == hand.request("eth_getBlockByNumber", "0x0", False)["hash"]
    hand.chain.close()


def test_time_is_the_clocks_and_never_stands_still_or_goes_back(hand: HandChain, clock: HandClock) -> None:
    times = [hand.chain.mine().header.timestamp for _ in range(2)]
    clock.now = START - 1000
    times.append(hand.chain.mine().header.timestamp)
    clock.now = START + 500.9
    times.append(hand.chain.mine().header.timestamp)
    assert times == [START, START + 1, START + 2, START + 500]


def test_several_transactions_share_a_block_in_the_order_they_came(hand: HandChain) -> None:
    digests = [hand.chain.submit(hand.wallet.sign(nonce, value=nonce)) for nonce in range(20)]
    block = hand.chain.mine()
    assert [transaction.hash for transaction in block.transactions] == digests
    receipts = hand.request("eth_getBlockReceipts", "latest")
    assert [receipt["cumulativeGasUsed"] for receipt in receipts] == [hex(21_000 * n) for n in range(1, 21)]
    assert {receipt["gasUsed"] for receipt in receipts} == {hex(21_000)}


def test_what_exceeds_a_block_goes_into_the_next(hand: HandChain) -> None:
    probe = hand.deploy()
    for nonce in range(1, 4):  # each burns all of its limit, and two fit into 30 million
        hand.chain.submit(hand.wallet.sign(nonce, to=probe, data=calldata("burn()"), gas=14_000_000))
    assert [len(hand.chain.mine().transactions) for _ in range(2)] == [2, 1]
    assert not hand.chain.has_turns()


def test_a_block_and_its_state_stay_readable_when_the_chain_has_moved_on(hand: HandChain) -> None:
    before = hand.request("eth_getBlockByNumber", "latest", False)["number"]
    hand.send(value=ETHER)
    hand.send(value=ETHER)
    assert hand.request("eth_getBalance", STRANGER, before) == "0x0"
    assert hand.request("eth_getBalance", STRANGER, hex(int(before, 16) + 1)) == hex(ETHER)
    assert hand.request("eth_getBalance", STRANGER, "latest") == hex(2 * ETHER)


def test_reading_again_after_reopening_gives_the_same(hand: HandChain) -> None:
    probe = hand.deploy()
    for key in range(3):
        hand.send(to=probe, data=calldata("put(uint256,uint256)", key, 2), type=key)
    before = [blocks_of(hand), [hand.request("eth_getBlockReceipts", hex(n)) for n in range(5)]]
    hand.reopen()
    assert [blocks_of(hand), [hand.request("eth_getBlockReceipts", hex(n)) for n in range(5)]] == before


def test_the_same_genesis_gives_the_same_chain_and_another_id_another(tmp_path: Path) -> None:
    hashes = []
    for name, chosen in (("a", genesis()), ("b", genesis()), ("c", genesis(chain_id=7102))):
        hand = HandChain(tmp_path / name, HandClock(), chain_id=chosen.chain_id)
        hashes.append(hand.chain.archive.head.hash)
        hand.chain.close()
    assert hashes[0] == hashes[1] != hashes[2]


def test_fees_go_where_the_genesis_says_and_the_base_fee_is_burnt(tmp_path: Path) -> None:
    collector = "0x" + "cc" * 20
    hand = HandChain(tmp_path / "fees", HandClock(), fee_recipient=collector)
    receipt = hand.send(maxPriorityFeePerGas=GWEI // 2)
    assert hand.request("eth_getBalance", collector, "latest") == hex(21_000 * GWEI // 2)
    base_fee = int(hand.request("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
    assert int(receipt["effectiveGasPrice"], 16) == base_fee + GWEI // 2
    hand.chain.close()


def test_an_untipped_block_leaves_no_empty_fee_account_behind(hand: HandChain) -> None:
    """EIP-161: the fee recipient is touched by every transaction, and must not come to exist by that."""
    hand.send(maxPriorityFeePerGas=0)
    proof = hand.request("eth_getProof", "0x" + "00" * 20, [], "latest")
    last_node = rlp.decode(bytes.fromhex(proof["accountProof"][-1][2:]))
    assert proof["balance"] == "0x0"
    path = keccak(bytes(20)).hex()
    depth = len(proof["accountProof"]) - 1
    # The walk ends at an empty branch slot or at another account's leaf: never at a leaf of this account.
    ends_elsewhere = len(last_node) == 2 and not path.endswith(last_node[0].hex().lstrip("23")[1:])
    assert (len(last_node) == 17 and last_node[int(path[depth], 16)] == b"") or ends_elsewhere


def test_a_genesis_survives_its_own_text(hand: HandChain) -> None:
    chosen = genesis(timestamp=5, fee_recipient="0x" + "ab" * 20)
    assert Genesis.from_json(chosen.to_json()) == chosen
