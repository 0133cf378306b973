"""A recording is cut without losing or changing a frame; what is no whole H.264 recording is refused by code."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from pathlib import Path

import av
import pytest

from ledger.capture import remux, segments
from ledger.capture.segments import CutSegment, Recording, read_recording
from ledger.errors import Problem
from ledger.mp4 import avc, boxes, movie
from ledger.mp4.fragments import segment_facts
from tests.ledger.capture.films import KINDS, box, film, fragmented, other_codec, packets, patched, pictures
from tests.ledger.refusals import refused


def cut(path: Path, data: bytes, target_seconds: float = 2.0) -> tuple[Recording, list[CutSegment]]:
    path.write_bytes(data)
    with read_recording(path, target_seconds=target_seconds) as recording:
        return recording, list(recording.segments)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return tmp_path / "video.mp4"


@pytest.fixture
def no_native_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal must come before the worker with the native demuxer is started."""

    def started(*args: object, **options: object) -> None:
        raise AssertionError("the worker was started")

    monkeypatch.setattr(subprocess, "run", started)


class TestWhole:
    @pytest.mark.parametrize("kind", KINDS)
    def test_init_and_segments_show_every_picture_at_its_time(self, video: Path, kind: str) -> None:
        original = film(kind)
        recording, found = cut(video, original)
        again = recording.init + b"".join(segment.data for segment in found)

        assert pictures(again) == pictures(original)
        assert packets(again, "video") == packets(original, "video")
        assert recording.frames == sum(segment.frames for segment in found) == len(pictures(original))
        assert recording.count == len(found)

    @pytest.mark.parametrize("kind", ["sound", "B-frames and sound"])
    def test_sound_stays_bit_for_bit(self, video: Path, kind: str) -> None:
        recording, found = cut(video, film(kind))
        again = recording.init + b"".join(segment.data for segment in found)
        assert packets(again, "audio") == packets(film(kind), "audio")

    def test_a_recording_that_is_already_fragmented_is_cut_again(self, video: Path) -> None:
        recording, found = cut(video, fragmented())
        again = recording.init + b"".join(segment.data for segment in found)
        assert pictures(again) == pictures(film("B-frames and sound"))

    def test_times_touch_without_gap_or_drift(self, video: Path) -> None:
        recording, found = cut(video, film("60 frames a second"), 1.0)
        assert [segment.starts_at_ms for segment in found] == [0, 1000, 2000, 3000, 4000, 5000]
        assert sum(segment.duration_ms for segment in found) == recording.duration_ms == 6000

    def test_every_segment_plays_alone_after_the_init(self, video: Path) -> None:
        recording, found = cut(video, film("B-frames"))
        shown = [picture for segment in found for _, picture in pictures(recording.init + segment.data)]
        assert shown == [picture for _, picture in pictures(film("B-frames"))]

    def test_the_facts_a_receiver_reads_are_those_the_camera_states(self, video: Path) -> None:
        recording, found = cut(video, film("varying frame rate and B-frames"))
        for segment in found:
            facts = segment_facts(recording.init, segment.data)
            assert (facts.starts_at_ms, facts.duration_ms) == (segment.starts_at_ms, segment.duration_ms)
            assert (facts.codec, facts.width, facts.height) == (recording.codec, 320, 180)

    def test_a_phone_s_rotation_is_kept(self, video: Path) -> None:
        quarter = b"".join(n.to_bytes(4, "big", signed=True) for n in (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30))

        def turn(data: bytearray, at: int) -> None:
            data[at + 40 : at + 76] = quarter

        recording, found = cut(video, patched(film(), b"tkhd", turn))
        with av.open(io.BytesIO(recording.init + found[0].data), "r") as again:
            assert abs(next(again.decode(video=0)).rotation) == 90

    def test_an_edit_list_hides_nothing(self, video: Path) -> None:
        def skip_two_seconds(data: bytearray, at: int) -> None:
            ticks = 2 * 15_360
            data[at + 12 : at + 16] = (int.from_bytes(data[at + 12 : at + 16], "big") + ticks).to_bytes(4, "big")

        recording, found = cut(video, patched(film(), b"elst", skip_two_seconds))
        assert recording.frames == 90 and recording.duration_ms == 6000
        again = recording.init + b"".join(segment.data for segment in found)
        assert pictures(again) == pictures(film())
        with av.open(io.BytesIO(again), "r") as as_a_player_does:
            assert next(as_a_player_does.decode(video=0)).time == 0

    def test_picture_and_sound_keep_their_places(self, video: Path) -> None:
        for kind in ("sound", "B-frames and sound"):
            recording, found = cut(video, film(kind))
            again = recording.init + b"".join(segment.data for segment in found)
            assert starts(again) == starts(film(kind))

    def test_the_same_file_gives_the_same_bytes(self, video: Path) -> None:
        assert cut(video, film("sound"))[1] == cut(video, film("sound"))[1]

    def test_names_that_look_like_addresses_or_patterns_are_only_names(self, tmp_path: Path) -> None:
        for name in ("concat:a|b.mp4", "%03d.mp4", "pipe:0", "-i.mp4"):
            assert cut(tmp_path / name, film())[0].frames == 90

    def test_free_space_after_the_video_is_no_harm(self, video: Path) -> None:
        assert cut(video, film() + box(b"free", bytes(100)))[0].frames == 90


