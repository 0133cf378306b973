"""Verify a bundle as an outsider would: with `pledgetrail verify`, in a process that holds nothing of the demo's."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import Unavailable

VERIFY_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verifier's exit status; where it refused, the code and the reason it gave (else empty)."""

    status: int
    code: str
    reason: str

    @property
    def accepted(self) -> bool:
        """Whether everything held."""
        return self.status == 0

    @property
    def refused(self) -> bool:
        """Whether it was refused for a stated reason; a verifier that merely broke is no refusal."""
        return self.status == 1 and bool(self.code)


def verify(path: Path, *options: str) -> Verdict:
    """Run the verifier on a file. `Unavailable` VERIFIER when it does not end."""
    command = [sys.executable, "-c", "from ledger.cli import main; main()", "verify", str(path), *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=VERIFY_SECONDS, check=False)  # noqa: S603 - our own program
    except subprocess.TimeoutExpired:
        what = f"pledgetrail verify did not end within {VERIFY_SECONDS:.0f} s"
        raise Unavailable("VERIFIER", what, where=str(path), cure="Run the demo again with the same --data.") from None
    return read_verdict(done.returncode, done.stderr)


def read_verdict(status: int, said: str) -> Verdict:
    """What the shell's first line on standard error says: `CODE: reason`."""
    first = said.strip().splitlines()[0] if said.strip() else ""
    code, separator, reason = first.partition(": ")
    if not separator or not (code.replace("_", "").isalnum() and code.isupper()):
        return Verdict(status, "", first)
    return Verdict(status, code, reason)


def verify_flipped(path: Path, at: int) -> Verdict:
    """As `verify`, of a copy with one bit of byte `at` flipped."""
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    with tempfile.TemporaryDirectory() as folder:
        tampered = Path(folder) / path.name
        tampered.write_bytes(raw)
        return verify(tampered)
