"""Taking one step of a message: what is asked of the notaries, and what is sent to which contract.

May never happen here: a decision about trying again (that is `relay.retry`), or a belief about what has happened
(that is `relay.journey`, from logs).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import astuple

from contracts.binding import Contract
from contracts.manifest import Manifest, Role
from contracts.transactor import Transactor
from ledger.quorum import Certificate
from relay.journey import Journey, Step
from relay.panel import NotaryPanel


class Carrier:
    """Pays with `transactors`, by chain id. Certificates are kept in memory: losing them costs one question."""

    def __init__(self, manifest: Manifest, transactors: Mapping[int, Transactor], panel: NotaryPanel) -> None:
        self._transactors, self._panel = transactors, panel
        self._chain = manifest.chain(Role.TRANSACTION)
        self._registry = self._chain.contract("TransactionRegistry")
        self._certificates: dict[bytes, Certificate] = {}

    def pays_on(self, journey: Journey, step: Step) -> int:
        """The chain, by id, whose answer a step waits for."""
        if step in (Step.COMMIT, Step.REDELIVER):
            return journey.proposal.message.destination.chain_id
        return self._chain.chain_id

    def prune(self, is_wanted: Callable[[bytes], bool]) -> None:
        """Drop the certificates of messages that nobody carries any more."""
        for message_id in list(self._certificates):
            if not is_wanted(message_id):
                self._certificates.pop(message_id, None)

    def take(self, journey: Journey, step: Step) -> None:
        """Take one step. Errors: those of `NotaryPanel` and of `Transactor.send`."""
        message = journey.proposal.message
        match step:
            case Step.PROPOSE:
                self._record("propose", [message.as_abi()])
            case Step.ATTEST:
                held = self._certificate(journey)
                self._record("attest", message.destination.chain_id, [message.id], held.epoch, held.signatures)
            case Step.COMMIT:
                self._deliver(journey, "commit", *as_abi(self._certificate(journey)))
            case Step.REDELIVER:
                self._deliver(journey, "retry")
            case Step.JUDGE:
                self._judge(journey)

    def _record(self, function: str, *arguments: object) -> None:
        call = self._registry.encode_call(function, *arguments)
        self._transactors[self._chain.chain_id].send(self._registry.address, call)

    def _deliver(self, journey: Journey, function: str, *arguments: object) -> None:
        message = journey.proposal.message
        gateway = Contract("Gateway", message.destination.gateway)
        call = gateway.encode_call(function, message.as_delivery(), journey.proposal.payload, *arguments)
        self._transactors[message.destination.chain_id].send(gateway.address, call)

    def _judge(self, journey: Journey) -> None:
        if journey.commit is None:
            return  # its block was left behind since the step was chosen
        started = time.monotonic()
        judged = self._panel.judge(
            journey.proposal.message,
            journey.origin,
            journey.commit,
            chain_id=self._chain.chain_id,
            registry=self._registry.address,
        )
        journey.milliseconds["recheck"] = (time.monotonic() - started) * 1000
        self._record("judge", astuple(judged.verdict), judged.signatures)

    def _certificate(self, journey: Journey) -> Certificate:
        held = self._certificates.get(journey.id)
        if held is None:
            started = time.monotonic()
            held = self._panel.certify(journey.proposal.message, journey.origin)
            journey.milliseconds["certify"] = (time.monotonic() - started) * 1000
            self._certificates[journey.id] = held
        return held


def as_abi(certificate: Certificate) -> tuple[object, ...]:
    """A certificate as the contracts take it."""
    return (
        certificate.index,
        certificate.size,
        list(certificate.proof),
        certificate.epoch,
        certificate.signatures,
    )
