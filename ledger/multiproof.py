"""One proof that several leaves are in one tree (the RFC 9162 shape of `ledger.merkle`).

Twin of `_root_of_several` in `contracts/vyper/merkle.vy`. Level by level from the leaves: a node whose sibling is
known too is joined with it, one whose sibling is not takes the next hash of the proof, and the last node of an odd
level moves up alone. May never happen here: a proof that is used up otherwise than exactly, or leaves in another order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from ledger.errors import BadInput, Refused
from ledger.merkle import HASH_BYTES, node_hash

MAX_LEAVES = 64  # proven together; what one transaction commits
MAX_SIZE = 2**32  # leaves of the tree; the contract walks no deeper


def multiproof(leaf_hashes: Sequence[bytes], indices: Sequence[int]) -> list[bytes]:
    """The missing siblings of the leaves at `indices` (strictly ascending), level by level, from left to right.

    Errors: `BadInput` LEAF_ORDER for indices that are none, unordered, repeated or outside the tree.
    """
    _check_places(indices, len(leaf_hashes))
    level, known, proof = list(leaf_hashes), set(indices), list[bytes]()
    while len(level) > 1:
        for place in sorted(known):
            sibling = place ^ 1
            if sibling not in known and sibling < len(level):
                proof.append(level[sibling])
        known = {place >> 1 for place in known}
        level = list(_parents(level))
    return proof


def root_from(leaves: Mapping[int, bytes], *, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that the proof leads to from leaf hashes by index; the caller compares it.

    Errors: `BadInput` LEAF_ORDER as `multiproof`; `Refused` PROOF_INVALID for a proof of another length.
    """
    places = sorted(leaves)
    _check_places(places, size)
    if size > MAX_SIZE or any(len(found) != HASH_BYTES for found in (*leaves.values(), *proof)):
        raise Refused("PROOF_INVALID", f"a tree of {size} leaves, or a hash that is not {HASH_BYTES} bytes long")
    given, nodes, width = iter(proof), dict(leaves), size
    while width > 1:
        nodes = _climbed(nodes, width, given)
        width = (width + 1) >> 1
    if next(given, None) is not None:
        raise Refused("PROOF_INVALID", "the proof has more hashes than the leaves need")
    return nodes[0]


def _climbed(nodes: Mapping[int, bytes], width: int, given: Iterator[bytes]) -> dict[int, bytes]:
    """The known nodes one level higher."""
    above: dict[int, bytes] = {}
    for place, node in sorted(nodes.items()):
        if place >> 1 in above:
            continue  # joined with its left sibling
        sibling = place ^ 1
        if sibling >= width:
            above[place >> 1] = node
            continue
        other = nodes.get(sibling) or next(given, None)
        if other is None:
            raise Refused("PROOF_INVALID", "the proof has fewer hashes than the leaves need")
        above[place >> 1] = node_hash(other, node) if place & 1 else node_hash(node, other)
    return above


def _parents(level: Sequence[bytes]) -> Iterator[bytes]:
    for place in range(0, len(level), 2):
        yield node_hash(level[place], level[place + 1]) if place + 1 < len(level) else level[place]


def _check_places(places: Sequence[int], size: int) -> None:
    ordered = all(left < right for left, right in pairwise(places))
    if not 0 < len(places) <= MAX_LEAVES or not ordered or places[0] < 0 or places[-1] >= size:
        raise BadInput(
            "LEAF_ORDER", f"1 to {MAX_LEAVES} different leaves of the tree are proven together, in ascending order"
        )
