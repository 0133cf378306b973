"""The camera: a recording becomes signed, chained evidence, kept before anyone is told of it.

What happens here: the segments of a recording are stated one after another (`ledger.capture.chain`), a recording that
was interrupted is taken up where it stopped, and what waits is handed over oldest first.
What may never happen here: an order other than the order of recording, or evidence for one moment twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol

from ledger.capture.chain import Chain, Make, whole_milliseconds
from ledger.capture.segments import CutSegment, Recording
from ledger.capture.spool import Spool
from ledger.cid import cid_of
from ledger.errors import Unavailable, WrongUse
from ledger.evidence import Device, DeviceSigner, Evidence, Media, SegmentStatement, SignedEvidence
from ledger.mp4.fragments import group_digests
from ledger.segment_body import SegmentBody


class Intake(Protocol):
    """Whoever takes evidence in. Taking the same twice is no error.

    Return once the evidence is held durably. `Unavailable`: try later. Anything else: it will not be taken.
    """

    def submit(self, evidence: SignedEvidence, init: bytes, media: bytes) -> None:
        """Take a segment with its video."""
        ...

    def state(self, evidence: SignedEvidence) -> None:
        """Take a reading or a gap, which is whole by itself."""
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
class Picture:
    """What all segments of one recording share. `init`: its initialisation part. `codec`: RFC 6381."""

    init: bytes
    codec: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Filmed:
    """The evidence that one call made, in order, and how many of the device's segments still wait to be taken."""

    evidence: tuple[Evidence, ...]
    waiting: int


class Camera:
    """An enrolled device with its key, its spool and the intake it reports to. Raises what `Chain` raises."""

    def __init__(
        self, device: Device, key: DeviceSigner, *, spool: Spool, intake: Intake, clock: Callable[[], datetime]
    ) -> None:
        self._chain, self._spool, self._intake = Chain(device, key, spool=spool, clock=clock), spool, intake

    def film(self, recording: Recording, shot: Shot) -> Filmed:
        """Sign and keep every segment of `recording`, then hand over what can be handed over.

        Called again after a crash with the same recording it goes on where it stopped, and signs nothing twice.
        Raises `Refused` EVIDENCE_TIME (it would overlap the recording before, or lie in the future) and what else
        `verify_evidence` refuses; `WrongUse` RECORDING_CHANGED; what the spool and the intake raise, `Unavailable` of
        the intake excepted: then the rest waits in the spool.
        """
        made = keep_recording(self._chain, recording, shot)
        try:
            self.deliver()
        except Unavailable:
            return Filmed(made, self._spool.count)
        return Filmed(made, 0)

    def deliver(self) -> int:
        """Hand over what waits, oldest first, and return how many were taken. Raises what the intake raises."""
        taken = 0
        while hand_over_first(self._spool, self._intake):
            taken += 1
        return taken


def hand_over_first(spool: Spool, intake: Intake) -> bool:
    """Hand over the oldest that waits; False where nothing does. Raises what the spool and the intake raise."""
    first = spool.first()
    if first is None:
        return False
    number, item = first
    if isinstance(item, SegmentBody):
        intake.submit(item.evidence, item.init, item.media)
    else:
        intake.state(item)
    spool.drop(number)
    return True


def keep_recording(chain: Chain, recording: Recording, shot: Shot) -> tuple[Evidence, ...]:
    """Sign and keep every segment of a recording that is whole; see `Camera.film`."""
    made: list[Evidence] = []
    picture = Picture(recording.init, recording.codec, recording.width, recording.height)
    resume_after = _known(chain, shot)
    started_at = whole_milliseconds(shot.started_at)
    for segment in recording.segments:
        begins = started_at + timedelta(milliseconds=segment.starts_at_ms)
        ends = begins + timedelta(milliseconds=segment.duration_ms)
        stated = stating(chain.device.id, picture, segment, shot, begins, ends)
        if resume_after is not None:
            if _is_same(stated(resume_after.sequence, resume_after.previous), resume_after, shot):
                resume_after = None
            continue
        made.append(chain.keep(stated, init=recording.init, media=segment.data))
    if resume_after is not None:
        raise _changed(shot)
    return tuple(made)


def stating(
    device_id: str, picture: Picture, segment: CutSegment, shot: Shot, begins: datetime, ends: datetime
) -> Make:
    """What will be stated of a segment, but for its place in the chain; its digests are taken once."""
    media = Media(
        init_sha256=sha256(picture.init).digest(),
        sha256=sha256(segment.data).digest(),
        size=len(segment.data),
        cid=cid_of(segment.data),
        codec=picture.codec,
        width=picture.width,
        height=picture.height,
        duration_ms=segment.duration_ms,
        groups=group_digests(segment.data),
    )

    def make(sequence: int, previous: bytes) -> SegmentStatement:
        return SegmentStatement(
            device_id, sequence, previous, begins, ends, shot.place, shot.lot, shot.step, shot.recording, media
        )

    return make


def _known(chain: Chain, shot: Shot) -> SegmentStatement | None:
    """The last statement where it is of this same recording, which was then interrupted or is complete."""
    last = None if chain.last is None else chain.last.statement
    return last if isinstance(last, SegmentStatement) and last.recording == shot.recording else None


def _is_same(statement: object, known: SegmentStatement, shot: Shot) -> bool:
    """True at the segment that was signed last, False before it; RECORDING_CHANGED where they part."""
    assert isinstance(statement, SegmentStatement)
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
