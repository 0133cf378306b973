"""What a notary agrees to cosign: the same log, grown, proven from exactly the state it saw last."""

from __future__ import annotations

import pytest

from ledger.checkpoint import Checkpoint
from ledger.errors import Refused
from ledger.merkle import EMPTY_ROOT, Tree, leaf_hash
from ledger.witness import consider
from tests.ledger.refusals import refused

ORIGIN = "ledger.example/estate"
HONEST = Tree(leaf_hash(bytes([number])) for number in range(40))
FORKED = Tree(leaf_hash(bytes([number if number < 5 else 200])) for number in range(40))


def state(size: int, tree: Tree = HONEST) -> Checkpoint:
    return Checkpoint(ORIGIN, size, tree.root(size))


@pytest.mark.parametrize("size", [0, 1, 40])
def test_the_first_state_of_a_log_is_taken_on_trust(size: int) -> None:
    assert consider(seen=None, offered=state(size), old_size=0, proof=[]) == state(size)


@pytest.mark.parametrize(("seen", "offered"), [(1, 2), (7, 8), (8, 9), (7, 40), (40, 40), (0, 40), (0, 0)])
def test_a_grown_or_unchanged_log_is_accepted(seen: int, offered: int) -> None:
    proof = HONEST.consistency_proof(seen, offered)
    accepted = consider(seen=state(seen), offered=state(offered), old_size=seen, proof=proof)
    assert accepted == state(offered)


def test_the_next_state_follows_from_the_accepted_one() -> None:
    seen = None
    for size in (3, 4, 17, 40):
        old = 0 if seen is None else seen.size
        seen = consider(seen=seen, offered=state(size), old_size=old, proof=HONEST.consistency_proof(old, size))
    assert seen == state(40)


def test_c07_a_smaller_log_is_refused() -> None:
    with refused("LOG_SHRINKS"):
        consider(seen=state(8), offered=state(7), old_size=8, proof=[])
    with refused("LOG_SHRINKS"):
        consider(seen=state(8), offered=Checkpoint(ORIGIN, 0, EMPTY_ROOT), old_size=8, proof=[])


@pytest.mark.parametrize("old_size", [0, 7, 9])
def test_c07_a_client_that_is_behind_is_told_the_size_to_start_from(old_size: int) -> None:
    with pytest.raises(Refused) as caught:
        consider(seen=state(8), offered=state(20), old_size=old_size, proof=HONEST.consistency_proof(old_size, 20))
    assert (caught.value.code, caught.value.where) == ("LOG_STALE", "size 8")
    consider(seen=state(8), offered=state(20), old_size=8, proof=HONEST.consistency_proof(8, 20))


def test_c07_a_first_request_must_start_from_nothing() -> None:
    with refused("LOG_STALE"):
        consider(seen=None, offered=state(8), old_size=3, proof=HONEST.consistency_proof(3, 8))


@pytest.mark.parametrize("old_size", [0, 8])
def test_c07_two_roots_for_one_size_are_a_split_view_whatever_the_proof_says(old_size: int) -> None:
    with refused("SPLIT_VIEW"):
        consider(seen=state(8), offered=state(8, FORKED), old_size=old_size, proof=[])
    consider(seen=state(8), offered=state(8), old_size=8, proof=[])


def test_c07_a_grown_fork_has_no_proof() -> None:
    for proof in (FORKED.consistency_proof(8, 20), HONEST.consistency_proof(8, 20), []):
        with refused("PROOF_INVALID"):
            consider(seen=state(8), offered=state(20, FORKED), old_size=8, proof=proof)


def test_a_needless_proof_is_refused() -> None:
    for seen, old in ((None, 0), (state(0), 0), (state(8), 8)):
        with refused("PROOF_INVALID"):
            consider(seen=seen, offered=state(8), old_size=old, proof=[bytes(32)])


def test_another_log_is_refused() -> None:
    other = Checkpoint("ledger.example/other", 20, HONEST.root(20))
    with refused("LOG_UNKNOWN"):
        consider(seen=state(8), offered=other, old_size=8, proof=HONEST.consistency_proof(8, 20))


def test_a_negative_size_is_wrong_use() -> None:
    with refused("TREE_RANGE"):
        consider(seen=None, offered=state(8), old_size=-1, proof=[])
