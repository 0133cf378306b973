"""Several independent nodes of one chain behind the seam of one: what is a node's word alone needs agreement.

    node = SeveralNodes([RpcNode(url) for url in urls], agree=2)

What proves itself to whoever asked (receipts, proofs, code, traces, transactions) may come from any one node; a caller
that finds it does not, asks the next by `endpoints`. Everything else, above all where the head is and which block has
a number, needs the same answer of `agree` nodes. Silence never lowers that: with fewer answers nothing is answered.
May never happen here: two answers that could both be agreed on; a wait for a node that hangs, once others agree.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeVar

from contracts.node import MAX_WORDS, Node, NodeError, quantity
from ledger.errors import Problem, Unavailable, WrongUse
from ledger.ethereum.header import Header, header_from_rpc
from ledger.ethereum.qbft import QbftHeader

MAX_NODES = 16
GRACE_SECONDS = 0.25  # for a head, after enough have answered: a node that lags must not always be the quicker one
PATIENCE_SECONDS = 35.0  # a little more than one exchange with a node may take
_THREADS = 4  # a node that hangs holds up its own answers only; beyond so many it is not asked

T = TypeVar("T")
Call = tuple[str, Sequence[Any]]

_ANY_ONE = frozenset(
    {
        "eth_getProof",
        "eth_getCode",
        "eth_getBlockReceipts",
        "eth_getTransactionByHash",
        "eth_getTransactionReceipt",
        "debug_traceBlockByNumber",
        "debug_dbGet",
    }
)
_LOG = ("address", "topics", "data", "blockHash", "transactionHash", "logIndex")
_HEADS = frozenset({"latest", "finalized", "safe"})


@dataclass(frozen=True, slots=True)
class _Answer:
    """One node's answers to some calls, or why it gave none."""

    node: Node
    results: list[Any] | None
    problem: Problem | None


