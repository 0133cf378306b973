"""The camera: a recording becomes signed, chained evidence, kept before anyone is told of it.

What happens here: each segment gets the device's next number and the digest of the statement before, is signed,
checked the way a receiver will check it, spooled, and handed over oldest first.
What may never happen here: signing what a receiver would have to refuse, since everything after it would wait for
ever; a number used for two contents; an order other than the order of recording.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol

from ledger.capture.segments import CutSegment, Recording
from ledger.capture.spool import Spool
from ledger.cid import cid_of
from ledger.errors import Unavailable, WrongUse
from ledger.evidence import (
    NO_PREVIOUS,
    Device,
    DeviceSigner,
    Evidence,
    Media,
    SegmentStatement,
    SignedEvidence,
    read_segment,
    sign_statement,
    verify_evidence,
)
from ledger.mp4.fragments import group_digests
from ledger.segment_body import SegmentBody


class Intake(Protocol):
    """Whoever takes evidence in. Taking the same twice is no error."""

    def submit(self, evidence: SignedEvidence, init: bytes, media: bytes) -> None:
        """Return once the evidence is held durably. `Unavailable`: try later. Anything else: it will not be taken."""
        ...


@dataclass(frozen=True, slots=True)
class Shot:
    """What the recording shows, as the ledger's identifiers. `recording`: unique for the device. `started_at`: UTC."""

    recording: str
    started_at: datetime
    place: str
    lot: str
    step: str


@dataclass(frozen=True, slots=True)
class Filmed:
    """The evidence that one call made, in order, and how many of the device's segments still wait to be taken."""

    evidence: tuple[Evidence, ...]
    waiting: int


class Camera:
    """An enrolled device with its key, its spool and the intake it reports to.

    Raises `WrongUse` CAMERA_KEY when the key is not the enrolled one, CAMERA_SPOOL for another device's spool.
    """

    def __init__(
        self, device: Device, key: DeviceSigner, *, spool: Spool, intake: Intake, clock: Callable[[], datetime]
    ) -> None:
        if (key.algorithm, key.public_key) != (device.algorithm, device.public_key):
            raise WrongUse(
                "CAMERA_KEY",
                "This key is not the one enrolled for the device.",
                where=device.id,
                cure="Use the device's own key file, or enrol the key under a new device id.",
            )
        self._device, self._key, self._spool, self._intake, self._clock = device, key, spool, intake, clock
        self._last = None if spool.last is None else _own(spool.last, device)

    def film(self, recording: Recording, shot: Shot) -> Filmed:
        """Sign and keep every segment of `recording`, then hand over what can be handed over.

        Called again after a crash with the same recording it goes on where it stopped, and signs nothing twice.
        Raises `Refused` EVIDENCE_TIME (it would overlap the recording before, or lie in the future) and what else
        `verify_evidence` refuses; `WrongUse` RECORDING_CHANGED; what the spool and the intake raise, `Unavailable` of
        the intake excepted: then the rest waits in the spool.
        """
        made: list[Evidence] = []
        init_digest = sha256(recording.init).digest()
        resume_after = self._known(shot)
        for segment in recording.segments:
            statement = self._statement(recording, init_digest, segment, shot)
            if resume_after is not None:
                if _is_same(statement, resume_after, shot):
                    resume_after = None
                continue
            signed = sign_statement(statement, self._key)
            evidence = verify_evidence(signed, device=self._device, previous=self._last, received_at=self._clock())
            self._spool.add(SegmentBody(signed, recording.init, segment.data))
            self._last = evidence
            made.append(evidence)
        if resume_after is not None:
            raise _changed(shot)
        try:
            self.deliver()
        except Unavailable:
            return Filmed(tuple(made), len(self._spool.waiting()))
        return Filmed(tuple(made), 0)

    def deliver(self) -> int:
        """Hand over what waits, oldest first, and return how many were taken. Raises what the intake raises."""
        waiting = self._spool.waiting()
        for sequence in waiting:
            body = self._spool.read(sequence)
            self._intake.submit(body.evidence, body.init, body.media)
            self._spool.drop(sequence)
        return len(waiting)

    def _known(self, shot: Shot) -> SegmentStatement | None:
        """The last statement where it is of this same recording, which was then interrupted or is complete."""
        if self._last is None or self._last.segment.recording != shot.recording:
            return None
        return self._last.segment

    def _statement(self, recording: Recording, init_digest: bytes, segment: CutSegment, shot: Shot) -> SegmentStatement:
        # Statements carry whole milliseconds.
        started_at = shot.started_at - timedelta(microseconds=shot.started_at.microsecond % 1000)
        begin = started_at + timedelta(milliseconds=segment.starts_at_ms)
        return SegmentStatement(
            device=self._device.id,
            sequence=1 if self._last is None else self._last.statement.sequence + 1,
            previous=NO_PREVIOUS if self._last is None else self._last.digest,
            recorded_from=begin,
            recorded_until=begin + timedelta(milliseconds=segment.duration_ms),
            place=shot.place,
            lot=shot.lot,
            step=shot.step,
            recording=shot.recording,
            media=Media(
                init_sha256=init_digest,
                sha256=sha256(segment.data).digest(),
                size=len(segment.data),
                cid=cid_of(segment.data),
                codec=recording.codec,
                width=recording.width,
                height=recording.height,
                duration_ms=segment.duration_ms,
                groups=group_digests(segment.data),
            ),
        )


def _own(last: SignedEvidence, device: Device) -> Evidence:
    statement = read_segment(last.statement_bytes)
    if statement.device != device.id:
        raise WrongUse(
            "CAMERA_SPOOL",
            f"This folder is the spool of {statement.device}.",
            where=device.id,
            cure="Give each device a folder of its own.",
        )
    return Evidence(statement, last, last.digest)


def _is_same(statement: SegmentStatement, known: SegmentStatement, shot: Shot) -> bool:
    """True at the segment that was signed last, False before it; RECORDING_CHANGED where they part."""
    if statement.recorded_from < known.recorded_from:
        return False
    if (statement.recorded_from, statement.media) != (known.recorded_from, known.media):
        raise _changed(shot)
    return True


def _changed(shot: Shot) -> WrongUse:
    return WrongUse(
        "RECORDING_CHANGED",
        "A recording of this name was begun with other video or another start.",
        where=shot.recording,
        cure="Give the new recording a name of its own.",
    )
