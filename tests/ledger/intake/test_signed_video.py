"""A camera's own signatures inside the video are verified at the door; what they show is kept beside the evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.canonical import JsonValue
from ledger.capture.camera import Camera
from ledger.capture.segments import read_recording
from ledger.capture.spool import Spool
from ledger.errors import BadInput, Unavailable
from ledger.evidence import Code, Evidence
from ledger.evidence.fields import write_time
from ledger.intake.media_config import MEDIA_FOLDER
from ledger.intake.receive import Receiver
from ledger.intake.signed_video import SIGNING_SLACK, SignedVideo
from ledger.media_signing import Authenticity, Codec, Provenance
from ledger.media_signing.archive import VideoStanding, completed, standing_of, worst
from ledger.media_signing.records import UUID
from ledger.segment_body import read_segment_body
from ledger.store import Ledger
from ledger.store.check import check_folder
from ledger.store.ledger import SIGNERS_FILE
from tests.ledger.capture import estate
from tests.ledger.capture.estate import KEY, NOW, device, shot
from tests.ledger.media_signing.authority import CAMERA, ROOT, TRUST, pem
from tests.ledger.media_signing.encoded import encode, sign
from tests.ledger.media_signing.film import BEGIN
from tests.ledger.refusals import refused


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds, each a group of pictures."""
    folder = tmp_path_factory.mktemp("signed")
    encode(folder / "plain.mp4", Codec.H264, pictures=75, group=25)
    sign(folder / "plain.mp4", folder / "signed.mp4")
    return folder / "signed.mp4"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / SIGNERS_FILE).write_bytes(pem(ROOT.certificate))
    opened = Ledger.open(tmp_path / "ledger", origin="video.example/log")
    opened.evidence.enrol(device())
    yield opened
    opened.close()


def _bodies(video: Path, folder: Path, *, stated: datetime = BEGIN) -> list[bytes]:
    """The bodies of a recording that its device states to have begun at `stated`; `BEGIN` is when it was signed."""
    receiver = estate.Receiver()
    with Spool(folder / "spool") as spool, read_recording(video, target_seconds=1.0) as recording:
        Camera(device(), KEY, spool=spool, intake=receiver, clock=lambda: NOW).film(recording, shot(started_at=stated))
    return receiver.taken


def _receiver(ledger: Ledger, examine: Callable[..., None] | None = None) -> Receiver:
    video = SignedVideo(ledger.signed_video, ledger.media, ledger.signers, ledger.evidence.record)
    return Receiver(ledger.evidence, ledger.media, examine=examine or video.take)


def _kept(ledger: Ledger, raw: bytes) -> list[tuple[object, object, object]]:
    found: Any = ledger.signed_video.kept(read_segment_body(raw).evidence.digest)
    return [(group["number"], group["authenticity"], group["provenance"]) for group in found["groups"]]


def _standing(ledger: Ledger, raw: bytes) -> VideoStanding:
    return standing_of(ledger.signed_video.kept(read_segment_body(raw).evidence.digest) or {})


def test_each_segment_has_its_verdict_and_the_next_one_completes_it(
    ledger: Ledger, signed: Path, tmp_path: Path
) -> None:
    bodies, receiver = _bodies(signed, tmp_path), _receiver(ledger)
    assert len(bodies) == 3
    receiver.segment(bodies[0], received_at=NOW)
    assert ledger.signed_video.kept(read_segment_body(bodies[0]).evidence.digest) is None  # no record in it yet
    receiver.segment(bodies[1], received_at=NOW)
    assert _kept(ledger, bodies[1])[-1][1:] == ("pending", "no certificate")
    receiver.segment(bodies[2], received_at=NOW)
    assert _kept(ledger, bodies[1]) == [(2, "authentic", "trusted")]
    assert _kept(ledger, bodies[2]) == [(3, "authentic", "trusted")]
    document: Any = ledger.signed_video.kept(read_segment_body(bodies[2]).evidence.digest)
    assert [ledger.media.get(cid) for cid in document["chains"]] == [CAMERA.chain]
    assert document["groups"][0]["first_picture"] == 0 and document["groups"][0]["pictures"] == 25
    assert standing_of(document).authenticity is Authenticity.AUTHENTIC


