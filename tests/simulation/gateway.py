"""Both ends of the lanes: vault or voucher, and the gateway, whose rules are the Python twins in `ledger`."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.chain_rules import Policy
from ledger.conservation import Arrivals, Transfer, count_out
from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import Log
from ledger.proposal import Chain, Kind, Message, Proposal
from ledger.quorum import Certificate
from notary.policy import EXPIRED_OUTCOME
from tests.simulation.headers import Shown
from tests.simulation.lanes import ORIGIN, ModelManifest, Route, policy_of
from tests.simulation.logs import committed_log, sent_log
from tests.simulation.state import State

GENERATION, GAS_LIMIT = 1, 400_000


@dataclass(frozen=True)
class Send:
    """A transfer leaves. `salt` makes two differ where one takes the other's sequence after a reorganisation.
    `is_backed`: false where the application was broken into, and nothing is taken from anybody for what it sends.
    """

    chain: ModelManifest
    destination: Chain
    route: Route
    quantity: int
    expiry: int
    salt: int
    is_backed: bool = True

    def run(self, state: State, now: int) -> list[Log]:
        """The vault locks, or the voucher burns, and the gateway counts."""
        proposal = self.proposal(state)
        message, asset = proposal.message, self.route.asset
        if self.is_backed:
            self._take(state, asset)
            state.deposits[message.id] = asset, self.quantity
        total = count_out(state.sent.get(message.lane, (0, 0))[1], Transfer.read(proposal.payload))
        state.sent[message.lane] = message.sequence + 1, total
        return [sent_log(proposal)]

    def _take(self, state: State, asset: bytes) -> None:
        if self.chain.chain_id == ORIGIN:
            state.add(asset, left=self.quantity)
            return
        minted, burned = state.books.get(asset, (0, 0))
        if minted - burned < self.quantity:
            raise Refused("CALL_REVERTED", "Voucher: balance too small")
        state.add(asset, right=self.quantity)

    def proposal(self, state: State) -> Proposal:
        """What it sends where the chain is as it is."""
        sequence, total = state.sent.get(self._proposal(0, 0).message.lane, (1, 0))
        return self._proposal(sequence, total + self.quantity)

    def _proposal(self, sequence: int, total: int) -> Proposal:
        payload = Transfer(self.route.asset, self.quantity, total, self.salt.to_bytes(20, "big")).encode()
        accounts = self.route.end(self.chain.chain_id), self.route.end(self.destination.chain_id)
        ends = (self.chain.end, self.destination, GENERATION, sequence, *accounts, self.expiry, GAS_LIMIT)
        return Proposal(Message(Kind.TRANSFER, *ends, keccak256(payload)), payload)


@dataclass(frozen=True)
class Commit:
    """A proven message is executed, once."""

    chain: ModelManifest
    proposal: Proposal
    certificate: Certificate | None
    shown: Shown | None = None

    def run(self, state: State, now: int) -> list[Log]:
        """The gateway's checks, in its order, then the application."""
        message = self.proposal.message
        place = (message.lane, message.generation, message.sequence)
        if message.destination != self.chain.end or message.generation != GENERATION:
            raise Refused("CALL_REVERTED", "Gateway: lane not open")
        if message.expiry <= now:
            raise Refused("EXPIRED", "Gateway: expired")
        self.require_new(state, place)
        self._require_proof(state, now)
        if message.kind is Kind.ACKNOWLEDGEMENT:
            self._answer(state)
        else:
            self._arrive(state, Transfer.read(self.proposal.payload))
        state.used |= {place}
        state.executed[message.id] = state.executed.get(message.id, 0) + 1
        return [committed_log(self.chain.end.gateway, message.id)]

    @staticmethod
    def require_new(state: State, place: tuple[bytes, int, int]) -> None:
        """The gateway's guard against replay."""
        if place in state.used:
            raise Refused("CALL_REVERTED", "Gateway: already committed")

    def _require_proof(self, state: State, now: int) -> None:
        """What the lane's policy asks for: the notaries' word, the light client's, or both."""
        message = self.proposal.message
        policy = policy_of(message)
        if policy is not Policy.RELAY:
            if self.certificate is None:
                raise Refused("QUORUM", "Gateway: no certificate")
            self.certificate.check(message, state.at(now))
        if policy.needs_seals:
            shown = self.shown
            held = None if shown is None else state.headers.get((message.origin.chain_id, shown.number))
            if shown is None or held is None:
                raise Refused("HEADER_UNKNOWN", "LightClient: no such header")
            if not shown.proves(held, sent_log(self.proposal)):
                raise Refused("PROOF_INVALID", "Gateway: not in the block")

    def _arrive(self, state: State, transfer: Transfer) -> None:
        """The gateway counts, the voucher mints or the vault releases."""
        lane, books = self.proposal.message.lane, state.books.get(transfer.asset, (0, 0))
        state.arrivals[lane] = state.arrivals.get(lane, Arrivals()).count_in(transfer)
        if self.chain.chain_id != ORIGIN:
            state.add(transfer.asset, left=transfer.quantity)
            return
        if books[0] - books[1] < transfer.quantity:
            raise Refused("CALL_REVERTED", "Vault: so much is not locked")
        state.add(transfer.asset, right=transfer.quantity)

    def _answer(self, state: State) -> None:
        """The verdict comes back to the sender: what was not executed is given back, once."""
        named, outcome = self.proposal.payload[:32], self.proposal.payload[32:]
        deposit = state.deposits.pop(named, None)
        if deposit is not None and outcome == EXPIRED_OUTCOME:
            asset, quantity = deposit
            state.add(asset, **{"right" if self.chain.chain_id == ORIGIN else "left": quantity})
