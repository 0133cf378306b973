"""A small estate in memory that really signs: devices, log, cosigners, notaries, and the two blocks an anchor crosses.

Every part can be changed before the bundle is built, so that a refusal test forges one thing and signs the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from eth_abi.abi import encode as abi_encode

from ledger import interoperable
from ledger.attestation import (
    SAME,
    Verdict,
    attestation_digest,
    credential_of,
    log_place,
    signed,
    verdict_digest,
    word,
)
from ledger.bundle import (
    DEVICE_DOMAIN,
    TRUST_ROOT_DOMAIN,
    Attested,
    BlockLog,
    Bundle,
    GoodsSubject,
    Judged,
    LoggedObject,
    Notaries,
    TrustRoot,
    assemble,
    dump,
    write_enrolment,
)
from ledger.bundle.assemble import sided_path
from ledger.bundle.crossing import MESSAGE_COMMITTED, MIRRORED, anchor_payload
from ledger.canonical import entry_digest
from ledger.checkpoint import (
    Checkpoint,
    Cosigner,
    LogSigner,
    add_cosignatures,
    cosign,
    sign_checkpoint,
)
from ledger.cid import cid_of
from ledger.epcis import EVENT_DOMAIN, read_document
from ledger.epcis.build import (
    Amount,
    Happening,
    JsonEvent,
    commissioning,
    document,
    lot_creation,
    packing,
    transformation,
)
from ledger.ethereum.header import Header
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.trie import ordered_proof, ordered_root
from ledger.ethereum.tx_receipt import DYNAMIC_FEE, Log, TxReceipt, bloom_of
from ledger.evidence import (
    EVIDENCE_DOMAIN,
    NO_PREVIOUS,
    Device,
    Media,
    SegmentStatement,
    SignedEvidence,
    SoftwareKey,
    sign_statement,
)
from ledger.gs1 import from_ais, lot, unit
from ledger.merkle import Tree, leaf_hash, verify_inclusion
from ledger.proposal import MESSAGE_SENT, Chain, Kind, Message
from ledger.quorum import Certificate, Committee, pack
from ledger.secp256k1 import SigningKey

GTIN = "06901234567892"
UNIT = unit(GTIN, "0001")
SIBLING = unit(GTIN, "0002")
LEAVES = lot(GTIN, "LEAVES-1")
TEA = lot(GTIN, "TEA-1")
CASE = from_ais([("00", "069012345678900002")])
FARM = from_ais([("414", "6901234000016")])
DAWN = datetime(2026, 4, 2, 6, tzinfo=UTC)
COSIGNED_AT = int(DAWN.timestamp()) + 86_400

NOTARIES = tuple(SigningKey.from_secret(bytes([number]) * 32) for number in range(1, 5))
COSIGNERS = tuple(Cosigner(f"notary-{number}.example/tea", bytes([0x40 + number]) * 32) for number in range(4))
LOG = LogSigner("log.example/tea", bytes([0x31]) * 32)
CAMERA_KEY, DRONE_KEY = SoftwareKey(bytes([0x51]) * 32), SoftwareKey(bytes([0x52]) * 32)


def address(number: int) -> bytes:
    """A contract's address that is nobody's key."""
    return bytes([number]) * 20


TRUST_ROOT = TrustRoot(
    dated=DAWN.date(),
    log=LOG.key,
    pinned=Notaries(
        Committee(1, tuple(notary.address for notary in NOTARIES)), tuple(cosigner.key for cosigner in COSIGNERS), 3
    ),
    past=(),
    origin=Chain(7101, bytes([0xA1]) * 32, address(0xA1)),
    destination=Chain(7102, bytes([0xA2]) * 32, address(0xA2)),
    transaction=Chain(7103, bytes([0xA3]) * 32, address(0xA3)),
    anchor_registry=address(0xB1),
    anchor_mirror=address(0xB2),
    transaction_registry=address(0xB3),
)


def device(name: str, key: SoftwareKey) -> Device:
    """An enrolled device."""
    return Device(name, key.public_key, "Fixed camera", DAWN - timedelta(days=9), DAWN + timedelta(days=900))


CAMERA, DRONE = device("camera-1", CAMERA_KEY), device("drone-1", DRONE_KEY)


def film(
    camera: Device,
    key: SoftwareKey,
    recordings: Sequence[tuple[str, str, int]],
    *,
    first: int = 1,
    start: datetime = DAWN,
) -> list[SignedEvidence]:
    """Two-second segments, chained: (recording, lot, how many) after another, from number `first` on."""
    signed: list[SignedEvidence] = []
    previous = NO_PREVIOUS if first == 1 else bytes([0x77]) * 32
    for recording, filmed, count in recordings:
        for _ in range(count):
            number = first + len(signed)
            content = f"{camera.id} {number}".encode()
            begins = start + timedelta(seconds=2 * number)
            statement = SegmentStatement(
                device=camera.id,
                sequence=number,
                previous=previous,
                recorded_from=begins,
                recorded_until=begins + timedelta(seconds=2),
                place="urn:example:hall",
                lot=filmed,
                step=recording.partition("/")[0],
                recording=recording,
                media=Media(
                    bytes(32), keccak256(content), 100, cid_of(content), "avc1.64001f", 640, 360, 2000, (bytes(32),)
                ),
            )
            signed.append(sign_statement(statement, key))
            previous = signed[-1].digest
    return signed


def story() -> list[JsonEvent]:
    """Leaves are picked, made into a tea lot, packed as units, and put into a case."""

    def at(hours: int) -> Happening:
        return Happening(DAWN + timedelta(hours=hours), FARM)

    return [
        lot_creation(at(0), made=Amount(LEAVES, Decimal(120), "KGM")),
        transformation(at(2), inputs=[Amount(LEAVES, Decimal(120), "KGM")], outputs=[Amount(TEA, Decimal(30), "KGM")]),
        commissioning(at(4), units=[UNIT, SIBLING], lot=TEA),
        packing(at(5), parent=CASE, children=[UNIT, SIBLING]),
    ]


def events(story: Sequence[JsonEvent]) -> list[bytes]:
    """The events' canonical bytes."""
    return [event.canonical() for event in read_document(document(story, created_at=DAWN)).events]


