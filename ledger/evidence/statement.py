"""What a device states about one segment, and the only bytes that say it: RFC 8785 JSON, every field
required.

May never happen here: a field that is ignored, a default for a field that is missing, or two texts for one
time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ledger.canonical import DIGEST_BYTES, JsonValue, canonical_json, parse_canonical
from ledger.cid import parse_cid
from ledger.errors import BadInput

EVIDENCE_DOMAIN: Final = "pledgetrail/evidence/v1/json"
KIND: Final = "segment"  # other kinds of evidence will share the domain, never this shape
NO_PREVIOUS: Final = bytes(DIGEST_BYTES)

MAX_STATEMENT_BYTES = 16 * 1024
MAX_TEXT_CHARS = 256
MAX_MEDIA_BYTES = 4 * 1024**3  # one segment; hours of video are many segments
MAX_SIDE_PIXELS = 16_384
MAX_DURATION_MS = 3_600_000
MAX_SEQUENCE = 2**53 - 1

_CODEC = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Media:
    """The segment's bytes, named: its initialisation part and itself by SHA-256, and by content id."""

    init_sha256: bytes
    sha256: bytes
    size: int  # bytes of the segment
    cid: str
    codec: str  # RFC 6381, such as avc1.64001f
    width: int  # pixels
    height: int
    duration_ms: int

    def __post_init__(self) -> None:
        _digest("media.init_sha256", self.init_sha256)
        _digest("media.sha256", self.sha256)
        _number("media.size", self.size, MAX_MEDIA_BYTES)
        parse_cid(self.cid)
        if not _CODEC.fullmatch(self.codec):
            raise _bad("media.codec", "is no codec name (RFC 6381)")
        _number("media.width", self.width, MAX_SIDE_PIXELS)
        _number("media.height", self.height, MAX_SIDE_PIXELS)
        _number("media.duration_ms", self.duration_ms, MAX_DURATION_MS)

    def as_json(self) -> dict[str, JsonValue]:
        """The `media` member of a statement."""
        return {
            "init_sha256": self.init_sha256.hex(),
            "sha256": self.sha256.hex(),
            "size": self.size,
            "cid": self.cid,
            "codec": self.codec,
            "width": self.width,
            "height": self.height,
            "duration_ms": self.duration_ms,
        }


@dataclass(frozen=True, slots=True)
class SegmentStatement:
    """One segment as its device states it. Creating one checks every field: `BadInput` EVIDENCE_FIELD,
    CID_SYNTAX.

    `sequence` counts all statements of the device from 1; `previous` is the digest (32 bytes) of the one
    before, `NO_PREVIOUS` for the first. Times are UTC in whole milliseconds, by the device's clock.
    `place`, `lot`, `step` and `recording` are identifiers that the ledger knows; at most 256 characters each.
    """

    device: str
    sequence: int
    previous: bytes
    recorded_from: datetime
    recorded_until: datetime
    place: str
    lot: str
    step: str
    recording: str
    media: Media

    def __post_init__(self) -> None:
        for name in ("device", "place", "lot", "step", "recording"):
            _text(name, getattr(self, name))
        _number("sequence", self.sequence, MAX_SEQUENCE)
        _digest("previous", self.previous)
        write_time(self.recorded_from)
        write_time(self.recorded_until)

    def canonical(self) -> bytes:
        """The bytes that are signed and digested."""
        return canonical_json(
            {
                "kind": KIND,
                "device": self.device,
                "sequence": self.sequence,
                "previous": self.previous.hex(),
                "recorded_from": write_time(self.recorded_from),
                "recorded_until": write_time(self.recorded_until),
                "place": self.place,
                "lot": self.lot,
                "step": self.step,
                "recording": self.recording,
                "media": self.media.as_json(),
            }
        )


