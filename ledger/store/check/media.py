"""Media by the names that their own content gives them, and every name that a row mentions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ledger.cid import CHUNK_BYTES, check_cid
from ledger.errors import BadInput, Refused, Unavailable
from ledger.intake.copies import damaged
from ledger.intake.remote_media import Remote, scan
from ledger.outline import outline_of
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
            whole = _cid_of_file(path) == path.name
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
    if elsewhere is not None:
        yield from _check_elsewhere(elsewhere, database, progress)
        return
    for cid in named_media(database) if database is not None else ():
        if cid not in held:
            yield Found("MEDIA_MISSING", f"{folder.name}/…/{cid}", "A row of segments names it, and it is not there.")


def named_media(database: sqlite3.Connection) -> Iterator[str]:
    """The name of every object that a row mentions, once."""
    return (cid for (cid,) in database.execute(_NAMED))


def check_copies(folder: Path, progress: Progress) -> Iterator[Found]:
    """Copies of what another store holds; a damaged one harms nothing, since it is checked whenever it is read."""
    progress("copies", 0, 1)
    for path in damaged(folder):
        thing = f"{folder.name}/{path.relative_to(folder)}"
        what = "This copy is not what its name says; it is never handed out."
        yield Found("COPY_DAMAGED", thing, what, "Remove it; it is fetched again where it is needed.", Severity.NOTE)


def _check_elsewhere(remote: Remote, database: sqlite3.Connection | None, progress: Progress) -> Iterator[Found]:
    """Read all that rows name, and all else that is there; then what was begun to be put there and never ended."""
    named = set(named_media(database)) if database is not None else set[str]()
    for at, cid in enumerate(sorted(named)):
        progress("media elsewhere", at, len(named))
        yield from _check_there(remote, cid)
    try:
        for name in remote.names():
            if name not in named:
                yield from _check_unnamed(remote, name, known=database is not None)
        for name in remote.unfinished():
            cure = "Take it away with `pledgetrail media tidy`, while nothing comes in."
            yield Found(
                "MEDIA_UNFINISHED", _shown(name), "An upload that was begun and never ended.", cure, Severity.NOTE
            )
    except Unavailable as problem:
        yield Found("MEDIA_UNREADABLE", "the list of objects", f"The media store does not answer: {problem.what}.")


def _check_unnamed(remote: Remote, name: str, *, known: bool) -> Iterator[Found]:
    try:
        check_cid(name)
    except BadInput:
        yield Found("FILE_UNKNOWN", _shown(name), "The media store keeps no such object.", "Remove it.", Severity.NOTE)
        return
    yield from _check_there(remote, name)
    if known:
        what = "No row names it: it came and was not taken in, or is another ledger's."
        yield Found("MEDIA_UNNAMED", name, what, "Remove it where nobody else needs it.", Severity.NOTE)


def _shown(name: str) -> str:
    """A name of a stranger's making, as it can be printed anywhere."""
    return ascii(name)[1:-1][:200]


def _check_there(remote: Remote, cid: str) -> Iterator[Found]:
    try:
        scan(remote, cid)
    except Unavailable as problem:
        yield Found("MEDIA_UNREADABLE", cid, f"The media store does not answer: {problem.what}.")
    except Refused as problem:
        if problem.code == "MEDIA_UNKNOWN":
            yield Found("MEDIA_MISSING", cid, "It is named, and the media store does not have it.")
        else:
            yield Found("MEDIA_DAMAGED", cid, "What the media store holds under this name is something else.")


def _cid_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return outline_of(iter(partial(file.read, CHUNK_BYTES), b"")).cid


def _is_name(path: Path, folder: Path) -> bool:
    try:
        check_cid(path.name)
    except BadInput:
        return False
    return path.parent.name == path.name[-2:] and path.parent.parent == folder