class TestWhereItIsCut:
    def test_at_key_frames_once_the_target_is_reached(self, video: Path) -> None:
        assert [s.duration_ms for s in cut(video, film(), 2.0)[1]] == [2000, 2000, 2000]
        assert [s.duration_ms for s in cut(video, film(), 2.5)[1]] == [3000, 3000]
        assert [s.duration_ms for s in cut(video, film(), 60)[1]] == [6000]

    def test_never_shorter_than_a_second(self, video: Path) -> None:
        assert [s.duration_ms for s in cut(video, film(), 0.01)[1]] == [1000] * 6

    def test_a_group_of_pictures_is_never_cut(self, video: Path) -> None:
        found = cut(video, film("2.5 s between key frames"), 1.0)[1]
        assert [s.frames for s in found] == [38, 38, 14]

    def test_an_open_group_joins_its_predecessor(self, video: Path) -> None:
        closed, opened = cut(video, film("B-frames"), 1.0)[1], cut(video, film("open groups"), 1.0)[1]
        assert [s.frames for s in closed] == [15] * 6
        assert [s.frames for s in opened] == [90]


NOT_VIDEO = {
    "text": b"this is not a video\n" * 50,
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(500),
    "zeros": bytes(5000),
    "one byte": b"\x00",
    "OV11 HTML with a video behind it": b"<!doctype html><script>1</script>" + film(),
    "OV11 ZIP with a video behind it": b"PK\x03\x04" + bytes(26) + film(),
    "OV11 SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>" + bytes(100),
    "Matroska": other_codec("libx264", "matroska"),
    "MPEG transport stream": other_codec("libx264", "mpegts"),
}


