"""What bundles need of this deployment and of its chains: the trust root, and the way of one closed message."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from contracts.manifest import Manifest, Policy, Role
from contracts.node import Node
from ledger.bundle import (
    Crossing,
    HeaderCertificate,
    Lending,
    Notaries,
    SealedHeader,
    TrustRoot,
    Validators,
    crossing_of,
)
from ledger.bundle.format import MAX_SEALED_HEADERS
from ledger.bundle.seals import CERTIFIED
from ledger.checkpoint import CosignerKey, LogKey
from ledger.errors import Problem, Refused
from ledger.ethereum.qbft import QbftHeader, read_unsealed
from ledger.headers.path import next_update
from relay.crossing import fetch_crossing, fetch_header_certificate
from relay.headers import read_header
from relay.journey import Journey


def trust_root_of(manifest: Manifest, dated: date) -> TrustRoot:
    """What a verifier has to believe about this deployment; `dated`: the day (UTC) it is made on."""
    origin, destination, transaction = (manifest.chain(role) for role in Role)
    loans, receipts = destination.contracts.get("PledgeRegistry"), origin.contracts.get("WarehouseReceipt")
    goods = transaction.contracts.get("GoodsRegistry")
    return TrustRoot(
        dated=dated,
        log=LogKey(manifest.log_origin, manifest.log_key),
        pinned=Notaries(
            manifest.committee,
            tuple(CosignerKey(cosigner.name, cosigner.public_key) for cosigner in manifest.cosigners),
            manifest.committee.quorum,
        ),
        past=(),
        origin=origin.end,
        destination=destination.end,
        transaction=transaction.end,
        anchor_registry=origin.contracts["AnchorRegistry"],
        anchor_mirror=destination.contracts["AnchorMirror"],
        transaction_registry=transaction.contracts["TransactionRegistry"],
        sealed=_validators(manifest),
        lending=None if loans is None or receipts is None or goods is None else Lending(loans, receipts, goods),
    )


def way_of(nodes: Mapping[int, Node], manifest: Manifest, root: TrustRoot, journey: Journey) -> Crossing:
    """A closed message's way as a bundle tells it; `nodes` by chain id. Errors: those of `fetch_crossing`."""
    found = fetch_crossing(nodes, manifest, journey)
    return crossing_of(
        root,
        sent=found.sent,
        certificate=found.certificate,
        committed=found.committed,
        verdict=found.verdict,
        signatures=found.signatures,
        destination=journey.proposal.message.destination,
        seals=_seals(nodes, manifest, root, journey, needed=found.verdict.policy),
        certified=_certified(nodes, manifest, root, journey, needed=found.verdict.policy),
    )


def _certified(
    nodes: Mapping[int, Node], manifest: Manifest, root: TrustRoot, journey: Journey, *, needed: int
) -> HeaderCertificate | None:
    """How the origin's header was certified, where the lane rests on that and the notaries of today did it."""
    if needed != CERTIFIED:
        return None
    found = fetch_header_certificate(nodes, manifest, journey)
    return found if found is not None and found.epoch == root.pinned.epoch else None


def _validators(manifest: Manifest) -> tuple[Validators, ...]:
    """Those with which some light client of a chain began, the earliest of each chain."""
    found: dict[int, Validators] = {}
    for chain in manifest.chains:
        for observer in chain.observers:
            if observer.policy is Policy.RELAY:
                header = read_unsealed(observer.first_header)
                made = Validators(observer.origin, header.number, header.extra.validators)
                held = found.get(observer.origin)
                found[observer.origin] = made if held is None or made.height < held.height else held
    return tuple(found[chain_id] for chain_id in sorted(found))


def _seals(
    nodes: Mapping[int, Node], manifest: Manifest, root: TrustRoot, journey: Journey, *, needed: int
) -> tuple[SealedHeader, ...]:
    """What leads from the pinned validators to the block in which a message left; nothing where none are pinned.

    Errors: SEALS_SHORT and those of `read_header`, where the lane rests on seals; else it is left out then.
    """
    pinned, block = root.validators_of(journey.origin.chain_id), journey.origin.block
    chain = manifest.by_id(journey.origin.chain_id)
    if pinned is None or chain is None or block < pinned.height:
        return ()
    node, steps = nodes[chain.chain_id], list[SealedHeader]()

    def header_at(number: int) -> QbftHeader:
        header = read_header(node, chain, number)
        if not isinstance(header, QbftHeader):
            raise Refused("SEAL_MODE", "the manifest says that this chain's headers have no seals", where=chain.caip2)
        return header

    trusted, since = pinned.members, pinned.height
    try:
        while not steps or since < block:
            if len(steps) >= MAX_SEALED_HEADERS:
                raise Refused("SEALS_SHORT", "its validators changed too often since they were pinned")
            update = next_update(header_at, trusted=trusted, since=since, target=block)
            own, since = update.header.extra.validators, update.header.number
            if own != trusted or since == block:  # the others lead nowhere
                steps.append(SealedHeader(update.header.unsealed, update.seals))
            trusted = own
    except Problem:
        if Policy(needed).needs_seals:
            raise
        return ()
    return tuple(steps)
