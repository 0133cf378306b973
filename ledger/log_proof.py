"""One file that proves, offline, that the log holds an entry and that a quorum saw it there (C2SP
tlog-proof).

    c2sp.org/tlog-proof@v1
    extra <base64 of the 32-byte entry digest>
    index <leaf number>
    <base64 of one 32-byte hash>        as many as the tree is high, from the leaf up
    <empty line>
    <the checkpoint note with its cosignatures>

May never happen here: believing the file about anything. The entry digest in it only tells "another
payload" from "broken proof"; it is computed again from the payload, and the root comes from the verified
note alone.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ledger.canonical import DIGEST_BYTES, entry_digest
from ledger.checkpoint import CosignedCheckpoint, CosignerKey, LogKey, open_cosigned
from ledger.errors import BadInput, Refused
from ledger.merkle import HASH_BYTES, leaf_hash, verify_inclusion
from ledger.note import MAX_NOTE_BYTES, strict_base64

SPEC = "c2sp.org/tlog-proof@v1"
MAX_PROOF_BYTES = MAX_NOTE_BYTES + 8 * 1024

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class LogProof:
    """An inclusion proof with the checkpoint it leads to. Nothing in it is verified yet."""

    entry: bytes  # 32 bytes: what the tree's leaf is the hash of
    index: int
    path: tuple[bytes, ...]  # sibling hashes of 32 bytes, from the leaf up
    note: bytes

    def encode(self) -> bytes:
        """The file's bytes; `read_log_proof` accepts these and no other spelling."""
        lines = [
            SPEC,
            f"extra {_b64(self.entry)}",
            f"index {self.index}",
            *(_b64(node) for node in self.path),
        ]
        return "\n".join(lines).encode("ascii") + b"\n\n" + self.note


def read_log_proof(raw: bytes) -> LogProof:
    """Take a proof file apart. Raises `BadInput` PROOF_SIZE, PROOF_SPEC, PROOF_FORMAT, PROOF_NODE, NOTE_…."""
    if len(raw) > MAX_PROOF_BYTES:
        raise BadInput("PROOF_SIZE", f"A log proof has at most {MAX_PROOF_BYTES} bytes, this one {len(raw)}.")
    head, gap, note = raw.partition(b"\n\n")
    if not head.isascii() or not gap:
        raise BadInput("PROOF_FORMAT", "A log proof is ASCII lines, an empty line and a checkpoint.")
    spec, *lines = head.decode("ascii").split("\n")
    if spec != SPEC:
        raise BadInput("PROOF_SPEC", f"This proof is of another kind; only {SPEC} is read.", where=spec[:80])
    index = _INDEX.fullmatch(lines[1]) if len(lines) > 1 else None
    if index is None or not lines[0].startswith("extra "):
        raise BadInput("PROOF_FORMAT", "A log proof names its entry, then its index, on lines of their own.")
    entry, *path = (strict_base64(text) for text in (lines[0].removeprefix("extra "), *lines[2:]))
    if len(entry) != DIGEST_BYTES or any(len(node) != HASH_BYTES for node in path):
        raise BadInput("PROOF_NODE", f"The entry and every hash of the path have {HASH_BYTES} bytes.")
    return LogProof(entry, int(index[1]), tuple(path), note)


def verify_logged(
    proof: LogProof,
    *,
    domain: str,
    salt: bytes,
    canonical: bytes,
    log_key: LogKey,
    cosigners: Sequence[CosignerKey],
    quorum: int,
) -> CosignedCheckpoint:
    """Check that the log holds this payload, and return the cosigned checkpoint that says so.

    `domain`, `salt` (32 bytes), `canonical`: the payload the caller holds. Raises `Refused` PROOF_PAYLOAD
    (a proof for something else), ROOT_UNTRUSTED (the note does not convince; the cause is chained),
    PROOF_INVALID.
    """
    if entry_digest(domain, salt, canonical) != proof.entry:
        raise Refused("PROOF_PAYLOAD", "The proof is for another entry than this payload.", where=domain)
    try:
        cosigned = open_cosigned(proof.note, log_key=log_key, cosigners=cosigners, quorum=quorum)
    except (BadInput, Refused) as error:
        reason = f"The checkpoint cannot be believed: {error.code}, {error.what}"
        raise Refused("ROOT_UNTRUSTED", reason, where=error.where, cure=error.cure) from error
    checkpoint = cosigned.checkpoint
    verify_inclusion(
        leaf=leaf_hash(proof.entry),
        index=proof.index,
        size=checkpoint.size,
        proof=proof.path,
        root=checkpoint.root,
    )
    return cosigned


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