class TestRefused:
    def test_an_empty_file(self, video: Path, no_native_code: None) -> None:
        with refused("VIDEO_EMPTY"):
            cut(video, b"")

    def test_a_recording_without_frames(self, video: Path, no_native_code: None) -> None:
        with refused("VIDEO_EMPTY"):
            cut(video, cut_to_moov(fragmented()))

    @pytest.mark.parametrize("data", NOT_VIDEO.values(), ids=NOT_VIDEO.keys())
    def test_what_is_not_an_mp4(self, video: Path, data: bytes, no_native_code: None) -> None:
        with refused("VIDEO_NOT_VIDEO"):
            cut(video, data)

    @pytest.mark.parametrize("codec", ["mpeg4", "libx265", "aac", "libmp3lame"])
    def test_another_codec_with_a_cure(self, video: Path, codec: str, no_native_code: None) -> None:
        with pytest.raises(Problem) as caught:
            cut(video, other_codec(codec))
        assert caught.value.code == "VIDEO_CODEC"
        assert "H.264" in caught.value.cure and str(video) in caught.value.where

    def test_a_file_that_is_missing_or_a_folder(self, tmp_path: Path) -> None:
        for path in (tmp_path / "none.mp4", tmp_path):
            with refused("VIDEO_MISSING"), read_recording(path):
                pass

    def test_a_file_cut_short_anywhere(self, video: Path, no_native_code: None) -> None:
        whole = film("sound")
        for length in [*range(8, 200, 7), *range(200, len(whole), len(whole) // 40), len(whole) - 1]:
            with pytest.raises(Problem) as caught:
                cut(video, whole[:length])
            assert caught.value.code in ("VIDEO_TRUNCATED", "VIDEO_NOT_VIDEO"), length
            assert caught.value.code == "VIDEO_TRUNCATED" or length < 40

    def test_a_fragmented_file_cut_short_anywhere(self, video: Path) -> None:
        whole = fragmented()
        between = {0, *fragment_starts(whole)}
        for length in range(60, len(whole), len(whole) // 40):
            if length not in between:
                with refused("VIDEO_TRUNCATED"):
                    cut(video, whole[:length])

    def test_a_description_first_file_cut_short(self, video: Path, no_native_code: None) -> None:
        whole = description_first(film())
        assert pictures(whole) == pictures(film())
        for length in range(1500, len(whole), len(whole) // 20):
            with refused("VIDEO_TRUNCATED"):
                cut(video, whole[:length])

    def test_tables_that_name_frames_the_file_lost(self, video: Path, no_native_code: None) -> None:
        whole = film()
        cut_mdat = whole.index(b"mdat") - 4
        size = int.from_bytes(whole[cut_mdat : cut_mdat + 4], "big")
        lost = 1000
        shorter = whole[:cut_mdat] + (size - lost).to_bytes(4, "big") + whole[cut_mdat + 4 : cut_mdat + size - lost]
        with refused("VIDEO_TRUNCATED"):
            cut(video, shorter + whole[cut_mdat + size :])

    def test_a_file_that_lost_its_middle_and_kept_its_length(self, video: Path) -> None:
        whole = bytearray(film())
        at = whole.index(b"mdat") + 5000
        whole[at : at + 4000] = bytes(4000)
        with refused("VIDEO_DAMAGED"):
            cut(video, bytes(whole))

    def test_nothing_is_handed_out_of_a_recording_whose_end_is_broken(self, video: Path) -> None:
        whole = bytearray(film())
        end = whole.index(b"moov") - 4
        whole[end - 20_000 : end] = bytes(20_000)
        video.write_bytes(whole)
        with refused("VIDEO_DAMAGED"), read_recording(video):
            pytest.fail("the first segments were handed out")

    def test_a_recording_that_begins_between_key_frames(self, video: Path) -> None:
        whole = bytearray(film())
        unit = whole.index(b"mdat") + 4
        while whole[unit + 4] & 31 != 5:  # skip what stands before the IDR picture
            unit += 4 + int.from_bytes(whole[unit : unit + 4], "big")
        whole[unit + 4] = 0x61
        with refused("VIDEO_CODEC"):
            cut(video, bytes(whole))

    def test_after_every_refusal_the_honest_file_still_passes(self, video: Path) -> None:
        with refused("VIDEO_TRUNCATED"):
            cut(video, film()[:-1])
        assert cut(video, film())[0].frames == 90


def grow(kind: bytes, at: int, width: int, value: int) -> bytes:
    def change(data: bytearray, start: int) -> None:
        data[start + at : start + at + width] = value.to_bytes(width, "big")

    return patched(film(), kind, change)


def many_tracks(count: int) -> bytes:
    data = film()
    start = data.index(b"moov") - 4
    moov, trak_at = data[start:], data.index(b"trak") - 4
    trak = data[trak_at : trak_at + int.from_bytes(data[trak_at : trak_at + 4], "big")]
    return data[:start] + box(b"moov", moov[8:], trak * count)


def nested(depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        inner = box(b"moov", inner)
    return box(b"ftyp", b"isom" + bytes(8)) + inner


def two_configurations() -> bytes:
    """The first sample entry twice, with every box around it grown to fit."""
    data = bytearray(film())
    start = data.index(b"avc1", data.index(b"stsd")) - 4
    entry = data[start : start + int.from_bytes(data[start : start + 4], "big")]
    data[start:start] = entry
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        at = data.index(kind) - 4
        data[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") + len(entry)).to_bytes(4, "big")
    return bytes(data)


BOMBS = {
    "box of 2^32-1": (film() + b"\xff\xff\xff\xffmdat", "VIDEO_TRUNCATED"),
    "box of 2^63": (film() + b"\x00\x00\x00\x01mdat\x7f" + b"\xff" * 7, "VIDEO_TRUNCATED"),
    "box smaller than its header": (film() + b"\x00\x00\x00\x04mdat", "VIDEO_TRUNCATED"),
    "box smaller than its header, with a whole one inside": (film() + b"\0\0\0\x04" + box(b"free"), "VIDEO_TRUNCATED"),
    "a long box smaller than its header": (film() + b"\x00\x00\x00\x01mdat" + bytes(7) + b"\x0f", "VIDEO_TRUNCATED"),
    "half a header": (film() + b"\x00\x00\x00", "VIDEO_TRUNCATED"),
    "a hundred thousand boxes": (film() + box(b"free") * 100_000, "MEDIA_LIMIT"),
    "ten thousand nested boxes": (nested(10_000), "VIDEO_CODEC"),
    "a hundred thousand tracks": (many_tracks(100_000), "MEDIA_LIMIT"),
    "nine tracks": (many_tracks(8), "MEDIA_LIMIT"),
    "two tracks of one number": (many_tracks(1), "VIDEO_CODEC"),
    "2^32-1 samples in the table": (grow(b"stsz", 8, 4, 2**32 - 1), "MEDIA_LIMIT"),
    "more samples than the table has": (grow(b"stsz", 8, 4, 900_000), "VIDEO_TRUNCATED"),
    "2^32-1 samples of one size": (grow(b"stsz", 4, 8, (1 << 32) + 2**32 - 1), "MEDIA_LIMIT"),
    "2^32-1 chunks": (grow(b"stco", 4, 4, 2**32 - 1), "VIDEO_TRUNCATED"),
    "chunks beyond the end": (grow(b"stco", 8, 4, 2**32 - 1), "VIDEO_TRUNCATED"),
    "one frame for a year": (grow(b"stts", 12, 4, 2**32 - 1), "MEDIA_LIMIT"),
    "a million frames a second": (grow(b"mdhd", 12, 4, 2**32 - 1), "MEDIA_LIMIT"),
    "no time scale": (grow(b"mdhd", 12, 4, 0), "VIDEO_CODEC"),
    "chunk table out of order": (grow(b"stsc", 8, 4, 77), "VIDEO_CODEC"),
    "chunks that hold too few frames": (grow(b"stsc", 12, 4, 1), "VIDEO_CODEC"),
    "a second configuration": (two_configurations(), "VIDEO_CODEC"),
    "times for other frames": (grow(b"stts", 8, 4, 89), "VIDEO_CODEC"),
}


class TestBombsOV10:
    @pytest.mark.parametrize(("data", "code"), BOMBS.values(), ids=BOMBS.keys())
    def test_ov10_it_is_refused_before_native_code_sees_it(
        self, video: Path, data: bytes, code: str, no_native_code: None
    ) -> None:
        with refused(code):
            cut(video, data)

    def test_ov10_a_picture_of_16k_is_refused_by_what_the_stream_says(self, video: Path, no_native_code: None) -> None:
        for bound in (avc.MAX_SIDE, 310):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(avc, "MAX_SIDE", bound)
                small = bound < 320
                if small:
                    with refused("MEDIA_LIMIT"):
                        cut(video, film())
                else:
                    with pytest.raises(AssertionError, match="worker was started"):
                        cut(video, film())

    def test_ov10_a_recording_over_the_size_is_refused(
        self, video: Path, monkeypatch: pytest.MonkeyPatch, no_native_code: None
    ) -> None:
        monkeypatch.setattr(segments, "MAX_RECORDING_BYTES", len(film()) - 1)
        with refused("MEDIA_LIMIT"):
            cut(video, film())

    def test_ov10_a_segment_over_the_size_is_refused(self, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(segments, "MAX_SEGMENT_BYTES", 5000)
        with refused("MEDIA_LIMIT"):
            cut(video, film())

    def test_ov10_bounds_are_named_and_sane(self) -> None:
        assert movie.MAX_TRACKS <= 8 and movie.MAX_HOURS <= 24 and boxes.MAX_BOXES <= 10**6
        assert remux.MAX_MEMORY_BYTES < 512 * 1024**2

    def test_ov10_mutated_descriptions_are_accepted_or_refused_and_never_break_it(self, video: Path) -> None:
        chance = random.Random(7)
        whole = film("B-frames and sound")
        start = whole.index(b"moov")
        judged = 0
        for _ in range(250):
            data = bytearray(whole)
            for _ in range(chance.choice((1, 1, 2, 8))):
                at = chance.randrange(start, len(data))
                data[at] = chance.choice((0, 1, 127, 128, 255, data[at] ^ 1 << chance.randrange(8)))
            video.write_bytes(data)
            with video.open("rb") as file:
                try:
                    segments._judge(segments.FileBytes(file))
                except Problem as error:
                    assert error.code.startswith(("VIDEO_", "MEDIA_"))
                    judged += 1
        assert judged > 30

    def test_ov10_what_passes_the_judge_still_ends_typed(self, video: Path) -> None:
        chance = random.Random(11)
        whole = film("B-frames and sound", 1.0)
        for _ in range(12):
            data = bytearray(whole)
            for _ in range(3):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            try:
                recording, found = cut(video, bytes(data))
            except Problem as error:
                assert error.code.startswith(("VIDEO_", "MEDIA_"))
            else:
                assert recording.frames == sum(segment.frames for segment in found)


class TestTheWorker:
    def run(self, code: str) -> subprocess.CompletedProcess[bytes]:
        prelude = "from ledger.capture import remux; remux._bound_this_process(); "
        return subprocess.run([sys.executable, "-c", prelude + code], capture_output=True, check=False, timeout=60)

    def test_it_can_open_no_file_and_no_socket(self) -> None:
        assert b"Too many open files" in self.run("open('/etc/hostname')").stderr
        assert b"Too many open files" in self.run("import socket; socket.socket()").stderr

    def test_it_cannot_grow_beyond_its_bound(self) -> None:
        assert b"MemoryError" in self.run(f"bytearray({remux.MAX_MEMORY_BYTES})").stderr

    def test_its_limits_cannot_be_raised_again(self) -> None:
        code = "import resource as r; r.setrlimit(r.RLIMIT_AS, (1 << 40, 1 << 40))"
        outcome = self.run("import os; os.setuid(65534) if os.getuid() == 0 else None; " + code)
        assert outcome.returncode != 0

    def test_its_refusal_is_typed(self, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(segments, "_judge", lambda source: 90)
        with refused("VIDEO_CODEC"):
            cut(video, b"not a video at all")

    def test_its_death_is_typed(self, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "executable", "/bin/false")
        with refused("VIDEO_CODEC"):
            cut(video, film())
        killed: subprocess.CompletedProcess[bytes] = subprocess.CompletedProcess([], -9)
        monkeypatch.setattr(subprocess, "run", lambda *args, **options: killed)
        with refused("MEDIA_LIMIT"):
            cut(video, film())

    def test_its_slowness_is_typed(self, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def slow(*args: object, **options: object) -> None:
            raise subprocess.TimeoutExpired("remux", 1)

        monkeypatch.setattr(subprocess, "run", slow)
        with refused("MEDIA_LIMIT"):
            cut(video, film())

    def test_frames_that_it_loses_are_missed(self, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        judge = segments._judge
        monkeypatch.setattr(segments, "_judge", lambda source: judge(source) + 1)
        with refused("VIDEO_TRUNCATED"):
            cut(video, film())


def starts(data: bytes) -> tuple[float | None, float | None]:
    """When the first picture and the first sound are played, in seconds."""
    with av.open(io.BytesIO(data), "r") as source:
        picture = next(source.decode(source.streams.video[0])).time
    with av.open(io.BytesIO(data), "r") as source:
        return picture, next(source.decode(source.streams.audio[0])).time


def cut_to_moov(data: bytes) -> bytes:
    return data[: data.index(b"moof") - 4]


def fragment_starts(data: bytes) -> list[int]:
    starts, at = [], data.find(b"moof")
    while at > 0:
        starts.append(at - 4)
        at = data.find(b"moof", at + 1)
    return starts


def description_first(data: bytes) -> bytes:
    out = io.BytesIO()
    with av.open(io.BytesIO(data), "r") as origin, _faststart(out) as target:
        stream = target.add_stream_from_template(origin.streams.video[0])
        for packet in origin.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return out.getvalue()


def _faststart(out: io.BytesIO) -> av.container.OutputContainer:
    return av.open(out, "w", format="mp4", options={"moov_size": "4000"})
