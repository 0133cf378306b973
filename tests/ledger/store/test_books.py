"""Evidence, events, papers and scans: an object and its log entry together, once, or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.epcis import build
from ledger.evidence import Evidence, Judged, sign_statement
from ledger.gs1 import parse
from ledger.store import Ledger, LoanDocument, Name, ReceiptDocument, recording_key
from tests.ledger.chain_tale import named
from tests.ledger.refusals import refused
from tests.ledger.tea import (
    CAMERA,
    CAMERA_KEY,
    GARDEN,
    LEAVES,
    NOW,
    TEA,
    TEA_KEY,
    UNITS,
    document,
    film,
    open_ledger,
)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(tmp_path / "ledger")


@pytest.fixture
def filmed(ledger: Ledger, tmp_path: Path) -> Ledger:
    film(ledger, tmp_path / "spool", ["picking"])
    return ledger


def _next(ledger: Ledger, **changes: object) -> Judged:
    last = ledger.evidence.last(CAMERA.id)
    assert last is not None
    fields: dict[str, object] = {"sequence": last.statement.sequence + 1, "previous": last.digest, **changes}
    statement = replace(last.statement, **fields)  # type: ignore[arg-type]
    signed = sign_statement(statement, CAMERA_KEY)
    return Judged(Evidence(statement, signed, signed.digest), (), last.digest)


def test_evidence_and_its_entry_are_kept_as_signed(filmed: Ledger) -> None:
    segments = filmed.evidence.segments_of_lots([TEA.normal])
    assert [segment.statement.sequence for segment in segments] == [1, 2]
    for segment in segments:
        assert filmed.log.entry(segment.entry).holds(segment.signed.envelope())
        assert filmed.media.has(segment.media_cid)
        assert filmed.evidence.segment_at(segment.entry) == segment


def test_od05_the_same_evidence_twice_is_one_row_and_one_entry(filmed: Ledger) -> None:
    size, last = filmed.log.size, filmed.evidence.last(CAMERA.id)
    assert last is not None
    again = filmed.evidence.add(Judged(last, (), None), init_cid="any", received_at=NOW)
    assert (again.added, filmed.log.size) == (False, size)
    held = filmed.evidence.held(last.digest)
    assert held is not None
    assert (held.entry, held.added) == (again.entry, False)


def test_refuses_what_was_judged_before_another_statement_of_the_device_came(filmed: Ledger) -> None:
    first, second = _next(filmed), _next(filmed, step="other")
    assert filmed.evidence.add(first, init_cid="any", received_at=NOW).added
    size = filmed.log.size
    with refused("EVIDENCE_MEANWHILE"):
        filmed.evidence.add(second, init_cid="any", received_at=NOW)
    assert filmed.log.size == size
    assert filmed.evidence.add(_next(filmed), init_cid="any", received_at=NOW).added


def test_refuses_evidence_of_a_device_that_was_never_enrolled(ledger: Ledger) -> None:
    with refused("DEVICE_UNKNOWN"):
        ledger.evidence.device("urn:example:nobody")
    with refused("DEVICE_UNKNOWN"):
        ledger.evidence.revoke("urn:example:nobody", NOW)


def test_enrolling_again_changes_nothing_and_another_key_is_refused(ledger: Ledger) -> None:
    ledger.evidence.enrol(CAMERA)
    size = ledger.log.size
    ledger.evidence.enrol(CAMERA)
    with refused("DEVICE_KNOWN"):
        ledger.evidence.enrol(replace(CAMERA, public_key=bytes([9]) + CAMERA.public_key[1:]))
    assert (ledger.evidence.devices(), ledger.log.size) == ((CAMERA,), size)


def test_an_earlier_revocation_stands(ledger: Ledger) -> None:
    ledger.evidence.enrol(CAMERA)
    ledger.evidence.revoke(CAMERA.id, NOW)
    ledger.evidence.revoke(CAMERA.id, NOW + timedelta(days=1))
    assert ledger.evidence.device(CAMERA.id).revoked_at == NOW


def test_a_name_used_by_two_devices_or_two_inits_is_two_recordings(filmed: Ledger) -> None:
    last = filmed.evidence.last(CAMERA.id)
    assert last is not None
    statement = last.segment
    keys = {
        recording_key(statement),
        recording_key(replace(statement, device="urn:example:camera-4")),
        recording_key(replace(statement, media=replace(statement.media, init_sha256=bytes(32)))),
    }
    assert len(keys) == 3
    assert len(filmed.evidence.segments_of_recording(recording_key(statement))) == 2


def test_a_document_is_captured_in_its_order_and_twice_changes_nothing(ledger: Ledger) -> None:
    first = ledger.events.capture_document(document(), NOW)
    again = ledger.events.capture_document(document(), NOW)
    assert [event.entry for event in first] == [0, 1, 2, 3] == [event.entry for event in again]
    assert [event.added for event in again] == [False] * 4
    assert ledger.log.size == 4
    for event in first:
        assert ledger.log.entry(event.entry).holds(event.event.canonical())


def test_events_are_found_by_unit_lot_and_what_they_consumed(ledger: Ledger) -> None:
    ledger.events.capture_document(document(), NOW)
    for about, entries in ((UNITS[0], [2, 3]), (TEA, [1, 2]), (LEAVES, [0, 1])):
        assert [found.entry for found in ledger.events.find(about=about.normal)] == entries
    assert [found.entry for found in ledger.events.find(after_entry=0, limit=2)] == [1, 2]
    assert [found.entry for found in ledger.events.find(biz_step="packing")] == [3]


def test_refuses_a_document_whole_when_one_event_is_of_the_future(ledger: Ledger) -> None:
    with refused("EVENT_TIME_FUTURE"):
        ledger.events.capture_document(document(), NOW - timedelta(hours=10))
    assert ledger.log.size == 0
    assert len(ledger.events.capture_document(document(), NOW)) == 4


def test_refuses_another_event_under_a_known_id_and_keeps_nothing_of_its_document(ledger: Ledger) -> None:
    taken = "urn:uuid:404d95fc-9457-4a51-bd6a-0bba133845a8"
    happening = build.Happening(NOW, GARDEN, event_id=taken)
    first = build.observation(happening, things=UNITS[:1])
    ledger.events.capture_document(build.document([first], created_at=NOW), NOW)
    other = build.observation(happening, things=UNITS[1:])
    unnamed = build.observation(build.Happening(NOW, GARDEN), things=UNITS)
    with refused("EVENT_ID_TAKEN"):
        ledger.events.capture_document(build.document([unnamed, other], created_at=NOW), NOW)
    assert ledger.log.size == 1
    withdrawn: build.JsonEvent = {**first, "errorDeclaration": {"declarationTime": "2026-09-21T07:00:00.000Z"}}
    (declared,) = ledger.events.capture_document(build.document([withdrawn], created_at=NOW), NOW)
    assert (declared.entry, declared.added) == (1, True)


def test_papers_come_back_as_they_were_registered(ledger: Ledger) -> None:
    lot = ledger.papers.register_lot(TEA, name=Name("Tea", "茶"), steps=["picking", "packing"])
    receipt = ReceiptDocument(named("r"), "WR-1", "Keeper", TEA_KEY, Decimal("120.500"), "KGM")
    loan = LoanDocument(named("l"), "LN-1", "Lender", named("r"), Decimal("0.10"), "CNY")
    for _ in range(2):  # repeating is no error
        ledger.papers.register_receipt_document(receipt)
        ledger.papers.register_loan_document(loan)
        ledger.papers.register_place(GARDEN, name=Name("Garden", "茶园"))
        assert ledger.papers.register_lot(TEA, name=Name("Tea", "茶"), steps=["picking", "packing"]) == lot
    assert ledger.papers.lot(TEA_KEY) == lot
    assert ledger.papers.receipt_document(named("r")) == receipt
    assert ledger.papers.loan_document(named("l")) == loan
    assert ledger.papers.place(GARDEN) == Name("Garden", "茶园")


def test_refuses_a_paper_that_changes(ledger: Ledger) -> None:
    loan = LoanDocument(named("l"), "LN-1", "Lender", named("r"), Decimal(10), "CNY")
    ledger.papers.register_loan_document(loan)
    with refused("PAPER_KNOWN"):
        ledger.papers.register_loan_document(replace(loan, amount=Decimal(11)))
    ledger.papers.register_lot(TEA, name=Name("Tea", "茶"))
    with refused("PAPER_KNOWN"):
        ledger.papers.register_lot(TEA, name=Name("Gold", "金"))
    assert ledger.papers.loan_document(named("l")) == loan


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "Infinity", "1e99", "1" * 31])
def test_refuses_an_amount_that_is_none(ledger: Ledger, amount: str) -> None:
    with refused("PAPER_FIELD"):
        ledger.papers.register_loan_document(
            LoanDocument(named("l"), "LN-1", "Lender", named("r"), Decimal(amount), "CNY")
        )
    assert ledger.papers.loan_document(named("l")) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("currency", "yuan"), ("number", ""), ("lender", "x" * 201), ("lender", "a\nb"), ("loan_id", b"short")],
)
def test_refuses_a_loan_document_that_does_not_hold(ledger: Ledger, field: str, value: object) -> None:
    honest = LoanDocument(named("l"), "LN-1", "Lender", named("r"), Decimal(10), "CNY")
    with refused("PAPER_FIELD"):
        ledger.papers.register_loan_document(replace(honest, **{field: value}))  # type: ignore[arg-type]
    ledger.papers.register_loan_document(honest)


def test_refuses_to_register_as_a_lot_what_is_none(ledger: Ledger) -> None:
    with refused("GOODS_NOT_A_LOT"):
        ledger.papers.register_lot(parse("urn:example:pile"), name=Name("Pile", "堆"))


def test_oq01_scans_are_counted_per_unit(ledger: Ledger) -> None:
    for minute in range(3):
        ledger.scans.count(UNITS[0].normal, NOW + timedelta(minutes=minute))
    scans = ledger.scans.of(UNITS[0].normal)
    assert scans is not None
    assert (scans.times, scans.first_at, scans.last_at) == (3, NOW, NOW + timedelta(minutes=2))
    assert ledger.scans.of(UNITS[1].normal) is None
