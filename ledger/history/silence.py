"""Proof of absence: when a device that always speaks said nothing, judged from what is logged and the agreed cadence.

May never happen here: silence of a device that has no cadence, or an answer about a time that is not over yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ledger.errors import WrongUse
from ledger.evidence import Code, DeviceFinding
from ledger.evidence.expected import Silence, silences
from ledger.evidence.fields import read_time, write_time
from ledger.evidence.findings import to_millisecond
from ledger.store import SqlEvidenceBook

MAX_RANGE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Absence:
    """What a device did not say between two times (UTC). `judged_until`: up to when that can be said by now.

    `expects`: False where no cadence was agreed.
    """

    device: str
    expects: bool
    since: datetime
    judged_until: datetime
    silences: tuple[Silence, ...]


def absence_of(book: SqlEvidenceBook, device_id: str, since: datetime, until: datetime, *, now: datetime) -> Absence:
    """The silences of a device between two times (UTC), as can be said `now`.

    `Refused` DEVICE_UNKNOWN; `WrongUse` ABSENCE_RANGE.
    """
    if not timedelta(0) < until - since <= MAX_RANGE:
        raise WrongUse(
            "ABSENCE_RANGE", f"The times are not in order, or more than {MAX_RANGE.days} days apart.", where=device_id
        )
    device, terms, _ = book.known(device_id)
    if terms is None or not terms.every_seconds:
        return Absence(device_id, False, since, since, ())
    begins = max(since, device.valid_from, terms.agreed_at)
    ends = min(until, device.valid_until, device.revoked_at or until, now - terms.grace)
    if ends <= begins:
        return Absence(device_id, True, begins, begins, ())
    spoken = book.spoken(device_id, begins, ends)
    since_ever = max(terms.agreed_at, device.valid_from)  # a device that never spoke is silent since then, always
    heard = max((end for _, end in spoken if end < begins), default=since_ever)
    found = silences(terms, spoken, begins=max(heard, since_ever), ends=ends)
    return Absence(device_id, True, begins, ends, found)


def record_silences(
    book: SqlEvidenceBook, device_id: str, *, now: datetime, since: datetime | None = None
) -> tuple[DeviceFinding, ...]:
    """Keep a finding for each silence that has none yet; returns those. `Refused` DEVICE_UNKNOWN.

    `since`: from when on it is looked at (UTC), at most `MAX_RANGE` ago; that where None.
    """
    earliest = now - MAX_RANGE
    absence = absence_of(book, device_id, earliest if since is None else max(earliest, since), now, now=now)
    found = []
    for silence in absence.silences:
        facts = {
            name: write_time(to_millisecond(at)) for name, at in (("since", silence.begins), ("until", silence.ends))
        }
        what = "It should have spoken in this time, and nothing of it has come in."
        found.append(DeviceFinding(Code.SILENCE, device_id, None, what, now, facts))
    return tuple(finding for finding in found if book.record_silence(finding))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a silence. `over_at`: when the device spoke again (UTC), None while it does not.

    `is_answered`: what it said in that time came in later, so that nothing is missing after all.
    """

    over_at: datetime | None
    is_answered: bool


def outcome_of(book: SqlEvidenceBook, finding: DeviceFinding) -> Outcome:
    """What became of a finding of `Code.SILENCE`; the finding itself stays. `Refused` DEVICE_UNKNOWN."""
    since, until = (read_time(finding.facts[name]) for name in ("since", "until"))
    over_at = book.spoke_after(finding.device, since)
    _, terms, _ = book.known(finding.device)
    spoken = book.spoken(finding.device, since, until)
    missing = () if terms is None else silences(terms, spoken, begins=since, ends=until)
    return Outcome(over_at, is_answered=over_at is not None and not missing)
