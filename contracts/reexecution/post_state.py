"""The state root after a block, from the proven part of the tries before it and what the execution
changed.

The root is of the whole state: a slot that no transaction changed but the node did is seen here, as another
root. From the node's proofs after the block only two things are taken, and neither is a value: nodes that a
removed key's neighbour was joined into (they must hash to what the old trie names), and, for tries that keep
them, whether a leaf stands for a zero slot or an empty account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from contracts.reexecution.accounts import Change, Entry
from contracts.reexecution.witness import KnownState, Witness
from ledger.ethereum import rlp_strict
from ledger.ethereum.nodes import Node as TrieNode
from ledger.ethereum.partial_trie import EMPTY_TRIE_ROOT, MissingNode, PartialTrie, unjoined
from ledger.ethereum.trie import EMPTY_ACCOUNT, Account, account_key, slot_key

ZERO_LEAF = rlp_strict.encode(b"")


class PostState:
    """Computes one block's state root. `after` reads the node's proofs at the block itself."""

    def __init__(self, known: KnownState, before: Witness, after: Witness, *, keeps_zero_leaves: bool) -> None:
        self._known = known
        self._before = before
        self._after = after
        self._keeps = keeps_zero_leaves
        self._computed: dict[bytes, Account | None] = {}

    def root(self, changes: Mapping[bytes, Change], touched: Mapping[bytes, Iterable[int]]) -> bytes:
        """The root after `changes`. `touched` matters only where zero leaves are kept. Errors: those of
        `Witness`.
        """
        if self._keeps:
            self._after.prefetch({address: set(slots) for address, slots in touched.items()})
        accounts = self._computed = {}
        for address in {*changes, *(touched if self._keeps else ())}:
            change = changes.get(address) or self._unchanged(address)
            accounts[address] = self._account(address, change, set(touched.get(address, ())))
        trie = PartialTrie(self._before.root, self._known.nodes)
        leaves = {account_key(a): None if account is None else account.rlp() for a, account in accounts.items()}
        for address in accounts:
            self._before.account(address)  # so that the way to its leaf is known
        addresses = {account_key(address): address for address in accounts}
        self._apply(trie, leaves, lambda gone: self._after.fetch_again({addresses[key]: () for key in gone}))
        return trie.root

    def first_difference(self) -> str:
        """For people: the first touched account that the node's own proofs show otherwise than computed."""
        for address in sorted(self._computed):
            ours, theirs = self._computed[address], self._after.account(address)
            if ours != theirs:
                pairs = [
                    (name, getattr(ours or EMPTY_ACCOUNT, name), getattr(theirs or EMPTY_ACCOUNT, name))
                    for name in ("nonce", "balance", "code_hash", "storage_root")
                ]
                names = [name.replace("_", " ") for name, our, their in pairs if our != their] or ["existence"]
                return f"account 0x{address.hex()} has another {' and '.join(names)}"
        return "something that no transaction touched was changed"

    def _unchanged(self, address: bytes) -> Change:
        account = self._before.account(address)
        entry = None if account is None else Entry(account.nonce, account.balance, account.code_hash)
        return Change(entry, {}, wiped=False)

    def _account(self, address: bytes, change: Change, touched: set[int]) -> Account | None:
        storage_root = self._storage_root(address, change, touched)
        after = change.after
        if after is None or after == Entry():
            if after is None and not self._keeps:
                return None
            if self._keeps and self._after.account(address) is None:
                return None
            after = Entry()
        return Account(after.nonce, after.balance, storage_root, after.code_hash)

    def _storage_root(self, address: bytes, change: Change, touched: set[int]) -> bytes:
        account = self._before.account(address)
        root = EMPTY_TRIE_ROOT if account is None or change.wiped else account.storage_root
        if change.after is None and not self._keeps:
            return EMPTY_TRIE_ROOT
        values = dict(change.slots)
        if self._keeps:
            for slot in touched - values.keys():
                values[slot] = 0 if change.wiped else self._before.slot(address, slot)
        if not values:
            return root
        leaves: dict[bytes, bytes | None] = {}
        for slot, value in values.items():
            if root != EMPTY_TRIE_ROOT:
                self._before.slot(address, slot)  # so that the way to its leaf is known
            leaves[slot_key(slot)] = self._leaf(address, slot, value)
        trie = PartialTrie(root, self._known.nodes)
        slots = {slot_key(slot): slot for slot in values}
        self._apply(trie, leaves, lambda gone: self._after.fetch_again({address: [slots[key] for key in gone]}))
        return trie.root

    def _leaf(self, address: bytes, slot: int, value: int) -> bytes | None:
        if value:
            return rlp_strict.encode(rlp_strict.encode_int(value))
        return ZERO_LEAF if self._keeps and self._after.slot_leaf(address, slot) is not None else None

    def _apply(
        self,
        trie: PartialTrie,
        leaves: Mapping[bytes, bytes | None],
        later_nodes: Callable[[list[bytes]], list[TrieNode]],
    ) -> None:
        # Set first, remove after: removing may join nodes, and joining early would ask for neighbours in vain.
        for key, leaf in leaves.items():
            if leaf is not None:
                trie.set(key, leaf)
        gone = [key for key, leaf in leaves.items() if leaf is None]
        later: list[TrieNode] | None = None
        for key in gone:
            while True:
                try:
                    trie.remove(key)
                    break
                except MissingNode as missing:
                    later = later_nodes(gone) if later is None else later
                    self._resolve(trie, missing.node_hash, later)

    def _resolve(self, trie: PartialTrie, node_hash: bytes, later: list[TrieNode]) -> None:
        """Say what the neighbour of a removed key is, that must now be joined."""
        found = unjoined(node_hash, later)
        if found is not None:
            self._known.nodes[node_hash] = found
        else:
            # Neither leaf nor extension: a branch, whose hash is all that joining needs. If the node hid a leaf
            # from us, the root comes out wrong, and that is the verdict it deserves.
            trie.assume_branch(node_hash)
