"""One product leg behind a post office: the test is the coordinator, and delivers what it likes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import pytest
from eth_abi.abi import encode

from ledger import interoperable
from ledger.ethereum.keccak import keccak256
from ledger.two_phase import Action, LegState, decision_payload, leg_key, prepare_payload
from tests.contracts.evm import OWNER, STRANGER, Deployed, Evm, Outcome, Reverted
from tests.contracts.swaps import HERE
from tests.contracts.two_phase_world import FORCE, text

DELAY = 2 * 24 * 3600
NOW = 1_800_000_000
YEAR = 365 * 24 * 3600
COORDINATOR = interoperable.encode(7103, b"\x77" * 20)
OTHER_COORDINATOR = interoperable.encode(7104, b"\x77" * 20)


@dataclass(frozen=True, slots=True)
class Turn:
    """One leg of one transaction."""

    id: bytes
    terms: bytes
    place: int = 0
    coordinator: bytes = COORDINATOR

    @property
    def key(self) -> bytes:
        """Where the participant keeps it."""
        return leg_key(self.coordinator, self.id, self.place, keccak256(self.terms))


@dataclass(slots=True)
class LegBed:
    """The contract under test and what stands around it."""

    evm: Evm
    post: Deployed
    committee: Deployed
    contract: Deployed
    begun: int = 0

    @classmethod
    def lay(cls, name: str) -> Self:
        """An application of the owner's, which listens to two coordinators."""
        evm = Evm(timestamp=NOW)
        post, committee = evm.deploy(HERE / "PostOffice.vy"), evm.deploy(HERE / "AnyQuorum.vy")
        contract = evm.deploy(name, post.address, committee.address, DELAY)
        for chain_id in (7103, 7104):
            contract.send("admit", chain_id, b"\x77" * 20)
        return cls(evm, post, committee, contract)

    def turn(self, terms: bytes, **changed: Any) -> Turn:
        """A leg of a transaction of its own."""
        self.begun += 1
        return Turn(**{"id": keccak256(self.begun.to_bytes(32, "big")), "terms": terms, **changed})

    def deliver(self, turn: Turn, payload: bytes) -> Outcome:
        """A proven message of the leg's coordinator."""
        return self.post.send("deliver", self.contract.address, turn.coordinator, payload)

    def prepare(self, turn: Turn) -> str:
        """The outcome's text."""
        return text(self.deliver(turn, prepare_payload(turn.id, turn.place, turn.terms)).values)

    def decide(self, turn: Turn, decision: Action) -> str:
        """The outcome's text."""
        payload = decision_payload(decision, turn.id, turn.place, keccak256(turn.terms))
        return text(self.deliver(turn, payload).values)

    def state(self, turn: Turn) -> LegState:
        """Where the leg stands."""
        return LegState(self.contract.call("leg_states", turn.key))

    def announce_force(self, turn: Turn, decision: Action, salt: bytes, signatures: bytes = b"quorum") -> Outcome:
        """An order of the quorum to force the leg."""
        action = keccak256(encode(["bytes32", "bytes32", "uint256"], [FORCE, turn.key, int(decision)]))
        epoch = self.committee.call("epoch")
        return self.contract.send("announce", action, salt, epoch, signatures, by=STRANGER)

    def force(self, turn: Turn, decision: Action, salt: bytes, by: bytes = STRANGER) -> Outcome:
        """Carry it out."""
        return self.contract.send("force", turn.key, int(decision), salt, by=by)

    def refused(self, reason: str, function: str, *arguments: Any, by: bytes) -> None:
        """The contract says no, gives this reason, and nothing on its chain has changed."""
        before = self.evm.fingerprint()
        with pytest.raises(Reverted) as found:
            self.contract.send(function, *arguments, by=by)
        assert found.value.reason == reason
        assert self.evm.fingerprint() == before


def nobody_forces_alone(bed: LegBed, turn: Turn, *roles: bytes) -> None:
    """H08: a prepared leg is forced neither by a role, nor below quorum, nor before the delay has passed."""
    salt = b"\x05" * 32
    act = ("force", turn.key, int(Action.ABORT), salt)
    for role in (OWNER, STRANGER, *roles):
        bed.refused("order: not announced", *act, by=role)
    with pytest.raises(Reverted, match="Committee: below quorum"):
        bed.announce_force(turn, Action.ABORT, salt, b"one member")
    bed.announce_force(turn, Action.ABORT, salt)
    bed.evm.time += DELAY - 1
    bed.refused("order: not due", *act, by=OWNER)
    assert bed.state(turn) is LegState.PREPARED
    bed.evm.time += 1
    disputed = bed.force(turn, Action.ABORT, salt).log("LegDisputed")
    assert disputed == {"key": turn.key, "forced": Action.ABORT}
    assert bed.state(turn) is LegState.FORCED_ABORT
