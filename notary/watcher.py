"""Reads one chain through the notary's own nodes: what is final, what a block proves, what the state proves.

A node is asked, never believed: chain id and genesis are compared each time, a block's header is hashed, its
descendants up to finality are linked, its receipts are complete, and contracts are read by proofs under a final
header. One thing is the nodes' word alone: where the head is, or what the chain calls finalized (a lie delays, or is
caught as FINAL_REWRITTEN).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from contracts.chain_rules import Finality
from contracts.manifest import ChainManifest
from contracts.node import Node, quantity
from contracts.proven_storage import ProvenStorage, slot_of
from contracts.several_nodes import Call, endpoints_of, first_that_holds
from ledger.errors import BadInput, Refused, Unavailable
from ledger.ethereum.header import Header
from ledger.ethereum.qbft import QbftHeader
from notary import policy
from notary.policy import Lane
from notary.proven import ProvenBlock, Witnessed, form_of, prove_block, read_header, read_headers, transaction_hash
from notary.sealing import Sealing

MAX_BLOCK = 2**63 - 1
MAX_PROVEN_KEPT = 8  # blocks of a chain; several requests in a row name logs of the same few


@dataclass(frozen=True, slots=True)
class View:
    """A chain at one moment. `final`: the highest final block, negative while there is none; `finalized`: what the
    chain itself calls so, where its rule asks for that.
    """

    head: Header
    final: int
    finalized: Header | None = None


class Watcher:
    """One chain and this notary's node of it. Keeps nothing but what hashes to its name, trie nodes and the receipts of
    the latest blocks: safe to share between threads.
    """

    def __init__(self, chain: ChainManifest, node: Node, sealing: Sealing | None = None) -> None:
        """`sealing`: who validates a sealed chain; by default whoever a header names."""
        self.chain, self.node = chain, node
        self._sealing = sealing or Sealing(None)
        self.storage = ProvenStorage(node)
        self._form = form_of(chain.rules)
        self._lock = threading.Lock()
        self._proven: OrderedDict[int, ProvenBlock] = OrderedDict()  # by number; whose hash is compared at each use

    def look(self, witnessed: Witnessed | None) -> View:
        """Check that this is still the right chain, and say where it is.

        Errors: `Unavailable` CHAIN_ID, WRONG_NETWORK, FINAL_REWRITTEN, HEADER_HASH, NODE_*.
        """
        with own_word():
            return self._look(witnessed)

    def _look(self, witnessed: Witnessed | None) -> View:
        asks_tag = self.chain.rules.finality is Finality.FINALIZED
        again = [] if witnessed is None else [hex(witnessed.number)]
        places = ["0x0", "latest", *(["finalized"] if asks_tag else []), *again]
        chain_id, genesis, head, *others = self.node.batch(
            [("eth_chainId", []), *(("eth_getBlockByNumber", [place, False]) for place in places)]
        )
        policy.require_network(
            self.chain,
            chain_id=quantity(chain_id, what="chain id"),
            genesis=self._read(genesis, 0).hash,
        )
        latest = self._read(head, _number_of(head))
        finalized = self._read(others[0], _number_of(others[0])) if asks_tag else None
        if witnessed is not None:
            found = self._read(others[-1], witnessed.number).hash
            policy.require_history(self.chain, number=witnessed.number, witnessed=witnessed.hash, found=found)
        for each in (latest, finalized):
            self._require_sealed(each)
        tag = None if finalized is None else finalized.number
        return View(latest, policy.final_height(self.chain, head=latest.number, finalized=tag), finalized)

    def block(self, view: View, number: int) -> ProvenBlock:
        """A final block, proven. Errors: `BadInput` LOCATOR; `Unavailable` NOT_FINAL and the codes of `prove_block`."""
        if not 0 <= number <= MAX_BLOCK:
            raise BadInput("LOCATOR", "no block has this number", where=str(number)[:40])
        policy.require_final(self.chain, block=number, head=view.head.number, final=view.final)
        kept = self._proven.get(number)
        with own_word():
            proven = self._prove_block(number) if kept is None else self._still(kept)
        self._keep(proven)
        return proven

    def _prove_block(self, number: int) -> ProvenBlock:
        *blocks, receipts = self.node.batch([*self._up_to_finality(number), ("eth_getBlockReceipts", [hex(number)])])
        self._require_sealed(self._read(blocks[0], number))
        try:
            return prove_block(blocks, receipts, number=number, form=self._form)
        except (Refused, BadInput):
            if len(endpoints_of(self.node)) == 1:
                raise

        def check(node: Node) -> ProvenBlock:
            given = node.request("eth_getBlockReceipts", hex(number))
            return prove_block(blocks, given, number=number, form=self._form)

        return first_that_holds(self.node, check)

    def _still(self, kept: ProvenBlock) -> ProvenBlock:
        """A block that was proven before, where the chain still has it at its place; otherwise the one that is there
        now. Receipts follow from the header's root, hence from its hash, and are not asked for again.
        """
        number = kept.header.number
        header = read_headers(self.node.batch(self._up_to_finality(number)), number=number, form=self._form)[0]
        if header.hash != kept.header.hash:
            return self._prove_block(number)
        self._require_sealed(header)
        return ProvenBlock(header, kept.receipts)

    def _up_to_finality(self, number: int) -> list[Call]:
        """What to ask for a block's header and those above it up to a final one's head."""
        numbers = range(number, number + self.chain.rules.finality_blocks + 1)
        return [("eth_getBlockByNumber", [hex(place), False]) for place in numbers]

    def _keep(self, proven: ProvenBlock) -> None:
        with self._lock:
            self._proven[proven.header.number] = proven
            self._proven.move_to_end(proven.header.number)
            while len(self._proven) > MAX_PROVEN_KEPT:
                self._proven.popitem(last=False)

    def recent(self, number: int) -> ProvenBlock:
        """A block that is not final yet, and may never be: it proves itself, and not its place. Errors as `block`."""
        place = hex(number)
        with own_word():
            block, receipts = self.node.batch(
                [("eth_getBlockByNumber", [place, False]), ("eth_getBlockReceipts", [place])]
            )
            return prove_block([block], receipts, number=number, form=self._form)

    def transaction(self, block: ProvenBlock, index: int) -> bytes:
        """The hash of a transaction of a proven block. Errors: `Unavailable` with the codes of `transaction_hash`."""

        def check(node: Node) -> bytes:
            fields = node.request("eth_getBlockByNumber", hex(block.header.number), True)
            return transaction_hash(fields, header=block.header, index=index)

        with own_word():
            return first_that_holds(self.node, check)

    def header(self, number: int) -> Header:
        """One header, hashed. Errors: `Unavailable` NODE_BEHIND, HEADER_HASH."""
        with own_word():
            return self._read(self.node.request("eth_getBlockByNumber", hex(number), False), number)

    def final_header(self, view: View) -> Header:
        """The header of the highest final block, linked to the head. Errors: `Unavailable` NOT_FINAL, HEADER_HASH,
        NODE_*."""
        if view.final < 0:
            raise Unavailable("NOT_FINAL", "the chain has no final block yet", where=self.chain.caip2)
        for known in (view.finalized, view.head):
            if known is not None and known.number == view.final:
                return known
        numbers = range(view.final, view.final + self.chain.rules.finality_blocks + 1)
        with own_word():
            found = self.node.batch([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
            return read_headers(found, number=view.final, form=self._form)[0]

    def linked(self, number: int, view: View) -> tuple[Header, Header]:
        """A block's header and the next one's, which names it and is final. Errors: NOT_FINAL, HEADER_HASH, NODE_*."""
        policy.require_final(self.chain, block=number + 1, head=view.head.number, final=view.final)
        places = range(number, number + 2 + self.chain.rules.finality_blocks)
        with own_word():
            found = self.node.batch([("eth_getBlockByNumber", [hex(place), False]) for place in places])
            before, header, *_ = read_headers(found, number=number, form=self._form)
        return before, header

    def lanes(self, header: Header, lanes: Iterable[bytes]) -> dict[bytes, Lane]:
        """Lanes by id, as the state after a block proves that the chain's gateway holds them.

        Errors: `Unavailable` STATE_UNPROVEN, NODE_*.
        """
        wanted, gateway = sorted(set(lanes)), self.chain.contracts["Gateway"]
        keys = {lane: slot_of("Gateway", "inbound_key", lane) for lane in wanted}
        with own_word():
            # The committee comes along: whoever asks for lanes is about to sign, and asks for its members next.
            held = self.storage.words(header, {gateway: keys.values(), self.chain.contracts["Committee"]: ()})
            words = {lane: slot_of("Gateway", "inbound", held[gateway][key]) for lane, key in keys.items()}
            found = self.storage.words(header, {gateway: words.values()})[gateway]
        return {lane: policy.read_lane(found[slot]) for lane, slot in words.items()}

    def lane_said(self, number: int, lane: bytes) -> Lane:
        """A lane after a block, by the node's word alone: for a block whose state nobody can derive.

        Errors: `Unavailable` NODE_*.
        """
        with own_word():
            try:
                held = self.chain.contract("Gateway").read(self.node, "lanes", lane, block=hex(number))
            except BadInput as error:
                raise Unavailable("NODE_GARBAGE", error.what, where=self.node.url) from error
        return Lane(generation=held[0], policy=held[1])

    def _require_sealed(self, header: Header | None) -> None:
        if isinstance(header, QbftHeader):
            self._sealing.require(header, self._sealed)

    def _sealed(self, number: int) -> QbftHeader:
        header = self._read(self.node.request("eth_getBlockByNumber", hex(number), False), number)
        assert isinstance(header, QbftHeader)
        return header

    def _read(self, fields: object, number: int) -> Header:
        return read_header(fields, number=number, form=self._form)


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
