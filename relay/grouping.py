"""Which steps are begun now, and of which messages together: whatever is ready, never waited for.

Under the relay's lock. May never happen here: a message in two groups of one step, or one that was refused for itself
among others whom it would spoil.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Protocol

from relay.docket import Docket
from relay.journey import Journey, Step
from relay.turns import Queue, Turns

# Groups under way at once in each queue: a step on the chain whose answer it waits for.
GROUPS_AT_ONCE = {Step.PROPOSE: 2, Step.ATTEST: 2, Step.COMMIT: 4, Step.REDELIVER: 2, Step.JUDGE: 8}
JUDGING_WAITS_SECONDS = 10.0  # at most, for messages that are still to be delivered


class Together(Protocol):
    """Which messages may take a step together: `relay.carrier`."""

    def most(self, step: Step) -> int:
        """How many of them."""
        ...

    def group(self, journey: Journey, step: Step) -> Hashable:
        """Those of equal answer may."""
        ...


class Grouping:
    """The groups under way, and those that come next. `clock`: monotonic seconds."""

    def __init__(self, docket: Docket, turns: Turns, carrier: Together, clock: Callable[[], float]) -> None:
        self._docket, self._turns, self._carrier, self._clock = docket, turns, carrier, clock
        self._under_way: Counter[Queue] = Counter()
        self._delivering_since: float | None = None

    def begin(self) -> Iterator[tuple[Queue, list[Journey]]]:
        """What is begun now, in groups as large as they have become; `ended` is to be told of each."""
        is_delivering = self._is_delivering()
        for queue in self._turns.queues:
            step = queue[0]
            free = GROUPS_AT_ONCE[step] - self._under_way[queue]
            if free <= 0 or (step is Step.JUDGE and is_delivering):
                continue
            ready = self._turns.ready(queue, free * self._carrier.most(step))
            named = [self._docket.journeys.get(each) for each in ready]
            for group in self._packed(step, [journey for journey in named if journey is not None])[:free]:
                self._turns.begin(queue, (journey.id for journey in group))
                self._under_way[queue] += 1
                yield queue, group

    def ended(self, queue: Queue) -> None:
        """A group of this queue was taken, or failed."""
        self._under_way[queue] -= 1

    def _is_delivering(self) -> bool:
        """Whether verdicts wait, because deliveries do, and both cost the notaries and the destination their time.

        For so long at a stretch and no longer: a destination that is away must not hold up what is delivered already.
        """
        queues = (*self._turns.queues, *(queue for queue, groups in self._under_way.items() if groups > 0))
        if not any(queue[0] is Step.COMMIT for queue in queues):
            self._delivering_since = None
            return False
        if self._delivering_since is None:
            self._delivering_since = self._clock()
        return self._clock() - self._delivering_since < JUDGING_WAITS_SECONDS

    def _packed(self, step: Step, journeys: Sequence[Journey]) -> list[list[Journey]]:
        """Groups of what may go together; what was refused before goes alone."""
        groups: dict[object, list[Journey]] = {}
        for journey in journeys:
            trial = self._turns.trial((journey.id, step))
            is_alone = trial is not None and trial.goes_alone
            groups.setdefault(journey.id if is_alone else self._carrier.group(journey, step), []).append(journey)
        most = self._carrier.most(step)
        return [group[at : at + most] for group in groups.values() for at in range(0, len(group), most)]
