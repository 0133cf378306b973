"""Executing a block from parts that are at hand, with nobody to ask; and noting which of them it took.

What it took is the witness, no more and no less: a file that lacks a part says so, and one with a part too many is
none of ours. May never happen here: a part that is missing being taken for absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from contracts.reexecution.ancestors import Ancestors
from contracts.reexecution.claims import Hints
from contracts.reexecution.examination import Comparison, Scene, examine
from contracts.reexecution.replay_file import WitnessFile
from contracts.reexecution.verdict import Disagreement
from contracts.reexecution.witness import KnownState, Witness
from ledger.errors import BadInput, Problem
from ledger.ethereum.header import Header
from ledger.ethereum.nodes import Node as TrieNode
from ledger.ethereum.trie import EMPTY_CODE_HASH

T = TypeVar("T")


class Noted(dict[bytes, T]):
    """Parts by hash that note which of those given at first were looked at."""

    def __init__(self, given: Mapping[bytes, T]) -> None:
        super().__init__(given)
        self._given, self._taken, self._made = given, set[bytes](), set[bytes]()

    def get(self, key: bytes, default: Any = None) -> Any:
        """As a dict's."""
        self._note(key)
        return super().get(key, default)

    def __getitem__(self, key: bytes) -> T:
        self._note(key)
        return super().__getitem__(key)

    def __setitem__(self, key: bytes, value: T) -> None:
        self._made.add(key)
        super().__setitem__(key, value)

    def _note(self, key: bytes) -> None:
        # What the execution made by itself before it looked there, it did not need to be given.
        if key in self._given and key not in self._made:
            self._taken.add(key)

    def taken(self) -> dict[bytes, T]:
        """Those that were looked at."""
        return {key: self._given[key] for key in self._taken}


class Nobody:
    """The node of who has none: behind the production seam, it says what is missing."""

    url = "the file"

    def request(self, method: str, *params: Any) -> Any:
        raise _incomplete(f"{method} {' '.join(str(each) for each in params)}"[:120])

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        return [self.request(method, *params) for method, params in calls]


class OfflineWitness(Witness):
    """A witness that asks nobody: what its nodes do not prove is missing, and no fault of the chain."""

    def require_shown(self, assumed: Sequence[tuple[bytes | None, bytes]]) -> None:
        if assumed:
            raise _incomplete("the neighbour of a removed key")

    def prefetch(self, _wanted: Mapping[bytes, Iterable[int]]) -> None:
        """Nothing: looking ahead would count as needing."""

    def _fetch(self, _wanted: Mapping[bytes, frozenset[int]]) -> list[TrieNode]:
        return []

    def _unproven(self, what: str) -> Problem:
        return _incomplete(what)


class Rehearsal:
    """One execution from parts; afterwards `taken` says which were needed."""

    def __init__(self, parts: WitnessFile) -> None:
        self._parts = parts
        self._known = KnownState()
        self._nodes, self._codes = Noted(parts.nodes), Noted(parts.codes)
        self._known.nodes = self._nodes
        self._known.codes = self._codes
        if EMPTY_CODE_HASH not in parts.codes:
            self._codes[EMPTY_CODE_HASH] = b""
        self._ancestors = OfflineAncestors(parts.ancestors)

    def run(self) -> list[Comparison]:
        """Every comparison. Those after the first that differs may be missing, where the parts do not reach.

        Errors: `BadInput` REPLAY_INCOMPLETE; `Disagreement`.
        """
        found: list[Comparison] = []
        following = examine(self._scene())
        while True:
            try:
                found.append(next(following))
            except StopIteration:
                return found
            except BadInput:
                if not any(each.reason for each in found):
                    raise
                return found

    def taken(self) -> WitnessFile:
        """The parts that were looked at."""
        parts = self._parts
        codes = self._codes.taken()
        codes.pop(EMPTY_CODE_HASH, None)
        return replace(parts, nodes=self._nodes.taken(), codes=codes, ancestors=self._ancestors.noted.taken())

    def _scene(self) -> Scene:
        parent, block = self._parts.parent, self._parts.block
        nobody = Nobody()
        return Scene(
            parent=parent,
            block=block,
            rules=self._parts.rules,
            known=self._known,
            before=OfflineWitness(nobody, self._known, parent.state_root, parent.number),
            after=OfflineWitness(nobody, self._known, block.header.state_root, block.header.number),
            ancestors=self._ancestors.of(parent),
        )


class OfflineAncestors(Ancestors):
    """Ancestors whose headers are at hand."""

    def __init__(self, given: Mapping[bytes, Header]) -> None:
        super().__init__(Nobody())
        self.headers = self.noted = Noted(given)


def record(parts: WitnessFile) -> WitnessFile:
    """What of the parts the block needs, hints left out. Errors: `BadInput` REPLAY_INCOMPLETE where they do not reach,
    or where the block is not the parent's child.
    """
    parent, block = parts.parent, parts.block
    if block.header.parent_hash != parent.hash:
        raise _incomplete("the parent that the header names")
    older = {name: header for name, header in parts.ancestors.items() if name != parent.hash}
    bare = replace(
        parts,
        block=replace(block, hints=Hints({}, {})),
        nodes=dict(parts.nodes),
        codes=dict(parts.codes),
        ancestors=older,
    )
    rehearsal = Rehearsal(bare)
    with suppress(Disagreement):  # a finding: the file shows it
        rehearsal.run()
    return rehearsal.taken()


def differs(parts: WitnessFile) -> bool:
    """Whether executing the parts shows a difference. Errors: `BadInput` REPLAY_INCOMPLETE."""
    try:
        return any(each.reason for each in Rehearsal(parts).run())
    except Disagreement:
        return True


def _incomplete(what: str) -> BadInput:
    cure = "Ask whoever gave you the file for it again."
    return BadInput("REPLAY_INCOMPLETE", f"the parts do not prove: {what}", where="the file", cure=cure)


def unused(given: WitnessFile, taken: WitnessFile) -> Iterable[str]:
    """The sorts of parts of which more were given than taken."""
    return [name for name in ("nodes", "codes", "ancestors") if set(getattr(given, name)) != set(getattr(taken, name))]