class SeveralNodes:
    """Nodes of one chain, as one. Safe to share between threads.

    Errors of `request` and `batch`: `Unavailable` NODES_DISAGREE (no answer that enough nodes give, although enough
    answered), NODE_UNREACHABLE (too few answered); `NodeError` where enough nodes answer an error.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        *,
        agree: int | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        """`agree`: how many must answer alike, more than half of the nodes; just so many by default.

        Errors: `WrongUse` NODES_AGREE (not more than half, or more than there are), NODES_REPEATED.
        """
        least = len(nodes) // 2 + 1
        self.agree = least if agree is None else agree
        if not 1 <= len(nodes) <= MAX_NODES or not least <= self.agree <= len(nodes):
            what = f"{self.agree} of {len(nodes)} nodes: more than half must agree, of 1 to {MAX_NODES}"
            raise WrongUse("NODES_AGREE", what, cure="With less, two different answers could both be agreed on.")
        if len({node.url for node in nodes}) != len(nodes):
            raise WrongUse("NODES_REPEATED", "a node is named twice", cure="Its word would count twice.")
        self.endpoints = tuple(nodes)
        self._patience, self._grace = patience_seconds, grace_seconds
        self._lines = [ThreadPoolExecutor(_THREADS, thread_name_prefix="node") for _ in nodes]
        self._pending = [0] * len(nodes)
        self._first = 0

    @property
    def url(self) -> str:
        return " and ".join(node.url for node in self.endpoints)

    @property
    def in_turn(self) -> tuple[Node, ...]:
        """The nodes, beginning with the one whose answers were of use last."""
        return self.endpoints[self._first :] + self.endpoints[: self._first]

    def prefer(self, node: Node) -> None:
        """Ask this one of the nodes first for what proves itself."""
        self._first = self.endpoints.index(node)

    def close(self) -> None:
        """Stop asking; what hangs is left to its own time limit."""
        for line in self._lines:
            line.shutdown(wait=False, cancel_futures=True)

    def request(self, method: str, *params: Any) -> Any:
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[Call]) -> list[Any]:
        if not calls:
            return []
        kinds = [_kind(call) for call in calls]
        results: list[Any] = [None] * len(calls)
        for kind, ask in (("head", self._heads), ("word", self._agreed), ("any", self._any_one)):
            places = [place for place, found in enumerate(kinds) if found == kind]
            if places:
                for place, result in zip(places, ask([calls[place] for place in places]), strict=True):
                    results[place] = result
        return results

    def _heads(self, calls: Sequence[Call]) -> list[Any]:
        """The highest block that enough nodes have, for each of these tags, as enough nodes show it."""
        answers = self._ask(calls, lambda given: len(given) >= self.agree, grace=self._grace)
        numbers = []
        for place, (method, params) in enumerate(calls):
            heights = sorted(
                (height for answer in answers if (height := _height(answer, place)) is not None), reverse=True
            )
            if len(heights) < self.agree:
                raise self._too_few(method, answers)
            number = hex(heights[self.agree - 1])
            numbers.append((method, params, number))
        blocks = [("eth_getBlockByNumber", (number, *params[1:])) for method, params, number in numbers if params]
        agreed = iter(self._agreed(blocks) if blocks else [])
        return [next(agreed) if params else number for _, params, number in numbers]

    def _agreed(self, calls: Sequence[Call]) -> list[Any]:
        """What enough nodes answer alike."""
        found: list[list[Any]] = [[] for _ in calls]

        def is_enough(given: list[_Answer]) -> bool:
            for place, call in enumerate(calls):
                found[place] = self._largest(call, place, given)
            return all(len(each) >= self.agree for each in found)

        answers = self._ask(calls, is_enough)
        if not is_enough(answers):
            lacking = next(call for call, each in zip(calls, found, strict=True) if len(each) < self.agree)
            raise self._too_few(lacking[0], answers)
        results = [_best(call, each) for call, each in zip(calls, found, strict=True)]
        for result in results:
            if isinstance(result, NodeError):
                raise result
        return results

    def _any_one(self, calls: Sequence[Call]) -> list[Any]:
        """What the first node answers that answers at all; the one that did last is asked first."""
        problems: list[Problem] = []
        nothing: list[Any] | None = None
        for node in self.in_turn:
            try:
                results = node.batch(calls)
            except Problem as problem:
                problems.append(problem)
                continue
            if all(result is not None for result in results):
                self.prefer(node)
                return results
            nothing = nothing or results
        if nothing is not None:
            return nothing
        raise problems[0]

    def _ask(
        self, calls: Sequence[Call], enough: Callable[[list[_Answer]], bool], *, grace: float = 0
    ) -> list[_Answer]:
        """Ask all nodes at once; return when `enough` says so (and `grace` seconds later), or nobody is left."""
        asked = {self._submit(index, calls) for index in range(len(self.endpoints)) if self._pending[index] < _THREADS}
        answers: list[_Answer] = []
        until = time.monotonic() + self._patience
        while asked:
            done, asked = wait(asked, timeout=max(0.0, until - time.monotonic()), return_when=FIRST_COMPLETED)
            if not done:
                break
            answers += [future.result() for future in done]
            if enough([answer for answer in answers if answer.results is not None]):
                if not grace:
                    break
                until, grace = min(until, time.monotonic() + grace), 0
                enough = _never
        return answers

    def _submit(self, index: int, calls: Sequence[Call]) -> Future[_Answer]:
        self._pending[index] += 1
        future = self._lines[index].submit(_answer, self.endpoints[index], calls)
        future.add_done_callback(lambda _: self._done(index))
        return future

    def _done(self, index: int) -> None:
        self._pending[index] -= 1

    def _largest(self, call: Call, place: int, answers: list[_Answer]) -> list[Any]:
        """The largest set of results that are alike."""
        groups: dict[str, list[Any]] = {}
        for answer in answers:
            result = answer.results[place] if answer.results is not None else answer.problem
            groups.setdefault(_likeness(call, result), []).append(result)
        return max(groups.values(), key=len, default=[])

    def _too_few(self, method: str, answers: list[_Answer]) -> Unavailable:
        silent = len(self.endpoints) - sum(answer.results is not None for answer in answers)
        said = "; ".join(f"{a.node.url}: {a.problem}" for a in answers if a.problem is not None)[:MAX_WORDS]
        if len(self.endpoints) - silent < self.agree:
            what = f"{silent} of {len(self.endpoints)} nodes do not answer {method}, and {self.agree} must agree"
            raise Unavailable("NODE_UNREACHABLE", what, where=said, cure="Repair them; fewer answers are not enough.")
        what = f"no {self.agree} of {len(self.endpoints)} nodes answer {method} alike"
        return Unavailable("NODES_DISAGREE", what, where=said or self.url, cure="Compare the nodes with one another.")


def endpoints_of(node: Node) -> tuple[Node, ...]:
    """The nodes behind a node, the one that answered last first."""
    return node.in_turn if isinstance(node, SeveralNodes) else (node,)


def first_that_holds(node: Node, check: Callable[[Node], T]) -> T:
    """What `check` makes of the first of the nodes behind a node whose answers pass it.

    `check` raises a `Problem` where they do not; the first one is raised when none pass.
    """
    problems: list[Problem] = []
    for each in endpoints_of(node):
        try:
            found = check(each)
        except Problem as problem:
            problems.append(problem)
            continue
        if isinstance(node, SeveralNodes):
            node.prefer(each)
        return found
    raise problems[0]


def _kind(call: Call) -> str:
    method, params = call
    if method in _ANY_ONE:
        return "any"
    if method == "eth_blockNumber" or (method == "eth_getBlockByNumber" and params[0] in _HEADS):
        return "head"
    return "word"


def _answer(node: Node, calls: Sequence[Call]) -> _Answer:
    try:
        return _Answer(node, node.batch(calls), None)
    except NodeError as error:
        # A batch in which one call errs shows no other result: as an answer it stands for all of them.
        return _Answer(node, [error] * len(calls), error)
    except Problem as problem:
        return _Answer(node, None, problem)


def _height(answer: _Answer, place: int) -> int | None:
    result = answer.results[place] if answer.results is not None else None
    try:
        return quantity(result.get("number") if isinstance(result, dict) else result)
    except Unavailable:
        return None


def _likeness(call: Call, result: Any) -> str:
    """Equal texts for results that say the same: a block is what its hash says, whatever else a node adds."""
    if isinstance(result, NodeError):
        return f"error {result.rpc_code} {result.is_revert}"
    if call[0] == "eth_getBlockByNumber" and isinstance(result, dict):
        return f"block {result.get('hash')}"
    if call[0] == "eth_getLogs" and isinstance(result, list):
        return f"logs {[[each.get(name) for name in _LOG] for each in result if isinstance(each, dict)]}"
    return json.dumps(result, sort_keys=True, default=repr)


def _best(call: Call, alike: list[Any]) -> Any:
    """One of the results that are alike; of blocks one that hashes to what it says, where there is one."""
    if call[0] == "eth_getBlockByNumber":
        return next((each for each in alike if isinstance(each, dict) and _hashes(each)), alike[0])
    return alike[0]


def _hashes(block: dict[str, Any]) -> bool:
    for form in (Header, QbftHeader):
        try:
            header_from_rpc(block, form)
        except Problem:
            continue
        return True
    return False


def _never(_given: list[_Answer]) -> bool:
    return False
