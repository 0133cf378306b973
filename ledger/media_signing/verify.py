"""The verdict on a signed video, group of pictures by group of pictures.

What happens here: units become digests and records (`stream`), records find their groups (`placing`), and each group is
compared with what was signed. What may never happen here: AUTHENTIC for a group whose digests, signature or place after
the group before do not hold; an exception for anything but a stream that is over a limit.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from difflib import SequenceMatcher
from itertools import pairwise

from ledger.media_signing.chain import SignerChain, TrustList
from ledger.media_signing.elementary import Codec
from ledger.media_signing.placing import Budget, Place, Why, arrange, believable, joined
from ledger.media_signing.stream import Item, Stream, read_stream
from ledger.media_signing.verdict import Authenticity, GroupVerdict, Provenance, Trouble, TroubleKind, VideoVerdict

_MAX_PAIRS, _MAX_PAIRS_OF_ALL = 20_000, 2_000_000
"""Pairs of equal digests in one group, and in all that are looked into. Trouble beyond that is told, not located."""


def verify_video(
    units: Sequence[bytes],
    codec: Codec,
    trust: TrustList,
    *,
    complete: bool = True,
    known: SignerChain | None = None,
) -> VideoVerdict:
    """The verdict on the NAL units of one stream, in stream order.

    `complete`: nothing will follow, so that a group without its record is NOT_COVERED and not PENDING.
    `known`: the chain that signed what came before, for a stream whose own records bring none; another key than that
    one's is KEY_CHANGED. Certificates are judged as of the time that each record states.
    """
    stream = read_stream(units, codec, known)
    return _Judge(stream, trust, complete, known).verdict()


class _Judge:
    def __init__(self, stream: Stream, trust: TrustList, complete: bool, known: SignerChain | None) -> None:
        self._stream, self._items, self._trust = stream, stream.items, trust
        self._open = Authenticity.NOT_COVERED if complete else Authenticity.PENDING
        self._first = known
        self._budget = Budget(_MAX_PAIRS_OF_ALL)
        self._vouched_for: dict[bytes, bool] = {}
        self._vouched_then: dict[tuple[bytes, int, int], bool] = {}

    def verdict(self) -> VideoVerdict:
        stream = self._stream
        if not stream.has_records:
            groups = [self._plain(place, Authenticity.UNSIGNED) for place in self._parts(0, len(self._items))]
        else:
            groups = list(self._groups())
        return VideoVerdict(tuple(groups), stream.chains, stream.vendor, stream.pictures)

    def _groups(self) -> list[GroupVerdict]:
        records = believable(self._stream)
        places = arrange(self._stream, records)
        broken = sorted([*self._stream.broken, *self._unbelieved(places)])
        found: list[GroupVerdict] = []
        before: Place | None = None
        for index, place in enumerate(places):
            if place.why is Why.RECORDED:
                found.append(self._recorded(place, before))
            elif place.why is Why.RECORD_LOST:
                found.append(self._lost(place, self._has_broken(places, index, broken)))
            elif place.why is Why.ADDED:
                found.append(self._plain(place, Authenticity.TAMPERED, TroubleKind.ADDED))
            else:
                found += self._uncovered(place, broken, records[0].unit if records else self._stream.units)
            before = place
        return found

    def _unbelieved(self, places: Sequence[Place]) -> list[tuple[int, int]]:
        """Records without signature that a signature should have covered by now, and does not."""
        covered = max((place.end for place in places if place.why is Why.RECORDED), default=0)
        trusted = {found.unit for found in believable(self._stream)}
        return [
            (each.unit, each.after)
            for each in self._stream.found
            if each.item is not None and each.item < covered and each.unit not in trusted
        ]

    def _recorded(self, place: Place, before: Place | None) -> GroupVerdict:
        assert place.found is not None and place.found.document.general is not None
        general, chain = place.found.document.general, place.found.chain
        troubles = list(self._troubles(place))
        if not self._follows(place, before):
            troubles.insert(0, self._trouble(TroubleKind.NOT_FOLLOWING, place.start, 1))
        if not troubles:
            authenticity = Authenticity.AUTHENTIC
        elif all(trouble.kind is TroubleKind.ABSENT for trouble in troubles):
            authenticity = Authenticity.MISSING_PICTURES
        else:
            authenticity = Authenticity.TAMPERED
        return GroupVerdict(
            general.number,
            *self._extent(place),
            authenticity,
            self._provenance(chain, general.end or general.start),
            tuple(troubles),
            chain,
            general.start,
            general.end,
            general.begins_stream,
        )

    def _provenance(self, chain: SignerChain | None, moment: datetime | None) -> Provenance:
        if chain is None:
            return Provenance.NO_CERTIFICATE
        self._first = self._first or chain
        if chain.key != self._first.key:
            return Provenance.KEY_CHANGED
        if self._vouches(chain, moment):
            return Provenance.TRUSTED
        if chain.digest not in self._vouched_for:
            self._vouched_for[chain.digest] = self._trust.vouches_sometime(chain)
        return Provenance.NOT_VALID_THEN if self._vouched_for[chain.digest] else Provenance.UNTRUSTED_SIGNER

    def _vouches(self, chain: SignerChain, moment: datetime | None) -> bool:
        """As `TrustList.vouches`, asked once for each stretch of time: a stream has thousands of groups."""
        if moment is None:
            return False
        asked = chain.digest, *self._trust.period(chain, moment)
        if asked not in self._vouched_then:
            self._vouched_then[asked] = self._trust.vouches(chain, moment)
        return self._vouched_then[asked]

    def _follows(self, place: Place, before: Place | None) -> bool:
        assert place.found is not None and place.found.document.general is not None
        general = place.found.document.general
        if before is None or before.why is not Why.RECORDED or before.found is None or before.number is None:
            return True
        if general.begins_stream or place.number != before.number + 1:
            return True
        listed = before.found.document.hashes
        if listed:
            return general.link in listed
        return before.start >= before.end or general.link == self._items[before.start].digest or self._differs(before)

    def _differs(self, place: Place) -> bool:
        return any(True for _ in self._troubles(place))

    def _troubles(self, place: Place) -> list[Trouble]:
        assert place.found is not None and place.found.document.general is not None
        general, expected = place.found.document.general, place.found.document.hashes
        items = self._items[place.start : place.end]
        got = [item.digest for item in items]
        if expected and tuple(got) == expected:
            return []
        if not expected:
            if got and len(got) == general.count and joined(got) == general.digest:
                return []
            kind = TroubleKind.NO_ROOM_TO_LOCATE if got else TroubleKind.ABSENT
            return [self._trouble(kind, place.start, max(1, len(got)) if got else general.count)]
        got = [item.under(place.anchor, self._stream.algorithm) for item in items]
        pairs = _pairs(got, expected)
        if pairs > _MAX_PAIRS or not self._budget.spend(pairs):
            return [self._trouble(TroubleKind.NO_ROOM_TO_LOCATE, place.start, max(1, len(got)))]
        return self._located(place.start, got, expected)

    def _located(self, start: int, got: Sequence[bytes], expected: Sequence[bytes]) -> list[Trouble]:
        steps = SequenceMatcher(None, got, expected, autojunk=False).get_opcodes()
        surplus = {each for name, a, b, _, _ in steps if name in ("insert", "delete", "replace") for each in got[a:b]}
        lacking = {
            each for name, _, _, a, b in steps if name in ("insert", "delete", "replace") for each in expected[a:b]
        }
        found = []
        for name, a, b, c, d in steps:
            if name == "equal":
                continue
            moved = [index for index in range(a, b) if got[index] in lacking]
            gone = sum(each in surplus for each in expected[c:d])
            found += [self._trouble(TroubleKind.MOVED, start + index, 1) for index in moved]
            here, there = b - a - len(moved), d - c - gone
            if min(here, there):
                found.append(self._trouble(TroubleKind.CHANGED, start + a, min(here, there)))
            if here > there:
                found.append(self._trouble(TroubleKind.ADDED, start + a + there, here - there))
            if there > here:
                found.append(self._trouble(TroubleKind.ABSENT, start + a + here, there - here))
        return found

    def _has_broken(self, places: Sequence[Place], index: int, broken: Sequence[tuple[int, int]]) -> bool:
        """Whether a broken record stands between those of the groups before and after a group whose own is lost."""
        before = next((each.found.unit for each in places[index::-1] if each.found is not None), -1)
        after = next((each.found.unit for each in places[index:] if each.found is not None), self._stream.units)
        at = bisect_left(broken, (before, 0))
        return at < len(broken) and broken[at][0] < after

    def _lost(self, place: Place, has_broken: bool) -> GroupVerdict:
        if has_broken and place.start < place.end:
            verdict = self._plain(place, Authenticity.TAMPERED, TroubleKind.RECORD_CHANGED)
        elif place.start < place.end:
            verdict = self._plain(place, Authenticity.SIGNATURE_MISSING, TroubleKind.RECORD_ABSENT)
        else:
            verdict = self._plain(place, Authenticity.MISSING_PICTURES, TroubleKind.ABSENT)
        return verdict

    def _uncovered(self, place: Place, broken: Sequence[tuple[int, int]], first_record: int) -> list[GroupVerdict]:
        """Groups at either end. A broken record there should have covered the group that ended before it."""
        parts = self._parts(place.start, place.end)
        if place.why is Why.BEFORE:
            changed = sum(unit < first_record and after >= parts[0].end for unit, after in broken)
            hit = range(len(parts) - changed, len(parts))
        else:
            latest = max((after for _, after in broken), default=0)
            changed = sum(after > place.start for _, after in broken)
            hit = range(min(changed, sum(part.end <= latest for part in parts)))
        return [
            self._plain(part, Authenticity.TAMPERED, TroubleKind.RECORD_CHANGED)
            if index in hit
            else self._plain(part, self._open)
            for index, part in enumerate(parts)
        ]

    def _parts(self, start: int, end: int) -> list[Place]:
        cuts = sorted({start, end, *(i for i in range(start, end) if self._items[i].begins_group)})
        return [Place(Why.AFTER, a, b) for a, b in pairwise(cuts)]

    def _plain(self, place: Place, authenticity: Authenticity, kind: TroubleKind | None = None) -> GroupVerdict:
        troubles = () if kind is None else (self._trouble(kind, place.start, max(1, place.end - place.start)),)
        return GroupVerdict(place.number, *self._extent(place), authenticity, Provenance.NO_CERTIFICATE, troubles)

    def _extent(self, place: Place) -> tuple[int, int, int, int]:
        at, items = self._at(place.start), self._items[place.start : place.end]
        return at.picture, sum(item.begins_picture for item in items), at.unit, len(items)

    def _trouble(self, kind: TroubleKind, item: int, count: int) -> Trouble:
        at = self._at(item)
        return Trouble(kind, at.unit, at.picture, count)

    def _at(self, item: int) -> Item:
        if item < len(self._items):
            return self._items[item]
        end = Item(self._stream.units, self._stream.pictures, b"", b"", False, False, False)
        return end if not self._items or item >= len(self._items) else self._items[item]


def _pairs(got: Sequence[bytes], expected: Sequence[bytes]) -> int:
    """How many ways there are to pair one with the other, which is what locating the trouble costs."""
    ours, theirs = Counter(got), Counter(expected)
    return sum(count * theirs[digest] for digest, count in ours.items())
