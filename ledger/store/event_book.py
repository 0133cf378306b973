"""The event book: EPCIS events, each with its entry in the log, a whole document or nothing of it.

May never happen here: an event in two entries, or two different events under one id (but an event and its error
declaration share theirs: EPCIS 2.0 section 7.4.1.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from ledger.epcis import (
    EVENT_DOMAIN,
    Event,
    TransformationEvent,
    read_document,
    read_event,
    require_plausible_times,
)
from ledger.errors import BadInput, Refused
from ledger.store.database import Database, driver
from ledger.store.entries import append_entry
from ledger.store.tables import EventIdentifierRow, EventRow

MAX_PAGE = 1000
MAX_EVENTS_ABOUT = 10_000


@dataclass(frozen=True, slots=True)
class CapturedEvent:
    """One event of a captured document: its digest (32 bytes), its entry's index, and whether it was new."""

    event: Event
    digest: bytes
    entry: int
    added: bool


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as kept, with its entry's index and when it came in."""

    event: Event
    entry: int
    received_at: datetime


class EventBook:
    """The events of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def capture_document(self, raw: bytes, received_at: datetime) -> tuple[CapturedEvent, ...]:
        """Read an EPCIS 2.0 JSON document and keep its events, in its order; repeats answer what is held.

        Raises what `read_document` and `require_plausible_times` raise, and `Refused` EVENT_ID_TAKEN; then nothing
        of the document is kept.
        """
        events = read_document(raw).events
        require_plausible_times(events, received_at=received_at)
        with self._database.writing() as session:
            return tuple(self._keep(session, event, received_at) for event in events)

    def find(
        self,
        *,
        about: str | None = None,
        event_id: str | None = None,
        biz_step: str | None = None,
        after_entry: int = -1,
        limit: int = 100,
    ) -> tuple[StoredEvent, ...]:
        """Events in the order of their entries, after entry `after_entry`. `about`: a normal identifier."""
        query = select(EventRow).where(col(EventRow.entry) > after_entry).order_by(col(EventRow.entry))
        if about is not None:
            query = query.join(EventIdentifierRow).where(EventIdentifierRow.identifier == about)
        if event_id is not None:
            query = query.where(EventRow.event_id == event_id)
        if biz_step is not None:
            query = query.where(EventRow.biz_step == biz_step)
        with self._database.reading() as session:
            return tuple(_stored(row) for row in session.exec(query.limit(min(limit, MAX_PAGE))))

    def about(self, identifiers: Iterable[str]) -> tuple[StoredEvent, ...]:
        """Every event about any of these normal identifiers, oldest entry first; at most `MAX_EVENTS_ABOUT`."""
        wanted = select(EventIdentifierRow.event).where(col(EventIdentifierRow.identifier).in_(list(identifiers)))
        query = select(EventRow).where(col(EventRow.digest).in_(wanted)).order_by(col(EventRow.entry))
        with self._database.reading() as session:
            return tuple(_stored(row) for row in session.exec(query.limit(MAX_EVENTS_ABOUT)))

    def of_digest(self, digest: bytes) -> StoredEvent | None:
        """The event of this digest (32 bytes), if it is held."""
        with self._database.reading() as session:
            row = session.get(EventRow, digest)
        return None if row is None else _stored(row)

    def event_at(self, entry: int) -> StoredEvent | None:
        """The event that entry `entry` of the log is about, if it is about one."""
        with self._database.reading() as session:
            row = session.exec(select(EventRow).where(EventRow.entry == entry)).first()
        return None if row is None else _stored(row)

    def _keep(self, session: Session, event: Event, received_at: datetime) -> CapturedEvent:
        held = session.get(EventRow, event.digest)
        if held is not None:
            return CapturedEvent(event, event.digest, held.entry, added=False)
        _require_free_id(session, event)
        canonical = event.canonical()
        entry = append_entry(driver(session), domain=EVENT_DOMAIN, canonical=canonical, object_digest=event.digest)
        session.add(
            EventRow(
                digest=event.digest,
                entry=entry.index,
                event_id=event.event_id,
                type=event.type,
                biz_step=event.biz_step,
                event_time=event.event_time,
                declared_wrong=event.error_declaration is not None,
                canonical=canonical,
                received_at=received_at,
            )
        )
        session.flush()
        for identifier in looked_up_by(event):
            session.add(EventIdentifierRow(identifier=identifier, event=event.digest))
        return CapturedEvent(event, event.digest, entry.index, added=True)


def looked_up_by(event: Event) -> Sequence[str]:
    """Its subjects, the lots it says they are made in, and the transformation it is a part of."""
    subjects = (identifier.normal for identifier in event.subjects())
    lots = (lot.normal for _, lot in event.lots())
    joined = [event.transformation_id] if isinstance(event, TransformationEvent) and event.transformation_id else []
    return tuple(dict.fromkeys((*subjects, *lots, *joined)))


def _require_free_id(session: Session, event: Event) -> None:
    if event.event_id is None:
        return
    wrong = event.error_declaration is not None
    same = select(EventRow).where(EventRow.event_id == event.event_id, EventRow.declared_wrong == wrong)
    if session.exec(same).first() is not None:
        raise Refused(
            "EVENT_ID_TAKEN",
            "Another event has this id.",
            where=event.event_id[:200],
            cure="Give every event an id of its own, or none; correct one with an error declaration.",
        )


def _stored(row: EventRow) -> StoredEvent:
    try:
        return StoredEvent(read_event(row.canonical), row.entry, row.received_at)
    except BadInput as error:
        raise Refused(
            "STORE_DAMAGED",
            "A stored event can no longer be read: the database was changed from outside.",
            where=f"entry {row.entry}",
            cure="Restore the database from a copy.",
        ) from error