Entry = tuple[str, bytes]


@dataclass
class Estate:
    """Everything a bundle is made of, unsigned until `build`. Change a field, then build."""

    subject: Any = UNIT
    trust_root: TrustRoot = TRUST_ROOT
    entries: list[Entry] = field(default_factory=list)
    strangers: int = 3  # entries of other people after ours
    log: LogSigner = LOG
    cosigners: Sequence[Cosigner] = COSIGNERS[:3]
    notaries: Sequence[int] = (0, 1, 3)
    attesting: Sequence[int] = (0, 1, 2)
    anchored: Callable[[Checkpoint], bytes] = anchor_payload
    message: dict[str, Any] = field(default_factory=dict)
    verdict: dict[str, Any] = field(default_factory=dict)
    gateways: tuple[bytes, bytes] = (TRUST_ROOT.origin.gateway, TRUST_ROOT.destination.gateway)
    commit: dict[str, Any] = field(default_factory=dict)
    certified_with: int = 0  # other messages under the certificate's root
    tree: Tree = field(default_factory=Tree)  # of the log, once built

    def with_entries(self) -> Estate:
        """The honest content: trust root, two devices, nine segments, four events."""
        self.entries = [
            (TRUST_ROOT_DOMAIN, self.trust_root.dump()),
            (DEVICE_DOMAIN, write_enrolment(CAMERA)),
            (DEVICE_DOMAIN, write_enrolment(DRONE)),
            *evidence_entries(film(DRONE, DRONE_KEY, [("picking/1", LEAVES.normal, 3)], first=17)),
            *evidence_entries(film(CAMERA, CAMERA_KEY, [("firing/1", TEA.normal, 3), ("packing/1", UNIT.normal, 3)])),
            *((EVENT_DOMAIN, canonical) for canonical in events(story())),
        ]
        return self

    def parts(self) -> dict[str, Any]:
        """Sign everything; the arguments of `assemble`."""
        objects, checkpoint = self._log()
        said = {"subject": GoodsSubject(self.subject), "trust_root": self.trust_root, "objects": objects}
        return {**said, "note": self._note(checkpoint), **self.cross(checkpoint)}

    def cross(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """The anchor's way between the chains, as arguments of `assemble`."""
        return self.carry(self._message(checkpoint), self.anchored(checkpoint))

    def carry(self, message: Message, payload: bytes) -> dict[str, Any]:
        """A message's way between the chains."""
        sent = _block(41, self._sent_log(message, payload))
        committed = _block(57, self._committed_log(message))
        verdict = self._judge(message, sent, committed)
        return {
            "sent": sent,
            "certificate": self._certificate(message),
            "committed": committed,
            "verdict": verdict,
            "signatures": self._sign_verdict(verdict),
        }

    def build(self) -> bytes:
        """The bundle's file as `assemble` makes it, which refuses what `verify` would refuse."""
        return assemble(**self.parts())

    def forge(self, change: Callable[[Bundle], Bundle] = lambda bundle: bundle) -> bytes:
        """The file of a bundle that nobody verified, `change`d at will and sealed again."""
        parts = self.parts()
        certificate: Certificate = parts["certificate"]
        digest = verdict_digest(chain_id=7103, registry=address(0xB3), verdict=parts["verdict"])
        end = TRUST_ROOT.destination
        attested = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=certificate.root, epoch=1)
        credential = credential_of(signed(attested, certificate.signatures), signed(digest, parts["signatures"]))
        bundle = Bundle(
            subject=self.subject.normal,
            objects=tuple(parts["objects"]),
            note=parts["note"],
            link=parts.get("link"),
            sent=parts["sent"],
            attested=Attested(
                certificate.epoch,
                sided_path(certificate.index, certificate.size, certificate.proof),
                certificate.signatures,
            ),
            committed=parts["committed"],
            judged=Judged(parts["verdict"], parts["signatures"], credential),
        )
        return dump(change(bundle))

    def _log(self) -> tuple[list[LoggedObject], Checkpoint]:
        salts = [keccak256(b"salt" + bytes([index])) for index in range(len(self.entries))]
        leaves = [
            leaf_hash(entry_digest(domain, salt, canonical))
            for salt, (domain, canonical) in zip(salts, self.entries, strict=True)
        ]
        tree = Tree([*leaves, *(leaf_hash(bytes([number])) for number in range(self.strangers))])
        self.tree = tree
        objects = [
            LoggedObject(domain, salt, canonical, index, tuple(tree.inclusion_proof(index)))
            for index, (salt, (domain, canonical)) in enumerate(zip(salts, self.entries, strict=True))
        ]
        return objects, Checkpoint(self.log.name, len(tree), tree.root())

    def _note(self, checkpoint: Checkpoint) -> bytes:
        note = sign_checkpoint(checkpoint, self.log)
        lines = [
            cosign(note, log_key=self.log.key, cosigner=cosigner, time=COSIGNED_AT + number)
            for number, cosigner in enumerate(self.cosigners)
        ]
        return add_cosignatures(note, lines)

    def _message(self, checkpoint: Checkpoint) -> Message:
        fields: dict[str, Any] = {
            "kind": Kind.NOTICE,
            "origin": TRUST_ROOT.origin,
            "destination": TRUST_ROOT.destination,
            "generation": 1,
            "sequence": 5,
            "sender": TRUST_ROOT.anchor_registry,
            "recipient": TRUST_ROOT.anchor_mirror,
            "expiry": COSIGNED_AT + 604_800,
            "gas_limit": 400_000,
            "payload_digest": keccak256(self.anchored(checkpoint)),
        }
        return Message(**{**fields, **self.message})

    def _sent_log(self, message: Message, payload: bytes) -> Log:
        numbers = {
            "kind(uint8)": int(message.kind),
            "generation(uint32)": message.generation,
            "sequence(uint64)": message.sequence,
            "expiry(uint64)": message.expiry,
            "gasLimit(uint64)": message.gas_limit,
        }
        data = abi_encode(
            ["bytes", "bytes", "bytes", "uint256", "bytes[]"],
            [
                interoperable.encode(message.origin.chain_id, message.sender),
                interoperable.encode(message.destination.chain_id, message.recipient),
                payload,
                0,
                [keccak256(name.encode())[:4] + word(value) for name, value in numbers.items()],
            ],
        )
        return Log(self.gateways[0], (MESSAGE_SENT, message.id), data)

    def _committed_log(self, message: Message) -> Log:
        said = {"id": message.id, "executed": 1, "outcome": MIRRORED, **self.commit}
        return Log(self.gateways[1], (MESSAGE_COMMITTED, said["id"]), word(said["executed"]) + said["outcome"])

    def _certificate(self, message: Message) -> Certificate:
        tree = Tree(
            [*(leaf_hash(bytes([number]) * 32) for number in range(self.certified_with)), leaf_hash(message.id)]
        )
        end = message.destination
        digest = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=tree.root(), epoch=1)
        index, proof = self.certified_with, tree.inclusion_proof(self.certified_with)
        verify_inclusion(leaf=leaf_hash(message.id), index=index, size=len(tree), proof=proof, root=tree.root())
        signatures = pack({member: NOTARIES[member].sign(digest) for member in self.attesting})
        return Certificate(tree.root(), index, len(tree), tuple(proof), 1, signatures)

    def _judge(self, message: Message, sent: BlockLog, committed: BlockLog) -> Verdict:
        verdict = Verdict(
            id=message.id,
            epoch=1,
            origin_block=keccak256(sent.header),
            commit_block=keccak256(committed.header),
            commit_transaction=bytes([0xC7]) * 32,
            checked_from=3,
            verdict=SAME,
            executed=True,
            outcome=MIRRORED,
            policy=1,
            origin_log=log_place(sent.transaction, sent.log_index),
            commit_log=log_place(committed.transaction, committed.log_index),
        )
        return replace(verdict, **self.verdict)

    def _sign_verdict(self, verdict: Verdict) -> bytes:
        digest = verdict_digest(chain_id=7103, registry=TRUST_ROOT.transaction_registry, verdict=verdict)
        return pack({member: NOTARIES[member].sign(digest) for member in self.notaries})


