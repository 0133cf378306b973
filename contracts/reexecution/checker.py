"""The check of one block: fetch, bind, execute, compare. The order of the module is the order of the
check.
"""

from __future__ import annotations

from collections.abc import Sequence

from contracts.node import Node
from contracts.reexecution.ancestors import Ancestors
from contracts.reexecution.claims import BlockReader, ClaimedBlock
from contracts.reexecution.examination import Scene, examine
from contracts.reexecution.recording import differs, record
from contracts.reexecution.replay_file import WitnessFile
from contracts.reexecution.rules import ChainRules
from contracts.reexecution.verdict import BlockCheck, Disagreement, Verdict
from contracts.reexecution.witness import KnownState, Witness
from ledger.errors import BadInput, Problem, Refused, Unavailable
from ledger.ethereum.header import Header

# A refusal that says nothing about the block: the node refuses a request, or the block needs what we lack.
_NO_ANSWER = ("NODE_ERROR", "REEXECUTION_UNSUPPORTED")


class _Endpoint:
    """One node of the chain, and what is remembered of it."""

    def __init__(self, node: Node, rules: ChainRules) -> None:
        self.node = node
        self.reader = BlockReader(node, rules.header_form, most_traced=rules.most_traced)
        self.ancestors = Ancestors(node, rules.header_form)


class BlockChecker:
    """Checks blocks of one chain against its nodes. Not for several threads at once.

    Consecutive blocks are cheap: trie nodes, code and ancestors that were proven once are known by their
    hash.
    """

    def __init__(self, node: Node, rules: ChainRules, others: Sequence[Node] = ()) -> None:
        """`others`: nodes that are asked, in turn, where `node`'s answers do not show the block to be right."""
        self.node = node
        self.rules = rules
        self._endpoints = [_Endpoint(each, rules) for each in (node, *others)]
        self._known = KnownState()
        self._last: WitnessFile | None = None

    def check(self, parent: Header, number: int) -> BlockCheck:
        """Check block `number`, whose `parent` the caller has verified. Raises nothing but programming
        errors.

        With several nodes: *same* where one of them shows it; *differs* where the block itself shows it, or where
        every node answers and none proves it; else *unknown*.
        """
        self._known.make_room()
        found: BlockCheck | None = None
        for endpoint in self._endpoints:
            check = self._attempt(endpoint, parent, number)
            if check.verdict is Verdict.SAME or (check.verdict is Verdict.DIFFERS and self.shows_itself()):
                return check
            if found is None or (found.verdict is Verdict.DIFFERS and check.verdict is Verdict.UNKNOWN):
                found = check
        assert found is not None
        return found

    def witness(self) -> bytes | None:
        """The replay file of the block checked last, whatever was found: all that executing it needs, and no more.

        None where that was not had: the block was not bound to a header, or its state does not prove.
        """
        try:
            return None if self._last is None else record(self._last).encode()
        except Problem:
            return None

    def shows_itself(self) -> bool:
        """Whether the block checked last differs by its own parts, whatever a node says."""
        try:
            return self._last is not None and differs(record(self._last))
        except Problem:
            return False

    def _attempt(self, endpoint: _Endpoint, parent: Header, number: int) -> BlockCheck:
        header: Header | None = None
        self._last = None
        try:
            block = endpoint.reader.read(number)
            header = block.header
            ancestors = endpoint.ancestors
            self._last = WitnessFile(self.rules, parent, block, self._known.nodes, self._known.codes, ancestors.headers)
            self._check(endpoint, parent, block)
        except Unavailable as error:
            return _verdict(number, header, Verdict.UNKNOWN, str(error))
        except (Refused, BadInput) as error:
            verdict = Verdict.UNKNOWN if error.code in _NO_ANSWER else Verdict.DIFFERS
            return _verdict(number, header, verdict, str(error))
        for each in self._endpoints:
            each.ancestors.learn(header)
        return BlockCheck(number, header.hash, Verdict.SAME, "", header, len(block.transactions), header.gas_used)

    def _check(self, endpoint: _Endpoint, parent: Header, block: ClaimedBlock) -> None:
        self._known.codes.update(block.hints.codes)
        scene = Scene(
            parent=parent,
            block=block,
            rules=self.rules,
            known=self._known,
            before=Witness(endpoint.node, self._known, parent.state_root, parent.number),
            after=Witness(endpoint.node, self._known, block.header.state_root, block.header.number),
            ancestors=endpoint.ancestors.of(parent),
        )
        for comparison in examine(scene):
            if comparison.reason:
                raise Disagreement(comparison.reason, where=comparison.where)


def _verdict(number: int, header: Header | None, verdict: Verdict, reason: str) -> BlockCheck:
    return BlockCheck(number, None if header is None else header.hash, verdict, reason, header)
