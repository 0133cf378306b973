"""Re-executes one chain's final blocks, one after the other from the manifest's first, and remembers how far it came.

What may never happen here: a gap; a block that differs being passed over; an unreachable node taken for a verdict.
"""

from __future__ import annotations

import threading

from contracts.execution_rules import rules_of
from contracts.reexecution import BlockCheck, BlockChecker, evidence
from contracts.reexecution import Verdict as Finding
from contracts.several_nodes import endpoints_of
from ledger.errors import Unavailable
from notary.journal import Checked, Journal
from notary.replays import Replays
from notary.watcher import Watcher

BLOCKS_PER_STEP = 256  # what one request waits for at most; the next one goes on from there


class Rechecker:
    """One chain's re-execution. Safe to share between threads: one of them works, the others wait for it."""

    def __init__(self, watcher: Watcher, journal: Journal, replays: Replays) -> None:
        """Errors: `WrongUse` RULES_FORK, RULES_VALUE when the manifest's rules are not ones we can execute."""
        chain = watcher.chain
        self._chain, self._watcher, self._journal, self._replays = chain, watcher, journal, replays
        first, *others = endpoints_of(watcher.node)
        self._checker = BlockChecker(first, rules_of(chain), others)
        self._lock = threading.Lock()

    def catch_up(self, to: int, *, at_most: int = BLOCKS_PER_STEP) -> Checked:
        """Re-execute final blocks up to and including `to`, but no more than `at_most`; return how far it is.

        It stops for good at the first block that differs. Errors: `Unavailable` UNKNOWN (a block could not be checked;
        the ones before it are recorded), and those of `Watcher.header`.
        """
        with self._lock:
            checked = self._checked()
            for _ in range(at_most):
                if checked.differs_at is not None or checked.header.number >= to:
                    break
                checked = self._step(checked)
            return checked

    def _checked(self) -> Checked:
        recorded = self._journal.checked(self._chain.end)
        if recorded is not None:
            return recorded
        # The block before the first: its state is where trust in this chain begins, as the manifest says.
        return Checked(self._watcher.header(self._chain.checked_from - 1), None, "")

    def _step(self, checked: Checked) -> Checked:
        number = checked.header.number + 1
        found = self._checker.check(checked.header, number)
        self._require_agreed(number, found)
        if found.verdict is Finding.UNKNOWN or (found.verdict is Finding.SAME and found.header is None):
            raise Unavailable("UNKNOWN", found.reason, where=f"{self._chain.caip2}, block {number}", cure="Ask again.")
        if found.verdict is Finding.SAME and found.header is not None:
            following = Checked(found.header, None, "")
        else:
            found_again = evidence(self._checker, checked.header, number)
            if found_again is not None:  # before the verdict is recorded: afterwards nobody looks at this block again
                self._replays.keep(self._chain.chain_id, number, found_again)
            # The header stays the last one that was right: there is nothing to stand on above it.
            following = Checked(checked.header, number, found.reason)
        self._journal.advance(self._chain.end, following)
        return following

    def _require_agreed(self, number: int, found: BlockCheck) -> None:
        """Of several nodes, no single one says which block this is: a block that others do not have judges nobody.

        Errors: `Unavailable` UNKNOWN, and the next time another node is asked first; those of `Watcher.header`.
        """
        nodes = endpoints_of(self._watcher.node)
        if len(nodes) == 1 or found.verdict is Finding.UNKNOWN:
            return
        if found.block_hash != self._watcher.header(number).hash:
            others = tuple(each for each in nodes if each is not self._checker.node)
            self._checker = BlockChecker(others[0], rules_of(self._chain), (*others[1:], self._checker.node))
            what = "the node that was asked has another block of this number than the others"
            raise Unavailable("UNKNOWN", what, where=f"{self._chain.caip2}, block {number}", cure="Ask again.")
