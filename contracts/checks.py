"""What the contracts room needs of a machine, for `pledgetrail doctor`."""

from __future__ import annotations

from pathlib import Path

from contracts.compiler import cache_folder
from ledger.doctor import Check, State, why_not_writable


def checks(_data: Path | None) -> list[Check]:
    """Whether compiled contracts can be kept."""
    folder = cache_folder()
    why = why_not_writable(folder)
    if why is None:
        return [Check("compiled contracts", State.OK, f"{folder} is writable")]
    cure = "Set PLEDGETRAIL_CACHE to a writable folder."
    return [Check("compiled contracts", State.MISSING, f"{folder}: {why}", cure)]
