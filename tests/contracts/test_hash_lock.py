"""Hash locks on chain: what each contract of the pair refuses, judged alike by its twin, and that nothing moves then.

`Side.do` asks contract and twin, compares their answers, and asserts that a refusal changed nothing in either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256
from ledger.hash_lock import Bounds, Lock, Role, State, Terms, hash_of, read_funding, read_reveal
from ledger.hash_lock.lock import KNOWN_SECRETS, used_key
from tests.contracts.engines import PyEvm
from tests.contracts.evm import Evm, Outcome, Reverted
from tests.contracts.swaps import (
    ALICE,
    BOB,
    BOUNDS,
    CAROL,
    CHAIN_IDS,
    GENESES,
    HERE,
    NAMES,
    SECRET,
    START,
    WEALTH,
    Side,
    Swaps,
    bounds_abi,
    constructor,
    end_abi,
    opened_lane,
)
from tests.ledger.refusals import refused

SIDES = ("first", "second")


@pytest.fixture(scope="module")
def deployed() -> Swaps:
    return opened_lane()


@pytest.fixture
def swaps(deployed: Swaps) -> Iterator[Swaps]:
    """The deployed lane as it was at first, at `START`."""
    sides = (deployed.first, deployed.second)
    points = [side.evm.snapshot() for side in sides]
    for side in sides:
        side.twin = Lock(side.role, deployed.lane)
    deployed.at(START)
    yield deployed
    for side, point in zip(sides, points, strict=True):
        side.evm.revert(point)


def side_of(swaps: Swaps, name: str) -> Side:
    return swaps.first if name == "first" else swaps.second


def opened(swaps: Swaps, name: str, **changed: Any) -> tuple[Side, Terms]:
    """One side with an open leg."""
    terms = swaps.terms(**changed)
    (swaps.open_first if name == "first" else swaps.open_second)(terms)
    return side_of(swaps, name), terms


def funder(terms: Terms, name: str) -> bytes:
    return terms.initiator.funder if name == "first" else terms.responder.funder


def refund_time(terms: Terms, name: str) -> int:
    return terms.initiator.refund_time if name == "first" else terms.responder.refund_time


# -- what happens when all goes well, and when nothing does -----------------------------------------------------------


def test_a_swap_pays_both(swaps: Swaps) -> None:
    terms = swaps.terms()
    swaps.open_first(terms)
    swaps.open_second(terms)
    assert isinstance(swaps.second.do("claim", terms, SECRET.preimage), Outcome)
    assert isinstance(swaps.first.do("claim", terms, SECRET.preimage), Outcome)
    swaps.first.agrees(terms)
    swaps.second.agrees(terms)
    assert isinstance(swaps.second.do("withdraw", ALICE[1]), Outcome)
    assert isinstance(swaps.first.do("withdraw", BOB[0]), Outcome)
    assert swaps.second.token.call("balanceOf", ALICE[1]) == WEALTH + 5_000
    assert swaps.first.token.call("balanceOf", BOB[0]) == WEALTH + 1_000
    assert swaps.first.lock.call("held") == swaps.second.lock.call("held") == 0


def test_a_swap_that_stops_gives_everything_back_and_the_bond_to_who_waited(swaps: Swaps) -> None:
    terms = swaps.terms()
    swaps.open_first(terms)
    swaps.open_second(terms)
    swaps.at(terms.initiator.refund_time)
    for side, account in ((swaps.first, ALICE[0]), (swaps.second, BOB[1])):
        assert isinstance(side.do("refund", terms, by=CAROL), Outcome)
        assert isinstance(side.do("withdraw", account, by=CAROL), Outcome)
        side.agrees(terms)
    assert swaps.first.token.call("balanceOf", ALICE[0]) == WEALTH
    assert swaps.second.token.call("balanceOf", BOB[1]) == WEALTH + 50
    assert swaps.second.token.call("balanceOf", ALICE[1]) == WEALTH - 50


def test_a_bond_for_a_leg_that_nobody_funded_goes_back(swaps: Swaps) -> None:
    terms = swaps.terms()
    assert isinstance(swaps.second.do("bond", terms, by=ALICE[1]), Outcome)
    assert swaps.second.do("claim", terms, SECRET.preimage) == "LOCK_STATE"
    swaps.at(terms.responder.refund_time - 1)
    assert swaps.second.do("refund", terms) == "LOCK_TIME"
    swaps.at(terms.responder.refund_time)
    assert isinstance(swaps.second.do("refund", terms), Outcome)
    assert swaps.second.do("refund", terms) == "TERMINAL"
    swaps.second.agrees(terms)
    assert swaps.second.twin.owed == {ALICE[1]: 50}


def test_a_lane_may_ask_for_no_bond(swaps: Swaps) -> None:
    free = opened_lane(replace(BOUNDS, bond_ppm=0))
    terms = free.terms()
    assert terms.bond == 0
    assert free.second.do("bond", terms, by=ALICE[1]) == "OFFER_BOND"
    free.open_second(terms)
    assert isinstance(free.second.do("claim", terms, SECRET.preimage), Outcome)
    free.second.agrees(terms)


def test_the_logs_say_all_that_a_party_needs(swaps: Swaps) -> None:
    terms = swaps.terms()
    swap = terms.id(swaps.lane.id)
    bonded = swaps.second.do("bond", terms, by=ALICE[1])
    assert isinstance(bonded, Outcome)
    assert bonded.log("Bonded") == {"id": swap, "hashlock": SECRET.hashlock, "account": ALICE[1], "amount": 50}
    for side in (swaps.first, swaps.second):
        funded = side.do("fund", terms, by=terms.leg(side.role).funder)
        assert isinstance(funded, Outcome)
        assert funded.values == swap
        found = read_funding(funded.raw_logs[-1], lane=swaps.lane, role=side.role, at=START)
        assert (found.terms, found.role) == (terms, side.role)
        claimed = side.do("claim", terms, SECRET.preimage)
        assert isinstance(claimed, Outcome)
        reveal = read_reveal(claimed.raw_logs[0], lane=swaps.lane, role=side.role, at=START)
        assert (reveal.preimage, reveal.swap) == (SECRET.preimage, swap)
        assert claimed.log("Claimed")["receiver"] == terms.leg(side.role).receiver
    paid = swaps.second.do("withdraw", ALICE[1])
    assert isinstance(paid, Outcome)
    assert paid.log("Withdrawn") == {"account": ALICE[1], "amount": 5_050}


def test_the_views_say_what_the_manifest_says(swaps: Swaps) -> None:
    for side in (swaps.first, swaps.second):
        assert side.lock.call("LANE") == swaps.lane.id
        assert side.lock.call("TOKEN") == swaps.lane.end(side.role).token
        assert side.lock.call("bounds") == bounds_abi(BOUNDS)
        assert side.lock.call("margin") == BOUNDS.margin == 2_730
        assert side.lock.call("swap", b"\x01" * 32) == (State.UNKNOWN, 0)
    terms = swaps.terms()
    swaps.open_first(terms)
    assert swaps.first.lock.call("swap", terms.id(swaps.lane.id)) == (State.OPEN, START + 11_000)


# -- I01: the order of the refund times -------------------------------------------------------------------------------


def test_I01_refund_times_closer_than_the_margin(swaps: Swaps) -> None:
    late = START + 11_000 - BOUNDS.margin + 1
    honest = swaps.terms(first_refund_time=START + 11_000, second_refund_time=late - 1)
    close = swaps.terms(first_refund_time=START + 11_000, second_refund_time=late)
    for side, now in ((swaps.first, START), (swaps.second, START + 2_000)):
        swaps.at(now)
        assert side.do("fund", close, by=close.leg(side.role).funder) == "OFFER_MARGIN"
        if side.role is Role.RESPONDER:
            assert side.do("bond", close, by=ALICE[1]) == "OFFER_MARGIN"
            side.do("bond", honest, by=ALICE[1])
        assert isinstance(side.do("fund", honest, by=honest.leg(side.role).funder), Outcome)


LOCKED = {
    "the_initiator_a_second_less_than_L": ("first", BOUNDS.initiator_least - 1, BOUNDS.initiator_least),
    "the_initiator_a_second_too_long": ("first", BOUNDS.initiator_most + 1, BOUNDS.initiator_most),
    "the_responder_a_second_more_than_S": ("second", BOUNDS.responder_most + 1, BOUNDS.responder_most),
    "the_responder_with_no_time_to_claim": ("second", BOUNDS.least_open, BOUNDS.least_open + 1),
}


@pytest.mark.parametrize("name", LOCKED)
def test_I01_I08_each_contract_keeps_its_roles_bounds(swaps: Swaps, name: str) -> None:
    side_name, wrong, right = LOCKED[name]
    side = side_of(swaps, side_name)
    times = {"first_refund_time": START + 20_000} if side_name == "second" else {"second_refund_time": START + 5_000}
    for locked, answer in ((wrong, "LOCK_TIME"), (right, None)):
        terms = swaps.terms(**{**times, f"{side_name}_refund_time": START + locked})
        if side_name == "second":
            assert side.do("bond", terms, by=ALICE[1]) == answer or answer is None
        outcome = side.do("fund", terms, by=funder(terms, side_name))
        assert outcome == answer if answer else isinstance(outcome, Outcome)


# -- I02, I03: the boundary and the end -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("offset", [-15, -1, 0, 1, 15])
def test_I02_I09_claim_before_the_refund_time_and_refund_from_it_on(swaps: Swaps, name: str, offset: int) -> None:
    side, terms = opened(swaps, name)
    swaps.at(refund_time(terms, name) + offset)
    point = side.evm.snapshot()
    twin = Lock(side.role, swaps.lane, dict(side.twin.states), set(side.twin.used), set(side.twin.revealed))
    twin.open_swaps, twin.held = dict(side.twin.open_swaps), side.twin.held
    claimed = side.do("claim", terms, SECRET.preimage)
    side.evm.revert(point)
    side.twin = twin
    returned = side.do("refund", terms)
    assert isinstance(claimed, Outcome) == (offset < 0)
    assert isinstance(returned, Outcome) == (offset >= 0)
    assert "LOCK_TIME" in (claimed, returned)


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("ended_by", ["claim", "refund"])
def test_I03_what_has_ended_stays_ended(swaps: Swaps, name: str, ended_by: str) -> None:
    side, terms = opened(swaps, name)
    late = refund_time(terms, name)
    if ended_by == "claim":
        side.do("claim", terms, SECRET.preimage)
    else:
        swaps.at(late)
        side.do("refund", terms)
    owed = dict(side.twin.owed)
    for now in (START, late - 1, late, late + 10**6):
        swaps.at(now)
        assert side.do("claim", terms, SECRET.preimage) == "TERMINAL"
        assert side.do("refund", terms) == "TERMINAL"
    swaps.at(START)
    assert side.do("fund", terms, by=funder(terms, name)) in ("HASH_REUSED", "LOCK_STATE")
    assert side.twin.owed == owed
    side.agrees(terms)


# -- I04, I05: the preimage -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("length", [0, 31, 33, 64, 2**16])
def test_I04_a_preimage_that_is_not_32_bytes(swaps: Swaps, name: str, length: int) -> None:
    """A call with another length than one word after the terms; the twin has a case of its own for 2^20 bytes."""
    side, terms = opened(swaps, name)
    stood = side.told()
    call = side.lock.interface.encode_call("claim", terms.as_abi(), SECRET.preimage)[:-32]
    with pytest.raises(Reverted) as caught:
        side.evm.transact(side.lock.address, call + (SECRET.preimage * 2049)[:length])
    assert caught.value.reason == ("HashLock: preimage length" if length > 32 else "")
    assert side.told() == stood
    with refused("PREIMAGE_LEN"):
        side.twin.claim(terms, (SECRET.preimage * 2049)[:length], now=START)
    assert isinstance(side.do("claim", terms, SECRET.preimage), Outcome)


OTHER_HASHES: dict[str, Callable[[bytes], bytes]] = {
    "keccak": keccak256,
    "hashed_twice": lambda secret: hash_of(hash_of(secret)),
    "hash_of_the_hex_text": lambda secret: hashlib.sha256(secret.hex().encode()).digest(),
    "hash_of_33_bytes": lambda secret: hashlib.sha256(secret + b"\x00").digest(),
    "hash_of_31_bytes": lambda secret: hashlib.sha256(secret[:31]).digest(),
    "sha512_cut_short": lambda secret: hashlib.sha512(secret).digest()[:32],
}


@pytest.mark.parametrize("name", OTHER_HASHES)
def test_I05_another_hash_opens_neither_leg(swaps: Swaps, name: str) -> None:
    terms = swaps.terms(hashlock=OTHER_HASHES[name](SECRET.preimage))
    with refused("OFFER_HASH"):
        SECRET.check(terms.hashlock)
    swaps.open_first(terms)
    swaps.open_second(terms)
    for side in (swaps.first, swaps.second):
        assert side.do("claim", terms, SECRET.preimage) == "PREIMAGE_WRONG"
    swaps.at(terms.initiator.refund_time)
    for side in (swaps.first, swaps.second):
        assert isinstance(side.do("refund", terms), Outcome)


@pytest.mark.parametrize("name", SIDES)
def test_I05_another_preimage(swaps: Swaps, name: str) -> None:
    side, terms = opened(swaps, name)
    for wrong in (bytes(32), SECRET.hashlock, SECRET.preimage[::-1], terms.id(swaps.lane.id)):
        assert side.do("claim", terms, wrong) == "PREIMAGE_WRONG"
    assert isinstance(side.do("claim", terms, SECRET.preimage), Outcome)


# -- I07: whoever submits, the bound receiver is paid -----------------------------------------------------------------


@pytest.mark.parametrize("name", SIDES)
def test_I07_a_front_runner_pays_the_bound_receiver(swaps: Swaps, name: str) -> None:
    side, terms = opened(swaps, name)
    stolen = replace(terms, **_with_receiver(terms, name, CAROL))
    assert side.do("claim", stolen, SECRET.preimage, by=CAROL) == "LOCK_UNKNOWN"
    assert isinstance(side.do("claim", terms, SECRET.preimage, by=CAROL), Outcome)
    assert side.do("withdraw", CAROL, by=CAROL) == "NOTHING_OWED"
    receiver = terms.leg(side.role).receiver
    assert isinstance(side.do("withdraw", receiver, by=CAROL), Outcome)
    assert side.token.call("balanceOf", CAROL) == WEALTH
    assert side.token.call("balanceOf", receiver) == WEALTH + terms.leg(side.role).quantity


def _with_receiver(terms: Terms, name: str, account: bytes) -> dict[str, Any]:
    role = "initiator" if name == "first" else "responder"
    return {role: replace(getattr(terms, role), receiver=account)}


@pytest.mark.parametrize("name", SIDES)
def test_I07_only_the_funder_funds_and_only_the_initiator_posts_the_bond(swaps: Swaps, name: str) -> None:
    side, terms = side_of(swaps, name), swaps.terms()
    if name == "second":
        for other in (CAROL, BOB[1]):
            assert side.do("bond", terms, by=other) == "NOT_THE_PARTY"
        side.do("bond", terms, by=ALICE[1])
    for other in (CAROL, terms.leg(side.role).receiver):
        assert side.do("fund", terms, by=other) == "NOT_THE_PARTY"
    assert isinstance(side.do("fund", terms, by=funder(terms, name)), Outcome)


# -- I08: what griefing costs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SIDES)
def test_I08_an_account_has_money_in_so_many_swaps_and_no_more(swaps: Swaps, name: str) -> None:
    side = side_of(swaps, name)
    hashes = [hash_of(bytes([index]) * 32) for index in range(200, 204)]
    terms = [swaps.terms(hashlock=each) for each in hashes]
    # On the second chain another initiator posts each bond, so that the funder's own count is what is tested.
    if name == "second":
        terms = [
            replace(each, responder=replace(each.responder, receiver=bytes([0xD0 + index]) * 20))
            for index, each in enumerate(terms)
        ]
        for each in terms:
            side.token.send("mint", each.responder.receiver, 100)
            assert isinstance(side.do("bond", each, by=each.responder.receiver), Outcome)
    for each in terms[:3]:
        assert isinstance(side.do("fund", each, by=funder(each, name)), Outcome)
    assert side.do("fund", terms[3], by=funder(terms[3], name)) == "LOCK_QUOTA"
    swaps.at(refund_time(terms[0], name))
    assert isinstance(side.do("refund", terms[0]), Outcome)
    swaps.at(START)
    assert isinstance(side.do("fund", terms[3], by=funder(terms[3], name)), Outcome)
    side.agrees(*terms)


def test_I08_bonds_count_against_the_initiator(swaps: Swaps) -> None:
    terms = [swaps.terms(hashlock=hash_of(bytes([index]) * 32)) for index in range(200, 204)]
    for each in terms[:3]:
        assert isinstance(swaps.second.do("bond", each, by=ALICE[1]), Outcome)
    assert swaps.second.do("bond", terms[3], by=ALICE[1]) == "LOCK_QUOTA"
    assert isinstance(swaps.second.do("fund", terms[0], by=BOB[1]), Outcome)
    assert isinstance(swaps.second.do("claim", terms[0], bytes([200]) * 32), Outcome)
    assert isinstance(swaps.second.do("bond", terms[3], by=ALICE[1]), Outcome)
    swaps.second.agrees(*terms)


def test_I08_the_bond_is_asked_for_and_bounded(swaps: Swaps) -> None:
    for wrong in (49, 5_001, 0):
        terms = swaps.terms(bond=wrong)
        assert swaps.second.do("bond", terms, by=ALICE[1]) == "OFFER_BOND"
        assert swaps.second.do("fund", terms, by=BOB[1]) == "OFFER_BOND"
        assert swaps.first.do("fund", terms, by=ALICE[0]) == "OFFER_BOND"
    for index, right in enumerate((50, 5_000)):
        terms = swaps.terms(bond=right, hashlock=hash_of(bytes([200 + index]) * 32))
        assert swaps.second.do("fund", terms, by=BOB[1]) == "LOCK_STATE"
        swaps.open_second(terms)
        assert swaps.second.do("bond", terms, by=ALICE[1]) == "LOCK_STATE"


# -- I11: secrets that are none, hash locks used before ---------------------------------------------------------------


@pytest.mark.parametrize("name", SIDES)
def test_I11_a_hash_lock_that_everybody_can_open(swaps: Swaps, name: str) -> None:
    side = side_of(swaps, name)
    for known in KNOWN_SECRETS:
        assert side.do("fund", swaps.terms(hashlock=hash_of(known)), by=funder(swaps.terms(), name)) == "HASH_REUSED"
    if name == "second":
        assert side.do("bond", swaps.terms(hashlock=hash_of(bytes(32))), by=ALICE[1]) == "HASH_REUSED"
    opened(swaps, name)


@pytest.mark.parametrize("name", SIDES)
def test_I11_a_zero_hash_lock(swaps: Swaps, name: str) -> None:
    side, terms = side_of(swaps, name), swaps.terms()
    stood = side.told()
    with pytest.raises(Reverted, match="HashLock: no hash lock"):
        side.lock.send("fund", (bytes(32), *terms.as_abi()[1:]), by=funder(terms, name))
    with refused("OFFER_HASH"):
        swaps.terms(hashlock=bytes(32))
    assert side.told() == stood
    opened(swaps, name)


@pytest.mark.parametrize("name", SIDES)
def test_I11_a_funder_never_uses_a_hash_lock_twice(swaps: Swaps, name: str) -> None:
    side, terms = opened(swaps, name)
    key = used_key(funder(terms, name), terms.hashlock)
    assert side.lock.call("used", key)
    assert not side.lock.call("used", used_key(CAROL, terms.hashlock))
    # Another swap with the same hash: other terms, so another id.
    again = swaps.terms(first_quantity=7, second_quantity=700, bond=7)
    if name == "second":
        assert isinstance(side.do("bond", again, by=ALICE[1]), Outcome)
    assert side.do("fund", again, by=funder(terms, name)) == "HASH_REUSED"
    swaps.at(refund_time(terms, name))
    assert isinstance(side.do("refund", terms), Outcome)
    swaps.at(START)
    assert side.do("fund", again, by=funder(terms, name)) == "HASH_REUSED"


@pytest.mark.parametrize("name", SIDES)
def test_I11_nobody_locks_with_a_preimage_that_was_revealed(swaps: Swaps, name: str) -> None:
    side, terms = opened(swaps, name)
    other = {"first_funder": CAROL} if name == "first" else {"second_funder": CAROL}
    late = swaps.terms(**other)
    if name == "second":
        assert isinstance(side.do("bond", late, by=ALICE[1]), Outcome)
    assert isinstance(side.do("claim", terms, SECRET.preimage), Outcome)
    assert side.do("fund", late, by=CAROL) == "HASH_REUSED"
    fresh = swaps.terms(hashlock=hash_of(b"\xee" * 32), **other)
    if name == "second":
        assert isinstance(side.do("bond", fresh, by=ALICE[1]), Outcome)
    assert isinstance(side.do("fund", fresh, by=CAROL), Outcome)


@pytest.mark.parametrize("name", SIDES)
def test_I11_a_secret_seen_elsewhere_can_be_exposed_and_hurts_no_open_leg(swaps: Swaps, name: str) -> None:
    side, terms = opened(swaps, name)
    exposed = side.do("expose", SECRET.preimage, by=CAROL)
    assert isinstance(exposed, Outcome)
    assert exposed.log("Revealed") == {"hashlock": SECRET.hashlock, "preimage": SECRET.preimage}
    other = swaps.terms(first_funder=CAROL, second_funder=CAROL)
    assert side.do("fund", other, by=CAROL) == "HASH_REUSED"
    assert isinstance(side.do("claim", terms, SECRET.preimage), Outcome)


@pytest.mark.parametrize("name", SIDES)
def test_I08_I11_a_squatter_cannot_burn_a_hash_lock_seen_in_the_pool(swaps: Swaps, name: str) -> None:
    side = side_of(swaps, name)
    squat = swaps.terms(
        first_funder=CAROL, first_quantity=1, second_funder=CAROL, second_quantity=1, bond=1, second_receiver=BOB[1]
    )
    if name == "second":
        assert isinstance(side.do("bond", squat, by=BOB[1]), Outcome)
    assert isinstance(side.do("fund", squat, by=CAROL), Outcome)
    opened(swaps, name)


# -- I16: another lane, another leg -----------------------------------------------------------------------------------

OTHER_TERMS: dict[str, dict[str, Any]] = {
    "first_quantity": {"first_quantity": 999},
    "second_quantity": {"second_quantity": 4_999},
    "first_funder": {"first_funder": CAROL},
    "second_funder": {"second_funder": CAROL},
    "first_receiver": {"first_receiver": CAROL},
    "second_receiver": {"second_receiver": CAROL},
    "first_refund_time": {"first_refund_time": START + 11_001},
    "second_refund_time": {"second_refund_time": START + 6_999},
    "bond": {"bond": 51},
    "hashlock": {"hashlock": hash_of(b"\xee" * 32)},
}


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("field", OTHER_TERMS)
def test_I16_a_swap_with_anything_else_in_it_is_another_swap(swaps: Swaps, name: str, field: str) -> None:
    side, terms = opened(swaps, name)
    other = swaps.terms(**OTHER_TERMS[field])
    assert other.id(swaps.lane.id) != terms.id(swaps.lane.id)
    assert side.do("claim", other, SECRET.preimage) == "LOCK_UNKNOWN"
    swaps.at(START + 10**6)
    assert side.do("refund", other) == "LOCK_UNKNOWN"
    assert isinstance(side.do("refund", terms), Outcome)


def test_I16_a_swap_of_another_lane_is_unknown_on_this_one(swaps: Swaps) -> None:
    other = opened_lane(replace(BOUNDS, open_swaps=4))
    terms = swaps.terms()
    other.open_first(terms)
    assert other.lane.id != swaps.lane.id
    assert terms.id(other.lane.id) != terms.id(swaps.lane.id)
    assert swaps.first.do("claim", terms, SECRET.preimage) == "LOCK_UNKNOWN"
    assert isinstance(other.first.do("claim", terms, SECRET.preimage), Outcome)


def test_I16_the_lane_binds_both_ends_and_the_bounds(swaps: Swaps) -> None:
    first, second, bounds = swaps.lane.initiator, swaps.lane.responder, swaps.lane.bounds
    lanes = [swaps.lane]
    for end, name in ((first, "initiator"), (second, "responder")):
        others = (
            replace(end, chain_id=end.chain_id + 10),
            replace(end, genesis=b"\x77" * 32),
            replace(end, lock=b"\x77" * 20),
            replace(end, token=b"\x77" * 20),
        )
        lanes += [replace(swaps.lane, **{name: other}) for other in others]  # type: ignore[arg-type]
    lanes.append(replace(swaps.lane, initiator=second, responder=first))
    for field in ("initiator_most", "open_swaps", "bond_ppm", "initiator_least"):
        lanes.append(replace(swaps.lane, bounds=replace(bounds, **{field: getattr(bounds, field) + 1})))
    assert len({lane.id for lane in lanes}) == len(lanes) == 14
    # The contract computes the same from its own address, chain and token, and the mirror it was given.
    for lane in lanes[5:9]:
        evm = Evm(chain_id=CHAIN_IDS[Role.INITIATOR])
        evm.deploy(HERE / "TestToken.vy")
        lock = evm.deploy("InitiatorLock", *constructor(lane, Role.INITIATOR, lane.responder))
        assert lock.call("LANE") == lane.id


def test_I16_a_log_of_another_lock_or_another_lane_is_not_read(swaps: Swaps) -> None:
    terms = swaps.terms()
    funded = swaps.first.do("fund", terms, by=ALICE[0])
    assert isinstance(funded, Outcome)
    log = funded.raw_logs[-1]
    with refused("EMITTER"):
        read_funding(replace(log, address=CAROL), lane=swaps.lane, role=Role.INITIATOR, at=START)
    other = replace(swaps.lane, bounds=replace(BOUNDS, open_swaps=4))
    with refused("OFFER_MIRROR"):
        read_funding(log, lane=other, role=Role.INITIATOR, at=START)
    with refused("LOCK_LOG"):
        read_reveal(log, lane=swaps.lane, role=Role.INITIATOR, at=START)
    assert read_funding(log, lane=swaps.lane, role=Role.INITIATOR, at=START).terms == terms


# -- F09: amounts, and parties ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("leg", [2, 3])
def test_F09_amounts_at_the_edges(swaps: Swaps, name: str, leg: int) -> None:
    side = side_of(swaps, name)
    raw = list(swaps.terms(bond=5_000).as_abi())
    stood = side.told()
    for amount in (0, 2**128, 2**256 - 1):
        changed = list(raw)
        changed[leg] = (amount, *raw[leg][1:])
        with pytest.raises(Reverted, match=r"HashLock: quantity"):
            side.lock.send("fund", tuple(changed), by=funder(swaps.terms(), name))
    with pytest.raises(Reverted, match=r"HashLock: bond larger"):
        side.lock.send("fund", (raw[0], 2**256 - 1, *raw[2:]), by=funder(swaps.terms(), name))
    assert side.told() == stood
    most = swaps.terms(first_quantity=2**128 - 1, second_quantity=2**128 - 1, bond=2**128 - 1)
    for account in (ALICE[1], funder(most, name)):
        side.token.send("mint", account, 2**128)
    if name == "second":
        side.do("bond", most, by=ALICE[1])
    assert isinstance(side.do("fund", most, by=funder(most, name)), Outcome)
    assert isinstance(side.do("claim", most, SECRET.preimage), Outcome)
    side.agrees(most)


@pytest.mark.parametrize("name", SIDES)
def test_a_leg_without_two_parties(swaps: Swaps, name: str) -> None:
    side = side_of(swaps, name)
    raw = swaps.terms().as_abi()
    stood = side.told()
    own = 2 if name == "first" else 3
    other = 5 - own
    quantity, payer, paid, time = raw[other]
    nobody, mine = bytes(20), funder(swaps.terms(), name)
    for leg, reason in (
        ((quantity, nobody, paid, time), "HashLock: no party"),
        ((quantity, payer, nobody, time), "HashLock: no party"),
        ((quantity, paid, paid, time), "HashLock: one party"),
    ):
        changed = list(raw)
        changed[other] = leg
        with pytest.raises(Reverted, match=reason):
            side.lock.send("fund", tuple(changed), by=mine)
    assert side.told() == stood
    opened(swaps, name)


# -- the constructor --------------------------------------------------------------------------------------------------

BAD_BOUNDS: dict[str, tuple[dict[str, int], str]] = {
    "no_claim_window": ({"claim_window": 0}, "no claim window"),
    "a_margin_a_second_short": ({"responder_most": 10_000 - 2_730 + 1}, "leave no margin"),
    "S_above_L": ({"responder_most": 10_001}, "leave no margin"),
    "no_time_to_claim": ({"responder_most": 3_000}, "S leaves no time"),
    "most_below_L": ({"initiator_most": 9_999}, "initiator bounds"),
    "locked_for_months": ({"initiator_most": 30 * 24 * 3600 + 1}, "bound too long"),
    "endless_finality": ({"finality_responder": 2**64 - 1}, "bound too long"),
    "no_swaps": ({"open_swaps": 0}, "no swaps"),
    "a_bond_above_the_leg": ({"bond_ppm": 1_000_001}, "bond rate"),
}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("name", BAD_BOUNDS)
def test_I01_bounds_that_nobody_could_rely_on_are_refused_by_both(role: Role, name: str) -> None:
    changed, reason = BAD_BOUNDS[name]
    with refused("LOCK_BOUNDS"):
        replace(BOUNDS, **changed)
    raw = tuple(changed.get(field, getattr(BOUNDS, field)) for field in Bounds.__slots__)
    evm = Evm(chain_id=CHAIN_IDS[role])
    token = evm.deploy(HERE / "TestToken.vy")
    mirror = (7299, b"\x01" * 32, b"\x02" * 20, b"\x03" * 20)
    with pytest.raises(Reverted, match=reason):
        evm.deploy(NAMES[role], GENESES[role], token.address, mirror, raw)
    evm.deploy(NAMES[role], GENESES[role], token.address, mirror, bounds_abi(BOUNDS))


def test_F04_a_lane_to_nowhere_or_without_a_token_is_refused(swaps: Swaps) -> None:
    evm = Evm(chain_id=CHAIN_IDS[Role.INITIATOR])
    token = evm.deploy(HERE / "TestToken.vy").address
    genesis, mirror, bounds = GENESES[Role.INITIATOR], end_abi(swaps.lane.responder), bounds_abi(BOUNDS)
    chain_id, foreign, lock, theirs = mirror
    for arguments, reason in (
        ((bytes(32), token, mirror), "no genesis"),
        ((genesis, token, (chain_id, bytes(32), lock, theirs)), "no genesis"),
        ((genesis, token, (0, foreign, lock, theirs)), "mirror chain id"),
        ((genesis, token, (CHAIN_IDS[Role.INITIATOR], foreign, lock, theirs)), "mirror chain id"),
        ((genesis, token, (chain_id, foreign, bytes(20), theirs)), "incomplete mirror"),
        ((genesis, token, (chain_id, foreign, lock, bytes(20))), "incomplete mirror"),
        ((genesis, CAROL, mirror), "no token"),
        ((genesis, bytes(20), mirror), "no token"),
    ):
        with pytest.raises(Reverted, match=reason):
            evm.deploy("InitiatorLock", *arguments, bounds)
    evm.deploy("InitiatorLock", genesis, token, mirror, bounds)


def test_the_twin_refuses_a_lane_within_one_chain(swaps: Swaps) -> None:
    with pytest.raises(Refused, match="LOCK_BOUNDS"):
        replace(swaps.lane, responder=replace(swaps.lane.responder, chain_id=swaps.lane.initiator.chain_id))


def test_nothing_new_is_locked_where_the_chain_took_another_id_but_everything_leaves() -> None:
    swaps = opened_lane(exact=True)
    side, terms = opened(swaps, "first")
    assert isinstance(side.evm.engine, PyEvm)
    side.evm.engine._chain_id = 9_999
    swaps.at(START + 1)
    with pytest.raises(Reverted, match="HashLock: another chain"):
        side.lock.send("fund", swaps.terms(hashlock=hash_of(b"\xee" * 32)).as_abi(), by=ALICE[0])
    assert isinstance(side.do("claim", terms, SECRET.preimage), Outcome)
    assert isinstance(side.do("withdraw", BOB[0]), Outcome)
