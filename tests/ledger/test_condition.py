"""The rules of a lien on a condition, without chains: each refusal by its code, each date at its second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ledger.condition import Lien, LienState, Meaning, Terms
from ledger.errors import BadInput, Problem, Refused

A, B, C, D, E, F = (bytes([k]) * 20 for k in range(1, 7))
ONE = b"\x01" * 32
TERMS = Terms(A, ONE, B, C, D, E, F, ONE, ONE, Meaning.RELEASES, 1_000_000, 3_600, 86_400, ONE)
FROZEN = Lien(TERMS)
CLAIMED = FROZEN.prove_set(1_000_000, 1_000_010)
RELEASED = FROZEN.prove_set(999_999, 5)

REFUSALS: dict[str, tuple[Callable[[], object], type[Problem], str]] = {
    "a_short_account": (lambda: replace(TERMS, arbiter=bytes(19)), BadInput, "TERMS_RANGE"),
    "a_short_word": (lambda: replace(TERMS, slot=bytes(31)), BadInput, "TERMS_RANGE"),
    "a_date_past_64_bits": (lambda: replace(TERMS, date=2**64), BadInput, "TERMS_RANGE"),
    "a_date_below_zero": (lambda: replace(TERMS, date=-1), BadInput, "TERMS_RANGE"),
    "an_unknown_meaning": (lambda: replace(TERMS, set_means=3), BadInput, "TERMS_RANGE"),  # type: ignore[arg-type]
    "one_person_twice": (lambda: replace(TERMS, arbiter=B).check(0), Refused, "LIEN_PARTIES"),
    "nobody_as_beneficiary": (lambda: replace(TERMS, beneficiary=bytes(20)).check(0), Refused, "LIEN_PARTIES"),
    "any_code": (lambda: replace(TERMS, code_hash=bytes(32)).check(0), Refused, "LIEN_CONDITION"),
    "no_reader": (lambda: replace(TERMS, reader=bytes(20)).check(0), Refused, "LIEN_CONDITION"),
    "a_date_now": (lambda: TERMS.check(1_000_000), Refused, "LIEN_DATE"),
    "a_date_too_far": (lambda: replace(TERMS, date=10**9).check(0), Refused, "LIEN_DATE"),
    "a_contest_too_short": (lambda: replace(TERMS, contest=3_599).check(0), Refused, "LIEN_DATE"),
    "a_patience_too_short": (lambda: replace(TERMS, patience=86_399).check(0), Refused, "LIEN_DATE"),
    "G06_absence_a_second_early": (lambda: FROZEN.prove_unset(999_999, 10**7), Refused, "LIEN_HEADER"),
    "G06_absence_when_the_contest_is_over": (lambda: CLAIMED.prove_unset(10**6, 1_003_610), Refused, "LIEN_CONTEST"),
    "a_second_claim": (lambda: CLAIMED.prove_set(1_000_000, 1_000_020), Refused, "LIEN_STATE"),
    "settling_a_second_early": (lambda: CLAIMED.settle(1_003_609), Refused, "LIEN_CONTEST"),
    "settling_nothing": (lambda: FROZEN.settle(10**7), Refused, "LIEN_STATE"),
    "the_arbiter_a_second_early": (lambda: FROZEN.arbitrate(1_086_399, releases=True), Refused, "LIEN_ARBITER"),
    "the_arbiter_in_a_contest": (lambda: CLAIMED.arbitrate(10**7, releases=True), Refused, "LIEN_STATE"),
    "presence_after_the_end": (lambda: RELEASED.prove_set(1, 1), Refused, "LIEN_STATE"),
    "absence_after_the_end": (lambda: RELEASED.prove_unset(10**7, 1), Refused, "LIEN_STATE"),
    "the_arbiter_after_the_end": (lambda: RELEASED.arbitrate(10**7, releases=False), Refused, "LIEN_STATE"),
    "a_hand_over_before_the_end": (FROZEN.hand_over, Refused, "LIEN_STATE"),
    "a_second_hand_over": (RELEASED.hand_over()[0].hand_over, Refused, "LIEN_STATE"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_is(name: str) -> None:
    act, kind, code = REFUSALS[name]
    with pytest.raises(kind) as refused:
        act()
    assert refused.value.code == code


def test_each_answer_goes_its_own_way_by_the_meaning_agreed() -> None:
    for meaning, set_ends, unset_ends in (
        (Meaning.RELEASES, LienState.RELEASED, LienState.FORFEITED),
        (Meaning.FORFEITS, LienState.FORFEITED, LienState.RELEASED),
    ):
        lien = Lien(replace(TERMS, set_means=meaning))
        assert lien.prove_set(999_999, 0).state == set_ends
        assert lien.prove_unset(1_000_000, 0).state == unset_ends
        claimed = lien.prove_set(1_000_000, 1_000_010)
        assert (claimed.state, claimed.contestable_until) == (LienState.CLAIMED, 1_003_610)
        assert claimed.settle(1_003_610).state == set_ends
        assert claimed.prove_unset(1_000_000, 1_003_609).state == unset_ends
        assert claimed.prove_set(999_999, 10**8).state == set_ends


def test_the_arbiter_decides_either_way_from_his_second_on() -> None:
    assert FROZEN.arbitrate(1_086_400, releases=True).hand_over()[1] == B
    assert FROZEN.arbitrate(1_086_400, releases=False).hand_over()[1] == C


def test_terms_within_bounds_pass() -> None:
    TERMS.check(0)
    TERMS.check(999_999)
