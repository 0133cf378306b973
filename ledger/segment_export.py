"""`pledgetrail export segment`: a piece of a recording out of a ledger's folder, for others to play and check.

What happens here: the segment of one log entry is read from a data folder and written as MP4; with `--c2pa` it carries
a manifest that names its evidence. May never happen here: a key that others could read, a file half written, or an
export whose own manifest does not hold.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from ledger.c2pa_manifest.read import read_manifest
from ledger.c2pa_manifest.write import Claim, sign_recording
from ledger.capture.keys import read_secret
from ledger.capture.signing import p256_from_pem
from ledger.durable_file import write_whole
from ledger.errors import Refused, WrongUse
from ledger.evidence.fields import write_time
from ledger.evidence.keys import SoftwareKey
from ledger.intake.media_config import open_media
from ledger.media_signing import Authenticity
from ledger.store.database import Database
from ledger.store.evidence_book import SqlEvidenceBook
from ledger.store.evidence_rows import StoredSegment
from ledger.store.ledger import DATABASE_FILE
from ledger.verify_report import read_file

MAX_CHAIN_BYTES = 64 * 1024


def export(data: Path, entry: int, out: Path, *, key: Path | None, chain: Path | None) -> str:
    """Write the segment of `entry`, with a manifest where a key and its chain are given; returns what was written.

    Raises `WrongUse` STORE_FOLDER, KEY_MODE, P256_KEY, C2PA_KEY, C2PA_CERTIFICATE; `Refused` SEGMENT_UNKNOWN,
    MEDIA_UNKNOWN, MEDIA_CORRUPT, C2PA_EXPORT; `Unavailable` KEY_MISSING; `BadInput` FILE_UNREADABLE, CERTIFICATES.
    """
    found, video = read_segment(data, entry)
    if key is not None and chain is not None:
        video = with_manifest(video, found, p256_from_pem(read_secret(key), key), read_file(chain, MAX_CHAIN_BYTES))
    write_whole(out, video)
    return f"{out}: {len(video)} bytes, {found.statement.device} number {found.statement.sequence}"


def read_segment(data: Path, entry: int) -> tuple[StoredSegment, bytes]:
    """The segment of an entry, and its playable bytes, hashed anew. `Refused` SEGMENT_UNKNOWN, MEDIA_…; `WrongUse`."""
    if not (data / DATABASE_FILE).is_file():
        raise WrongUse("STORE_FOLDER", "This is no ledger's data folder.", where=str(data), cure="Name it with --data.")
    database = Database.open(data / DATABASE_FILE)
    try:
        found = SqlEvidenceBook(database).segment_at(entry)
    finally:
        database.close()
    if found is None:
        raise Refused(
            "SEGMENT_UNKNOWN",
            "No segment of video stands at this entry of the log.",
            where=str(entry),
            cure="Take the number from the step's page or from /api/v1.",
        )
    media = open_media(data)
    return found, media.get(found.init_cid) + media.get(found.media_cid)


def with_manifest(video: bytes, found: StoredSegment, key: SoftwareKey, chain: bytes) -> bytes:
    """The video with a manifest that names its evidence; verified before it is handed out."""
    signed = sign_recording(video, _claim(found), key, chain)
    with tempfile.NamedTemporaryFile(suffix=".mp4") as written:
        written.write(signed)
        written.flush()
        verdict = read_manifest(Path(written.name), b"")
    if verdict is None or verdict.authenticity is not Authenticity.AUTHENTIC:
        raise Refused(
            "C2PA_EXPORT",
            "The manifest that was just written does not hold.",
            where=", ".join(verdict.failures) if verdict else "no manifest",
            cure="Export it without a manifest, and report this.",
        )
    return signed


def _claim(found: StoredSegment) -> Claim:
    statement = found.statement
    return Claim(
        statement.device,
        statement.sequence,
        found.signed.digest.hex(),
        found.media_cid,
        write_time(statement.recorded_from),
        write_time(statement.recorded_until),
        found.entry,
    )
