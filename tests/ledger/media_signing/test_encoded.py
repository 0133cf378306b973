"""Pictures that an encoder made: sign, mux, cut, remux, verify; and what re-encoding does (OV04)."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner

from ledger.capture.segments import read_recording
from ledger.capture.video_file import read_units
from ledger.cli import build
from ledger.errors import BadInput
from ledger.media_signing import Authenticity, Codec, Provenance, length_prefixed_units, verify_video
from ledger.media_signing.signer import SigningPlan
from ledger.mp4.fragments import video_samples
from tests.ledger.media_signing.authority import ROOT, TRUST, pem
from tests.ledger.media_signing.encoded import encode, remux, sign, transcode

both = pytest.mark.parametrize("codec", list(Codec))


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> dict[Codec, Path]:
    """A signed recording of 24 pictures in three groups, for each codec."""
    folder = tmp_path_factory.mktemp("signed")
    for codec in Codec:
        encode(folder / "plain.mp4", codec)
        sign(folder / "plain.mp4", folder / f"{codec.value}.mp4")
    return {codec: folder / f"{codec.value}.mp4" for codec in Codec}


def _says(path: Path) -> list[str]:
    codec, units = read_units(path)
    return [group.authenticity.value for group in verify_video(units, codec, TRUST).groups]


@both
def test_a_signed_recording_is_authentic_and_still_plays(codec: Codec, signed: dict[Codec, Path]) -> None:
    assert _says(signed[codec]) == ["authentic"] * 3
    with av.open(str(signed[codec])) as file:
        assert sum(1 for _ in file.decode(video=0)) == 24


@both
@pytest.mark.parametrize("kind", ["matroska", "mpegts", "mov", "h26x"])
def test_OV04_another_container_keeps_the_verdict(
    codec: Codec, kind: str, signed: dict[Codec, Path], tmp_path: Path
) -> None:
    name = {Codec.H264: "h264", Codec.H265: "hevc"}[codec] if kind == "h26x" else kind
    remux(signed[codec], tmp_path / "other", name)
    assert _says(tmp_path / "other") == ["authentic"] * 3


@both
def test_OV04_re_encoded_pictures_are_not_the_signed_ones(
    codec: Codec, signed: dict[Codec, Path], tmp_path: Path
) -> None:
    transcode(signed[codec], tmp_path / "plain.mp4", codec)
    assert set(_says(tmp_path / "plain.mp4")) == {"unsigned"}
    # The records of the honest recording are put back in front of the new pictures.
    _, honest = read_units(signed[codec])
    _, forged = read_units(tmp_path / "plain.mp4")
    slices = iter(unit for unit in forged if len(unit) > 40)
    mixed = [unit if b"\x00\x5b\xc9\x3f" in unit else next(slices, unit) for unit in honest]
    groups = verify_video(mixed, codec, TRUST).groups
    assert {group.authenticity for group in groups} == {Authenticity.TAMPERED}


@both
def test_OV04_stripped_records_leave_an_unsigned_recording(codec: Codec, signed: dict[Codec, Path]) -> None:
    _, units = read_units(signed[codec])
    verdict = verify_video([unit for unit in units if b"\x00\x5b\xc9\x3f" not in unit], codec, TRUST)
    assert verdict.authenticity is Authenticity.UNSIGNED and not verdict.signed


@pytest.mark.parametrize("plan", [SigningPlan(pictures=3), SigningPlan(groups=2), SigningPlan(list_digests=False)])
@pytest.mark.parametrize("b_frames", [0, 2])
@both
def test_b_pictures_and_every_way_to_sign(codec: Codec, plan: SigningPlan, b_frames: int, tmp_path: Path) -> None:
    encode(tmp_path / "plain.mp4", codec, b_frames=b_frames)
    sign(tmp_path / "plain.mp4", tmp_path / "signed.mp4", plan=plan)
    assert set(_says(tmp_path / "signed.mp4")) == {"authentic"}


def test_a_signed_recording_is_cut_into_segments_and_verifies_from_them(signed: dict[Codec, Path]) -> None:
    """Sign, mux to fragmented MP4, split, verify: without a native library on the verifying side."""
    with read_recording(signed[Codec.H264], target_seconds=1.0) as recording:
        segments = [segment.data for segment in recording.segments]
        init = recording.init
    assert len(segments) > 0
    units = [unit for data in segments for unit in length_prefixed_units(video_samples(init, data), 4)]
    verdict = verify_video(units, Codec.H264, TRUST)
    assert [group.authenticity for group in verdict.groups] == [Authenticity.AUTHENTIC] * 3
    assert verdict.provenance is Provenance.TRUSTED and verdict.pictures == 24


def _verify(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(build(), ["video", "verify", *arguments])
    return result.exit_code, result.output


@both
def test_the_command_shows_a_row_per_group_and_answers_with_its_exit_status(
    codec: Codec, signed: dict[Codec, Path], tmp_path: Path
) -> None:
    roots = tmp_path / "roots.pem"
    roots.write_bytes(pem(ROOT.certificate))
    status, shown = _verify(str(signed[codec]), "--trust", str(roots))
    assert (
        status == 0
        and shown.count("authentic ") == 3
        and "trusted" in shown
        and "films a screen" in shown
        and "Test cameras" in shown
    )
    status, shown = _verify(str(signed[codec]))
    assert status == 1 and "untrusted signer" in shown.replace("\n", " ") and "tampered" not in shown
    status, shown = _verify(str(signed[codec]), "--trust", str(roots), "--json")
    document = json.loads(shown)
    assert document["camera"] == {"manufacturer": "Test cameras", "serial": "ACCC8E0000", "firmware": "11.5"}
    assert status == 0 and document["held"] and [group["pictures"] for group in document["groups"]] == [8, 8, 8]
    raw = bytearray(signed[codec].read_bytes())
    with av.open(str(signed[codec])) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
        assert packets[12].pos is not None
        raw[packets[12].pos + packets[12].size - 3] ^= 1
    (tmp_path / "bad.mp4").write_bytes(raw)
    status, shown = _verify(str(tmp_path / "bad.mp4"), "--trust", str(roots), "--json")
    document = json.loads(shown)
    assert status == 1 and [group["authenticity"] for group in document["groups"]] == [
        "authentic",
        "tampered",
        "authentic",
    ]
    assert document["groups"][1]["troubles"] == [
        {**document["groups"][1]["troubles"][0], "kind": "changed", "picture": 12}
    ]
    assert {group["provenance"] for group in document["groups"]} == {"trusted"}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "VIDEO_EMPTY"),
        (b"GIF89a" * 50, "VIDEO_NOT_VIDEO"),
        (b"\0\0\0\x18ftypisom" * 9, "VIDEO_CODEC"),
        (b"\0\0\1\x65\x88", "VIDEO_CODEC"),
    ],
)
def test_what_is_no_signed_video_has_a_typed_refusal(raw: bytes, code: str, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(raw)
    with pytest.raises(BadInput) as caught:
        read_units(tmp_path / "bad")
    assert caught.value.code == code
    with pytest.raises(BadInput) as caught:
        read_units(tmp_path / "absent")
    assert caught.value.code == "VIDEO_MISSING"
