# pragma version 0.4.3
"""
@title Inclusion in a SHA-256 Merkle tree (RFC 9162 section 2.1.3.2), the same tree the evidence log uses
@license Apache-2.0
"""

MAX_DEPTH: constant(uint256) = 32


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
