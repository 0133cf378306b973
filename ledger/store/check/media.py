"""Media by the names that their own content gives them, and every name that a row mentions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ledger.cid import cid_of, parse_cid
from ledger.errors import BadInput, Unavailable
from ledger.intake.remote_media import MAX_OBJECT_BYTES, Remote
from ledger.store.check.found import Found, Progress, Severity

_NAMED = (
    "SELECT init_cid FROM segment UNION SELECT media_cid FROM segment UNION "
    "SELECT chain.value FROM signed_video, json_each(CAST(signed_video.document AS TEXT), '$.chains') AS chain"
)


def check_media(
    folder: Path, database: sqlite3.Connection | None, progress: Progress, *, elsewhere: Remote | None = None
) -> Iterator[Found]:
    """Hash every object again. `database`: None where it cannot be read; what is missing is then not known.

    `elsewhere`: what holds the objects whose copies are in `folder`; it is asked for every one, whatever is copied.
    """
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
        if elsewhere is not None:
            yield from _check_there(elsewhere, cid)
        elif cid not in held:
            yield Found("MEDIA_MISSING", f"{folder.name}/…/{cid}", "A row of segments names it, and it is not there.")


def _check_there(remote: Remote, cid: str) -> Iterator[Found]:
    try:
        data = remote.get(cid, at_most=MAX_OBJECT_BYTES)
    except Unavailable as problem:
        yield Found("MEDIA_UNREADABLE", cid, f"The media store does not answer: {problem.what}.")
        return
    if data is None:
        yield Found("MEDIA_MISSING", cid, "A row of segments names it, and the media store does not have it.")
    elif cid_of(data) != cid:
        yield Found("MEDIA_DAMAGED", cid, "What the media store holds under this name is something else.")


def _is_name(path: Path, folder: Path) -> bool:
    try:
        parse_cid(path.name)
    except BadInput:
        return False
    return path.parent.name == path.name[-2:] and path.parent.parent == folder
