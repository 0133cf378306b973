"""`state_proof.vy` and its twin read the same from a state root, on real chains' tries too. Rows D05, D07, D08."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.node import Node, RpcNode
from contracts.transactor import Transactor
from ledger.errors import BadInput, Problem
from ledger.ethereum import rlp_strict
from ledger.ethereum.header import header_from_rpc
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.packed_nodes import pack_nodes, unpack_nodes
from ledger.ethereum.partial_trie import PartialTrie
from ledger.ethereum.rlp_strict import Rlp
from ledger.ethereum.state_proof import MAX_PROOF_BYTES, prove_storage
from ledger.ethereum.trie import EMPTY_ACCOUNT, Absent, Account, account_key, slot_key, trie_of
from tests.chains import DEPLOYER, anvil, fund
from tests.contracts.embedded.conftest import HandChain, clock, hand  # noqa: F401 - fixtures
from tests.contracts.embedded.probe import STRANGER, calldata, clear_calldata, initcode
from tests.contracts.embedded.test_proofs import values_slot
from tests.contracts.evm import Reverted
from tests.contracts.proofs import Proofs, deployed_proofs

ADDRESS, NOBODY = b"\xac" * 20, b"\xee" * 20
SLOTS = {0: 1, 1: 0x7F, 2: 0x80, 3: 2**256 - 1, 4: 2**255, 5: 256}
CODE = keccak256(b"code")


@pytest.fixture(scope="module")
def proofs() -> Proofs:
    return deployed_proofs()


def leaf(value: int) -> bytes:
    return rlp_strict.encode(rlp_strict.encode_int(value))


def storage(extra: dict[int, bytes] | None = None) -> PartialTrie:
    filled = {slot_key(slot): leaf(value) for slot, value in SLOTS.items()}
    filled |= {slot_key(slot): leaf(slot) for slot in range(1000, 1100)}
    return trie_of(filled | {slot_key(slot): raw for slot, raw in (extra or {}).items()})


def state(account: bytes) -> PartialTrie:
    others = {account_key(bytes([n]) * 20): replace(EMPTY_ACCOUNT, nonce=n).rlp() for n in range(1, 100)}
    return trie_of({**others, account_key(ADDRESS): account})


def packed(top: PartialTrie, below: PartialTrie, slot: int, address: bytes = ADDRESS) -> bytes:
    return pack_nodes([*top.proof(account_key(address)), *below.proof(slot_key(slot))])


def both_read(
    proofs: Proofs, root: bytes, address: bytes, slot: int, proof: bytes, *, keeps_zero_leaves: bool = False
) -> tuple[Account | Absent, int | Absent]:
    by_twin = prove_storage(root, address, slot, proof, keeps_zero_leaves=keeps_zero_leaves)
    assert proofs.storage(root, address, slot, proof, keeps_zero_leaves=keeps_zero_leaves) == by_twin
    return by_twin


def both_refuse(
    proofs: Proofs, root: bytes, slot: int, proof: bytes, code: str, reason: str, address: bytes = ADDRESS
) -> None:
    with pytest.raises(Problem) as refused:
        prove_storage(root, address, slot, proof)
    assert refused.value.code == code
    with pytest.raises(Reverted) as reverted:
        proofs.storage(root, address, slot, proof)
    assert reverted.value.reason == reason


@pytest.mark.parametrize("nonce", [0, 1, 127, 128, 2**64 - 1])
@pytest.mark.parametrize("balance", [0, 1, 2**256 - 1])
def test_an_account_and_its_slots_are_read_by_both(proofs: Proofs, nonce: int, balance: int) -> None:
    below = storage()
    account = Account(nonce, balance, below.root, CODE)
    top = state(account.rlp())
    for slot, value in SLOTS.items():
        assert both_read(proofs, top.root, ADDRESS, slot, packed(top, below, slot)) == (account, value)


def test_D07_absence_of_a_slot_is_no_value_of_zero(proofs: Proofs) -> None:
    below = storage()
    account = Account(1, 1, below.root, CODE)
    top = state(account.rlp())
    for slot in range(6, 40):
        assert both_read(proofs, top.root, ADDRESS, slot, packed(top, below, slot)) == (account, Absent())


def test_D07_an_absent_account_is_no_account_of_zeros(proofs: Proofs) -> None:
    below = storage()
    top = state(Account(1, 1, below.root, CODE).rlp())
    absent = pack_nodes(top.proof(account_key(NOBODY)))
    assert both_read(proofs, top.root, NOBODY, 0, absent) == (Absent(), Absent())
    with_slot = absent + pack_nodes(below.proof(slot_key(0)))
    both_refuse(proofs, top.root, 0, with_slot, "PROOF_SUPERFLUOUS", "state_proof: nodes left over", NOBODY)
    both_refuse(proofs, top.root, 0, absent, "PROOF_INVALID", "trie_proof: not the node its parent names")


def test_an_account_without_storage_has_no_slot_and_needs_no_node_for_it(proofs: Proofs) -> None:
    top = state(EMPTY_ACCOUNT.rlp())
    proof = pack_nodes(top.proof(account_key(ADDRESS)))
    assert both_read(proofs, top.root, ADDRESS, 0, proof) == (EMPTY_ACCOUNT, Absent())
    extra = proof + pack_nodes([b"\x80"])
    both_refuse(proofs, top.root, 0, extra, "PROOF_SUPERFLUOUS", "state_proof: nodes left over")


def test_a_zero_leaf_is_refused_unless_the_chain_is_known_to_keep_them(proofs: Proofs) -> None:
    below = storage({7: b"\x80"})
    account = Account(1, 1, below.root, CODE)
    top = state(account.rlp())
    proof = packed(top, below, 7)
    both_refuse(proofs, top.root, 7, proof, "ZERO_LEAF", "state_proof: zero leaf")
    assert both_read(proofs, top.root, ADDRESS, 7, proof, keeps_zero_leaves=True) == (account, Absent())
    assert both_read(proofs, top.root, ADDRESS, 0, packed(top, below, 0), keeps_zero_leaves=True) == (account, 1)


def test_D08_nodes_too_many_too_few_or_out_of_place_are_refused_by_both(proofs: Proofs) -> None:
    below = storage()
    account = Account(1, 1, below.root, CODE)
    top = state(account.rlp())
    first, second = top.proof(account_key(ADDRESS)), below.proof(slot_key(0))
    not_named, left_over = "trie_proof: not the node its parent names", "state_proof: nodes left over"
    for nodes, code, reason in (
        ([*second, *first], "PROOF_SUPERFLUOUS", not_named),
        ([*first, *second, second[-1]], "PROOF_SUPERFLUOUS", left_over),
        ([*first, second[0], *second], "PROOF_SUPERFLUOUS", not_named),
        ([*first, *second[1:]], "PROOF_INVALID", not_named),
    ):
        both_refuse(proofs, top.root, 0, pack_nodes(nodes), code, reason)
    whole = pack_nodes([*first, *second])
    for spoilt, code, reason in (
        (whole + b"\x00", "PROOF_TRUNCATED", left_over),
        (whole[:-1], "PROOF_TRUNCATED", "trie_proof: ends before the path does"),
        (whole[:31], "PROOF_SIZE", "trie_proof: too short"),
        (b"", "PROOF_SIZE", "trie_proof: too short"),
    ):
        both_refuse(proofs, top.root, 0, spoilt, code, reason)
    assert both_read(proofs, top.root, ADDRESS, 0, whole) == (account, 1)


def test_a_proof_longer_than_a_contract_takes_is_refused_by_both(proofs: Proofs) -> None:
    with pytest.raises(BadInput, match="PROOF_SIZE"):
        prove_storage(bytes(32), ADDRESS, 0, bytes(MAX_PROOF_BYTES + 1))
    with pytest.raises(Reverted):
        proofs.storage(bytes(32), ADDRESS, 0, bytes(MAX_PROOF_BYTES + 1))


BAD_ACCOUNTS: dict[str, tuple[Rlp, str, str]] = {
    "three_items": ((b"\x07" * 32, b"r" * 32, b"c" * 32), "ACCOUNT_INVALID", "rlp: integer too long"),
    "five_items": (
        (b"\x07", b"\x01", b"r" * 32, b"c" * 32, b""),
        "ACCOUNT_INVALID",
        "state_proof: account has not four items",
    ),
    "short": ((b"\x07", b"\x01", b"r" * 31, b"c" * 32), "ACCOUNT_INVALID", "state_proof: account too short"),
    "short_root": (
        (b"\x07", b"\x01" * 9, b"r" * 31, b"c" * 32),
        "ACCOUNT_INVALID",
        "state_proof: account has not four items",
    ),
    "long_root": ((b"\x07", b"\x01", b"r" * 33, b"c" * 31), "ACCOUNT_INVALID", "state_proof: account's hashes"),
    "list_as_code_hash": (
        (b"\x07", b"\x01", b"r" * 32, (b"c" * 31,)),
        "ACCOUNT_INVALID",
        "state_proof: account's hashes",
    ),
    "zero_nonce_spelled_out": (
        (b"\x00", b"\x01", b"r" * 32, b"c" * 32),
        "RLP_INVALID",
        "rlp: leading zero in an integer",
    ),
    "padded_balance": ((b"\x07", b"\x00\x01", b"r" * 32, b"c" * 32), "RLP_INVALID", "rlp: leading zero in an integer"),
    "wide_nonce": ((b"\x01" * 9, b"\x01", b"r" * 32, b"c" * 32), "RLP_INVALID", "rlp: integer too long"),
    "wide_balance": ((b"\x07", b"\x01" * 33, b"r" * 32, b"c" * 32), "RLP_INVALID", "rlp: integer too long"),
    "list_as_nonce": (((b"\x07",), b"\x01", b"r" * 32, b"c" * 32), "RLP_INVALID", "state_proof: nonce is a list"),
    "list_as_balance": ((b"\x07", (b"\x01",), b"r" * 32, b"c" * 32), "RLP_INVALID", "state_proof: balance is a list"),
    "a_string": (b"\x07" * 80, "ACCOUNT_INVALID", "rlp: not one list"),
}


@pytest.mark.parametrize("name", BAD_ACCOUNTS)
def test_what_is_no_account_is_refused_by_both(proofs: Proofs, name: str) -> None:
    item, code, reason = BAD_ACCOUNTS[name]
    top = state(rlp_strict.encode(item))
    both_refuse(proofs, top.root, 0, pack_nodes(top.proof(account_key(ADDRESS))), code, reason)
    honest = state(EMPTY_ACCOUNT.rlp())
    both_read(proofs, honest.root, ADDRESS, 0, pack_nodes(honest.proof(account_key(ADDRESS))))


BAD_SLOTS = {
    "a_list": (b"\xc1\x07", "RLP_INVALID", "state_proof: slot is not one string"),
    "two_items": (b"\x07\x07", "RLP_TRAILING", "state_proof: slot is not one string"),
    "cut_off": (b"\x83\x07\x07", "RLP_TRAILING", "state_proof: slot is not one string"),
    "a_leading_zero": (b"\x82\x00\x07", "RLP_INVALID", "rlp: leading zero in an integer"),
    "zero_as_a_byte": (b"\x00", "RLP_INVALID", "rlp: leading zero in an integer"),
    "33_bytes": (b"\xa1" + b"\x07" * 33, "RLP_INVALID", "rlp: integer too long"),
    "a_byte_as_a_string": (b"\x81\x07", "RLP_INVALID", "rlp: byte spelled as a string"),
}


@pytest.mark.parametrize("name", BAD_SLOTS)
def test_what_is_no_slot_is_refused_by_both(proofs: Proofs, name: str) -> None:
    raw, code, reason = BAD_SLOTS[name]
    below = storage({9: raw})
    top = state(Account(1, 1, below.root, CODE).rlp())
    both_refuse(proofs, top.root, 9, packed(top, below, 9), code, reason)
    both_read(proofs, top.root, ADDRESS, 0, packed(top, below, 0))


# Chains that exist


def read_of(
    node: Node | HandChain, proofs: Proofs, address: str, slot: int, *, keeps_zero_leaves: bool = False
) -> int | Absent:
    """What both read from a node's own proof at its latest block."""
    header = header_from_rpc(node.request("eth_getBlockByNumber", "latest", False))
    shown = node.request("eth_getProof", address, [f"0x{slot:064x}"], "latest")
    raw = [bytes.fromhex(item[2:]) for item in (*shown["accountProof"], *shown["storageProof"][0]["proof"])]
    account, value = both_read(
        proofs,
        header.state_root,
        bytes.fromhex(address[2:]),
        slot,
        pack_nodes(raw),
        keeps_zero_leaves=keeps_zero_leaves,
    )
    assert account == Absent() or account.code_hash.hex() == shown["codeHash"][2:]  # type: ignore[union-attr]
    return value