def read_statement(raw: bytes) -> SegmentStatement:
    """The statement that `raw` spells; says nothing about who signed it.

    Raises `BadInput` EVIDENCE_SIZE, EVIDENCE_FIELD (missing, unknown or out of range; `where` names it),
    CID_SYNTAX, NON_CANONICAL, JSON_SYNTAX, JSON_DEPTH.
    """
    if len(raw) > MAX_STATEMENT_BYTES:
        raise BadInput("EVIDENCE_SIZE", f"A statement has at most {MAX_STATEMENT_BYTES} bytes, this one {len(raw)}.")
    fields = _Fields(parse_canonical(raw), "", (*SegmentStatement.__slots__, "kind"))
    media = _Fields(fields.values["media"], "media.", Media.__slots__)
    if fields.text("kind") != KIND:
        raise _bad("kind", f'is not "{KIND}"')
    return SegmentStatement(
        device=fields.text("device"),
        sequence=fields.number("sequence"),
        previous=fields.digest("previous"),
        recorded_from=fields.time("recorded_from"),
        recorded_until=fields.time("recorded_until"),
        place=fields.text("place"),
        lot=fields.text("lot"),
        step=fields.text("step"),
        recording=fields.text("recording"),
        media=Media(
            init_sha256=media.digest("init_sha256"),
            sha256=media.digest("sha256"),
            size=media.number("size"),
            cid=media.text("cid"),
            codec=media.text("codec"),
            width=media.number("width"),
            height=media.number("height"),
            duration_ms=media.number("duration_ms"),
        ),
    )


def write_time(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, `2026-03-01T08:00:00.000Z`. Raises `BadInput` EVIDENCE_FIELD."""
    if moment.utcoffset() is None or moment.microsecond % 1000:
        raise _bad("time", "has no time zone, or fractions of a millisecond")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_time(text: str) -> datetime:
    """The UTC time that `write_time` writes so, and no other spelling. Raises `BadInput` EVIDENCE_FIELD."""
    try:
        if not _TIME.fullmatch(text):
            raise ValueError(text)
        return datetime.fromisoformat(text)
    except ValueError:
        raise _bad("time", f"{text[:40]!r} is not of the form 2026-03-01T08:00:00.000Z") from None


class _Fields:
    """A JSON object whose members are exactly the given ones, read with their types."""

    def __init__(self, value: JsonValue, path: str, names: tuple[str, ...]) -> None:
        if not isinstance(value, dict):
            raise _bad(path.rstrip(".") or "statement", "is not an object")
        for name in sorted(value.keys() ^ set(names)):
            raise _bad(path + ascii(name)[1:-1][:80], "is unknown" if name in value else "is missing")
        self.values, self.path = value, path

    def text(self, name: str) -> str:
        value = self.values[name]
        if not isinstance(value, str):
            raise _bad(self.path + name, "is not a string")
        return value

    def number(self, name: str) -> int:
        value = self.values[name]
        if type(value) is not int:  # a bool is an int to isinstance
            raise _bad(self.path + name, "is not a whole number")
        return value

    def digest(self, name: str) -> bytes:
        text = self.text(name)
        if not _HEX_DIGEST.fullmatch(text):
            raise _bad(self.path + name, "is not 64 lower-case hexadecimal digits")
        return bytes.fromhex(text)

    def time(self, name: str) -> datetime:
        try:
            return read_time(self.text(name))
        except BadInput as error:
            raise BadInput(error.code, error.what, where=self.path + name) from None


def _text(name: str, value: str) -> None:
    if not 0 < len(value) <= MAX_TEXT_CHARS or not value.isprintable() or value != value.strip():
        raise _bad(name, f"is not 1 to {MAX_TEXT_CHARS} printable characters")


def _number(name: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise _bad(name, f"is not between 1 and {most}")


def _digest(name: str, value: bytes) -> None:
    if len(value) != DIGEST_BYTES:
        raise _bad(name, f"does not have {DIGEST_BYTES} bytes")


def _bad(field: str, reason: str) -> BadInput:
    return BadInput("EVIDENCE_FIELD", f"The evidence cannot be read: {field} {reason}.", where=field)
