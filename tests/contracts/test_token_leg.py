"""The payment in a two-phase commit: funded by its payer alone, locked while prepared, owed once to one of two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ledger.ethereum.keccak import keccak256
from ledger.leg_terms import TokenTerms
from ledger.two_phase import Action, LegState, Report, prepare_payload
from tests.contracts.evm import OWNER, Reverted
from tests.contracts.leg_bed import COORDINATOR, NOW, OTHER_COORDINATOR, YEAR, LegBed, Turn, nobody_forces_alone
from tests.contracts.swaps import HERE
from tests.contracts.two_phase_world import text

PAYER, PAYEE, STRANGER = (bytes([0xD1 + k]) * 20 for k in range(3))
FUNDS, PRICE = 1_000, 100
NO_POT = (bytes(20), 0, bytes(20), bytes(20))
DECISIONS = (Action.COMMIT, Action.ABORT)
KEEPS_A_FEE, ANSWERS_FALSE, REVERTS, MOVES_NOTHING, MOVES_ONE_MORE, CALLS_BACK = range(1, 7)


@dataclass(slots=True)
class TokenBed(LegBed):
    """A payer with a thousand units of a token."""

    token: Any = None

    @classmethod
    def open(cls) -> TokenBed:
        bed = cls.lay("TokenLeg")
        bed.token = bed.evm.deploy(HERE / "TestToken.vy")
        for account in (PAYER, PAYEE, STRANGER):
            bed.evm.fund(account, 10**24)
        bed.token.send("mint", PAYER, FUNDS)
        return bed

    def terms(self, **changed: Any) -> TokenTerms:
        return TokenTerms(**{"token": self.token.address, "quantity": PRICE, "payer": PAYER, "payee": PAYEE, **changed})

    def leg(self, **changed: Any) -> Turn:
        return self.turn(self.terms().encode(), **changed)

    def fund(self, turn: Turn, by: bytes = PAYER) -> Any:
        return self.contract.send("fund", *funding(turn), by=by)

    def funded(self) -> Turn:
        turn = self.leg()
        self.fund(turn)
        return turn

    def prepared(self) -> Turn:
        turn = self.funded()
        assert self.prepare(turn) == "prepared"
        return turn

    def units(self, account: bytes) -> int:
        return int(self.token.call("balanceOf", account))

    def owed(self, account: bytes) -> int:
        return int(self.contract.call("owed", account, self.token.address))

    def misbehave(self, mode: int, call_back: bytes = b"") -> None:
        self.token.send("misbehave", mode, self.contract.address, call_back)


def funding(turn: Turn) -> tuple[Any, ...]:
    return (turn.coordinator, turn.id, turn.place, turn.terms)


@pytest.fixture(scope="module")
def laid() -> TokenBed:
    return TokenBed.open()


@pytest.fixture
def bed(laid: TokenBed) -> Any:
    laid.evm.time = NOW
    with laid.evm.rolled_back():
        yield laid


# -- what it is for -------------------------------------------------------------------------------------------------


def test_a_commit_owes_the_payee_and_an_abort_the_payer(bed: TokenBed) -> None:
    for decision, account in ((Action.COMMIT, PAYEE), (Action.ABORT, PAYER)):
        turn, before = bed.prepared(), bed.units(account)
        assert bed.owed(account) == 0
        assert bed.decide(turn, decision) == ("committed" if decision == Action.COMMIT else "aborted")
        assert (bed.owed(account), bed.contract.call("pots", turn.key)) == (PRICE, NO_POT)
        bed.contract.send("withdraw", account, bed.token.address, by=STRANGER)
        assert (bed.owed(account), bed.units(account)) == (0, before + PRICE)
    assert bed.units(bed.contract.address) == 0


def test_funding_takes_the_tokens_and_says_for_which_leg(bed: TokenBed) -> None:
    turn = bed.leg()
    outcome = bed.fund(turn)
    assert outcome.values == turn.key
    assert outcome.log("LegFunded")["key"] == turn.key
    assert (bed.units(PAYER), bed.units(bed.contract.address)) == (FUNDS - PRICE, PRICE)
    assert bed.contract.call("pots", turn.key) == (bed.token.address, PRICE, PAYER, PAYEE)


def test_a_prepare_reports(bed: TokenBed) -> None:
    turn = bed.funded()
    outcome = bed.deliver(turn, prepare_payload(turn.id, turn.place, turn.terms))
    assert text(outcome.values) == "prepared"
    assert outcome.log("Posted")["payload"] == Report(turn.id, 0, keccak256(turn.terms)).encode()


# -- funding --------------------------------------------------------------------------------------------------------


def account_word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def raw(bed: TokenBed, **changed: bytes) -> bytes:
    """Terms word by word, also such as the twin would not write."""
    words = {
        "token": bed.token.address.rjust(32, b"\0"),
        "quantity": account_word(PRICE),
        "payer": PAYER.rjust(32, b"\0"),
        "payee": PAYEE.rjust(32, b"\0"),
    }
    return b"".join((words | changed).values())


UNFUNDABLE: dict[str, tuple[Callable[[TokenBed], bytes], str]] = {
    "F04_nothing": (lambda bed: raw(bed, quantity=bytes(32)), "TokenLeg: no quantity"),
    "F04_a_token_without_code": (lambda bed: raw(bed, token=b"\x66".rjust(32, b"\0")), "TokenLeg: no token"),
    "F04_the_zero_token": (lambda bed: raw(bed, token=bytes(32)), "TokenLeg: no token"),
    "nobody_as_payee": (lambda bed: raw(bed, payee=bytes(32)), "TokenLeg: no payee"),
    "itself_as_payee": (lambda bed: raw(bed, payee=bed.contract.address.rjust(32, b"\0")), "TokenLeg: no payee"),
    "another_payer": (lambda bed: raw(bed, payer=STRANGER.rjust(32, b"\0")), "TokenLeg: not the payer"),
    "terms_cut_short": (lambda bed: raw(bed)[:-1], "TokenLeg: length of terms"),
    "no_terms": (lambda _bed: b"", "TokenLeg: length of terms"),
    "F09_a_payee_past_20_bytes": (lambda bed: raw(bed, payee=account_word(2**160)), ""),
    "F09_a_payer_past_20_bytes": (lambda bed: raw(bed, payer=b"\x01".ljust(12, b"\0") + PAYER), ""),
    "F09_more_than_the_payer_has": (lambda bed: raw(bed, quantity=account_word(FUNDS + 1)), ""),
    "F09_all_ones": (lambda bed: raw(bed, quantity=account_word(2**256 - 1)), ""),
}


@pytest.mark.parametrize("name", UNFUNDABLE)
def test_terms_are_not_funded(bed: TokenBed, name: str) -> None:
    make, reason = UNFUNDABLE[name]
    turn = bed.turn(make(bed))
    bed.refused(reason, "fund", *funding(turn), by=PAYER)
    bed.fund(bed.leg())


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (KEEPS_A_FEE, "TokenLeg: token moved another amount"),
        (MOVES_NOTHING, "TokenLeg: token moved another amount"),
        (MOVES_ONE_MORE, "TokenLeg: token moved another amount"),
        (ANSWERS_FALSE, "TokenLeg: token refused"),
        (REVERTS, "TestToken: paused"),
    ],
)
def test_F04_a_token_that_misbehaves_funds_nothing_and_pays_nothing(bed: TokenBed, mode: int, reason: str) -> None:
    turn, paid, _others = bed.leg(), bed.prepared(), bed.prepared()
    bed.decide(paid, Action.COMMIT)
    bed.misbehave(mode)
    bed.refused(reason, "fund", *funding(turn), by=PAYER)
    if mode != KEEPS_A_FEE:  # what a token keeps of a payment is between it and the payee, and nobody else's
        bed.refused(reason, "withdraw", PAYEE, bed.token.address, by=PAYEE)
    bed.misbehave(0)
    bed.fund(turn)
    bed.contract.send("withdraw", PAYEE, bed.token.address, by=PAYEE)
    assert bed.units(PAYEE) == PRICE


@pytest.mark.parametrize("function", ["fund", "withdraw"])
def test_a_token_that_calls_back_gets_nothing_twice(bed: TokenBed, function: str) -> None:
    paid, turn, other = bed.prepared(), bed.leg(), bed.leg()
    bed.decide(paid, Action.COMMIT)
    call = {
        "fund": bed.contract.interface.encode_call("fund", *funding(other)),
        "withdraw": bed.contract.interface.encode_call("withdraw", PAYEE, bed.token.address),
    }[function]
    bed.misbehave(CALLS_BACK, call)
    bed.fund(turn)
    assert not bed.token.call("answered")
    bed.contract.send("withdraw", PAYEE, bed.token.address, by=PAYEE)
    assert not bed.token.call("answered")
    assert (bed.units(PAYEE), bed.units(bed.contract.address)) == (PRICE, PRICE)


def test_H05_nobody_funds_or_empties_anothers_leg(bed: TokenBed) -> None:
    turn = bed.leg()
    for role in (OWNER, STRANGER, PAYEE):
        bed.refused("TokenLeg: not the payer", "fund", *funding(turn), by=role)
    bed.fund(turn)
    bed.refused("TokenLeg: funded before", "fund", *funding(turn), by=PAYER)
    for role in (OWNER, STRANGER, PAYEE):
        bed.refused("TokenLeg: not the payer", "take_back", turn.key, by=role)
    assert bed.prepare(turn) == "prepared"


# -- before, while and after it is prepared ---------------------------------------------------------------------------


def test_until_it_is_prepared_the_payer_takes_it_back(bed: TokenBed) -> None:
    turn = bed.funded()
    bed.contract.send("take_back", turn.key, by=PAYER)
    assert (bed.owed(PAYER), bed.contract.call("pots", turn.key)) == (PRICE, NO_POT)
    bed.refused("TokenLeg: not the payer", "take_back", turn.key, by=PAYER)
    assert bed.prepare(turn) == "payer has not funded it"
    bed.refused("TokenLeg: leg has answered", "fund", *funding(turn), by=PAYER)
    bed.contract.send("withdraw", PAYER, bed.token.address, by=PAYER)
    assert bed.units(PAYER) == FUNDS


@pytest.mark.parametrize("years", [0, 1, 30])
def test_G06_what_is_prepared_is_locked_however_long(bed: TokenBed, years: int) -> None:
    turn = bed.prepared()
    bed.evm.time = NOW + years * YEAR
    bed.refused("TokenLeg: locked", "take_back", turn.key, by=PAYER)
    bed.refused("TokenLeg: leg has answered", "fund", *funding(turn), by=PAYER)
    for account in (PAYER, PAYEE):
        bed.refused("TokenLeg: nothing owed", "withdraw", account, bed.token.address, by=account)
    assert bed.decide(turn, Action.COMMIT) == "committed"
    assert bed.owed(PAYEE) == PRICE


def test_an_abort_before_its_prepare_gives_the_payer_its_tokens(bed: TokenBed) -> None:
    turn = bed.funded()
    assert (bed.decide(turn, Action.ABORT), bed.prepare(turn)) == ("aborted", "aborted")
    assert bed.owed(PAYER) == 0
    bed.contract.send("take_back", turn.key, by=PAYER)
    assert bed.owed(PAYER) == PRICE


UNPREPARED: dict[str, Callable[[TokenBed, Turn], Turn]] = {
    "another_transaction": lambda _bed, turn: replace(turn, id=b"\x08" * 32),
    "another_place": lambda _bed, turn: replace(turn, place=1),
    "G02_another_coordinator": lambda _bed, turn: replace(turn, coordinator=OTHER_COORDINATOR),
    "F05_a_higher_price": lambda bed, turn: replace(turn, terms=bed.terms(quantity=PRICE + 1).encode()),
    "F05_another_payee": lambda bed, turn: replace(turn, terms=bed.terms(payee=STRANGER).encode()),
    "terms_it_cannot_read": lambda _bed, turn: replace(turn, terms=turn.terms + b"\0"),
    "no_terms": lambda _bed, turn: replace(turn, terms=b""),
}


@pytest.mark.parametrize("name", UNPREPARED)
def test_what_was_funded_for_one_leg_prepares_no_other(bed: TokenBed, name: str) -> None:
    funded = bed.funded()
    other = UNPREPARED[name](bed, funded)
    outcome = bed.deliver(other, prepare_payload(other.id, other.place, other.terms))
    said = Report(other.id, other.place, keccak256(other.terms), b"payer has not funded it".ljust(32, b"\0"))
    assert outcome.log("Posted")["payload"] == said.encode()
    assert bed.decide(other, Action.COMMIT) == "decision contradicted"
    assert (bed.owed(PAYEE), bed.owed(STRANGER), bed.state(other)) == (0, 0, LegState.REFUSED)
    assert bed.prepare(funded) == "prepared"


@pytest.mark.parametrize("decision", DECISIONS)
def test_F07_a_decision_that_comes_143_times_pays_once(bed: TokenBed, decision: Action) -> None:
    turn, newer = bed.prepared(), bed.prepared()
    account = PAYEE if decision == Action.COMMIT else PAYER
    for _ in range(143):
        bed.decide(turn, decision)
    bed.prepare(turn)
    assert bed.decide(turn, DECISIONS[1 - DECISIONS.index(decision)]) == "decision contradicted"
    assert (bed.owed(PAYEE) + bed.owed(PAYER), bed.owed(account)) == (PRICE, PRICE)
    assert bed.state(newer) is LegState.PREPARED, "G04: an old decision never acts on a newer transaction"


def test_a_payee_whom_the_token_blocks_stops_nobody_else(bed: TokenBed) -> None:
    first, second = bed.prepared(), bed.prepared()
    bed.token.send("block_account", PAYEE)
    assert (bed.decide(first, Action.COMMIT), bed.decide(second, Action.ABORT)) == ("committed", "aborted")
    bed.refused("TestToken: blocked", "withdraw", PAYEE, bed.token.address, by=PAYEE)
    bed.contract.send("withdraw", PAYER, bed.token.address, by=PAYER)
    assert (bed.owed(PAYEE), bed.owed(PAYER)) == (PRICE, 0)


def test_a_token_cannot_stop_a_decision(bed: TokenBed) -> None:
    turn = bed.prepared()
    bed.misbehave(REVERTS)
    assert bed.decide(turn, Action.COMMIT) == "committed"
    assert bed.owed(PAYEE) == PRICE


def test_H08_only_the_quorum_forces_and_only_after_the_delay(bed: TokenBed) -> None:
    turn = bed.prepared()
    nobody_forces_alone(bed, turn, PAYER, PAYEE)
    assert (bed.owed(PAYER), bed.owed(PAYEE)) == (PRICE, 0)
    assert bed.decide(turn, Action.COMMIT) == "decision contradicted"
    assert (bed.owed(PAYER), bed.owed(PAYEE), bed.state(turn)) == (PRICE, 0, LegState.CONTRADICTED)


def test_H05_only_the_gateway_delivers_and_only_an_admitted_coordinator_is_heard(bed: TokenBed) -> None:
    turn = bed.funded()
    payload = prepare_payload(turn.id, 0, turn.terms)
    for role in (OWNER, PAYER, PAYEE):
        call = ("receiveMessage", bytes(32), COORDINATOR, payload)
        bed.refused("application: not the gateway", *call, by=role)
    before = bed.evm.fingerprint()
    with pytest.raises(Reverted, match="application: sender not admitted"):
        bed.deliver(replace(turn, coordinator=COORDINATOR[:-1] + b"\x01"), payload)
    assert bed.evm.fingerprint() == before
    assert bed.prepare(turn) == "prepared"


# -- conserved ------------------------------------------------------------------------------------------------------


class Conserved(RuleBasedStateMachine):
    """Whatever is funded, prepared, taken back, decided and paid, in any order and again: the contract holds exactly
    what stands in pots and what it owes, and nobody is paid what somebody else brought."""

    shared = TokenBed.open()

    def __init__(self) -> None:
        super().__init__()
        self.bed = self.shared
        self.point = self.bed.evm.snapshot()
        self.legs: dict[Turn, int] = {}
        self.paid = 0

    def teardown(self) -> None:
        self.bed.evm.revert(self.point)

    def pick(self, data: st.DataObject) -> Turn:
        return data.draw(st.sampled_from(list(self.legs)))

    @rule(quantity=st.integers(1, 400))
    def fund(self, quantity: int) -> None:
        turn = self.bed.turn(self.bed.terms(quantity=quantity).encode())
        try:
            self.bed.fund(turn)
        except Reverted:
            assert self.bed.units(PAYER) < quantity
        else:
            self.legs[turn] = quantity

    @precondition(lambda self: self.legs)
    @rule(data=st.data())
    def prepare(self, data: st.DataObject) -> None:
        self.bed.prepare(self.pick(data))

    @precondition(lambda self: self.legs)
    @rule(data=st.data(), decision=st.sampled_from(DECISIONS))
    def decide(self, data: st.DataObject, decision: Action) -> None:
        turn = self.pick(data)
        acts = self.bed.state(turn) is LegState.PREPARED and decision == Action.COMMIT
        before = self.bed.owed(PAYEE)
        self.bed.decide(turn, decision)
        assert self.bed.owed(PAYEE) - before == (self.legs[turn] if acts else 0)
        self.paid += self.legs[turn] if acts else 0

    @precondition(lambda self: self.legs)
    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        turn = self.pick(data)
        pot = self.bed.contract.call("pots", turn.key)
        try:
            self.bed.contract.send("take_back", turn.key, by=PAYER)
        except Reverted:
            assert pot == NO_POT or self.bed.state(turn) is LegState.PREPARED

    @rule(account=st.sampled_from([PAYER, PAYEE]))
    def withdraw(self, account: bytes) -> None:
        owed = self.bed.owed(account)
        try:
            self.bed.contract.send("withdraw", account, self.bed.token.address, by=STRANGER)
        except Reverted:
            assert owed == 0

    @invariant()
    def it_holds_what_it_owes_and_no_more(self) -> None:
        pots = sum(self.bed.contract.call("pots", turn.key)[1] for turn in self.legs)
        owed = self.bed.owed(PAYER) + self.bed.owed(PAYEE)
        assert self.bed.units(self.bed.contract.address) == pots + owed
        assert self.bed.units(PAYEE) + self.bed.owed(PAYEE) == self.paid


Conserved.TestCase.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
test_every_token_is_in_a_pot_or_owed = Conserved.TestCase
