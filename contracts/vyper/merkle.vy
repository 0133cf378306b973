# pragma version 0.4.3
"""
@title Inclusion in a SHA-256 Merkle tree (RFC 9162 section 2.1.3.2), the same tree the evidence log uses
@license Apache-2.0
"""

MAX_DEPTH: constant(uint256) = 32
MAX_SEVERAL: constant(uint256) = 64  # leaves proven together


@internal
@view
def _leaf_hash(entry: bytes32) -> bytes32:
    """
    @notice Hash of a 32-byte entry as a leaf
    @param entry The entry
    @return SHA-256(0x00 || entry)
    """
    return sha256(concat(b"\x00", entry))


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
    # The inner walk is bounded by 32 steps: a larger tree would be walked otherwise than the Python twin walks it.
    assert size <= 1 << MAX_DEPTH, "merkle: tree too large"
    fn: uint256 = index
    sn: uint256 = size - 1
    node: bytes32 = leaf
    for sibling: bytes32 in proof:
        assert sn != 0, "merkle: proof too long"
        if fn & 1 == 1 or fn == sn:
            node = sha256(concat(b"\x01", sibling, node))
            if fn & 1 == 0:
                for i: uint256 in range(MAX_DEPTH):
                    fn = fn >> 1
                    sn = sn >> 1
                    if fn & 1 == 1 or fn == 0:
                        break
        else:
            node = sha256(concat(b"\x01", node, sibling))
        fn = fn >> 1
        sn = sn >> 1
    assert sn == 0, "merkle: proof too short"
    return node


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
    for i: uint256 in range(1, count, bound=MAX_SEVERAL):
        assert places[i] > places[i - 1], "merkle: indices out of order"
    assert places[count - 1] < size, "merkle: index outside the tree"
    used: uint256 = 0
    width: uint256 = size
    for level: uint256 in range(MAX_DEPTH):
        if width == 1:
            break
        kept: uint256 = 0
        skip: bool = False
        for i: uint256 in range(count, bound=MAX_SEVERAL):
            if skip:
                skip = False
                continue
            place: uint256 = places[i]
            node: bytes32 = nodes[i]
            if place & 1 == 1:
                assert used < len(proof), "merkle: proof too short"
                node = sha256(concat(b"\x01", proof[used], node))
                used += 1
            elif i + 1 < count and places[i + 1] == place + 1:
                node = sha256(concat(b"\x01", node, nodes[i + 1]))
                skip = True
            elif place + 1 < width:
                assert used < len(proof), "merkle: proof too short"
                node = sha256(concat(b"\x01", node, proof[used]))
                used += 1
            nodes[kept] = node
            places[kept] = place >> 1
            kept += 1
        count = kept
        width = (width + 1) >> 1
    assert used == len(proof), "merkle: proof too long"
    return nodes[0]
