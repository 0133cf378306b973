"""What a running process took: the most memory that it ever had, and the processor's time (Linux)."""

from __future__ import annotations

import os
import re
from pathlib import Path


def peak_mebibytes(process: int | str = "self") -> float:
    """Of one program alone: what `getrusage` says is at least what its parent had when it was started."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def processor_seconds(pid: int) -> float:
    """User and system time of a process and of all below it that live."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for task in Path(f"/proc/{pid}/task").iterdir():
        children += (task / "children").read_text().split() if task.name != str(pid) else []
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(processor_seconds(int(child)) for child in children)
