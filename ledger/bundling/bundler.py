"""Puts proof bundles together from what the ledger holds and what was handed to it of the chains.

A bundle rests on the largest checkpoint whose anchor has crossed to the destination and was closed. What was logged
after it is not in the bundle: a later one will hold it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from ledger.bundle import (
    CREDENTIAL_DOMAIN,
    CROSSING_DOMAIN,
    DEVICE_DOMAIN,
    TRUST_ROOT_DOMAIN,
    Crossing,
    EventSubject,
    GoodsSubject,
    Link,
    LoggedObject,
    Pledge,
    Subject,
    TrustRoot,
    assemble_crossed,
    cosigned_in,
    credential_record,
    crossing_record,
    filmed_for,
    read_crossing_record,
    read_enrolment,
)
from ledger.bundle.device_word import belongs
from ledger.bundle.format import ErasedEntry
from ledger.bundle.handed import ClosedAnchor
from ledger.bundle.pledge import needs_sealing
from ledger.checkpoint import open_checkpoint
from ledger.epcis import EVENT_DOMAIN
from ledger.erasure import ERASURE_DOMAIN, read_erasure
from ledger.errors import Refused, Unavailable
from ledger.evidence import FINDING_DOMAIN, ORDER_DOMAIN
from ledger.evidence.orders import read_order
from ledger.gs1 import Identifier
from ledger.history.related import events_about
from ledger.history.unit import history_of
from ledger.store import EVIDENCE_ENTRY_DOMAIN, Ledger
from ledger.trace import trace


class Crossings(Protocol):
    """What has crossed, as the chains told it."""

    def closed(self) -> Iterable[ClosedAnchor]:
        """Every anchor whose credential is closed."""
        ...

    def fetch(self, anchor: ClosedAnchor) -> Crossing:
        """What shows its crossing. Errors: `Unavailable`."""
        ...

    def instructions(self, loan: bytes) -> Iterable[Crossing]:
        """What a loan (id of 32 bytes) asked of the registries, as far as it is closed, in order."""
        ...

    def credentials(self) -> Iterable[bytes]:
        """The credential of every loan's instruction that is closed."""
        ...


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of the log with what it is the digest of."""

    domain: str
    canonical: bytes
    index: int


@dataclass(frozen=True, slots=True)
class Bundler:
    """Makes bundles for one deployment."""

    ledger: Ledger
    crossings: Crossings

    def bundle_of(self, subject: Subject, loan: bytes | None = None) -> bytes:
        """The bundle of a unit or lot, an event or a statement, verified before it is handed out.

        `loan`: the id (32 bytes) of a loan that the subject's goods secure, to be told as well.

        Errors: `Unavailable` BUNDLE_NOT_READY before the first anchor has crossed and closed, or while nothing that the
        present notaries cosigned seals one that earlier notaries signed; `Refused` SUBJECT_UNKNOWN when the log holds
        nothing about the subject; those of `assemble`.
        """
        root = self.trust_root()
        anchored, anchor = self._latest_closed(root)
        crossing = self.crossings.fetch(anchor)
        told = () if loan is None else self._told(loan)
        link, sealed = self._link(root, anchored, anchor, crossing)
        gone = self._gone(subject, anchor.size, sealed)
        entries = [
            *self._entries(subject, root, anchored, anchor if link is not None else None, is_whole=not gone),
            *gone.values(),
            *self._sealed(told, root, sealed),
        ]
        return assemble_crossed(
            subject=subject,
            trust_root=root,
            objects=[self._logged(found, sealed) for found in entries],
            note=anchored,
            link=link,
            anchor=crossing,
            pledge=None if loan is None else Pledge(loan, told),
            # One that the trust root's authorities do not vouch for would spoil the file; without any it is as good.
            stamp=self.ledger.log.stamp(anchor.size) if root.timestamping else None,
            erased=[
                ErasedEntry(self.ledger.log.entry(index).digest, index, tuple(self.ledger.log.inclusion(index, sealed)))
                for index in gone
            ],
        )

    def record_crossings(self) -> None:
        """Log what the latest closed crossing said, and each closed instruction of a loan, so that the next checkpoint
        seals them; a repeat changes nothing.

        For whoever makes the next checkpoint, before it is made: an entry of its own would ask for an anchor for ever.
        """
        for credential in self.crossings.credentials():
            self.ledger.statements.enter(CREDENTIAL_DOMAIN, credential_record(credential))
        try:
            root = self.trust_root()
            note, anchor = self._latest_closed(root)
        except Unavailable:
            return  # nothing has crossed yet
        record = crossing_record(note=note, cosigned_in=cosigned_in(note, root), credential=anchor.credential)
        self.ledger.statements.enter(CROSSING_DOMAIN, record.dump())

    def trust_root(self) -> TrustRoot:
        """The newest trust root that was logged. Errors: `Unavailable` BUNDLE_NOT_READY where there is none."""
        logged = [TrustRoot.load(found.canonical) for found in self.ledger.statements.of_domain(TRUST_ROOT_DOMAIN)]
        if not logged:
            raise _not_ready("the trust root of this deployment is not logged yet")
        return max(logged, key=lambda root: (root.pinned.epoch, root.dated))

    def _latest_closed(self, root: TrustRoot) -> tuple[bytes, ClosedAnchor]:
        """The largest checkpoint of this log whose anchor was closed: its note, and the anchor."""
        for anchor in sorted(self.crossings.closed(), key=lambda each: each.size, reverse=True):
            note = self.ledger.log.cosigned_note(anchor.size)
            if note is not None and open_checkpoint(note, log_key=root.log).root == anchor.root:
                return note, anchor
        raise _not_ready("no checkpoint has crossed to the destination and been closed yet")

    def _link(
        self, root: TrustRoot, anchored: bytes, anchor: ClosedAnchor, crossing: Crossing
    ) -> tuple[Link | None, int]:
        """What seals a crossing of a past epoch, and the size of the tree in which a bundle's entries are proven."""
        signed_in = {cosigned_in(anchored, root), crossing.attested.epoch, crossing.judged.verdict.epoch}
        if signed_in == {root.pinned.epoch}:
            return None, anchor.size
        sealing, record = self.ledger.log.latest_cosigned(), self._record(anchored, anchor)
        if sealing is None or record is None or not record.index < sealing.checkpoint.size:
            raise _not_sealed("the last crossing")
        later = sealing.checkpoint.size
        return Link(sealing.note, tuple(self.ledger.log.consistency(anchor.size, later))), later

    def _record(self, anchored: bytes, anchor: ClosedAnchor) -> _Entry | None:
        """The record of this crossing of this checkpoint, where one was logged."""
        note = hashlib.sha256(anchored).digest()
        for statement in self.ledger.statements.of_domain(CROSSING_DOMAIN):
            record = read_crossing_record(statement.canonical)
            if (record.note, record.credential) == (note, anchor.credential):
                return _Entry(CROSSING_DOMAIN, statement.canonical, statement.entry)
        return None

    def _told(self, loan: bytes) -> tuple[Crossing, ...]:
        told = tuple(self.crossings.instructions(loan))
        if not told:
            raise _not_ready("nothing that this loan asked for has been closed yet")
        return told

    def _gone(self, subject: Subject, size: int, sealed: int) -> dict[int, _Entry]:
        """What was erased about the subject, by entry, with the record that says so.

        Errors: `Unavailable` BUNDLE_NOT_READY while the record is not under the checkpoint that all is proven in.
        """
        if isinstance(subject, GoodsSubject):
            erased = [each.entry for each in history_of(self.ledger, subject.identifier).erased]
        else:
            found = self.ledger.erasures.of_erased(subject.digest)
            erased = [] if found is None else [found.entry]
        if not erased:
            return {}
        records = {
            read_erasure(each.canonical).entry: _Entry(ERASURE_DOMAIN, each.canonical, each.entry)
            for each in self.ledger.statements.of_domain(ERASURE_DOMAIN)
        }
        told = {entry: records[entry] for entry in erased if entry < size}
        if any(record.index >= sealed for record in told.values()):
            raise _not_ready("the record of an erasure has not been anchored yet")
        return told

    def _sealed(self, told: Iterable[Crossing], root: TrustRoot, size: int) -> Iterator[_Entry]:
        """The records that seal a loan's instructions of past epochs."""
        logged = {found.canonical: found for found in self.ledger.statements.of_domain(CREDENTIAL_DOMAIN)}
        for crossing in told:
            if needs_sealing(crossing, root):
                found = logged.get(credential_record(crossing.judged.credential))
                if found is None or found.entry >= size:
                    raise _not_sealed("what the loan asked for")
                yield _Entry(CREDENTIAL_DOMAIN, found.canonical, found.entry)

    def _entries(
        self, subject: Subject, root: TrustRoot, anchored: bytes, sealed: ClosedAnchor | None, *, is_whole: bool
    ) -> Iterable[_Entry]:
        """What belongs into it, as far as it stood in the anchored log; `sealed`: whose crossing's record does."""
        size = open_checkpoint(anchored, log_key=root.log).size
        yield from self._about(subject, size, is_whole=is_whole)
        for statement in self.ledger.statements.of_domain(TRUST_ROOT_DOMAIN):
            if statement.canonical == root.dump():
                yield _Entry(TRUST_ROOT_DOMAIN, statement.canonical, statement.entry)
        found = None if sealed is None else self._record(anchored, sealed)
        if found is not None:
            yield found

    def _about(self, subject: Subject, size: int, *, is_whole: bool) -> Iterable[_Entry]:
        if isinstance(subject, GoodsSubject):
            yield from self._history(subject.identifier, size, is_whole=is_whole)
        elif not is_whole:
            return  # nothing of the one thing is left
        elif isinstance(subject, EventSubject):
            event = self.ledger.events.of_digest(subject.digest)
            if event is None or event.entry >= size:
                raise _unknown(subject)
            yield _Entry(EVENT_DOMAIN, event.event.canonical(), event.entry)
        else:
            held = self.ledger.evidence.held(subject.digest)
            if held is None or held.entry >= size:
                raise _unknown(subject)
            yield _Entry(EVIDENCE_ENTRY_DOMAIN, held.evidence.signed.envelope(), held.entry)
            yield from self._of_devices({held.evidence.statement.device: [held.evidence.statement.sequence]}, size)

    def _history(self, unit: Identifier, size: int, *, is_whole: bool) -> Iterable[_Entry]:
        stored = {found.event.digest: found for found in events_about(self.ledger.events, unit) if found.entry < size}
        history = trace(unit, (found.event for found in stored.values()))
        if not history.steps and is_whole:
            raise _unknown(GoodsSubject(unit))
        for step in history.steps:
            yield _Entry(EVENT_DOMAIN, step.event.canonical(), stored[step.event.digest].entry)
        numbers: dict[str, list[int]] = {}
        for segment in self.ledger.evidence.segments_of_lots(filmed_for(history)):
            if segment.entry < size:
                numbers.setdefault(segment.statement.device, []).append(segment.statement.sequence)
                yield _Entry(EVIDENCE_ENTRY_DOMAIN, segment.signed.envelope(), segment.entry)
        yield from self._of_devices(numbers, size)

    def _of_devices(self, numbers: Mapping[str, Collection[int]], size: int) -> Iterable[_Entry]:
        """The devices' enrolments and revocations, and the findings about their statements of these numbers."""
        statements = self.ledger.statements
        for enrolment in statements.of_domain(DEVICE_DOMAIN):
            if read_enrolment(enrolment.canonical).id in numbers:
                yield _Entry(DEVICE_DOMAIN, enrolment.canonical, enrolment.entry)
        for order in statements.of_domain(ORDER_DOMAIN):
            told = read_order(order.canonical)
            if told.device in numbers and told.kind == "revocation" and order.entry < size:
                yield _Entry(ORDER_DOMAIN, order.canonical, order.entry)
        for device, said in numbers.items():
            found = sorted(said)
            for stored in self.ledger.evidence.findings(device):
                if stored.entry < size and belongs(stored.finding, found):
                    yield _Entry(FINDING_DOMAIN, stored.finding.canonical(), stored.entry)

    def _logged(self, found: _Entry, size: int) -> LoggedObject:
        salt, path = self.ledger.log.entry(found.index).salt, self.ledger.log.inclusion(found.index, size)
        return LoggedObject(found.domain, salt, found.canonical, found.index, tuple(path))


def _not_ready(why: str) -> Unavailable:
    return Unavailable("BUNDLE_NOT_READY", why, cure="Ask again after the next anchor.")


def _unknown(subject: Subject) -> Refused:
    return Refused("SUBJECT_UNKNOWN", "the log holds nothing about this yet", where=subject.text)


def _not_sealed(what: str) -> Unavailable:
    return _not_ready(f"the notaries were replaced, and the present ones have not sealed {what} yet")
