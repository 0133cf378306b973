"""Receiving one piece of evidence: from bytes off the network to a verified row in the book, or to a finding.

What happens here, in this order: the bytes are read, the device found, the evidence judged against what the device said
before, the device's quota asked, video compared with what was signed while it goes to the disk without a name, the
bytes kept, the evidence added to the book.
A process that dies between any two of these loses nothing that was answered for: the device sends again and is told it
is held. What may never happen here: HTTP, MQTT, SQL, a row before its bytes are kept, two rows for one piece of
evidence, or a write for somebody whose signature does not hold, save the one finding an hour that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Protocol

from ledger.errors import BadInput, Refused
from ledger.evidence import (
    Device,
    DeviceFinding,
    Evidence,
    Judged,
    Media,
    Past,
    SegmentStatement,
    SignedEvidence,
    Stated,
    Terms,
    as_segment,
    judge_evidence,
    read_segment,
    read_stated,
)
from ledger.evidence.groups import differences, tell
from ledger.evidence.refusals import findings_of_refusal
from ledger.evidence.replay import REUSED, Replay, replay_finding
from ledger.evidence.verification import read_signed
from ledger.intake.media import MediaStore
from ledger.mp4.fragments import group_cuts, group_digests, segment_facts
from ledger.outline import Outline, outline_of
from ledger.segment_body import SegmentView, view_segment_body

_HASHERS = ThreadPoolExecutor(2, "hash")  # threads begin with the first segment, not with the import

_TRIES = 4  # when several workers take statements of one device at once


class HeldEvidence(Protocol):
    """Evidence in the book: its entry in the log, whether the call that answered this added it, when it was taken."""

    @property
    def evidence(self) -> Evidence: ...

    @property
    def entry(self) -> int: ...

    @property
    def added(self) -> bool: ...

    @property
    def received_at(self) -> datetime: ...


class EvidenceBook(Protocol):
    """Where evidence is kept with its entry in the log. Implemented by `ledger.store`."""

    def known(self, device_id: str, /) -> tuple[Device, Terms | None, Past]:
        """The enrolled device, its terms, and what it said before. `Refused` DEVICE_UNKNOWN."""
        ...

    def held(self, evidence_digest: bytes, /) -> HeldEvidence | None:
        """The evidence with this digest, if the book has it. `Refused` ERASED where it had it once."""
        ...

    def number(self, device_id: str, sequence: int, /) -> Evidence | None:
        """The device's evidence of this number, if the book has it."""
        ...

    def add(self, judged: Judged, *, init_cid: str, received_at: datetime) -> HeldEvidence:
        """Add evidence, findings and entries, all or nothing. `Refused` EVIDENCE_MEANWHILE: judge it again."""
        ...

    def announce(self, signed: SignedEvidence, statement: SegmentStatement, *, received_at: datetime) -> None:
        """Keep a statement whose video has not come yet; the same one again changes nothing."""
        ...

    def record(self, finding: DeviceFinding, /) -> None:
        """Keep a finding with its entry; the same one again changes nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Received:
    """What is now held. `added`: False where the very same evidence was there before (answer 200, not 201)."""

    evidence: Evidence
    entry: int
    added: bool
    init_cid: str = ""  # of a segment's initialisation part


class Examiner(Protocol):
    """Who looks at the signatures inside a segment's video (`ledger.intake.signed_video`)."""

    def __call__(self, evidence: Evidence, init: bytes, media: memoryview, /, *, received_at: datetime) -> None:
        """Keep what they show. Called again with the same segment it changes nothing."""
        ...


def unexamined(_evidence: Evidence, _init: bytes, _media: memoryview, *, received_at: datetime) -> None:
    """For a receiver that does not look."""


class Admission(Protocol):
    """Who says how often a device may speak (`ledger.intake.quota`)."""

    def __call__(self, device_id: str, /, *, again: bool = False) -> None:
        """Return, or raise to refuse. `again`: what the device sent is held already."""
        ...


