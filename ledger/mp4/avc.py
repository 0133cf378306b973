"""The H.264 headers that say what a picture is: configuration, sequence parameter set, NAL units.

What happens here: ISO/IEC 14496-15 (5.3.3, the `avcC` box) and ITU-T H.264 (7.3.2.1, sequence parameter set) are read
as far as the picture's size, because the size in the MP4 track is only a wish of whoever wrote the file.
What may never happen here: decoding slices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ledger.errors import BadInput
from ledger.mp4.boxes import number, too_much

MAX_SIDE = 4096
"""Pixels of width or height; 4K is 3840."""

_MIN_SIDE = 16
_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_MAX_GOLOMB_ZEROS = 31
_IDR = 5
_SLICES = range(1, 6)


@dataclass(frozen=True, slots=True)
class AvcConfig:
    """What `avcC` says. `codec`: RFC 6381 name such as `avc1.64001f`. `width`, `height`: pixels, as shown."""

    codec: str
    nal_length_bytes: int
    width: int
    height: int


def read_config(raw: bytes) -> AvcConfig:
    """`AvcConfig` of the content of an `avcC` box; VIDEO_CODEC, VIDEO_TRUNCATED or MEDIA_LIMIT."""
    if number(raw, 0, 1) != 1 or not number(raw, 5, 1) & 0x1F:
        raise BadInput(
            "VIDEO_CODEC",
            "the file does not carry its H.264 parameter sets where MP4 wants them",
            where="avcC",
            cure="Convert the video to H.264 in MP4 (avc1).",
        )
    length = number(raw, 6, 2)
    width, height = picture_size(raw[8 : 8 + length])
    if not (_MIN_SIDE <= width <= MAX_SIDE and _MIN_SIDE <= height <= MAX_SIDE):
        raise too_much(f"a picture of {width} x {height} pixels", f"between {_MIN_SIDE} and {MAX_SIDE} a side")
    return AvcConfig(f"avc1.{raw[1:4].hex()}", (raw[4] & 3) + 1, width, height)


def picture_size(sps: bytes) -> tuple[int, int]:
    """Width and height in pixels, after cropping, of a sequence parameter set NAL unit (H.264, 7.3.2.1.1)."""
    bits = _Bits(sps[1:].replace(b"\x00\x00\x03", b"\x00\x00"))
    profile = bits.take(8)
    bits.take(16)
    bits.golomb()
    chroma = _chroma_format(bits) if profile in _HIGH_PROFILES else 1
    bits.golomb()
    _skip_picture_order(bits)
    bits.golomb()
    bits.take(1)
    width, rows = 16 * (bits.golomb() + 1), 16 * (bits.golomb() + 1)
    frames_only = bits.take(1)
    if not frames_only:
        bits.take(1)
    bits.take(1)
    height = rows * (2 - frames_only)
    if bits.take(1):
        left, right, top, bottom = (bits.golomb() for _ in range(4))
        width -= (left + right) * (2 if chroma in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma == 1 else 1) * (2 - frames_only)
    return width, height


def units(sample: memoryview, length_bytes: int) -> Iterator[memoryview]:
    """The NAL units of one sample; VIDEO_DAMAGED unless their lengths fill it exactly."""
    at = 0
    while at < len(sample):
        size = int.from_bytes(sample[at : at + length_bytes], "big")
        at += length_bytes
        if not 0 < size <= len(sample) - at:
            raise damaged("its parts do not add up")
        yield sample[at : at + size]
        at += size


def starts_afresh(sample: memoryview, length_bytes: int) -> bool:
    """True for an IDR picture: nothing after it needs anything before it (an open group of pictures does)."""
    for unit in units(sample, length_bytes):
        if unit[0] & 0x1F in _SLICES:
            return unit[0] & 0x1F == _IDR
    return False


def damaged(what: str) -> BadInput:
    """The refusal for video data that its own tables describe and that is not H.264."""
    return BadInput(
        "VIDEO_DAMAGED",
        f"a frame is not valid H.264: {what}",
        cure="Copy the file again from the camera; part of it was lost or overwritten.",
    )


def _chroma_format(bits: _Bits) -> int:
    chroma = bits.golomb()
    if chroma == 3:
        bits.take(1)
    bits.golomb()
    bits.golomb()
    bits.take(1)
    if bits.take(1):
        for index in range(12 if chroma == 3 else 8):
            if bits.take(1):
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return chroma


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed_golomb()) % 256
        last = following or last


def _skip_picture_order(bits: _Bits) -> None:
    kind = bits.golomb()
    if kind == 0:
        bits.golomb()
    elif kind == 1:
        bits.take(1)
        bits.golomb()
        bits.golomb()
        cycle = bits.golomb()
        if cycle > 255:
            raise damaged("its parameter set is out of range")
        for _ in range(cycle):
            bits.golomb()


class _Bits:
    """A reader of bits and Exp-Golomb codes (H.264, 9.1)."""

    def __init__(self, raw: bytes) -> None:
        self._value, self._left = int.from_bytes(raw, "big"), len(raw) * 8

    def take(self, count: int) -> int:
        if count > self._left:
            raise damaged("its parameter set is cut short")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def golomb(self) -> int:
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > _MAX_GOLOMB_ZEROS:
                raise damaged("its parameter set is out of range")
        return (1 << zeros) - 1 + self.take(zeros)

    def signed_golomb(self) -> int:
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -(code // 2)
