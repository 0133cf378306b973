"""A Merkle-Patricia trie of which only some nodes are known: enough to read, to change and to know the
new root.

Nodes come from proofs and are found by their hash, so whatever can be read here is committed to by the root.
What is not known is said (`MissingNode`), never taken for absent. Removing a key can join a branch's last
child with its parent; then that child's kind must be known although no proof of the removed key shows it:
`remove` says which child is missing, and `unjoined` finds it inside the joined node of a later proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping

from ledger.errors import BadInput, Unavailable
from ledger.ethereum import rlp_strict
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.nodes import (
    Branch,
    Extension,
    Leaf,
    Node,
    Reference,
    decode_node,
    nibbles,
    read_node,
    reference_to,
)

EMPTY_TRIE_ROOT = keccak256(rlp_strict.encode(b""))

_NO_CHILDREN: tuple[Reference, ...] = (b"",) * 16


class MissingNode(Unavailable):
    """TRIE_NODE_MISSING: the trie goes on at a node that is not among the known ones; `node_hash` names
    it.
    """

    def __init__(self, node_hash: bytes) -> None:
        super().__init__("TRIE_NODE_MISSING", "a trie node is not known", where=node_hash.hex())
        self.node_hash = node_hash


def known_nodes(proof: Iterable[bytes]) -> dict[bytes, Node]:
    """The nodes of a proof (in any order) by their hash. Errors: `BadInput` PROOF_NODE."""
    return {keccak256(raw): decode_node(raw) for raw in proof}


class PartialTrie:
    """The trie under `root`, as far as `nodes` knows it.

    `nodes` (hash to node) is shared on purpose: what one trie learns or makes, the next one finds. It only
    ever gains entries that hash to their key.
    """

    def __init__(self, root: bytes, nodes: MutableMapping[bytes, Node]) -> None:
        self._nodes = nodes
        self._top: Reference = b"" if root == EMPTY_TRIE_ROOT else root
        self._branches: set[bytes] = set()

    @property
    def root(self) -> bytes:
        """The 32-byte root of the trie as it is now."""
        top = self._top
        if not isinstance(top, bytes):  # a root is always named by its hash, however short
            return keccak256(rlp_strict.encode(top))
        return top or EMPTY_TRIE_ROOT

    def get(self, key: bytes) -> bytes | None:
        """The value under `key`, or None where the trie holds none. Errors: `MissingNode`."""
        value: bytes | None = None
        for node, rest in self._along(nibbles(key)):
            reached = rest == (b"" if isinstance(node, Branch) else node.path)
            value = node.value if reached and not isinstance(node, Extension) else None
        return value or None

    def proof(self, key: bytes) -> list[bytes]:
        """The nodes, root first, that prove what stands under `key`. Errors: `MissingNode`."""
        encoded = [reference_to(node) for node, _ in self._along(nibbles(key))]
        return [raw for place, (name, raw) in enumerate(encoded) if isinstance(name, bytes) or place == 0]

    def way_beside(self, key: bytes, node_hash: bytes) -> bytes | None:
        """The nibbles that lead to this child of a branch on the way to `key`; None where it hangs elsewhere.

        Errors: `MissingNode`.
        """
        path = nibbles(key)
        for node, rest in self._along(path):
            if isinstance(node, Branch) and node_hash in node.children:
                return path[: len(path) - len(rest)] + bytes((node.children.index(node_hash),))
        return None

    def set(self, key: bytes, value: bytes) -> None:
        """Put a non-empty `value` under `key`. Errors: `MissingNode`, which leaves the trie as it was."""
        if not value:
            raise BadInput("PROOF_INVALID", "a trie holds no empty value")
        self._top = self._put(self._top, nibbles(key), value)
        self._name_top()

    def remove(self, key: bytes) -> None:
        """Take `key` out; nothing happens where it is absent. Errors: `MissingNode`, trie left as it was."""
        self._top = self._take(self._top, nibbles(key))
        self._name_top()

    def assume_branch(self, node_hash: bytes) -> None:
        """Join this unknown child as a branch is joined. A wrong guess yields another root, nothing worse."""
        self._branches.add(node_hash)

    def _along(self, path: bytes) -> Iterator[tuple[Node, bytes]]:
        """Each node met on the way down, with the path that is left at it."""
        reference = self._top
        while reference:
            node = self._load(reference)
            yield node, path
            if isinstance(node, Branch):
                reference = node.children[path[0]] if path else b""
                path = path[1:]
            elif isinstance(node, Extension) and path.startswith(node.path):
                reference = node.child
                path = path[len(node.path) :]
            else:
                return

    def _load(self, reference: Reference) -> Node:
        if isinstance(reference, tuple):
            return read_node(reference)
        node = self._nodes.get(reference)
        if node is None:
            raise MissingNode(reference)
        return node

    def _keep(self, node: Node) -> Reference:
        reference, _ = reference_to(node)
        if isinstance(reference, bytes):
            self._nodes[reference] = node
        return reference

    def _name_top(self) -> None:
        if isinstance(self._top, tuple):
            node = read_node(self._top)
            self._top = self.root
            self._nodes[self._top] = node

    def _put(self, reference: Reference, path: bytes, value: bytes) -> Reference:
        if not reference:
            return self._keep(Leaf(path, value))
        node = self._load(reference)
        if isinstance(node, Branch):
            if not path:
                return self._keep(Branch(node.children, value))
            return self._keep(_with_child(node, path[0], self._put(node.children[path[0]], path[1:], value)))
        if isinstance(node, Extension) and path.startswith(node.path):
            return self._keep(Extension(node.path, self._put(node.child, path[len(node.path) :], value)))
        if isinstance(node, Leaf) and node.path == path:
            return self._keep(Leaf(path, value))
        return self._fork(node, path, value)

    def _fork(self, node: Leaf | Extension, path: bytes, value: bytes) -> Reference:
        """Part `node` from a new value where their paths part."""
        shared = next(
            (place for place, pair in enumerate(zip(node.path, path, strict=False)) if pair[0] != pair[1]),
            min(len(node.path), len(path)),
        )
        branch = self._graft(Branch(_NO_CHILDREN, b""), node, node.path[shared:])
        branch = self._graft(branch, Leaf(b"", value), path[shared:])
        below = self._keep(branch)
        return self._keep(Extension(path[:shared], below)) if shared else below

    def _graft(self, branch: Branch, node: Leaf | Extension, path: bytes) -> Branch:
        """Hang what `node` leads to under `branch`, at `path`."""
        if isinstance(node, Leaf):
            if not path:
                return Branch(branch.children, node.value)
            return _with_child(branch, path[0], self._keep(Leaf(path[1:], node.value)))
        below = self._keep(Extension(path[1:], node.child)) if len(path) > 1 else node.child
        return _with_child(branch, path[0], below)

    def _take(self, reference: Reference, path: bytes) -> Reference:
        if not reference:
            return reference
        node = self._load(reference)
        if isinstance(node, Leaf):
            return b"" if node.path == path else reference
        if isinstance(node, Extension):
            if not path.startswith(node.path):
                return reference
            child = self._take(node.child, path[len(node.path) :])
            return reference if child == node.child else self._join(node.path, child)
        if not path:
            return self._tidy(Branch(node.children, b""))
        child = self._take(node.children[path[0]], path[1:])
        return reference if child == node.children[path[0]] else self._tidy(_with_child(node, path[0], child))

    def _tidy(self, branch: Branch) -> Reference:
        """A branch with one way left is no branch."""
        ways = [nibble for nibble, child in enumerate(branch.children) if child]
        if len(ways) + bool(branch.value) > 1:
            return self._keep(branch)
        if not ways:
            return self._keep(Leaf(b"", branch.value))
        return self._join(bytes(ways), branch.children[ways[0]])

    def _join(self, path: bytes, child: Reference) -> Reference:
        if isinstance(child, bytes) and child in self._branches:
            return self._keep(Extension(path, child))
        node = self._load(child)
        if isinstance(node, Leaf):
            return self._keep(Leaf(path + node.path, node.value))
        if isinstance(node, Extension):
            return self._keep(Extension(path + node.path, node.child))
        return self._keep(Extension(path, child))


def unjoined(node_hash: bytes, later: Iterable[Node]) -> Node | None:
    """Find the node of this hash among `later` leaves and extensions that it may have been joined into.

    Joining only lengthens a path, so one of their shorter forms hashes to it; None where none does.
    """
    for node in later:
        if isinstance(node, Branch):
            continue
        shortest = 1 if isinstance(node, Extension) else 0
        for cut in range(len(node.path) - shortest + 1):
            rest = node.path[cut:]
            shorter: Node = Leaf(rest, node.value) if isinstance(node, Leaf) else Extension(rest, node.child)
            if reference_to(shorter)[0] == node_hash:
                return shorter
    return None


def _with_child(branch: Branch, nibble: int, child: Reference) -> Branch:
    return Branch((*branch.children[:nibble], child, *branch.children[nibble + 1 :]), branch.value)