def unlimited(_device_id: str, *, again: bool = False) -> None:
    """The quota of a receiver that sets none."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Takes in evidence for one book.

    `admit`: told the device's name once its signature holds and before anything is written; raises to refuse.
    `examine`: shown the video of what is held, before anyone is told that it is held.
    """

    book: EvidenceBook
    media: MediaStore
    admit: Admission = unlimited
    examine: Examiner = unexamined

    def segment(self, raw: bytes | memoryview, *, received_at: datetime, claimed: str | None = None) -> Received:
        """Take in the body `raw` of one segment (`ledger.segment_body`), or refuse it and keep nothing of it.

        `received_at`: UTC, by the receiver's clock. `claimed`: the device that the address or the broker's account
        names. Sending the same body again is answered with what is held, and repairs media that were lost or damaged;
        once the device has gone on, what is held is only told by `Replay`, unless its video was missing.
        Raises `BadInput` SEGMENT_BODY, MEDIA_LIMIT, VIDEO_… and what `read_segment` raises; `Refused`
        DEVICE_UNKNOWN, REPLAY, MANIFEST (the bytes are not those that were signed) and what `judge_evidence` raises;
        `Unavailable` of the store.
        """
        return self.seen(view_segment_body(raw), received_at=received_at, claimed=claimed)

    def seen(self, body: SegmentView, *, received_at: datetime, claimed: str | None = None) -> Received:
        """As `segment`, of a segment whose parts came otherwise."""
        stated = Stated(body.evidence)
        as_segment(stated.statement)
        return self._take(stated, body, received_at, claimed)

    def statement(self, envelope: bytes, *, received_at: datetime, claimed: str | None = None) -> Received:
        """Take in an envelope whose statement is whole without video, such as a reading. Raises as `segment` does,

        and what `read_envelope` raises; `BadInput` SEGMENT_WITHOUT_VIDEO.
        """
        stated = read_stated(envelope)
        statement = stated.statement
        if isinstance(statement, SegmentStatement):
            raise BadInput(
                "SEGMENT_WITHOUT_VIDEO",
                "A segment's statement comes with its video.",
                where=f"{ascii(statement.device)[:80]} number {statement.sequence}",
                cure="Send the segment's body to /api/v1/evidence/segments.",
            )
        return self._take(stated, None, received_at, claimed)

    def announce(self, signed: SignedEvidence, *, received_at: datetime, claimed: str | None = None) -> None:
        """Keep a segment's statement until its video comes (by HTTP); it counts for nothing before that.

        Raises as `segment` does, but for what is judged once the video is there.
        """
        statement = read_segment(signed.statement_bytes)
        _check_claim(claimed, statement.device)
        if self.book.held(signed.digest) is not None:
            return
        device, _, _ = self.book.known(statement.device)
        try:
            read_signed(signed, device=device, received_at=received_at)
        except Refused as refusal:
            self._record(refusal, signed, device, received_at)
            raise
        self.admit(device.id)
        self.book.announce(signed, statement, received_at=received_at)

    def _take(self, stated: Stated, body: SegmentView | None, received_at: datetime, claimed: str | None) -> Received:
        _check_claim(claimed, stated.statement.device)
        held = self.book.held(stated.signed.digest)
        if held is not None and held.evidence.signed == stated.signed:
            return self._again(held, body, received_at)
        for _ in range(_TRIES - 1):
            try:
                return self._take_once(stated, body, received_at)
            except Refused as refusal:
                if refusal.code != "EVIDENCE_MEANWHILE":
                    raise
        return self._take_once(stated, body, received_at)

    def _again(self, held: HeldEvidence, body: SegmentView | None, received_at: datetime) -> Received:
        """Answer for what is held; video that was lost meanwhile is kept again."""
        statement = held.evidence.statement
        self.admit(statement.device, again=True)
        mended = body is not None and not self.media.has(held.evidence.segment.media.cid)
        init_cid = "" if body is None else self._keep(held.evidence, body)
        self._look(held.evidence, body, received_at)
        last = self.book.known(statement.device)[2].number
        if statement.sequence < last and not mended:
            found = replay_finding(statement.device, taken_at=held.received_at, received_at=received_at)
            if found is not None:
                self.book.record(found)
            raise Replay(statement.device, statement.sequence, last=last, held=held.evidence.digest, same=True)
        return Received(held.evidence, held.entry, False, init_cid)

    def _take_once(self, stated: Stated, body: SegmentView | None, received_at: datetime) -> Received:
        signed = stated.signed
        device, terms, past = self.book.known(stated.statement.device)
        try:
            judged = judge_evidence(stated, device=device, terms=terms, past=past, received_at=received_at)
        except Refused as refusal:
            held = self.book.held(signed.digest)
            if held is not None and refusal.code in REUSED:  # signed once more, and says the same
                return self._again(held, body, received_at)
            other = self._record(refusal, signed, device, received_at)
            if refusal.code in REUSED:
                number = stated.statement.sequence
                standing = b"" if other is None else other.digest
                raise Replay(device.id, number, last=past.number, held=standing, same=False) from refusal
            raise
        self.admit(device.id)
        init_cid = "" if body is None else self._keep(judged.evidence, body)
        added = self.book.add(judged, init_cid=init_cid, received_at=received_at)
        if body is not None and not (self.media.has(init_cid) and self.media.has(judged.evidence.segment.media.cid)):
            self._keep(judged.evidence, body)  # erased just before the row named them
        self._look(added.evidence, body, received_at)
        return Received(added.evidence, added.entry, added.added, init_cid)

    def _record(
        self, refusal: Refused, signed: SignedEvidence, device: Device, received_at: datetime
    ) -> Evidence | None:
        """Keep what a refused statement shows, as often as its device may speak; what stands under its number."""
        other = None
        if refusal.code != "EVIDENCE_SIGNATURE":
            statement = read_signed(signed, device=device, received_at=received_at)
            other = self.book.number(device.id, statement.sequence)
        found = findings_of_refusal(refusal, signed, device=device, other=other, received_at=received_at)
        if refusal.code != "EVIDENCE_SIGNATURE":
            self.admit(device.id, again=not found)
        for finding in found:
            self.book.record(finding)
        return other

    def _look(self, evidence: Evidence, body: SegmentView | None, received_at: datetime) -> None:
        if body is not None:
            self.examine(evidence, body.init, body.media, received_at=received_at)

    def _keep(self, evidence: Evidence, body: SegmentView) -> str:
        """Keep a segment's bytes once they are what was signed; returns the CID of its initialisation part."""
        stated = evidence.segment.media
        with self.media.incoming(body.media, stated.cid) as keep:  # on its way to the disk while it is hashed
            keep(_check_media(stated, body))
        return self.media.put(body.init)


