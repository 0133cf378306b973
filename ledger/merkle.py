"""The append-only log's Merkle tree (RFC 9162 section 2.1): roots, inclusion proofs, consistency proofs.

SHA-256, leaves prefixed 0x00 and nodes 0x01; an odd node moves up alone and is never doubled. The shape is
that of Certificate Transparency and of C2SP tlog-tiles, so that other people's verifiers read our proofs.
May never happen here: a verifier that says yes to a proof of another length or order than the tree's size
dictates, or to an empty tree as an old state. Verifiers raise `Refused` PROOF_INVALID or return None,
never a bool that a caller could forget to look at.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

from ledger.errors import BadInput, Refused, WrongUse

HASH_BYTES = 32
MAX_SIZE = 2**63 - 1  # leaves; C2SP tooling holds sizes in signed 64-bit integers
MAX_EDGES = 1024  # hashes kept over right edges: of about fifty sizes
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 ‖ entry), 32 bytes: how an entry stands in the tree."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right), 32 bytes, of two 32-byte hashes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """The leaf hashes of many entries: what `leaf_hash` gives one by one."""
    sha256 = hashlib.sha256
    return [sha256(b"\x00" + entry).digest() for entry in entries]


def parent_hashes(hashes: Iterable[bytes]) -> list[bytes]:
    """The node hashes over neighbouring hashes, two by two; a last one without a partner is left out."""
    sha256, each = hashlib.sha256, iter(hashes)
    # One call a node and nothing else in the loop: this line is what a log's speed is made of.
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(each, each, strict=False)]


class Subtrees(ABC):
    """Roots and proofs over a tree of which only the hashes of full subtrees are at hand, wherever they are kept.

    A full subtree of height h has 2^h leaves, and the one at position p begins at leaf p * 2^h. Any root or proof is
    O(log n) of them, and every past size can still be proven.
    """

    def __init__(self) -> None:
        # Hashes over the right edge of some size, by (first leaf, size): every proof of one size asks for the same few.
        self._edges: dict[tuple[int, int], bytes] = {}

    @abstractmethod
    def __len__(self) -> int:
        """How many leaves the tree has."""

    @abstractmethod
    def _full(self, height: int, position: int) -> bytes:
        """The hash (32 bytes) of one full subtree that lies within the tree."""

    def leaf(self, index: int) -> bytes:
        """The leaf hash at `index`."""
        if not 0 <= index < len(self):
            raise _no_such("leaf", index, len(self))
        return self._full(0, index)

    def root(self, size: int | None = None) -> bytes:
        """The root over the first `size` leaves (all of them when None), 32 bytes; `EMPTY_ROOT` over none."""
        size = self._known(size)
        return self._range(0, size) if size else EMPTY_ROOT

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """The sibling hashes from leaf `index` up to the root of `size` leaves (RFC 9162 section 2.1.3.1)."""
        size = self._known(size)
        if not 0 <= index < size:
            raise _no_such("leaf", index, size)
        return self._path(0, index, size)

    def consistency_proof(self, old_size: int, size: int | None = None) -> list[bytes]:
        """The hashes that tie the root of `old_size` leaves to the one of `size` (RFC 9162 section 2.1.4.1).

        Empty for equal sizes, and for an `old_size` of 0, which everything extends and no proof can show.
        """
        size = self._known(size)
        if not 0 <= old_size <= size:
            raise _no_such("size", old_size, size)
        if old_size in (0, size):
            return []
        low = _low_full_subtree(old_size)
        height = low.bit_length() - 1
        path = self._path(height, (old_size - low) >> height, size)
        # When the old tree is one full subtree the verifier already holds its hash: it is the old root.
        return path if low == old_size else [self._range(old_size - low, old_size), *path]

    def _path(self, height: int, position: int, size: int) -> list[bytes]:
        """Siblings, deepest first, of one full subtree inside the tree of `size` leaves."""
        siblings, last = list[bytes](), (size - 1) >> height
        while last:
            other = position ^ 1
            if other < last:
                siblings.append(self._full(height, other))
            elif other == last:  # at the right edge, and so perhaps no full one
                siblings.append(self._range(other << height, size))
            height, position, last = height + 1, position >> 1, last >> 1
        return siblings

    def _range(self, start: int, end: int) -> bytes:
        """Hash of leaves [start, end), where start is a multiple of the next power of two: O(log n), then kept."""
        held = self._edges.get((start, end))
        if held is not None:
            return held
        pieces, at = list[bytes](), start
        while at < end:
            height = (end - at).bit_length() - 1
            pieces.append(self._full(height, at >> height))
            at += 1 << height
        root = pieces.pop()
        while pieces:
            root = node_hash(pieces.pop(), root)
        if len(self._edges) >= MAX_EDGES:
            self._edges.clear()
        self._edges[start, end] = root
        return root

    def _known(self, size: int | None) -> int:
        if size is None:
            return len(self)
        if not 0 <= size <= len(self):
            raise _no_such("size", size, len(self))
        return size


class Tree(Subtrees):
    """A growing tree in memory, about 64 bytes a leaf; a log's own tree is on disk (`ledger.store.tree_files`).

    Append costs O(1) hashes on average. Not safe for two threads at once; leaves are never changed or removed.
    """

    def __init__(self, leaf_hashes: Iterable[bytes] = ()) -> None:
        super().__init__()
        # _levels[h] holds, 32 bytes each, the hashes of the full subtrees of 2^h leaves from left to right.
        self._levels: list[bytearray] = [bytearray()]
        self.extend(leaf_hashes)

    def __len__(self) -> int:
        return len(self._levels[0]) // HASH_BYTES

    def append(self, leaf: bytes) -> int:
        """Add one leaf hash (32 bytes) at the right and return its index."""
        self.extend((leaf,))
        return len(self) - 1

    def extend(self, leaf_hashes: Iterable[bytes]) -> None:
        """Add leaf hashes (32 bytes each) at the right: all of them, or none where one has another length."""
        added, height = list(leaf_hashes), 0
        if bad := [leaf for leaf in added if len(leaf) != HASH_BYTES]:
            raise BadInput("LEAF_LENGTH", f"A leaf hash has {HASH_BYTES} bytes, this one {len(bad[0])}.")
        while added:
            if height == len(self._levels):
                self._levels.append(bytearray())
            level = self._levels[height]
            # A subtree without its right half is hashed once that half is there.
            begun = [bytes(level[-HASH_BYTES:])] if len(level) % (2 * HASH_BYTES) else []
            level += b"".join(added)
            added, height = parent_hashes(begun + added), height + 1

    def _full(self, height: int, position: int) -> bytes:
        offset = position * HASH_BYTES
        return bytes(self._levels[height][offset : offset + HASH_BYTES])


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """The root of a list of leaf hashes. Keep a `Tree` instead where the list grows."""
    return Tree(leaf_hashes).root()


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """The inclusion proof of leaf `index`; see `Tree.inclusion_proof`."""
    return Tree(leaf_hashes).inclusion_proof(index)


def consistency_proof(leaf_hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """The proof that the first `old_size` leaves are the beginning of all; see `Tree.consistency_proof`."""
    return Tree(leaf_hashes).consistency_proof(old_size)


def verify_inclusion(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the tree of `size` leaves with `root` holds `leaf` at `index` (RFC 9162 section 2.1.3.2).

    `leaf` is a leaf **hash**: give `leaf_hash(entry)` of the entry you hold, never a hash you were handed.
    Raises `Refused` PROOF_INVALID for anything but the one right proof.
    """
    _check_lengths((root,))
    if root_from(leaf=leaf, index=index, size=size, proof=proof) != root:
        raise _invalid("the proof leads to another root")


