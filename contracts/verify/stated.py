"""What a manifest says about each contract: where it is, what its constructor was told, what its code holds fixed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

from contracts.manifest import ChainManifest, Manifest, Observer, Policy, Role, members_of
from ledger.attestation import address_word, word
from ledger.ethereum.keccak import keccak256
from ledger.hash_lock import Lane as ValueLane
from ledger.hash_lock import Role as LockRole
from ledger.interoperable import encode
from ledger.proposal import lane_id

CREATOR = b""  # in `immutables`: the account that created the contract, whoever it is


@dataclass(frozen=True, slots=True)
class Stated:
    """A contract as the manifest states it.

    `arguments`: of the constructor by parameter; those not named may be anything. `immutables`: every one by name, as
    words.
    """

    name: str
    address: bytes
    arguments: dict[str, Any]
    immutables: dict[str, bytes]


_Said = tuple[dict[str, Any], dict[str, bytes]]
_Say = Callable[[Manifest, ChainManifest], _Said | None]  # None where the manifest leaves open what was said


def stated_contracts(manifest: Manifest, chain: ChainManifest) -> list[Stated]:
    """Every contract of a chain of which is known here what its constructor has to be told; see `unstated`."""
    stated = []
    for name, address in chain.contracts.items():
        if (said := _said(manifest, chain, name)) is not None:
            stated.append(Stated(name, address, *said))
    for observer in chain.observers:
        stated += _observing(manifest, chain, observer)
    return stated + [found for lane in manifest.value_lanes for found in _locks(chain, lane)]


def unstated(manifest: Manifest, chain: ChainManifest) -> list[str]:
    """Contracts that the manifest names and that cannot be compared, because it says nothing about their making."""
    return [name for name in chain.contracts if _said(manifest, chain, name) is None]


def _said(manifest: Manifest, chain: ChainManifest, name: str) -> _Said | None:
    return _SAID[name](manifest, chain) if name in _SAID else None


def _order(manifest: Manifest, chain: ChainManifest) -> dict[str, bytes]:
    committee = address_word(chain.contracts["Committee"])
    return {"order.ORDERS": committee, "order.DELAY": word(manifest.rotation.delay)}


def _committee(manifest: Manifest, chain: ChainManifest) -> _Said:
    terms = manifest.rotation
    arguments: dict[str, Any] = {"delay": terms.delay, "grace": terms.grace, "development": terms.development}
    # Later epochs are compared with what the contract holds now, and an incomplete set is a finding of its own.
    if manifest.committee.epoch == 1 and len(manifest.cosigners) == len(manifest.committee.members):
        arguments["members"] = [member.as_abi() for member in members_of(manifest.committee, manifest.cosigners)]
    fixed = {"GRACE": word(terms.grace), "DEVELOPMENT": word(int(terms.development)), "DEPLOYER": CREATOR}
    return arguments, _order(manifest, chain) | fixed


def _administration(manifest: Manifest, chain: ChainManifest) -> _Said:
    committee = chain.contracts["Committee"]
    fixed = {"COMMITTEE": address_word(committee), "DEPLOYER": CREATOR}
    return {"committee": committee, "delay": manifest.rotation.delay}, _order(manifest, chain) | fixed


def _gateway(_manifest: Manifest, chain: ChainManifest) -> _Said:
    committee, administration = chain.contracts["Committee"], chain.contracts["Administration"]
    arguments = {"genesis": chain.genesis, "committee": committee, "administration": administration}
    fixed = {"COMMITTEE": address_word(committee), "ADMINISTRATION": address_word(administration)}
    return arguments, fixed | {"GENESIS": chain.genesis}


def _application(_manifest: Manifest, chain: ChainManifest) -> _Said:
    gateway = chain.contracts["Gateway"]
    return {"gateway": gateway}, {"application.GATEWAY": address_word(gateway)}


def _leg(manifest: Manifest, chain: ChainManifest) -> _Said:
    """An application that takes part in two-phase commits: a leg that waits in vain is forced by an order."""
    arguments, fixed = _application(manifest, chain)
    arguments |= {"committee": chain.contracts["Committee"], "delay": manifest.rotation.delay}
    return arguments, fixed | _order(manifest, chain)


def _anchor_registry(manifest: Manifest, chain: ChainManifest) -> _Said:
    arguments, fixed = _application(manifest, chain)
    log = hashlib.sha256(manifest.log_origin.encode()).digest()
    arguments |= {"log_origin": log, "anchorer": manifest.anchorer}
    return arguments, fixed | {"LOG": log, "ANCHORER": address_word(manifest.anchorer)}


def _transaction_registry(manifest: Manifest, chain: ChainManifest) -> _Said:
    arguments, fixed = _application(manifest, chain)
    committee = chain.contracts["Committee"]
    arguments |= {"committee": committee, "delay": manifest.rotation.delay}
    return arguments, fixed | _order(manifest, chain) | {"COMMITTEE": address_word(committee)}


def _pledge_registry(manifest: Manifest, chain: ChainManifest) -> _Said:
    arguments, fixed = _application(manifest, chain)
    goods, receipts = (
        encode(manifest.chain(role).chain_id, manifest.chain(role).contracts[name])
        for role, name in ((Role.TRANSACTION, "GoodsRegistry"), (Role.ORIGIN, "WarehouseReceipt"))
    )
    arguments |= {"goods_registry": goods, "receipt_registry": receipts}
    return arguments, fixed | {"GOODS_REGISTRY": _text(goods), "RECEIPT_REGISTRY": _text(receipts)}


def _value_end(other: str) -> _Say:
    """One end of value by vouchers. Its other end is the one contract of that name on another chain of the manifest."""

    def say(manifest: Manifest, chain: ChainManifest) -> _Said | None:
        far = [each for each in manifest.chains if each is not chain and other in each.contracts]
        if len(far) != 1 or chain.role is Role.TRANSACTION:
            return None
        (there,), registry = far, manifest.chain(Role.TRANSACTION)
        own = chain.contracts["Vault" if other == "Voucher" else "Voucher"]
        peer, recorder = there.contracts[other], registry.contracts["TransactionRegistry"]
        arguments, fixed = _application(manifest, chain)
        names = ("voucher_chain", "voucher") if other == "Voucher" else ("vault_chain", "vault")
        arguments |= dict(zip(names, (there.chain_id, peer), strict=True))
        arguments |= {"registry_chain": registry.chain_id, "registry": recorder}
        return arguments, fixed | {
            "value_end.PEER_CHAIN": word(there.chain_id),
            "value_end.PEER": address_word(peer),
            "value_end.LANE": lane_id(chain.end, there.end, own, peer),
            "value_end.PEER_KEY": keccak256(encode(there.chain_id, peer)),
            "value_end.REGISTRY_KEY": keccak256(encode(registry.chain_id, recorder)),
        }

    return say


def _of_parties(_manifest: Manifest, _chain: ChainManifest) -> _Said:
    return {}, {}  # nobody administers it: who agrees to a lien names its reader


_SAID: dict[str, _Say] = {
    "Committee": _committee,
    "Administration": _administration,
    "Gateway": _gateway,
    "AnchorRegistry": _anchor_registry,
    "AnchorMirror": _application,
    "WarehouseReceipt": _leg,
    "TokenLeg": _leg,
    "GoodsRegistry": _application,
    "PledgeRegistry": _pledge_registry,
    "TransactionRegistry": _transaction_registry,
    "Coordinator": _application,
    "Vault": _value_end("Voucher"),
    "Voucher": _value_end("Vault"),
    "ConditionalLien": _of_parties,
    "ConditionalFreeze": _of_parties,
}


def _observing(manifest: Manifest, chain: ChainManifest, observer: Observer) -> list[Stated]:
    """An observer, the headers it goes by, and who reads the origin's state under them, where somebody does."""
    origin, committee = manifest.by_id(observer.origin), chain.contracts["Committee"]
    genesis = bytes(32) if origin is None else origin.genesis
    arguments = {
        "chain_id": observer.origin,
        "genesis": genesis,
        "max_drift": observer.max_drift,
        "block_period": observer.block_period,
        "committee": committee,
        "delay": manifest.rotation.delay,
    }
    fixed = _order(manifest, chain) | {
        "held_headers.CHAIN_ID": word(observer.origin),
        "held_headers.GENESIS": genesis,
        "held_headers.MAX_DRIFT": word(observer.max_drift),
        "held_headers.BLOCK_PERIOD": word(observer.block_period),
    }
    if observer.policy is Policy.RELAY:
        name = "LightClient"
        arguments |= {"header": observer.first_header, "trust_period": observer.trust_period}
        fixed["TRUST_PERIOD"] = word(observer.trust_period)
    else:
        name = "CertifiedHeaders"
        fixed["COMMITTEE"] = address_word(committee)
    seen = {"HEADERS": address_word(observer.headers), "CHAIN_ID": word(observer.origin)}
    found = [
        Stated(name, observer.headers, arguments, fixed),
        Stated("ReceiptObserver", observer.observer, {"headers": observer.headers}, seen),
    ]
    return found if observer.reader is None else [*found, _reading(origin, observer.headers, observer.reader)]


