"""Receiving one segment: from bytes off the network to verified evidence in the book.

What happens here, in this order: the body is read, the device found, the evidence verified against the device's last,
the video compared with what the device signed, the bytes kept, the evidence added to the book. A process that dies
between any two of these loses nothing that was answered for: the device sends again and is told it is held.
What may never happen here: HTTP, SQL, a row before its bytes are kept, or two rows for one piece of evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Protocol

from ledger.cid import cid_of
from ledger.errors import BadInput, Refused
from ledger.evidence import Device, Evidence, Media, read_segment, verify_evidence
from ledger.evidence.groups import differences, tell
from ledger.intake.media import MediaStore
from ledger.mp4.fragments import group_digests, segment_facts
from ledger.segment_body import SegmentBody, read_segment_body


class HeldEvidence(Protocol):
    """Evidence in the book: its entry in the log, and whether the call that answered this added it."""

    @property
    def evidence(self) -> Evidence: ...

    @property
    def entry(self) -> int: ...

    @property
    def added(self) -> bool: ...


class EvidenceBook(Protocol):
    """Where evidence is kept with its entry in the log. Implemented by `ledger.store`."""

    def device(self, device_id: str, /) -> Device:
        """The enrolled device. `Refused` DEVICE_UNKNOWN."""
        ...

    def last(self, device_id: str, /) -> Evidence | None:
        """The device's newest evidence; None before its first."""
        ...

    def held(self, evidence_digest: bytes, /) -> HeldEvidence | None:
        """The evidence with this digest, if the book has it."""
        ...

    def add(self, evidence: Evidence, *, init_cid: str, received_at: datetime) -> HeldEvidence:
        """Add evidence and its entry, both or neither. `Refused` when its number was taken meanwhile."""
        ...


@dataclass(frozen=True, slots=True)
class Received:
    """What is now held. `added`: False where the very same evidence was there before (answer 200, not 201)."""

    evidence: Evidence
    entry: int
    added: bool
    init_cid: str


def receive_segment(raw: bytes, *, book: EvidenceBook, media: MediaStore, received_at: datetime) -> Received:
    """Take in the body `raw` of one segment (`ledger.segment_body`), or refuse it and keep nothing.

    `received_at`: UTC, by the receiver's clock. Sending the same body again is answered with what is held, and
    repairs media that were lost or damaged meanwhile.
    Raises `BadInput` SEGMENT_BODY, MEDIA_LIMIT, VIDEO_… and what `read_segment` raises; `Refused` DEVICE_UNKNOWN,
    MANIFEST (the bytes are not those that were signed) and what `verify_evidence` raises; `Unavailable` of the store.
    """
    body = read_segment_body(raw)
    held = book.held(body.evidence.digest)
    if held is not None and held.evidence.signed == body.evidence:
        _check_media(held.evidence.segment.media, body)
        media.put(body.media)
        return Received(held.evidence, held.entry, held.added, media.put(body.init))
    device = book.device(read_segment(body.evidence.statement_bytes).device)
    evidence = verify_evidence(body.evidence, device=device, previous=book.last(device.id), received_at=received_at)
    _check_media(evidence.segment.media, body)
    media.put(body.media)
    init_cid = media.put(body.init)
    added = book.add(evidence, init_cid=init_cid, received_at=received_at)
    return Received(added.evidence, added.entry, added.added, init_cid)


def _check_media(stated: Media, body: SegmentBody) -> None:
    """The bytes are those that were signed, and show what was signed about them."""
    for name, is_so in (
        ("init_sha256", stated.init_sha256 == sha256(body.init).digest()),
        ("size", stated.size == len(body.media)),
        ("sha256", stated.sha256 == sha256(body.media).digest()),
        ("cid", stated.cid == cid_of(body.media)),
    ):
        if not is_so:
            raise _not_as_signed(name, _located(stated, body.media) if name in ("size", "sha256") else "")
    try:
        facts = segment_facts(body.init, body.media)
        if stated.groups != group_digests(body.media):
            raise _not_as_signed("groups")
    except BadInput as error:
        raise BadInput(error.code, error.what, where=f"media: {error.where}", cure=error.cure) from error
    for name in ("codec", "width", "height", "duration_ms"):
        if getattr(stated, name) != getattr(facts, name):
            raise _not_as_signed(name)


def _located(stated: Media, media: bytes) -> str:
    """Which groups of pictures differ; nothing where the bytes are too damaged to tell."""
    try:
        return tell(differences(stated.groups, group_digests(media)))
    except BadInput:
        return ""


def _not_as_signed(name: str, located: str = "") -> Refused:
    return Refused(
        "MANIFEST",
        f"The video is not the one that the device signed: {name} differs.",
        where=located or f"media.{name}",
        cure="Send the init and the segment exactly as they were cut when the statement was signed.",
    )
