"""Which pictures each record was made for, also where pictures or records were changed, added or taken away.

What happens here: records are put in the order of the signer's counter, those whose whole list of digests stands in the
stream are placed first, then those of which a part stands there, and what is left between neighbours is shared out by
the beginnings of groups. What may never happen here: a verdict; a place is where to look, and `verify` looks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256, sha384, sha512
from itertools import pairwise

from ledger.media_signing.documents import General
from ledger.media_signing.stream import Found, Item, Stream

_TRIES = 64
"""Places tried for one record; a stream that repeats one picture thousands of times is searched no further."""
MAX_WORK = 4_000_000
"""Digests compared or taken anew while records are placed; ten times what four hours of video need. A stream made to
cost more is placed by the beginnings of groups from there on, which calls nothing authentic that is not."""
_WIDTHS = {32: sha256, 48: sha384, 64: sha512}


class Why(Enum):
    """What a stretch of the stream is to the records."""

    RECORDED = "a record covers it"
    RECORD_LOST = "its record is not there"
    ADDED = "it stands between two groups that follow each other"
    BEFORE = "it comes before the first record's group"
    AFTER = "it comes after the last record's group"


@dataclass(slots=True)
class Place:
    """Items `start` to `end`. `number`: of the record that covers them. `anchor`: its group's first digest."""

    why: Why
    start: int
    end: int
    number: int | None = None
    found: Found | None = None
    anchor: bytes = b""


@dataclass(slots=True)
class _Slot:
    number: int
    found: Found | None
    anchor: bytes = b""
    start: int = -1
    end: int = -1
    lead: int = 0
    tail: int = 0

    @property
    def general(self) -> General:
        assert self.found is not None and self.found.document.general is not None
        return self.found.document.general

    @property
    def placed(self) -> bool:
        return self.start >= 0


def believable(stream: Stream) -> list[Found]:
    """The records to rely on: those whose signature holds, and unsigned ones that such a record covers."""
    found = _listed(stream)
    if all(each.document.hashes is not None for each in found) or len(found) == len(stream.found):
        return found
    # A record without a list covers what stands in a group of its digest, which brings the record before it, and so on.
    budget = Budget(MAX_WORK)
    for _ in range(_TRIES):
        slots = _in_order(found)
        _place_whole(stream, slots, budget)
        covered = {item for slot in slots if slot.placed for item in range(slot.start, slot.end)}
        believed = {each.unit for each in found}
        more = [each for each in stream.found if each.unit in believed or each.item in covered]
        if len(more) == len(found):
            break
        found = more
    return found


def _listed(stream: Stream) -> list[Found]:
    known: set[bytes] = set()
    found = []
    for each in reversed(stream.found):
        if each.holds or (each.item is not None and stream.items[each.item].digest in known):
            known.update(each.document.hashes or ())
            found.append(each)
    return found[::-1]


def arrange(stream: Stream, records: Sequence[Found]) -> list[Place]:
    """A place for every item, in stream order, and an empty one for each group that is gone."""
    slots = _in_order(records)
    budget = Budget(MAX_WORK)
    _place_whole(stream, slots, budget)
    _place_parts(stream, slots, budget)
    return _Arrangement(stream.items, slots).places()


def _in_order(records: Sequence[Found]) -> list[_Slot]:
    """By the signer's counter, anew wherever it starts anew; a record that came twice stands once."""
    runs: list[dict[int, _Slot]] = [{}]
    newest = -1
    for each in records:
        general = each.document.general
        if general is None or not general.count:
            continue
        # The counter has 32 bits; a jump of half its range backwards is its overflow.
        number = general.number + (newest + 2**31 - general.number) // 2**32 * 2**32 if newest >= 0 else general.number
        again = runs[-1].get(number)
        if (
            general.begins_stream
            and runs[-1]
            and (again is None or again.found is None or again.found.document != each.document)
        ):
            runs.append({})
            newest, number = -1, general.number
        runs[-1].setdefault(number, _Slot(number, each))
        newest = max(newest, number)
    slots = [run[number] for run in runs for number in sorted(run)]
    before: _Slot | None = None
    for slot in slots:
        hashes = slot.found.document.hashes if slot.found else None
        goes_on = before is not None and before.general.partial and before.number + 1 == slot.number
        slot.anchor = before.anchor if before is not None and goes_on else (hashes or (b"",))[0]
        before = slot
    return slots