def _reading(origin: ChainManifest | None, headers: bytes, reader: bytes) -> Stated:
    """A `RemoteReader`: whether a leaf of zero means an absent one is what the foreign chain's rules say."""
    keeps = origin is not None and origin.rules.trie == "keeps_zero_leaves"
    fixed = {"HEADERS": address_word(headers), "KEEPS_ZERO_LEAVES": word(int(keeps))}
    return Stated("RemoteReader", reader, {"headers": headers, "keeps_zero_leaves": keeps}, fixed)


def _locks(chain: ChainManifest, lane: ValueLane) -> list[Stated]:
    """The locks of a value lane that stand on a chain."""
    found = []
    for role, own, mirror in (
        (LockRole.INITIATOR, lane.initiator, lane.responder),
        (LockRole.RESPONDER, lane.responder, lane.initiator),
    ):
        if own.chain_id != chain.chain_id:
            continue
        arguments = {
            "genesis": chain.genesis,
            "token": own.token,
            "mirror": astuple(mirror),
            "bounds": astuple(lane.bounds),
        }
        fixed = {
            "hash_lock.IS_INITIATOR": word(int(role is LockRole.INITIATOR)),
            "hash_lock.CHAIN_ID": word(chain.chain_id),
            "hash_lock.TOKEN": address_word(own.token),
            "hash_lock.BOUNDS": lane.bounds.words(),
            "hash_lock.MARGIN": word(lane.bounds.margin),
            "hash_lock.LANE": lane.id,
        }
        found.append(Stated(f"{role.value.capitalize()}Lock", own.lock, arguments, fixed))
    return found


def _text(value: bytes) -> bytes:
    """A short byte string as code holds it: its length, and its bytes up to a whole word."""
    return word(len(value)) + value.ljust(64, b"\x00")
