"""E06, exhaustively at small finality: reorganisations of every depth, at every phase of every transfer."""

from __future__ import annotations

import sys
from collections import Counter
from itertools import product

import pytest

from ledger.errors import Problem, Unavailable
from ledger.proposal import Proposal
from notary.journal import Journal
from tests.simulation.attacks import place_of
from tests.simulation.faults import MODES
from tests.simulation.guards import nothing, remove
from tests.simulation.lanes import DESTINATION, FINALITY, ORIGIN, REGISTRY, ROUTES
from tests.simulation.recovery import remembered
from tests.simulation.sweep import PHASES, Case, World, all_reorganisations

CLOSED_AFTER = 16  # seconds, where nothing happens to anybody
HALTED_FOR = 20


def test_an_undisturbed_world_mints_and_releases_each_transfer_once() -> None:
    world = World("undisturbed")
    world.run()
    assert [world.minted(each) for each in world.transfers] == [1] * 6
    assert max(world.law.closed_at[each.message.id] for each in world.transfers) == CLOSED_AFTER


def test_E06_every_reorganisation_up_to_finality_at_every_phase_mints_exactly_what_is_locked_for_good(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cases, runs, never_sent = Counter[Case](), 0, Counter[str]()
    empty = dict[tuple[int, int, int], World]()
    for reorganisation in all_reorganisations(CLOSED_AFTER):
        place = reorganisation.second, reorganisation.chain_id, reorganisation.depth
        if place in empty:  # nothing stood in the blocks: what becomes of it makes no difference
            cases.update((*case[:4], reorganisation.mode, case[5]) for case in empty[place].met)
            continue
        world = World(f"{reorganisation}")
        world.run(reorganisation)  # a mint without a final lock, or a second one, ends it
        if not world.left:
            empty[place] = world
        for transfer in world.transfers:
            has_left = transfer.message.id in world.law.final_sent
            assert world.minted(transfer) == has_left, reorganisation
            never_sent[reorganisation.mode] += not has_left
        runs += 1
        cases.update(world.met)
    routes, chains = [route.name for route in ROUTES], (ORIGIN, DESTINATION, REGISTRY)
    for case in product(routes, ("out", "home"), PHASES, range(1, FINALITY + 1), MODES, chains):
        assert cases[case], case
    assert never_sent.keys() == set(MODES) and [never_sent[mode] > 0 for mode in MODES] == [True, False, False]
    with capsys.disabled():
        sys.stdout.write(f"\nE06: {runs} reorganisations, each finding six transfers in some phase\n")


@pytest.mark.parametrize("second", range(FINALITY + 2, CLOSED_AFTER + 1))
def test_E06_a_reorganisation_deeper_than_finality_halts_the_lane_and_says_so(second: int) -> None:
    world = World(f"rewritten in second {second}")
    rival = rewritten(world, second)
    assert rival.message.sequence == world.transfers[0].message.sequence and rival != world.transfers[0]
    assert world.minted(rival) == 0
    for notary in world.notaries:
        with pytest.raises(Unavailable, match="FINAL_REWRITTEN"):
            notary.ask("/attestations", {"leaves": [place_of(world.chains[ORIGIN], rival.message.id)]})
    waiting = [problem for journey in world.relay.docket.live() for problem in journey.waiting.values()]
    assert any("FINAL_REWRITTEN" in str(problem) for problem in waiting)


def test_E06_without_the_policys_rule_of_history_the_journal_still_halts_and_without_both_nothing_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remove(monkeypatch, "require_history", "require_first")
    world = World("rewritten")
    rival = rewritten(world, FINALITY + 2)
    body = {"leaves": [place_of(world.chains[ORIGIN], rival.message.id)]}
    with pytest.raises(Problem) as refused:
        world.notaries[0].ask("/attestations", body)
    assert (refused.value.code, world.minted(rival)) == ("EQUIVOCATION", 0)
    monkeypatch.setattr(Journal, "promise", nothing)
    assert world.notaries[0].ask("/attestations", body)["signature"]


def rewritten(world: World, second: int) -> Proposal:
    """The transfer that took the first one's place, after all have had time for it."""
    with remembered():
        while world.now < second:
            world.tick()
        rival = world.rewrite()
        for _ in range(HALTED_FOR):
            world.tick()
    return rival
