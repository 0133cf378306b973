"""The cage holds: nothing can be opened, written, grown or reached from inside, and there is no way out."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ledger

ROOT = Path(ledger.__file__).parent
INSIDE = "from ledger.cage import Bounds, enter; import os, socket, resource, sys; "
ENTER = "alone = enter(Bounds(256 << 20, 2, 4096)); "
CAGED = {"capture/demux.py", "capture/remux.py", "c2pa_manifest/worker.py"}
# They read what this program made itself, or a camera of one's own in a process of its own; see each file's head.
OUTSIDE = {"capture/scene.py", "capture/live_worker.py", "doctor.py", "c2pa_manifest/write.py"}


def inside(code: str, *, given: bytes = b"", out: Path = Path(os.devnull)) -> subprocess.CompletedProcess[bytes]:
    """How `code` ends in a cage of 256 MiB, two seconds and files of 4 KiB; it writes to `out`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT.parent)}
    command = [sys.executable, "-c", INSIDE + ENTER + code]
    with out.open("wb") as file:
        return subprocess.run(
            command, input=given, stdout=file, stderr=subprocess.PIPE, check=False, timeout=60, env=environment
        )


def test_an_honest_worker_reads_and_writes_what_it_was_given(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert inside("sys.stdout.write(sys.stdin.read().upper())", given=b"frames", out=out).returncode == 0
    assert out.read_bytes() == b"FRAMES"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("open('/etc/hostname')", b"Too many open files"),
        ("socket.socket()", b"Too many open files"),
        ("os.close(0); os.dup(1); socket.socket()", b"Too many open files"),
        ("bytearray(256 << 20)", b"MemoryError"),
        ("os.ftruncate(1, 4097)", b"File too large"),
    ],
    ids=["OV10 a file", "OV10 a socket", "OV10 a socket in the place of a closed one", "OV10 memory", "OV10 the disk"],
)
def test_ov10_it_cannot_be_left(tmp_path: Path, code: str, said: bytes) -> None:
    ended = inside(code, out=tmp_path / "out")
    assert ended.returncode == 1
    assert said in ended.stderr


def test_ov10_endless_work_is_ended_by_the_system() -> None:
    assert inside("\nwhile True: pass").returncode < 0


def test_ov10_its_limits_cannot_be_raised_again() -> None:
    fall = "os.setuid(65534) if os.getuid() == 0 and not alone else None; "
    ended = inside(fall + "resource.setrlimit(resource.RLIMIT_AS, (1 << 40,) * 2)")
    assert ended.returncode == 1 and b"not allowed to raise" in ended.stderr


def test_native_readers_of_media_are_loaded_in_caged_workers_only() -> None:
    loading = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Import) and any(name.name.split(".")[0] in ("av", "c2pa") for name in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("av", "c2pa"))
    }
    assert loading == CAGED | OUTSIDE
