"""One lot of tea in a temporary ledger: four filmed steps, EPCIS events, papers, a cosigned log. All of it made up."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

from ledger.canonical import JsonValue
from ledger.capture.camera import Camera, Shot
from ledger.capture.scene import encode_scene
from ledger.capture.segments import CutSegment, Recording, read_recording
from ledger.capture.spool import Spool
from ledger.checkpoint import Cosigner, add_cosignatures, cosign
from ledger.epcis import build
from ledger.evidence import Device, SignedEvidence, SoftwareKey
from ledger.gs1 import Identifier, check_digit, from_ais, goods_key, lot, unit
from ledger.intake.receive import receive_segment
from ledger.segment_body import SegmentBody, write_segment_body
from ledger.store import Cosigners, Ledger, LoanDocument, Name, ReceiptDocument
from tests.ledger.chain_tale import ESTATE, LENDER, NOTARIES, Tale, named

NOW = datetime(2026, 9, 21, 8, 0, tzinfo=UTC)
ORIGIN = "tea.example/log"
TEA_GTIN = "0952000000101" + check_digit("0952000000101")
LEAF_GTIN = "0952000000102" + check_digit("0952000000102")
TEA, LEAVES = lot(TEA_GTIN, "T2609"), lot(LEAF_GTIN, "L2609")
UNITS = tuple(unit(TEA_GTIN, f"{serial:06d}") for serial in (1, 2, 3))
CASE = from_ais([("00", "09520000000000001" + check_digit("09520000000000001"))])
GARDEN = from_ais([("414", "952000000201" + check_digit("952000000201"))])
WORKSHOP = from_ais([("414", "952000000202" + check_digit("952000000202"))])
TEA_KEY = goods_key(TEA)
STEPS = (("picking", GARDEN, 30), ("pan-firing", WORKSHOP, 24), ("processing", WORKSHOP, 20), ("packing", WORKSHOP, 4))
STEP_NAMES = tuple(step for step, _, _ in STEPS)
NOTARY_KEYS = tuple(Cosigner(f"notary-{number}.example", bytes([number]) * 32) for number in (1, 2, 3, 4))
COSIGNERS = Cosigners(tuple(notary.key for notary in NOTARY_KEYS), 3)
CAMERA_KEY = SoftwareKey(bytes([42]) * 32)
CAMERA = Device(
    "urn:example:camera-3", CAMERA_KEY.public_key, "Camera 3", NOW - timedelta(days=30), NOW + timedelta(days=300)
)


class Direct:
    """An intake that is the ledger itself, without HTTP."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def submit(self, evidence: SignedEvidence, init: bytes, media: bytes) -> None:
        receive_segment(
            write_segment_body(SegmentBody(evidence, init, media)),
            book=self._ledger.evidence,
            media=self._ledger.media,
            received_at=NOW,
        )

    def state(self, evidence: SignedEvidence) -> None:
        raise AssertionError("a recording holds nothing but segments")


def open_ledger(folder: Path) -> Ledger:
    """An empty ledger whose clock stands at `NOW`."""
    ledger = Ledger.open(folder, origin=ORIGIN, cosigners=COSIGNERS, clock=lambda: NOW)
    ledger.chain_names = {ESTATE: "estate", LENDER: "lender", NOTARIES: "notaries"}
    return ledger


def film(ledger: Ledger, spool: Path, steps: Sequence[str] = STEP_NAMES) -> None:
    """Film the given steps of the lot with the one camera."""
    ledger.evidence.enrol(CAMERA)
    with Spool(spool) as held:
        camera = Camera(CAMERA, CAMERA_KEY, spool=held, intake=Direct(ledger), clock=lambda: NOW)
        for step, place, hours in STEPS:
            if step in steps:
                shot = Shot(f"{step}-1", NOW - timedelta(hours=hours), place.normal, TEA.normal, step)
                camera.film(footage(step), shot)


def footage(step: str, seconds: float = 4.0) -> Recording:
    """A short synthetic recording in segments of two seconds; they can be read once."""
    recording, segments = _filmed(step, seconds)
    return replace(recording, segments=iter(segments))