def test_a_chain_that_is_lost_from_the_archive_is_missed(ledger: Ledger, signed: Path, tmp_path: Path) -> None:
    bodies, receiver = _bodies(signed, tmp_path), _receiver(ledger)
    for body in bodies:
        receiver.segment(body, received_at=NOW)
    (chain,) = {cid for body in bodies[1:] for cid in _standing(ledger, body).chains}
    ledger.close()
    folder = tmp_path / "ledger"
    assert not [each for each in check_folder(folder, lambda _what, _done, _total: None) if chain in each.thing]
    (folder / MEDIA_FOLDER / chain[-2:] / chain).unlink()
    found = check_folder(folder, lambda _what, _done, _total: None)
    assert [each.code for each in found if chain in each.thing] == ["MEDIA_MISSING"]


def test_OV01_what_was_changed_before_the_device_signed_it_is_taken_and_told(
    ledger: Ledger, signed: Path, tmp_path: Path
) -> None:
    """The device vouches for the bytes it hands in; the camera's own signature shows what was done before."""
    raw = bytearray(signed.read_bytes())
    mark = raw.rfind(b"\x41\x9a")
    raw[mark + 40] ^= 1
    (tmp_path / "changed.mp4").write_bytes(raw)
    bodies, receiver = _bodies(tmp_path / "changed.mp4", tmp_path), _receiver(ledger)
    assert all(receiver.segment(body, received_at=NOW).added for body in bodies)
    assert _kept(ledger, bodies[2]) == [(3, "tampered", "trusted")]
    assert _kept(ledger, bodies[1]) == [(2, "authentic", "trusted")]


@pytest.mark.parametrize("away", [-SIGNING_SLACK - timedelta(seconds=4), SIGNING_SLACK + timedelta(seconds=4)])
def test_old_video_that_is_handed_in_as_new_is_authentic_and_told(
    ledger: Ledger, signed: Path, tmp_path: Path, away: timedelta
) -> None:
    bodies, receiver = _bodies(signed, tmp_path, stated=BEGIN + away), _receiver(ledger)
    for body in bodies:
        assert receiver.segment(body, received_at=NOW).added
    assert _kept(ledger, bodies[2]) == [(3, "authentic", "trusted")]
    (found,) = (each.finding for each in ledger.evidence.findings("camera-1"))
    # One segment's signature is verified once the next one is here; the first one carries no record yet.
    assert (found.code, found.sequence) == (Code.SIGNED_AT_OTHER_TIME, 3)
    assert found.facts == {
        "signed": write_time(BEGIN + timedelta(seconds=2)),
        "stated_from": write_time(BEGIN + away + timedelta(seconds=2)),
        "stated_until": write_time(BEGIN + away + timedelta(seconds=3)),
        "provenance": "trusted",
    }


@pytest.mark.parametrize("away", [0, 290, -290])
def test_two_clocks_that_are_looked_after_may_differ(ledger: Ledger, signed: Path, tmp_path: Path, away: int) -> None:
    for body in _bodies(signed, tmp_path, stated=BEGIN + timedelta(seconds=away)):
        _receiver(ledger).segment(body, received_at=NOW)
    assert ledger.evidence.findings("camera-1") == ()


