"""A journal in one file, to be carried to another machine or kept as a copy: exact, hashed and signed by its key.

A line of JSON (format, owner, size, SHA-256, tally, signature), then the database. May never happen here: importing a
file that was altered, that is another key's, or that has forgotten what this folder or this machine still knows.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.durable_file import sync_folder, write_new
from ledger.errors import BadInput, Problem, Refused, Unavailable, WrongUse
from ledger.ethereum.keccak import keccak256
from ledger.secp256k1 import Signature, recover
from notary.config import NotaryConfig
from notary.durable import JOURNAL_FILE
from notary.guard import Guard
from notary.journal import APPEND_ONLY, Journal
from notary.signer import Signer, open_signer

FORMAT = "pledgetrail-journal/1"
MAX_EXPORT_BYTES = 1024**3
_MAX_HEAD_BYTES = 1_024
_TAG = b"pledgetrail/journal/v1"
_FIELDS = {"format", "owner", "sha256", "signature", "size", "tally"}


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export holds: `owner` (20 bytes), `tally` of entries, and the database."""

    owner: bytes
    tally: int
    database: bytes


@contextmanager
def opened(config: NotaryConfig) -> Iterator[tuple[Path, Signer, Guard]]:
    """What moving a notary's journal needs: its folder, its keys and this machine's record of them.

    Errors: `WrongUse` GUARD_MISSING; those of `open_signer` and `Guard`.
    """
    if config.guard is None:
        raise WrongUse("GUARD_MISSING", "a journal moves only between machines that remember it", where="guard")
    signer = open_signer(config.folder, password_file=config.password_file, token=config.token)
    with closing(signer), closing(Guard(config.guard, signer.public.address)) as guard:
        yield config.folder, signer, guard


def export_journal(folder: Path, signer: Signer, guard: Guard, target: Path, *, move: bool) -> Exported:
    """Write the journal of a stopped notary to a new file. `move`: the folder's own copy may not be used any more.

    Errors: those of `Journal`; `Refused` EXPORT_EXISTS; `Unavailable` EXPORT_WRITE.
    """
    owner = signer.public.address
    with closing(Journal(folder, owner=owner, guard=guard)) as journal:
        found = Exported(owner, journal.tally, journal.copy())
        try:
            if not write_new(target, _pack(found, signer)):
                raise Refused("EXPORT_EXISTS", "there is a file of that name", where=str(target))
        except OSError as error:
            raise Unavailable("EXPORT_WRITE", f"the export cannot be written: {error}", where=str(target)) from error
        if move:
            guard.note(found.tally, moved=True)
    return found


def import_journal(folder: Path, signer: Signer, guard: Guard, source: Path) -> Exported:
    """Put an exported journal in the place of the folder's own, if it holds all that one does.

    Errors: `BadInput` EXPORT_FORMAT; `Refused` EXPORT_ALTERED, JOURNAL_OWNER, JOURNAL_OLD and those of `Journal`;
    `Unavailable` EXPORT_UNREADABLE, JOURNAL_WRITE.
    """
    owner = signer.public.address
    guard.hold()
    found = read_export(_read(source))
    if found.owner != owner:
        raise Refused("JOURNAL_OWNER", "the exported journal belongs to another key", where=str(source))
    held = guard.remembered()
    if found.tally < held.tally:
        what = f"the export holds {found.tally} of {held.tally} entries that this key has made here"
        raise Refused("JOURNAL_OLD", what, where=str(source), cure="Import the newest export there is.")
    try:
        # The journal that is there holds the folder meanwhile, and is checked by being opened.
        with _beside(folder, found.database) as incoming, closing(Journal(folder, owner=owner)) as present:
            _require_all(present, incoming)
            present.replace(incoming)
    except (OSError, sqlite3.Error) as error:
        raise Unavailable("JOURNAL_WRITE", f"the journal cannot be put there: {error}", where=str(folder)) from error
    with closing(Journal(folder, owner=owner)) as placed:
        if placed.tally != found.tally:
            raise Refused("EXPORT_ALTERED", "the export does not hold what its head says", where=str(source))
    guard.note(found.tally)
    return found


def read_export(raw: bytes) -> Exported:
    """Check a file's hash and signature. Errors: `BadInput` EXPORT_FORMAT; `Refused` EXPORT_ALTERED."""
    head, separator, database = raw.partition(b"\n")
    try:
        if not separator or len(head) > _MAX_HEAD_BYTES:
            raise ValueError("no head")
        fields: dict[str, Any] = json.loads(head)
        owner, digest, signature = (bytes.fromhex(fields[name]) for name in ("owner", "sha256", "signature"))
        size, tally = fields["size"], fields["tally"]
        known = set(fields) == _FIELDS and fields["format"] == FORMAT and type(size) is type(tally) is int
        if not known or _head(fields) != head:
            raise ValueError("other fields")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput("EXPORT_FORMAT", f"this is no exported journal ({type(error).__name__})") from error
    try:
        if len(database) != size or hashlib.sha256(database).digest() != digest:
            raise Refused("EXPORT_ALTERED", "the content does not have its hash")
        if recover(_digest(digest, tally), Signature.parse(signature)) != owner:
            raise Refused("EXPORT_ALTERED", "the signature is not the owner's")
    except Problem as problem:
        cure = "Export it again, or take another copy."
        raise Refused("EXPORT_ALTERED", problem.what, cure=cure) from problem
    return Exported(owner, tally, database)


def _pack(found: Exported, signer: Signer) -> bytes:
    digest = hashlib.sha256(found.database).digest()
    fields = {
        "format": FORMAT,
        "owner": found.owner.hex(),
        "sha256": digest.hex(),
        "signature": signer.sign(_digest(digest, found.tally)).hex(),
        "size": len(found.database),
        "tally": found.tally,
    }
    return _head(fields) + b"\n" + found.database


def _head(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes, tally: int) -> bytes:
    # Under a tag of its own: no EIP-712 digest begins like this.
    return keccak256(_TAG + content + tally.to_bytes(8, "big"))


def _read(source: Path) -> bytes:
    try:
        with source.open("rb") as file:
            raw = file.read(MAX_EXPORT_BYTES + 1)
    except OSError as error:
        raise Unavailable("EXPORT_UNREADABLE", "the export cannot be read", where=str(source)) from error
    if len(raw) > MAX_EXPORT_BYTES:
        raise BadInput("EXPORT_FORMAT", f"an export has at most {MAX_EXPORT_BYTES} bytes", where=str(source))
    return raw


@contextmanager
def _beside(folder: Path, database: bytes) -> Iterator[Path]:
    """The database as a file of the folder, under a name of its own; gone at the end unless it took the journal's."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{JOURNAL_FILE}.incoming"
    path.unlink(missing_ok=True)
    write_new(path, database)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        sync_folder(folder)


def _require_all(present: Journal, incoming: Path) -> None:
    """Refuse an export that lacks a row of the folder's journal."""
    lacking = [table for table in APPEND_ONLY if not present.is_within(incoming, table)]
    if lacking:
        what = f"the export has forgotten what the folder's journal holds: {', '.join(lacking)}"
        raise Refused("JOURNAL_OLD", what, where=str(incoming.parent), cure="Import the newest export there is.")
