"""The media store: bytes kept under the name that their own content gives them.

What happens here: `FolderStore` keeps each object as one file named by its CID (`ledger.cid`), the same CID that IPFS
would give it. A name is parsed before it becomes a path, so nothing outside the folder can be named.
What may never happen here: an object that is half written under its final name; an object handed out whose bytes no
longer are what its name says; a name chosen by a client.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from ledger.cid import CHUNK_BYTES, check_cid, cid_of
from ledger.durable_file import sync_folder
from ledger.errors import Refused, Unavailable, WrongUse
from ledger.outline import Outline, corrupt, in_chunks, outline_of

_OUTLINES_AT_MOST: Final = 512  # of at most 8 KiB each
_WRITERS = ThreadPoolExecutor(2, "media")  # threads begin with the first object, not with the import
_Identity = tuple[int, int, int]


class MediaStore(Protocol):
    """Content-addressed storage. Every method raises `BadInput` CID_SYNTAX for a name that is no CID,

    `Refused` MEDIA_UNKNOWN for an object that is not held, MEDIA_CORRUPT for one whose bytes have changed, and
    `Unavailable` MEDIA_UNAVAILABLE where the storage itself fails.
    """

    def put(self, data: bytes | memoryview, *, outline: Outline | None = None) -> str:
        """Keep `data` durably and return its CID; keeping it again changes nothing, and repairs what was damaged.

        `data`: may be a file mapped into memory, and is not copied. `outline`: of these very bytes, where it was made
        already.
        """
        ...

    def incoming(self, data: bytes | memoryview, cid: str) -> AbstractContextManager[Callable[[Outline], str]]:
        """Within the block `data` may be written beside other work; what is given keeps it under its outline's name.

        `cid`: what `data` is said to be, so that what is held already need not be written again. Where nothing is kept,
        nothing stays. Raises as `put`.
        """
        ...

    def get(self, cid: str) -> bytes:
        """The whole object, hashed anew. For what is to be looked at as a whole; `chunks` is for all else."""
        ...

    def size(self, cid: str) -> int:
        """Its length in bytes."""
        ...

    def chunks(self, cid: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """`length` bytes from `start` (None: to the end; fewer at the end), in pieces of at most `CHUNK_BYTES`.

        Each piece is of a chunk that was hashed just before; a few chunks are in memory at a time. Raises as the pieces
        are asked for; `WrongUse` MEDIA_RANGE.
        """
        ...

    def has(self, cid: str) -> bool:
        """Whether the object is held."""
        ...

    def had(self, cid: str) -> bool:
        """As `has`, of a minute ago at most: for pages, which ask for many objects each time they are shown."""
        ...


class FolderStore:
    """A `MediaStore` in a folder: `<folder>/<last two characters>/<cid>`."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder where it is missing; WrongUse MEDIA_FOLDER where that cannot be done."""
        self._folder = folder
        # What was hashed since this process started, by the file's identity: seeking in a video then costs one pass.
        self._outlines: dict[str, tuple[_Identity, Outline]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WrongUse(
                "MEDIA_FOLDER",
                f"the media folder cannot be used: {error.strerror}",
                where=str(folder),
                cure="Choose a folder that this user may write.",
            ) from error

    def put(self, data: bytes | memoryview, *, outline: Outline | None = None) -> str:
        return self._put(data, cid_of(data) if outline is None else outline.cid, None)

    @contextmanager
    def incoming(self, data: bytes | memoryview, cid: str) -> Iterator[Callable[[Outline], str]]:
        """As `MediaStore.incoming`: it is on its way to the disk while it is looked at."""
        begun = self._begin(data, cid)
        try:
            yield lambda outline: self._put(data, outline.cid, begun)
        finally:
            if begun is not None:
                begun.drop()

    def _put(self, data: bytes | memoryview, cid: str, begun: _Unnamed | None) -> str:
        path = self._path(cid)
        with _disk(cid):
            # A damaged object is written anew: whoever brings the right bytes repairs the store.
            if not _holds(path, data):
                if begun is None or begun.folder != path.parent:  # it is not what it was said to be
                    write_once(path, data)
                else:
                    _give_name(begun.path(), path, made=begun.made_folder, durable=True)
        return cid

    def _begin(self, data: bytes | memoryview, cid: str) -> _Unnamed | None:
        """Begin to write what is said to be the object `cid`; None where a file of its name and length is here."""
        path = self._path(cid)
        with _disk(cid):
            if path.is_file() and path.stat().st_size == len(data):
                return None
        return _Unnamed(path.parent, data)

    def get(self, cid: str) -> bytes:
        with self._open(cid) as file, _disk(cid):
            identity, data = _identity(file), file.read()
            self._know(cid, identity, outline_of([data]))
        return data

    def size(self, cid: str) -> int:
        path = self._path(cid)
        with _disk(cid):
            return path.stat().st_size

    def chunks(self, cid: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        check_range(cid, start, length)
        with self._open(cid) as file:
            outline = self._outline(cid, file)
            end = outline.size if length is None else min(start + length, outline.size)
            for number in outline.chunks_of(start, end - start):
                at = number * CHUNK_BYTES
                with _disk(cid):
                    file.seek(at)
                    chunk = file.read(outline.chunk_bytes(number))
                outline.check(number, chunk)
                yield chunk[max(start - at, 0) : end - at]

    def remove(self, cid: str) -> None:
        """Delete the object for good; one that is not held is no error. Its name is gone from the disk on return."""
        path = self._path(cid)
        self._outlines.pop(cid, None)
        with _disk(cid):
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                sync_folder(path.parent)

    def has(self, cid: str) -> bool:
        return self._path(cid).is_file()

    def had(self, cid: str) -> bool:
        return self.has(cid)

    def _path(self, cid: str) -> Path:
        check_cid(cid)
        return self._folder / cid[-2:] / cid

    def _open(self, cid: str) -> BinaryIO:
        path = self._path(cid)
        with _disk(cid):
            return path.open("rb")

    def _outline(self, cid: str, file: BinaryIO) -> Outline:
        """The object's outline, from one pass over the file unless this very file was read before."""
        with _disk(cid):
            identity = _identity(file)
            known = self._outlines.get(cid)
            if known is not None and known[0] == identity:
                return known[1]
            outline = outline_of(iter(partial(file.read, CHUNK_BYTES), b""))
        return self._know(cid, identity, outline)

    def _know(self, cid: str, identity: _Identity, outline: Outline) -> Outline:
        if outline.cid != cid:
            self._outlines.pop(cid, None)
            raise corrupt(cid, "the whole")
        if len(self._outlines) >= _OUTLINES_AT_MOST:
            self._outlines.clear()
        self._outlines[cid] = identity, outline
        return outline


def check_range(cid: str, start: int, length: int | None) -> None:
    """`BadInput` CID_SYNTAX; `WrongUse` MEDIA_RANGE."""
    check_cid(cid)
    if start < 0 or (length is not None and length < 0):
        raise WrongUse("MEDIA_RANGE", "a range begins at 0 or later and is not negative", where=cid)


def unknown(cid: str) -> Refused:
    """The one refusal of an object that a store does not hold."""
    return Refused(
        "MEDIA_UNKNOWN",
        "this store does not hold the object",
        where=cid,
        cure="Ask the ledger that received it, or send the segment.",
    )


@contextmanager
def _disk(cid: str) -> Iterator[None]:
    """Tells an object that is not there, and a disk that fails, from each other and from a defect of ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise unknown(cid) from error
    except OSError as error:
        raise Unavailable(
            "MEDIA_UNAVAILABLE",
            f"the media folder failed: {error.strerror}",
            where=cid,
            cure="Check the disk's space and the folder's permissions, then try again.",
        ) from error


def _identity(file: BinaryIO) -> _Identity:
    stat = os.fstat(file.fileno())
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _holds(path: Path, data: bytes | memoryview) -> bool:
    if not path.is_file() or path.stat().st_size != len(data):
        return False
    with path.open("rb") as file:
        return all(file.read(len(chunk)) == chunk for chunk in in_chunks(data))


def write_once(path: Path, data: bytes | memoryview, *, durable: bool = True) -> None:
    """The file appears whole under its name, or not at all; `durable`: after a return it survives a power cut."""
    made = not path.parent.exists()
    _give_name(_write_unnamed(path.parent, data, durable=durable), path, made=made, durable=durable)


class _Unnamed:
    """An object on its way to the disk while it is still looked at: it has no name yet, and need never have one."""

    def __init__(self, folder: Path, data: bytes | memoryview) -> None:
        """Begin to write into `folder`, in a thread of its own."""
        self.folder, self.made_folder = folder, not folder.exists()
        self._written = _WRITERS.submit(_write_unnamed, folder, data, durable=True)

    def path(self) -> Path:
        """Where the bytes are, once they are on the disk. Raises OSError."""
        return self._written.result()

    def drop(self) -> None:
        """Leave nothing of it, where it has no name by now."""
        if self._written.exception() is None:
            self.path().unlink(missing_ok=True)


def _write_unnamed(folder: Path, data: bytes | memoryview, *, durable: bool) -> Path:
    folder.mkdir(exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".incoming-")
    unnamed = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
    except BaseException:
        unnamed.unlink(missing_ok=True)
        raise
    return unnamed


def _give_name(unnamed: Path, path: Path, *, made: bool, durable: bool) -> None:
    """`made`: its folder is new."""
    try:
        unnamed.replace(path)
    except BaseException:
        unnamed.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)
        if made:
            sync_folder(path.parent.parent)
