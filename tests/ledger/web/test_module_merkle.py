"""The log's tree in the browser and in Python: public vectors, growth, spoilt proofs, the same answers."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ledger.merkle import Tree, leaf_hash, verify_inclusion
from tests.ledger.refusals import public_vectors
from tests.ledger.web.javascript import Rules, big
from tests.ledger.web.parity import LEAVES, ONE_CALL, code_of


def _decoded(text: str) -> bytes:
    return base64.b64decode(text)


def test_c04_public_inclusion_vectors_agree(rules: Rules) -> None:
    lines = public_vectors("transparency-dev-merkle/inclusion.jsonl").read_text("utf-8").splitlines()
    contents = [json.loads(line)["content"] for line in lines]
    cases = [
        {
            "leaf": _decoded(case["leafHash"]),
            "index": big(case["leafIdx"]),
            "size": big(case["treeSize"]),
            "path": [_decoded(node) for node in case["proof"] or []],
            "root": _decoded(case["root"]),
        }
        for case in contents
    ]
    found = rules.codes([("verifyInclusion", case) for case in cases])
    assert found == ["PROOF_INVALID" if case["wantErr"] else "" for case in contents]
    assert (found.count(""), len(found)) == (6, 98)


def test_c04_and_c07_public_consistency_vectors_agree(rules: Rules) -> None:
    lines = public_vectors("transparency-dev-merkle/consistency.jsonl").read_text("utf-8").splitlines()
    contents = [json.loads(line)["content"] for line in lines]
    cases = [
        (
            {"size": big(case["size1"]), "root": _decoded(case["root1"])},
            {"size": big(case["size2"]), "root": _decoded(case["root2"])},
            [_decoded(node) for node in case["proof"] or []],
        )
        for case in contents
    ]
    found = rules.codes([("verifyConsistency", *case) for case in cases])
    assert found == ["PROOF_INVALID" if case["wantErr"] else "" for case in contents]
    assert (found.count(""), len(found)) == (6, 98)


def test_c07_every_growth_of_a_small_log_is_followed_and_no_other(rules: Rules) -> None:
    pairs = [(old, new) for new in range(1, 20) for old in range(1, new + 1)]
    tree = Tree(LEAVES)

    def case(old: int, new: int, root: bytes) -> tuple[Any, ...]:
        now = {"size": big(new), "root": root}
        return "verifyConsistency", {"size": big(old), "root": tree.root(old)}, now, tree.consistency_proof(old, new)

    assert set(rules.codes([case(old, new, tree.root(new)) for old, new in pairs])) == {""}
    assert set(rules.codes([case(old, new, tree.root(new + 1)) for old, new in pairs])) == {"PROOF_INVALID"}


# Which part of a proof changes, and how: a node, the leaf, the root, the place, the size, or a node too many or few.
_PARTS = ("nothing", "node", "leaf", "root", "index", "size", "more", "fewer", "swap", "short")
proofs = st.tuples(st.integers(1, 70), st.integers(0, 69), st.sampled_from(_PARTS), st.integers(0, 255))


def _spoilt_proof(size: int, index: int, part: str, bit: int) -> dict[str, Any]:
    index %= size
    tree = Tree(LEAVES[:size])
    path, leaf, root = tree.inclusion_proof(index), LEAVES[index], tree.root()
    turn = (1 << bit).to_bytes(32, "big")

    def flip(raw: bytes) -> bytes:
        return bytes(a ^ b for a, b in zip(raw, turn, strict=True))

    if part == "node" and path:
        path[bit % len(path)] = flip(path[bit % len(path)])
    elif part == "swap":
        path.reverse()
    elif part == "more":
        path.insert(bit % (len(path) + 1), root)
    elif part == "fewer" and path:
        path.pop(bit % len(path))
    elif part == "short" and path:
        path[0] = path[0][:31]
    return {
        "leaf": flip(leaf) if part == "leaf" else leaf,
        "root": flip(root) if part == "root" else root,
        "index": big(index + (bit % 5 - 2 if part == "index" else 0)),
        "size": big(size + (bit % 9 - 4 if part == "size" else 0)),
        "path": path,
    }


@ONE_CALL
@given(st.lists(proofs, min_size=100, max_size=150))
def test_c04_a_spoilt_proof_is_refused_alike(rules: Rules, found: list[tuple[int, int, str, int]]) -> None:
    cases = [_spoilt_proof(*case) for case in [(7, 3, "nothing", 0), (7, 3, "node", 1), *found]]

    def ours(case: dict[str, Any]) -> str:
        return code_of(
            lambda: verify_inclusion(
                leaf=case["leaf"],
                index=int(case["index"]["big"]),
                size=int(case["size"]["big"]),
                proof=case["path"],
                root=case["root"],
            )
        )

    expected = [ours(case) for case in cases]
    assert rules.codes([("verifyInclusion", case) for case in cases]) == expected
    assert expected[:2] == ["", "PROOF_INVALID"]


def test_c01_an_inner_node_is_no_leaf_in_the_browser_either(rules: Rules) -> None:
    tree = Tree(LEAVES[:4])
    inner = tree.root(2)
    forged = {"leaf": inner, "index": big(0), "size": big(2), "path": [Tree(LEAVES[2:4]).root()], "root": tree.root()}
    # As a *leaf hash* of a tree of two, the node fits; so callers hash the entry they hold: its 64 bytes differ.
    assert rules.codes([("verifyInclusion", forged)]) == [""]
    entry = LEAVES[0] + LEAVES[1]
    leaf = leaf_hash(entry)
    assert rules.codes([("verifyInclusion", {**forged, "leaf": leaf})]) == ["PROOF_INVALID"]
