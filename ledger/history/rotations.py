"""Which trust root a reader is given, and what leads there from one held before: the logged orders of the rotations.

Nothing is verified here for the reader, who trusts none of it: `ledger.bundle.succession` says how it is judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ledger.bundle import TRUST_ROOT_DOMAIN, TrustRoot, cosigned_in
from ledger.bundle.succession import ROTATION_DOMAIN, RotationOrder, read_rotation_order
from ledger.canonical import JsonValue
from ledger.errors import Problem
from ledger.store import Ledger

MAX_ASKED = 2  # a reader holds one from the address and one from an earlier visit


@dataclass(frozen=True, slots=True)
class Rotations:
    """What leads from the trust root `held` (its canonical bytes) to the one that is given."""

    held: bytes
    orders: tuple[RotationOrder, ...]

    def as_json(self) -> dict[str, JsonValue]:
        """`{from, orders}`."""
        return {"from": self.held.decode("utf-8"), "orders": [order.as_json() for order in self.orders]}


def trust_root_for(ledger: Ledger, note: bytes | None) -> TrustRoot | None:
    """The newest logged trust root whose notaries cosigned `note`; the newest where none did, None where there is none.

    Between a rotation and the first checkpoint of the new notaries that is still the one before.
    """
    logged = _logged(ledger)
    if len(logged) > 1 and note is not None:
        for raw in reversed(logged):
            root = _read(raw)
            if _epoch_of(note, raw) == root.pinned.epoch:
                return root
    return _read(logged[-1]) if logged else None


def rotations_to(ledger: Ledger, root: TrustRoot, fingerprints: Sequence[str]) -> tuple[Rotations, ...]:
    """For each fingerprint (32 hexadecimal digits) of an earlier logged trust root, what leads from it to `root`.

    One that is unknown, or from which an order is missing, is left out: the reader then compares the digits.
    """
    wanted = frozenset(fingerprints[:MAX_ASKED])
    if not wanted:
        return ()
    orders: dict[int, RotationOrder] = {}
    for statement in ledger.statements.of_domain(ROTATION_DOMAIN):
        order = read_rotation_order(statement.canonical)
        orders.setdefault(order.epoch, order)
    found = []
    for raw in _logged(ledger):
        held = _read(raw)
        between = range(held.pinned.epoch, root.pinned.epoch)
        if held.fingerprint.replace(" ", "") in wanted and between and all(epoch in orders for epoch in between):
            found.append(Rotations(raw, tuple(orders[epoch] for epoch in between)))
    return tuple(found)


def _logged(ledger: Ledger) -> list[bytes]:
    return [statement.canonical for statement in ledger.statements.of_domain(TRUST_ROOT_DOMAIN)]


@lru_cache(maxsize=64)
def _read(raw: bytes) -> TrustRoot:
    return TrustRoot.load(raw)


@lru_cache(maxsize=64)
def _epoch_of(note: bytes, raw: bytes) -> int | None:
    try:
        return cosigned_in(note, _read(raw))
    except Problem:
        return None
