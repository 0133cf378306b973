"""However large a segment is, what takes it in and hands it out again stays small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.mp4.fragments import MAX_SEGMENT_BYTES
from ledger.segment_body import read_segment_body
from tests.ledger.capture.estate import bodies
from tests.ledger.intake.heavy import heavy

ROOT = Path(__file__).parents[3]
MIB = 1024**2
MOST = 300  # MiB, of the whole process, as issue 5 has it


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return heavy(bodies(tmp_path_factory.mktemp("camera"))[0])


@pytest.mark.parametrize("way", ["by pieces", "at once", "another store"])
def test_a_segment_of_64_mib_is_taken_in_and_handed_out_in_little_memory(body: bytes, tmp_path: Path, way: str) -> None:
    parts = read_segment_body(body)
    (tmp_path / "body").write_bytes(body)
    (tmp_path / "pieces").write_bytes(parts.init + parts.media)
    (tmp_path / "envelope").write_bytes(parts.evidence.envelope())
    command = [sys.executable, "-m", "tests.ledger.intake.heavy", str(tmp_path), way]
    told = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    assert told["served"] == len(parts.media) == MAX_SEGMENT_BYTES
    assert told["peak"] < MOST
    # The segment itself, once: mapped from its file, or as the network handed it over.
    assert told["peak"] - told["before"] < 1.4 * MAX_SEGMENT_BYTES / MIB
