"""The most memory that a running process ever had."""

from __future__ import annotations

import re
from pathlib import Path


def peak_mebibytes(process: int | str = "self") -> float:
    """Of one program alone: what `getrusage` says is at least what its parent had when it was started."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024
