"""What a device sends for one segment: a CBOR map of four byte strings, with exactly one spelling.

What happens here: deterministic CBOR (RFC 8949, 4.2.1) of `{init, media, signature, statement}` is written and read;
keys in this order, every length in its shortest form, nothing after the end.
What may never happen here: a second spelling of the same body, a length believed before the bytes are there, or an
opinion about what the bytes say.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger.errors import BadInput
from ledger.evidence import SignedEvidence
from ledger.evidence.keys import SIGNATURE_BYTES
from ledger.evidence.statement import MAX_STATEMENT_BYTES
from ledger.mp4.fragments import MAX_INIT_BYTES, MAX_SEGMENT_BYTES

MEDIA_TYPE = "application/cbor"
MAX_BODY_BYTES = MAX_INIT_BYTES + MAX_SEGMENT_BYTES + MAX_STATEMENT_BYTES + 1024

_MAP_OF_FOUR, _BYTES, _TEXT = 0xA4, 2 << 5, 3 << 5
_FIELDS = (
    ("init", MAX_INIT_BYTES),
    ("media", MAX_SEGMENT_BYTES),
    ("signature", SIGNATURE_BYTES),
    ("statement", MAX_STATEMENT_BYTES),
)


@dataclass(frozen=True, slots=True)
class SegmentBody:
    """One segment as sent. Nothing in it is verified."""

    evidence: SignedEvidence
    init: bytes = field(repr=False)
    media: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SegmentView:
    """One segment as it came, its video not copied out of the bytes or the file that it came in."""

    evidence: SignedEvidence
    init: bytes = field(repr=False)
    media: memoryview = field(repr=False)


def write_segment_body(body: SegmentBody) -> bytes:
    """The bytes to send, and to spool until they were taken."""
    values = (body.init, body.media, body.evidence.signature, body.evidence.statement_bytes)
    parts = [bytes([_MAP_OF_FOUR])]
    for (name, _), value in zip(_FIELDS, values, strict=True):
        parts += (_head(_TEXT, len(name)), name.encode("ascii"), _head(_BYTES, len(value)), value)
    return b"".join(parts)


def read_segment_body(raw: bytes) -> SegmentBody:
    """The body that `raw` spells. Raises as `view_segment_body`."""
    view = view_segment_body(raw)
    return SegmentBody(view.evidence, view.init, bytes(view.media))


def view_segment_body(raw: bytes | memoryview) -> SegmentView:
    """The same, without a copy. `BadInput` SEGMENT_BODY (its form), MEDIA_LIMIT (a part that is too large)."""
    raw = memoryview(raw)
    if len(raw) > MAX_BODY_BYTES:
        raise BadInput(
            "MEDIA_LIMIT", f"The body has {len(raw)} bytes; at most {MAX_BODY_BYTES}.", cure="Cut shorter segments."
        )
    if raw[:1] != bytes([_MAP_OF_FOUR]):
        raise _malformed("a map of four entries", 0)
    at, values = 1, dict[str, memoryview]()
    for name, limit in _FIELDS:
        key = _head(_TEXT, len(name)) + name.encode("ascii")
        if raw[at : at + len(key)] != key:
            raise _malformed(f"the entry {name}", at)
        at += len(key)
        length, at = _read_length(raw, at)
        if length > limit:
            raise BadInput(
                "MEDIA_LIMIT", f"{name} has {length} bytes; at most {limit}.", where=name, cure="Cut shorter segments."
            )
        # A part that is cut short leaves `at` beyond the end, where neither the next key nor the end is found.
        values[name], at = raw[at : at + length], at + length
    if at != len(raw):
        raise _malformed("the end", at)
    if len(values["signature"]) != SIGNATURE_BYTES:
        raise _malformed(f"a signature of {SIGNATURE_BYTES} bytes", at)
    signed = SignedEvidence(bytes(values["statement"]), bytes(values["signature"]))
    return SegmentView(signed, bytes(values["init"]), values["media"])


def _head(major: int, length: int) -> bytes:
    if length < 24:
        return bytes([major | length])
    for info, width in ((24, 1), (25, 2), (26, 4)):
        if length < 1 << 8 * width:
            return bytes([major | info]) + length.to_bytes(width, "big")
    raise BadInput("MEDIA_LIMIT", f"A part of {length} bytes cannot be sent.", cure="Cut shorter segments.")


def _read_length(raw: memoryview, at: int) -> tuple[int, int]:
    """The length of the byte string whose head is at `at`, and where its content begins."""
    width = {24: 1, 25: 2, 26: 4}.get(raw[at] & 31, 0) if at < len(raw) else 0
    length = int.from_bytes(raw[at + 1 : at + 1 + width], "big") if width else (raw[at] & 31 if at < len(raw) else 0)
    head = raw[at : at + 1 + width]
    # Compared with the one way to write it: this refuses other types, longer forms and indefinite lengths at once.
    if length > MAX_BODY_BYTES or head != _head(_BYTES, length):
        raise _malformed("a byte string of definite length in its shortest form", at)
    return length, at + len(head)


def _malformed(wanted: str, at: int) -> BadInput:
    return BadInput(
        "SEGMENT_BODY",
        f"The body is not a segment in deterministic CBOR: {wanted} is expected.",
        where=f"byte {at}",
        cure="Send the map {init, media, signature, statement} of byte strings as the capture agent writes it.",
    )
