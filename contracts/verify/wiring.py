"""Whether what is connected is what the manifest connects: gateway, administration, peers, observers, applications."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

from contracts.binding import Contract, has_event
from contracts.compiler import artifact
from contracts.manifest import Role
from contracts.verify.findings import ORDER, Comparison
from contracts.verify.sight import Sight

NOBODY = bytes(20)
CLOSE = "Ask the owner why; until then treat what it admits as part of the deployment."


def check_gateway(sight: Sight, sound: frozenset[Contract]) -> Comparison:
    """Who administers, with which delay, whether the set-up is over, and every peer and observer there ever was."""
    kept, chain = Comparison(sight.where, "gateway"), sight.chain
    gateway, administration = chain.contract("Gateway"), chain.contract("Administration")
    if not {gateway, administration} <= sound:
        return kept
    attached = sight.read(administration, "gateway")
    kept.equal("ADMINISTRATION", "the gateway it administers", stated=gateway.address, found=attached)
    told = sight.read(chain.contract("Committee"), "gateway")
    kept.equal("COMMITTEE_GATEWAY", "the gateway that the committee tells", stated=gateway.address, found=told)
    is_sealed = sight.read(administration, "is_sealed")
    kept.hold("UNSEALED", "the deployer can still add peers and observers", holds=is_sealed is True)
    delay, stated = sight.read(administration, "order_delay"), sight.manifest.rotation.delay
    kept.equal("ORDER_DELAY", "the delay of the administration's orders", stated=stated, found=delay)
    _check_peers(sight, kept)
    _check_observers(sight, kept)
    return kept


def _check_peers(sight: Sight, kept: Comparison) -> None:
    gateway, administration = sight.chain.contract("Gateway"), sight.chain.contract("Administration")
    ends = {chain_id: end for chain_id, end in sight.manifest.ends.items() if chain_id != sight.chain.chain_id}
    named = {log.fields["chain_id"] for log in sight.logs(administration, "PeerRegistered")}
    for stranger in sorted(named - set(ends)):
        kept.hold("PEER_UNKNOWN", f"a peer of chain id {stranger} that the manifest does not name", holds=False)
    for chain_id, end in ends.items():
        found = sight.read(gateway, "peers", chain_id)
        kept.equal("PEER_DIFFERS", f"the peer of chain id {chain_id}", stated=astuple(end), found=tuple(found))
    count = sight.read(administration, "peer_count")
    kept.equal("PEER_COUNT", "the number of peers", stated=len(ends), found=count)


def _check_observers(sight: Sight, kept: Comparison) -> None:
    gateway, administration = sight.chain.contract("Gateway"), sight.chain.contract("Administration")
    stated = {(each.origin, each.policy.value): each.observer for each in sight.chain.observers}
    logs = sight.logs(administration, "ObserverRegistered")
    named = {(log.fields["chain_id"], log.fields["policy"]) for log in logs}
    for origin, policy in sorted(named | set(stated)):
        what = f"the observer of chain id {origin} for policy {policy}"
        wanted = stated.get((origin, policy), NOBODY)
        found = sight.read(gateway, "observers", origin, policy)
        kept.equal("OBSERVER_DIFFERS", what, stated=wanted, found=found, cure=ORDER)


def check_applications(sight: Sight, sound: frozenset[Contract]) -> Comparison:
    """Whose each application is, whom it listens to, what it anchors, and which chains the registry records."""
    kept, chain = Comparison(sight.where, "applications"), sight.chain
    for name in chain.contracts:
        if chain.contract(name) not in sound:
            continue
        functions = {entry.get("name") for entry in artifact(name).abi}
        if "owner" in functions:
            found = sight.read(chain.contract(name), "owner")
            kept.equal("OWNER", f"the owner of {name}", stated=chain.owners.get(name, NOBODY), found=found)
        if has_event(name, "SenderAdmitted"):
            _check_senders(sight, kept, name)
        if name == "AnchorRegistry":
            anchorer = sight.read(chain.contract(name), "ANCHORER")
            kept.equal("ANCHORER", "the account that anchors", stated=sight.manifest.anchorer, found=anchorer)
        if name == "TransactionRegistry":
            _check_registry(sight, kept)
    for name in set(chain.owners) - set(chain.contracts):
        kept.hold("OWNER", f"{name} has an owner in the manifest and no address", holds=False)
    return kept


def _check_senders(sight: Sight, kept: Comparison, name: str) -> None:
    """An application listens to the senders of its lanes, and to nobody else: none was ever admitted beside them."""
    contract = sight.chain.contract(name)
    stated = {(lane.origin, lane.sender) for lane in sight.chain.lanes if lane.recipient == contract.address}
    admitted: set[Any] = {
        (log.fields["chain_id"], log.fields["sender"]) for log in sight.logs(contract, "SenderAdmitted")
    }
    for origin, sender in sorted(admitted - stated):
        what = f"{name} listens to 0x{sender.hex()} of chain id {origin}, to whom the manifest opens no lane"
        kept.hold("SENDER_UNKNOWN", what, holds=False, cure=CLOSE)
    for origin, sender in sorted(stated):
        what = f"{name} does not listen to 0x{sender.hex()} of chain id {origin}"
        kept.hold("SENDER_MISSING", what, holds=(origin, sender) in admitted)


def _check_registry(sight: Sight, kept: Comparison) -> None:
    """The chains whose transactions are recorded: those of the manifest, and no more of them."""
    registry = sight.chain.contract("TransactionRegistry")
    kept.hold("UNSEALED", "the registry's owner can still add chains", holds=sight.read(registry, "is_sealed") is True)
    delay = sight.read(registry, "order_delay")
    stated = sight.manifest.rotation.delay
    kept.equal("ORDER_DELAY", "the delay of the registry's orders", stated=stated, found=delay)
    for chain_id, end in sight.manifest.ends.items():
        found = tuple(sight.read(registry, "chains", chain_id))
        kept.equal("CHAIN_RECORDED", f"chain id {chain_id} at the registry", stated=astuple(end), found=found)
    # Registering a chain leaves no log: their number has no getter either, and is read where it is stored.
    count = sight.slot(registry.address, artifact("TransactionRegistry").slots["chain_count"])
    kept.equal("CHAIN_COUNT", "the number of chains recorded", stated=len(Role), found=count)