class Budget:
    """What a stream may cost."""

    def __init__(self, left: int) -> None:
        self._left = left

    def spend(self, work: int) -> bool:
        """Whether this much is still there; then it is gone."""
        self._left -= work
        return self._left >= 0


def _place_whole(stream: Stream, slots: Sequence[_Slot], budget: Budget) -> None:
    where: dict[bytes, list[int]] = {}
    for index, item in enumerate(stream.items):
        where.setdefault(item.digest, []).append(index)
    begins = [index for index, item in enumerate(stream.items) if item.begins_group]
    at = 0
    for slot in slots:
        start = next(_whole(stream.items, slot, at, where, begins, budget), None)
        if start is not None:
            hashes = slot.found.document.hashes if slot.found else None
            slot.start, slot.end = start, start + (len(hashes) if hashes else slot.general.count)
            at = slot.end


def _whole(
    items: Sequence[Item],
    slot: _Slot,
    at: int,
    where: dict[bytes, list[int]],
    begins: Sequence[int],
    budget: Budget,
) -> Iterator[int]:
    """Where all that the record lists stands in a row, from `at` on and before the record itself."""
    assert slot.found is not None
    hashes = slot.found.document.hashes
    if hashes:
        candidates = where.get(hashes[0], [])
        first = bisect_left(candidates, at)
        starts = candidates[first : first + _TRIES]
    else:
        first = bisect_left(begins, at)
        starts = sorted({at, *begins[first : first + _TRIES]})
    length = len(hashes) if hashes else slot.general.count
    for start in starts:
        if start + length > slot.found.after or not budget.spend(length):
            return
        digests = [item.digest for item in items[start : start + length]]
        if tuple(digests) == hashes or (not hashes and joined(digests) == slot.general.digest):
            yield start


def joined(digests: Sequence[bytes]) -> bytes:
    """The digest of a group, over its units' digests in a row."""
    return _WIDTHS.get(len(digests[0]), sha256)(b"".join(digests)).digest()


def _place_parts(stream: Stream, slots: Sequence[_Slot], budget: Budget) -> None:
    at = 0
    for index, slot in enumerate(slots):
        if slot.placed:
            at = slot.end
            continue
        hashes = slot.found.document.hashes if slot.found else None
        if slot.found is None or not hashes:
            continue
        limit = next((other.start for other in slots[index + 1 :][:_TRIES] if other.placed), len(stream.items))
        # Groups whose records are lost may stand before, hence more than the list is long.
        limit = min(limit, slot.found.after, at + 16 * len(hashes) + 1024)
        if limit <= at or not budget.spend(limit - at):
            continue
        listed = {digest: place for place, digest in reversed(list(enumerate(hashes)))}
        digests = [item.under(slot.anchor, stream.algorithm) for item in stream.items[at:limit]]
        hits = [place for place, digest in enumerate(digests) if digest in listed]
        if hits:
            slot.start, slot.end = at + hits[0], at + hits[-1] + 1
            slot.lead = listed[digests[hits[0]]]
            slot.tail = len(hashes) - 1 - listed[digests[hits[-1]]]
            at = slot.end


