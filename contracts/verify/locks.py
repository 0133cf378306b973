"""Whether the hash locks of a chain are the pairs that the manifest names, under its bounds."""

from __future__ import annotations

from dataclasses import astuple

from contracts.binding import Contract
from contracts.verify.findings import Comparison
from contracts.verify.sight import Sight


def check_locks(sight: Sight, sound: frozenset[Contract]) -> Comparison:
    """Lane, token, bounds and genesis of each lock that stands here."""
    kept = Comparison(sight.where, "hash locks")
    for lane in sight.manifest.value_lanes:
        for name, end in (("InitiatorLock", lane.initiator), ("ResponderLock", lane.responder)):
            if end.chain_id != sight.chain.chain_id or Contract(name, end.lock) not in sound:
                continue
            contract = Contract(name, end.lock)
            kept.equal("LOCK_GENESIS", f"{name}: genesis hash", stated=sight.chain.genesis, found=end.genesis)
            kept.equal("LOCK_LANE", f"{name}: value lane", stated=lane.id, found=sight.read(contract, "LANE"))
            kept.equal("LOCK_TOKEN", f"{name}: token", stated=end.token, found=sight.read(contract, "TOKEN"))
            bounds = tuple(sight.read(contract, "bounds"))
            kept.equal("LOCK_BOUNDS", f"{name}: bounds", stated=astuple(lane.bounds), found=bounds)
    return kept