def test_a_finding_stands_before_the_verdict_that_ends_the_examination(
    ledger: Ledger, signed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies, receiver = _bodies(signed, tmp_path, stated=BEGIN + timedelta(hours=1)), _receiver(ledger)
    for body in bodies[:2]:
        receiver.segment(body, received_at=NOW)
    with monkeypatch.context() as patched:
        patched.setattr(type(ledger.signed_video), "keep", _full)
        with refused("STORE_FULL"):
            receiver.segment(bodies[2], received_at=NOW)
    receiver.segment(bodies[2], received_at=NOW)
    assert [each.finding.sequence for each in ledger.evidence.findings("camera-1")] == [3]


def _full(*_: object) -> None:
    raise Unavailable("STORE_FULL", "The disk is full.")


def test_without_a_trust_list_the_signer_is_untrusted_and_nothing_is_tampered(
    ledger: Ledger, signed: Path, tmp_path: Path
) -> None:
    ledger.signers = type(TRUST)()
    bodies, receiver = _bodies(signed, tmp_path), _receiver(ledger)
    for body in bodies:
        receiver.segment(body, received_at=NOW)
    assert _kept(ledger, bodies[2]) == [(3, "authentic", "untrusted signer")]


def test_video_without_signatures_has_no_verdict(ledger: Ledger, tmp_path: Path) -> None:
    encode(tmp_path / "plain.mp4", Codec.H264, pictures=50, group=25)
    for body in _bodies(tmp_path / "plain.mp4", tmp_path):
        received = _receiver(ledger).segment(body, received_at=NOW)
        assert ledger.signed_video.kept(received.evidence.digest) is None


def test_a_record_s_name_among_a_picture_s_own_bytes_is_no_record(ledger: Ledger, tmp_path: Path) -> None:
    encode(tmp_path / "plain.mp4", Codec.H264, pictures=50, group=25)
    raw = bytearray((tmp_path / "plain.mp4").read_bytes())
    at = raw.rfind(b"\x41\x9a") + 30
    raw[at : at + len(UUID)] = UUID
    (tmp_path / "named.mp4").write_bytes(raw)
    bodies = _bodies(tmp_path / "named.mp4", tmp_path)
    assert any(UUID in body for body in bodies)
    for body in bodies:
        received = _receiver(ledger).segment(body, received_at=NOW)
        assert ledger.signed_video.kept(received.evidence.digest) is None


def test_OD14_nobody_is_told_that_a_segment_is_held_before_its_verdict_is(
    ledger: Ledger, signed: Path, tmp_path: Path
) -> None:
    bodies = _bodies(signed, tmp_path)

    def dies(_evidence: Evidence, _init: bytes, _media: bytes, *, received_at: datetime) -> None:
        raise KeyboardInterrupt

    for body in bodies:
        with pytest.raises(KeyboardInterrupt):
            _receiver(ledger, dies).segment(body, received_at=NOW)
        assert not _receiver(ledger).segment(body, received_at=NOW).added  # the device sends it again
    assert _kept(ledger, bodies[2]) == [(3, "authentic", "trusted")]
    before = _kept(ledger, bodies[2])
    for body in bodies[:2]:
        with refused("REPLAY"):
            _receiver(ledger).segment(body, received_at=NOW)
    assert not _receiver(ledger).segment(bodies[2], received_at=NOW).added
    assert _kept(ledger, bodies[2]) == before


def test_records_that_are_nonsense_refuse_nothing(ledger: Ledger, signed: Path, tmp_path: Path) -> None:
    raw = signed.read_bytes()
    (tmp_path / "odd.mp4").write_bytes(raw.replace(UUID + b"\x00\x04", UUID + b"\x00\x77"))
    bodies = _bodies(tmp_path / "odd.mp4", tmp_path)
    assert all(_receiver(ledger).segment(body, received_at=NOW).added for body in bodies)
    shown = standing_of(ledger.signed_video.kept(read_segment_body(bodies[2]).evidence.digest) or {})
    assert (shown.authenticity, shown.provenance) == (Authenticity.TAMPERED, Provenance.NO_CERTIFICATE)


def _group(word: str) -> dict[str, JsonValue]:
    return {"authenticity": word}


def test_only_what_was_pending_is_completed() -> None:
    pending, good, bad = (_group(word) for word in ("pending", "authentic", "tampered"))
    assert completed([bad, pending], [good, good]) == [bad, good]
    assert completed([good, pending], [good]) == [good, pending]


def test_the_worst_word_is_shown_and_a_broken_record_is_refused() -> None:
    assert worst([]).authenticity is Authenticity.UNSIGNED
    assert standing_of({"groups": [], "chains": []}).authenticity is Authenticity.NOT_COVERED
    for wrong in (
        {},
        {"groups": 1, "chains": []},
        {"groups": [{"authenticity": "x", "provenance": "trusted"}], "chains": []},
    ):
        with pytest.raises(BadInput) as caught:
            standing_of(wrong)  # type: ignore[arg-type]
        assert caught.value.code == "SEI_RECORD"
