"""A lane and a swap that suit each other; the two chains' block times are both `START`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ledger.hash_lock import Bounds, End, Funding, Lane, Leg, Role, Secret, Terms

BOUNDS = Bounds(10_000, 20_000, 7_000, 600, 900, 1_200, 30, 3, 10_000)
LANE = Lane(End(1, b"\xa1" * 32, b"\xa2" * 20, b"\xa3" * 20), End(2, b"\xb1" * 32, b"\xb2" * 20, b"\xb3" * 20), BOUNDS)
START = 1_800_000_000
ALICE, BOB, CAROL = (b"\xaa" * 20, b"\xab" * 20), (b"\xba" * 20, b"\xbb" * 20), b"\xca" * 20
SECRET = Secret(bytes(range(100, 132)))


def terms(**changed: Any) -> Terms:
    """Honest terms; `first_…` and `second_…` change a leg, the rest the terms."""
    legs = {
        "first": Leg(1_000, ALICE[0], BOB[0], START + 11_000),
        "second": Leg(5_000, BOB[1], ALICE[1], START + 7_000),
    }
    for name, leg in legs.items():
        ours = {key.removeprefix(f"{name}_"): changed.pop(key) for key in list(changed) if key.startswith(name)}
        legs[name] = replace(leg, **ours)
    return replace(Terms(SECRET.hashlock, 50, legs["first"], legs["second"]), **changed)


def funding(role: Role, at: int = START, **changed: Any) -> Funding:
    """What the role's contract says was funded."""
    return Funding(role, terms(**changed), at)
