"""One signing record: the SEI that carries a document and its signature.

What happens here: a NAL unit is recognised by the UUID of ONVIF Media Signing and taken apart into its document, the
bytes that were signed and the signature. What may never happen here: a digest over other bytes than those signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger.errors import BadInput
from ledger.media_signing.documents import SIGNATURE, Document, malformed, read_document, tags
from ledger.media_signing.elementary import Codec, escape, escaped_length, stripped, unescape

UUID: Final = bytes.fromhex("005bc93f2d715e95ada4796f90877a6f")
_USER_DATA_UNREGISTERED = 5
_CERTIFICATE, _ESCAPED = 0x80, 0x40
MAX_SEI_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """A record as found. `signed_bytes`: what its signature is over; for one without signature, the whole unit.

    `certificate`: it covers no pictures and only brings certificates.
    """

    document: Document
    certificate: bool
    signed_bytes: bytes


def is_record(unit: bytes, codec: Codec) -> bool:
    """Whether a SEI is a signing record, readable or not."""
    try:
        return _payload(unescape(unit[:MAX_SEI_BYTES]), codec)[2] == UUID
    except BadInput:
        return False


def read_record(unit: bytes, codec: Codec) -> Record:
    """The record in a unit that `is_record` knows; SEI_FORMAT where it cannot be read."""
    if len(unit) > MAX_SEI_BYTES:
        raise malformed(f"it has more than {MAX_SEI_BYTES} bytes")
    raw = plain = stripped(unit)
    start, size, _ = _payload(raw, codec)
    # Some signers write no prevention bytes at all: then the unit is as long as it states, whatever zeros are in it.
    if start + size + 1 != len(raw):
        plain = unescape(raw)
    if size <= len(UUID) or start + size + 1 != len(plain) or plain[-1] != 0x80:
        raise malformed("its length is not the one it states")
    flags, body = plain[start + 16], plain[start + 17 : start + size]
    if flags & 0x3F:
        raise malformed("it sets flags of a later version")
    document = read_document(body)
    if document.signature is None:
        return Record(document, bool(flags & _CERTIFICATE), raw if flags & _ESCAPED else plain)
    last, at = max((offset, tag) for tag, offset, _ in tags(body))
    if at != SIGNATURE:
        raise malformed("something follows its signature")
    signed = start + 17 + last
    covered = raw[: escaped_length(raw, signed)] if flags & _ESCAPED and raw != plain else plain[:signed]
    return Record(document, bool(flags & _CERTIFICATE), covered)


def write_record(codec: Codec, body: bytes, *, certificate: bool = False, reserved: int = 0) -> bytes:
    """The plain bytes of a record up to where its signature goes, which will take `reserved` bytes; not yet escaped."""
    size = len(UUID) + 1 + len(body) + reserved
    head = codec.sei_header + bytes([_USER_DATA_UNREGISTERED]) + b"\xff" * (size // 255) + bytes([size % 255])
    return head + UUID + bytes([_CERTIFICATE if certificate else 0]) + body


def finish_record(plain: bytes, signature_entry: bytes) -> bytes:
    """The NAL unit, ready to be put in front of a picture."""
    return escape(plain + signature_entry + b"\x80")


def _payload(plain: bytes, codec: Codec) -> tuple[int, int, bytes]:
    """Where the payload begins, its length as stated, and its first 16 bytes."""
    at = codec.header_bytes
    if plain[at : at + 1] != bytes([_USER_DATA_UNREGISTERED]):
        raise malformed("it is another kind of SEI")
    at, size = at + 1, 0
    while plain[at : at + 1] == b"\xff":
        at, size = at + 1, size + 255
    if at >= len(plain):
        raise malformed("it is cut short")
    return at + 1, size + plain[at], plain[at + 1 : at + 17]
