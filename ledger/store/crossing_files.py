"""The files of what crossed between chains: each begins with the SHA-256 of the rest, so that `fsck` misses no bit.

May never happen here: content handed out that is not what was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from ledger.durable_file import write_whole
from ledger.errors import Refused

CROSSINGS_FOLDER: Final = "crossings"
SUFFIX: Final = ".crossing"  # files of another one, such as earlier programs wrote without a digest, are not looked at
DIGEST_BYTES: Final = 32


def write_sealed(path: Path, content: bytes) -> None:
    """Write the file whole and durably, for its owner alone. Raises OSError."""
    write_whole(path, sha256(content).digest() + content, mode=0o600)


def read_sealed(path: Path) -> bytes:
    """The content as it was written. `Refused` CROSSING_DAMAGED; raises OSError."""
    raw = path.read_bytes()
    content = raw[DIGEST_BYTES:]
    if sha256(content).digest() != raw[:DIGEST_BYTES]:
        raise Refused(
            "CROSSING_DAMAGED",
            "Its bytes are not those that were written.",
            where=str(path),
            cure="Remove the file: a relay hands it over again.",
        )
    return content


def names(folder: Path) -> list[str]:
    """The names of all such files, sorted; none where there is no folder. Raises OSError."""
    try:
        return sorted(path.name for path in folder.iterdir() if path.suffix == SUFFIX)
    except FileNotFoundError:
        return []


def others(folder: Path) -> Iterator[str]:
    """The names of what else lies there."""
    return (path.name for path in sorted(folder.glob("*")) if path.suffix != SUFFIX)
