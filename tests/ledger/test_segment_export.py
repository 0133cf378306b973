"""`pledgetrail export segment`: what leaves the ledger plays, verifies elsewhere, and says what it came from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ledger.c2pa_manifest.read import read_manifest
from ledger.cli import build
from ledger.errors import Problem
from ledger.segment_export import export, read_segment
from tests.ledger.c2pa_manifest.test_manifest import EXPORTER, ROOTS
from tests.ledger.tea import film, open_ledger


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed ledger's folder with one filmed step."""
    folder = tmp_path_factory.mktemp("export")
    ledger = open_ledger(folder / "ledger")
    film(ledger, folder / "spool", ("packing",))
    ledger.close()
    return folder / "ledger"


@pytest.fixture
def credentials(tmp_path: Path) -> tuple[Path, Path]:
    key, chain = tmp_path / "key.pem", tmp_path / "chain.pem"
    key.write_bytes(EXPORTER.private_pem)
    key.chmod(0o600)
    chain.write_bytes(EXPORTER.chain)
    return key, chain


def _entry(data: Path) -> int:
    for entry in range(20):
        try:
            read_segment(data, entry)
        except Problem:
            continue
        return entry
    raise AssertionError("nothing was filmed")


def _code(data: Path, out: Path, **named: Path | None) -> str:
    with pytest.raises(Problem) as caught:
        export(data, _entry(data), out, key=named.get("key"), chain=named.get("chain"))
    assert not out.exists()
    return caught.value.code


def test_an_export_is_the_segment_and_nothing_else(data: Path, tmp_path: Path) -> None:
    arguments = ["export", "segment", str(_entry(data)), "--data", str(data), "--out", str(tmp_path / "out.mp4")]
    result = CliRunner().invoke(build(), arguments)
    assert result.exit_code == 0, result.output
    found, video = read_segment(data, _entry(data))
    assert (tmp_path / "out.mp4").read_bytes() == video and found.statement.device in result.output
    assert read_manifest(tmp_path / "out.mp4", ROOTS) is None


def test_with_a_manifest_it_verifies_elsewhere_and_names_its_evidence(
    data: Path, tmp_path: Path, credentials: tuple[Path, Path]
) -> None:
    out = tmp_path / "out.mp4"
    arguments = ["export", "segment", str(_entry(data)), "--data", str(data), "--out", str(out)]
    result = CliRunner().invoke(
        build(), [*arguments, "--c2pa", "--key", str(credentials[0]), "--chain", str(credentials[1])]
    )
    assert result.exit_code == 0, result.output
    verdict = read_manifest(out, ROOTS)
    assert verdict is not None and verdict.holds and verdict.signer == "Exporter"
    found, _ = read_segment(data, _entry(data))
    assert found.signed.digest.hex().encode() in out.read_bytes() and found.media_cid.encode() in out.read_bytes()
    (tmp_path / "roots.pem").write_bytes(ROOTS)
    shown = CliRunner().invoke(build(), ["video", "verify", "--json", "--trust", str(tmp_path / "roots.pem"), str(out)])
    document = json.loads(shown.output)
    assert shown.exit_code == 0 and document["c2pa"]["provenance"] == "trusted"
    assert document["authenticity"] == "unsigned"  # this camera put no signature of its own into the video


def test_what_cannot_be_exported_is_refused_and_nothing_is_written(
    data: Path, tmp_path: Path, credentials: tuple[Path, Path]
) -> None:
    key, chain = credentials
    out = tmp_path / "out.mp4"
    key.chmod(0o644)
    assert _code(data, out, key=key, chain=chain) == "KEY_MODE"
    key.chmod(0o600)
    key.write_bytes(b"no key")
    assert _code(data, out, key=key, chain=chain) == "P256_KEY"
    key.write_bytes(EXPORTER.private_pem)
    chain.write_bytes(b"no chain")
    assert _code(data, out, key=key, chain=chain) == "CERTIFICATES"
    with pytest.raises(Problem) as caught:
        read_segment(data, 10**6)
    assert caught.value.code == "SEGMENT_UNKNOWN"
    with pytest.raises(Problem) as caught:
        read_segment(tmp_path, 0)
    assert caught.value.code == "STORE_FOLDER"
    chain.write_bytes(EXPORTER.chain)
    assert str(out) in export(data, _entry(data), out, key=key, chain=chain)


@pytest.mark.parametrize("some", [["--c2pa"], ["--c2pa", "--key", "k"], ["--chain", "c"]])
def test_a_manifest_needs_key_and_chain_and_they_need_a_manifest(some: list[str], data: Path, tmp_path: Path) -> None:
    arguments = ["export", "segment", "0", "--data", str(data), "--out", str(tmp_path / "out.mp4"), *some]
    result = CliRunner().invoke(build(), arguments)
    assert isinstance(result.exception, Problem) and result.exception.code == "EXPORT_C2PA"