@cache
def _filmed(step: str, seconds: float) -> tuple[Recording, tuple[CutSegment, ...]]:
    """Encoded once for all tests of a process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.mp4"
        encode_scene(path, caption=step.upper(), started_at=NOW, seconds=seconds, width=320, height=180)
        with read_recording(path, target_seconds=2) as recording:
            return recording, tuple(recording.segments)


def document() -> bytes:
    """The EPCIS document of the lot."""
    leaves, tea = build.Amount(LEAVES, Decimal(500), "KGM"), build.Amount(TEA, Decimal(120), "KGM")
    listed: list[dict[str, JsonValue]] = [
        build.lot_creation(_at(30, GARDEN), made=leaves),
        build.transformation(_at(19, WORKSHOP), inputs=[leaves], outputs=[tea]),
        build.commissioning(_at(5, WORKSHOP), units=UNITS, lot=TEA),
        build.packing(_at(4, WORKSHOP), parent=CASE, children=UNITS),
    ]
    return build.document(listed, created_at=NOW)


def name_things(ledger: Ledger) -> None:
    """Enter the lot and its places by name."""
    ledger.papers.register_lot(TEA, name=Name("Spring green tea, 100 g", "明前绿茶 100 克"), steps=STEP_NAMES)
    ledger.papers.register_place(GARDEN, name=Name("Tea garden, east slope", "东坡茶园"))
    ledger.papers.register_place(WORKSHOP, name=Name("Tea workshop", "制茶工坊"))


def cosign_log(ledger: Ledger, notaries: int = 4) -> None:
    """Have so many notaries cosign the log as it is, and publish that."""
    note = ledger.log.make_checkpoint()
    time = int(NOW.timestamp())
    lines = [cosign(note, log_key=ledger.log.key, cosigner=key, time=time) for key in NOTARY_KEYS[:notaries]]
    ledger.log.store_cosigned(add_cosignatures(note, lines))


def pledge_things(ledger: Ledger, tale: Tale) -> None:
    """Loan A is active on the tea, loan B was refused for the same goods, loan C has just opened."""
    for number, keeper in (("WR-2026-0117", "Warehouse one"), ("WR-2026-0342", "Warehouse two")):
        ledger.papers.register_receipt_document(
            ReceiptDocument(named(number), number, keeper, TEA_KEY, Decimal(120), "KGM")
        )
        tale.issue(number, TEA_KEY)
    for number, lender, receipt, amount in (
        ("LN-A-0091", "Lender A", "WR-2026-0117", "180000.00"),
        ("LN-B-0415", "Lender B", "WR-2026-0342", "165000.50"),
    ):
        ledger.papers.register_loan_document(
            LoanDocument(named(number), number, lender, named(receipt), Decimal(amount), "CNY")
        )
        tale.consent(receipt, number)
    tale.open_loan("LN-A-0091", "WR-2026-0117", TEA_KEY)
    tale.secure_goods("LN-A-0091", TEA_KEY)
    tale.secure_receipt("LN-A-0091", "WR-2026-0117")
    tale.activate("LN-A-0091")
    tale.open_loan("LN-B-0415", "WR-2026-0342", TEA_KEY)
    tale.secure_goods("LN-B-0415", TEA_KEY, taken=True)
    tale.secure_receipt("LN-B-0415", "WR-2026-0342")
    tale.refuse("LN-B-0415", "WR-2026-0342", TEA_KEY)
    tale.release_receipt("LN-B-0415", "WR-2026-0342")
    tale.open_loan("LN-C-0007", "WR-2026-0999", named("other goods"))


def whole_story(folder: Path) -> Ledger:
    """Everything above in one ledger, with the log anchored and mirrored."""
    ledger = open_ledger(folder / "ledger")
    film(ledger, folder / "spool")
    ledger.events.capture_document(document(), NOW)
    name_things(ledger)
    cosign_log(ledger)
    tale = Tale()
    pledge_things(ledger, tale)
    tale.anchor(ledger.log.size, ledger.log.root())
    tale.mirror(ORIGIN, ledger.log.size, ledger.log.root())
    tale.fold_into(ledger.chains)
    return ledger


def _at(hours: int, place: Identifier) -> build.Happening:
    return build.Happening(NOW - timedelta(hours=hours), place, place)
