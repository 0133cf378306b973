"""What the demo needs of a data folder, for `pledgetrail doctor`: of this version, and free. It only looks."""

from __future__ import annotations

from pathlib import Path

from examples.demo.folder import VERSION, VERSION_FILE, is_in_use, version_in
from ledger.doctor import Check, State
from ledger.store.ledger import DATABASE_FILE


def checks(data: Path | None) -> list[Check]:
    """Rows about the folder, where one was named."""
    if data is None:
        return []
    found = [_version(data)]
    if is_in_use(data):
        cure = "Stop it before starting here, or choose another folder."
        found.append(Check("data lock", State.NOTE, "in use by another process", cure))
    return found


def _version(folder: Path) -> Check:
    try:
        version = version_in(folder)
    except OSError as error:
        version = error.strerror or "unreadable"
    if version is None:
        return Check("data folder", State.OK, f"{folder} will be new")
    if version != VERSION and (folder / DATABASE_FILE).is_file() and not (folder / VERSION_FILE).exists():
        return Check("data folder", State.NOTE, f"{folder} is a ledger's", "The demo needs a folder of its own.")
    if version == VERSION:
        return Check("data folder", State.OK, f"{folder}, version {version.strip()}")
    cure = "Choose another folder with --data, or the program version that wrote this one."
    return Check("data folder", State.MISSING, f"{folder} holds {version.strip()!r}, not {VERSION.strip()!r}", cure)
