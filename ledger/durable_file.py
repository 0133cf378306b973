"""Write a small file so that a crash or a power cut leaves it whole: the old content or the new, never a part.

The content goes to another name in the same folder, is forced to the disk, takes the name, and the folder is forced
too. May never happen here: a name that leads to a file half written, or a secret that others could read for a moment.
`write_whole` is for one writer at a time: what a killed one leaves under the other name, the next one overwrites.
`write_new` is for several: the first one's content stays.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

UNFINISHED = ".unfinished"


def write_whole(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Give `path` the content, replacing what was there; after the return it survives a power cut.

    `mode`: of the new file, from its first byte on. Raises OSError, and then leaves `path` as it was.
    """
    unfinished = _write(path.with_name(path.name + UNFINISHED), content, mode)
    try:
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_new(path: Path, content: bytes, *, mode: int = 0o600) -> bool:
    """As `write_whole`, but only where nothing has the name: False, and nothing changed, where something has it."""
    if path.exists():
        return False
    unfinished = _write(path.with_name(f"{path.name}.{secrets.token_hex(8)}{UNFINISHED}"), content, mode)
    try:
        os.link(unfinished, path)
    except FileExistsError:
        return False
    finally:
        unfinished.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Force a folder's names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(unfinished: Path, content: bytes, mode: int) -> Path:
    # Removed first: an older file of this name may have another mode, or be a link to somewhere else.
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    return unfinished
