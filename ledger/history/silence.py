"""Proof of absence: when a device that always speaks said nothing, judged from what is logged and the agreed cadence.

May never happen here: silence of a device that has no cadence, or an answer about a time that is not over yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ledger.errors import WrongUse
from ledger.evidence import Code, DeviceFinding
from ledger.evidence.expected import Silence, silences
from ledger.evidence.fields import write_time
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
    heard = max((end for _, end in spoken if end < begins), default=begins)
    found = silences(terms, spoken, begins=max(heard, terms.agreed_at, device.valid_from), ends=ends)
    return Absence(device_id, True, begins, ends, found)


def record_silences(book: SqlEvidenceBook, device_id: str, *, now: datetime) -> tuple[DeviceFinding, ...]:
    """Keep a finding for each silence of the last days that has none yet; returns those. `Refused` DEVICE_UNKNOWN."""
    absence = absence_of(book, device_id, now - MAX_RANGE, now, now=now)
    known = {
        stored.finding.facts.get("since") for stored in book.findings(device_id) if stored.finding.code is Code.SILENCE
    }
    found = []
    for silence in absence.silences:
        since = write_time(to_millisecond(silence.begins))
        if since not in known:
            facts = {"since": since, "until": write_time(to_millisecond(silence.ends))}
            what = "It should have spoken in this time, and nothing of it has come in."
            found.append(DeviceFinding(Code.SILENCE, device_id, None, what, now, facts))
    for finding in found:
        book.record(finding)
    return tuple(found)
