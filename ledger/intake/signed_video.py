"""At the door: a segment whose stream carries a camera's own signatures is verified, and the verdict kept beside it.

What happens here: signing records are looked for; where there are any, the segment is judged together with the segment
before it, whose last group it completes, and the verdict is kept with the certificate chains, which are archived by
their content ids so that they can be checked when no camera offers them any more.
What may never happen here: evidence refused because of what its pictures' own signatures say; that is shown, not
enforced, since the device's signature over the segment holds. A verdict that another trust list would change is not
hidden: it says which chain signed, and can be drawn again from what is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from ledger.canonical import JsonValue
from ledger.errors import BadInput
from ledger.evidence import Code, DeviceFinding, Evidence, SegmentStatement
from ledger.evidence.fields import write_time
from ledger.evidence.findings import to_millisecond
from ledger.intake.media import MediaStore
from ledger.media_signing import (
    Codec,
    GroupVerdict,
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

SIGNING_SLACK = timedelta(minutes=5)
"""Between the time that the camera's signature states and that of the device's statement: two clocks, and a group."""

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
    """Verifies what comes in. `trust`: whose signers are called trusted. `record`: keeps a finding about a device."""

    book: VideoBook
    media: MediaStore
    trust: TrustList
    record: Callable[[DeviceFinding], object]

    def take(self, evidence: Evidence, init: bytes, media: bytes | memoryview, *, received_at: datetime) -> None:
        """Keep the verdict on one held segment, once; nothing where it carries no signing record.

        Raises what the book and the media store raise, never anything because of the video.
        """
        if not isinstance(evidence.statement, SegmentStatement) or not _may_carry_records(init, media):
            return
        if self.book.kept(evidence.digest) is not None:
            return
        before = self.book.before(evidence)
        judged: Sequence[GroupVerdict] = ()
        try:
            documents, judged = self._documents(evidence.digest, init, media, before)
        except BadInput as error:  # more NAL units than are looked at, or samples that share their bytes
            documents = {evidence.digest: {"groups": [], "chains": [], "problem": error.code}}
        # Before the verdict, which ends this for good: whoever sends the segment again finds what was not kept.
        for finding in _at_another_time(evidence.segment, judged, received_at):
            self.record(finding)
        self.book.keep(documents, received_at)

    def _documents(
        self, digest: bytes, init: bytes, media: bytes | memoryview, before: Before | None
    ) -> tuple[dict[bytes, Mapping[str, JsonValue]], Sequence[GroupVerdict]]:
        """The verdicts to keep, and the groups that this segment's records are about."""
        own = _units(init, media)
        if before is None:
            verdict = verify_video(own, Codec.H264, self.trust, complete=False)
            return {digest: self._document(verdict, 0, len(own), 0)}, verdict.groups
        earlier = _units(self.media.get(before.init_cid), self.media.get(before.media_cid))
        known = self._known(before)
        verdict = verify_video([*earlier, *own], Codec.H264, self.trust, complete=False, known=known)
        pictures = sum(unit_type(unit, Codec.H264).begins_picture for unit in earlier)
        old = dict(before.document)
        groups, now = old["groups"], self._document(verdict, 0, len(earlier), 0)
        assert isinstance(groups, list)
        assert isinstance(now["groups"], list)
        old["groups"] = completed(groups, now["groups"])
        documents: dict[bytes, Mapping[str, JsonValue]] = {
            before.digest: old,
            digest: self._document(verdict, len(earlier), len(earlier) + len(own), pictures),
        }
        first = sum(group.first_unit < len(earlier) for group in verdict.groups)
        return documents, verdict.groups[max(first - 1, 0) :]  # the last group before is signed in this segment

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


def _at_another_time(
    stated: SegmentStatement, groups: Iterable[GroupVerdict], found_at: datetime
) -> Iterator[DeviceFinding]:
    """The first group whose signer's clock and its device's are further apart than two clocks that are looked after.

    Old video that is handed in as new is told by nothing else: it is authentic, and the device signs what it is given.
    """
    for group in groups:
        signed = group.signed_until or group.signed_from
        if signed is None or (signed - stated.begins >= -SIGNING_SLACK and signed - stated.ends <= SIGNING_SLACK):
            continue
        facts = {
            "stated_from": write_time(stated.begins),
            "stated_until": write_time(stated.ends),
            "signed": write_time(to_millisecond(signed)),
            "provenance": group.provenance.value,
        }
        what = "The camera's own signatures in the video were made at another time than its device states."
        yield DeviceFinding(Code.SIGNED_AT_OTHER_TIME, stated.device, stated.sequence, what, found_at, facts)
        return


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
