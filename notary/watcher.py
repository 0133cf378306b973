"""Reads one chain through the notary's own node: what is final, and what a block proves.

A node is asked, never believed: chain id and genesis are compared each time, a block's header is hashed, its
descendants up to finality are linked, its receipts are complete. Two things are the node's word alone: where its head
is (a lie delays, or is caught as FINAL_REWRITTEN) and the lanes of the destination, which enforces them itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from contracts.manifest import ChainManifest
from contracts.node import Node, quantity
from ledger.errors import BadInput, Refused, Unavailable
from ledger.ethereum.header import Header
from notary import policy
from notary.policy import Lane
from notary.proven import ProvenBlock, Witnessed, prove_block, read_header, transaction_hash

MAX_BLOCK = 2**63 - 1


@dataclass(frozen=True, slots=True)
class View:
    """A chain at one moment. `final`: the highest final block, negative while there is none."""

    head: Header
    final: int


class Watcher:
    """One chain and this notary's node of it. Keeps no state: safe to share between threads."""

    def __init__(self, chain: ChainManifest, node: Node) -> None:
        self.chain, self.node = chain, node

    def look(self, witnessed: Witnessed | None) -> View:
        """Check that this is still the right chain, and say where it is.

        Errors: `Unavailable` CHAIN_ID, WRONG_NETWORK, FINAL_REWRITTEN, HEADER_HASH, NODE_*.
        """
        with own_word():
            return self._look(witnessed)

    def _look(self, witnessed: Witnessed | None) -> View:
        again = [] if witnessed is None else [("eth_getBlockByNumber", [hex(witnessed.number), False])]
        blocks = [("eth_getBlockByNumber", [place, False]) for place in ("0x0", "latest")]
        chain_id, genesis, head, *before = self.node.batch([("eth_chainId", []), *blocks, *again])
        policy.require_network(
            self.chain, chain_id=quantity(chain_id, what="chain id"), genesis=read_header(genesis, number=0).hash
        )
        latest = read_header(head, number=_number_of(head))
        if witnessed is not None:
            found = read_header(before[0], number=witnessed.number).hash
            policy.require_history(self.chain, number=witnessed.number, witnessed=witnessed.hash, found=found)
        return View(latest, latest.number - self.chain.rules.finality_blocks)

    def block(self, view: View, number: int) -> ProvenBlock:
        """A final block, proven. Errors: `BadInput` LOCATOR; `Unavailable` NOT_FINAL and the codes of `prove_block`."""
        if not 0 <= number <= MAX_BLOCK:
            raise BadInput("LOCATOR", "no block has this number", where=str(number)[:40])
        policy.require_final(self.chain, block=number, head=view.head.number)
        numbers = range(number, number + self.chain.rules.finality_blocks + 1)
        with own_word():
            *blocks, receipts = self.node.batch(
                [
                    *(("eth_getBlockByNumber", [hex(place), False]) for place in numbers),
                    ("eth_getBlockReceipts", [hex(number)]),
                ]
            )
            return prove_block(blocks, receipts, number=number)

    def transaction(self, block: ProvenBlock, index: int) -> bytes:
        """The hash of a transaction of a proven block. Errors: `Unavailable` with the codes of `transaction_hash`."""
        with own_word():
            fields = self.node.request("eth_getBlockByNumber", hex(block.header.number), True)
            return transaction_hash(fields, header=block.header, index=index)

    def header(self, number: int) -> Header:
        """One header, hashed. Errors: `Unavailable` NODE_BEHIND, HEADER_HASH."""
        with own_word():
            return read_header(self.node.request("eth_getBlockByNumber", hex(number), False), number=number)

    def lanes(self, view: View, lanes: Iterable[bytes], *, at_head: bool = False) -> dict[bytes, Lane]:
        """Lanes by id, as the chain's gateway holds them at finality, or at its head. Errors: NOT_FINAL, NODE_*."""
        if view.final < 0:
            raise Unavailable("NOT_FINAL", "the chain has no final block yet", where=self.chain.caip2)
        block = hex(view.head.number if at_head else view.final)
        return {lane: self._lane(block, lane) for lane in set(lanes)}

    def lane_at(self, number: int, lane: bytes) -> Lane:
        """A lane as the chain's gateway held it after a block. Errors: `Unavailable` NODE_*."""
        return self._lane(hex(number), lane)

    def _lane(self, block: str, lane: bytes) -> Lane:
        gateway = self.chain.contract("Gateway")
        with own_word():
            try:
                held = gateway.read(self.node, "lanes", lane, block=block)
            except BadInput as error:
                raise Unavailable("NODE_GARBAGE", error.what, where=self.node.url) from error
        return Lane(generation=held[0], policy=held[1])


@contextmanager
def own_word() -> Iterator[None]:
    """What this notary's own node says and does not hold together is no reason to refuse anybody: it may pass, with the
    node's next block or with another node. The code stays; the class says whose fault it is.
    """
    try:
        yield
    except (Refused, BadInput) as problem:
        cure = problem.cure or "Check this notary's node, or use another one."
        raise Unavailable(problem.code, problem.what, where=problem.where, cure=cure) from problem


def _number_of(block: object) -> int:
    if not isinstance(block, dict):
        raise Refused("HEADER_HASH", "the node states no latest block")
    return quantity(block.get("number"), what="block number")
