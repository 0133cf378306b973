"""What the user brought, checked before anything is written, and kept: one folder tells one story to its end.

May never happen here: a finished folder that goes on with another document or other videos than it began with.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from examples.demo import story
from examples.demo.folder import DataFolder
from ledger.canonical import parse_json
from ledger.capture.segments import read_recording
from ledger.durable_file import write_whole
from ledger.epcis import keep_last_of_repeated_names, read_document
from ledger.errors import BadInput, Problem, Refused, WrongUse
from ledger.gs1 import Identifier, Level, goods_key
from ledger.store import Ledger, utc_now

BEGINNING_FILE = "beginning.json"
DOCUMENT_FILE = "brought-events.json"
MAX_EPCIS_BYTES = 16 * 1024 * 1024
MAX_BEGINNING_BYTES = 64 * 1024
_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Goods:
    """What the journey is about: the unit with the QR code, the lot that is filmed, and the pledged goods' key."""

    unit: Identifier
    lot: Identifier
    goods_key: bytes


@dataclass(frozen=True, slots=True)
class Beginning:
    """How the story began in a folder: when (UTC), with the user's document if any, and SHA-256 of each video."""

    start: datetime
    document: bytes | None
    videos: tuple[str, ...]

    @property
    def events(self) -> bytes:
        """The EPCIS document of the journey: the user's, or the story's own."""
        return self.document or story.events(self.start)

    @property
    def goods(self) -> Goods:
        """What the journey is about."""
        return goods_of(self.document)


def check_document(path: Path | None) -> bytes | None:
    """The user's EPCIS document, found to be one that the ledger takes and that is about something.

    Errors: `BadInput` FILE_UNREADABLE, FILE_TOO_LARGE, EPCIS_NO_SUBJECT; those of `EventBook.capture_document`.
    """
    if path is None:
        return None
    raw = _read(path)
    try:
        raw, _repeated = keep_last_of_repeated_names(raw)
        read_document(raw)
        goods_of(raw)
        # The same code decides as later: an empty ledger that is thrown away takes it, or says why not.
        with tempfile.TemporaryDirectory() as empty:
            ledger = Ledger.open(Path(empty), origin="pledgetrail.example/check")
            try:
                ledger.events.capture_document(raw, received_at=utc_now())
            finally:
                ledger.close()
    except Problem as problem:
        problem.where = f"{path}: {problem.where}" if problem.where else str(path)
        raise
    return raw


def check_videos(videos: Sequence[Path]) -> tuple[str, ...]:
    """SHA-256 of each video, found to be one that can be segmented. `WrongUse` TOO_MANY_VIDEOS; as `read_recording`."""
    if len(videos) > len(story.STEPS):
        raise WrongUse("TOO_MANY_VIDEOS", f"the story has {len(story.STEPS)} steps", where=f"{len(videos)} videos")
    for video in videos:
        with read_recording(video, target_seconds=story.SECONDS_PER_SEGMENT):
            pass
    return tuple(_digest_of(video) for video in videos)


def begin(folder: DataFolder, document: bytes | None, videos: tuple[str, ...], *, filmed: bool) -> Beginning:
    """How the story began in this folder; it begins now, with what is given, where it had not.

    `filmed`: whether the folder needs the videos no more. Errors: `Refused` DATA_OTHER_INPUT where something else is
    given than it began with; `BadInput` DATA_DAMAGED.
    """
    path = folder / BEGINNING_FILE
    if not path.exists():
        began = Beginning(now(), document, videos)
        if document is not None:
            write_whole(folder / DOCUMENT_FILE, document)
        # Written last: it is what makes the story begun.
        write_whole(path, _dump(began))
        return began
    kept = _load(folder)
    if document is not None and document != kept.document:
        raise _other("began with another EPCIS document", "--epcis", folder)
    if videos and videos != kept.videos:
        raise _other("began with other videos", "--video", folder)
    if kept.videos and not videos and not filmed:
        raise _other("began with videos of yours, and is not filmed to its end", "--video", folder)
    return kept


def goods_of(document: bytes | None) -> Goods:
    """The story's unit and lot, or the first unit, lot or thing that the user's document is about.

    Errors: `BadInput` EPCIS_NO_SUBJECT; those of `read_document`.
    """
    if document is None:
        return Goods(story.UNITS[0], story.TEA, goods_key(story.TEA))
    events = read_document(document).events
    subjects: list[Identifier] = [subject for event in events for subject in event.subjects()]
    if not subjects:
        raise BadInput(
            "EPCIS_NO_SUBJECT",
            "the document's events are about no identified thing",
            cure="Bring a document with at least one event about a unit, a lot or another thing with a GS1 key.",
        )
    unit = next((found for found in subjects if found.level is Level.INSTANCE), subjects[0])
    lots = [lot for event in events for _thing, lot in event.lots()]
    lot = unit.lot() or next(iter(lots), unit)
    try:
        return Goods(unit, lot, goods_key(lot))
    except BadInput:
        # What is no lot of a GTIN cannot be pledged; the story's receipt and loan are over its own lot then.
        return Goods(unit, lot, goods_key(story.TEA))


def now() -> datetime:
    """The machine's clock, to the millisecond: what statements and events carry."""
    moment = utc_now()
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _other(what: str, option: str, folder: DataFolder) -> Refused:
    return Refused(
        "DATA_OTHER_INPUT",
        f"this folder's story {what}",
        where=str(folder.path),
        cure=f"Name the {option} it began with, or choose another folder with --data; nothing here was changed.",
    )


def _dump(began: Beginning) -> bytes:
    document = None if began.document is None else hashlib.sha256(began.document).hexdigest()
    fields = {"start": began.start.isoformat(), "document": document, "videos": began.videos}
    return json.dumps(fields, indent=1).encode()


def _load(folder: DataFolder) -> Beginning:
    try:
        fields = parse_json((folder / BEGINNING_FILE).read_bytes(), max_bytes=MAX_BEGINNING_BYTES)
        if not isinstance(fields, dict) or not isinstance(fields["videos"], list):
            raise TypeError
        start = datetime.fromisoformat(str(fields["start"])).astimezone(UTC)
        document = None
        if fields["document"] is not None:
            document = (folder / DOCUMENT_FILE).read_bytes()
            if hashlib.sha256(document).hexdigest() != fields["document"]:
                raise ValueError
        return Beginning(start, document, tuple(str(video) for video in fields["videos"]))
    except (OSError, ValueError, KeyError, TypeError, Problem) as error:
        raise BadInput(
            "DATA_DAMAGED",
            "how the folder's story began cannot be read",
            where=str(folder / BEGINNING_FILE),
            cure="Choose another folder with --data.",
        ) from error


def _digest_of(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            found.update(piece)
    return found.hexdigest()


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_EPCIS_BYTES + 1)
    except OSError as error:
        raise BadInput(
            "FILE_UNREADABLE",
            f"the file cannot be read: {error.strerror}",
            where=str(path),
            cure="Name a file that this user may read.",
        ) from error
    if len(raw) > MAX_EPCIS_BYTES:
        raise BadInput("FILE_TOO_LARGE", f"the file has more than {MAX_EPCIS_BYTES} bytes", where=str(path))
    return raw
