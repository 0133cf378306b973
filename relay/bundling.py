"""Puts a unit's proof bundle together from what the ledger holds and what the chains say.

The bundle rests on the largest checkpoint whose anchor has crossed to the destination and was closed. What was logged
after it is not in the bundle: a later one will hold it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from contracts.manifest import Manifest, Role
from contracts.node import Node
from ledger.bundle import (
    CROSSING_DOMAIN,
    DEVICE_DOMAIN,
    TRUST_ROOT_DOMAIN,
    EventSubject,
    GoodsSubject,
    Lending,
    Link,
    LoggedObject,
    Notaries,
    Pledge,
    Subject,
    TrustRoot,
    assemble,
    cosigned_in,
    crossing_of,
    crossing_record,
    filmed_for,
    read_crossing_record,
    read_enrolment,
)
from ledger.bundle.device_word import belongs
from ledger.bundle.pledge import INSTRUCTION_BYTES, instruction_order
from ledger.checkpoint import CosignerKey, LogKey, open_checkpoint
from ledger.epcis import EVENT_DOMAIN
from ledger.errors import Refused, Unavailable
from ledger.evidence import FINDING_DOMAIN, ORDER_DOMAIN
from ledger.evidence.orders import read_order
from ledger.gs1 import Identifier
from ledger.history.related import events_about
from ledger.proposal import Message
from ledger.store import EVIDENCE_ENTRY_DOMAIN, Ledger
from ledger.trace import trace
from relay.crossing import Crossed, fetch_crossing
from relay.journey import Journey, State
from relay.relay import Relay


def trust_root_of(manifest: Manifest, dated: date) -> TrustRoot:
    """What a verifier has to believe about this deployment; `dated`: the day (UTC) it is made on."""
    origin, destination, transaction = (manifest.chain(role) for role in Role)
    loans, receipts = destination.contracts.get("PledgeRegistry"), origin.contracts.get("WarehouseReceipt")
    goods = transaction.contracts.get("GoodsRegistry")
    return TrustRoot(
        dated=dated,
        log=LogKey(manifest.log_origin, manifest.log_key),
        pinned=Notaries(
            manifest.committee,
            tuple(CosignerKey(cosigner.name, cosigner.public_key) for cosigner in manifest.cosigners),
            manifest.committee.quorum,
        ),
        past=(),
        origin=origin.end,
        destination=destination.end,
        transaction=transaction.end,
        anchor_registry=origin.contracts["AnchorRegistry"],
        anchor_mirror=destination.contracts["AnchorMirror"],
        transaction_registry=transaction.contracts["TransactionRegistry"],
        lending=None if loans is None or receipts is None or goods is None else Lending(loans, receipts, goods),
    )


@dataclass(frozen=True, slots=True)
class ClosedAnchor:
    """An anchor whose crossing is closed: the checkpoint's size and root, and the credential."""

    size: int
    root: bytes
    credential: bytes


class Crossings(Protocol):
    """What has crossed, as the chains tell it."""

    def closed(self) -> Iterable[ClosedAnchor]:
        """Every anchor whose credential is closed."""
        ...

    def fetch(self, anchor: ClosedAnchor) -> Crossed:
        """What shows its crossing. Errors: those of `fetch_crossing`."""
        ...

    def instructions(self, loan: bytes) -> Iterable[tuple[Message, Crossed]]:
        """What a loan (id of 32 bytes) asked of the registries, as far as it is closed, in order."""
        ...


class RelayedCrossings:
    """`Crossings` as a relay follows them; `nodes` by chain id."""

    def __init__(self, relay: Relay, nodes: Mapping[int, Node]) -> None:
        self._relay, self._nodes = relay, nodes

    def closed(self) -> Iterable[ClosedAnchor]:
        return (_closed_anchor(journey) for journey in self._journeys(Role.ORIGIN, "AnchorRegistry"))

    def fetch(self, anchor: ClosedAnchor) -> Crossed:
        anchors = self._journeys(Role.ORIGIN, "AnchorRegistry")
        journey = next(found for found in anchors if _closed_anchor(found) == anchor)
        return fetch_crossing(self._nodes, self._relay.manifest, journey)

    def instructions(self, loan: bytes) -> Iterable[tuple[Message, Crossed]]:
        asked = [
            journey
            for journey in self._journeys(Role.DESTINATION, "PledgeRegistry")
            if len(journey.proposal.payload) == INSTRUCTION_BYTES and journey.proposal.payload[32:64] == loan
        ]
        for journey in sorted(asked, key=lambda each: instruction_order(each.proposal.message, each.proposal.payload)):
            yield journey.proposal.message, fetch_crossing(self._nodes, self._relay.manifest, journey)

    def _journeys(self, role: Role, contract: str) -> Iterable[Journey]:
        """The closed messages that a contract of the deployment sent."""
        chain = self._relay.manifest.chain(role)
        sender = (chain.chain_id, chain.contracts.get(contract))
        for journey in self._relay.journeys.in_order():
            message = journey.proposal.message
            if (message.origin.chain_id, message.sender) == sender and journey.state is State.CLOSED:
                yield journey


