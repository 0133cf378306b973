"""The estate after its notaries were replaced: epoch 1 carried the anchor, epoch 2 cosigned the log's later state.

Every part can be changed before the bundle is built, as in `estate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from ledger.attestation import attestation_digest, credential_of, signed, verdict_digest
from ledger.bundle import (
    CROSSING_DOMAIN,
    TRUST_ROOT_DOMAIN,
    CrossingRecord,
    Link,
    LoggedObject,
    Notaries,
    TrustRoot,
    crossing_record,
)
from ledger.canonical import entry_digest
from ledger.checkpoint import Checkpoint, Cosigner, add_cosignatures, cosign, sign_checkpoint
from ledger.ethereum.keccak import keccak256
from ledger.merkle import Tree, leaf_hash
from ledger.quorum import Certificate, Committee
from ledger.secp256k1 import SigningKey
from tests.ledger.bundle.estate import COSIGNED_AT, DAWN, LOG, TRUST_ROOT, Entry, Estate

LATER_NOTARIES = tuple(SigningKey.from_secret(bytes([number]) * 32) for number in range(11, 15))
LATER_COSIGNERS = tuple(Cosigner(f"bank-{number}.example/tea", bytes([0x70 + number]) * 32) for number in range(4))
SEALED_AT = COSIGNED_AT + 365 * 86_400

RENEWED = replace(
    TRUST_ROOT,
    dated=DAWN.date() + timedelta(days=400),
    pinned=Notaries(
        Committee(2, tuple(notary.address for notary in LATER_NOTARIES)),
        tuple(cosigner.key for cosigner in LATER_COSIGNERS),
        3,
    ),
    past=(TRUST_ROOT.pinned,),
)


@dataclass
class Rotated(Estate):
    """`Estate`, whose crossing was recorded, and whose log went on and was cosigned by the later notaries.

    `record`: what to change in the crossing's record. `sealers`: who cosigns the later checkpoint. `renewed`: the trust
    root that the bundle carries. `inserted`: entries between the anchored checkpoint and the record.
    """

    renewed: TrustRoot = RENEWED
    record: dict[str, Any] = field(default_factory=dict)
    sealers: Sequence[Cosigner] = LATER_COSIGNERS[:3]
    inserted: list[Entry] = field(default_factory=list)

    def parts(self) -> dict[str, Any]:
        """As `Estate.parts`, with everything proven in the later tree."""
        parts = super().parts()
        anchored: Tree = self.tree
        later = [
            *self.inserted,
            (CROSSING_DOMAIN, replace(self._record(parts), **self.record).dump()),
            (TRUST_ROOT_DOMAIN, self.renewed.dump()),
        ]
        salts = [keccak256(b"later" + bytes([number])) for number in range(len(later))]
        grown = Tree(anchored.leaf(index) for index in range(len(anchored)))
        for salt, (domain, canonical) in zip(salts, later, strict=True):
            grown.append(leaf_hash(entry_digest(domain, salt, canonical)))
        grown.append(leaf_hash(b"somebody else's"))
        found = [each for each in parts["objects"] if each.domain != TRUST_ROOT_DOMAIN]
        found += [
            LoggedObject(domain, salt, canonical, len(anchored) + number, ())
            for number, (salt, (domain, canonical)) in enumerate(zip(salts, later, strict=True))
        ]
        parts["objects"] = [replace(each, path=tuple(grown.inclusion_proof(each.index))) for each in found]
        parts["trust_root"] = self.renewed
        parts["link"] = Link(self._seal(grown), tuple(grown.consistency_proof(len(anchored))))
        return parts

    def _record(self, parts: dict[str, Any]) -> CrossingRecord:
        certificate: Certificate = parts["certificate"]
        end = TRUST_ROOT.destination
        attested = attestation_digest(
            chain_id=end.chain_id, gateway=end.gateway, root=certificate.root, epoch=certificate.epoch
        )
        judged = verdict_digest(chain_id=7103, registry=TRUST_ROOT.transaction_registry, verdict=parts["verdict"])
        credential = credential_of(signed(attested, certificate.signatures), signed(judged, parts["signatures"]))
        return crossing_record(note=parts["note"], cosigned_in=1, credential=credential)

    def _seal(self, grown: Tree) -> bytes:
        note = sign_checkpoint(Checkpoint(self.log.name, len(grown), grown.root()), self.log)
        lines = [
            cosign(note, log_key=LOG.key, cosigner=sealer, time=SEALED_AT + number)
            for number, sealer in enumerate(self.sealers)
        ]
        return add_cosignatures(note, lines)
