"""A watchtower that responds: it funds agreed second legs within its key's float, each once, or says why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.errors import Problem, Unavailable
from ledger.hash_lock import Float, Secret, Stake, State, Terms
from relay.responder import Responder, load_float
from relay.stakes import Stakes
from relay.swaps import Act, SwapBook
from relay.watchtower import AGAIN_SECONDS
from tests.contracts.swaps import ALICE, BOB, BOUNDS, CAROL, SECRET, START
from tests.ledger.refusals import refused
from tests.relay.test_watchtower import FIRST, SECOND, Bed
from tests.simulator.inline import Killed

QUANTITY = 5_000  # units of the second leg's token in every offer here
PLENTY = Float(at_once=10**6, per_counterparty=10**6, per_window=10**6, window=100_000)
ONE_LEG = Float(at_once=QUANTITY + 1, per_counterparty=QUANTITY + 1, per_window=10**6, window=100_000)
OTHER = Secret(bytes(range(50, 82)))


@pytest.fixture
def bed() -> Bed:
    return Bed()


def other(bed: Bed) -> Terms:
    return bed.swaps.terms(hashlock=OTHER.hashlock)


def respond(bed: Bed, *agreed: Terms, limits: Float = PLENTY, path: Path | None = None) -> None:
    """A responder as after a start: what it knows is in its file and on the chains."""
    bed.start(responder=Responder(agreed, BOB[1], limits, Stakes(path)))


def offered(bed: Bed, terms: Terms, *, is_final: bool = True) -> None:
    """The initiator has done its part, and both chains have gone on."""
    bed.act(FIRST, "fund", terms, by=terms.initiator.funder)
    if terms.bond:
        bed.act(SECOND, "bond", terms, by=terms.responder.receiver)
    if is_final:
        bed.swaps.at(bed.swaps.first.evm.time + BOUNDS.finality_initiator + 1)
        for role in (FIRST, SECOND):
            bed.act(role, "expose", bytes(range(200, 232)), by=CAROL)


def funded(bed: Bed, terms: Terms) -> bool:
    return bed.swaps.second.twin.state(terms.id(bed.swaps.lane.id)) is State.OPEN


def codes(bed: Bed) -> list[str]:
    return [done.problem.code if done.problem else "" for done in bed.done if done.due.act is Act.FUND]


def test_an_agreed_second_leg_is_funded_once_its_first_is_final_and_its_bond_posted(bed: Bed) -> None:
    respond(bed, bed.terms)
    bed.look()
    assert codes(bed) == [], "nobody has done anything"
    offered(bed, bed.terms, is_final=False)
    bed.look()
    assert codes(bed)[0] == "NOT_FINAL" and not funded(bed, bed.terms)
    bed.swaps.at(START + BOUNDS.finality_initiator + 1)
    for role in (FIRST, SECOND):
        bed.act(role, "expose", bytes(range(200, 232)), by=CAROL)
    bed.look()
    assert funded(bed, bed.terms)
    bed.look()
    assert bed.locks[SECOND].sent == ["fund"], "once"


def test_what_nobody_agreed_to_is_not_funded(bed: Bed) -> None:
    respond(bed, other(bed))
    offered(bed, bed.terms)
    bed.look()
    assert (codes(bed), funded(bed, bed.terms)) == ([], False)
    with refused("OFFER_PARTIES"):
        Responder([bed.terms], ALICE[1], PLENTY, Stakes())


def test_I15_a_second_swap_beyond_the_float_is_refused_and_taken_up_when_the_first_has_ended(bed: Bed) -> None:
    first, second = bed.terms, other(bed)
    respond(bed, first, second, limits=ONE_LEG)
    offered(bed, first)
    bed.look()
    assert funded(bed, first)
    offered(bed, second)
    before = bed.swaps.second.told()
    bed.look()
    assert (codes(bed)[-1], funded(bed, second)) == ("CAP_KEY", False)
    assert bed.swaps.second.told() == before, "a refusal moved something"
    bed.act(SECOND, "claim", first, SECRET.preimage, by=ALICE[1])
    bed.look()
    assert funded(bed, second), "what has ended is at stake no more"


@pytest.mark.parametrize(
    "limits",
    [
        replace(PLENTY, at_once=QUANTITY - 1, per_counterparty=QUANTITY - 1),
        replace(PLENTY, per_counterparty=QUANTITY - 1),
        replace(PLENTY, per_window=QUANTITY - 1),
    ],
)
def test_I15_each_bound_of_the_float_stops_a_funding_that_one_unit_more_lets_through(bed: Bed, limits: Float) -> None:
    respond(bed, bed.terms, limits=limits)
    offered(bed, bed.terms)
    bed.look()
    assert set(codes(bed)) == {"CAP_KEY"} and bed.locks[SECOND].sent == []
    wider = replace(limits, **{name: min(getattr(limits, name) + 1, 10**6) for name in Float.__slots__[:3]})
    respond(bed, bed.terms, limits=wider)
    bed.look()
    assert funded(bed, bed.terms)


def test_I15_what_was_sent_and_is_not_final_counts_also_after_a_restart(bed: Bed, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "stakes.json"
    first, second = bed.terms, other(bed)
    offered(bed, first)
    offered(bed, second)
    respond(bed, first, second, limits=ONE_LEG, path=path)
    bed.look(2)
    done = [terms for terms in (first, second) if funded(bed, terms)]
    assert len(done) == 1
    bed.locks[SECOND].lag = 1  # the funding's block is not final
    respond(bed, first, second, limits=ONE_LEG, path=path)
    bed.look()
    assert codes(bed).count("") == 1 and "CAP_KEY" in codes(bed)
    (left,) = {first, second} - {*done}
    respond(bed, left, limits=ONE_LEG)  # the twin that forgot what it had sent exceeds its float
    bed.look()
    assert codes(bed).count("") == 2


def test_I15_killed_between_its_record_and_the_sending_it_funds_that_leg_and_no_other(
    bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, first = tmp_path / "stakes.json", bed.terms
    offered(bed, first)
    respond(bed, first, limits=ONE_LEG, path=path)

    def killed(_self: object, _call: bytes) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(type(bed.tower._lanes[0][1][SECOND]), "send", killed)
        bed.look(2)
    assert list(Stakes(path).promised) == [first.id(bed.swaps.lane.id)]
    respond(bed, first, limits=ONE_LEG, path=path)
    bed.look(2)
    assert funded(bed, first)
    assert bed.locks[SECOND].sent == ["fund"]


def test_what_cannot_be_written_down_is_not_sent(bed: Bed, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    offered(bed, bed.terms)
    blocked.write_bytes(b"")
    stakes = Stakes()
    stakes._path = blocked / "stakes.json"
    bed.start(responder=Responder([bed.terms], BOB[1], PLENTY, stakes))
    bed.look()
    assert set(codes(bed)) == {"STAKES_UNWRITABLE"} and bed.locks[SECOND].sent == []
    stakes._path = None
    bed.look()
    assert funded(bed, bed.terms)


def test_a_leg_that_there_is_no_time_for_is_left_alone(bed: Bed) -> None:
    offered(bed, bed.terms)
    bed.swaps.at(bed.terms.responder.refund_time - BOUNDS.least_open)
    for role in (FIRST, SECOND):
        bed.act(role, "expose", bytes(range(100, 132))[::-1], by=CAROL)
    respond(bed, bed.terms)
    bed.look()
    assert codes(bed) == []


def test_a_record_ends_when_the_chain_tells_of_it_or_never_can(tmp_path: Path) -> None:
    bed, path = Bed(), tmp_path / "stakes.json"
    old = b"\x01" * 32
    stakes = Stakes(path)
    stakes.promise(old, Stake(ALICE[1], 1, START - PLENTY.window - BOUNDS.responder_most - 1))
    offered(bed, bed.terms)
    respond(bed, bed.terms, path=path)
    bed.look(2)
    assert list(Stakes(path).promised) == [bed.terms.id(bed.swaps.lane.id)], "the old one is out of every window"
    responder = bed.tower._responders[0]
    book: SwapBook = bed.tower._lanes[0][0]
    bed.clock.advance(AGAIN_SECONDS)
    bed.look(1)
    responder._tidy(book)
    assert Stakes(path).promised == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"0x01": ["0x02", "1", 1]}',
        b'{"0x%s": ["0x%s", "1"]}' % (b"11" * 32, b"22" * 20),
        b'{"0x%s": ["0x%s", 1, 1]}' % (b"11" * 32, b"22" * 20),
        b'{"0x%s": ["0x%s", "1", true]}' % (b"11" * 32, b"22" * 20),
        b'{"0x%s": ["0x%s", "-1", 1]}' % (b"11" * 32, b"22" * 20),
    ],
)
def test_a_damaged_record_is_not_an_empty_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "stakes.json"
    path.write_bytes(content)
    with refused("STAKES_FORMAT"):
        Stakes(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(Unavailable) as unreadable:
        Stakes(path)
    assert unreadable.value.code == "STAKES_UNREADABLE"


GOOD = {"at_once": "100", "per_counterparty": "60", "per_window": "150", "window_seconds": 3600}
BAD: dict[str, tuple[Callable[[dict[str, object]], object], str]] = {
    "a field too few": (lambda each: each.pop("at_once"), "FLOAT_FORMAT"),
    "a field too many": (lambda each: each.update(more=1), "FLOAT_FORMAT"),
    "units that are a number": (lambda each: each.update(at_once=100), "FLOAT_FORMAT"),
    "units below nothing": (lambda each: each.update(at_once="-1"), "FLOAT_FORMAT"),
    "a window in words": (lambda each: each.update(window_seconds="3600"), "FLOAT_FORMAT"),
    "no window": (lambda each: each.update(window_seconds=0), "LOCK_BOUNDS"),
    "one counterparty gets more than all": (lambda each: each.update(per_counterparty="101"), "LOCK_BOUNDS"),
}


@pytest.mark.parametrize("name", BAD)
def test_I15_a_float_is_read_strictly(tmp_path: Path, name: str) -> None:
    path, told = tmp_path / "float.json", dict[str, object](GOOD)
    path.write_text(json.dumps(told))
    assert load_float(path) == Float(100, 60, 150, 3_600)
    change, code = BAD[name]
    change(told)
    path.write_text(json.dumps(told))
    with pytest.raises(Problem) as found:
        load_float(path)
    assert (found.value.code, found.value.where) == (code, str(path))
