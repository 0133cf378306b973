"""What `merkle.vy` says of a proof that is none: alone, by its reason, so that no other guard stands in for it."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import merkle
from tests.contracts.evm import Deployed, Evm, Reverted
from tests.contracts.swaps import HERE

SIZE = 5
ENTRIES = [bytes([place]) * 32 for place in range(SIZE)]
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]
ROOT = merkle.root_of(LEAVES)


@pytest.fixture(scope="module")
def twins() -> Deployed:
    return Evm().deploy(HERE / "Twins.vy")


def refused(twins: Deployed, reason: str, function: str, *arguments: Any) -> None:
    with pytest.raises(Reverted) as found:
        twins.call(function, *arguments)
    assert found.value.reason == f"merkle: {reason}"


@pytest.mark.parametrize("place", range(SIZE))
def test_C04_a_path_is_refused(twins: Deployed, place: int) -> None:
    proof = list(merkle.inclusion_proof(LEAVES, place))
    honest = (ENTRIES[place], place, SIZE, proof)
    assert twins.call("root", *honest) == ROOT
    refused(twins, "index outside the tree", "root", ENTRIES[place], SIZE, SIZE, proof)
    refused(twins, "index outside the tree", "root", ENTRIES[place], 0, 0, [])
    refused(twins, "tree too large", "root", ENTRIES[place], place, 2**32 + 1, proof)
    refused(twins, "proof too long", "root", *honest[:3], [*proof, bytes(32)])
    refused(twins, "proof too short", "root", *honest[:3], proof[:-1])


@pytest.mark.parametrize("place", range(SIZE))
def test_C04_a_path_of_several_is_refused(twins: Deployed, place: int) -> None:
    """A leaf whose missing sibling stands on its left, and one whose stands on its right."""
    proof = list(merkle.inclusion_proof(LEAVES, place))
    honest = ([ENTRIES[place]], [place], SIZE, proof)
    assert twins.call("root_of_several", *honest) == ROOT
    for short in range(len(proof)):
        refused(twins, "proof too short", "root_of_several", *honest[:3], proof[:short])
    refused(twins, "proof too long", "root_of_several", *honest[:3], [*proof, bytes(32)])


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"leaves": [], "indices": []}, "no leaves"),
        ({"leaves": ENTRIES[:1]}, "no leaves"),
        ({"indices": [0]}, "no leaves"),
        ({"indices": [1, 0]}, "indices out of order"),
        ({"indices": [0, 0]}, "indices out of order"),
        ({"indices": [0, SIZE]}, "index outside the tree"),
        ({"size": 2**32 + 1}, "tree too large"),
        ({"size": 1}, "index outside the tree"),
    ],
)
def test_C04_several_leaves_are_refused(twins: Deployed, changed: dict[str, Any], reason: str) -> None:
    subtree = merkle.root_of(LEAVES[2:4])
    honest = {"leaves": ENTRIES[:2], "indices": [0, 1], "size": SIZE, "proof": [subtree, LEAVES[4]]}
    assert twins.call("root_of_several", *honest.values()) == ROOT
    refused(twins, reason, "root_of_several", *(honest | changed).values())
