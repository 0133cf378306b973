"""One proof for several leaves: it leads to the tree's root, and to nothing else."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import BadInput, Refused
from ledger.merkle import inclusion_proof, leaf_hash, node_hash, root_of
from ledger.multiproof import MAX_LEAVES, multiproof, root_from


def tree(size: int) -> list[bytes]:
    """The leaf hashes of a tree."""
    return [leaf_hash(hashlib.sha256(b"%d" % place).digest()) for place in range(size)]


def chosen(leaves: list[bytes], *indices: int) -> dict[int, bytes]:
    """Some of them by index."""
    return {index: leaves[index] for index in indices}


def code(leaves: dict[int, bytes], *, size: int, proof: list[bytes]) -> str:
    """The code with which a proof is refused."""
    with pytest.raises((BadInput, Refused)) as refused:
        root_from(leaves, size=size, proof=proof)
    return refused.value.code


cases = st.integers(1, 90).flatmap(
    lambda size: st.tuples(
        st.just(size), st.sets(st.integers(0, size - 1), min_size=1, max_size=min(size, MAX_LEAVES)).map(sorted)
    )
)


@settings(max_examples=300, deadline=None)
@given(cases)
def test_any_leaves_of_any_tree_lead_to_its_root(case: tuple[int, list[int]]) -> None:
    size, indices = case
    leaves = tree(size)
    assert root_from(chosen(leaves, *indices), size=size, proof=multiproof(leaves, indices)) == root_of(leaves)


@settings(max_examples=200, deadline=None)
@given(cases, st.data())
def test_C04_no_change_of_a_proof_leads_to_the_root(case: tuple[int, list[int]], data: st.DataObject) -> None:
    size, indices = case
    leaves, proof = tree(size), multiproof(tree(size), indices)
    claimed = chosen(leaves, *indices)
    kinds = ["leaf", "extend"] + (["drop", "flip"] if proof else []) + (["swap"] if len(set(proof)) > 1 else [])
    match data.draw(st.sampled_from(kinds)):
        case "leaf":
            claimed[data.draw(st.sampled_from(indices))] = bytes(32)
        case "extend":
            proof = [*proof, bytes(32)]
        case "drop":
            del proof[data.draw(st.integers(0, len(proof) - 1))]
        case "flip":
            place = data.draw(st.integers(0, len(proof) - 1))
            proof[place] = bytes([proof[place][0] ^ 1]) + proof[place][1:]
        case _:
            proof = proof[::-1]
    try:
        root = root_from(claimed, size=size, proof=proof)
    except Refused as refused:
        assert refused.code == "PROOF_INVALID"
    else:
        assert root != root_of(leaves)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 33])
def test_for_one_leaf_it_is_the_inclusion_proof(size: int) -> None:
    leaves = tree(size)
    for index in range(size):
        assert multiproof(leaves, [index]) == list(inclusion_proof(leaves, index))


def test_for_all_leaves_it_is_empty() -> None:
    assert multiproof(tree(64), range(64)) == []


def test_siblings_that_are_known_are_not_in_it() -> None:
    leaves = tree(8)
    assert multiproof(leaves, [2, 3]) == [
        node_hash(leaves[0], leaves[1]),
        node_hash(node_hash(leaves[4], leaves[5]), node_hash(leaves[6], leaves[7])),
    ]


ORDERS = {
    "none": [],
    "a_repeated_one": [1, 1],
    "another_order": [2, 1],
    "one_outside_the_tree": [1, 80],
    "a_negative_one": [-1, 1],
    "more_than_64": list(range(65)),
}


@pytest.mark.parametrize("name", ORDERS)
def test_leaves_are_refused(name: str) -> None:
    with pytest.raises(BadInput) as refused:
        multiproof(tree(80), ORDERS[name])
    assert refused.value.code == "LEAF_ORDER"
    assert len(multiproof(tree(80), range(64))) > 0


@pytest.mark.parametrize("indices", [[], [80], [-1], list(range(65))])
def test_a_proof_is_refused_for_leaves(indices: list[int]) -> None:
    assert code(dict.fromkeys(indices, bytes(32)), size=80, proof=[]) == "LEAF_ORDER"


def test_C04_a_proof_is_used_up_exactly() -> None:
    leaves = tree(5)
    claimed, proof = chosen(leaves, 0, 4), multiproof(leaves, [0, 4])
    assert code(claimed, size=5, proof=proof[:-1]) == "PROOF_INVALID"
    assert code(claimed, size=5, proof=[*proof, bytes(32)]) == "PROOF_INVALID"
    assert root_from(claimed, size=5, proof=proof) == root_of(leaves)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_hash_of_another_length_is_refused(length: int) -> None:
    leaves = tree(3)
    proof = multiproof(leaves, [0])
    assert code({0: bytes(length)}, size=3, proof=proof) == "PROOF_INVALID"
    assert code(chosen(leaves, 0), size=3, proof=[bytes(length), proof[1]]) == "PROOF_INVALID"


def test_a_tree_too_large_for_the_contract_is_refused() -> None:
    leaf = chosen(tree(1), 0)
    assert code(leaf, size=2**32 + 1, proof=[bytes(32)] * 33) == "PROOF_INVALID"
    assert len(root_from(leaf, size=2**32, proof=[bytes(32)] * 32)) == 32


def test_C02_a_repeated_last_leaf_is_another_tree() -> None:
    a, b, c = tree(3)
    assert root_from({0: a, 1: b, 2: c}, size=3, proof=[]) != root_from({0: a, 1: b, 2: c, 3: c}, size=4, proof=[])


def test_C01_an_inner_node_is_not_taken_for_a_leaf() -> None:
    left, right = tree(2)
    # As a leaf of a tree of one the root of two would prove itself: who calls hashes his entry as a leaf first.
    assert leaf_hash(left + right) != node_hash(left, right)
    assert root_from({0: leaf_hash(left + right)}, size=1, proof=[]) != root_of([left, right])
