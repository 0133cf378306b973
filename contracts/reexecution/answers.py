"""A node's answers, written down and given again: both stand behind the production seam `Node`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from contracts.node import Node, NodeError
from ledger.errors import Unavailable


class RecordingNode:
    """Passes everything on, and keeps each first answer."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._kept: dict[tuple[str, str], str] = {}

    @property
    def url(self) -> str:
        return self._node.url

    def request(self, method: str, *params: Any) -> Any:
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        results = self._node.batch(calls)
        for (method, params), result in zip(calls, results, strict=True):
            self._kept.setdefault((method, _canonical(list(params))), _canonical(result))
        return results

    def answers(self) -> tuple[tuple[str, str, str], ...]:
        """Everything that was answered, in the order of the requests' names."""
        return tuple((*call, self._kept[call]) for call in sorted(self._kept))


class AnsweringNode:
    """Gives recorded answers again; what was never asked, it does not know."""

    url = "the file"

    def __init__(self, answers: Iterable[tuple[str, str, str]]) -> None:
        self._answers = {(method, params): result for method, params, result in answers}

    def request(self, method: str, *params: Any) -> Any:
        found = self._answers.get((method, _canonical(list(params))))
        if found is None:
            raise NodeError(f"{method}: the file holds no answer", rpc_code=None, where=self.url)
        try:
            return json.loads(found)
        except (ValueError, RecursionError) as error:
            raise Unavailable("NODE_GARBAGE", "an answer of the file is no JSON", where=self.url) from error

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        return [self.request(method, *params) for method, params in calls]


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
