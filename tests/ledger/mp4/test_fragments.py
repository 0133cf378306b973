"""One segment's facts are read from its own bytes, and a segment that contradicts itself is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.capture.segments import read_recording
from ledger.errors import Problem
from ledger.mp4 import fragments
from ledger.mp4.avc import picture_size, starts_afresh, units
from ledger.mp4.fragments import segment_facts
from tests.ledger.capture.films import box, film, patched
from tests.ledger.refusals import refused


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """An init and a segment of two fragments."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    path.write_bytes(film("B-frames and sound"))
    with read_recording(path) as recording:
        return recording.init, next(iter(recording.segments)).data


def put(at: int, width: int, value: int) -> Callable[[bytearray, int], None]:
    def change(data: bytearray, start: int) -> None:
        data[start + at : start + at + width] = value.to_bytes(width, "big")

    return change


def second(kind: bytes, at: int, width: int, value: int) -> Callable[[bytes], bytes]:
    """A change in the second fragment's first box of `kind`."""

    def change(media: bytes) -> bytes:
        start = media.index(b"moof", media.index(b"moof") + 4) - 4
        return media[:start] + patched(media[start:], kind, put(at, width, value))

    return change


def test_the_facts_of_an_honest_segment(segment: tuple[bytes, bytes]) -> None:
    facts = segment_facts(*segment)
    assert (facts.width, facts.height, facts.frames) == (320, 180, 30)
    assert (facts.starts_at_ms, facts.duration_ms) == (0, 2000)
    assert facts.codec.startswith("avc1.")


CONTRADICTIONS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "frames before their data": (lambda m: patched(m, b"trun", put(8, 4, 0)), "VIDEO_NOT_VIDEO"),
    "frames beyond their data": (lambda m: patched(m, b"trun", put(8, 4, len(m))), "VIDEO_NOT_VIDEO"),
    "frames at a negative offset": (lambda m: patched(m, b"trun", put(8, 4, 2**32 - 9)), "VIDEO_NOT_VIDEO"),
    "more frames than the run lists": (lambda m: patched(m, b"trun", put(4, 4, 900_000)), "VIDEO_TRUNCATED"),
    "2^32-1 frames in a run": (lambda m: patched(m, b"trun", put(4, 4, 2**32 - 1)), "MEDIA_LIMIT"),
    "a frame larger than everything": (lambda m: patched(m, b"trun", put(16, 4, 2**31)), "MEDIA_LIMIT"),
    "a track that is not described": (lambda m: patched(m, b"tfhd", put(4, 4, 9)), "VIDEO_NOT_VIDEO"),
    "a moof without data": (lambda m: m[: m.index(b"mdat") - 4], "VIDEO_NOT_VIDEO"),
    "a last moof without data": (lambda m: m + m[: m.index(b"mdat") - 4], "VIDEO_NOT_VIDEO"),
    "data without a moof": (lambda m: m[m.index(b"mdat") - 4 :], "VIDEO_NOT_VIDEO"),
    "two moofs in a row": (lambda m: m[: m.index(b"mdat") - 4] + m, "VIDEO_NOT_VIDEO"),
    "another box between": (lambda m: m + box(b"free"), "VIDEO_NOT_VIDEO"),
    "nothing": (lambda m: b"", "VIDEO_NOT_VIDEO"),
    "sound only": (lambda m: patched(m, b"tfhd", put(4, 4, 2)), "VIDEO_NOT_VIDEO"),
    "one byte less": (lambda m: m[:-1], "VIDEO_TRUNCATED"),
    "a fragment that is years later": (second(b"tfdt", 4, 8, 2**60), "MEDIA_LIMIT"),
}


