"""C2PA: a manifest is verified without network and with our own trust list, and its two answers stay apart."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from typer.testing import CliRunner

from ledger.c2pa_manifest.read import read_manifest, settings
from ledger.c2pa_manifest.verdict import ManifestVerdict, judge
from ledger.c2pa_manifest.write import LABEL, Claim, sign_recording
from ledger.capture.segments import read_recording
from ledger.cli import build
from ledger.errors import BadInput, WrongUse
from ledger.media_signing import Authenticity, Codec, Provenance
from tests.ledger.media_signing.authority import CAMERA, MAKER, ROOT, issue, pem
from tests.ledger.media_signing.encoded import encode, sign

ROOTS = pem(ROOT.certificate)
DOCUMENTS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
EXPORTER = issue("Exporter", MAKER, usage=DOCUMENTS)
CLAIM = Claim("camera-1", 7, "ab" * 32, "bafkrei", "2026-03-01T08:00:00.000Z", "2026-03-01T08:00:02.000Z", 12)
OK, BAD = Authenticity.AUTHENTIC, Authenticity.TAMPERED


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A signed camera recording as the ledger keeps it: an init and its fragments."""
    folder = tmp_path_factory.mktemp("recording")
    encode(folder / "plain.mp4", Codec.H264, pictures=16)
    sign(folder / "plain.mp4", folder / "signed.mp4")
    with read_recording(folder / "signed.mp4") as found:
        return found.init + b"".join(segment.data for segment in found.segments)


@pytest.fixture(scope="module")
def exported(recording: bytes) -> bytes:
    return sign_recording(recording, CLAIM, EXPORTER.key, EXPORTER.chain)


def _read(raw: bytes, folder: Path, roots: bytes = ROOTS) -> ManifestVerdict:
    (folder / "file.mp4").write_bytes(raw)
    verdict = read_manifest(folder / "file.mp4", roots)
    assert verdict is not None
    return verdict


def test_an_exported_recording_holds_and_says_what_it_was_exported_from(exported: bytes, tmp_path: Path) -> None:
    verdict = _read(exported, tmp_path)
    assert verdict.holds and verdict.failures == ()
    assert (verdict.signer, verdict.issuer, verdict.generator) == ("Exporter", "Test", "Pledgetrail")
    assert LABEL.encode() in exported and CLAIM.evidence.encode() in exported


@pytest.mark.parametrize(("changed", "trusted"), list(product([False, True], [False, True])))
def test_OV04_a_changed_file_and_an_unknown_signer_are_never_taken_for_each_other(
    changed: bool, trusted: bool, exported: bytes, recording: bytes, tmp_path: Path
) -> None:
    raw = bytearray(exported)
    raw[raw.rfind(recording[-300:-280])] ^= changed
    verdict = _read(bytes(raw), tmp_path, ROOTS if trusted else b"")
    assert verdict.authenticity is (BAD if changed else OK)
    assert verdict.provenance is (Provenance.TRUSTED if trusted else Provenance.UNTRUSTED_SIGNER)


def test_a_recording_of_another_root_is_of_an_untrusted_signer(recording: bytes, tmp_path: Path) -> None:
    other = issue("Exporter", issue("Other", issue("Other root", ca=True), ca=True), usage=DOCUMENTS)
    verdict = _read(sign_recording(recording, CLAIM, other.key, other.chain), tmp_path)
    assert (verdict.authenticity, verdict.provenance) == (OK, Provenance.UNTRUSTED_SIGNER)


def test_a_manifest_of_another_recording_does_not_hold(exported: bytes, recording: bytes, tmp_path: Path) -> None:
    other = bytearray(exported)
    at = other.rfind(recording[-400:-380])
    other[at : at + 200] = random.Random(1).randbytes(200)
    assert _read(bytes(other), tmp_path).authenticity is BAD


def test_a_file_without_a_manifest_has_none(recording: bytes, tmp_path: Path) -> None:
    (tmp_path / "plain.mp4").write_bytes(recording)
    assert read_manifest(tmp_path / "plain.mp4", ROOTS) is None


