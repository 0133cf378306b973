"""Times an event may claim when it arrives. The clock is passed in: this module has none."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from ledger.epcis.event import Event
from ledger.errors import Refused

MAX_CLOCK_SKEW = timedelta(minutes=5)  # how far a device's clock may run ahead of ours


def require_plausible_times(events: Iterable[Event], *, received_at: datetime) -> None:
    """Refuse EVENT_TIME_FUTURE what says it happened, was measured or was declared after it was received.

    `received_at`: time-zone aware. The past is not bounded: old records are imported, and the log says when.
    """
    latest = received_at + MAX_CLOCK_SKEW
    for place, event in enumerate(events):
        for name, time in _claimed(event):
            if time > latest:
                raise Refused(
                    "EVENT_TIME_FUTURE",
                    f"{name} is {time.isoformat()}, but it is {received_at.isoformat()} here",
                    where=f"/epcisBody/eventList/{place}/{name}",
                    cure="Set the clock of the device that recorded it, and send the event again.",
                )


def _claimed(event: Event) -> Iterable[tuple[str, datetime]]:
    yield "eventTime", event.event_time
    if event.error_declaration is not None:
        yield "errorDeclaration/declarationTime", event.error_declaration.declared_at
    for number, element in enumerate(event.sensors):
        base = f"sensorElementList/{number}"
        if element.metadata.time is not None:
            yield f"{base}/sensorMetadata/time", element.metadata.time
        for report_number, report in enumerate(element.reports):
            if report.time is not None:
                yield f"{base}/sensorReport/{report_number}/time", report.time
