"""What is taken in was signed by an enrolled device, follows what it said before, and is the video it signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from ledger.cid import cid_of
from ledger.errors import BadInput, Problem, Refused
from ledger.evidence import (
    Code,
    Device,
    DeviceFinding,
    Evidence,
    Judged,
    Past,
    SegmentStatement,
    SignedEvidence,
    SoftwareKey,
    Terms,
    read_segment,
    sign_statement,
)
from ledger.intake.media import FolderStore
from ledger.intake.receive import EvidenceBook, Received, receive_segment
from ledger.mp4.fragments import group_cuts, group_digests, segment_facts
from ledger.segment_body import SegmentBody, read_segment_body, write_segment_body
from ledger.store import Ledger
from tests.ledger.capture.estate import KEY, NOW, OTHER_KEY, bodies, device
from tests.ledger.capture.films import NOON
from tests.ledger.refusals import refused


@dataclass(frozen=True)
class Row:
    evidence: Evidence
    entry: int
    added: bool
    received_at: datetime


@dataclass
class MemoryBook:
    """An `EvidenceBook` in memory. `dies`: the next `add` is cut off by a crash."""

    devices: dict[str, Device]
    rows: list[Row] = field(default_factory=list)
    dies: bool = False
    findings: list[DeviceFinding] = field(default_factory=list)

    def known(self, device_id: str, /) -> tuple[Device, Terms | None, Past]:
        if device_id not in self.devices:
            raise Refused("DEVICE_UNKNOWN", "No such device.")
        own = [row.evidence for row in self.rows if row.evidence.statement.device == device_id]
        past = Past(own[-1], own[-1].statement.ends) if own else Past()
        return self.devices[device_id], None, past

    def held(self, evidence_digest: bytes, /) -> Row | None:
        return next((replace(row, added=False) for row in self.rows if row.evidence.digest == evidence_digest), None)

    def number(self, device_id: str, sequence: int, /) -> Evidence | None:
        own = (row.evidence for row in self.rows if row.evidence.statement.device == device_id)
        return next((evidence for evidence in own if evidence.statement.sequence == sequence), None)

    def add(self, judged: Judged, *, init_cid: str, received_at: datetime) -> Row:
        if self.dies:
            self.dies = False
            raise KeyboardInterrupt
        self.rows.append(Row(judged.evidence, len(self.rows), True, received_at))
        self.findings += judged.findings
        return self.rows[-1]

    def announce(self, signed: SignedEvidence, statement: SegmentStatement, *, received_at: datetime) -> None:
        raise AssertionError("nothing is announced here")

    def record(self, finding: DeviceFinding, /) -> None:
        self.findings.append(finding)


@dataclass
class Yard:
    """A book and a store, with the three bodies that one camera sent."""

    book: MemoryBook
    store: FolderStore
    folder: Path
    sent: list[bytes]

    def receive(self, raw: bytes, received_at: datetime = NOW) -> Received:
        return receive_segment(raw, book=self.book, media=self.store, received_at=received_at)

    def files(self) -> int:
        return sum(path.is_file() for path in self.folder.rglob("*"))

    def refuses(self, raw: bytes, code: str, received_at: datetime = NOW) -> None:
        """It is refused with `code`, nothing is kept, and the honest body is taken after it."""
        rows, files = list(self.book.rows), self.files()
        with refused(code):
            self.receive(raw, received_at)
        assert self.book.rows == rows and self.files() == files
        assert self.receive(self.sent[len(rows)]).added

    def where(self, raw: bytes) -> str:
        """What a refusal of this video says about the place."""
        with pytest.raises(Problem) as caught:
            self.receive(raw)
        assert caught.value.code == "MANIFEST"
        return caught.value.where


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return bodies(tmp_path_factory.mktemp("camera"))


@pytest.fixture
def yard(tmp_path: Path, sent: list[bytes]) -> Yard:
    return Yard(MemoryBook({"camera-1": device()}), FolderStore(tmp_path / "media"), tmp_path / "media", sent)


def changed(raw: bytes, change: Callable[[SegmentBody], SegmentBody]) -> bytes:
    return write_segment_body(change(read_segment_body(raw)))


def signed_again(raw: bytes, change: Callable[[SegmentStatement], SegmentStatement], key: SoftwareKey = KEY) -> bytes:
    """The body with a statement that the device signed, but that says something else."""

    def sign(body: SegmentBody) -> SegmentBody:
        statement = read_segment(body.evidence.statement_bytes)
        return replace(body, evidence=sign_statement(change(statement), key))

    return changed(raw, sign)


class TestAccepted:
    def test_a_recording_comes_in_whole(self, yard: Yard) -> None:
        received = [yard.receive(raw) for raw in yard.sent]
        assert [r.added for r in received] == [True] * 3 and [r.entry for r in received] == [0, 1, 2]
        for raw, taken in zip(yard.sent, received, strict=True):
            body = read_segment_body(raw)
            assert yard.store.get(taken.init_cid) == body.init
            assert yard.store.get(taken.evidence.segment.media.cid) == body.media

    def test_od05_the_same_evidence_again_is_held_already_in_one_row(self, yard: Yard) -> None:
        first = yard.receive(yard.sent[0])
        again = yard.receive(yard.sent[0], NOW + timedelta(days=1))
        assert again == replace(first, added=False)
        assert len(yard.book.rows) == 1

    def test_od05_evidence_from_before_the_last_is_a_replay_and_mends_the_store_all_the_same(self, yard: Yard) -> None:
        cid = yard.receive(yard.sent[0]).evidence.segment.media.cid
        yard.receive(yard.sent[1])
        path = next(path for path in yard.folder.rglob(cid))
        path.write_bytes(b"damaged")
        with refused("REPLAY"):
            yard.receive(yard.sent[0])
        assert yard.store.get(cid) == read_segment_body(yard.sent[0]).media
        path.unlink()
        assert not yard.receive(yard.sent[0]).added  # its video was wanted
        assert yard.store.get(cid) == read_segment_body(yard.sent[0]).media
        assert len(yard.book.rows) == 2 and yard.receive(yard.sent[2]).added

    def test_sending_again_repairs_a_damaged_or_lost_object(self, yard: Yard) -> None:
        cid = yard.receive(yard.sent[0]).evidence.segment.media.cid
        path = next(path for path in yard.folder.rglob(cid))
        for damage in (lambda: path.write_bytes(b"damaged"), path.unlink):
            damage()
            assert not yard.receive(yard.sent[0]).added
            assert yard.store.get(cid) == read_segment_body(yard.sent[0]).media

    def test_a_crash_before_the_row_loses_nothing(self, yard: Yard) -> None:
        yard.book.dies = True
        with pytest.raises(KeyboardInterrupt):
            yard.receive(yard.sent[0])
        assert yard.book.rows == []
        assert yard.receive(yard.sent[0]).added and len(yard.book.rows) == 1

    def test_the_ledger_s_own_book_answers_the_same(self, tmp_path: Path, sent: list[bytes]) -> None:
        ledger = Ledger.open(tmp_path / "ledger", origin="ledger.example/log")
        try:
            ledger.evidence.enrol(device())
            book: EvidenceBook = ledger.evidence
            for raw in sent:
                receive_segment(raw, book=book, media=ledger.media, received_at=NOW)
            for raw in sent[:2]:
                with refused("REPLAY"):
                    receive_segment(raw, book=book, media=ledger.media, received_at=NOW)
            assert not receive_segment(sent[2], book=book, media=ledger.media, received_at=NOW).added
            with refused("EVIDENCE_SIGNATURE"):
                forged = changed(sent[0], lambda b: replace(b, evidence=replace(b.evidence, signature=bytes(64))))
                receive_segment(forged, book=book, media=ledger.media, received_at=NOW)
            last = ledger.evidence.last("camera-1")
            assert last is not None and last.statement.sequence == 3
        finally:
            ledger.close()


class TestVideoThatIsNotTheOneSigned:
    @pytest.mark.parametrize("at", [0.02, 0.5, 0.98])
    def test_ov01_a_changed_byte_of_video(self, yard: Yard, at: float) -> None:
        def flip(body: SegmentBody) -> SegmentBody:
            media = bytearray(body.media)
            media[int(len(media) * at)] ^= 1
            return replace(body, media=bytes(media))

        yard.refuses(changed(yard.sent[0], flip), "MANIFEST")
        if at == 0.5:  # elsewhere it breaks the boxes, and then no frame can be located
            assert yard.where(changed(yard.sent[0], flip)) in ("media.groups[0] changed", "media.groups[1] changed")

    def test_ov01_other_video_for_evidence_that_is_held(self, yard: Yard) -> None:
        yard.receive(yard.sent[0])
        yard.refuses(changed(yard.sent[0], lambda b: replace(b, media=b.media + b"x")), "MANIFEST")
        yard.refuses(changed(yard.sent[0], lambda b: replace(b, init=b.init + b"x")), "MANIFEST")

    def test_ov01_a_changed_init(self, yard: Yard) -> None:
        yard.refuses(changed(yard.sent[0], lambda b: replace(b, init=b.init[:-1] + b"x")), "MANIFEST")

    def test_a_missing_init(self, yard: Yard) -> None:
        yard.refuses(changed(yard.sent[0], lambda b: replace(b, init=b"")), "MANIFEST")

    def test_a_missing_segment(self, yard: Yard) -> None:
        yard.refuses(changed(yard.sent[0], lambda b: replace(b, media=b"")), "MANIFEST")

    def test_ov02_segments_with_their_video_swapped(self, yard: Yard) -> None:
        other = read_segment_body(yard.sent[1]).media
        yard.refuses(changed(yard.sent[0], lambda b: replace(b, media=other)), "MANIFEST")

    def test_ov02_a_fragment_taken_out_or_doubled(self, yard: Yard) -> None:
        def half(body: SegmentBody) -> SegmentBody:
            return replace(body, media=body.media[body.media.index(b"moof", 100) - 4 :])

        yard.refuses(changed(yard.sent[0], half), "MANIFEST")
        assert yard.where(changed(yard.sent[0], half)) == "media.groups[0] missing"
        assert yard.where(changed(yard.sent[1], lambda b: replace(b, media=b.media * 2))).endswith("added")
        yard.refuses(changed(yard.sent[1], lambda b: replace(b, media=b.media * 2)), "MANIFEST")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("size", 1),
            ("cid", cid_of(b"another object")),
            ("width", 640),
            ("height", 181),
            ("codec", "avc1.640028"),
            ("duration_ms", 2001),
            ("init_sha256", bytes(32)),
            ("groups", (bytes(32),)),
        ],
    )
    def test_ov12_a_signed_statement_that_its_video_contradicts(self, yard: Yard, name: str, value: object) -> None:
        def state(statement: SegmentStatement) -> SegmentStatement:
            return replace(statement, media=replace(statement.media, **{name: value}))  # type: ignore[arg-type]

        yard.refuses(signed_again(yard.sent[0], state), "MANIFEST")


def first_group(raw: bytes) -> bytes:
    """The same, but of one group of pictures, honestly signed."""
    body = read_segment_body(raw)
    media = body.media[: group_cuts(body.media)[1]]
    duration = segment_facts(body.init, media).duration_ms
    shorter = signed_again(raw, lambda s: replace(s, media=replace(s.media, duration_ms=duration)))
    return stating(shorter, body.init, media)


class TestASegmentOfOneGroup:
    """Its group's digest is that of the whole, and is not made twice."""

    @pytest.fixture
    def one(self, yard: Yard) -> Yard:
        return replace(yard, sent=[first_group(yard.sent[0])])

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("sha256", bytes(32)),
            ("groups", (bytes(32),)),
            ("groups", (sha256(b"").digest(), sha256(b"").digest())),
            ("cid", cid_of(b"another object")),
        ],
    )
    def test_ov12_each_of_its_names_is_held_against_the_bytes(self, one: Yard, name: str, value: object) -> None:
        def state(statement: SegmentStatement) -> SegmentStatement:
            return replace(statement, media=replace(statement.media, **{name: value}))  # type: ignore[arg-type]

        one.refuses(signed_again(one.sent[0], state), "MANIFEST")

    def test_ov01_no_byte_of_it_can_be_another(self, one: Yard) -> None:
        size = len(read_segment_body(one.sent[0]).media)
        for at in [*range(0, size, size // 40), size - 1]:

            def flip(body: SegmentBody, at: int = at) -> SegmentBody:
                return replace(body, media=body.media[:at] + bytes([body.media[at] ^ 1]) + body.media[at + 1 :])

            with refused("MANIFEST"):
                one.receive(changed(one.sent[0], flip))
        assert not one.book.rows and not one.files()
        assert one.receive(one.sent[0]).added


def stating(raw: bytes, init: bytes, media: bytes) -> bytes:
    """A body whose device honestly signed these bytes, whatever they are."""

    def state(statement: SegmentStatement) -> SegmentStatement:
        named = replace(
            statement.media,
            init_sha256=sha256(init).digest(),
            sha256=sha256(media).digest(),
            size=len(media),
            cid=cid_of(media),
            groups=_groups(media),
        )
        return replace(statement, media=named)

    return changed(signed_again(raw, state), lambda body: replace(body, init=init, media=media))


def _groups(media: bytes) -> tuple[bytes, ...]:
    try:
        return group_digests(media)
    except BadInput:
        return (sha256(media).digest(),)


class TestMediaThatIsNoVideo:
    """The device signed it, so only its form can speak against it."""

    @pytest.mark.parametrize(
        ("init", "media"),
        [
            (b"<html>", None),
            (None, b"<!doctype html><script>alert(1)</script>"),
            (None, b"PK\x03\x04" + bytes(26)),
            (b"", None),
        ],
        ids=["HTML as init", "HTML as video", "ZIP as video", "no init"],
    )
    def test_ov11_it_is_known_by_its_own_bytes(self, yard: Yard, init: bytes | None, media: bytes | None) -> None:
        body = read_segment_body(yard.sent[0])
        raw = stating(yard.sent[0], body.init if init is None else init, body.media if media is None else media)
        with pytest.raises(Problem) as caught:
            yard.receive(raw)
        assert caught.value.code in ("VIDEO_NOT_VIDEO", "VIDEO_TRUNCATED")
        yard.refuses(raw, caught.value.code)

    def test_ov11_a_script_behind_the_video(self, yard: Yard) -> None:
        body = read_segment_body(yard.sent[0])
        trailer = (16).to_bytes(4, "big") + b"free<script>"[:12]
        yard.refuses(stating(yard.sent[0], body.init, body.media + trailer), "VIDEO_NOT_VIDEO")

    def test_a_whole_recording_instead_of_a_segment(self, yard: Yard) -> None:
        body = read_segment_body(yard.sent[0])
        yard.refuses(stating(yard.sent[0], body.init, body.init + body.media), "VIDEO_NOT_VIDEO")

    def test_ov10_a_box_of_four_gigabytes(self, yard: Yard) -> None:
        body = read_segment_body(yard.sent[0])
        yard.refuses(stating(yard.sent[0], body.init, b"\xff\xff\xff\xff" + body.media[4:]), "VIDEO_TRUNCATED")

    def test_a_segment_that_begins_between_key_frames(self, yard: Yard) -> None:
        body = read_segment_body(yard.sent[0])
        media = bytearray(body.media)
        unit = media.index(b"mdat") + 4
        while media[unit + 4] & 31 != 5:  # skip what stands before the IDR picture
            unit += 4 + int.from_bytes(media[unit : unit + 4], "big")
        media[unit + 4] = 0x61
        yard.refuses(stating(yard.sent[0], body.init, bytes(media)), "VIDEO_NOT_VIDEO")


class TestEvidenceThatIsNotBelieved:
    def test_od01_another_device_s_signature(self, yard: Yard) -> None:
        yard.book.devices["camera-2"] = device("camera-2", OTHER_KEY)
        yard.refuses(signed_again(yard.sent[0], lambda s: s, OTHER_KEY), "EVIDENCE_SIGNATURE")

    def test_od01_a_device_that_speaks_for_another(self, yard: Yard) -> None:
        yard.book.devices["camera-2"] = device("camera-2", OTHER_KEY)
        spoofed = signed_again(yard.sent[0], lambda s: replace(s, device="camera-2"))
        yard.refuses(spoofed, "EVIDENCE_SIGNATURE")

    def test_od01_a_device_that_is_not_enrolled(self, yard: Yard) -> None:
        yard.refuses(signed_again(yard.sent[0], lambda s: replace(s, device="camera-9")), "DEVICE_UNKNOWN")

    def test_od10_a_revoked_device(self, yard: Yard) -> None:
        yard.book.devices["camera-1"] = device(revoked_at=NOON)
        with refused("DEVICE_REVOKED"):
            yard.receive(yard.sent[0])
        assert yard.book.rows == [] and yard.files() == 0
        yard.book.devices["camera-1"] = device()
        assert yard.receive(yard.sent[0]).added

    def test_a_gap(self, yard: Yard) -> None:
        yard.refuses(yard.sent[2], "EVIDENCE_GAP")
        yard.refuses(yard.sent[2], "EVIDENCE_GAP")

    def test_od05_a_number_used_for_another_content(self, yard: Yard) -> None:
        yard.receive(yard.sent[0])
        forked = signed_again(yard.sent[0], lambda s: replace(s, lot="lot-2"))
        yard.refuses(forked, "REPLAY")

    def test_od05_an_old_number_used_for_another_content(self, yard: Yard) -> None:
        yard.receive(yard.sent[0])
        yard.receive(yard.sent[1])
        forked = signed_again(yard.sent[0], lambda s: replace(s, lot="lot-2"))
        yard.refuses(forked, "REPLAY")

    def test_evidence_that_follows_another_past(self, yard: Yard) -> None:
        yard.receive(yard.sent[0])
        yard.refuses(signed_again(yard.sent[1], lambda s: replace(s, previous=bytes(32))), "EVIDENCE_PREVIOUS")

    def test_od07_a_clock_that_runs_ahead_is_taken_and_not_trusted(self, yard: Yard) -> None:
        assert yard.receive(yard.sent[0], received_at=NOON - timedelta(hours=1)).added
        assert [finding.code for finding in yard.book.findings] == [Code.UNTRUSTED_TIME]

    def test_a_changed_signature_is_refused_even_where_the_statement_is_held(self, yard: Yard) -> None:
        yard.receive(yard.sent[0])

        def strip(body: SegmentBody) -> SegmentBody:
            return replace(body, evidence=SignedEvidence(body.evidence.statement_bytes, bytes(64)))

        yard.refuses(changed(yard.sent[0], strip), "EVIDENCE_SIGNATURE")

    def test_another_spelling_of_the_statement(self, yard: Yard) -> None:
        def respell(body: SegmentBody) -> SegmentBody:
            return replace(body, evidence=replace(body.evidence, statement_bytes=body.evidence.statement_bytes + b" "))

        yard.refuses(changed(yard.sent[0], respell), "NON_CANONICAL")


@pytest.mark.parametrize(
    "raw", [b"", b"\xff" * 100, b"{}", b"\xa0", b"\xbf" * 10_000], ids=["empty", "ff", "JSON", "{}", "deep"]
)
def test_garbage_is_refused(yard: Yard, raw: bytes) -> None:
    yard.refuses(raw, "SEGMENT_BODY")
