"""A contract's variables as a state root proves them, not as a node says they are.

Where the compiler put a variable stands in the artifact; what a header's state root commits to stands in the proofs of
`eth_getProof`. What may never happen here: a word that no proof leads to, or an absent proof taken for zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from contracts.compiler import artifact
from contracts.node import Node
from contracts.reexecution.verdict import Disagreement
from contracts.reexecution.witness import MAX_KNOWN_CODES, MAX_KNOWN_NODES, KnownState, Witness
from contracts.several_nodes import first_that_holds
from ledger.attestation import word
from ledger.errors import Unavailable
from ledger.ethereum.header import Header
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.trie import Account

T = TypeVar("T")


def slot_of(contract: str, variable: str, *keys: bytes | int) -> int:
    """Where a variable of a contract stands, by the compiler's own layout; with keys, where a mapping's entry stands.

    `variable`: "module.name" for one of a module. `keys`: from the outermost mapping inwards, as numbers, or as bytes
    of a value of one word. KeyError for a variable the contract does not have.
    """
    place = artifact(contract).slots[variable]
    for key in keys:
        index = word(key) if isinstance(key, int) else key.rjust(32, b"\x00")
        place = int.from_bytes(keccak256(word(place) + index), "big")
    return place


class ProvenStorage:
    """One chain's contracts, read under headers that the caller trusts. Safe to share between threads.

    Trie nodes are kept by their hash, so that a read of what has not changed costs one short proof, or nothing.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._known = KnownState()

    def words(self, header: Header, wanted: Mapping[bytes, Iterable[int]]) -> dict[bytes, dict[int, int]]:
        """The words in these slots of these contracts (20 bytes) after the block; 0 where it is proven that none is.

        Errors: `Unavailable` STATE_UNPROVEN where the node's proofs do not hold, NODE_*; `NodeError`.
        """
        asked = {address: tuple(slots) for address, slots in wanted.items()}

        def read(witness: Witness) -> dict[bytes, dict[int, int]]:
            witness.prefetch(asked)
            return {address: {slot: witness.slot(address, slot) for slot in slots} for address, slots in asked.items()}

        return self._read(header, read)

    def account(self, header: Header, address: bytes) -> Account | None:
        """An account after the block, None where it is proven that there is none. Errors as `words`."""
        return self._read(header, lambda witness: witness.account(address))

    def code(self, header: Header, address: bytes) -> bytes:
        """A contract's code after the block, b"" where it is proven that there is none. Errors as `words`."""

        def read(witness: Witness) -> bytes:
            account = witness.account(address)
            return b"" if account is None else witness.code(address, account.code_hash)

        return self._read(header, read)

    def _read(self, header: Header, read: Callable[[Witness], T]) -> T:
        """What a witness reads, from the first node whose proofs hold."""
        if len(self._known.nodes) > MAX_KNOWN_NODES or len(self._known.codes) > MAX_KNOWN_CODES:
            # Another object: whoever is still reading keeps the nodes he has just fetched.
            self._known = KnownState()
        known = self._known

        def check(node: Node) -> T:
            try:
                return read(Witness(node, known, header.state_root, header.number))
            except Disagreement as error:
                raise _unproven(error) from error

        return first_that_holds(self._node, check)


def _unproven(error: Disagreement) -> Unavailable:
    cure = "The node answers with another state than the header commits to: check it, or use another one."
    return Unavailable("STATE_UNPROVEN", error.what, where=error.where, cure=cure)
