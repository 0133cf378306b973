"""The transaction chain's registry: what was proposed, attested and judged, and what is acknowledged to the sender."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.chain_rules import Policy
from ledger.attestation import EXPIRED, SAME, Verdict, verdict_digest
from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import Log
from ledger.proposal import Kind, Message, Proposal
from ledger.quorum import Certificate
from tests.simulation.gateway import GAS_LIMIT, GENERATION
from tests.simulation.lanes import GENESIS_TIME, LONG_SECONDS, ModelManifest
from tests.simulation.logs import ATTESTED, JUDGED, PROPOSED, recorded_log, sent_log
from tests.simulation.state import State

IS_PROPOSED, IS_ATTESTED, IS_CLOSED, IS_DISPUTED, IS_EXPIRED = 1, 2, 4, 5, 6
OVER = frozenset({IS_CLOSED, IS_EXPIRED})


@dataclass(frozen=True)
class Propose:
    """A message is recorded."""

    chain: ModelManifest
    proposal: Proposal

    def run(self, state: State, now: int) -> list[Log]:
        """Once."""
        named = self.proposal.message.id
        if named in state.records:
            raise Refused("CALL_REVERTED", "TransactionRegistry: id exists")
        state.records[named], state.proposed[named] = IS_PROPOSED, self.proposal
        return [recorded_log(self.chain.contracts["TransactionRegistry"], PROPOSED, named, IS_PROPOSED)]


@dataclass(frozen=True)
class Attest:
    """A root's certificate is recorded for one of its messages."""

    chain: ModelManifest
    message: Message
    certificate: Certificate

    def run(self, state: State, now: int) -> list[Log]:
        """After the proposal, and once."""
        named = self.message.id
        if state.records.get(named) != IS_PROPOSED:
            raise Refused("CALL_REVERTED", "TransactionRegistry: not proposed")
        self.certificate.check(self.message, state.at(now))
        state.records[named] = IS_ATTESTED
        return [recorded_log(self.chain.contracts["TransactionRegistry"], ATTESTED, named, IS_ATTESTED)]


@dataclass(frozen=True)
class Judge:
    """A quorum's verdict ends a message."""

    chain: ModelManifest
    verdict: Verdict
    signatures: bytes

    def run(self, state: State, now: int) -> list[Log]:
        """Once, and of this registry; a lane without certificates has none to show."""
        verdict, registry = self.verdict, self.chain.contracts["TransactionRegistry"]
        final = {SAME: IS_CLOSED, EXPIRED: IS_EXPIRED}.get(verdict.verdict, IS_DISPUTED)
        is_bare = final == IS_EXPIRED or verdict.policy == Policy.RELAY
        if state.records.get(verdict.id, 0) not in ((IS_PROPOSED, IS_ATTESTED) if is_bare else (IS_ATTESTED,)):
            raise Refused("CALL_REVERTED", "TransactionRegistry: not attested, or judged")
        digest = verdict_digest(chain_id=self.chain.chain_id, registry=registry, verdict=verdict)
        state.at(now).check(verdict.epoch, digest, self.signatures)
        state.records[verdict.id] = final
        logs = [recorded_log(registry, JUDGED, verdict.id, final)]
        judged = state.proposed[verdict.id]
        if final in OVER and judged.message.kind is Kind.TRANSFER:
            logs.append(sent_log(self._acknowledge(state, judged.message)))
        return logs

    def _acknowledge(self, state: State, message: Message) -> Proposal:
        """The outcome for whoever sent the message."""
        payload = message.id + self.verdict.outcome

        def at(sequence: int) -> Message:
            accounts = self.chain.contracts["TransactionRegistry"], message.sender
            ends = (self.chain.end, message.origin, GENERATION, sequence, *accounts)
            return Message(Kind.ACKNOWLEDGEMENT, *ends, GENESIS_TIME + LONG_SECONDS, GAS_LIMIT, keccak256(payload))

        lane = at(1).lane
        sequence, _ = state.sent.get(lane, (1, 0))
        state.sent[lane] = sequence + 1, 0
        return Proposal(at(sequence), payload)
