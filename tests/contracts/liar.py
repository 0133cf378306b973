"""A node that answers some methods as it likes, and passes the others on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contracts.node import Node


class Instead:
    """Implements `contracts.node.Node` over another; `answers` by method: a value, or a function of the true one."""

    def __init__(self, node: Node, **answers: Any) -> None:
        self._node, self._answers = node, answers

    @property
    def url(self) -> str:
        return self._node.url

    def request(self, method: str, *params: Any) -> Any:
        if method not in self._answers:
            return self._node.request(method, *params)
        answer = self._answers[method]
        return answer(self._node.request(method, *params)) if callable(answer) else answer

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        return [self.request(method, *params) for method, params in calls]
