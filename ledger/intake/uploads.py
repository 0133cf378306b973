"""Large segments that come in pieces: what is here of them, until it is whole.

What happens here: an upload is begun with an envelope whose signature holds, so that only an enrolled device can fill
the disk, and only with what it signed; its pieces are appended where they belong. Pieces are not forced to the disk:
what a power cut spoils is found when the whole is compared with what was signed, and comes again. What an upload may
grow to counts from its beginning, and where the bounds are reached, whoever has most under way makes room: one device
takes no other's place. What may never happen here: a piece at another place than it says, more bytes than were signed,
or more uploads, or more bytes of them, than the bounds below.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from mmap import ACCESS_READ, mmap
from pathlib import Path

from ledger.errors import BadInput, Refused, Unavailable
from ledger.evidence import SignedEvidence, as_segment, read_envelope, read_segment, read_stated
from ledger.evidence.verification import read_signed
from ledger.intake.receive import EvidenceBook, Received, Receiver
from ledger.mp4.fragments import MAX_INIT_BYTES, MAX_SEGMENT_BYTES
from ledger.segment_body import SegmentView

MAX_UPLOADS = 512
MAX_BYTES = 8 * 1024**3
STALE_SECONDS = 600.0
"""Without a piece: then an upload makes room for another where the bounds are reached. Its device begins it again."""
WHOLE_AT_ONCE = 2  # whole segments looked at, of up to 65 MiB each

_NAME = re.compile(r"[0-9a-f]{64}")
_ENVELOPE, _PIECES = ".envelope", ".part"


@dataclass(frozen=True, slots=True)
class _Begun:
    """An upload under way: whose, how many bytes it may come to, and when a piece of it came last (POSIX seconds)."""

    name: str
    device: str
    size: int
    touched: float


class Uploads:
    """The uploads in `folder`, one file of pieces and one envelope each. Safe between threads.

    `clock`: seconds, for what is stale. Raises `Unavailable` MEDIA_UNAVAILABLE where the disk fails.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], float] = time.time,
        most: int = MAX_UPLOADS,
        most_bytes: int = MAX_BYTES,
    ) -> None:
        self._folder, self._clock, self._most, self._most_bytes = folder, clock, most, most_bytes
        self._lock, self._whole = threading.Lock(), threading.Semaphore(WHOLE_AT_ONCE)
        self._signed_for: dict[str, tuple[str, int]] = {}  # device and size by name, of what is in the folder

    def begin(self, envelope: bytes, *, book: EvidenceBook, received_at: datetime) -> tuple[str, int | None]:
        """The upload's name and how much of it is here; None where the evidence is held already.

        Raises `Refused` DEVICE_UNKNOWN, EVIDENCE_SIGNATURE, DEVICE_REVOKED; `BadInput` EVIDENCE_KIND, MEDIA_LIMIT and
        what `read_envelope` raises; `Unavailable` INTAKE_BUSY.
        """
        stated = read_stated(envelope)
        signed, statement = stated.signed, as_segment(stated.statement)
        device, _, _ = book.known(statement.device)
        read_signed(stated, device=device, received_at=received_at)
        if device.revoked_at is not None and received_at >= device.revoked_at:
            raise Refused("DEVICE_REVOKED", "The device's key was revoked.", where=device.id)
        name = signed.digest.hex()
        if book.held(signed.digest) is not None:
            self.give_up(name)
            return name, None
        if statement.media.size > MAX_SEGMENT_BYTES:
            raise BadInput("MEDIA_LIMIT", f"A segment has at most {MAX_SEGMENT_BYTES} bytes.", cure="Cut shorter ones.")
        with self._lock, _disk(name):
            self._folder.mkdir(parents=True, exist_ok=True)
            pieces, kept = self._path(name, _PIECES), self._path(name, _ENVELOPE)
            if not pieces.exists():
                self._make_room(statement.device, statement.media.size + MAX_INIT_BYTES)
            if not kept.exists() or kept.read_bytes() != envelope:  # a power cut may leave its name and not its bytes
                kept.write_bytes(envelope)
            pieces.touch()
            return name, pieces.stat().st_size

    def append(self, name: str, offset: int, piece: bytes) -> int:
        """Add a piece and return how much is here now.

        Raises `Refused` UPLOAD_UNKNOWN, UPLOAD_OFFSET; `BadInput` UPLOAD_SIZE (more than was signed).
        """
        with self._lock, _disk(name):
            signed = self._signed(name)
            path = self._path(name, _PIECES)
            held = path.stat().st_size
            if offset != held:
                raise Refused(
                    "UPLOAD_OFFSET",
                    f"{held} bytes of this upload are here.",
                    where=str(offset),
                    cure=f"Go on with byte {held}.",
                )
            most = self._may_come_to(signed)
            if held + len(piece) > most:
                raise BadInput("UPLOAD_SIZE", f"At most {most} bytes can be of what was signed.", where=name)
            with path.open("ab") as file:
                file.write(piece)
            return held + len(piece)

    def complete(self, name: str, *, receiver: Receiver, received_at: datetime, claimed: str | None = None) -> Received:
        """Hand the whole to `receiver`. What it will never take is given up; what it cannot take now stays.

        Raises `Refused` UPLOAD_UNKNOWN and what `Receiver.segment` raises.
        """
        with self._whole:
            with self._lock, _disk(name):
                signed = self._signed(name)
                data = _mapped(self._path(name, _PIECES))
            begins = max(len(data) - read_segment(signed.statement_bytes).media.size, 0)
            body = SegmentView(signed, bytes(data[:begins]), data[begins:])
            try:
                received = receiver.seen(body, received_at=received_at, claimed=claimed)
            except (BadInput, Refused) as problem:
                if problem.code not in _COMES_LATER:
                    self.give_up(name)
                raise
        self.give_up(name)
        return received

    def give_up(self, name: str) -> None:
        """Forget an upload, if it is here."""
        with self._lock, _disk(name):
            self._remove(name)

    def _signed(self, name: str) -> SignedEvidence:
        if not _NAME.fullmatch(name):
            raise _unknown(name)
        try:
            return read_envelope(self._path(name, _ENVELOPE).read_bytes())
        except (FileNotFoundError, BadInput):
            raise _unknown(name) from None

    def _make_room(self, device: str, size: int) -> None:
        """Where the bounds are reached, let what is stale go, the oldest first; then of whoever has most under way.

        `size`: what the upload of `device` that is to begin may come to. Raises `Unavailable` INTAKE_BUSY.
        """
        uploads = self._begun()
        while len(uploads) >= self._most or sum(each.size for each in uploads) + size > self._most_bytes:
            gone = self._to_give_up(device, uploads)
            if gone is None:
                what = "Too many uploads are under way."
                raise Unavailable("INTAKE_BUSY", what, cure="Begin it again in some minutes.")
            self._remove(gone.name)
            uploads.remove(gone)

    def _to_give_up(self, device: str, uploads: list[_Begun]) -> _Begun | None:
        """What makes room first. A device that has one less than another, or as many, takes nothing from it."""
        if uploads and self._clock() - uploads[0].touched >= STALE_SECONDS:
            return uploads[0]
        counts = Counter(each.device for each in uploads)
        if not counts or max(counts.values()) < counts[device] + 2:
            return None
        greediest = max(counts, key=lambda name: counts[name])
        return next(each for each in uploads if each.device == greediest)

    def _begun(self) -> list[_Begun]:
        """Every upload under way, the one first of which a piece came longest ago."""
        found = []
        for path in self._folder.glob(f"*{_PIECES}"):
            known = self._signed_for.get(path.stem)
            if known is None:
                try:
                    signed = self._signed(path.stem)
                    statement = read_segment(signed.statement_bytes)
                    known = self._signed_for[path.stem] = statement.device, self._may_come_to(signed)
                except (BadInput, Refused):  # without its envelope it can never be whole
                    self._remove(path.stem)
                    continue
            found.append(_Begun(path.stem, *known, path.stat().st_mtime))
        return sorted(found, key=lambda each: each.touched)

    @staticmethod
    def _may_come_to(signed: SignedEvidence) -> int:
        return read_segment(signed.statement_bytes).media.size + MAX_INIT_BYTES

    def _remove(self, name: str) -> None:
        self._signed_for.pop(name, None)
        for suffix in (_ENVELOPE, _PIECES):
            self._path(name, suffix).unlink(missing_ok=True)

    def _path(self, name: str, suffix: str) -> Path:
        return self._folder / f"{name}{suffix}"


def _mapped(path: Path) -> memoryview:
    """The file's bytes, which the system reads as they are looked at; never changed, since pieces are only added."""
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return memoryview(b"")
        return memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))


_COMES_LATER = frozenset({"EVIDENCE_GAP"})  # another segment has to come first


class _disk:  # noqa: N801 it reads as a phrase
    """Tells a disk that fails from a request that is wrong."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if isinstance(error, OSError):
            raise Unavailable(
                "MEDIA_UNAVAILABLE",
                f"The uploads' folder failed: {error.strerror}.",
                where=self._name[:64],
                cure="Check the disk's space and the folder's permissions, then try again.",
            ) from error


def _unknown(name: str) -> Refused:
    return Refused(
        "UPLOAD_UNKNOWN", "No such upload is under way.", where=ascii(name)[:80], cure="Begin it with its envelope."
    )
