"""Hash-locked swaps, every schedule: who is honest and online loses nothing, and no second of the bounds is spare."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import pytest

from ledger.hash_lock import Bounds, Terms, hash_of
from ledger.hash_lock.terms import check_terms
from tests.ledger.refusals import refused
from tests.models.explore import Explored, InvariantBroken, explore
from tests.models.hash_lock import CLAIMED, FINAL, NEVER, NONE, REFUNDED, Model, State, World

WORLDS = {
    "fast_chains": World((1, 1), 1, 1),
    "a_slow_responder_chain": World((1, 3), 2, 1),
    "a_slow_initiator_chain": World((3, 1), 1, 2),
    "no_reorganisations": World((0, 0), 2, 1),
    "equal_clocks": World((2, 2), 2, 0),
    "all_of_it": World((2, 3), 2, 2),
}
ORDINARY = World((2, 2), 1, 1)


@cache
def explored(world: World) -> Explored[State]:
    model = Model.tight(world)
    return explore(State(), model.steps, model.wrong)


@pytest.mark.parametrize("name", WORLDS)
def test_I01_I02_I03_I09_no_honest_party_that_is_online_ever_loses(name: str) -> None:
    found = explored(WORLDS[name])
    over = [state for state in found.final if state.now == Model.tight(WORLDS[name]).end]
    assert over == list(found.final), "no schedule ends early"
    assert len(found.reached_by) > 500


@pytest.mark.parametrize("name", WORLDS)
def test_both_ends_are_reached_with_both_honest(name: str) -> None:
    ends = {
        (state.first.end, state.second.end) for state in explored(WORLDS[name]).final if state.honest == (True, True)
    }
    assert {(CLAIMED, CLAIMED), (REFUNDED, NONE), (NONE, NONE)} <= ends
    # An honest initiator that is online claims whatever honest responder funds: no refund of both without a fault.
    assert (REFUNDED, REFUNDED) not in ends
    turned = {(state.first.end, state.second.end) for state in explored(WORLDS[name]).final if state.honest[1]}
    assert (REFUNDED, REFUNDED) in turned


def test_I09_more_than_a_million_schedules_are_among_them() -> None:
    """Walks through the graph that end: counted, not taken, since each state is visited once."""
    model, found = Model.tight(ORDINARY), explored(ORDINARY)
    following = {state: [after for _, after in model.steps(state)] for state in found.reached_by}
    walks, ended = Counter({State(): 1}), 0
    for _ in range(model.end + 8):
        further: Counter[State] = Counter()
        for state, ways in walks.items():
            ended += ways if not following[state] else 0
            for after in following[state]:
                further[after] += ways
        walks = further
    assert ended > 1_000_000


def loses(model: Model) -> str:
    """What goes wrong in a model in which something must."""
    with pytest.raises(InvariantBroken) as broken:
        explore(State(), model.steps, model.wrong)
    return str(broken.value).splitlines()[0]


def test_I01_a_margin_one_second_short_loses_the_responders_money() -> None:
    model = Model.tight(ORDINARY)
    weak = replace(model, second_refund=model.second_refund + 1)
    assert loses(weak) == "the honest responder paid and was not paid"
    with refused("OFFER_MARGIN"):
        check_terms(weak.terms, weak.bounds)
    check_terms(model.terms, model.bounds)


WORSE = {
    "the_initiators_chain_reorganises_deeper": replace(ORDINARY, finality=(3, 2)),
    "the_responders_chain_reorganises_deeper": replace(ORDINARY, finality=(2, 3)),
    "a_chain_halts_longer_than_the_claim_window": replace(ORDINARY, window=2),
    "the_clocks_drift_further": replace(ORDINARY, drift=2),
}


@pytest.mark.parametrize("name", WORSE)
def test_I09_each_promise_of_the_bounds_is_needed(name: str) -> None:
    """In a world one second worse than the bounds say, somebody honest loses."""
    assert "honest" in loses(replace(Model.tight(ORDINARY), world=WORSE[name]))


class RevealsLate(Model):
    """The initiator trusts a second more than `deadlines` allows."""

    @property
    def reveal_until(self) -> int:
        return super().reveal_until + 1 + self.world.drift


class FundsEarly(Model):
    """The responder funds before the first leg is final."""

    def _is_willing(self, state: State, which: int) -> bool:
        return which == 0 or state.first.funded != NEVER


class TrustsAnothersClaim(Model):
    """The responder sends nothing while somebody else's claim of its leg stands, final or not."""

    def _should_answer(self, state: State) -> bool:
        return super()._should_answer(state) and state.first.is_open


class TakesLateFunding(Model):
    """The responder's contract takes a leg that is open for a second less."""

    def may_fund(self, which: int, clock: int) -> bool:
        return super().may_fund(which, clock) or (which == 1 and super().may_fund(1, clock - 1))


CARELESS = {
    RevealsLate: "the honest initiator",
    FundsEarly: "the honest responder paid and was not paid",
    TrustsAnothersClaim: "the honest responder paid and was not paid",
    TakesLateFunding: "the honest initiator lost its bond",
}


@pytest.mark.parametrize("careless", CARELESS)
def test_I09_each_rule_of_the_parties_is_needed(careless: type[Model]) -> None:
    model = Model.tight(ORDINARY)
    wrong = loses(careless(model.world, model.bounds, model.first_refund, model.second_refund))
    assert wrong.startswith(CARELESS[careless])


def test_a_loss_is_told_with_the_schedule_that_leads_to_it() -> None:
    model = Model.tight(ORDINARY)
    with pytest.raises(InvariantBroken, match=r"turn initiator .* second claim .* send answer .* first undo"):
        weak = replace(model, second_refund=model.second_refund + 1)
        explore(State(), weak.steps, weak.wrong)


def test_the_models_swap_is_one_the_contracts_take() -> None:
    model = Model.tight(ORDINARY)
    assert isinstance(model.terms, Terms)
    assert isinstance(model.bounds, Bounds)
    assert model.terms.hashlock == hash_of(bytes(range(100, 132)))
    assert model.first_refund - model.second_refund == model.bounds.margin == 6
    assert FINAL not in (model.first_refund, model.second_refund)
