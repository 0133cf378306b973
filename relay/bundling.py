"""What bundles need of this deployment and of its chains: the trust root, and the way of one closed message."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from contracts.manifest import Manifest, Role
from contracts.node import Node
from ledger.bundle import Crossing, Lending, Notaries, TrustRoot, crossing_of
from ledger.checkpoint import CosignerKey, LogKey
from relay.crossing import fetch_crossing
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
    )