def evidence_entries(signed: Sequence[SignedEvidence]) -> list[Entry]:
    """The log's entries for evidence: over the envelopes."""
    return [(EVIDENCE_DOMAIN, each.envelope()) for each in signed]


def _block(number: int, log: Log) -> BlockLog:
    """A block of four transactions whose third, after a log of somebody else, emitted `log`."""
    other = Log(address(0x0D), (keccak256(b"Other()"),), b"")
    receipts = [_receipt(21_000 * (place + 1), [other, log] if place == 2 else [other]) for place in range(4)]
    encoded = [receipt.encode() for receipt in receipts]
    header = Header(
        parent_hash=bytes([number]) * 32,
        ommers_hash=keccak256(b"\xc0"),
        beneficiary=bytes(20),
        state_root=bytes([number + 1]) * 32,
        transactions_root=bytes([number + 2]) * 32,
        receipts_root=ordered_root(encoded),
        logs_bloom=bloom_of([entry for receipt in receipts for entry in receipt.logs]),
        difficulty=0,
        number=number,
        gas_limit=30_000_000,
        gas_used=84_000,
        timestamp=COSIGNED_AT + number,
        extra_data=b"",
        prev_randao=bytes(32),
        nonce=bytes(8),
        base_fee_per_gas=7,
        withdrawals_root=bytes(32),
    )
    return BlockLog(header.rlp(), tuple(ordered_proof(encoded, 2)), 2, 1)


def _receipt(gas: int, logs: Sequence[Log]) -> TxReceipt:
    return TxReceipt(DYNAMIC_FEE, 1, gas, bloom_of(logs), tuple(logs))


def foreign_event() -> bytes:
    """An event of somebody else's lot, canonical."""
    made = Amount(lot(GTIN, "ELSEWHERE"), Decimal(1))
    return events([lot_creation(Happening(DAWN, FARM), made=made)])[0]
