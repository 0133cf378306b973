# pragma version 0.4.3
"""
@title Inclusion in a SHA-256 Merkle tree (RFC 9162 section 2.1.3.2), the same tree the evidence log uses
@license Apache-2.0
"""

MAX_DEPTH: constant(uint256) = 32
MAX_SEVERAL: constant(uint256) = 64  # leaves proven together
LEAF: constant(bytes1) = 0x00
NODE: constant(bytes1) = 0x01


@internal
@view
def _leaf_hash(entry: bytes32) -> bytes32:
    """
    @notice Hash of a 32-byte entry as a leaf
    @param entry The entry
    @return SHA-256(0x00 || entry)
    """
    return sha256(concat(LEAF, entry))


@internal
@view
def _root(leaf: bytes32, index: uint256, size: uint256, proof: DynArray[bytes32, 32]) -> bytes32:
    """
    @notice Recomputes the root that an inclusion proof leads to; the caller compares it
    @param leaf Leaf hash
    @param index Position of the leaf, from 0
    @param size Number of leaves in the tree
    @param proof Sibling hashes from the leaf upwards
    @return The root
    """
    assert index < size, "merkle: index outside the tree"
    assert size <= 1 << MAX_DEPTH, "merkle: tree too large"
    # Below `inner` a node has a sibling on either side, as the index's bit says; from there on the path runs along the
    # tree's right border, where each remaining bit is a sibling on the left and an unset one is none at all.
    below: uint256 = index ^ unsafe_sub(size, 1)
    below |= below >> 1
    below |= below >> 2
    below |= below >> 4
    below |= below >> 8
    below |= below >> 16
    expected: uint256 = self._ones(index | below)
    assert len(proof) <= expected, "merkle: proof too long"
    assert len(proof) == expected, "merkle: proof too short"
    lefts: uint256 = index | ~below
    node: bytes32 = leaf
    for sibling: bytes32 in proof:
        if lefts & 1 != 0:
            node = sha256(concat(NODE, sibling, node))
        else:
            node = sha256(concat(NODE, node, sibling))
        lefts = lefts >> 1
    return node


@internal
@pure
def _ones(word: uint256) -> uint256:
    """
    @dev How many bits are set among the lowest 32: sums of 2, 4 and 8 neighbouring bits, then all bytes at once
    """
    sums: uint256 = unsafe_sub(word, (word >> 1) & 1431655765)
    sums = unsafe_add(sums & 858993459, (sums >> 2) & 858993459)
    return (unsafe_mul(unsafe_add(sums, sums >> 4) & 252645135, 16843009) >> 24) & 255


@internal
@view
def _root_of_several(
    leaves: DynArray[bytes32, MAX_SEVERAL],
    indices: DynArray[uint256, MAX_SEVERAL],
    size: uint256,
    proof: DynArray[bytes32, 512],
) -> bytes32:
    """
    @notice Recomputes the root that one proof leads to from several leaves at once; the caller compares it. Level by
            level from the leaves: a node whose sibling is known too is joined with it, one whose sibling is not takes
            the next hash of the proof, and the last node of an odd level moves up alone.
    @param leaves Leaf hashes, at least one
    @param indices Their positions, strictly ascending
    @param size Number of leaves in the tree
    @param proof The missing siblings, level by level, from left to right
    @return The root
    """
    count: uint256 = len(leaves)
    assert count != 0 and count == len(indices), "merkle: no leaves"
    assert size <= 1 << MAX_DEPTH, "merkle: tree too large"
    nodes: DynArray[bytes32, MAX_SEVERAL] = leaves
    places: DynArray[uint256, MAX_SEVERAL] = indices
    above: uint256 = 0
    for place: uint256 in indices:
        assert place >= above, "merkle: indices out of order"
        above = unsafe_add(place, 1)
    assert above <= size, "merkle: index outside the tree"
    used: uint256 = 0
    width: uint256 = size
    for level: uint256 in range(MAX_DEPTH):
        if width == 1:
            break
        kept: uint256 = 0
        at: uint256 = 0
        for i: uint256 in range(MAX_SEVERAL):
            if at == count:
                break
            place: uint256 = places[at]
            next: uint256 = unsafe_add(at, 1)
            if place & 1 == 1:
                assert used < len(proof), "merkle: proof too short"
                nodes[kept] = sha256(concat(NODE, proof[used], nodes[at]))
                used = unsafe_add(used, 1)
            elif next < count and places[next] == unsafe_add(place, 1):
                nodes[kept] = sha256(concat(NODE, nodes[at], nodes[next]))
                next = unsafe_add(next, 1)
            elif unsafe_add(place, 1) < width:
                assert used < len(proof), "merkle: proof too short"
                nodes[kept] = sha256(concat(NODE, nodes[at], proof[used]))
                used = unsafe_add(used, 1)
            else:
                nodes[kept] = nodes[at]
            places[kept] = place >> 1
            kept = unsafe_add(kept, 1)
            at = next
        count = kept
        width = unsafe_add(width, 1) >> 1
    assert used == len(proof), "merkle: proof too long"
    return nodes[0]