def _closed_anchor(journey: Journey) -> ClosedAnchor:
    payload = journey.proposal.payload  # of `anchor_payload`: the log's name, the size, the root
    return ClosedAnchor(int.from_bytes(payload[32:64], "big"), payload[64:], journey.credential)


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
        root = self._trust_root()
        anchored, anchor = self._latest_closed(root)
        crossing = self.crossings.fetch(anchor)
        link, sealed = self._link(root, anchored, crossing)
        return assemble(
            subject=subject,
            trust_root=root,
            objects=[self._logged(found, sealed) for found in self._entries(subject, root, anchored, link)],
            note=anchored,
            link=link,
            sent=crossing.sent,
            certificate=crossing.certificate,
            committed=crossing.committed,
            verdict=crossing.verdict,
            signatures=crossing.signatures,
            pledge=None if loan is None else self._pledge(root, loan),
            # One that the trust root's authorities do not vouch for would spoil the file; without any it is as good.
            stamp=self.ledger.log.stamp(anchor.size) if root.timestamping else None,
        )

    def record_crossing(self) -> None:
        """Log what the latest closed crossing said, so that the next checkpoint seals it; a repeat changes nothing.

        For whoever makes the next checkpoint, before it is made: an entry of its own would ask for an anchor for ever.

        Errors: `Unavailable` BUNDLE_NOT_READY before there is one.
        """
        root = self._trust_root()
        note, anchor = self._latest_closed(root)
        record = crossing_record(note=note, cosigned_in=cosigned_in(note, root), credential=anchor.credential)
        self.ledger.statements.enter(CROSSING_DOMAIN, record.dump())

    def _trust_root(self) -> TrustRoot:
        """The newest trust root that was logged."""
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

    def _link(self, root: TrustRoot, anchored: bytes, crossing: Crossed) -> tuple[Link | None, int]:
        """What seals a crossing of a past epoch, and the size of the tree in which a bundle's entries are proven."""
        size = open_checkpoint(anchored, log_key=root.log).size
        signed_in = {cosigned_in(anchored, root), crossing.certificate.epoch, crossing.verdict.epoch}
        if signed_in == {root.pinned.epoch}:
            return None, size
        sealing, record = self.ledger.log.latest_cosigned(), self._record(anchored)
        if sealing is None or record is None or not record.index < sealing.checkpoint.size:
            raise _not_ready("the notaries were replaced, and the present ones have not sealed the last crossing yet")
        later = sealing.checkpoint.size
        return Link(sealing.note, tuple(self.ledger.log.consistency(size, later))), later

    def _record(self, anchored: bytes) -> _Entry | None:
        """The record of this checkpoint's crossing, where one was logged."""
        for statement in self.ledger.statements.of_domain(CROSSING_DOMAIN):
            if read_crossing_record(statement.canonical).note == hashlib.sha256(anchored).digest():
                return _Entry(CROSSING_DOMAIN, statement.canonical, statement.entry)
        return None

    def _pledge(self, root: TrustRoot, loan: bytes) -> Pledge:
        told = [
            crossing_of(
                root,
                sent=crossed.sent,
                certificate=crossed.certificate,
                committed=crossed.committed,
                verdict=crossed.verdict,
                signatures=crossed.signatures,
                destination=message.destination,
            )
            for message, crossed in self.crossings.instructions(loan)
        ]
        if not told:
            raise _not_ready("nothing that this loan asked for has been closed yet")
        return Pledge(loan, tuple(told))

    def _entries(self, subject: Subject, root: TrustRoot, anchored: bytes, link: Link | None) -> Iterable[_Entry]:
        """What belongs into the bundle, as far as it stood in the anchored log."""
        size = open_checkpoint(anchored, log_key=root.log).size
        yield from self._about(subject, size)
        for statement in self.ledger.statements.of_domain(TRUST_ROOT_DOMAIN):
            if statement.canonical == root.dump():
                yield _Entry(TRUST_ROOT_DOMAIN, statement.canonical, statement.entry)
        found = None if link is None else self._record(anchored)
        if found is not None:
            yield found

    def _about(self, subject: Subject, size: int) -> Iterable[_Entry]:
        if isinstance(subject, GoodsSubject):
            yield from self._history(subject.identifier, size)
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

    def _history(self, unit: Identifier, size: int) -> Iterable[_Entry]:
        stored = {found.event.digest: found for found in events_about(self.ledger.events, unit) if found.entry < size}
        history = trace(unit, (found.event for found in stored.values()))
        if not history.steps:
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
        for device, found in numbers.items():
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
