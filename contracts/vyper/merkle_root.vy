# pragma version 0.4.3
"""
@title The root of a SHA-256 Merkle tree (RFC 9162 section 2.1) from all of its entries
@license Apache-2.0
@notice For who holds every entry of a certificate; who holds one of them takes `merkle`. Twin: `ledger.merkle.root_of`.
"""

MAX_ENTRIES: constant(uint256) = 64
MAX_LEVELS: constant(uint256) = 6  # 2**6 entries


@internal
@view
def _root_of(entries: DynArray[bytes32, MAX_ENTRIES]) -> bytes32:
    """
    @notice The root over entries in their order
    @param entries 1 to 64 entries of 32 bytes
    @return The root
    """
    count: uint256 = len(entries)
    assert count != 0, "merkle_root: no entry"
    nodes: DynArray[bytes32, MAX_ENTRIES] = entries
    for i: uint256 in range(count, bound=MAX_ENTRIES):
        nodes[i] = sha256(concat(b"\x00", entries[i]))
    # Level by level: a last node without a sibling moves up as it is, which gives the tree that the RFC splits at
    # powers of two.
    for level: uint256 in range(MAX_LEVELS):
        if count == 1:
            break
        pairs: uint256 = count // 2
        for i: uint256 in range(pairs, bound=MAX_ENTRIES // 2):
            nodes[i] = sha256(concat(b"\x01", nodes[2 * i], nodes[2 * i + 1]))
        if count & 1 == 1:
            nodes[pairs] = nodes[count - 1]
            pairs += 1
        count = pairs
    return nodes[0]
