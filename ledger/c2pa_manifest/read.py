"""Verify a file's C2PA manifest: the worker is started, bounded in time, and its report judged."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Final

from ledger.c2pa_manifest.verdict import ManifestVerdict, judge, unreadable
from ledger.errors import BadInput

MAX_ROOTS_BYTES: Final = 96 * 1024
MAX_WORKER_SECONDS = 90
_MAX_REPORT_BYTES = 4 * 1024 * 1024
# Isolated from the user's own modules, and of the same version as this one.
_WORKER = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from ledger.c2pa_manifest.worker import main; sys.exit(main(sys.argv[2]))"
)


def settings(roots: bytes) -> dict[str, object]:
    """The library's settings: our trust list alone, and nothing from the network."""
    return {
        "verify": {
            "verify_trust": True,
            "verify_timestamp_trust": True,
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
            "verify_after_sign": False,
            "verify_after_reading": True,
        },
        "core": {"allowed_network_hosts": []},
        **({"trust": {"trust_anchors": roots.decode("ascii", "replace")}} if roots else {}),
    }


def read_manifest(video: Path, roots: bytes) -> ManifestVerdict | None:
    """The verdict on the manifest that `video` carries; None where it carries none.

    `roots`: trusted certificates as PEM; none: every signer is untrusted.
    Raises `BadInput` VIDEO_MISSING, C2PA_UNREADABLE, CERTIFICATES (more than `MAX_ROOTS_BYTES`).
    """
    if len(roots) > MAX_ROOTS_BYTES:
        raise BadInput("CERTIFICATES", f"a trust list has at most {MAX_ROOTS_BYTES} bytes", where=f"{len(roots)} bytes")
    try:
        with video.open("rb", buffering=0) as file:
            return _run(file, roots)
    except OSError as error:
        raise BadInput("VIDEO_MISSING", f"the video cannot be read: {error.strerror}", where=str(video)) from error


def _run(file: IO[bytes], roots: bytes) -> ManifestVerdict | None:
    command = [sys.executable, "-I", "-c", _WORKER, str(Path(__file__).parents[2]), json.dumps(settings(roots))]
    with tempfile.TemporaryFile() as found, tempfile.TemporaryFile() as reason:
        try:
            status = subprocess.run(  # noqa: S603 our own module; the argument is a trust list as JSON
                command, stdin=file, stdout=found, stderr=reason, timeout=MAX_WORKER_SECONDS, check=False
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise unreadable(f"reading it took more than {MAX_WORKER_SECONDS} seconds") from error
        if status:
            reason.seek(0)
            said = reason.read(2048).decode("utf-8", "replace").strip().splitlines()
            raise unreadable(said[-1][:200] if said else f"reading it broke a bound ({status})")
        found.seek(0)
        raw = found.read(_MAX_REPORT_BYTES + 1)
    try:
        report = json.loads(raw) if len(raw) <= _MAX_REPORT_BYTES else ""
    except (ValueError, RecursionError) as error:
        raise unreadable("its validation report is not JSON") from error
    return None if report is None else judge(report)