def test_presence_and_absence_are_read_from_the_embedded_chain_s_tries(hand: HandChain, proofs: Proofs) -> None:  # noqa: F811
    probe = hand.deploy()
    assert read_of(hand, proofs, probe, values_slot(3)) == Absent()
    hand.send(to=probe, data=calldata("put_many(uint256,uint256,uint256)", 0, 40, 7), gas=5_000_000)
    for key in range(40):
        assert read_of(hand, proofs, probe, values_slot(key)) == 7
    for key in range(40, 60):
        assert read_of(hand, proofs, probe, values_slot(key)) == Absent()
    hand.send(to=probe, data=clear_calldata(0, 20, b""), gas=5_000_000)
    assert [read_of(hand, proofs, probe, values_slot(key)) for key in (0, 19, 20)] == [Absent(), Absent(), 7]
    assert read_of(hand, proofs, STRANGER, 0) == Absent()


def test_anvil_keeps_a_leaf_of_zero_where_a_slot_was_cleared(proofs: Proofs) -> None:
    with anvil(7107) as running:
        node = RpcNode(running.url)
        fund(node, DEPLOYER.address)
        sender = Transactor(node, DEPLOYER, chain_id=7107)
        raw = sender.send(None, initcode()).contract
        assert raw is not None
        probe = f"0x{raw.hex()}"
        sender.send(raw, calldata("put_many(uint256,uint256,uint256)", 0, 8, 7))
        assert read_of(node, proofs, probe, values_slot(2)) == 7
        sender.send(raw, clear_calldata(0, 4, b""))
        with pytest.raises(Problem, match="ZERO_LEAF"):
            read_of(node, proofs, probe, values_slot(2))
        assert read_of(node, proofs, probe, values_slot(2), keeps_zero_leaves=True) == Absent()
        assert read_of(node, proofs, probe, values_slot(5)) == 7
        node.close()


def test_packed_nodes_are_taken_apart_again_and_cut_ones_refused() -> None:
    nodes = [b"", b"a", b"b" * 600]
    assert unpack_nodes(pack_nodes(nodes)) == nodes
    for cut in (b"\x00", b"\x00\x02a", pack_nodes(nodes)[:-1]):
        with pytest.raises(BadInput, match="PROOF_TRUNCATED"):
            unpack_nodes(cut)
    with pytest.raises(BadInput, match="PROOF_NODE"):
        pack_nodes([bytes(2**16)])
