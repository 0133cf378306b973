"""A value lane on two in-process chains: both lock contracts, their tokens, their twins, and two parties."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ledger.errors import Problem
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.rlp_strict import encode, encode_int
from ledger.hash_lock import Bounds, End, Lane, Leg, Lock, Role, Secret, Terms
from tests.contracts.evm import OWNER, Deployed, Evm, Outcome, Reverted

HERE = Path(__file__).parent
CHAIN_IDS = {Role.INITIATOR: 7201, Role.RESPONDER: 7202}
GENESES = {Role.INITIATOR: b"\xa1" * 32, Role.RESPONDER: b"\xb1" * 32}
NAMES = {Role.INITIATOR: "InitiatorLock", Role.RESPONDER: "ResponderLock"}
BOUNDS = Bounds(
    initiator_least=10_000,
    initiator_most=20_000,
    responder_most=7_000,
    finality_initiator=600,
    finality_responder=900,
    claim_window=1_200,
    clock_drift=30,
    open_swaps=3,
    bond_ppm=10_000,
)
START = 1_800_000_000
# Each party's account on the initiator's chain, and on the responder's.
ALICE = (b"\xaa" * 20, b"\xab" * 20)
BOB = (b"\xba" * 20, b"\xbb" * 20)
CAROL = b"\xca" * 20
SECRET = Secret(bytes(range(100, 132)))
WEALTH = 10**9

# Every revert string of the contracts, and the twin's code for the same refusal.
CODES = {
    "HashLock: another chain": "LOCK_CHAIN",
    "HashLock: no hash lock": "OFFER_HASH",
    "HashLock: the preimage is known": "HASH_REUSED",
    "HashLock: hash lock used before": "HASH_REUSED",
    "HashLock: quantity": "AMOUNT",
    "HashLock: no party": "OFFER_PARTIES",
    "HashLock: one party": "OFFER_PARTIES",
    "HashLock: bond larger than the leg": "OFFER_BOND",
    "HashLock: bond too small": "OFFER_BOND",
    "ResponderLock: no bond": "OFFER_BOND",
    "HashLock: margin": "OFFER_MARGIN",
    "HashLock: not the funder": "NOT_THE_PARTY",
    "ResponderLock: not the initiator": "NOT_THE_PARTY",
    "HashLock: another state": "LOCK_STATE",
    "HashLock: not funded": "LOCK_STATE",
    "HashLock: no such swap": "LOCK_UNKNOWN",
    "HashLock: ended": "TERMINAL",
    "HashLock: too late to claim": "LOCK_TIME",
    "HashLock: too early to refund": "LOCK_TIME",
    "InitiatorLock: refund time before L": "LOCK_TIME",
    "InitiatorLock: locked too long": "LOCK_TIME",
    "ResponderLock: locked beyond S": "LOCK_TIME",
    "ResponderLock: no time to claim": "LOCK_TIME",
    "HashLock: not the preimage": "PREIMAGE_WRONG",
    "HashLock: preimage length": "PREIMAGE_LEN",
    "HashLock: too many open swaps": "LOCK_QUOTA",
    "HashLock: nothing owed": "NOTHING_OWED",
}

SIDES = ("first", "second")


def create_address(deployer: bytes, nonce: int) -> bytes:
    """Where an account's transaction of that nonce creates a contract: known before the contract stands."""
    return keccak256(encode((deployer, encode_int(nonce))))[12:]


@dataclass(slots=True)
class Side:
    """One chain of the lane: the contract, its token, and the twin that must agree with it."""

    role: Role
    evm: Evm
    token: Deployed
    lock: Deployed
    twin: Lock

    def do(self, action: str, *arguments: Any, by: bytes = OWNER) -> Outcome | str:
        """Do it at the contract and at the twin; what happened, or the code with which both refused."""
        stood = self.told()
        try:
            outcome: Outcome | str = self.lock.send(action, *_abi(arguments), by=by)
        except Reverted as refused:
            outcome = CODES[refused.reason]
        assert _by_twin(self.twin, action, arguments, by, self.evm.time) == (
            outcome if isinstance(outcome, str) else None
        )
        if isinstance(outcome, str):
            assert self.told() == stood, "a refusal changed something"
        return outcome

    def told(self) -> tuple[object, ...]:
        """Everything the contract and its token keep, and everything the twin keeps."""
        twin = (self.twin.states, self.twin.used, self.twin.revealed, self.twin.open_swaps, self.twin.owed)
        return (self.evm.fingerprint(self.lock, self.token), *map(repr, twin), self.twin.held)

    def agrees(self, *terms: Terms) -> None:
        """The contract holds, owes and counts what the twin does, and has the tokens to pay."""
        assert self.lock.call("held") == self.twin.held == self.token.call("balanceOf", self.lock.address)
        for each in terms:
            swap = each.id(self.twin.lane.id)
            assert self.lock.call("swap_id", each.as_abi()) == swap
            assert self.lock.call("swap", swap)[0] == self.twin.state(swap)
        for account in (*ALICE, *BOB, CAROL):
            assert self.lock.call("owed", account) == self.twin.owed.get(account, 0)
            assert self.lock.call("open_swaps", account) == self.twin.open_swaps.get(account, 0)


