"""One thread and a clock that a test moves: the same run every time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any


class Clock:
    """Monotonic seconds that pass only by `advance`."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Inline(Executor):
    """Runs what is submitted at once. `Killed` goes through it as it would end a process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - a future takes whatever its job raises
            future.set_exception(error)
        return future


class Killed(BaseException):
    """The process dies here: no handler of ours may run."""