class _Arrangement:
    """Shares out what no record claims."""

    def __init__(self, items: Sequence[Item], slots: list[_Slot]) -> None:
        self._items, self._slots, self._places = items, slots, list[Place]()

    def places(self) -> list[Place]:
        placed = [index for index, slot in enumerate(self._slots) if slot.placed]
        if not placed:
            self._unplaced()
            return self._places
        before: _Slot | None = None
        done = 0
        for index in placed:
            slot = self._slots[index]
            self._between(before, self._waiting(done, index), slot)
            self._add_slot(slot)
            before, done = slot, index + 1
        assert before is not None
        self._after(before, self._slots[done:])
        return self._places

    def _waiting(self, first: int, last: int) -> list[_Slot]:
        """Slots `first` to `last`, and one for each number that is missing before, between and after them."""
        found: list[_Slot] = []
        for index in range(first, last + 1):
            if index:
                number, following = self._slots[index - 1].number, self._slots[index].number
                found += [_Slot(lost, None) for lost in range(number + 1, min(following, number + 1 + _TRIES))]
            if index < last:
                found.append(self._slots[index])
        return found

    def _between(self, before: _Slot | None, waiting: list[_Slot], after: _Slot) -> None:
        at, end = (before.end if before else 0), after.start
        if not waiting and after.lead:
            # What the next record misses at its beginning is what stands before its first match.
            begin = next((i for i in range(end - 1, at - 1, -1) if self._items[i].begins_group), at)
            after.start = end = max(end - after.lead, begin)
        if before is None:
            self._before(end, waiting)
            return
        at = self._give_back(before, at, end, waiting)
        at = self._walk(at, end, waiting)
        if at < end:
            self._places.append(Place(Why.ADDED, at, end))

    def _give_back(self, before: _Slot, at: int, end: int, waiting: Sequence[_Slot]) -> int:
        """Leading items that begin no group belong to the group before: what it misses, or what was added to it."""
        begins = [i for i in range(at, end) if self._items[i].begins_group]
        leading = (begins[0] if begins else end) - at
        groups = sum(slot.found is None or not slot.general.partial for slot in waiting)
        count = leading if len(begins) >= groups else min(leading, before.tail)
        self._places[-1].end = before.end = at + count
        return at + count

    def _walk(self, at: int, end: int, waiting: Sequence[_Slot]) -> int:
        for slot in waiting:
            slot.start = at
            if slot.found is not None and slot.general.partial:
                at = min(end, at + slot.general.count)
            else:
                at = next((i for i in range(at + 1, end) if self._items[i].begins_group), end)
            slot.end = at = max(at, slot.start)
            self._add_slot(slot)
        return at

    def _before(self, end: int, waiting: list[_Slot]) -> None:
        cuts = sorted({0, end, *(i for i in range(end) if self._items[i].begins_group)})
        parts = list(pairwise(cuts))
        shared = waiting[max(0, len(waiting) - len(parts)) :]
        cut = parts[len(parts) - len(shared)][0] if shared else end
        if cut:
            self._places.append(Place(Why.BEFORE, 0, cut))
        self._walk(cut, end, shared)

    def _after(self, before: _Slot, waiting: list[_Slot]) -> None:
        at, end = before.end, len(self._items)
        missing = [before, *waiting]
        lost = [
            _Slot(number, None)
            for earlier, later in pairwise(missing)
            for number in range(earlier.number + 1, min(later.number, earlier.number + 1 + _TRIES))
        ]
        every = sorted([*lost, *waiting], key=lambda slot: slot.number)
        at = self._give_back(before, at, end, every)
        at = self._walk(at, end, every)
        if at < end:
            self._places.append(Place(Why.AFTER, at, end))

    def _unplaced(self) -> None:
        """No picture is as any record says. A record's group ended before the record, at a beginning of another."""
        last = next((slot.found.after for slot in reversed(self._slots) if slot.found), 0)
        ends = [i for i, item in enumerate(self._items) if item.begins_group and 0 < i <= last]
        end = max(ends, default=0)
        if last == len(self._items):
            end = last
        self._before(end, self._slots)
        if end < len(self._items):
            self._places.append(Place(Why.AFTER, end, len(self._items)))

    def _add_slot(self, slot: _Slot) -> None:
        why = Why.RECORD_LOST if slot.found is None else Why.RECORDED
        self._places.append(Place(why, slot.start, slot.end, slot.number, slot.found, slot.anchor))
