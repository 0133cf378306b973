"""The media store: bytes kept under the name that their own content gives them.

What happens here: `FolderStore` keeps each object as one file named by its CID (`ledger.cid`), the same CID that IPFS
would give it. A name is parsed before it becomes a path, so nothing outside the folder can be named.
What may never happen here: an object that is half written under its final name; an object handed out whose bytes no
longer are what its name says; a name chosen by a client.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Protocol

from ledger.cid import cid_of, parse_cid
from ledger.errors import Refused, Unavailable, WrongUse

_VERIFIED_AT_MOST = 4096


class MediaStore(Protocol):
    """Content-addressed storage. Every method raises `BadInput` CID_SYNTAX for a name that is no CID,

    `Refused` MEDIA_UNKNOWN for an object that is not held, MEDIA_CORRUPT for one whose bytes have changed, and
    `Unavailable` MEDIA_UNAVAILABLE where the storage itself fails.
    """

    def put(self, data: bytes, *, cid: str | None = None) -> str:
        """Keep `data` durably and return its CID; keeping it again changes nothing.

        `cid`: what `cid_of` gave for these very bytes, where that was asked already; never what somebody says it is.
        """
        ...

    def get(self, cid: str) -> bytes:
        """The whole object, hashed anew."""
        ...

    def size(self, cid: str) -> int:
        """Its length in bytes."""
        ...

    def read(self, cid: str, start: int, length: int) -> bytes:
        """At most `length` bytes from `start`, for a player that seeks; fewer at the end."""
        ...

    def has(self, cid: str) -> bool:
        """Whether the object is held."""
        ...


class FolderStore:
    """A `MediaStore` in a folder: `<folder>/<last two characters>/<cid>`."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder where it is missing; WrongUse MEDIA_FOLDER where that cannot be done."""
        self._folder = folder
        # What was hashed since this process started, by the file's identity: seeking in a video then costs one hash.
        self._verified: dict[str, tuple[int, int, int]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WrongUse(
                "MEDIA_FOLDER",
                f"the media folder cannot be used: {error.strerror}",
                where=str(folder),
                cure="Choose a folder that this user may write.",
            ) from error

    def put(self, data: bytes, *, cid: str | None = None) -> str:
        cid = cid_of(data) if cid is None else cid
        path = self._path(cid)
        try:
            if not self._holds(path, data):
                _write_once(path, data)
        except OSError as error:
            raise _unavailable(error, cid) from error
        return cid

    def get(self, cid: str) -> bytes:
        data, identity = self._load(cid)
        self._check(cid, data, identity)
        return data

    def size(self, cid: str) -> int:
        return self._stat(cid).st_size

    def read(self, cid: str, start: int, length: int) -> bytes:
        if start < 0 or length < 0:
            raise WrongUse("MEDIA_RANGE", "a range begins at 0 or later and is not negative", where=cid)
        if self._verified.get(cid) != _identity(self._stat(cid)):
            return self.get(cid)[start : start + length]
        try:
            with self._path(cid).open("rb") as file:
                file.seek(start)
                return file.read(length)
        except FileNotFoundError as error:
            raise _unknown(cid) from error
        except OSError as error:
            raise _unavailable(error, cid) from error

    def remove(self, cid: str) -> None:
        """Delete the object for good; one that is not held is no error. Its name is gone from the disk on return."""
        path = self._path(cid)
        self._verified.pop(cid, None)
        try:
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                _sync_folder(path.parent)
        except OSError as error:
            raise _unavailable(error, cid) from error

    def has(self, cid: str) -> bool:
        return self._path(cid).is_file()

    def _path(self, cid: str) -> Path:
        parse_cid(cid)
        return self._folder / cid[-2:] / cid

    def _holds(self, path: Path, data: bytes) -> bool:
        # A damaged object is written anew: whoever brings the right bytes repairs the store.
        return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data

    def _stat(self, cid: str) -> os.stat_result:
        try:
            return self._path(cid).stat()
        except FileNotFoundError as error:
            raise _unknown(cid) from error
        except OSError as error:
            raise _unavailable(error, cid) from error

    def _load(self, cid: str) -> tuple[bytes, tuple[int, int, int]]:
        try:
            with self._path(cid).open("rb") as file:
                return file.read(), _identity(os.fstat(file.fileno()))
        except FileNotFoundError as error:
            raise _unknown(cid) from error
        except OSError as error:
            raise _unavailable(error, cid) from error

    def _check(self, cid: str, data: bytes, identity: tuple[int, int, int]) -> None:
        if cid_of(data) != cid:
            self._verified.pop(cid, None)
            raise Refused(
                "MEDIA_CORRUPT",
                "the stored bytes are no longer what their name says",
                where=cid,
                cure="Restore this object from a copy; sending the same segment again repairs it.",
            )
        if len(self._verified) >= _VERIFIED_AT_MOST:
            self._verified.clear()
        self._verified[cid] = identity


def _identity(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _write_once(path: Path, data: bytes) -> None:
    """The file appears whole under its name, or not at all; after a return it survives a power cut."""
    made = not path.parent.exists()
    path.parent.mkdir(exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".incoming-")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)
    if made:
        _sync_folder(path.parent.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unknown(cid: str) -> Refused:
    return Refused(
        "MEDIA_UNKNOWN",
        "this store does not hold the object",
        where=cid,
        cure="Ask the ledger that received it, or send the segment.",
    )


def _unavailable(error: OSError, cid: str) -> Unavailable:
    return Unavailable(
        "MEDIA_UNAVAILABLE",
        f"the media folder failed: {error.strerror}",
        where=cid,
        cure="Check the disk's space and the folder's permissions, then try again.",
    )
