"""At the door: a segment whose stream carries a camera's own signatures is verified, and the verdict kept beside it.

What happens here: signing records are looked for; where there are any, the segment is judged together with the segment
before it, whose last group it completes, and the verdict is kept with the certificate chains, which are archived by
their content ids so that they can be checked when no camera offers them any more.
What may never happen here: evidence refused because of what its pictures' own signatures say; that is shown, not
enforced, since the device's signature over the segment holds. A verdict that another trust list would change is not
hidden: it says which chain signed, and can be drawn again from what is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ledger.canonical import JsonValue
from ledger.errors import BadInput
from ledger.evidence import Evidence, SegmentStatement
from ledger.intake.media import MediaStore
from ledger.media_signing import (
    Codec,
    SignerChain,
    TrustList,
    VideoVerdict,
    length_prefixed_units,
    verify_video,
)
from ledger.media_signing.archive import completed, group_document
from ledger.media_signing.elementary import unit_type
from ledger.media_signing.records import UUID
from ledger.mp4.avc import units
from ledger.mp4.fragments import split_init, video_samples

_UNIT_TYPE, _SEI = 0x1F, 6  # of the first byte of an H.264 unit; supplemental enhancement information


@dataclass(frozen=True, slots=True)
class Before:
    """The segment that the device stated right before, of the same recording, and the verdict kept beside it."""

    digest: bytes
    init_cid: str
    media_cid: str
    document: Mapping[str, JsonValue]


class VideoBook(Protocol):
    """Where verdicts are kept. Implemented by `ledger.store`."""

    def kept(self, evidence_digest: bytes, /) -> Mapping[str, JsonValue] | None:
        """The verdict beside this evidence."""
        ...

    def before(self, evidence: Evidence, /) -> Before | None:
        """The segment before, where it belongs to the same recording and carries signatures itself."""
        ...

    def keep(self, documents: Mapping[bytes, Mapping[str, JsonValue]], at: datetime, /) -> None:
        """Keep verdicts by the digest of their evidence, all or none, in place of what was kept."""
        ...


@dataclass(frozen=True, slots=True)
class SignedVideo:
    """Verifies what comes in. `trust`: whose signers are called trusted."""

    book: VideoBook
    media: MediaStore
    trust: TrustList

    def take(self, evidence: Evidence, init: bytes, media: bytes | memoryview, *, received_at: datetime) -> None:
        """Keep the verdict on one held segment, once; nothing where it carries no signing record.

        Raises what the book and the media store raise, never anything because of the video.
        """
        if not isinstance(evidence.statement, SegmentStatement) or not _may_carry_records(init, media):
            return
        if self.book.kept(evidence.digest) is not None:
            return
        before = self.book.before(evidence)
        try:
            documents = self._documents(evidence.digest, init, media, before)
        except BadInput as error:  # more NAL units than are looked at, or samples that share their bytes
            documents = {evidence.digest: {"groups": [], "chains": [], "problem": error.code}}
        self.book.keep(documents, received_at)

    def _documents(
        self, digest: bytes, init: bytes, media: bytes | memoryview, before: Before | None
    ) -> dict[bytes, Mapping[str, JsonValue]]:
        own = _units(init, media)
        if before is None:
            verdict = verify_video(own, Codec.H264, self.trust, complete=False)
            return {digest: self._document(verdict, 0, len(own), 0)}
        earlier = _units(self.media.get(before.init_cid), self.media.get(before.media_cid))
        known = self._known(before)
        verdict = verify_video([*earlier, *own], Codec.H264, self.trust, complete=False, known=known)
        pictures = sum(unit_type(unit, Codec.H264).begins_picture for unit in earlier)
        old = dict(before.document)
        groups, now = old["groups"], self._document(verdict, 0, len(earlier), 0)
        assert isinstance(groups, list)
        assert isinstance(now["groups"], list)
        old["groups"] = completed(groups, now["groups"])
        return {
            before.digest: old,
            digest: self._document(verdict, len(earlier), len(earlier) + len(own), pictures),
        }

    def _document(self, verdict: VideoVerdict, first: int, end: int, pictures: int) -> dict[str, JsonValue]:
        groups = [group for group in verdict.groups if first <= group.first_unit < end]
        chains = {group.chain.digest: group.chain for group in groups if group.chain is not None}
        every: list[JsonValue] = [self.media.put(chain.pem) for chain in (chains or _all(verdict)).values()]
        return {"groups": [group_document(group, units=first, pictures=pictures) for group in groups], "chains": every}

    def _known(self, before: Before) -> SignerChain | None:
        chains = before.document.get("chains")
        if not isinstance(chains, list) or not chains:
            return None
        return SignerChain(self.media.get(str(chains[0])))


def _all(verdict: VideoVerdict) -> dict[bytes, SignerChain]:
    return {chain.digest: chain for chain in verdict.chains}


def _may_carry_records(init: bytes, media: bytes | memoryview) -> bool:
    """False where no SEI of the video names the record's format; a look at these alone spares one at every byte."""
    try:
        movie, _ = split_init(init)
        for sample in video_samples(init, media):
            for unit in units(sample, movie.avc.nal_length_bytes):
                if unit[0] & _UNIT_TYPE == _SEI and UUID in unit.tobytes():
                    return True
    except BadInput:
        return UUID in bytes(media)  # whoever reads on says what is wrong
    return False


def _units(init: bytes, media: bytes | memoryview) -> list[bytes]:
    movie, _ = split_init(init)
    return length_prefixed_units(video_samples(init, media), movie.avc.nal_length_bytes)
