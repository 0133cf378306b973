"""Whether the lanes into a chain are those of the manifest, as they are now, and no others were ever opened."""

from __future__ import annotations

from dataclasses import astuple

from contracts.binding import Contract
from contracts.manifest import Lane, Limits, Policy
from contracts.verify.findings import ORDER, Comparison
from contracts.verify.sight import Sight
from ledger.proposal import lane_id

UNITS = 112  # bits of each bound in a limits' word, from the lowest: a message, a window; then the window's seconds
OUTBOUND_PAUSE = 96  # bits below the pause in an outbound lane's word


def check_lanes(sight: Sight, sound: frozenset[Contract]) -> Comparison:
    """Every lane of the manifest, every lane in the logs, and the pauses of what leaves this chain."""
    kept, chain = Comparison(sight.where, "lanes"), sight.chain
    gateway, administration = chain.contract("Gateway"), chain.contract("Administration")
    if not {gateway, administration} <= sound:
        return kept
    stated = {_id(sight, lane): lane for lane in chain.lanes}
    for log in sight.logs(administration, "LaneOpened"):
        opened = log.fields
        what = f"a lane of generation {opened['generation']} from 0x{opened['sender'].hex()} of chain id "
        what += f"{opened['origin_chain']} to 0x{opened['recipient'].hex()}, which the manifest does not name"
        kept.hold("LANE_UNKNOWN", what, holds=opened["lane"] in stated, cure=ORDER)
    for lane, planned in stated.items():
        _check_lane(sight, kept, lane, planned)
    _look_for_pauses(sight, kept)
    return kept


def _check_lane(sight: Sight, kept: Comparison, lane: bytes, stated: Lane) -> None:
    gateway = sight.chain.contract("Gateway")
    name = f"the lane from 0x{stated.sender.hex()} of chain id {stated.origin} to 0x{stated.recipient.hex()}"
    generation, policy, carries_value, paused_until, _used = sight.read(gateway, "lanes", lane)
    if not kept.hold("LANE_MISSING", f"{name} is not open", holds=generation != 0):
        return
    kept.equal("LANE_GENERATION", f"{name}: generation", stated=stated.generation, found=generation, cure=ORDER)
    kept.equal("LANE_POLICY", f"{name}: policy", stated=stated.policy.name, found=_policy(policy), cure=ORDER)
    kept.equal("LANE_VALUE", f"{name}: carries value", stated=stated.carries_value, found=carries_value, cure=ORDER)
    _, limits, _ = sight.read(gateway, "words", lane)
    found = _limits(limits)
    wanted = None if stated.limits is None else astuple(stated.limits)
    kept.equal(
        "LANE_LIMITS", f"{name}: limits", stated=wanted, found=None if found is None else astuple(found), cure=ORDER
    )
    if paused_until > sight.timestamp:
        kept.note("LANE_PAUSED", f"{name} is paused until {paused_until}", "Wait, or ask the members why.")


def _look_for_pauses(sight: Sight, kept: Comparison) -> None:
    """Lanes out of this chain are the other chains' in the manifest; here only a pause of theirs can stand."""
    here, gateway = sight.chain, sight.chain.contract("Gateway")
    for other in sight.manifest.chains:
        for lane in other.lanes:
            if lane.origin != here.chain_id:
                continue
            name = lane_id(here.end, other.end, lane.sender, lane.recipient)
            _, _, outbound = sight.read(gateway, "words", name)
            generation, paused_until = (outbound & (2**32 - 1)) + 1, (outbound >> OUTBOUND_PAUSE) & (2**40 - 1)
            what = f"the lane to 0x{lane.recipient.hex()} on {other.name}: generation as it leaves"
            kept.equal("LANE_GENERATION", what, stated=lane.generation, found=generation, cure=ORDER)
            if paused_until > sight.timestamp:
                what = f"the lane to 0x{lane.recipient.hex()} on {other.name} is paused until {paused_until}"
                kept.note("LANE_PAUSED", what, "Wait, or ask the members why.")


def _id(sight: Sight, lane: Lane) -> bytes:
    origin = sight.manifest.by_id(lane.origin)
    assert origin is not None  # a manifest with a lane from nowhere does not load
    return lane_id(origin.end, sight.chain.end, lane.sender, lane.recipient)


def _policy(number: int) -> str:
    return Policy(number).name if number in set(Policy) else f"number {number}"


def _limits(word: int) -> Limits | None:
    if word == 0:
        return None
    mask = 2**UNITS - 1
    return Limits(word & mask, (word >> UNITS) & mask, word >> (2 * UNITS))
