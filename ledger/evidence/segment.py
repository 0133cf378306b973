"""What a camera states about one segment of video: when, where, for which lot, and which bytes.

The bytes are named whole and in groups of pictures, so that a changed frame is not only seen but found. May never
happen here: a field that is ignored, or a default for a field that is missing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ledger.canonical import JsonValue, canonical_json
from ledger.cid import check_cid
from ledger.evidence.fields import (
    Fields,
    bad,
    check_digest,
    check_number,
    check_place_in_chain,
    check_text,
    check_time,
    write_time,
)
from ledger.mp4.fragments import MAX_GROUPS

SEGMENT: Final = "segment"

MAX_MEDIA_BYTES = 4 * 1024**3  # one segment; hours of video are many segments
MAX_SIDE_PIXELS = 16_384
MAX_DURATION_MS = 3_600_000

_CODEC = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Media:
    """The segment's bytes, named: its initialisation part and itself by SHA-256, and by content id.

    `groups`: SHA-256 of each group of pictures, in order (`ledger.mp4.fragments.group_digests`).
    """

    init_sha256: bytes
    sha256: bytes
    size: int  # bytes of the segment
    cid: str
    codec: str  # RFC 6381, such as avc1.64001f
    width: int  # pixels
    height: int
    duration_ms: int
    groups: tuple[bytes, ...]

    def __post_init__(self) -> None:
        check_digest("media.init_sha256", self.init_sha256)
        check_digest("media.sha256", self.sha256)
        check_number("media.size", self.size, MAX_MEDIA_BYTES)
        check_cid(self.cid)
        if not _CODEC.fullmatch(self.codec):
            raise bad("media.codec", "is no codec name (RFC 6381)")
        check_number("media.width", self.width, MAX_SIDE_PIXELS)
        check_number("media.height", self.height, MAX_SIDE_PIXELS)
        check_number("media.duration_ms", self.duration_ms, MAX_DURATION_MS)
        if not 1 <= len(self.groups) <= MAX_GROUPS:
            raise bad("media.groups", f"is not a list of 1 to {MAX_GROUPS}")
        for at, digest in enumerate(self.groups):
            check_digest(f"media.groups[{at}]", digest)

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
            "groups": [digest.hex() for digest in self.groups],
        }


@dataclass(frozen=True, slots=True)
class SegmentStatement:
    """One segment as its device states it. Creating one checks every field: `BadInput` EVIDENCE_FIELD, CID_SYNTAX.

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
        check_place_in_chain(self.device, self.sequence, self.previous)
        for name in ("place", "lot", "step", "recording"):
            check_text(name, getattr(self, name))
        check_time(self.recorded_from)
        check_time(self.recorded_until)

    @property
    def begins(self) -> datetime:
        """When what it tells of began."""
        return self.recorded_from

    @property
    def ends(self) -> datetime:
        """When what it tells of was over."""
        return self.recorded_until

    def canonical(self) -> bytes:
        """The bytes that are signed and digested."""
        return canonical_json(
            {
                "kind": SEGMENT,
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


_FIELDS = frozenset({*SegmentStatement.__slots__, "kind"})
_MEDIA_FIELDS = frozenset(Media.__slots__)


def segment_of_json(value: JsonValue) -> SegmentStatement:
    """The segment that a JSON object of kind `segment` states."""
    fields = Fields(value, "", _FIELDS)
    media = Fields(fields.values["media"], "media.", _MEDIA_FIELDS)
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
            groups=media.digests("groups"),
        ),
    )
