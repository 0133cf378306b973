"""Checkpoints of the log: what the log signs, what notaries cosign, and what a reader may believe.

C2SP tlog-checkpoint (the text), signed-note (the lines) and tlog-cosignature (Ed25519 `cosignature/v1`), so
that other people's tools read ours. Two deliberate narrowings, so that no byte of a note changes unnoticed:
extension lines are refused, and `open_cosigned` refuses lines of keys it does not know unless told to ignore
them (signed-note would have readers always ignore them).
May never happen here: counting one cosigner twice, or believing a checkpoint that the log itself did not
sign.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ledger import ed25519
from ledger.errors import BadInput, Refused, WrongUse
from ledger.merkle import EMPTY_ROOT, HASH_BYTES, MAX_SIZE
from ledger.note import Note, SignatureLine, check_name, read_line, read_note, strict_base64
from ledger.note_keys import Cosigner, CosignerKey, LogKey, LogSigner

__all__ = [
    "Checkpoint",
    "Cosignature",
    "CosignedCheckpoint",
    "Cosigner",
    "CosignerKey",
    "LogKey",
    "LogSigner",
    "add_cosignatures",
    "cosign",
    "open_checkpoint",
    "open_cosigned",
    "sign_checkpoint",
]

MAX_TIME = 2**63 - 1  # seconds since 1970, as tlog-cosignature bounds it

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One state of one log: `origin` names the log, `size` counts its leaves, `root` has 32 bytes."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        check_name(self.origin)
        if not 0 <= self.size <= MAX_SIZE:
            raise BadInput("CHECKPOINT_SIZE", f"A log has 0 to 2^63 - 1 entries, not {self.size}.", where=self.origin)
        if len(self.root) != HASH_BYTES or (self.size == 0) != (self.root == EMPTY_ROOT):
            raise BadInput(
                "CHECKPOINT_ROOT",
                "The root is not 32 bytes, or not the empty root exactly when the log is empty.",
            )

    def body(self) -> bytes:
        """The note text: three lines, each with its newline."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode('ascii')}\n".encode()


@dataclass(frozen=True, slots=True)
class Cosignature:
    """One verified cosignature: who said so and when (POSIX seconds, by the cosigner's own clock)."""

    cosigner: CosignerKey
    time: int


@dataclass(frozen=True, slots=True)
class CosignedCheckpoint:
    """A checkpoint that the log signed and at least a quorum cosigned, in the order of the note's lines."""

    checkpoint: Checkpoint
    cosignatures: tuple[Cosignature, ...]


def sign_checkpoint(checkpoint: Checkpoint, signer: LogSigner) -> bytes:
    """The checkpoint's note with the log's signature. Raises `WrongUse` LOG_NAME for another log's key."""
    if signer.name != checkpoint.origin:
        raise WrongUse("LOG_NAME", f"The key {signer.name} cannot sign for the log {checkpoint.origin}.")
    body = checkpoint.body()
    line = SignatureLine(signer.name, signer.key.key_id, ed25519.sign(signer.private_key, body))
    return Note(body, (line,)).encode()


def cosign(note: bytes, *, log_key: LogKey, cosigner: Cosigner, time: int) -> bytes:
    """One cosignature line, with its newline, over a note that the log signed.

    This signs; whether to sign is decided before, by `ledger.witness`. `time`: POSIX seconds. Raises what
    `open_checkpoint` raises, and `WrongUse` COSIGNATURE_TIME.
    """
    sign = partial(ed25519.sign, cosigner.private_key)
    return cosign_by(note, log_key=log_key, key=cosigner.key, sign=sign, time=time)


def cosign_by(note: bytes, *, log_key: LogKey, key: CosignerKey, sign: Callable[[bytes], bytes], time: int) -> bytes:
    """As `cosign`, where the private key is elsewhere: `sign` gives its Ed25519 signature over a message."""
    body = open_checkpoint(note, log_key=log_key).body()
    if not 0 < time <= MAX_TIME:
        raise WrongUse("COSIGNATURE_TIME", f"{time} is no time in seconds since 1970.")
    signature = time.to_bytes(8, "big") + sign(_cosigned_message(time, body))
    return SignatureLine(key.name, key.key_id, signature).encode()


def add_cosignatures(note: bytes, lines: Sequence[bytes]) -> bytes:
    """The note with more signature lines under it, each with its newline; nothing is verified here."""
    opened = read_note(note)
    added = []
    for line in lines:
        if line.count(b"\n") != 1 or not line.endswith(b"\n"):
            raise BadInput("NOTE_FORMAT", "A cosignature is one line that ends in a newline.")
        added.append(read_line(_utf8(line[:-1])))
    return read_note(replace(opened, lines=(*opened.lines, *added)).encode()).encode()


def open_checkpoint(note: bytes, *, log_key: LogKey) -> Checkpoint:
    """The checkpoint of a note, once the log's signature holds; other keys' lines are not looked at.

    Raises `BadInput` NOTE_*, CHECKPOINT_*; `Refused` LOG_UNKNOWN (another origin), SIG_MISSING, SIG_INVALID,
    SIG_DUPLICATE_SIGNER.
    """
    return _open(read_note(note), log_key)


