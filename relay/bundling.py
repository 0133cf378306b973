"""Puts a unit's proof bundle together from what the ledger holds and what the chains say.

The bundle rests on the largest checkpoint whose anchor has crossed to the destination and was closed. What was logged
after it is not in the bundle: a later one will hold it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contracts.manifest import Manifest, Role
from contracts.node import Node
from ledger.attestation import word
from ledger.bundle import (
    DEVICE_DOMAIN,
    TRUST_ROOT_DOMAIN,
    LoggedObject,
    TrustRoot,
    assemble,
    filmed_for,
    read_enrolment,
)
from ledger.checkpoint import CosignerKey, LogKey
from ledger.epcis import EVENT_DOMAIN
from ledger.errors import Refused, Unavailable
from ledger.gs1 import Identifier
from ledger.history.related import events_about
from ledger.store import EVIDENCE_ENTRY_DOMAIN, Ledger, PublishedCheckpoint
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
class Bundler:
    """Makes bundles for one deployment; `nodes` by chain id."""

    ledger: Ledger
    relay: Relay
    nodes: Mapping[int, Node]

    def bundle_of(self, unit: Identifier) -> bytes:
        """The bundle of a unit or lot, verified before it is handed out.

        Errors: `Unavailable` BUNDLE_NOT_READY before the first anchor has crossed and closed; `Refused`
        SUBJECT_UNKNOWN when the log holds nothing about the unit; those of `assemble`.
        """
        published, crossing = self._latest_crossing()
        size = published.checkpoint.size
        return assemble(
            subject=unit,
            trust_root=trust_root_of(self.relay.manifest),
            objects=list(self._objects(unit, size)),
            note=published.note,
            sent=crossing.sent,
            certificate=crossing.certificate,
            committed=crossing.committed,
            verdict=crossing.verdict,
            signatures=crossing.signatures,
        )

    def _latest_crossing(self) -> tuple[PublishedCheckpoint, Crossing]:
        registry = self.relay.manifest.chain(Role.ORIGIN).contracts["AnchorRegistry"]
        closed = {
            int.from_bytes(journey.proposal.payload[32:64], "big"): journey
            for journey in list(self.relay.journeys.values())
            if journey.proposal.message.sender == registry and journey.state is State.CLOSED
        }
        for size in sorted(closed, reverse=True):
            published = self.ledger.log.cosigned(size)
            if published is not None and _carries(closed[size], published):
                return published, fetch_crossing(self.nodes, self.relay.manifest, closed[size])
        raise Unavailable(
            "BUNDLE_NOT_READY",
            "no checkpoint has crossed to the destination and been closed yet",
            cure="Ask again after the next anchor.",
        )

    def _objects(self, unit: Identifier, size: int) -> Iterable[LoggedObject]:
        stored = {found.event.digest: found for found in events_about(self.ledger.events, unit) if found.entry < size}
        history = trace(unit, (found.event for found in stored.values()))
        if not history.steps:
            raise Refused("SUBJECT_UNKNOWN", "the log holds no event about this unit yet", where=unit.normal)
        for step in history.steps:
            yield self._logged(EVENT_DOMAIN, step.event.canonical(), stored[step.event.digest].entry, size)
        devices: set[str] = set()
        for segment in self.ledger.evidence.segments_of_lots(filmed_for(history)):
            if segment.entry < size:
                devices.add(segment.statement.device)
                yield self._logged(EVIDENCE_ENTRY_DOMAIN, segment.signed.envelope(), segment.entry, size)
        for statement in self.ledger.statements.of_domain(DEVICE_DOMAIN):
            if read_enrolment(statement.canonical).id in devices:
                yield self._logged(DEVICE_DOMAIN, statement.canonical, statement.entry, size)
        wanted = trust_root_of(self.relay.manifest).dump()
        for statement in self.ledger.statements.of_domain(TRUST_ROOT_DOMAIN):
            if statement.canonical == wanted:
                yield self._logged(TRUST_ROOT_DOMAIN, statement.canonical, statement.entry, size)

    def _logged(self, domain: str, canonical: bytes, index: int, size: int) -> LoggedObject:
        salt = self.ledger.log.entry(index).salt
        return LoggedObject(domain, salt, canonical, index, tuple(self.ledger.log.inclusion(index, size)))


def _carries(journey: Journey, published: PublishedCheckpoint) -> bool:
    checkpoint = published.checkpoint
    return journey.proposal.payload[32:] == word(checkpoint.size) + checkpoint.root
