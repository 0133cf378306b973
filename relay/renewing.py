"""Keeps idle light clients from expiring, each for itself: one that cannot be renewed stops neither others nor
messages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial

from ledger.errors import Problem
from relay.agenda import Agenda
from relay.headers import HeaderBearer
from relay.retry import problem_of, wait_after

CLIENT_LOOK_SECONDS = 60.0  # between two looks at how old a light client's latest header is


class Renewing:
    """The light clients of one deployment. `clock`: monotonic seconds."""

    def __init__(self, bearers: Sequence[HeaderBearer], clock: Callable[[], float]) -> None:
        self._bearers = tuple(bearers)
        self._agenda: Agenda[int] = Agenda(clock)
        self._troubles: dict[str, Problem] = {}

    @property
    def troubles(self) -> dict[str, Problem]:
        """Why a light client could not be renewed, by what it is ("eip155:1 on eip155:2")."""
        return dict(self._troubles)

    def begin(self, pool: Executor) -> None:
        """Look at each that was not looked at for a while."""
        for index, bearer in enumerate(self._bearers):
            self._agenda.begin(pool, index, partial(self._refresh, index, bearer))

    def _refresh(self, index: int, bearer: HeaderBearer) -> bool:
        """Whether it was renewed."""
        try:
            renewed = bearer.refresh()
        except Exception as error:  # noqa: BLE001 - as above
            self._troubles[bearer.name] = problem_of(error)
            self._agenda.hold(index, wait_after(self._agenda.failed(index).failures))
            return False
        self._troubles.pop(bearer.name, None)
        self._agenda.succeeded(index)
        self._agenda.hold(index, CLIENT_LOOK_SECONDS)
        return renewed