def open_cosigned(
    note: bytes,
    *,
    log_key: LogKey,
    cosigners: Sequence[CosignerKey],
    quorum: int,
    not_after: int | None = None,
    ignore_unknown: bool = False,
) -> CosignedCheckpoint:
    """The checkpoint of a note that the log signed and at least `quorum` of `cosigners` cosigned.

    `not_after`: POSIX seconds; a cosignature from later is refused. `ignore_unknown`: skip lines of other
    keys, as needed for notes that public witnesses cosigned too. A known key whose signature fails refuses
    the whole note. Raises what `open_checkpoint` raises, and `Refused` SIG_UNKNOWN, SIG_DUPLICATE_SIGNER,
    COSIGNATURE_TIME, COSIGNATURE_FUTURE, QUORUM_MISSING; `WrongUse` QUORUM_INVALID, COSIGNER_REPEATED.
    """
    _check_committee(log_key, cosigners, quorum)
    opened = read_note(note)
    checkpoint = _open(opened, log_key)
    known = {(key.name, key.key_id): key for key in cosigners}
    found: dict[str, Cosignature] = {}
    for line in opened.lines:
        if (line.name, line.key_id) == (log_key.name, log_key.key_id):
            continue
        cosigner = known.get((line.name, line.key_id))
        if cosigner is None:
            if ignore_unknown:
                continue
            raise Refused("SIG_UNKNOWN", "A line is signed by no known cosigner.", where=line.name)
        if cosigner.name in found:
            raise Refused("SIG_DUPLICATE_SIGNER", "A cosigner signed the note twice.", where=line.name)
        found[cosigner.name] = _verify_cosignature(line, cosigner, opened.text, not_after)
    if len(found) < quorum:
        raise Refused(
            "QUORUM_MISSING",
            f"{len(found)} of {len(cosigners)} cosigned; {quorum} are needed.",
            where=f"{checkpoint.origin} at size {checkpoint.size}",
            cure=f"Wait for {quorum - len(found)} more cosignature(s).",
        )
    return CosignedCheckpoint(checkpoint, tuple(found.values()))


def _open(note: Note, log_key: LogKey) -> Checkpoint:
    checkpoint = _read_body(note.text)
    if checkpoint.origin != log_key.name:
        raise Refused("LOG_UNKNOWN", f"This is the log {checkpoint.origin}, not {log_key.name}.")
    lines = [line for line in note.lines if (line.name, line.key_id) == (log_key.name, log_key.key_id)]
    if not lines:
        raise Refused("SIG_MISSING", "The log's own signature is not on the note.", where=log_key.name)
    if len(lines) > 1:
        raise Refused("SIG_DUPLICATE_SIGNER", "The log signed the note twice.", where=log_key.name)
    ed25519.verify(log_key.public_key, note.text, lines[0].signature)
    return checkpoint


def _read_body(text: bytes) -> Checkpoint:
    lines = text.decode("utf-8").split("\n")
    if len(lines) != 4:  # three lines, and what follows the last newline
        raise BadInput("CHECKPOINT_FORMAT", "A checkpoint has exactly three lines: origin, size, root.")
    origin, size, root, _ = lines
    if not _SIZE.fullmatch(size):
        raise BadInput("CHECKPOINT_SIZE", "The size is a decimal number without leading zeros.", where=size[:40])
    return Checkpoint(origin, int(size), strict_base64(root))


def _verify_cosignature(line: SignatureLine, key: CosignerKey, text: bytes, not_after: int | None) -> Cosignature:
    time = int.from_bytes(line.signature[:8], "big")
    if not 0 < time <= MAX_TIME:
        raise Refused("COSIGNATURE_TIME", f"{time} is no time in seconds since 1970.", where=line.name)
    ed25519.verify(key.public_key, _cosigned_message(time, text), line.signature[8:])
    if not_after is not None and time > not_after:
        raise Refused(
            "COSIGNATURE_FUTURE", f"The cosignature's time {time} is later than {not_after}.", where=line.name
        )
    return Cosignature(key, time)


def _cosigned_message(time: int, text: bytes) -> bytes:
    return f"cosignature/v1\ntime {time}\n".encode("ascii") + text


def _check_committee(log_key: LogKey, cosigners: Sequence[CosignerKey], quorum: int) -> None:
    if not 1 <= quorum <= len(cosigners):
        raise WrongUse("QUORUM_INVALID", f"{quorum} of {len(cosigners)} cosigners is no quorum.")
    # One key under two names would count twice, and a log that cosigns itself is no second opinion.
    keys = {log_key.public_key, *(key.public_key for key in cosigners)}
    if len({key.name for key in cosigners}) != len(cosigners) or len(keys) != len(cosigners) + 1:
        raise WrongUse("COSIGNER_REPEATED", "Two cosigners share a name or a key, or one has the log's key.")


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput("NOTE_ENCODING", "The line is not UTF-8.") from None
