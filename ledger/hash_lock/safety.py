"""When an honest party may take its next step: the checks before the responder funds and before the initiator reveals.

Everything here is the party's own side of the bargain; the contracts enforce theirs, but no contract sees the other
chain. Who follows these checks and stays online loses no principal while the lane's bounds hold: `tests/models`
explores every schedule.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.errors import Refused
from ledger.hash_lock.bounds import Bounds
from ledger.hash_lock.observed import Funding
from ledger.hash_lock.terms import Lane, Leg, Role, Terms, check_terms

_LEG_FIELDS = ("quantity", "funder", "receiver", "refund_time")


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The four times of a swap, in seconds of the block time of the leg's own chain.

    `reveal_until`: the last moment at which the initiator may send its claim of the second leg; `second_refund_from`;
    `claim_first_until`: the last moment at which the responder may send its claim of the first leg;
    `first_refund_from`. An alarm belongs well before the two that end in `until`. The responder sends its claim as soon
    as the reveal is final, even where somebody else's claim of its leg stands in a block that is not: that one may go.
    """

    reveal_until: int
    second_refund_from: int
    claim_first_until: int
    first_refund_from: int


def deadlines(terms: Terms, bounds: Bounds) -> Deadlines:
    """When each party must have acted: a claim is in a block after the claim window, and stays after finality; the
    chain's clock may jump ahead meanwhile by the drift.
    """
    second, first = terms.responder.refund_time, terms.initiator.refund_time
    landing = bounds.claim_window + bounds.clock_drift + 1
    return Deadlines(
        reveal_until=second - landing - bounds.finality_responder,
        second_refund_from=second,
        claim_first_until=first - landing - bounds.finality_initiator,
        first_refund_from=first,
    )


def check_mirror(agreed: Terms, seen: Terms, bounds: Bounds) -> None:
    """Refuse a swap that differs from the agreed one in anything, and say in what.

    Errors: `Refused` OFFER_HASH, OFFER_MARGIN, OFFER_BOND, OFFER_MIRROR with the field.
    """
    if seen.hashlock != agreed.hashlock:
        raise Refused("OFFER_HASH", "the leg is locked with another hash", where=seen.hashlock.hex())
    check_terms(seen, bounds)
    for role in Role:
        for field in _LEG_FIELDS:
            _check_same(agreed.leg(role), seen.leg(role), role, field)
    if seen.bond != agreed.bond:
        raise Refused("OFFER_MIRROR", "the bond is another than agreed", where="bond")


def check_before_funding(agreed: Terms, first: Funding, lane: Lane, *, now_initiator: int, now_responder: int) -> None:
    """Refuse to let the responder fund unless the first leg is the agreed one, final, and there is time for the second.

    `now_*`: the latest final block times of the two chains. Errors: those of `check_mirror`, and `Refused` NOT_FINAL,
    OFFER_TIME.
    """
    _check_leg(agreed, first, Role.INITIATOR, lane, now_initiator)
    left = agreed.responder.refund_time - now_responder
    if not lane.bounds.least_open < left <= lane.bounds.responder_most:
        raise Refused("OFFER_TIME", f"the second leg would be locked for {left} seconds", where=f"{now_responder}")


def check_before_reveal(agreed: Terms, second: Funding, lane: Lane, *, now: int) -> None:
    """Refuse to let the initiator reveal unless the second leg is the agreed one, final, and its claim would land.

    `now`: the latest block time of the responder's chain. Errors: those of `check_mirror`, and `Refused` NOT_FINAL,
    OFFER_TIME. After it the secret is public: there is no later check.
    """
    _check_leg(agreed, second, Role.RESPONDER, lane, now)
    last = deadlines(agreed, lane.bounds).reveal_until
    if now > last:
        cure = "Do not reveal; take the refund of the first leg when its time has come."
        raise Refused("OFFER_TIME", f"the claim may not land any more: the last moment was {last}", cure=cure)


def _check_leg(agreed: Terms, seen: Funding, role: Role, lane: Lane, now: int) -> None:
    if seen.role is not role:
        raise Refused("OFFER_MIRROR", f"the {seen.role}'s leg stands where the {role}'s should", where="role")
    check_mirror(agreed, seen.terms, lane.bounds)
    finality = lane.bounds.finality_initiator if role is Role.INITIATOR else lane.bounds.finality_responder
    if now - seen.at < finality:
        raise Refused("NOT_FINAL", f"the {role}'s leg is {now - seen.at} of {finality} seconds old")


def _check_same(agreed: Leg, seen: Leg, role: Role, field: str) -> None:
    if getattr(seen, field) != getattr(agreed, field):
        raise Refused("OFFER_MIRROR", f"the {role}'s {field} is another than agreed", where=f"{role}.{field}")
