"""The camera agent's way: segments are signed after they were cut, each verifies by itself, and all together play."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import av
import pytest

from ledger.capture.segments import read_recording
from ledger.errors import BadInput
from ledger.media_signing import (
    Authenticity,
    Codec,
    MediaSigner,
    Provenance,
    SegmentSigner,
    SigningPlan,
    VideoVerdict,
    length_prefixed_units,
    verify_video,
)
from ledger.mp4.fragments import segment_facts, split_init, video_samples
from ledger.mp4.rewrite import with_samples_changed
from tests.ledger.capture.films import film
from tests.ledger.media_signing.authority import CAMERA, TRUST
from tests.ledger.media_signing.film import BEGIN, VENDOR


def _cut(folder: Path, kind: str, seconds: float = 4.0) -> tuple[bytes, list[bytes]]:
    path = folder / "recording.mp4"
    path.write_bytes(film(kind, seconds))
    with read_recording(path, target_seconds=1.0) as recording:
        return recording.init, [segment.data for segment in recording.segments]


def _signer(plan: SigningPlan | None = None) -> MediaSigner:
    return MediaSigner(Codec.H264, CAMERA.key, CAMERA.chain, vendor=VENDOR, plan=plan)


def _verdict(init: bytes, *segments: bytes) -> VideoVerdict:
    samples = [sample for data in segments for sample in video_samples(init, data)]
    return verify_video(length_prefixed_units(samples, 4), Codec.H264, TRUST)


@pytest.mark.parametrize(
    "kind", ["plain", "B-frames and sound", "open groups", "varying frame rate", "odd size, 4:4:4"]
)
@pytest.mark.parametrize("plan", [None, SigningPlan(pictures=5), SigningPlan(list_digests=False)])
def test_each_segment_verifies_by_itself_and_all_of_them_together(
    kind: str, plan: SigningPlan | None, tmp_path: Path
) -> None:
    init, plain = _cut(tmp_path, kind)
    signer = SegmentSigner(_signer(plan), init, BEGIN)
    signed = [signer.sign(data) for data in plain]
    for data in signed:
        verdict = _verdict(init, data)
        assert {group.authenticity for group in verdict.groups} == {Authenticity.AUTHENTIC}
        assert verdict.provenance is Provenance.TRUSTED
    assert {group.authenticity for group in _verdict(init, *signed).groups} == {Authenticity.AUTHENTIC}
    assert [segment_facts(init, data) for data in signed] == [segment_facts(init, data) for data in plain]


@pytest.mark.parametrize("kind", ["plain", "B-frames and sound"])
def test_pictures_and_sound_are_what_they_were(kind: str, tmp_path: Path) -> None:
    init, plain = _cut(tmp_path, kind)
    signer = SegmentSigner(_signer(), init, BEGIN)
    before, after = (init + b"".join(parts) for parts in (plain, [signer.sign(data) for data in plain]))
    assert _decoded(before) == _decoded(after)


def _decoded(raw: bytes) -> list[tuple[str, int | None, bytes]]:
    with av.open(io.BytesIO(raw), "r") as file:
        frames = [frame for frame in file.decode() if isinstance(frame, av.VideoFrame | av.AudioFrame)]
        return [(type(frame).__name__, frame.pts, b"".join(map(bytes, frame.planes))) for frame in frames]


def test_the_times_that_are_signed_are_those_of_the_pictures(tmp_path: Path) -> None:
    init, plain = _cut(tmp_path, "plain")
    signer = SegmentSigner(_signer(), init, BEGIN)
    groups = _verdict(init, *[signer.sign(data) for data in plain]).groups
    assert groups[0].signed_from == BEGIN and len(groups) == 4
    for index, group in enumerate(groups):
        assert group.signed_from is not None and group.signed_until is not None
        assert group.signed_from == BEGIN + timedelta(seconds=index) < group.signed_until


def test_OV01_OV02_a_segment_that_is_changed_removed_or_moved_is_seen(tmp_path: Path) -> None:
    init, plain = _cut(tmp_path, "plain")
    signer = SegmentSigner(_signer(), init, BEGIN)
    one, two, three, *rest = [signer.sign(data) for data in plain]
    assert Authenticity.MISSING_PICTURES in {group.authenticity for group in _verdict(init, one, three, *rest).groups}
    assert _verdict(init, one, three, two, *rest).authenticity is not Authenticity.AUTHENTIC
    raw = bytearray(two)
    raw[len(raw) // 2] ^= 1
    assert _verdict(init, one, bytes(raw), three).authenticity is Authenticity.TAMPERED


@pytest.mark.parametrize("cut", [1, 9, 40, 200])
def test_a_damaged_segment_is_refused_and_the_honest_one_still_signed(cut: int, tmp_path: Path) -> None:
    init, plain = _cut(tmp_path, "plain")
    signer = SegmentSigner(_signer(), init, BEGIN)
    with pytest.raises(BadInput):
        signer.sign(plain[0][:-cut])
    movie, _ = split_init(init)
    assert with_samples_changed(plain[0], movie, lambda sample, _: sample) != b""
    assert _verdict(init, SegmentSigner(_signer(), init, BEGIN).sign(plain[0])).authenticity is Authenticity.AUTHENTIC
