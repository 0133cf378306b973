"""A scene is deterministic, says when it was filmed, and says that it is synthetic."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import av
import pytest

from ledger.capture.canvas import Canvas, Colour
from ledger.capture.glyphs import clock, text, text_width
from ledger.capture.scene import Coding, encode_scene
from tests.ledger.capture.films import KINDS, NOON, film
from tests.ledger.refusals import refused

B_PICTURE = 3  # AV_PICTURE_TYPE_B


def encode(path: Path, caption: str = "1 PICKING", started_at: datetime = NOON, seconds: float = 1.0) -> bytes:
    encode_scene(path, caption=caption, started_at=started_at, seconds=seconds)
    return path.read_bytes()


def lumas(data: bytes, at_second: float) -> Canvas:
    """The picture shown at that second, as a canvas to look at."""
    with av.open(io.BytesIO(data), "r") as source:
        frame = next(f for f in source.decode(source.streams.video[0]) if f.time is not None and f.time >= at_second)
    seen = Canvas(frame.width, frame.height)
    raw, line = bytes(frame.planes[0]), frame.planes[0].line_size
    for row in range(frame.height):
        for column in range(frame.width):
            seen._planes[0][row * frame.width + column] = raw[row * line + column]
    return seen


def shows(picture: Canvas, digits: str) -> bool:
    """Whether every segment of these digits is lit in the clock's place."""
    height = picture.height // 14
    lit = list(clock(digits, 10, 8, height))
    luma = picture._planes[0]
    return all(luma[(top + tall // 2) * picture.width + left + wide // 2] > 110 for left, top, wide, tall in lit)


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    one = encode(tmp_path / "a.mp4")
    assert encode(tmp_path / "b.mp4") == one
    assert encode(tmp_path / "c.mp4", started_at=NOON + timedelta(seconds=1)) != one
    assert encode(tmp_path / "d.mp4", caption="4 PACKING") != one


def test_the_clock_in_the_picture_runs(tmp_path: Path) -> None:
    start = NOON.replace(hour=3, minute=4, second=58)
    data = encode(tmp_path / "a.mp4", started_at=start, seconds=4.0)
    assert shows(lumas(data, 0.5), "03:04:58")
    assert shows(lumas(data, 2.5), "03:05:00")
    assert not shows(lumas(data, 0.5), "03:05:00")


def test_the_clock_shows_utc_whatever_zone_it_is_given(tmp_path: Path) -> None:
    there = NOON.astimezone(timezone(timedelta(hours=8)))
    assert encode(tmp_path / "a.mp4", started_at=there) == encode(tmp_path / "b.mp4")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_asked_for_is_what_is_encoded(kind: str) -> None:
    coding = KINDS[kind]
    with av.open(io.BytesIO(film(kind)), "r") as source:
        stream = source.streams.video[0]
        frames = list(source.decode(stream))
        assert (stream.width, stream.height, stream.codec_context.name) == (coding.width, coding.height, "h264")
        assert bool(source.streams.audio) == coding.sound
    assert len(frames) == 6 * coding.fps * (2 if coding.varying else 3) // 3
    assert any(frame.pict_type == B_PICTURE for frame in frames) == bool(coding.b_frames)
    if not coding.varying and not coding.open_groups:
        every = round(coding.key_seconds * coding.fps)
        assert [i for i, frame in enumerate(frames) if frame.key_frame] == list(range(0, len(frames), every))


@pytest.mark.parametrize(
    "coding",
    [Coding(width=63), Coding(height=10), Coding(fps=0), Coding(fps=1000)],
    ids=["narrow", "low", "still", "a thousand frames a second"],
)
def test_an_impossible_scene_is_refused_and_leaves_no_file(tmp_path: Path, coding: Coding) -> None:
    path = tmp_path / "a.mp4"
    with refused("SCENE_SIZE"):
        encode_scene(path, caption="x", started_at=NOON, seconds=1, coding=coding)
    assert not path.exists()
    encode_scene(path, caption="x", started_at=NOON, seconds=1, coding=replace(coding, width=64, height=64, fps=5))
    assert path.exists()


@pytest.mark.parametrize("seconds", [0, -1, 601, float("nan"), float("inf")])
def test_an_impossible_length_is_refused(tmp_path: Path, seconds: float) -> None:
    with refused("SCENE_SIZE"):
        encode(tmp_path / "a.mp4", seconds=seconds)


def test_captions_of_any_length_and_script_fit(tmp_path: Path) -> None:
    for caption in ("", "x" * 500, "2 杀青 PAN-FIRING"):
        assert encode(tmp_path / "a.mp4", caption=caption, seconds=0.2)


def test_letters_differ_from_one_another() -> None:
    signs = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.,:/()#+ "
    assert len({tuple(text(sign, 0, 0, 1)) for sign in signs}) == len(signs)
    assert text_width("AB", 2) == 22 and text_width("", 2) == 0


def test_shapes_are_clipped_to_the_picture() -> None:
    canvas = Canvas(5, 3)
    canvas.fill((-10, -10, 100, 100), Colour(200, 90, 91))
    canvas.ellipse((-3, -3, 50, 50), Colour(10))
    y, u, v = canvas.planes()
    assert (len(y), len(u), len(v)) == (15, 6, 6)
