"""Liens on a condition: a title waits for another chain's state, goes one way once, and never both."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ledger.condition import (
    MAX_AHEAD_SECONDS,
    MAX_CONTEST_SECONDS,
    MAX_PATIENCE_SECONDS,
    MIN_CONTEST_SECONDS,
    MIN_PATIENCE_SECONDS,
    Lien,
    LienState,
    Meaning,
    Terms,
)
from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256
from tests.contracts.evm import OWNER, STRANGER, Deployed, Evm, Outcome, Reverted

HERE = Path(__file__).parent
NOW = 1_800_000_000
MONTH = 30 * 24 * 3600
DATE = NOW + 9 * MONTH
CONTEST, PATIENCE = 7 * 24 * 3600, MONTH
HOLDER, BENEFICIARY, ARBITER = (bytes([0xB1 + k]) * 20 for k in range(3))
ACCOUNT, CODE, SLOT = b"\x71" * 20, b"\x72" * 32, b"\x73" * 32
LATE = 900  # the height from which on the foreign slot is set, where a test sets it late
WAITS = "ConditionalLien: not waiting for this"


@dataclass(slots=True)
class LienWorld:
    """A lien contract, a registry of titles, and a foreign chain whose heights are seconds after NOW / 1000."""

    evm: Evm
    contract: Deployed
    titles: Deployed
    book: Deployed
    base: Terms
    terms: Terms
    salts: int = 0

    def send(self, function: str, *arguments: Any, by: bytes = STRANGER) -> Outcome:
        """Call the lien contract about the current terms."""
        return self.contract.send(function, self.terms.as_abi(), *arguments, by=by)

    def prove_set(self, height: int, time: int) -> Outcome:
        return self.send("prove_set", header(height, time), b"proof")

    def prove_unset(self, height: int, time: int) -> Outcome:
        return self.send("prove_unset", header(height, time), b"proof")

    def state(self) -> LienState:
        return LienState(self.contract.call("lien", self.id)[0])

    @property
    def id(self) -> bytes:
        return self.terms.id(chain_id=self.evm.chain_id, contract=self.contract.address)

    def title_holder(self) -> bytes:
        return bytes(self.titles.call("holder_of", self.terms.subject))

    def next_terms(self, **changed: Any) -> Terms:
        """Terms about a title of their own, which its holder has."""
        self.salts += 1
        subject = keccak256(self.salts.to_bytes(32, "big"))
        self.titles.send("issue", subject, HOLDER)
        self.terms = replace(self.base, **{"subject": subject, **changed})
        return self.terms

    def freeze(self, **changed: Any) -> None:
        """Agree, hand over, freeze."""
        self.next_terms(**changed)
        self.send("agree", by=HOLDER)
        self.titles.send("transfer", self.terms.subject, self.contract.address, by=HOLDER)
        self.send("freeze")


def header(height: int, time: int) -> tuple[int, bytes, bytes, bytes, int]:
    return (height, b"\1" * 32, b"\2" * 32, b"\3" * 32, time)


@pytest.fixture(scope="module")
def deployed() -> LienWorld:
    evm = Evm(timestamp=NOW)
    book = evm.deploy(HERE / "StateBook.vy", ACCOUNT, CODE, SLOT)
    titles = evm.deploy(HERE / "Titles.vy")
    parties = (titles.address, bytes(32), HOLDER, BENEFICIARY, ARBITER)
    condition = (book.address, ACCOUNT, CODE, SLOT, Meaning.RELEASES)
    terms = Terms(*parties, *condition, DATE, CONTEST, PATIENCE, bytes(32))
    return LienWorld(evm, evm.deploy("ConditionalLien"), titles, book, terms, terms)


@pytest.fixture
def world(deployed: LienWorld) -> LienWorld:
    """A title frozen until the foreign slot is set; at DATE it is forfeited otherwise."""
    deployed.evm.time = NOW
    deployed.book.send("set_from", 2**64 - 1)
    deployed.book.send("silence", False)
    deployed.titles.send("jam", False)
    deployed.freeze()
    return deployed


def refused(world: LienWorld, act: Callable[[], Any], reason: str) -> None:
    """The contract says no, gives this reason, and nothing has changed anywhere."""
    before = world.evm.fingerprint()
    with pytest.raises(Reverted) as found:
        act()
    assert found.value.reason == reason
    assert world.evm.fingerprint() == before


# -- freezing -------------------------------------------------------------------------------------------------------


def test_a_title_is_frozen_by_what_its_holder_agreed_to(world: LienWorld) -> None:
    assert (world.state(), world.title_holder()) == (LienState.FROZEN, world.contract.address)
    move = ("transfer", world.terms.subject, STRANGER)
    refused(world, lambda: world.titles.send(*move, by=HOLDER), "Titles: not the holder")


def test_the_last_agreement_about_a_title_counts(world: LienWorld) -> None:
    first = world.next_terms(salt=b"\1" * 32)
    world.send("agree", by=HOLDER)
    world.terms = second = replace(first, salt=b"\2" * 32)
    world.send("agree", by=HOLDER)
    world.titles.send("transfer", first.subject, world.contract.address, by=HOLDER)
    world.terms = first
    refused(world, lambda: world.send("freeze"), "ConditionalLien: not agreed")
    world.terms = second
    world.send("freeze")
    assert world.state() == LienState.FROZEN


def test_what_was_not_handed_over_is_not_frozen(world: LienWorld) -> None:
    world.next_terms()
    refused(world, lambda: world.send("freeze"), "ConditionalLien: not agreed")
    world.send("agree", by=HOLDER)
    refused(world, lambda: world.send("freeze"), "ConditionalLien: title not handed over")
    world.titles.send("transfer", world.terms.subject, world.contract.address, by=HOLDER)
    world.send("freeze")
    refused(world, lambda: world.send("freeze"), "ConditionalLien: not agreed")


BAD_TERMS: dict[str, tuple[dict[str, Any], str, str]] = {
    "without_a_beneficiary": ({"beneficiary": bytes(20)}, "beneficiary", "LIEN_PARTIES"),
    "for_the_holder_himself": ({"beneficiary": HOLDER}, "beneficiary", "LIEN_PARTIES"),
    "without_an_arbiter": ({"arbiter": bytes(20)}, "arbiter is a party", "LIEN_PARTIES"),
    "judged_by_the_holder": ({"arbiter": HOLDER}, "arbiter is a party", "LIEN_PARTIES"),
    "judged_by_the_beneficiary": ({"arbiter": BENEFICIARY}, "arbiter is a party", "LIEN_PARTIES"),
    "without_a_reader": ({"reader": bytes(20)}, "no reader", "LIEN_CONDITION"),
    "about_no_account": ({"account": bytes(20)}, "no contract", "LIEN_CONDITION"),
    "about_any_code": ({"code_hash": bytes(32)}, "no contract", "LIEN_CONDITION"),
    "until_now": ({"date": NOW}, "date", "LIEN_DATE"),
    "for_a_lifetime": ({"date": NOW + MAX_AHEAD_SECONDS + 1}, "date", "LIEN_DATE"),
    "contested_too_shortly": ({"contest": MIN_CONTEST_SECONDS - 1}, "contest", "LIEN_DATE"),
    "contested_too_long": ({"contest": MAX_CONTEST_SECONDS + 1}, "contest", "LIEN_DATE"),
    "with_an_impatient_arbiter": ({"patience": MIN_PATIENCE_SECONDS - 1}, "patience", "LIEN_DATE"),
    "with_a_sleeping_arbiter": ({"patience": MAX_PATIENCE_SECONDS + 1}, "patience", "LIEN_DATE"),
}


@pytest.mark.parametrize("name", BAD_TERMS)
def test_terms_are_refused(world: LienWorld, name: str) -> None:
    changed, reason, code = BAD_TERMS[name]
    honest = world.next_terms()
    world.terms = replace(honest, **changed)
    refused(world, lambda: world.send("agree", by=HOLDER), f"ConditionalLien: {reason}")
    with pytest.raises(Refused, match=code):
        world.terms.check(NOW)
    world.terms = honest
    honest.check(NOW)
    world.send("agree", by=HOLDER)


def test_terms_without_a_meaning_are_refused(world: LienWorld) -> None:
    abi = list(world.next_terms().as_abi())
    for meaning in (0, 3):
        abi[9] = meaning
        refused(world, lambda: world.contract.send("agree", tuple(abi), by=HOLDER), "ConditionalLien: meaning")


def test_H05_only_the_titles_holder_agrees(world: LienWorld) -> None:
    world.next_terms()
    for role in (STRANGER, OWNER, BENEFICIARY, ARBITER):
        refused(world, lambda by=role: world.send("agree", by=by), "ConditionalLien: not the holder")  # type: ignore[misc]
    honest = world.terms
    world.terms = replace(honest, holder=STRANGER)
    refused(world, lambda: world.send("agree", by=STRANGER), "ConditionalLien: not the holder")
    world.terms = honest
    world.send("agree", by=HOLDER)
    refused(world, lambda: world.send("agree", by=HOLDER), "ConditionalLien: agreed before")


def test_the_id_is_the_twins_and_binds_every_field(world: LienWorld) -> None:
    chance, seen = random.Random("terms"), set()
    for _ in range(40):
        honest = random_terms(chance)
        for each in [honest, *changed_in_one_field(honest)]:
            twin = each.id(chain_id=world.evm.chain_id, contract=world.contract.address)
            assert world.contract.call("id_of", each.as_abi()) == twin
            seen.add(twin)
    assert len(seen) == 40 * 15


def random_terms(chance: random.Random) -> Terms:
    title, holder, beneficiary, arbiter, reader, account = (chance.randbytes(20) for _ in range(6))
    subject, code_hash, slot, salt = (chance.randbytes(32) for _ in range(4))
    date, contest, patience = (chance.randrange(2**64) for _ in range(3))
    parties = (title, subject, holder, beneficiary, arbiter)
    meaning = chance.choice(list(Meaning))
    return Terms(*parties, reader, account, code_hash, slot, meaning, date, contest, patience, salt)


def changed_in_one_field(terms: Terms) -> list[Terms]:
    accounts = ("title", "holder", "beneficiary", "arbiter", "reader", "account")
    values: dict[str, Any] = dict.fromkeys(accounts, b"\1" * 20)
    values |= dict.fromkeys(("subject", "code_hash", "slot", "salt"), b"\1" * 32)
    values |= {name: getattr(terms, name) ^ 1 for name in ("date", "contest", "patience")}
    values["set_means"] = Meaning(3 - terms.set_means)
    return [replace(terms, **{name: value}) for name, value in values.items()]


# -- proofs, and the date -------------------------------------------------------------------------------------------

ENDS = {(Meaning.RELEASES, True), (Meaning.FORFEITS, False)}  # meaning and whether the slot was set → released


@pytest.mark.parametrize("meaning", list(Meaning))
@pytest.mark.parametrize("is_set", [True, False])
def test_what_the_other_chain_says_decides_whose_the_title_is(world: LienWorld, meaning: Meaning, is_set: bool) -> None:
    world.freeze(set_means=meaning)
    if is_set:
        world.book.send("set_from", 500)
        ended = world.prove_set(500, DATE - 1).log("LienEnded")
    else:
        ended = world.prove_unset(500, DATE).log("LienEnded")
    released = (meaning, is_set) in ENDS
    assert ended == {
        "id": world.id,
        "state": LienState.RELEASED if released else LienState.FORFEITED,
        "reason": 1 if is_set else 2,
    }
    world.send("hand_over")
    assert world.title_holder() == (HOLDER if released else BENEFICIARY)


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_G06_absence_counts_from_the_date_on(world: LienWorld, offset: int) -> None:
    if offset < 0:
        refused(world, lambda: world.prove_unset(LATE - 1, DATE + offset), "ConditionalLien: header before the date")
        assert world.state() == LienState.FROZEN
    else:
        world.prove_unset(LATE - 1, DATE + offset)
        assert world.state() == LienState.FORFEITED


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_G06_presence_is_final_before_the_date_and_contestable_from_it_on(world: LienWorld, offset: int) -> None:
    world.book.send("set_from", LATE)
    world.evm.time = DATE + 5
    outcome = world.prove_set(LATE, DATE + offset)
    if offset < 0:
        assert world.state() == LienState.RELEASED
    else:
        assert world.state() == LienState.CLAIMED
        assert outcome.log("SetClaimed")["contestable_until"] == DATE + 5 + CONTEST
        refused(world, lambda: world.send("hand_over"), "ConditionalLien: not ended")


def test_a_slot_set_too_late_loses_against_a_proof_that_it_was_unset_at_the_date(world: LienWorld) -> None:
    world.book.send("set_from", LATE)
    world.evm.time = DATE + 5
    world.prove_set(LATE, DATE + 3)
    world.evm.time += CONTEST - 1
    world.prove_unset(LATE - 1, DATE)
    assert world.state() == LienState.FORFEITED


def test_a_slot_set_in_time_wins_also_when_only_late_headers_are_held(world: LienWorld) -> None:
    world.book.send("set_from", 500)
    world.evm.time = DATE + 5
    world.prove_set(LATE, DATE + 3)
    refused(world, lambda: world.prove_unset(LATE, DATE + 3), "ConditionalLien: slot is set")
    world.evm.time += CONTEST
    world.send("settle")
    assert world.state() == LienState.RELEASED


def test_a_claim_is_final_at_once_when_a_header_of_before_the_date_turns_up(world: LienWorld) -> None:
    world.book.send("set_from", 500)
    world.evm.time = DATE + 5
    world.prove_set(LATE, DATE + 3)
    refused(world, lambda: world.prove_set(LATE, DATE + 3), WAITS)
    world.prove_set(500, DATE - 1)
    assert world.state() == LienState.RELEASED


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_G06_a_contest_ends_at_one_second_for_both_sides(world: LienWorld, offset: int) -> None:
    world.book.send("set_from", LATE)
    world.evm.time = DATE
    world.prove_set(LATE, DATE)
    world.evm.time += CONTEST + offset
    with world.evm.rolled_back():
        if offset < 0:
            refused(world, lambda: world.send("settle"), "ConditionalLien: still contestable")
        else:
            world.send("settle")
            assert world.state() == LienState.RELEASED
    if offset < 0:
        world.prove_unset(LATE - 1, DATE)
        assert world.state() == LienState.FORFEITED
    else:
        refused(world, lambda: world.prove_unset(LATE - 1, DATE), "ConditionalLien: contest is over")


def test_C12_each_proof_proves_its_own_answer_and_never_the_other(world: LienWorld) -> None:
    refused(world, lambda: world.prove_set(500, DATE - 1), "ConditionalLien: slot is unset")
    world.book.send("set_from", 500)
    refused(world, lambda: world.prove_unset(500, DATE), "ConditionalLien: slot is set")
    world.prove_set(500, DATE - 1)


def test_another_slot_account_or_code_is_another_lien(world: LienWorld) -> None:
    honest = world.terms
    for change in ({"slot": b"\1" * 32}, {"account": b"\1" * 20}, {"code_hash": b"\1" * 32}, {"reader": OWNER}):
        world.terms = replace(honest, **change)  # type: ignore[arg-type]
        refused(world, lambda: world.prove_unset(500, DATE), WAITS)
    world.freeze(slot=b"\1" * 32)
    refused(world, lambda: world.prove_unset(500, DATE), "StateBook: other slot")


def test_a_frozen_or_expired_client_proves_nothing_and_keeps_the_lien(world: LienWorld) -> None:
    world.book.send("silence", True)
    world.evm.time = DATE + 100
    refused(world, lambda: world.prove_unset(LATE, DATE), "StateBook: frozen")
    refused(world, lambda: world.prove_set(LATE, DATE - 1), "StateBook: frozen")
    world.book.send("silence", False)
    world.prove_unset(LATE, DATE)
    assert world.state() == LienState.FORFEITED


def test_a_lien_lives_for_years(world: LienWorld) -> None:
    far = NOW + MAX_AHEAD_SECONDS
    world.freeze(date=far)
    for months in range(0, 240, 24):
        world.evm.time = NOW + months * MONTH
        assert (world.state(), world.title_holder()) == (LienState.FROZEN, world.contract.address)
        refused(world, lambda: world.prove_unset(500, far - 1), "ConditionalLien: header before the date")
        refused(world, lambda: world.send("arbitrate", True, by=ARBITER), "ConditionalLien: too early for the arbiter")
    world.evm.time = far + 1
    world.prove_unset(500, far)
    world.send("hand_over")
    assert world.title_holder() == BENEFICIARY


# -- the arbiter, the end, and after it -----------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [-1, 0, 1])
@pytest.mark.parametrize("releases", [True, False])
def test_the_arbiter_decides_when_no_header_came_and_not_earlier(world: LienWorld, offset: int, releases: bool) -> None:
    world.evm.time = DATE + PATIENCE + offset
    if offset < 0:
        refused(
            world, lambda: world.send("arbitrate", releases, by=ARBITER), "ConditionalLien: too early for the arbiter"
        )
        return
    assert world.send("arbitrate", releases, by=ARBITER).log("LienEnded")["reason"] == 4
    assert world.state() == (LienState.RELEASED if releases else LienState.FORFEITED)
    world.send("hand_over")
    assert world.title_holder() == (HOLDER if releases else BENEFICIARY)


def test_H05_only_the_named_arbiter_decides(world: LienWorld) -> None:
    world.evm.time = DATE + PATIENCE
    for role in (STRANGER, OWNER, HOLDER, BENEFICIARY):
        refused(world, lambda by=role: world.send("arbitrate", True, by=by), "ConditionalLien: not the arbiter")  # type: ignore[misc]
    world.send("arbitrate", True, by=ARBITER)


def test_the_arbiter_does_not_end_what_is_being_contested(world: LienWorld) -> None:
    world.book.send("set_from", LATE)
    world.evm.time = DATE + PATIENCE
    world.prove_set(LATE, DATE)
    refused(world, lambda: world.send("arbitrate", False, by=ARBITER), WAITS)


def endings(world: LienWorld) -> dict[str, Callable[[], Any]]:
    return {
        "set": lambda: world.prove_set(500, DATE - 1),
        "unset": lambda: world.prove_unset(10, DATE),
        "arbiter": lambda: world.send("arbitrate", False, by=ARBITER),
        "arbiter the other way": lambda: world.send("arbitrate", True, by=ARBITER),
    }


@pytest.mark.parametrize("first", ["set", "unset", "arbiter"])
def test_I03_what_has_ended_stays_ended(world: LienWorld, first: str) -> None:
    world.book.send("set_from", 100)
    world.evm.time = DATE + PATIENCE
    endings(world)[first]()
    for again in endings(world).values():
        refused(world, again, WAITS)
    refused(world, lambda: world.send("settle"), "ConditionalLien: nothing claimed")
    world.send("hand_over")
    for again in endings(world).values():
        refused(world, again, WAITS)
    refused(world, lambda: world.send("hand_over"), "ConditionalLien: not ended")
    refused(world, lambda: world.send("freeze"), "ConditionalLien: not agreed")
    refused(world, lambda: world.send("agree", by=HOLDER), "ConditionalLien: date")


def test_G04_an_old_lien_never_touches_a_newer_one_on_the_same_title(world: LienWorld) -> None:
    old = world.terms
    world.book.send("set_from", 100)
    world.prove_set(500, DATE - 1)
    world.send("hand_over")
    world.terms = replace(old, salt=b"\7" * 32)
    world.send("agree", by=HOLDER)
    world.titles.send("transfer", old.subject, world.contract.address, by=HOLDER)
    world.send("freeze")
    new, world.terms = world.terms, old
    for act in endings(world).values():
        refused(world, act, WAITS)
    refused(world, lambda: world.send("hand_over"), "ConditionalLien: not ended")
    refused(world, lambda: world.send("freeze"), "ConditionalLien: not agreed")
    world.terms = new
    assert (world.state(), world.title_holder()) == (LienState.FROZEN, world.contract.address)


def test_an_ended_lien_survives_a_registry_that_refuses_for_a_while(world: LienWorld) -> None:
    world.prove_unset(500, DATE)
    world.titles.send("jam", True)
    refused(world, lambda: world.send("hand_over"), "Titles: jammed")
    world.titles.send("jam", False)
    world.send("hand_over")
    assert world.title_holder() == BENEFICIARY


# -- the twin -------------------------------------------------------------------------------------------------------


def test_the_contract_and_its_twin_walk_the_same_way(world: LienWorld) -> None:
    chance = random.Random("liens")
    times = [DATE - 1, DATE, DATE + 1]
    for _ in range(80):
        world.evm.time = NOW
        world.freeze(set_means=chance.choice(list(Meaning)))
        world.book.send("set_from", 500)
        lien = Lien(world.terms)
        for _ in range(6):
            world.evm.time = max(world.evm.time, chance.choice([NOW, *times, DATE + CONTEST, DATE + PATIENCE]))
            time, now = chance.choice(times), world.evm.time
            name, twin, act = chance.choice(moves(world, lien, time, now))
            try:
                lien = twin()
            except Refused:
                with pytest.raises(Reverted):
                    act()
            else:
                act()
            state, until = world.contract.call("lien", world.id)
            assert (LienState(state), until) == (lien.state, lien.contestable_until), name


def moves(world: LienWorld, lien: Lien, time: int, now: int) -> list[tuple[str, Callable[[], Lien], Callable[[], Any]]]:
    return [
        ("set", lambda: lien.prove_set(time, now), lambda: world.prove_set(500, time)),
        ("unset", lambda: lien.prove_unset(time, now), lambda: world.prove_unset(10, time)),
        ("settle", lambda: lien.settle(now), lambda: world.send("settle")),
        ("arbiter", lambda: lien.arbitrate(now, releases=True), lambda: world.send("arbitrate", True, by=ARBITER)),
        ("hand over", lambda: lien.hand_over()[0], lambda: world.send("hand_over")),
    ]
