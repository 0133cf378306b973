"""A value that is worked out once for each object, and by nobody who waits for another object's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Barrier

from ledger.once import once


@dataclass(frozen=True)
class Subject:
    number: int
    worked_out: list[int] = field(default_factory=list, compare=False)

    @once
    def doubled(self) -> int:
        """Twice the number."""
        self.worked_out.append(self.number)
        return 2 * self.number


class Meeting:
    """Works out its value only where another object does so at the same time."""

    def __init__(self, barrier: Barrier) -> None:
        self._barrier = barrier

    @once
    def met(self) -> int:
        return self._barrier.wait(timeout=60)


def test_it_is_worked_out_once_for_each_object_and_for_each_copy() -> None:
    one, other = Subject(1), Subject(1)
    assert [one.doubled, one.doubled, other.doubled] == [2, 2, 2]
    assert (one.worked_out, other.worked_out) == ([1], [1])
    assert replace(one, number=4).doubled == 8


def test_it_is_no_part_of_what_an_object_is() -> None:
    known, unknown = Subject(3), Subject(3)
    assert known.doubled == 6
    assert known == unknown
    assert hash(Subject(3, worked_out=())) == hash(replace(known, worked_out=()))  # type: ignore[arg-type]
    assert Subject.doubled.__doc__ == "Twice the number."


def test_two_objects_are_worked_out_side_by_side() -> None:
    barrier = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(lambda each: each.met, [Meeting(barrier), Meeting(barrier)])) == [0, 1]
