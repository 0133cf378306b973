"""The check of one block: fetch, bind, execute, compare. The order of the module is the order of the
check.
"""

from __future__ import annotations

from contracts.node import Node
from contracts.reexecution.ancestors import Ancestors
from contracts.reexecution.claims import BlockReader, ClaimedBlock
from contracts.reexecution.examination import Scene, examine
from contracts.reexecution.recording import record
from contracts.reexecution.rules import ChainRules
from contracts.reexecution.verdict import BlockCheck, Disagreement, Verdict
from contracts.reexecution.witness import KnownState, Witness
from ledger.errors import BadInput, Problem, Refused, Unavailable
from ledger.ethereum.header import Header

# A refusal that says nothing about the block: the node refuses a request, or the block needs what we lack.
_NO_ANSWER = ("NODE_ERROR", "REEXECUTION_UNSUPPORTED")


class BlockChecker:
    """Checks blocks of one chain against one node. Not for several threads at once.

    Consecutive blocks are cheap: trie nodes, code and ancestors that were proven once are known by their
    hash.
    """

    def __init__(self, node: Node, rules: ChainRules) -> None:
        self.node = node
        self.rules = rules
        self._reader = BlockReader(node)
        self._known = KnownState()
        self._ancestors = Ancestors(node)
        self._last: tuple[Header, ClaimedBlock] | None = None

    def check(self, parent: Header, number: int) -> BlockCheck:
        """Check block `number`, whose `parent` the caller has verified. Raises nothing but programming
        errors.
        """
        header: Header | None = None
        self._last = None
        try:
            block = self._reader.read(number)
            header = block.header
            self._last = (parent, block)
            self._check(parent, block)
        except Unavailable as error:
            return _verdict(number, header, Verdict.UNKNOWN, str(error))
        except (Refused, BadInput) as error:
            verdict = Verdict.UNKNOWN if error.code in _NO_ANSWER else Verdict.DIFFERS
            return _verdict(number, header, verdict, str(error))
        self._ancestors.learn(header)
        return BlockCheck(number, header.hash, Verdict.SAME, "", header, len(block.transactions), header.gas_used)

    def witness(self) -> bytes | None:
        """The replay file of the block checked last, whatever was found: all that executing it needs, and no more.

        None where that was not had: the block was not bound to a header, or its state does not prove.
        """
        if self._last is None:
            return None
        try:
            return record(*self._last, self.rules, self._known, self._ancestors.known()).encode()
        except Problem:
            return None

    def _check(self, parent: Header, block: ClaimedBlock) -> None:
        self._known.make_room()
        self._known.codes.update(block.hints.codes)
        scene = Scene(
            parent=parent,
            block=block,
            rules=self.rules,
            known=self._known,
            before=Witness(self.node, self._known, parent.state_root, parent.number),
            after=Witness(self.node, self._known, block.header.state_root, block.header.number),
            ancestors=self._ancestors.of(parent),
        )
        for comparison in examine(scene):
            if comparison.reason:
                raise Disagreement(comparison.reason, where=comparison.where)


def _verdict(number: int, header: Header | None, verdict: Verdict, reason: str) -> BlockCheck:
    return BlockCheck(number, None if header is None else header.hash, verdict, reason, header)