def receive_segment(raw: bytes, *, book: EvidenceBook, media: MediaStore, received_at: datetime) -> Received:
    """`Receiver.segment` without a quota."""
    return Receiver(book, media).segment(raw, received_at=received_at)


def _check_claim(claimed: str | None, device_id: str) -> None:
    if claimed is not None and claimed != device_id:
        raise Refused(
            "DEVICE_MISMATCH",
            "The statement is another device's than the one that hands it in.",
            where=ascii(claimed)[:80],
            cure="Each device hands in its own statements, under its own name.",
        )


def _check_media(stated: Media, body: SegmentView) -> Outline:
    """The bytes are those that were signed, and show what was signed about them; returns the video's outline."""
    # The passes over the video leave the interpreter's lock, so they share the machine's cores.
    whole = _HASHERS.submit(_digest, body.media)
    groups = _groups(body.media, whole)
    outline = outline_of([body.media])
    for name, is_so in (
        ("init_sha256", stated.init_sha256 == sha256(body.init).digest()),
        ("size", stated.size == len(body.media)),
        ("sha256", stated.sha256 == whole.result()),
        ("cid", stated.cid == outline.cid),
    ):
        if not is_so:
            raise _not_as_signed(name, _located(stated, groups) if name in ("size", "sha256") else "")
    try:
        facts = segment_facts(body.init, body.media)
        if stated.groups != groups():
            raise _not_as_signed("groups")
    except BadInput as error:
        raise BadInput(error.code, error.what, where=f"media: {error.where}", cure=error.cure) from error
    for name in ("codec", "width", "height", "duration_ms"):
        if getattr(stated, name) != getattr(facts, name):
            raise _not_as_signed(name)
    return outline


def _digest(media: memoryview) -> bytes:
    return sha256(media).digest()


def _groups(media: memoryview, whole: Future[bytes]) -> Callable[[], tuple[bytes, ...]]:
    """The digests of the groups of pictures, begun beside other work, and asked for later. Raises then, if at all.

    One group is all of the segment, and its digest the one that is made anyhow.
    """
    try:
        alone = group_cuts(media) == [0, len(media)]
    except BadInput:
        alone = False
    return (lambda: (whole.result(),)) if alone else _HASHERS.submit(group_digests, media).result


def _located(stated: Media, groups: Callable[[], tuple[bytes, ...]]) -> str:
    """Which groups of pictures differ; nothing where the bytes are too damaged to tell."""
    try:
        return tell(differences(stated.groups, groups()))
    except BadInput:
        return ""


def _not_as_signed(name: str, located: str = "") -> Refused:
    return Refused(
        "MANIFEST",
        f"The video is not the one that the device signed: {name} differs.",
        where=located or f"media.{name}",
        cure="Send the init and the segment exactly as they were cut when the statement was signed.",
    )