def test_whatever_is_changed_there_is_a_verdict_or_a_typed_refusal(exported: bytes, tmp_path: Path) -> None:
    dice = random.Random(20260301)
    start = exported.find(b"jumb")
    for _ in range(8):
        raw = bytearray(exported)
        raw[start + dice.randrange(9000)] ^= 1 << dice.randrange(8)
        try:
            verdict = _read(bytes(raw), tmp_path)
        except BadInput as error:
            assert error.code == "C2PA_UNREADABLE"
        else:
            assert verdict.authenticity in (OK, BAD)
    for cut in (4, 200, len(exported) // 2):
        (tmp_path / "cut.mp4").write_bytes(exported[:cut])
        try:
            found = read_manifest(tmp_path / "cut.mp4", ROOTS)
        except BadInput as error:
            assert error.code == "C2PA_UNREADABLE"
        else:
            assert found is None or found.authenticity is BAD


def test_nothing_is_asked_of_the_network() -> None:
    """The settings switch it off; the worker could not open a socket if they did not (`worker.main`)."""
    found = settings(ROOTS)
    assert found["core"] == {"allowed_network_hosts": []}
    verify = found["verify"]
    assert isinstance(verify, dict) and verify["remote_manifest_fetch"] is False and verify["ocsp_fetch"] is False


def test_a_certificate_that_may_not_sign_claims_is_refused(recording: bytes) -> None:
    with pytest.raises(WrongUse) as caught:
        sign_recording(recording, CLAIM, CAMERA.key, CAMERA.chain)
    assert caught.value.code == "C2PA_CERTIFICATE"


def test_a_key_of_another_certificate_is_refused(recording: bytes) -> None:
    with pytest.raises(WrongUse) as caught:
        sign_recording(recording, CLAIM, CAMERA.key, EXPORTER.chain)
    assert caught.value.code == "C2PA_KEY"
    with pytest.raises(BadInput) as refused:
        sign_recording(b"no video", CLAIM, EXPORTER.key, EXPORTER.chain)
    assert refused.value.code == "VIDEO_NOT_VIDEO"


def _report(success: list[str], failure: list[str]) -> dict[str, object]:
    codes = {"success": [{"code": code} for code in success], "failure": [{"code": code} for code in failure]}
    return {"results": {"activeManifest": codes}, "signature": {"common_name": "X"}, "generator": "G"}


WHOLE = ["claimSignature.validated", "assertion.bmffHash.match", "signingCredential.trusted"]


@pytest.mark.parametrize(
    ("success", "failure", "expected"),
    [
        (WHOLE, [], (OK, Provenance.TRUSTED)),
        (WHOLE[:2], ["signingCredential.untrusted"], (OK, Provenance.UNTRUSTED_SIGNER)),
        (WHOLE[:2], ["signingCredential.expired"], (OK, Provenance.NOT_VALID_THEN)),
        (WHOLE, ["claimSignature.outsideValidity"], (OK, Provenance.NOT_VALID_THEN)),
        (WHOLE[::2], ["assertion.bmffHash.mismatch"], (BAD, Provenance.TRUSTED)),
        (WHOLE, ["something.new"], (BAD, Provenance.TRUSTED)),
        (WHOLE[1:], ["claimSignature.mismatch"], (BAD, Provenance.NO_CERTIFICATE)),
        (WHOLE[::2], [], (BAD, Provenance.TRUSTED)),
        ([], [], (BAD, Provenance.NO_CERTIFICATE)),
    ],
)
def test_status_codes_are_sorted_into_two_answers(
    success: list[str], failure: list[str], expected: tuple[Authenticity, Provenance]
) -> None:
    verdict = judge(_report(success, failure))
    assert (verdict.authenticity, verdict.provenance) == expected
    assert replace(verdict, failures=()).holds is (expected == (OK, Provenance.TRUSTED))


@pytest.mark.parametrize("report", [[], "x", {"results": []}, {"results": {"activeManifest": {"failure": {}}}}])
def test_a_report_of_another_shape_is_refused(report: object) -> None:
    with pytest.raises(BadInput) as caught:
        judge(report)
    assert caught.value.code == "C2PA_UNREADABLE"


def test_the_command_shows_both_kinds_of_signature(exported: bytes, recording: bytes, tmp_path: Path) -> None:
    (tmp_path / "roots.pem").write_bytes(ROOTS)
    (tmp_path / "good.mp4").write_bytes(exported)
    arguments = ["video", "verify", "--json", "--trust", str(tmp_path / "roots.pem")]
    result = CliRunner().invoke(build(), [*arguments, str(tmp_path / "good.mp4")])
    document = json.loads(result.output)
    assert result.exit_code == 0 and document["held"] and document["authenticity"] == "authentic"
    assert document["c2pa"]["authenticity"] == "authentic" and document["c2pa"]["signer"] == "Exporter"
    raw = bytearray(exported)
    raw[raw.rfind(recording[-12:])] ^= 1
    (tmp_path / "bad.mp4").write_bytes(raw)
    result = CliRunner().invoke(build(), [*arguments, str(tmp_path / "bad.mp4")])
    document = json.loads(result.output)
    assert result.exit_code == 1 and document["c2pa"]["authenticity"] == "tampered"
    assert document["c2pa"]["provenance"] == "trusted"


def test_nothing_is_signed_with_an_expired_certificate(recording: bytes) -> None:
    expired = issue("Exporter", MAKER, usage=DOCUMENTS, end=datetime.now(UTC) - timedelta(days=1))
    with pytest.raises(WrongUse) as caught:
        sign_recording(recording, CLAIM, expired.key, expired.chain)
    assert caught.value.code == "C2PA_CERTIFICATE" and "not valid at time of signing" in caught.value.what
