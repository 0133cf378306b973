"""Elementary streams: NAL units, their kinds, and emulation prevention (ITU-T H.264 and H.265, 7.3.1 and Annex B).

What happens here: a byte stream or length-prefixed samples become a list of NAL units, and one unit becomes "the first
slice of a picture, another slice, a SEI, or something that is not signed".
What may never happen here: more units than `MAX_UNITS`, or a unit whose bytes are not in the input.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from ledger.errors import BadInput
from ledger.mp4.boxes import too_much

MAX_UNITS = 500_000
"""NAL units in one call: an hour at 60 frames a second with two slices each is 432,000."""

_START_CODE = re.compile(b"\x00\x00\x01")
_ESCAPE = re.compile(b"\x00\x00\x03")
_NEEDS_ESCAPE = re.compile(b"\x00\x00(?=[\x00-\x03])", re.DOTALL)


class Codec(Enum):
    """The two codecs whose streams can be signed."""

    H264 = "h264"
    H265 = "h265"

    @property
    def header_bytes(self) -> int:
        """Length of a NAL unit header."""
        return 1 if self is Codec.H264 else 2

    @property
    def sei_header(self) -> bytes:
        """The NAL unit header of the SEI that a signer writes."""
        return b"\x06" if self is Codec.H264 else b"\x4e\x01"


class UnitKind(Enum):
    """What a NAL unit means to a signature."""

    SLICE = "slice"
    SEI = "sei"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class UnitType:
    """`begins_picture`: first slice of a picture. `begins_group`: of a picture that everything after can start from."""

    kind: UnitKind
    begins_picture: bool = False
    begins_group: bool = False


_OTHER, _SEI = UnitType(UnitKind.OTHER), UnitType(UnitKind.SEI)


def unit_type(unit: bytes, codec: Codec) -> UnitType:
    """What kind of unit this is; anything too short or reserved is OTHER."""
    if len(unit) <= codec.header_bytes or unit[0] & 0x80:
        return _OTHER
    if codec is Codec.H264:
        number = unit[0] & 0x1F
        sei, slices, group = number == 6, range(1, 6), number == 5
    else:
        number = unit[0] >> 1 & 0x3F
        sei, slices, group = number in (39, 40), range(22), 16 <= number <= 21
    if sei:
        return _SEI
    if number not in slices:
        return _OTHER
    first = bool(unit[codec.header_bytes] & 0x80)
    return UnitType(UnitKind.SLICE, first, group and first)


def annex_b_units(raw: bytes) -> list[bytes]:
    """The NAL units of a byte stream, without start codes; VIDEO_NOT_VIDEO where there is none.

    Zero bytes before a start code belong to it and are dropped (Annex B, trailing_zero_8bits).
    """
    starts = []
    for match in _START_CODE.finditer(raw):
        starts.append(match.start())
        if len(starts) > MAX_UNITS:
            raise _too_many()
    if not starts or raw[: starts[0]].strip(b"\x00"):
        raise BadInput(
            "VIDEO_NOT_VIDEO",
            "this is not a byte stream of NAL units: it does not begin with a start code",
            cure="Hand in the camera's stream as it was recorded, in MP4, Matroska or as a raw H.264 or H.265 stream.",
        )
    ends = [*starts[1:], len(raw)]
    units = (raw[start + 3 : end].rstrip(b"\x00") for start, end in zip(starts, ends, strict=True))
    return [unit for unit in units if unit]


def length_prefixed_units(samples: Iterable[bytes | memoryview], length_bytes: int) -> list[bytes]:
    """The NAL units of MP4 or Matroska samples; VIDEO_DAMAGED unless their lengths fill each sample exactly."""
    found: list[bytes] = []
    for sample in samples:
        for unit in _sample_units(memoryview(sample), length_bytes):
            found.append(unit)
            if len(found) > MAX_UNITS:
                raise _too_many()
    return found


def guess_codec(units: Iterable[bytes]) -> Codec | None:
    """The codec of a bare stream, by its parameter sets; None where neither has shown itself."""
    for unit in units:
        if unit[:1] in (b"\x67", b"\x27", b"\x47"):
            return Codec.H264
        if unit[:2] in (b"\x40\x01", b"\x42\x01"):
            return Codec.H265
    return None


def stripped(unit: bytes) -> bytes:
    """The unit to its stop bit: some muxers append zero bytes, which no signature covers."""
    return unit.rstrip(b"\x00")


def unescape(unit: bytes) -> bytes:
    """Without emulation prevention bytes."""
    return _ESCAPE.sub(b"\x00\x00", unit)


def escape(payload: bytes) -> bytes:
    """With emulation prevention bytes, so that no start code can appear inside."""
    return _NEEDS_ESCAPE.sub(b"\x00\x00\x03", payload)


def escaped_length(raw: bytes, plain_length: int) -> int:
    """How many bytes of the escaped `raw` spell the first `plain_length` plain ones."""
    length = plain_length
    for removed, match in enumerate(_ESCAPE.finditer(raw)):
        # The byte that prevents comes after two zeros; it counts when the plain bytes go on beyond it.
        if match.start() + 2 - removed >= plain_length:
            break
        length = plain_length + removed + 1
    return length


def _sample_units(sample: memoryview, length_bytes: int) -> Iterator[bytes]:
    at = 0
    while at < len(sample):
        size = int.from_bytes(sample[at : at + length_bytes], "big")
        at += length_bytes
        if not 0 < size <= len(sample) - at:
            raise BadInput(
                "VIDEO_DAMAGED",
                "a frame is not a row of whole NAL units",
                cure="Copy the file again from the camera; part of it was lost or overwritten.",
            )
        yield bytes(sample[at : at + size])
        at += size


def _too_many() -> BadInput:
    return too_much(f"more than {MAX_UNITS} NAL units", f"at most {MAX_UNITS}")
