"""C13: a proof has one form. Both trees' proofs have no field that could name another hash, prefix, height or length.

Formats elsewhere let a proof say which hash and which prefix its steps use (ics23), and verifiers believed negative
lengths and inner nodes of any size. Here the steps are fixed: RFC 9162 with SHA-256 (0x00 a leaf, 0x01 a node), and the
hexary tries of Ethereum. Whoever brings steps of another form is refused, by the contract and by its Python twin.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger import merkle, multiproof
from ledger.errors import Problem
from ledger.ethereum import rlp_strict
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.trie import Present, prove
from ledger.log_proof import SPEC, read_log_proof
from tests.contracts.evm import Deployed, Evm, Reverted
from tests.contracts.proofs import deployed_proofs
from tests.ledger.refusals import refused

ENTRIES = [bytes([number]) * 32 for number in range(5)]
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]
INDEX, SIZE = 2, 5
PATH = merkle.inclusion_proof(LEAVES, INDEX)
ROOT = merkle.root_of(LEAVES)


@pytest.fixture(scope="module")
def twins() -> Deployed:
    return Evm().deploy(Path(__file__).parent / "Twins.vy")


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def climbed(leaf: Callable[[bytes], bytes], node: Callable[[bytes, bytes], bytes]) -> tuple[list[bytes], bytes]:
    """The proof of entry 2 of 5 and the root, in a tree of the same shape whose steps are hashed otherwise."""
    a, b, c, d, e = (leaf(entry) for entry in ENTRIES)
    left, right = node(a, b), node(c, d)
    return [d, left, e], node(node(left, right), e)


# Trees that other steps make: how a leaf and how a node is hashed.
OTHER_STEPS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes, bytes], bytes]]] = {
    "no prefixes": (sha, lambda left, right: sha(left + right)),
    "the leaf's prefix on nodes": (merkle.leaf_hash, lambda left, right: sha(b"\x00" + left + right)),
    "the node's prefix on leaves": (lambda entry: sha(b"\x01" + entry), merkle.node_hash),
    "a height before the node": (merkle.leaf_hash, lambda left, right: sha(b"\x01\x02" + left + right)),
    "a negative varint for a prefix": (merkle.leaf_hash, lambda left, right: sha(b"\xff\x01" + left + right)),
    "lengths before the children": (merkle.leaf_hash, lambda left, right: sha(b"\x01\x20" + left + b"\x20" + right)),
    "a suffix": (merkle.leaf_hash, lambda left, right: sha(b"\x01" + left + right + b"\x00")),
    "children in order of value": (
        merkle.leaf_hash,
        lambda left, right: merkle.node_hash(*sorted((left, right), reverse=left < right)),
    ),
    "Keccak-256": (lambda entry: keccak256(b"\x00" + entry), lambda left, right: keccak256(b"\x01" + left + right)),
    "SHA-512/256": (
        lambda entry: hashlib.new("sha512_256", b"\x00" + entry).digest(),
        lambda left, right: hashlib.new("sha512_256", b"\x01" + left + right).digest(),
    ),
    "hashed twice": (
        lambda entry: sha(merkle.leaf_hash(entry)),
        lambda left, right: sha(merkle.node_hash(left, right)),
    ),
}


def test_C13_the_honest_steps_lead_to_the_root(twins: Deployed) -> None:
    assert climbed(merkle.leaf_hash, merkle.node_hash) == (PATH, ROOT)
    merkle.verify_inclusion(leaf=LEAVES[INDEX], index=INDEX, size=SIZE, proof=PATH, root=ROOT)
    assert twins.call("root", ENTRIES[INDEX], INDEX, SIZE, PATH) == ROOT


@pytest.mark.parametrize("name", OTHER_STEPS)
def test_C13_a_tree_of_other_steps_proves_nothing(twins: Deployed, name: str) -> None:
    path, root = climbed(*OTHER_STEPS[name])
    with refused("PROOF_INVALID"):
        merkle.verify_inclusion(leaf=LEAVES[INDEX], index=INDEX, size=SIZE, proof=path, root=root)
    # The contract hands the root that it reached to whoever compares it: never this one.
    assert twins.call("root", ENTRIES[INDEX], INDEX, SIZE, path) != root
    siblings = multiproof.multiproof(LEAVES, [INDEX])
    assert multiproof.root_from({INDEX: LEAVES[INDEX]}, size=SIZE, proof=siblings) == ROOT != root


# What a proof says of its place and size → the contract's words for it; None where its types cannot even hold it.
PLACES: dict[str, tuple[int, int, str | None]] = {
    "a negative index": (-1, SIZE, None),
    "a negative size": (INDEX, -5, None),
    "no leaves": (0, 0, "merkle: index outside the tree"),
    "the index after the last": (5, SIZE, "merkle: index outside the tree"),
    "a height below the path's": (INDEX, 3, "merkle: proof too long"),
    "a height above the path's": (INDEX, 17, "merkle: proof too short"),
    "an index that wraps": (INDEX + 2**256, SIZE, None),
    "a tree beyond all": (INDEX, 2**63, "merkle: tree too large"),
}


@pytest.mark.parametrize("name", PLACES)
def test_C13_a_place_or_height_that_does_not_fit_the_path_is_refused(twins: Deployed, name: str) -> None:
    index, size, reason = PLACES[name]
    with refused("PROOF_INVALID"):
        merkle.verify_inclusion(leaf=LEAVES[INDEX], index=index, size=size, proof=PATH, root=ROOT)
    if reason is not None:
        with pytest.raises(Reverted) as reverted:
            twins.call("root", ENTRIES[INDEX], index, size, PATH)
        assert reverted.value.reason == reason


@pytest.mark.parametrize("length", [0, 1, 31, 33, 34, 64])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_C13_a_step_of_another_length_than_a_hash_is_refused(place: int, length: int) -> None:
    path = list(PATH)
    path[place] = (PATH[place] * 2)[:length]
    with refused("PROOF_INVALID"):
        merkle.verify_inclusion(leaf=LEAVES[INDEX], index=INDEX, size=SIZE, proof=path, root=ROOT)
    siblings = multiproof.multiproof(LEAVES, [INDEX])
    siblings[place] = (siblings[place] * 2)[:length]
    with refused("PROOF_INVALID"):
        multiproof.root_from({INDEX: LEAVES[INDEX]}, size=SIZE, proof=siblings)


def test_C13_a_file_that_names_other_steps_is_refused_before_it_is_read() -> None:
    for other in ("", "c2sp.org/tlog-proof@v2", "ics23/iavl", f"{SPEC} prefix=01", SPEC.upper()):
        with refused("PROOF_SPEC"):
            read_log_proof(f"{other}\nextra AAAA\nindex 0\n\nnote".encode())
    with refused("PROOF_NODE"):  # the honest kind is read further
        read_log_proof(f"{SPEC}\nextra AAAA\nindex 0\n\nnote".encode())


KEY, VALUE = b"\x12\x34", b"a value that is long enough to stand in a leaf of its own"


def leaf(path: bytes) -> tuple[bytes, list[bytes]]:
    """A trie of one leaf, its path as given: root and proof."""
    raw = rlp_strict.encode((path, VALUE))
    return keccak256(raw), [raw]


def test_C13_a_trie_path_has_one_prefix_and_no_other() -> None:
    proofs = deployed_proofs()
    root, nodes = leaf(b"\x20" + KEY)
    assert prove(root, KEY, nodes) == proofs.prove(root, KEY, nodes) == Present(VALUE)
    honest = {b"\x20", b"\x00"}  # a leaf, an extension: even, so that the second nibble is padding
    padded = "trie_proof: path padded with something else than zero"
    for flags in range(256):
        head = bytes([flags])
        if head in honest or flags & 0x10:
            continue
        root, nodes = leaf(head + KEY)
        with pytest.raises(Problem) as problem:
            prove(root, KEY, nodes)
        with pytest.raises(Reverted) as reverted:
            proofs.prove(root, KEY, nodes)
        expected = "trie_proof: path without hex prefix" if flags >= 0x40 else padded
        assert (problem.value.code, reverted.value.reason) == ("PROOF_NODE", expected), hex(flags)