def root_from(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that an inclusion proof leads to; for a caller that has nothing to compare it with but a signature.

    Raises `Refused` PROOF_INVALID for a proof that fits no tree of `size` leaves.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise _invalid(f"leaf {index} is not in a tree of {size} leaves")
    _check_lengths((leaf, *_bounded(proof)))
    position, last, reached, sha256 = index, size - 1, leaf, hashlib.sha256
    for sibling in proof:
        if last == 0:
            raise _invalid("the proof is longer than the tree is high")
        if position & 1 or position == last:
            reached = sha256(b"\x01" + sibling + reached).digest()
            # A last node without a sibling moves up as it is: skip those levels.
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            reached = sha256(b"\x01" + reached + sibling).digest()
        position, last = position >> 1, last >> 1
    if last:
        raise _invalid("the proof is shorter than the tree is high")
    return reached


def verify_consistency(
    *, old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the old tree is the beginning of the new one (RFC 9162 section 2.1.4.2).

    An `old_size` of 0 is refused: an empty tree is the beginning of every tree, so there is nothing to
    prove, and code that asks anyway has lost its old state. Raises `Refused` PROOF_INVALID.
    """
    if not 0 < old_size <= new_size <= MAX_SIZE:
        raise _invalid(f"a tree of {old_size} leaves is no provable beginning of one of {new_size}")
    if old_size == new_size:
        if proof or old_root != new_root:
            raise _invalid("two trees of one size need equal roots and no proof")
        return
    _check_lengths((old_root, new_root, *_bounded(proof)))
    whole = old_size & (old_size - 1) == 0
    hashes = [old_root, *proof] if whole else list(proof)
    if not hashes or (whole and not proof):
        raise _invalid("the proof is empty")
    shift = (_low_full_subtree(old_size)).bit_length() - 1
    position, last = (old_size - 1) >> shift, (new_size - 1) >> shift
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise _invalid("the proof is longer than the tree is high")
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    if last or old != old_root or new != new_root:
        raise _invalid("the proof does not lead from the old root to the new one")


def _low_full_subtree(size: int) -> int:
    """Leaves of the last, smallest full subtree in a tree of `size` leaves: its lowest set bit."""
    return size & -size


def _bounded(proof: Sequence[bytes]) -> Sequence[bytes]:
    # 64 levels hold more leaves than MAX_SIZE, and a consistency proof has one hash more than levels.
    if len(proof) > 65:
        raise _invalid(f"{len(proof)} hashes are more than any tree is high")
    return proof


def _check_lengths(hashes: Iterable[bytes]) -> None:
    if {*map(len, hashes)} - {HASH_BYTES}:
        raise _invalid(f"every hash has {HASH_BYTES} bytes")


def _invalid(reason: str) -> Refused:
    return Refused(
        "PROOF_INVALID", f"The Merkle proof does not hold: {reason}.", cure="Ask the log for the proof again."
    )


def _no_such(kind: str, asked: int, size: int) -> WrongUse:
    return WrongUse("TREE_RANGE", f"The tree has {size} leaves, so there is no {kind} {asked}.")
