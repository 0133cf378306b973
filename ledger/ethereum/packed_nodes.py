"""Trie nodes as the contracts take them: one after the other, each behind its length (2 bytes, big endian)."""

from __future__ import annotations

from collections.abc import Iterable

from ledger.errors import BadInput

LENGTH_BYTES = 2
MAX_NODE_BYTES = 2**16 - 1


def pack_nodes(nodes: Iterable[bytes]) -> bytes:
    """Join nodes, root first. `BadInput` PROOF_NODE for one that is too long to be packed."""
    packed = []
    for node in nodes:
        if len(node) > MAX_NODE_BYTES:
            raise BadInput("PROOF_NODE", f"a node of {len(node)} bytes is longer than {MAX_NODE_BYTES}")
        packed.append(len(node).to_bytes(LENGTH_BYTES, "big") + node)
    return b"".join(packed)


def unpack_nodes(packed: bytes) -> list[bytes]:
    """Take nodes apart; the inverse of `pack_nodes`. `BadInput` PROOF_TRUNCATED where the last one is cut off."""
    nodes, at = list[bytes](), 0
    while at < len(packed):
        start = at + LENGTH_BYTES
        at = start + int.from_bytes(packed[at:start], "big")
        if at > len(packed) or start > len(packed):
            raise BadInput("PROOF_TRUNCATED", "a node is cut off", where=f"node {len(nodes)}")
        nodes.append(packed[start:at])
    return nodes
