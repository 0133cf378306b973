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
from ledger.errors import Problem
from ledger.ethereum import rlp_strict
from ledger.ethereum.nodes import Node as TrieNode
from ledger.ethereum.nodes import nibbles
from ledger.ethereum.partial_trie import EMPTY_TRIE_ROOT, MissingNode, PartialTrie, unjoined
from ledger.ethereum.trie import EMPTY_ACCOUNT, Account, account_key, slot_key

ZERO_LEAF = rlp_strict.encode(b"")
ADDRESS_BYTES = 20
MAX_SEARCHED_NIBBLES = 4  # deeper neighbours are not looked for: 16 times the work for each nibble
MAX_TRIED_KEYS = 500_000  # finds four nibbles but once in two thousand times


class PostState:
    """Computes one block's state root. `after` reads the node's proofs at the block itself.

    `assumed`: where a removed key's neighbour was taken for a branch unseen, as (account whose storage it is in or
    None for the accounts' own trie, nibbles that lead to it).
    """

    def __init__(self, known: KnownState, before: Witness, after: Witness, *, keeps_zero_leaves: bool) -> None:
        self._known = known
        self._before = before
        self._after = after
        self._keeps = keeps_zero_leaves
        self._computed: dict[bytes, Account | None] = {}
        self.assumed: list[tuple[bytes | None, bytes]] = []

    def root(self, changes: Mapping[bytes, Change], touched: Mapping[bytes, Iterable[int]]) -> bytes:
        """The root after `changes`. `touched` matters only where zero leaves are kept. Errors: those of
        `Witness`.
        """
        if self._keeps:
            self._after.prefetch({address: set(slots) for address, slots in touched.items()})
        accounts = self._computed = {}
        self.assumed = []
        for address in sorted({*changes, *(touched if self._keeps else ())}):
            change = changes.get(address) or self._unchanged(address)
            accounts[address] = self._account(address, change, set(touched.get(address, ())))
        trie = PartialTrie(self._before.root, self._known.nodes)
        leaves = {account_key(a): None if account is None else account.rlp() for a, account in accounts.items()}
        for address in accounts:
            self._before.account(address)  # so that the way to its leaf is known
        addresses = {account_key(address): address for address in accounts}
        self._apply(trie, None, leaves, lambda gone: self._after.fetch_again({addresses[key]: () for key in gone}))
        return trie.root

    def fetch_assumed(self) -> bool:
        """Fetch the neighbours that were taken for branches, by proofs of made-up keys that lead through them.

        True where one was got: then the root may be computed again. Errors: those of `Witness`.
        """
        before = len(self._known.nodes)
        for address, way in self.assumed:
            if address is None:
                found = _key_along(way, lambda number: account_key(number.to_bytes(ADDRESS_BYTES, "big")))
                wanted = {} if found is None else {found.to_bytes(ADDRESS_BYTES, "big"): ()}
                self._before.prefetch(wanted)
            else:
                slot = _key_along(way, slot_key)
                self._before.prefetch({} if slot is None else {address: (slot,)})
        return len(self._known.nodes) > before

    def first_difference(self) -> str:
        """For people: the first touched account that the node's own proofs show otherwise than computed."""
        for address in sorted(self._computed):
            try:
                ours, theirs = self._computed[address], self._after.account(address)
            except Problem as problem:  # a node that hides its proofs only spares itself the details
                return f"the node does not prove what it has instead ({problem.code})"
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
        for slot, value in sorted(values.items()):
            if root != EMPTY_TRIE_ROOT:
                self._before.slot(address, slot)  # so that the way to its leaf is known
            leaves[slot_key(slot)] = self._leaf(address, slot, value)
        trie = PartialTrie(root, self._known.nodes)
        slots = {slot_key(slot): slot for slot in values}
        self._apply(
            trie, address, leaves, lambda gone: self._after.fetch_again({address: [slots[key] for key in gone]})
        )
        return trie.root

    def _leaf(self, address: bytes, slot: int, value: int) -> bytes | None:
        if value:
            return rlp_strict.encode(rlp_strict.encode_int(value))
        return ZERO_LEAF if self._keeps and self._after.slot_leaf(address, slot) is not None else None

    def _apply(
        self,
        trie: PartialTrie,
        owner: bytes | None,
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
                    if not self._resolve(trie, missing.node_hash, later):
                        way = trie.way_beside(key, missing.node_hash)
                        self.assumed.append((owner, way or b""))

    def _resolve(self, trie: PartialTrie, node_hash: bytes, later: list[TrieNode]) -> bool:
        """Say what the neighbour of a removed key is, that must now be joined; False where that is assumed."""
        found = unjoined(node_hash, later)
        if found is not None:
            self._known.nodes[node_hash] = found
            return True
        # Neither leaf nor extension: a branch, whose hash is all that joining needs. If the node hid a leaf
        # from us, the root comes out wrong, and `fetch_assumed` asks for it by another key.
        trie.assume_branch(node_hash)
        return False


def _key_along(way: bytes, key_of: Callable[[int], bytes]) -> int | None:
    """The least number whose key in a trie begins with these nibbles; None where looking would take too long."""
    if not 0 < len(way) <= MAX_SEARCHED_NIBBLES:
        return None
    return next((number for number in range(MAX_TRIED_KEYS) if nibbles(key_of(number))[: len(way)] == way), None)
