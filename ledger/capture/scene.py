"""A recording where there is no camera: a workshop that moves, with its caption and a running clock in the picture.

What happens here: frames are drawn into YUV planes and encoded as H.264 in MP4. The same arguments give the same
bytes, whatever the machine's clock says. The scene is for demonstrations and tests and says so in its picture.
What may never happen here: a scene that could be taken for a real recording.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
from av.video.stream import VideoStream

from ledger.capture.canvas import Canvas, Colour
from ledger.capture.glyphs import Rectangle, clock, text, text_width
from ledger.errors import WrongUse

MAX_SECONDS = 600.0
MARK = "SYNTHETIC SCENE"

_SOUND_RATE = 8_000
_SOUND_SAMPLES = 1024
_COLD, _WARM, _LEAF = Colour(46, 132, 122), Colour(92, 112, 146), Colour(104, 108, 108)
_DARK, _PALE, _WOOD, _IRON = Colour(24), Colour(235), Colour(92, 112, 144), Colour(52, 130, 126)
_STEAM, _AMBER = Colour(190), Colour(184, 40, 148)
# The band's colour tells steps apart where the caption is too small to read.
_BANDS = (Colour(96, 96, 96), Colour(84, 104, 176), Colour(88, 160, 104), Colour(110, 88, 150))


@dataclass(frozen=True, slots=True)
class Coding:
    """How a scene is encoded. `key_seconds`: between key frames. `open_groups` needs `b_frames`.

    `varying`: every third frame is left out, so that the frame rate varies.
    """

    width: int = 640
    height: int = 360
    fps: int = 15
    key_seconds: float = 1.0
    b_frames: int = 0
    open_groups: bool = False
    sound: bool = False
    varying: bool = False
    pixels: str = "yuv420p"


def encode_scene(
    path: Path,
    *,
    caption: str,
    started_at: datetime,
    seconds: float,
    coding: Coding | None = None,
    width: int = 640,
    height: int = 360,
    fps: int = 15,
) -> None:
    """Write a scene of `seconds` to `path` as MP4; its clock starts at `started_at` (time-aware, shown as UTC).

    `width`, `height`, `fps` are shorthand for a `Coding` with these. WrongUse SCENE_SIZE for an impossible one.
    """
    coding = coding or replace(Coding(), width=width, height=height, fps=fps)
    if not 0 < seconds <= MAX_SECONDS or min(coding.width, coding.height) < 64 or not 1 <= coding.fps <= 120:
        raise WrongUse("SCENE_SIZE", f"a scene of {seconds} s, {coding.width} x {coding.height}, {coding.fps} fps")
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as target:
        video = _video(target.add_stream("libx264", rate=coding.fps, options=_options(coding)), coding)
        sound = target.add_stream("aac", rate=_SOUND_RATE, layout="mono") if coding.sound else None
        for index, planes in _frames(coding, caption, started_at, seconds):
            target.mux(video.encode(_frame(planes, index, coding)))
        target.mux(video.encode(None))
        if sound is not None:
            for silence in _silence(seconds):
                target.mux(sound.encode(silence))
            target.mux(sound.encode(None))


def _options(coding: Coding) -> dict[str, str]:
    key_frames = str(max(1, round(coding.key_seconds * coding.fps)))
    return {
        "preset": "ultrafast",
        "crf": "26",
        "threads": "1",
        "g": key_frames,
        "keyint_min": key_frames,
        "sc_threshold": "0",
        "bf": str(coding.b_frames),
        "x264-params": f"open-gop={int(coding.open_groups)}:b-adapt=0",
    }


def _video(stream: VideoStream, coding: Coding) -> VideoStream:
    stream.width, stream.height, stream.pix_fmt = coding.width, coding.height, coding.pixels
    return stream


def _frames(
    coding: Coding, caption: str, started_at: datetime, seconds: float
) -> Iterator[tuple[int, tuple[bytes, bytes, bytes]]]:
    backdrop = _backdrop(coding, caption)
    motif = _MOTIFS[_step(caption)]
    for index in range(max(1, round(seconds * coding.fps))):
        if coding.varying and index % 3 == 2:
            continue
        at = index / coding.fps
        picture = backdrop.copy()
        motif(picture, at)
        _stamp(picture, started_at + timedelta(seconds=at))
        yield index, picture.planes()


def _step(caption: str) -> int:
    known = ("pick", "fir", "process", "pack")
    return next((index for index, word in enumerate(known) if word in caption.lower()), sum(caption.encode()) % 4)


def _backdrop(coding: Coding, caption: str) -> Canvas:
    picture = Canvas(coding.width, coding.height, full_chroma=coding.pixels == "yuv444p")
    wide, high = coding.width, coding.height
    for line in range(high):
        share = line / high
        picture.fill((0, line, wide, 1), Colour(round(150 - 60 * share), 122, round(130 + 8 * share)))
    picture.fill((wide // 12, high // 7, wide // 5, high // 3), _PALE)
    picture.fill((wide // 12 + wide // 10 - 2, high // 7, 4, high // 3), _WOOD)
    picture.fill((0, high * 3 // 4, wide, high // 4), _WOOD)
    picture.fill((0, high * 3 // 4, wide, 3), _DARK)
    band = max(24, high // 12)
    picture.fill((0, high - band, wide, band), _BANDS[_step(caption)])
    dot = max(1, min(band // 10, (wide - 16) // max(1, text_width(caption, 1))))
    _draw(picture, text(caption, 8, high - band + (band - 7 * dot) // 2, dot), _PALE)
    _draw(picture, text(MARK, wide - text_width(MARK, 1) - 8, 8, 1), _DARK)
    return picture


def _stamp(picture: Canvas, moment: datetime) -> None:
    height = max(14, picture.height // 14)
    when = moment - (moment.utcoffset() or timedelta(0))
    picture.fill((4, 4, height * 6, height * 2 - 2), _DARK)
    _draw(picture, clock(f"{when:%H:%M:%S}", 10, 8, height), _AMBER)
    _draw(picture, text(f"{when:%Y-%m-%d} UTC", 10, height + 13, max(1, height // 16)), _PALE)


def _draw(picture: Canvas, places: Iterator[Rectangle], colour: Colour) -> None:
    for place in places:
        picture.fill(place, colour)


def _picking(picture: Canvas, at: float) -> None:
    wide, high = picture.width, picture.height
    for row in range(4):
        for bush in range(9):
            left = round((bush / 8 - 0.05 * (row + 1) * at) * wide) % (wide + 80) - 80
            picture.ellipse((left, high // 2 + row * high // 12, 76, high // 9), Colour(70 + 14 * row, 108, 112))
    basket = round((0.5 + 0.3 * math.sin(at)) * wide)
    picture.fill((basket, high // 2, wide // 12, high // 7), _WARM)


def _firing(picture: Canvas, at: float) -> None:
    wide, high = picture.width, picture.height
    picture.ellipse((wide // 4, high // 2, wide // 2, high * 2 // 5), _IRON)
    picture.ellipse((wide * 9 // 32, high * 17 // 32, wide * 7 // 16, high // 4), _COLD)
    for leaf in range(18):
        turn, reach = at * 2.4 + leaf * 0.9, 0.08 + 0.1 * (leaf % 4) / 3
        left = round((0.5 + reach * math.cos(turn)) * wide)
        top = round((0.65 + reach * 0.45 * math.sin(turn)) * high)
        picture.ellipse((left, top, 18, 8), _LEAF)
    for puff in range(3):
        rise = (at * 0.4 + puff / 3) % 1
        picture.ellipse((round((0.42 + 0.08 * puff) * wide), round((0.5 - 0.3 * rise) * high), 34, 12), _STEAM)


def _processing(picture: Canvas, at: float) -> None:
    wide, high = picture.width, picture.height
    picture.fill((wide // 8, high * 5 // 8, wide * 3 // 4, high // 20), _IRON)
    for heap in range(5):
        left = round((heap / 5 + at / 9) % 1 * wide * 0.68) + wide // 8
        picture.ellipse((left, high * 9 // 16, wide // 14, high // 9), _LEAF)
    arm = round(0.18 * high * abs(math.sin(at * 3)))
    picture.fill((wide // 2, high // 4, wide // 30, high // 6 + arm), _DARK)


def _packing(picture: Canvas, at: float) -> None:
    wide, high = picture.width, picture.height
    picture.fill((0, high * 11 // 16, wide, high // 24), _IRON)
    for box in range(4):
        left = round((box / 4 + at / 8) % 1 * (wide + wide // 6)) - wide // 6
        picture.fill((left, high // 2, wide // 7, high * 3 // 16), _WARM)
        picture.fill((left + wide // 18, high // 2, wide // 30, high * 3 // 16), _PALE)


_MOTIFS = (_picking, _firing, _processing, _packing)


def _frame(planes: tuple[bytes, bytes, bytes], index: int, coding: Coding) -> av.VideoFrame:
    frame = av.VideoFrame(coding.width, coding.height, coding.pixels)
    for plane, data in zip(frame.planes, planes, strict=True):
        width, padding = plane.width, bytes(plane.line_size - plane.width)
        rows = (data[at : at + width] for at in range(0, len(data), width))
        plane.update(b"".join(row + padding for row in rows) if padding else data)
    frame.pts, frame.time_base = index, Fraction(1, coding.fps)
    return frame


def _silence(seconds: float) -> Iterator[av.AudioFrame]:
    for at in range(0, round(seconds * _SOUND_RATE), _SOUND_SAMPLES):
        frame = av.AudioFrame("fltp", "mono", _SOUND_SAMPLES)
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        frame.rate, frame.pts, frame.time_base = _SOUND_RATE, at, Fraction(1, _SOUND_RATE)
        yield frame
