"""A live camera is cut while it runs, without touching a frame, and opened again whenever it breaks off."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from ledger.capture import live
from ledger.capture.chain import Chain
from ledger.capture.live import LiveSource, open_take
from ledger.capture.recorder import Recorder, Scene
from ledger.capture.segments import CutSegment
from ledger.capture.spool import Spool
from ledger.errors import Problem, Unavailable
from ledger.evidence import Device, GapStatement, SegmentStatement, Statement, read_statement
from ledger.mp4.fragments import segment_facts
from ledger.segment_body import SegmentBody
from tests.ledger.capture.estate import KEY
from tests.ledger.capture.films import film, packets
from tests.ledger.refusals import refused
from tests.rtsp_server import RtspCamera, rtsp_camera

NEVER: Callable[[], bool] = lambda: False  # noqa: E731
ALWAYS_VALID = Device(
    "camera-1", KEY.public_key, "Workshop", datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
)


def take_all(source: LiveSource, target_seconds: float = 2.0) -> tuple[bytes, list[CutSegment], Problem]:
    """Init and segments of a source that ends, and what was said when it did."""
    segments: list[CutSegment] = []
    with open_take(source, target_seconds=target_seconds, is_stopping=NEVER) as take:
        init = take.picture.init
        with pytest.raises(Unavailable) as ended:
            for segment in take.segments:
                segments.append(segment)  # noqa: PERF402 those before the end are wanted
    return init, segments, ended.value


@pytest.mark.parametrize("kind", ["plain", "B-frames", "varying frame rate", "odd size", "60 frames a second"])
def test_an_rtsp_stream_is_cut_without_changing_a_frame(kind: str) -> None:
    original = film(kind)
    with rtsp_camera(RtspCamera(original)) as camera:
        init, segments, ended = take_all(LiveSource("rtsp", camera.url, "rtsp"))
    assert ended.code == "SOURCE_LOST"
    got = packets(init + b"".join(segment.data for segment in segments), "video")
    # A stream is joined at the next key frame; from there on nothing may be missing.
    assert got == packets(original, "video")[-len(got) :] and len(got) >= 0.7 * len(packets(original, "video"))
    assert segments[0].starts_at_ms == 0
    for before, after in pairwise(segments):
        assert after.starts_at_ms == before.starts_at_ms + before.duration_ms
    for segment in segments:
        assert segment_facts(init, segment.data).duration_ms == segment.duration_ms


def test_open_groups_join_their_predecessor() -> None:
    with rtsp_camera(RtspCamera(film("open groups"))) as camera:
        init, segments, _ = take_all(LiveSource("rtsp", camera.url, "rtsp"), target_seconds=1.0)
    for segment in segments:
        segment_facts(init, segment.data)  # refuses what does not begin afresh


def test_a_local_camera_with_raw_pictures_is_encoded() -> None:
    source = LiveSource("v4l2", "testsrc=size=322x182:rate=25:duration=3", "lavfi")
    init, segments, _ = take_all(source, target_seconds=1.0)
    assert [segment.frames for segment in segments] == [25, 25, 25]
    facts = segment_facts(init, segments[0].data)
    assert (facts.width, facts.height) == (322, 182)


def test_what_came_before_it_broke_off_is_kept() -> None:
    with rtsp_camera(RtspCamera(film("plain"), break_off_after=[70])) as camera:
        _, segments, _ = take_all(LiveSource("rtsp", camera.url, "rtsp"))
    assert sum(segment.frames for segment in segments) >= 50


@pytest.mark.parametrize("status", [401, 404])
def test_a_camera_that_refuses_is_told_and_its_password_is_not(status: int) -> None:
    with rtsp_camera(RtspCamera(film("plain"), status=status)) as camera:
        source = LiveSource("rtsp", camera.url, "rtsp")
        with pytest.raises(Unavailable) as told, open_take(source, target_seconds=2.0, is_stopping=NEVER):
            pass
    assert told.value.code == "SOURCE_LOST" and "secret" not in str(told.value) and "secret" not in repr(source)


def test_a_camera_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STALL_SECONDS", 0.5)
    with rtsp_camera(RtspCamera(film("plain"), silent=True)) as camera:
        source = LiveSource("rtsp", camera.url, "rtsp")
        with refused("SOURCE_LOST"), open_take(source, target_seconds=2.0, is_stopping=NEVER):
            raise AssertionError("there was no picture")


def test_what_is_no_camera_is_refused(tmp_path: Path) -> None:
    for url, kind in (("/dev/null", "v4l2"), (str(tmp_path / "none"), None), ("rtsp://127.0.0.1:1/x", "rtsp")):
        with refused("SOURCE_LOST"), open_take(LiveSource("x", url, kind), target_seconds=2.0, is_stopping=NEVER):
            raise AssertionError("there was no picture")


def test_no_worker_outlives_its_take() -> None:
    with rtsp_camera(RtspCamera(film("plain"))) as camera:
        with open_take(LiveSource("rtsp", camera.url, "rtsp"), target_seconds=2.0, is_stopping=NEVER) as take:
            next(take.segments)
        listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True).stdout.decode()
        port = camera.url.rpartition(":")[2]
    assert port not in listed  # nor does the address stand on any command line
    assert not [each for each in threading.enumerate() if each.name.startswith("live")]


class Yard:
    """A recorder over a spool, until a number of segments was kept."""

    def __init__(self, folder: Path, source: LiveSource, *, max_bytes: int = 10**9) -> None:
        self.spool, self.stopping = Spool(folder, max_bytes=max_bytes), threading.Event()
        self.chain = Chain(ALWAYS_VALID, KEY, spool=self.spool, clock=lambda: datetime.now(UTC))

        def opened() -> object:
            return open_take(source, target_seconds=1.0, is_stopping=self.stopping.is_set)

        scene = Scene("hall", "lot-1", "firing")
        self.recorder = Recorder(self.chain, scene, opened, self.stopping, jitter=lambda: 0.0)  # type: ignore[arg-type]

    def until(self, done: Callable[[], bool]) -> list[Statement]:
        thread = threading.Thread(target=self.recorder.run)
        thread.start()
        limit = datetime.now(UTC) + timedelta(seconds=60)
        while not done() and datetime.now(UTC) < limit:
            self.spool.wait_for_more(0.05)
            threading.Event().wait(0.02)
        self.stopping.set()
        thread.join()
        found = []
        while (first := self.spool.first()) is not None:
            number, item = first
            signed = item.evidence if isinstance(item, SegmentBody) else item
            found.append(read_statement(signed.statement_bytes))
            self.spool.drop(number)
        return found


def test_each_opening_is_a_recording_and_none_is_lost_between(tmp_path: Path) -> None:
    with rtsp_camera(RtspCamera(film("plain", 3.0), break_off_after=[40, 40])) as camera:
        yard = Yard(tmp_path, LiveSource("rtsp", camera.url, "rtsp"))
        stated = yard.until(lambda: camera.sessions >= 3)
    segments = [each for each in stated if isinstance(each, SegmentStatement)]
    assert len({each.recording for each in segments}) >= 2
    assert [each.sequence for each in stated] == list(range(1, len(stated) + 1))
    for before, after in pairwise(stated):
        # Whatever is missing between two pieces of evidence is stated; nothing overlaps.
        assert timedelta(0) <= after.begins - before.ends <= timedelta(seconds=1)


def test_an_interruption_is_stated_as_a_gap(tmp_path: Path) -> None:
    with rtsp_camera(RtspCamera(film("plain", 3.0), break_off_after=[40])) as camera:
        yard = Yard(tmp_path, LiveSource("rtsp", camera.url, "rtsp"))
        long_ago = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        yard.chain.lose(long_ago, long_ago + timedelta(minutes=1), "source")
        stated = yard.until(lambda: yard.recorder.kept >= 1)
    assert isinstance(stated[0], GapStatement) and stated[0].reason == "source"
    assert isinstance(stated[1], SegmentStatement) and stated[1].previous == yard_digest(stated[0])


def yard_digest(statement: Statement) -> bytes:
    from ledger.evidence import sign_statement

    return sign_statement(statement, KEY).digest


def test_a_full_spool_does_not_stop_the_camera_and_the_loss_is_stated(tmp_path: Path) -> None:
    with rtsp_camera(RtspCamera(film("plain", 6.0))) as camera:
        yard = Yard(tmp_path, LiveSource("rtsp", camera.url, "rtsp"), max_bytes=100_000)
        kept = yard.until(lambda: yard.chain.loss is not None and yard.chain.loss.count >= 2)
        assert 1 <= len(kept) < 4  # 25 KB each
        assert yard.recorder.problem is not None
        loss = yard.chain.loss
        assert loss is not None and loss.reason == "spool-full"
        yard.spool.close()
        again = Yard(tmp_path, LiveSource("rtsp", camera.url, "rtsp"))
        stated = again.until(lambda: again.recorder.kept >= 1)
    assert isinstance(stated[0], GapStatement) and stated[0].unsigned >= 2
    assert stated[0].sequence == kept[-1].sequence + 1


def test_OD07_a_clock_that_went_back_signs_nothing_and_says_so(tmp_path: Path) -> None:
    with rtsp_camera(RtspCamera(film("plain", 3.0))) as camera:
        yard = Yard(tmp_path, LiveSource("rtsp", camera.url, "rtsp"))
        ahead = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=100)

        def gap(sequence: int, previous: bytes) -> GapStatement:
            return GapStatement("camera-1", sequence, previous, ahead, ahead, "stopped", 0, 0)

        yard.chain.keep(gap)
        stated = yard.until(lambda: yard.chain.loss is not None)
    assert len(stated) == 1 and yard.recorder.kept == 0
    assert yard.chain.loss is not None and yard.chain.loss.reason == "clock"
