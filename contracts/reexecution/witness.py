"""The state at one block as its root proves it: accounts, slots and code, fetched when asked for, never
guessed.

Whatever leaves here hangs by hashes on a state root that the caller has verified. An account or slot without
a proof is fetched with one; if the fetched nodes do not prove it, that is a disagreement, and never zero.
Nodes and code are kept by their hash in `KnownState`, which consecutive blocks share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from contracts.node import Node, data, quantity
from contracts.reexecution.verdict import Disagreement
from ledger.errors import Problem, Unavailable
from ledger.ethereum import rlp_strict
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.nodes import Node as TrieNode
from ledger.ethereum.partial_trie import EMPTY_TRIE_ROOT, MissingNode, PartialTrie, known_nodes
from ledger.ethereum.rpc_values import RpcObject
from ledger.ethereum.trie import EMPTY_ACCOUNT, EMPTY_CODE_HASH, Account, account_key, decode_account, slot_key

MAX_KNOWN_NODES = 100_000  # about 100 MB at most
MAX_KNOWN_CODES = 2_000  # of at most 24 KiB each
MAX_PROOFS_PER_BATCH = 200
MAX_SLOTS_PER_PROOF = 100

T = TypeVar("T")

_EMPTY_TRIE_NODE = b"\x80"  # what some nodes list for a trie without nodes


class KnownState:
    """Trie nodes and code by hash: content that is true whoever said it. Bounded; forgets everything when
    full.
    """

    def __init__(self) -> None:
        self.nodes: dict[bytes, TrieNode] = {}
        self.codes: dict[bytes, bytes] = {EMPTY_CODE_HASH: b""}

    def make_room(self) -> None:
        """Between two blocks: forget what has grown beyond its bound."""
        if len(self.nodes) > MAX_KNOWN_NODES:
            self.nodes.clear()
        if len(self.codes) > MAX_KNOWN_CODES:
            self.codes = {EMPTY_CODE_HASH: b""}


class Witness:
    """The state under `root`, which is the verified state root of block `number` of `node`'s chain."""

    def __init__(self, node: Node, known: KnownState, root: bytes, number: int) -> None:
        self._node = node
        self._known = known
        self.root = root
        self._number = number
        self._accounts: dict[bytes, Account | None] = {}
        self._leaves: dict[tuple[bytes, int], bytes | None] = {}

    @property
    def accounts(self) -> Iterable[bytes]:
        """The addresses that were asked for."""
        return self._accounts.keys()

    @property
    def slots(self) -> Iterable[tuple[bytes, int]]:
        """The (address, slot) pairs that were asked for."""
        return self._leaves.keys()

    def account(self, address: bytes) -> Account | None:
        """The account, None where the state proves that there is none."""
        if address not in self._accounts:
            try:
                self._accounts[address] = self._read_account(address)
            except MissingNode:
                self._fetch({address: frozenset()})
                try:
                    self._accounts[address] = self._read_account(address)
                except MissingNode:
                    raise self._unproven(f"account 0x{address.hex()}") from None
        return self._accounts[address]

    def slot(self, address: bytes, slot: int) -> int:
        """The value in a slot; 0 where the state proves that none is stored."""
        leaf = self.slot_leaf(address, slot)
        return 0 if leaf is None else rlp_strict.decode_int(rlp_strict.decode(leaf))

    def slot_leaf(self, address: bytes, slot: int) -> bytes | None:
        """The leaf of a slot as it stands in the trie, None where it is proven absent."""
        place = (address, slot)
        if place not in self._leaves:
            try:
                self._leaves[place] = self._read_leaf(address, slot)
            except MissingNode:
                self._fetch({address: frozenset((slot,))})
                try:
                    self._leaves[place] = self._read_leaf(address, slot)
                except MissingNode:
                    raise self._unproven(f"slot {slot:#x} of 0x{address.hex()}") from None
        return self._leaves[place]

    def code(self, address: bytes, code_hash: bytes) -> bytes:
        """The code of this hash, which stands at `address`."""
        if code_hash not in self._known.codes:
            code = data(self._node.request("eth_getCode", f"0x{address.hex()}", hex(self._number)), what="code")
            if keccak256(code) != code_hash:
                raise Disagreement("the code does not have the account's code hash", where=f"0x{address.hex()}")
            self._known.codes[code_hash] = code
        return self._known.codes[code_hash]

    def prefetch(self, wanted: Mapping[bytes, Iterable[int]]) -> None:
        """Fetch proofs for what is wanted and not yet provable, in few exchanges. Proves nothing itself."""
        lacking: dict[bytes, frozenset[int]] = {}
        for address, slots in wanted.items():
            try:
                self._read_account(address)
            except MissingNode:
                lacking[address] = frozenset(slots)
                continue
            missing = frozenset(slot for slot in slots if not self._can_read(address, slot))
            if missing:
                lacking[address] = missing
        self._fetch(lacking)

    def fetch_again(self, wanted: Mapping[bytes, Iterable[int]]) -> list[TrieNode]:
        """Fetch the proofs even if they are known, and return their nodes."""
        return self._fetch({address: frozenset(slots) for address, slots in wanted.items()})

    def require_shown(self, assumed: Sequence[tuple[bytes | None, bytes]]) -> None:
        """Whether a root that differs may rest on nodes that were never shown: with a node to ask, it may."""

    def _can_read(self, address: bytes, slot: int) -> bool:
        try:
            self._read_leaf(address, slot)
        except MissingNode:
            return False
        return True

    def _read_account(self, address: bytes) -> Account | None:
        leaf = PartialTrie(self.root, self._known.nodes).get(account_key(address))
        return None if leaf is None else decode_account(leaf)

    def _read_leaf(self, address: bytes, slot: int) -> bytes | None:
        account = self.account(address)
        root = EMPTY_TRIE_ROOT if account is None else account.storage_root
        return PartialTrie(root, self._known.nodes).get(slot_key(slot))

    def _fetch(self, wanted: Mapping[bytes, frozenset[int]]) -> list[TrieNode]:
        asked = [
            (address, part) for address, slots in wanted.items() for part in _parts(sorted(slots), MAX_SLOTS_PER_PROOF)
        ]
        found: list[TrieNode] = []
        for batch in _parts(asked, MAX_PROOFS_PER_BATCH) if asked else []:
            replies = self._node.batch(
                [
                    ("eth_getProof", [f"0x{address.hex()}", [f"0x{slot:064x}" for slot in slots], hex(self._number)])
                    for address, slots in batch
                ]
            )
            for (address, slots), reply in zip(batch, replies, strict=True):
                found += self._take(address, slots, reply)
        return found

    def _take(self, address: bytes, slots: list[int], reply: Any) -> list[TrieNode]:
        """Keep the nodes of one reply, and hold its stated values against what they prove."""
        if not isinstance(reply, dict) or not isinstance(reply.get("storageProof"), list):
            raise self._garbage()
        entries = reply["storageProof"]
        if len(entries) != len(slots) or not all(isinstance(entry, dict) for entry in entries):
            raise self._garbage()
        proofs = [reply.get("accountProof"), *(entry.get("proof") for entry in entries)]
        try:
            new: dict[bytes, TrieNode] = {}
            for proof in proofs:
                if not isinstance(proof, list):
                    raise self._garbage()
                raw_nodes = (data(item, what="proof node") for item in proof)
                new |= known_nodes(raw for raw in raw_nodes if raw != _EMPTY_TRIE_NODE)
        except Problem as error:
            if isinstance(error, Unavailable):
                raise
            raise Disagreement(error.what, where=f"proof of 0x{address.hex()}") from error
        self._known.nodes.update(new)
        self._compare(address, slots, reply)
        return list(new.values())

    def _compare(self, address: bytes, slots: list[int], reply: RpcObject) -> None:
        where = f"0x{address.hex()} at block {self._number}"
        try:
            account = self._read_account(address) or EMPTY_ACCOUNT
        except MissingNode:
            return  # said when it is read
        stated = (quantity(reply.get("nonce")), quantity(reply.get("balance")))
        if stated != (account.nonce, account.balance):
            raise Disagreement("the node states another nonce or balance than it proves", where=where)
        entries = reply["storageProof"]
        assert isinstance(entries, list)
        for slot, entry in zip(slots, entries, strict=True):
            try:
                leaf = PartialTrie(account.storage_root, self._known.nodes).get(slot_key(slot))
            except MissingNode:
                continue
            proven = 0 if leaf is None else rlp_strict.decode_int(rlp_strict.decode(leaf))
            if quantity(entry.get("value")) != proven:
                raise Disagreement(f"the node states another value of slot {slot:#x} than it proves", where=where)

    def _unproven(self, what: str) -> Problem:
        return Disagreement(f"the state does not prove: {what}", where=f"block {self._number}")

    def _garbage(self) -> Unavailable:
        return Unavailable("NODE_GARBAGE", "the node's proof is no proof object", where=self._node.url)


def _parts(items: list[T], size: int) -> list[list[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)] or [[]]