@dataclass(slots=True)
class Swaps:
    """Both sides, whose clocks the test sets, and terms that suit both at `START`."""

    lane: Lane
    first: Side
    second: Side

    def at(self, now: int) -> None:
        """Set both clocks."""
        self.first.evm.time = self.second.evm.time = now

    def terms(self, **changed: Any) -> Terms:
        """Honest terms with the least bond; `hashlock` and `bond` change the terms, `first_…`, `second_…` a leg."""
        legs = {
            "first": Leg(1_000, ALICE[0], BOB[0], START + 11_000),
            "second": Leg(5_000, BOB[1], ALICE[1], START + 7_000),
        }
        for name, leg in legs.items():
            ours = {key.removeprefix(f"{name}_"): changed.pop(key) for key in list(changed) if key.startswith(name)}
            legs[name] = replace(leg, **ours)
        least = self.lane.bounds.least_bond(legs["second"].quantity)
        return replace(Terms(SECRET.hashlock, least, legs["first"], legs["second"]), **changed)

    def open_first(self, terms: Terms) -> None:
        """The initiator funds."""
        assert isinstance(self.first.do("fund", terms, by=terms.initiator.funder), Outcome)

    def open_second(self, terms: Terms) -> None:
        """The initiator posts the bond, the responder funds."""
        if terms.bond:
            assert isinstance(self.second.do("bond", terms, by=terms.responder.receiver), Outcome)
        assert isinstance(self.second.do("fund", terms, by=terms.responder.funder), Outcome)


def opened_lane(bounds: Bounds = BOUNDS, *, exact: bool = False, token: str = "TestToken") -> Swaps:
    """Deploy a lane: the token is each deployer's first contract, the lock its second."""
    evms = {role: Evm(chain_id=CHAIN_IDS[role], timestamp=START, exact=exact) for role in Role}
    ends = {
        role: End(CHAIN_IDS[role], GENESES[role], create_address(OWNER, 1), create_address(OWNER, 0)) for role in Role
    }
    lane = Lane(ends[Role.INITIATOR], ends[Role.RESPONDER], bounds)
    sides = []
    for role, mirror in ((Role.INITIATOR, Role.RESPONDER), (Role.RESPONDER, Role.INITIATOR)):
        coin = evms[role].deploy(HERE / f"{token}.vy")
        lock = evms[role].deploy(NAMES[role], *constructor(lane, role, ends[mirror]))
        assert (coin.address, lock.address) == (ends[role].token, ends[role].lock)
        for account in (*ALICE, *BOB, CAROL):
            coin.send("mint", account, WEALTH)
        sides.append(Side(role, evms[role], coin, lock, Lock(role, lane)))
    return Swaps(lane, *sides)


def side_of(swaps: Swaps, name: str) -> Side:
    """One of the two, by its name in `SIDES`."""
    return swaps.first if name == "first" else swaps.second


def opened(swaps: Swaps, name: str, **changed: Any) -> tuple[Side, Terms]:
    """One side with an open leg."""
    terms = swaps.terms(**changed)
    (swaps.open_first if name == "first" else swaps.open_second)(terms)
    return side_of(swaps, name), terms


def funder(terms: Terms, name: str) -> bytes:
    """Who funds that side's leg."""
    return terms.initiator.funder if name == "first" else terms.responder.funder


def refund_time(terms: Terms, name: str) -> int:
    """From when that side's leg is given back, in seconds of block time."""
    return terms.initiator.refund_time if name == "first" else terms.responder.refund_time


def constructor(lane: Lane, role: Role, mirror: End) -> tuple[Any, ...]:
    """A lock's constructor arguments."""
    own = lane.end(role)
    return own.genesis, own.token, end_abi(mirror), bounds_abi(lane.bounds)


def end_abi(end: End) -> tuple[Any, ...]:
    """An end as the contract's struct."""
    return end.chain_id, end.genesis, end.lock, end.token


def bounds_abi(bounds: Bounds) -> tuple[int, ...]:
    """Bounds as the contract's struct."""
    return tuple(getattr(bounds, name) for name in Bounds.__slots__)


def _abi(arguments: tuple[Any, ...]) -> list[Any]:
    return [each.as_abi() if isinstance(each, Terms) else each for each in arguments]


def _by_twin(twin: Lock, action: str, arguments: tuple[Any, ...], by: bytes, now: int) -> str | None:
    """The twin's refusal code, None where it accepts."""
    calls: dict[str, Callable[[], object]] = {
        "bond": lambda: twin.bond(*arguments, by=by, now=now),
        "fund": lambda: twin.fund(*arguments, by=by, now=now),
        "claim": lambda: twin.claim(*arguments, now=now),
        "refund": lambda: twin.refund(*arguments, now=now),
        "withdraw": lambda: twin.withdraw(*arguments),
        "expose": lambda: twin.expose(*arguments),
    }
    try:
        calls[action]()
    except Problem as refused:
        return refused.code
    return None
