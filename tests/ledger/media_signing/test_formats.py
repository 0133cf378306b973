"""The records' format, byte by byte, and any bytes at all: a verdict or a typed refusal, never anything else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import BadInput
from ledger.media_signing import (
    Authenticity,
    Codec,
    MediaSigner,
    SigningPlan,
    TroubleKind,
    annex_b_units,
    length_prefixed_units,
    verify_video,
)
from ledger.media_signing.documents import General, read_document, write_general, write_tag
from ledger.media_signing.elementary import escape, escaped_length, unescape
from ledger.media_signing.records import UUID, is_record, read_record
from tests.ledger.media_signing.authority import CAMERA, TRUST
from tests.ledger.media_signing.film import BEGIN, VENDOR, film

MOMENT = datetime(2026, 3, 1, 8, tzinfo=UTC)


def _general(order: str, version: int = 2) -> bytes:
    ticks = (int((MOMENT - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()) * 10**7).to_bytes(8, "big")
    number = (7).to_bytes(4, "big")
    if order == "little":
        ticks, number = ticks[::-1], number[::-1]
    return bytes([version, 25, 12, 3, 0]) + ticks * version + number + b"\x00\x04" + bytes([1]) * 32 + bytes(32)


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("version", [1, 2])
def test_both_byte_orders_and_both_versions_are_read(order: str, version: int) -> None:
    general = read_document(write_tag(1, _general(order, version))).general
    assert general is not None and general.begins_stream
    assert (general.number, general.count, general.start, general.end) == (7, 4, MOMENT, MOMENT)


def test_what_is_written_is_read_again() -> None:
    general = General((26, 6), True, MOMENT, None, 2**32 - 1, 9, b"\x01" * 32, b"\x02" * 32)
    assert read_document(write_general(general)).general == general


def test_a_record_is_laid_out_as_the_specification_says() -> None:
    made = film(codec=Codec.H265)
    plain = unescape(made.units[made.at("S", 0)])
    assert plain[:3] == b"\x4e\x01\x05" and plain[-1] == 0x80
    size = 0
    at = 3
    while plain[at] == 255:
        at, size = at + 1, size + 255
    size += plain[at]
    assert plain[at + 1 : at + 17] == UUID and plain[at + 17] == 0 and len(plain) == at + 1 + size + 1
    record = read_record(made.units[made.at("S", 0)], Codec.H265)
    assert record.signed_bytes == plain[: len(record.signed_bytes)] and plain[len(record.signed_bytes)] == 3


@given(st.binary(max_size=60).map(lambda raw: raw.replace(b"\x41", b"\x00").replace(b"\x42", b"\x03")))
def test_emulation_prevention_is_undone_exactly(plain: bytes) -> None:
    raw = escape(plain)
    assert b"\x00\x00\x00" not in raw and b"\x00\x00\x01" not in raw
    assert unescape(raw) == plain
    for length in range(len(plain) + 1):
        assert unescape(raw[: escaped_length(raw, length)]) == plain[:length]


def test_streams_are_split_at_start_codes_of_either_length() -> None:
    units = film().units
    assert annex_b_units(b"".join(b"\x00\x00\x00\x01" + unit for unit in units)) == units
    assert annex_b_units(b"".join(b"\x00\x00\x01" + unit for unit in units)) == units
    prefixed = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
    assert length_prefixed_units([prefixed], 4) == units
    for bad in (b"", b"ID3", b"\x00\x00\x00"):
        with pytest.raises(BadInput) as caught:
            annex_b_units(bad)
        assert caught.value.code == "VIDEO_NOT_VIDEO"
    with pytest.raises(BadInput) as caught:
        length_prefixed_units([prefixed[:-1]], 4)
    assert caught.value.code == "VIDEO_DAMAGED"


SIGNED = {codec: film("IPPIPPIPP", codec=codec).units for codec in Codec}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=20), st.sampled_from(list(Codec)))
def test_any_units_get_a_verdict(units: list[bytes], codec: Codec) -> None:
    assert verify_video(units, codec, TRUST).authenticity is Authenticity.UNSIGNED


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(list(Codec)), st.booleans())
def test_any_bytes_under_our_uuid_get_a_verdict_that_is_not_authentic(body: bytes, codec: Codec, whole: bool) -> None:
    size = len(body) + 16
    length = b"\xff" * (size // 255) + bytes([size % 255]) if whole else body[:3]
    unit = codec.sei_header + b"\x05" + length + UUID + body + b"\x80"
    pictures = [each for each in SIGNED[codec] if not is_record(each, codec)]
    verdict = verify_video([*pictures, unit], codec, TRUST)
    assert Authenticity.AUTHENTIC not in {group.authenticity for group in verdict.groups}


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_any_change_to_a_signed_stream_is_survived_and_never_makes_more_of_it(data: st.DataObject) -> None:
    codec = data.draw(st.sampled_from(list(Codec)))
    units = list(SIGNED[codec])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(units) - 1))
        change = data.draw(st.sampled_from(["flip", "cut", "drop", "double", "move", "splice"]))
        if change == "flip" and units[at]:
            raw = bytearray(units[at])
            raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
            units[at] = bytes(raw)
        elif change == "cut":
            units[at] = units[at][: data.draw(st.integers(0, len(units[at])))]
        elif change == "drop" and len(units) > 1:
            del units[at]
        elif change == "double":
            units.insert(at, units[at])
        elif change == "move":
            units.insert(data.draw(st.integers(0, len(units) - 1)), units.pop(at))
        else:
            units[at] += data.draw(st.binary(max_size=12))
    verdict = verify_video(units, codec, TRUST)
    signed = {bytes(unit) for unit in SIGNED[codec]}
    for group in verdict.groups:
        if group.authenticity is Authenticity.AUTHENTIC:
            for unit in units[group.first_unit : group.first_unit + 1]:
                assert unit.rstrip(b"\x00") in signed
    assert sum(group.authenticity is Authenticity.AUTHENTIC for group in verdict.groups) <= 3


def test_a_stream_that_repeats_one_picture_for_ever_costs_no_more_than_its_budget() -> None:
    """Records that list one digest thousands of times fit everywhere; what is not worth locating is only told."""
    made = film("I" + "P" * 240 + "I")
    repeated = made.units[made.at("P", 0)]
    signer = MediaSigner(Codec.H264, CAMERA.key, CAMERA.chain, vendor=VENDOR, plan=SigningPlan(pictures=2000))
    units = [made.units[made.at("I", 0)]]
    signer.sign(units, BEGIN)
    for index in range(1200):
        units += signer.sign([repeated], BEGIN + timedelta(milliseconds=40 * index))
    units += signer.finish()
    assert {group.authenticity for group in verify_video(units, Codec.H264, TRUST).groups} == {Authenticity.AUTHENTIC}
    cut = [*units[:600], *units[700:900], made.units[made.at("P", 5)], *units[900:]]
    (group,) = verify_video(cut, Codec.H264, TRUST).groups
    assert group.authenticity is Authenticity.TAMPERED
    assert [trouble.kind for trouble in group.troubles] == [TroubleKind.NO_ROOM_TO_LOCATE]


def test_OV07_a_broken_record_far_away_does_not_change_what_a_lost_one_is_called() -> None:
    made = film("IPPP" * 8)
    made.change("S", 6, 60).remove("S", 1)
    says = made.says()
    assert says == ["authentic", "signature missing", *["authentic"] * 4, "tampered", "authentic"]


GENERAL_TAG = write_tag(1, bytes([2, 26, 6, 0, 0]) + bytes(16) + bytes(4) + b"\x00\x04" + b"\x01" * 64)
MALFORMED = {
    "a tag that does not exist": write_tag(9, b"\x01"),
    "tag nought": write_tag(0, b"\x01"),
    "a value that goes beyond the end": write_tag(2, b"\x01" + bytes(32))[:-1],
    "an entry twice": GENERAL_TAG * 2,
    "vendor data beside signed data": GENERAL_TAG + write_tag(7, b"\x01data"),
    "digests of no known length": write_tag(1, bytes([2, 26, 6, 0, 0]) + bytes(22) + bytes(62)),
    "digests of two lengths": write_tag(1, bytes([2, 26, 6, 0, 0]) + bytes(22) + bytes(65)),
    "an unknown version": write_tag(1, bytes([3, 26, 6, 0, 0]) + bytes(22) + bytes(64)),
    "a list that ends within a digest": GENERAL_TAG + write_tag(2, b"\x01" + bytes(33)),
    "a signature longer than its place": write_tag(3, b"\x01\x00\x09" + bytes(8)),
    "a signature of no length": write_tag(3, b"\x01\x00\x00" + bytes(8)),
    "algorithms with something behind them": write_tag(4, b"\x01\x01a\x00\x00\x00\x00"),
    "algorithms cut short": write_tag(4, b"\x01\x05ab"),
    "a maker with something behind it": write_tag(5, b"\x01\x01a\x01b\x01cd"),
    "certificates that are none": write_tag(6, b"\x01\x00"),
    "an empty entry": write_tag(3, b""),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_document_is_refused(case: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_document(MALFORMED[case])
    assert caught.value.code == "SEI_FORMAT"


def test_their_honest_twins_are_read() -> None:
    read_document(GENERAL_TAG + write_tag(2, b"\x01" + bytes(64)) + write_tag(5, b"\x01\x01a\x01b\x01c"))
    older = GENERAL_TAG.replace(bytes([2, 26, 6]), bytes([2, 25, 12]))
    assert read_document(older + write_tag(7, b"\x01data")).has_arbitrary
    assert read_document(write_tag(7, b"\x01data")).has_arbitrary
    assert read_document(write_tag(3, b"\x01\x00\x08" + bytes(8))).signature == bytes(8)


def _sei(body: bytes, *, flags: int = 0, size: int | None = None, end: bytes = b"\x80") -> bytes:
    stated = len(body) + 17 if size is None else size
    return b"\x06\x05" + b"\xff" * (stated // 255) + bytes([stated % 255]) + UUID + bytes([flags]) + body + end


SIGNATURE = write_tag(3, b"\x01\x00\x08" + bytes([7]) * 8)


@pytest.mark.parametrize(
    "unit",
    [
        _sei(GENERAL_TAG, size=len(GENERAL_TAG) + 16),
        _sei(GENERAL_TAG, size=len(GENERAL_TAG) + 18),
        _sei(GENERAL_TAG, end=b"\x81"),
        _sei(GENERAL_TAG, flags=0x01),
        _sei(SIGNATURE + GENERAL_TAG),
        _sei(GENERAL_TAG)[:5],
        _sei(b"", size=16),
        b"\x06\x05\xff\xff",
        b"\x06\x04" + _sei(GENERAL_TAG)[2:],
        _sei(write_tag(6, b"\x01\x00" + bytes(60000)) * 9),
    ],
    ids=["short", "long", "stop bit", "flags", "behind the signature", "cut", "empty", "sizes", "kind", "huge"],
)
def test_a_malformed_record_is_refused(unit: bytes) -> None:
    with pytest.raises(BadInput) as caught:
        read_record(unit, Codec.H264)
    assert caught.value.code == "SEI_FORMAT"
    assert read_record(_sei(GENERAL_TAG + SIGNATURE), Codec.H264).signed_bytes.endswith(GENERAL_TAG)


def test_a_record_signed_with_its_emulation_prevention_is_digested_as_it_stands() -> None:
    zeros = GENERAL_TAG.replace(b"\x01" * 64, bytes(2) + b"\x01" * 62)
    plain = _sei(zeros + SIGNATURE, flags=0x40)
    raw = escape(plain)
    assert len(raw) > len(plain)
    covered = read_record(raw, Codec.H264).signed_bytes
    assert raw.startswith(covered) and unescape(covered) == plain[: plain.index(SIGNATURE)]
    without = escape(_sei(zeros + SIGNATURE))
    assert read_record(without, Codec.H264).signed_bytes == unescape(without)[: unescape(without).index(SIGNATURE)]


def test_a_maker_that_is_not_printable_reaches_no_terminal() -> None:
    vendor = read_document(write_tag(5, b"\x01\x04\x1b[2J\x01b\x02\xff\n")).vendor
    assert vendor is not None and (vendor.firmware, vendor.serial, vendor.manufacturer) == ("?[2J", "b", "\ufffd?")