@pytest.mark.parametrize(("change", "code"), CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_a_segment_that_contradicts_itself(
    segment: tuple[bytes, bytes], change: Callable[[bytes], bytes], code: str
) -> None:
    init, media = segment
    assert change(media) != media
    with refused(code):
        segment_facts(init, change(media))
    assert segment_facts(init, media).frames == 30


def test_time_does_not_go_backwards(segment: tuple[bytes, bytes]) -> None:
    init, media = segment
    late = patched(media, b"tfdt", put(4, 8, 10**6))
    with refused("VIDEO_NOT_VIDEO"):
        segment_facts(init, late)


def test_an_init_is_a_type_and_a_description_and_nothing_else(segment: tuple[bytes, bytes]) -> None:
    init, media = segment
    for other in (init + box(b"free"), box(b"free") + init, init + init, init[init.index(b"moov") - 4 :], b""):
        with pytest.raises(Problem) as caught:
            segment_facts(other, media)
        assert caught.value.code == "VIDEO_NOT_VIDEO"


def test_both_parts_are_bounded_before_they_are_read(
    segment: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for bound, part in (("MAX_INIT_BYTES", segment[0]), ("MAX_SEGMENT_BYTES", segment[1])):
        with monkeypatch.context() as patch:
            patch.setattr(fragments, bound, len(part) - 1)
            with refused("MEDIA_LIMIT"):
                segment_facts(*segment)
    assert segment_facts(*segment)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_changed_byte_is_read_or_refused_and_never_breaks_it(
    segment: tuple[bytes, bytes], data: st.DataObject
) -> None:
    init, media = (bytearray(part) for part in segment)
    part = data.draw(st.sampled_from((init, media)))
    at = data.draw(st.integers(0, min(len(part), 3000) - 1))
    part[at] = data.draw(st.integers(0, 255))
    try:
        assert segment_facts(bytes(init), bytes(media)).frames >= 1
    except Problem as error:
        assert error.code.startswith(("VIDEO_", "MEDIA_"))


class TestParameterSets:
    """Sizes as ITU-T H.264 defines them; each set was written out bit by bit from clause 7.3.2.1.1."""

    def test_cropped_1080_lines(self) -> None:
        assert picture_size(sps(widths=120, rows=68, crop=(0, 0, 0, 4))) == (1920, 1080)

    def test_interlaced_rows_count_twice_and_are_cropped_twice(self) -> None:
        assert picture_size(sps(widths=120, rows=34, frames_only=False, crop=(0, 0, 0, 2))) == (1920, 1080)

    def test_high_profile_with_scaling_lists(self) -> None:
        assert picture_size(sps(profile=100, widths=40, rows=23, scaling=True, crop=(0, 0, 0, 4))) == (640, 360)

    def test_emulation_prevention_is_undone(self) -> None:
        raw = sps(widths=40, rows=23, level=0)
        guarded = raw[:2] + raw[2:].replace(b"\x00\x00", b"\x00\x00\x03", 1)
        assert picture_size(guarded) == picture_size(raw)

    @pytest.mark.parametrize("cut", range(1, 8))
    def test_a_set_that_is_cut_short(self, cut: int) -> None:
        with refused("VIDEO_DAMAGED"):
            picture_size(sps(widths=40, rows=23)[:cut])

    def test_a_number_without_end(self) -> None:
        with refused("VIDEO_DAMAGED"):
            picture_size(b"\x67\x42\x00\x1e" + bytes(400))


def sps(
    *,
    profile: int = 66,
    level: int = 30,
    widths: int,
    rows: int,
    frames_only: bool = True,
    scaling: bool = False,
    crop: tuple[int, int, int, int] | None = None,
) -> bytes:
    """A sequence parameter set NAL unit of `widths` x `rows` macroblocks."""
    bits = f"{profile:08b}{0:08b}{level:08b}" + golomb(0)
    if profile == 100:
        bits += golomb(1) + golomb(0) + golomb(0) + "0" + str(int(scaling))
        # One list of 16 equal steps, one that ends early (a delta of -8), six absent.
        bits += ("1" + golomb(0) * 16 + "1" + golomb(16) + "0" * 6) if scaling else ""
    bits += golomb(0) + golomb(0) + golomb(0) + golomb(1) + "0" + golomb(widths - 1) + golomb(rows - 1)
    bits += ("1" if frames_only else "00") + "1" + ("1" + "".join(map(golomb, crop)) if crop else "0") + "0" + "1"
    bits += "0" * (-len(bits) % 8)
    return b"\x67" + int(bits, 2).to_bytes(len(bits) // 8, "big")


def golomb(value: int) -> str:
    """Exp-Golomb code of an unsigned value (9.1)."""
    code = f"{value + 1:b}"
    return "0" * (len(code) - 1) + code


class TestNalUnits:
    def test_a_sample_is_a_row_of_whole_units(self) -> None:
        sample = memoryview(b"\x00\x00\x00\x02\x06\x05\x00\x00\x00\x01\x65")
        assert [bytes(unit) for unit in units(sample, 4)] == [b"\x06\x05", b"\x65"]
        assert starts_afresh(sample, 4)
        assert not starts_afresh(memoryview(b"\x00\x00\x00\x01\x41"), 4)
        assert not starts_afresh(memoryview(b""), 4)

    @pytest.mark.parametrize(
        "sample",
        [b"\x00", b"\x00\x00\x00\x00", b"\x00\x00\x00\x02\x65", b"\x00\x00\x00\x01\x65\x00", b"\xff" * 8],
        ids=["half a length", "an empty unit", "a unit cut short", "a byte too many", "4 GiB"],
    )
    def test_anything_else_is_damaged(self, sample: bytes) -> None:
        with refused("VIDEO_DAMAGED"):
            list(units(memoryview(sample), 4))
