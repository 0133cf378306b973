"""When an honest party may fund and reveal: the mirror, finality and time, and the seconds at which it turns."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.hash_lock import Funding, Role, check_before_funding, check_before_reveal, check_mirror, deadlines, hash_of
from tests.ledger.hash_lock.swap import BOUNDS, CAROL, LANE, START, funding, terms
from tests.ledger.refusals import refused

OTHER: dict[str, tuple[dict[str, Any], str, str]] = {
    "the_first_quantity": ({"first_quantity": 999}, "OFFER_MIRROR", "initiator.quantity"),
    "a_partial_fill": ({"second_quantity": 4_999}, "OFFER_MIRROR", "responder.quantity"),
    "the_first_funder": ({"first_funder": CAROL}, "OFFER_MIRROR", "initiator.funder"),
    "the_first_receiver": ({"first_receiver": CAROL}, "OFFER_MIRROR", "initiator.receiver"),
    "the_second_funder": ({"second_funder": CAROL}, "OFFER_MIRROR", "responder.funder"),
    "the_second_receiver": ({"second_receiver": CAROL}, "OFFER_MIRROR", "responder.receiver"),
    "the_first_refund_time": ({"first_refund_time": START + 11_001}, "OFFER_MIRROR", "initiator.refund_time"),
    "the_second_refund_time": ({"second_refund_time": START + 6_999}, "OFFER_MIRROR", "responder.refund_time"),
    "the_bond": ({"bond": 51}, "OFFER_MIRROR", "bond"),
    "too_small_a_bond": ({"bond": 49}, "OFFER_BOND", ""),
    "too_close": ({"first_refund_time": START + 9_000}, "OFFER_MARGIN", ""),
    "another_hash": ({"hashlock": hash_of(b"\x01" * 32)}, "OFFER_HASH", hash_of(b"\x01" * 32).hex()),
}


@pytest.mark.parametrize("name", OTHER)
def test_I01_I05_I16_nothing_is_funded_or_revealed_against_another(name: str) -> None:
    changed, code, where = OTHER[name]
    with pytest.raises(Exception, match=code) as caught:
        check_mirror(terms(), terms(**changed), BOUNDS)
    assert getattr(caught.value, "where", None) == where
    with refused(code):
        before_funding(funding(Role.INITIATOR, **changed))
    with refused(code):
        check_before_reveal(terms(), funding(Role.RESPONDER, **changed), LANE, now=START + 900)
    before_funding(funding(Role.INITIATOR))
    check_before_reveal(terms(), funding(Role.RESPONDER), LANE, now=START + 900)


def before_funding(first: Funding, *, now_initiator: int = START + 600, now_responder: int = START + 600) -> None:
    check_before_funding(terms(), first, LANE, now_initiator=now_initiator, now_responder=now_responder)


def test_I16_a_leg_of_the_other_role_is_no_mirror() -> None:
    with refused("OFFER_MIRROR"):
        before_funding(funding(Role.RESPONDER))
    with refused("OFFER_MIRROR"):
        check_before_reveal(terms(), funding(Role.INITIATOR), LANE, now=START + 900)


def test_I09_a_leg_counts_when_it_is_final_and_not_a_second_before() -> None:
    with refused("NOT_FINAL"):
        before_funding(funding(Role.INITIATOR), now_initiator=START + 599)
    before_funding(funding(Role.INITIATOR), now_initiator=START + 600)
    with refused("NOT_FINAL"):
        check_before_reveal(terms(), funding(Role.RESPONDER), LANE, now=START + 899)
    check_before_reveal(terms(), funding(Role.RESPONDER), LANE, now=START + 900)


def test_the_responder_funds_within_its_contracts_bounds() -> None:
    refund_time = terms().responder.refund_time
    for locked, fits in (
        (BOUNDS.responder_most + 1, False),
        (BOUNDS.responder_most, True),
        (BOUNDS.least_open + 1, True),
        (BOUNDS.least_open, False),
    ):
        if fits:
            before_funding(funding(Role.INITIATOR), now_responder=refund_time - locked)
        else:
            with refused("OFFER_TIME"):
                before_funding(funding(Role.INITIATOR), now_responder=refund_time - locked)


def test_I02_I12_the_secret_stays_when_its_claim_may_not_land() -> None:
    last = terms().responder.refund_time - 1_200 - 900 - 30 - 1
    assert deadlines(terms(), BOUNDS).reveal_until == last
    check_before_reveal(terms(), funding(Role.RESPONDER), LANE, now=last)
    with refused("OFFER_TIME"):
        check_before_reveal(terms(), funding(Role.RESPONDER), LANE, now=last + 1)


def test_I12_the_deadlines_of_a_swap() -> None:
    found = deadlines(terms(), BOUNDS)
    assert found.second_refund_from == START + 7_000
    assert found.claim_first_until == START + 11_000 - 1_200 - 600 - 30 - 1
    assert found.first_refund_from == START + 11_000
    # A reveal at the very last moment is final on its chain while the responder can still claim.
    assert found.second_refund_from - 1 + BOUNDS.finality_responder <= found.claim_first_until


def test_what_is_funded_in_time_can_be_revealed_in_time() -> None:
    """Funded at the last moment the contract takes, seen final with the clock ahead: there is a moment to reveal."""
    funded = terms().responder.refund_time - BOUNDS.least_open - 1
    seen = funded + BOUNDS.finality_responder + BOUNDS.clock_drift
    check_before_reveal(terms(), funding(Role.RESPONDER, funded), LANE, now=seen)
    with refused("OFFER_TIME"):
        check_before_reveal(terms(), funding(Role.RESPONDER, funded), LANE, now=seen + 1)
