"""Puts a unit's proof bundle together from what the ledger holds and what the chains say.

The bundle rests on the largest checkpoint whose anchor has crossed to the destination and was closed. What was logged
after it is not in the bundle: a later one will hold it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from contracts.manifest import Manifest, Role
from contracts.node import Node
from ledger.bundle import (
    CROSSING_DOMAIN,
    DEVICE_DOMAIN,
    TRUST_ROOT_DOMAIN,
    Link,
    LoggedObject,
    Notaries,
    TrustRoot,
    assemble,
    cosigned_in,
    crossing_record,
    filmed_for,
    read_crossing_record,
    read_enrolment,
)
from ledger.checkpoint import CosignerKey, LogKey, open_checkpoint
from ledger.epcis import EVENT_DOMAIN
from ledger.errors import Refused, Unavailable
from ledger.gs1 import Identifier
from ledger.history.related import events_about
from ledger.store import EVIDENCE_ENTRY_DOMAIN, Ledger
from ledger.trace import trace
from relay.crossing import Crossing, fetch_crossing
from relay.journey import Journey, State
from relay.relay import Relay


def trust_root_of(manifest: Manifest, dated: date) -> TrustRoot:
    """What a verifier has to believe about this deployment; `dated`: the day (UTC) it is made on."""
    origin, destination, transaction = (manifest.chain(role) for role in Role)
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
    )


@dataclass(frozen=True, slots=True)
class ClosedAnchor:
    """An anchor whose crossing is closed: the checkpoint's size and root, and the credential."""

    size: int
    root: bytes
    credential: bytes


class AnchorCrossings(Protocol):
    """The anchors that have crossed, as the chains tell it."""

    def closed(self) -> Iterable[ClosedAnchor]:
        """Every anchor whose credential is closed."""
        ...

    def fetch(self, anchor: ClosedAnchor) -> Crossing:
        """What shows its crossing. Errors: those of `fetch_crossing`."""
        ...


class RelayedCrossings:
    """`AnchorCrossings` as a relay follows them; `nodes` by chain id."""

    def __init__(self, relay: Relay, nodes: Mapping[int, Node]) -> None:
        self._relay, self._nodes = relay, nodes

    def closed(self) -> Iterable[ClosedAnchor]:
        return (_closed_anchor(journey) for journey in self._journeys())

    def fetch(self, anchor: ClosedAnchor) -> Crossing:
        journey = next(found for found in self._journeys() if _closed_anchor(found) == anchor)
        return fetch_crossing(self._nodes, self._relay.manifest, journey)

    def _journeys(self) -> Iterable[Journey]:
        registry = self._relay.manifest.chain(Role.ORIGIN).contracts["AnchorRegistry"]
        for journey in self._relay.journeys.in_order():
            if journey.proposal.message.sender == registry and journey.state is State.CLOSED:
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
    crossings: AnchorCrossings

    def bundle_of(self, unit: Identifier) -> bytes:
        """The bundle of a unit or lot, verified before it is handed out.

        Errors: `Unavailable` BUNDLE_NOT_READY before the first anchor has crossed and closed, or while nothing that the
        present notaries cosigned seals one that earlier notaries signed; `Refused` SUBJECT_UNKNOWN when the log holds
        nothing about the unit; those of `assemble`.
        """
        root = self._trust_root()
        anchored, anchor = self._latest_closed(root)
        crossing = self.crossings.fetch(anchor)
        link, sealed = self._link(root, anchored, crossing)
        return assemble(
            subject=unit,
            trust_root=root,
            objects=[self._logged(statement, sealed) for statement in self._entries(unit, root, anchored, link)],
            note=anchored,
            link=link,
            sent=crossing.sent,
            certificate=crossing.certificate,
            committed=crossing.committed,
            verdict=crossing.verdict,
            signatures=crossing.signatures,
        )

    def record_crossing(self) -> None:
        """Log what the latest closed crossing said, so that the next checkpoint seals it; a repeat changes nothing.

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

    def _link(self, root: TrustRoot, anchored: bytes, crossing: Crossing) -> tuple[Link | None, int]:
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

    def _entries(self, unit: Identifier, root: TrustRoot, anchored: bytes, link: Link | None) -> Iterable[_Entry]:
        """What belongs into the bundle, as far as it stood in the anchored log."""
        size = open_checkpoint(anchored, log_key=root.log).size
        stored = {found.event.digest: found for found in events_about(self.ledger.events, unit) if found.entry < size}
        history = trace(unit, (found.event for found in stored.values()))
        if not history.steps:
            raise Refused("SUBJECT_UNKNOWN", "the log holds no event about this unit yet", where=unit.normal)
        for step in history.steps:
            yield _Entry(EVENT_DOMAIN, step.event.canonical(), stored[step.event.digest].entry)
        devices: set[str] = set()
        for segment in self.ledger.evidence.segments_of_lots(filmed_for(history)):
            if segment.entry < size:
                devices.add(segment.statement.device)
                yield _Entry(EVIDENCE_ENTRY_DOMAIN, segment.signed.envelope(), segment.entry)
        for statement in self.ledger.statements.of_domain(DEVICE_DOMAIN):
            if read_enrolment(statement.canonical).id in devices:
                yield _Entry(DEVICE_DOMAIN, statement.canonical, statement.entry)
        for statement in self.ledger.statements.of_domain(TRUST_ROOT_DOMAIN):
            if statement.canonical == root.dump():
                yield _Entry(TRUST_ROOT_DOMAIN, statement.canonical, statement.entry)
        if link is not None:
            found = self._record(anchored)
            if found is not None:
                yield found

    def _logged(self, found: _Entry, size: int) -> LoggedObject:
        salt, path = self.ledger.log.entry(found.index).salt, self.ledger.log.inclusion(found.index, size)
        return LoggedObject(found.domain, salt, found.canonical, found.index, tuple(path))


def _not_ready(why: str) -> Unavailable:
    return Unavailable("BUNDLE_NOT_READY", why, cure="Ask again after the next anchor.")
