"""Freezes on a condition: what another chain's state says freezes a title, the holder's notice does not outrun it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256
from ledger.freeze import (
    MAX_AHEAD_SECONDS,
    MAX_NOTICE_SECONDS,
    MIN_NOTICE_SECONDS,
    Freeze,
    FreezeState,
    FreezeTerms,
    Trigger,
)
from tests.contracts.evm import OWNER, STRANGER, Deployed, Evm, Outcome, Reverted
from tests.contracts.swaps import HERE

NOW = 1_800_000_000
DAY = 24 * 3600
DATE, UNTIL, NOTICE = NOW + 90 * DAY, NOW + 400 * DAY, 3 * DAY
HOLDER, BENEFICIARY = b"\xb1" * 20, b"\xb2" * 20
ACCOUNT, CODE, FREEZES, RELEASES = b"\x71" * 20, b"\x72" * 32, b"\x73" * 32, b"\x74" * 32
NEVER = 2**64 - 1
NOT_GUARDED, NOTHING = "ConditionalFreeze: not guarded", "ConditionalFreeze: nothing to release"


@dataclass(slots=True)
class FreezeWorld:
    """The contract, a registry of titles, and a foreign chain whose two slots are set from a height on."""

    evm: Evm
    contract: Deployed
    titles: Deployed
    book: Deployed
    base: FreezeTerms
    terms: FreezeTerms
    salts: int = 0

    def send(self, function: str, *arguments: Any, by: bytes = STRANGER) -> Outcome:
        return self.contract.send(function, self.terms.as_abi(), *arguments, by=by)

    def prove(self, function: str, height: int, time: int) -> Outcome:
        return self.send(function, (height, b"\1" * 32, b"\2" * 32, b"\3" * 32, time), b"proof")

    def next_terms(self, **changed: Any) -> None:
        self.salts += 1
        subject = keccak256(self.salts.to_bytes(32, "big"))
        self.titles.send("issue", subject, HOLDER)
        self.terms = replace(self.base, **{"subject": subject, **changed})

    def guard(self, **changed: Any) -> None:
        self.next_terms(**changed)
        self.send("agree", by=HOLDER)
        self.titles.send("transfer", self.terms.subject, self.contract.address, by=HOLDER)
        self.send("take_up")

    def found(self) -> tuple[FreezeState, int]:
        state, due = self.contract.call("freeze_state", self.id)
        return FreezeState(state), due

    def state(self) -> FreezeState:
        return self.found()[0]

    @property
    def id(self) -> bytes:
        return self.terms.id(chain_id=self.evm.chain_id, contract=self.contract.address)

    def title_holder(self) -> bytes:
        return bytes(self.titles.call("holder_of", self.terms.subject))


@pytest.fixture(scope="module")
def deployed() -> FreezeWorld:
    evm = Evm(timestamp=NOW)
    for account in (HOLDER, BENEFICIARY):
        evm.fund(account, 10**24)
    book = evm.deploy(HERE / "StateBook.vy", ACCOUNT, CODE, FREEZES)
    book.send("other_set_from", RELEASES, NEVER)
    titles = evm.deploy(HERE / "Titles.vy")
    condition = (CODE, FREEZES, Trigger.WHEN_SET, 0, RELEASES)
    parties = (titles.address, bytes(32), HOLDER, BENEFICIARY, book.address, ACCOUNT)
    terms = FreezeTerms(*parties, *condition, NOTICE, UNTIL, bytes(32))
    return FreezeWorld(evm, evm.deploy("ConditionalFreeze"), titles, book, terms, terms)


@pytest.fixture
def world(deployed: FreezeWorld) -> Iterator[FreezeWorld]:
    """A guarded title, which a foreign slot being set freezes."""
    deployed.evm.time = NOW
    with deployed.evm.rolled_back():
        deployed.guard()
        yield deployed


def refused(world: FreezeWorld, act: Callable[[], Any], reason: str) -> None:
    before = world.evm.fingerprint()
    with pytest.raises(Reverted) as found:
        act()
    assert found.value.reason == reason
    assert world.evm.fingerprint() == before


# -- what freezes ---------------------------------------------------------------------------------------------------


def test_a_slot_that_is_set_freezes_and_one_that_is_not_does_not(world: FreezeWorld) -> None:
    refused(world, lambda: world.prove("prove_freeze", 500, NOW), "ConditionalFreeze: condition is not met")
    world.book.send("set_from", 500)
    assert world.prove("prove_freeze", 500, NOW).log("TitleFrozen")["height"] == 500
    assert (world.state(), world.title_holder()) == (FreezeState.FROZEN, world.contract.address)
    refused(world, lambda: world.send("give_notice", by=HOLDER), NOT_GUARDED)


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_G06_a_slot_still_unset_freezes_from_the_date_on(world: FreezeWorld, offset: int) -> None:
    world.guard(freezes_when=Trigger.WHEN_UNSET, date=DATE)
    if offset < 0:
        refused(world, lambda: world.prove("prove_freeze", 500, DATE - 1), "ConditionalFreeze: header before the date")
    else:
        world.prove("prove_freeze", 500, DATE + offset)
    assert world.state() is (FreezeState.GUARDED if offset < 0 else FreezeState.FROZEN)


def test_C12_a_slot_that_was_set_in_time_is_no_absence(world: FreezeWorld) -> None:
    world.guard(freezes_when=Trigger.WHEN_UNSET, date=DATE)
    world.book.send("set_from", 400)
    refused(world, lambda: world.prove("prove_freeze", 500, DATE), "ConditionalFreeze: condition is not met")
    assert world.state() is FreezeState.GUARDED


def test_a_frozen_or_expired_client_freezes_and_releases_nothing(world: FreezeWorld) -> None:
    world.book.send("set_from", 1)
    world.book.send("other_set_from", RELEASES, 1)
    world.book.send("silence", True)
    for function in ("prove_freeze", "prove_release"):
        refused(world, lambda f=function: world.prove(f, 500, NOW), "StateBook: frozen")  # type: ignore[misc]
    world.book.send("silence", False)
    world.prove("prove_freeze", 500, NOW)


# -- a notice never outruns what is proven --------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [-1, 0])
def test_a_title_goes_back_when_its_notice_is_over_and_nothing_froze_it(world: FreezeWorld, offset: int) -> None:
    assert world.send("give_notice", by=HOLDER).log("NoticeGiven")["due"] == NOW + NOTICE
    world.evm.time = NOW + NOTICE + offset
    if offset < 0:
        refused(world, lambda: world.send("take_back"), "ConditionalFreeze: notice is not over")
        world.book.send("set_from", 1)
        world.prove("prove_freeze", 500, NOW)
        world.evm.time += 1
        refused(world, lambda: world.send("take_back"), "ConditionalFreeze: no notice")
        assert world.state() is FreezeState.FROZEN
    else:
        world.send("take_back")
        assert (world.state(), world.title_holder()) == (FreezeState.RETURNED, HOLDER)


def test_no_notice_is_kept_in_store(world: FreezeWorld) -> None:
    world.send("give_notice", by=HOLDER)
    world.evm.time = NOW + 2 * NOTICE - 1
    refused(world, lambda: world.send("give_notice", by=HOLDER), "ConditionalFreeze: notice was given")
    with world.evm.rolled_back():
        world.send("take_back")
        assert world.title_holder() == HOLDER
    world.evm.time += 1
    refused(world, lambda: world.send("take_back"), "ConditionalFreeze: notice is void")
    world.send("give_notice", by=HOLDER)
    assert world.found() == (FreezeState.GUARDED, world.evm.time + NOTICE)


def test_without_notice_nothing_is_taken_back(world: FreezeWorld) -> None:
    world.evm.time = UNTIL - 1
    refused(world, lambda: world.send("take_back"), "ConditionalFreeze: no notice")


# -- what releases --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frozen", [True, False])
def test_the_second_slot_releases(world: FreezeWorld, frozen: bool) -> None:
    world.book.send("set_from", 1)
    if frozen:
        world.prove("prove_freeze", 500, NOW)
    refused(world, lambda: world.prove("prove_release", 500, NOW), "ConditionalFreeze: slot is unset")
    world.book.send("other_set_from", RELEASES, 500)
    assert world.prove("prove_release", 500, NOW).log("TitleReturned")["reason"] == 2
    assert (world.state(), world.title_holder()) == (FreezeState.RETURNED, HOLDER)


def test_a_freeze_lives_for_months_and_ends(world: FreezeWorld) -> None:
    world.book.send("set_from", 1)
    world.prove("prove_freeze", 500, NOW)
    for days in (100, 200, 300):
        world.evm.time = NOW + days * DAY
        for act in ("take_back", "lapse"):
            reason = {"take_back": "no notice", "lapse": "freeze is not over"}[act]
            refused(world, lambda a=act: world.send(a), f"ConditionalFreeze: {reason}")  # type: ignore[misc]
    world.evm.time = UNTIL - 1
    refused(world, lambda: world.send("lapse"), "ConditionalFreeze: freeze is not over")
    world.evm.time = UNTIL
    assert world.send("lapse").log("TitleReturned")["reason"] == 4
    assert world.title_holder() == HOLDER


def test_at_its_end_nothing_freezes_any_more(world: FreezeWorld) -> None:
    world.book.send("set_from", 1)
    world.evm.time = UNTIL
    refused(world, lambda: world.prove("prove_freeze", 500, NOW), "ConditionalFreeze: freeze is over")
    world.evm.time -= 1
    world.prove("prove_freeze", 500, NOW)


def test_H05_each_act_is_its_own_partys(world: FreezeWorld) -> None:
    for role in (STRANGER, OWNER, BENEFICIARY):
        refused(world, lambda by=role: world.send("give_notice", by=by), "ConditionalFreeze: not the holder")  # type: ignore[misc]
    for role in (STRANGER, OWNER, HOLDER):
        refused(world, lambda by=role: world.send("let_go", by=by), "ConditionalFreeze: not the beneficiary")  # type: ignore[misc]
    world.send("let_go", by=BENEFICIARY)
    assert world.title_holder() == HOLDER


def test_I03_what_was_returned_stays_returned(world: FreezeWorld) -> None:
    world.send("let_go", by=BENEFICIARY)
    world.book.send("set_from", 1)
    world.book.send("other_set_from", RELEASES, 1)
    refused(world, lambda: world.prove("prove_freeze", 500, NOW), NOT_GUARDED)
    refused(world, lambda: world.prove("prove_release", 500, NOW), NOTHING)
    refused(world, lambda: world.send("let_go", by=BENEFICIARY), NOTHING)
    refused(world, lambda: world.send("give_notice", by=HOLDER), NOT_GUARDED)
    refused(world, lambda: world.send("take_up"), "ConditionalFreeze: not agreed")
    world.evm.time = UNTIL
    refused(world, lambda: world.send("lapse"), NOTHING)


def test_G04_an_old_freeze_never_touches_a_newer_one_on_the_same_title(world: FreezeWorld) -> None:
    old = world.terms
    world.send("let_go", by=BENEFICIARY)
    world.terms = new = replace(old, salt=b"\7" * 32)
    world.send("agree", by=HOLDER)
    world.titles.send("transfer", old.subject, world.contract.address, by=HOLDER)
    world.send("take_up")
    world.terms = old
    refused(world, lambda: world.send("let_go", by=BENEFICIARY), NOTHING)
    refused(world, lambda: world.send("give_notice", by=HOLDER), NOT_GUARDED)
    world.terms = new
    assert (world.state(), world.title_holder()) == (FreezeState.GUARDED, world.contract.address)


def test_only_what_was_agreed_last_and_handed_over_is_taken_up(world: FreezeWorld) -> None:
    world.next_terms()
    refused(world, lambda: world.send("take_up"), "ConditionalFreeze: not agreed")
    world.send("agree", by=HOLDER)
    refused(world, lambda: world.send("take_up"), "ConditionalFreeze: title not handed over")
    first = world.terms
    world.terms = replace(first, salt=b"\1" * 32)
    world.send("agree", by=HOLDER)
    world.titles.send("transfer", first.subject, world.contract.address, by=HOLDER)
    second, world.terms = world.terms, first
    refused(world, lambda: world.send("take_up"), "ConditionalFreeze: not agreed")
    world.terms = second
    world.send("take_up")


# -- terms ----------------------------------------------------------------------------------------------------------

BAD_TERMS: dict[str, tuple[dict[str, Any], str, str]] = {
    "in_nobodys_interest": ({"beneficiary": bytes(20)}, "beneficiary", "FREEZE_PARTIES"),
    "in_the_holders_own": ({"beneficiary": HOLDER}, "beneficiary", "FREEZE_PARTIES"),
    "when_set_at_a_date": ({"date": DATE}, "date", "FREEZE_CONDITION"),
    "when_unset_at_no_date": ({"freezes_when": Trigger.WHEN_UNSET}, "date", "FREEZE_CONDITION"),
    "without_a_reader": ({"reader": bytes(20)}, "no reader", "FREEZE_CONDITION"),
    "about_no_account": ({"account": bytes(20)}, "no contract", "FREEZE_CONDITION"),
    "about_any_code": ({"code_hash": bytes(32)}, "no contract", "FREEZE_CONDITION"),
    "with_one_slot_for_both": ({"release_slot": FREEZES}, "one slot", "FREEZE_CONDITION"),
    "with_too_short_a_notice": ({"notice": MIN_NOTICE_SECONDS - 1}, "notice", "FREEZE_TIME"),
    "with_too_long_a_notice": ({"notice": MAX_NOTICE_SECONDS + 1}, "notice", "FREEZE_TIME"),
    "until_now": ({"until": NOW}, "end", "FREEZE_TIME"),
    "for_a_lifetime": ({"until": NOW + MAX_AHEAD_SECONDS + 1}, "end", "FREEZE_TIME"),
}


@pytest.mark.parametrize("name", BAD_TERMS)
def test_terms_are_refused(world: FreezeWorld, name: str) -> None:
    changed, reason, code = BAD_TERMS[name]
    world.next_terms()
    honest = world.terms
    world.terms = replace(honest, **changed)
    refused(world, lambda: world.send("agree", by=HOLDER), f"ConditionalFreeze: {reason}")
    with pytest.raises(Refused, match=code):
        world.terms.check(NOW)
    world.terms = honest
    honest.check(NOW)
    world.send("agree", by=HOLDER)


def test_H05_only_the_titles_holder_agrees(world: FreezeWorld) -> None:
    world.next_terms()
    for role in (STRANGER, OWNER, BENEFICIARY):
        refused(world, lambda by=role: world.send("agree", by=by), "ConditionalFreeze: not the holder")  # type: ignore[misc]
    honest = world.terms
    world.terms = replace(honest, holder=STRANGER)
    refused(world, lambda: world.send("agree", by=STRANGER), "ConditionalFreeze: not the holder")
    world.terms = honest
    world.send("agree", by=HOLDER)
    refused(world, lambda: world.send("agree", by=HOLDER), "ConditionalFreeze: agreed before")


def test_terms_without_a_condition_are_refused(world: FreezeWorld) -> None:
    world.next_terms()
    abi = list(world.terms.as_abi())
    for condition in (0, 3):
        abi[8] = condition
        refused(world, lambda: world.contract.send("agree", tuple(abi), by=HOLDER), "ConditionalFreeze: condition")


def test_the_id_is_the_twins_and_binds_every_field(world: FreezeWorld) -> None:
    chance, seen = random.Random("freezes"), set()
    for _ in range(20):
        accounts = {name: chance.randbytes(20) for name in ("title", "holder", "beneficiary", "reader", "account")}
        slots = ("subject", "code_hash", "freeze_slot", "release_slot", "salt")
        values: dict[str, Any] = accounts | {name: chance.randbytes(32) for name in slots}
        values |= {name: chance.randrange(2**64) for name in ("date", "notice", "until")}
        values["freezes_when"] = chance.choice(list(Trigger))
        honest = FreezeTerms(**values)
        other: dict[str, Any] = {name: bytes(len(value)) for name, value in values.items() if isinstance(value, bytes)}
        other |= {name: values[name] ^ 1 for name in ("date", "notice", "until")}
        other["freezes_when"] = Trigger(3 - values["freezes_when"])
        for each in [honest, *(replace(honest, **{name: value}) for name, value in other.items())]:
            twin = each.id(chain_id=world.evm.chain_id, contract=world.contract.address)
            assert world.contract.call("id_of", each.as_abi()) == twin
            seen.add(twin)
    assert len(seen) == 20 * 15


# -- the twin -------------------------------------------------------------------------------------------------------


def test_the_contract_and_its_twin_walk_the_same_way(world: FreezeWorld) -> None:
    chance, taken = random.Random("freeze walks"), set()
    for _ in range(60):
        world.evm.time = NOW
        trigger = chance.choice(list(Trigger))
        world.guard(freezes_when=trigger, date=DATE if trigger is Trigger.WHEN_UNSET else 0)
        world.book.send("set_from", 500)
        world.book.send("other_set_from", RELEASES, 500)
        freeze = Freeze(world.terms)
        for _ in range(6):
            world.evm.time += chance.choice([0, 1, NOTICE - 1, NOTICE, NOTICE + 1, 400 * DAY])
            now, height, time = world.evm.time, chance.choice([10, 500]), chance.choice([DATE - 1, DATE])
            name, twin, act = chance.choice(moves(world, freeze, now, height, time))
            try:
                freeze = twin()
            except Refused:
                with pytest.raises(Reverted):
                    act()
            else:
                act()
                taken.add((name, freeze.state))
            due = freeze.due if freeze.state is FreezeState.GUARDED else 0
            assert world.found() == (freeze.state, due), name
    assert {name for name, _ in taken} == {"freeze", "notice", "take back", "release", "lapse"}


def moves(world: FreezeWorld, freeze: Freeze, now: int, height: int, time: int) -> list[tuple[str, Any, Any]]:
    is_set = height >= 500
    return [
        ("freeze", lambda: freeze.prove(time, now, is_set=is_set), lambda: world.prove("prove_freeze", height, time)),
        ("notice", lambda: freeze.give_notice(now), lambda: world.send("give_notice", by=HOLDER)),
        ("take back", lambda: freeze.take_back(now), lambda: world.send("take_back")),
        ("release", lambda: freeze.release(is_set=is_set), lambda: world.prove("prove_release", height, time)),
        ("lapse", lambda: freeze.lapse(now), lambda: world.send("lapse")),
    ]
