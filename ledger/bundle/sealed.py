"""What later notaries seal about a message's crossing, so that nobody can make up an earlier one with retired keys.

Once an anchor has crossed and its credential is closed, both are logged: the credential, which binds certificate and
verdict with every signature, and the digest of the checkpoint's note, which binds each cosignature and its time. The
next checkpoint holds that entry, and whoever cosigns it vouches that these words stood there by then, whatever happens
to the keys that gave them. Of a loan's instruction the credential alone is logged: it has no checkpoint of its own.
May never happen here: a record that leaves one of those signatures out.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from ledger.canonical import DIGEST_BYTES, canonical_json, parse_canonical
from ledger.errors import BadInput

CROSSING_DOMAIN: Final = "pledgetrail/crossing/v1/json"
CREDENTIAL_DOMAIN: Final = "pledgetrail/credential/v1/json"
MAX_CROSSING_BYTES: Final = 1024

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class CrossingRecord:
    """One crossing as the log keeps it. `note`: SHA-256 of the anchored checkpoint's note with its cosignatures;
    `cosigned_in`: the epoch of those who cosigned it; `credential`: as the transaction registry holds it.
    """

    note: bytes
    cosigned_in: int
    credential: bytes

    def dump(self) -> bytes:
        """Its RFC 8785 bytes: what is logged."""
        return canonical_json(
            {"note": self.note.hex(), "cosigned_in": self.cosigned_in, "credential": self.credential.hex()}
        )


def crossing_record(*, note: bytes, cosigned_in: int, credential: bytes) -> CrossingRecord:
    """The record of a note that was anchored and whose credential is closed."""
    return CrossingRecord(hashlib.sha256(note).digest(), cosigned_in, credential)


def read_crossing_record(raw: bytes) -> CrossingRecord:
    """The record that `raw` spells. Raises `BadInput` CROSSING_FORMAT, NON_CANONICAL, JSON_…."""
    value = parse_canonical(raw, max_bytes=MAX_CROSSING_BYTES)
    if not isinstance(value, dict) or value.keys() != {"note", "cosigned_in", "credential"}:
        raise _malformed("it does not hold exactly note, cosigned_in and credential")
    epoch = value["cosigned_in"]
    if type(epoch) is not int or epoch < 0:
        raise _malformed("cosigned_in is no epoch")
    return CrossingRecord(_digest(value["note"]), epoch, _digest(value["credential"]))


def credential_record(credential: bytes) -> bytes:
    """What is logged of a loan's closed instruction: its credential (32 bytes), as RFC 8785 bytes."""
    return canonical_json({"credential": credential.hex()})


def read_credential_record(raw: bytes) -> bytes:
    """The credential that a record names. Raises `BadInput` CROSSING_FORMAT, NON_CANONICAL, JSON_…."""
    value = parse_canonical(raw, max_bytes=MAX_CROSSING_BYTES)
    if not isinstance(value, dict) or value.keys() != {"credential"}:
        raise _malformed("it does not hold exactly a credential")
    credential = _digest(value["credential"])
    if credential_record(credential) != raw:
        raise BadInput("NON_CANONICAL", "The credential's record is not in its canonical form.")
    return credential


def _digest(value: object) -> bytes:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise _malformed(f"a digest is not {2 * DIGEST_BYTES} lower-case hexadecimal digits")
    return bytes.fromhex(value)


def _malformed(why: str) -> BadInput:
    return BadInput("CROSSING_FORMAT", f"This is no record of a crossing: {why}.")
