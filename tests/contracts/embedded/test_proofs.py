"""`eth_getProof` and `debug_dbGet`: what they give is checked by the ledger's own verifier, presence and absence."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak

from ledger.errors import Problem
from ledger.ethereum.header import header_from_rpc
from ledger.ethereum.trie import Absent, Present, account_key, decode_account, prove, slot_key
from tests.contracts.embedded.conftest import HandChain
from tests.contracts.embedded.probe import STRANGER, calldata


def raw(nodes: list[str]) -> list[bytes]:
    return [bytes.fromhex(node[2:]) for node in nodes]


def state_root(hand: HandChain, block: str) -> bytes:
    """From the header, whose hash the ledger has recomputed."""
    return header_from_rpc(hand.request("eth_getBlockByNumber", block, False)).state_root


def proof_of(hand: HandChain, address: str, slots: list[str], block: str = "latest") -> dict[str, Any]:
    proof: dict[str, Any] = hand.request("eth_getProof", address, slots, block)
    return proof


def values_slot(key: int) -> int:
    """Where Vyper keeps `values[key]`: slot 0's map hashes the slot, then the key."""
    return int.from_bytes(keccak(bytes(32) + key.to_bytes(32, "big")), "big")


def test_an_account_and_its_slots_are_proven_at_any_block(hand: HandChain) -> None:
    probe = hand.deploy()
    empty_at = hand.request("eth_blockNumber")
    hand.send(to=probe, data=calldata("put_many(uint256,uint256,uint256)", 0, 40, 7), gas=5_000_000)
    for block, expected in ((empty_at, 0), ("latest", 7)):
        slots = [hex(values_slot(key)) for key in (0, 17, 39)]
        proof = proof_of(hand, probe, slots, block)
        found = prove(state_root(hand, block), account_key(bytes.fromhex(probe[2:])), raw(proof["accountProof"]))
        assert isinstance(found, Present)
        account = decode_account(found.value)
        assert proof["storageHash"] == "0x" + account.storage_root.hex()
        assert (proof["nonce"], proof["balance"]) == (hex(account.nonce), hex(account.balance))
        assert proof["codeHash"] == "0x" + account.code_hash.hex()
        for entry in proof["storageProof"]:
            shown = prove(account.storage_root, slot_key(int(entry["key"], 16)), raw(entry["proof"]))
            assert shown == (Present(bytes([expected])) if expected else Absent())
            assert entry["value"] == hex(expected)


def test_what_does_not_exist_is_proven_absent(hand: HandChain) -> None:
    probe = hand.deploy()
    hand.send(to=probe, data=calldata("put_many(uint256,uint256,uint256)", 0, 40, 7), gas=5_000_000)
    root = state_root(hand, "latest")
    for number in range(40):  # some paths end at an empty branch, some at another account's leaf
        address = number.to_bytes(20, "big") if number > 16 else b"\xdd" * 19 + bytes([number])
        proof = proof_of(hand, "0x" + address.hex(), ["0x1"])
        assert prove(root, account_key(address), raw(proof["accountProof"])) == Absent()
        assert (proof["balance"], proof["nonce"]) == ("0x0", "0x0")
        assert proof["storageProof"] == [{"key": "0x1", "value": "0x0", "proof": []}]
    account = proof_of(hand, probe, [])
    for key in range(100, 140):
        slot = values_slot(key)
        entry = proof_of(hand, probe, [hex(slot)])["storageProof"][0]
        assert prove(bytes.fromhex(account["storageHash"][2:]), slot_key(slot), raw(entry["proof"])) == Absent()


def test_a_proof_with_one_byte_changed_is_refused_by_the_verifier(hand: HandChain) -> None:
    hand.send(value=1)
    root, key = state_root(hand, "latest"), account_key(bytes.fromhex(STRANGER[2:]))
    honest = raw(proof_of(hand, STRANGER, [])["accountProof"])
    for index, node in enumerate(honest):
        forged = [*honest[:index], node[:-1] + bytes([node[-1] ^ 1]), *honest[index + 1 :]]
        with pytest.raises(Problem):
            prove(root, key, forged)
    assert isinstance(prove(root, key, honest), Present)


def test_keys_come_back_in_the_form_they_were_asked_in(hand: HandChain) -> None:
    full = "0x" + "00" * 31 + "05"
    keys = [entry["key"] for entry in proof_of(hand, STRANGER, ["0x5", full, "0x05"])["storageProof"]]
    assert keys == ["0x5", full, "0x5"]


def test_trie_nodes_and_code_are_given_by_their_hash(hand: HandChain) -> None:
    probe = hand.deploy()
    proof = proof_of(hand, probe, [])
    for node in raw(proof["accountProof"]):
        assert hand.request("debug_dbGet", "0x" + keccak(node).hex()) == "0x" + node.hex()
    assert hand.request("debug_dbGet", proof["codeHash"]) == hand.request("eth_getCode", probe, "latest")
    assert hand.request("debug_dbGet", "0x" + "ee" * 32) == {"code": -32000, "message": "not found"}


@pytest.mark.parametrize("block", ["0x7", "0x" + "ab" * 32, {"blockNumber": "0x7"}])
def test_a_block_that_is_not_there_is_no_proof(hand: HandChain, block: object) -> None:
    assert hand.request("eth_getProof", STRANGER, [], block) == {"code": -32000, "message": "header not found"}


@pytest.mark.parametrize(
    "params",
    [
        [STRANGER],
        [STRANGER, "0x0"],
        [STRANGER, ["0x"]],
        [STRANGER, ["0x" + "1" * 65]],
        [STRANGER, [0]],
        [STRANGER, ["0x0"] * 1025],
        [STRANGER[:-1], []],
        [STRANGER, [], "newest"],
    ],
)
def test_malformed_questions_are_refused(hand: HandChain, params: list[Any]) -> None:
    assert hand.request("eth_getProof", *params)["code"] == -32602
