"""The two kinds of keys that sign checkpoint notes: the log's own, and a notary's for cosigning.

May never happen here: one key serving both purposes under one key id; the kind is part of the id (C2SP signed-note).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ledger import ed25519
from ledger.errors import BadInput
from ledger.note import check_name, key_id, strict_base64, verifier_key


@dataclass(frozen=True, slots=True)
class _NoteKey:
    name: str
    public_key: bytes
    kind: ClassVar[int]

    def __post_init__(self) -> None:
        check_name(self.name)
        ed25519.check_public_key(self.public_key)

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that name this key in a signature line."""
        return key_id(self.name, self.kind, self.public_key)

    @property
    def verifier_key(self) -> str:
        """The key as other C2SP tools take it."""
        return verifier_key(self.name, self.kind, self.public_key)


@dataclass(frozen=True, slots=True)
class LogKey(_NoteKey):
    """The public key (32 bytes) a log signs its checkpoints with; `name` equals the log's origin."""

    kind: ClassVar[int] = 0x01  # signed-note: plain Ed25519 over the text


def read_log_key(text: str) -> LogKey:
    """A log's key from the form that other C2SP tools use (`verifier_key`). Raises `BadInput` KEY_FORMAT, KEY_NAME."""
    name, _, rest = text.partition("+")
    blob = strict_base64(rest.partition("+")[2])
    if blob[:1] == bytes([LogKey.kind]):
        key = LogKey(name, blob[1:])
        if key.verifier_key == text:
            return key
    raise BadInput("KEY_FORMAT", "This is no log's verifier key: name+key id+base64.", where=ascii(text)[:80])


@dataclass(frozen=True, slots=True)
class CosignerKey(_NoteKey):
    """The public key (32 bytes) a notary cosigns with. The signed text does not name its signer."""

    kind: ClassVar[int] = 0x04  # tlog-cosignature: Ed25519 over a header, a time and the text


@dataclass(frozen=True, slots=True)
class LogSigner:
    """The log's private key (32 bytes, never printed) under its name."""

    name: str
    private_key: bytes = field(repr=False)

    @property
    def key(self) -> LogKey:
        """The public side."""
        return LogKey(self.name, ed25519.public_key(self.private_key))


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A notary's private cosigning key (32 bytes, never printed) under its name."""

    name: str
    private_key: bytes = field(repr=False)

    @property
    def key(self) -> CosignerKey:
        """The public side."""
        return CosignerKey(self.name, ed25519.public_key(self.private_key))
