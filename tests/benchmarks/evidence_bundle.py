"""What verifying a bundle costs beside the signature checks that no verifier can do without."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

from ledger import ed25519
from ledger.attestation import attestation_digest, verdict_digest
from ledger.bundle import verify
from ledger.bundle.format import load
from ledger.canonical import domain_separated
from ledger.evidence import EVIDENCE_DOMAIN, read_envelope
from ledger.merkle import leaf_hash
from ledger.note import read_note
from ledger.quorum import check_signatures
from tests.benchmarks.relay_figures import Figure
from tests.ledger.bundle.estate import (
    CAMERA,
    CAMERA_KEY,
    DRONE,
    DRONE_KEY,
    LEAVES,
    LOG,
    TEA,
    TRUST_ROOT,
    UNIT,
    Estate,
    evidence_entries,
    film,
)

ROUNDS, RUNS = 9, 20
SEGMENTS = 30  # of each recording


def bundles() -> Sequence[Figure]:
    """Bundles verified a second, against the signatures alone: devices', log's, cosigners' and notaries'."""
    estate = Estate().with_entries()
    rest = [entry for entry in estate.entries if entry[0] != EVIDENCE_DOMAIN]
    filmed = film(CAMERA, CAMERA_KEY, [("firing/1", TEA.normal, SEGMENTS), ("packing/1", UNIT.normal, SEGMENTS)])
    drone = film(DRONE, DRONE_KEY, [("picking/1", LEAVES.normal, SEGMENTS)], first=17)
    estate.entries = [*rest[:3], *evidence_entries(drone), *evidence_entries(filmed), *rest[3:]]
    raw = estate.build()
    checks = _signature_checks(raw)
    whole, alone = list[float](), list[float]()
    for _ in range(ROUNDS):
        whole.append(_rate(partial(verify, raw, trust_root=TRUST_ROOT)))
        alone.append(_rate(lambda: [check() for check in checks]))
    what = f"verify a bundle of {3 * SEGMENTS} segments (its {len(checks)} signature checks alone)"
    return [Figure.against(what, statistics.median(whole), "bundles/s", statistics.median(alone))]


def _signature_checks(raw: bytes) -> list[Callable[[], object]]:
    """Every signature of a bundle as a check of its own, with what it is over made before the clock starts."""
    bundle = load(raw)
    checks: list[Callable[[], object]] = []
    keys = {CAMERA.id: CAMERA.public_key, DRONE.id: DRONE.public_key}
    for found in bundle.objects:
        if found.domain == EVIDENCE_DOMAIN:
            signed = read_envelope(found.canonical)
            key = keys[CAMERA.id if b'"camera-1"' in found.canonical else DRONE.id]
            message = domain_separated(EVIDENCE_DOMAIN, signed.statement_bytes)
            checks.append(partial(ed25519.verify, key, message, signed.signature))
    note = read_note(bundle.note)
    cosigners = {cosigner.name: cosigner.public_key for cosigner in TRUST_ROOT.pinned.cosigners}
    for line in note.lines:
        if line.name == LOG.name:
            checks.append(partial(ed25519.verify, LOG.key.public_key, note.text, line.signature))
        else:
            said = f"cosignature/v1\ntime {int.from_bytes(line.signature[:8], 'big')}\n".encode() + note.text
            checks.append(partial(ed25519.verify, cosigners[line.name], said, line.signature[8:]))
    members, needed = TRUST_ROOT.pinned.committee.members, TRUST_ROOT.pinned.committee.quorum
    end = TRUST_ROOT.destination
    alone = leaf_hash(bundle.judged.verdict.id)  # the estate certifies the anchor's message alone
    attested = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=alone, epoch=1)
    judged = verdict_digest(
        chain_id=TRUST_ROOT.transaction.chain_id,
        registry=TRUST_ROOT.transaction_registry,
        verdict=bundle.judged.verdict,
    )
    for digest, packed in ((attested, bundle.attested.signatures), (judged, bundle.judged.signatures)):
        checks.append(partial(check_signatures, members, digest, packed, needed=needed))
    return checks


def _rate(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    for _ in range(RUNS):
        work()
    return RUNS / (time.perf_counter() - begin)
