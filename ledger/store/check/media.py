"""Media by the names that their own content gives them, and every name that a row mentions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ledger.cid import cid_of, parse_cid
from ledger.errors import BadInput
from ledger.store.check.found import Found, Progress, Severity

_NAMED = (
    "SELECT init_cid FROM segment UNION SELECT media_cid FROM segment UNION "
    "SELECT chain.value FROM signed_video, json_each(CAST(signed_video.document AS TEXT), '$.chains') AS chain"
)


def check_media(folder: Path, database: sqlite3.Connection | None, progress: Progress) -> Iterator[Found]:
    """Hash every object again. `database`: None where it cannot be read; what is missing is then not known."""
    held = set[str]()
    files = sorted(path for path in folder.rglob("*") if not path.is_dir()) if folder.is_dir() else []
    for at, path in enumerate(files):
        progress("media", at, len(files))
        thing = f"{folder.name}/{path.relative_to(folder)}"
        if not _is_name(path, folder):
            yield Found("FILE_UNKNOWN", thing, "The media store keeps no such file.", "Remove it.", Severity.NOTE)
            continue
        held.add(path.name)
        try:
            whole = cid_of(path.read_bytes()) == path.name
        except OSError as error:
            yield Found("MEDIA_UNREADABLE", thing, f"The file cannot be read: {error.strerror}.")
            continue
        if not whole:
            yield Found(
                "MEDIA_DAMAGED",
                thing,
                "Its bytes are not those that its name was made from.",
                "Restore this file from a copy; sending the same segment again repairs it too.",
            )
    for (cid,) in database.execute(_NAMED) if database is not None else ():
        if cid not in held:
            yield Found("MEDIA_MISSING", f"{folder.name}/…/{cid}", "A row of segments names it, and it is not there.")


def _is_name(path: Path, folder: Path) -> bool:
    try:
        parse_cid(path.name)
    except BadInput:
        return False
    return path.parent.name == path.name[-2:] and path.parent.parent == folder
