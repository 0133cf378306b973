"""Signed notes: text that people can read with Ed25519 signature lines under it (C2SP signed-note).

    <text, ends in a newline>
    <empty line>
    — <key name> <base64 of 4-byte key id ‖ signature>

May never happen here: two spellings of one note. Bytes that do not write back exactly as they were read are
refused, because a bundle that holds a note must notice every changed byte.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from ledger.errors import BadInput

MAX_NOTE_BYTES = 64 * 1024
MAX_SIGNATURES = 64  # readers must take 16 at least; a committee and its log stay far below 64
MAX_NAME_CHARS = 255

_DASH = "\u2014 "
_FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature line, taken apart but not verified. `signature` is what follows the 4-byte key id."""

    name: str
    key_id: bytes
    signature: bytes

    def encode(self) -> bytes:
        """The line with its newline."""
        blob = base64.b64encode(self.key_id + self.signature).decode("ascii")
        return f"{_DASH}{self.name} {blob}\n".encode()


@dataclass(frozen=True, slots=True)
class Note:
    """A note taken apart, nothing verified yet. `text` includes its last newline, as it is signed."""

    text: bytes
    lines: tuple[SignatureLine, ...]

    def encode(self) -> bytes:
        """The note as it travels."""
        return self.text + b"\n" + b"".join(line.encode() for line in self.lines)


def key_id(name: str, kind: int, public_key: bytes) -> bytes:
    """SHA-256(name ‖ 0x0A ‖ kind ‖ public key)[:4]: which key signed a line; a name, no authority."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public_key).digest()[:4]


def verifier_key(name: str, kind: int, public_key: bytes) -> str:
    """The key as other tools take it: `name+hex key id+base64(kind ‖ public key)`."""
    blob = base64.b64encode(bytes([kind]) + public_key).decode("ascii")
    return f"{name}+{key_id(name, kind, public_key).hex()}+{blob}"


def check_name(name: str) -> str:
    """Return a key name that a signature line can carry. Raises `BadInput` KEY_NAME."""
    bad = any(char.isspace() or char == "+" or not char.isprintable() for char in name)
    if not name or len(name) > MAX_NAME_CHARS or bad:
        raise BadInput(
            "KEY_NAME",
            f"A key name has 1 to {MAX_NAME_CHARS} printable characters without spaces and plus signs.",
            where=ascii(name)[:80],
            cure="Use something like example.com/estate.",
        )
    return name


def read_note(raw: bytes) -> Note:
    """Take a note apart. Raises `BadInput` NOTE_SIZE, NOTE_ENCODING, NOTE_FORMAT, NOTE_BASE64."""
    if len(raw) > MAX_NOTE_BYTES:
        raise BadInput("NOTE_SIZE", f"The note has {len(raw)} bytes; at most {MAX_NOTE_BYTES} are read.")
    try:
        whole = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput("NOTE_ENCODING", "The note is not UTF-8.", where=f"byte {error.start}") from None
    if _FORBIDDEN.search(whole):
        raise BadInput("NOTE_ENCODING", "The note holds a control character.")
    text, gap, signatures = whole.rpartition("\n\n")
    if not gap or not text or not signatures.endswith("\n"):
        raise BadInput("NOTE_FORMAT", "A note is text, an empty line, and signature lines that end in newlines.")
    lines = signatures[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise BadInput("NOTE_SIZE", f"The note has {len(lines)} signatures; at most {MAX_SIGNATURES} are read.")
    return Note((text + "\n").encode(), tuple(read_line(line) for line in lines))


def read_line(line: str) -> SignatureLine:
    """Take one signature line apart, without its newline. Raises `BadInput` NOTE_FORMAT, NOTE_BASE64."""
    name, _, blob = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not blob:
        raise BadInput("NOTE_FORMAT", "A signature line is: em dash, space, key name, space, base64.", where=line[:80])
    decoded = strict_base64(blob)
    if len(decoded) < 5:
        raise BadInput("NOTE_FORMAT", "A signature line holds a 4-byte key id and a signature.", where=line[:80])
    return SignatureLine(check_name(name), decoded[:4], decoded[4:])


def strict_base64(text: str) -> bytes:
    """Decode standard base64 (RFC 4648 section 4) in its canonical form. Raises `BadInput` NOTE_BASE64.

    The spare bits of the last character must be zero and the padding complete, else one value has many
    spellings.
    """
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        decoded = None
    if decoded is None or base64.b64encode(decoded).decode("ascii") != text:
        raise BadInput(
            "NOTE_BASE64",
            "This is not canonical base64 (RFC 4648 sections 3.5 and 4).",
            where=ascii(text)[:80],
        )
    return decoded
