"""Large segments that come in pieces: what is here of them, until it is whole.

What happens here: an upload is begun with an envelope whose signature holds, so that only an enrolled device can fill
the disk, and only with what it signed; its pieces are appended where they belong. Pieces are not forced to the disk:
what a power cut spoils is found when the whole is compared with what was signed, and comes again. What may never happen
here: a piece at another place than it says, more bytes than were signed, or more uploads than the bounds below.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
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
            pieces = self._path(name, _PIECES)
            if not pieces.exists():
                self._make_room(statement.media.size)
                self._path(name, _ENVELOPE).write_bytes(envelope)
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
            most = read_segment(signed.statement_bytes).media.size + MAX_INIT_BYTES
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

    def _make_room(self, size: int) -> None:
        """Let what is stale go where the bounds are reached; the oldest first."""
        uploads = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in self._folder.glob(f"*{_PIECES}"))
        count, held = len(uploads), sum(each for _, each, _ in uploads)
        for touched, each, path in uploads:
            if count < self._most and held + size <= self._most_bytes:
                return
            if self._clock() - touched < STALE_SECONDS:
                break
            self._remove(path.stem)
            count, held = count - 1, held - each
        if count >= self._most or held + size > self._most_bytes:
            raise Unavailable("INTAKE_BUSY", "Too many uploads are under way.", cure="Begin it again in some minutes.")

    def _remove(self, name: str) -> None:
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
