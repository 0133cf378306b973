"""Media in IPFS, through the RPC of a Kubo node of one's own: `add`, `cat`, `block/stat`, and `pin/rm` with `repo/gc`.

What happens here: objects are added with the very settings that `ledger.cid` hashes with, and pinned, and the name the
node gives is compared with ours. What may never happen here: a search in the public network while a reader waits, a
redirect followed, or an answer read beyond its bound. What comes back is judged by `ledger.intake.remote_media`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final

import httpx

from ledger.cid import CHUNK_BYTES, LINKS_PER_NODE
from ledger.errors import Unavailable
from ledger.outline import ClaimedOutline, Outline, in_chunks

TIMEOUT_SECONDS: Final = 30.0
_MAX_ANSWER_BYTES = 64 * 1024
_ADD = {
    "cid-version": "1",
    "raw-leaves": "true",
    "hash": "sha2-256",
    "chunker": f"size-{CHUNK_BYTES}",
    "max-file-links": str(LINKS_PER_NODE),
    "inline": "false",
    "pin": "true",
    "progress": "false",
    "quieter": "true",
}
_ABSENT = ("not found", "could not find")


class KuboRemote:
    """A `Remote` at the node whose RPC is at `url`, as `http://127.0.0.1:5001`. Whoever gave `client` closes it."""

    def __init__(self, url: str, client: httpx.Client | None = None) -> None:
        self._url = url.rstrip("/")
        self._client = client or httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False)

    def put(self, data: bytes | memoryview, outline: Outline) -> None:
        """Add and pin the object. `Unavailable` MEDIA_UNAVAILABLE, also where the node names it otherwise."""
        cid = outline.cid
        with self._ask("add", _ADD, cid, sent=data) as answer:
            raw = _read(answer, _MAX_ANSWER_BYTES)
            try:
                told = json.loads(raw)
                named = told["Hash"] if answer.status_code == httpx.codes.OK else None
            except (ValueError, KeyError, TypeError, RecursionError):
                named = None
        if named != cid:
            raise _failed(f"adding ended with {answer.status_code} and {ascii(named)[:80]}", cid)

    def outline(self, cid: str) -> ClaimedOutline | None:
        """None: an object's chunks are known once it was read."""
        del cid
        return None

    def read(self, cid: str, start: int, length: int) -> bytes | None:
        """The bytes that the node has there under the name, unjudged; None where it has none of that name."""
        arguments = {"arg": cid, "offline": "true", "offset": str(start), "length": str(length)}
        with self._ask("cat", arguments, cid) as answer:
            if answer.status_code == httpx.codes.OK:
                return _read(answer, length)
            _check_absent(answer, cid)
            return None

    def has(self, cid: str) -> bool:
        """Whether the node says that it has the object's first block."""
        with self._ask("block/stat", {"arg": cid, "offline": "true"}, cid) as answer:
            if answer.status_code == httpx.codes.OK:
                return True
            _check_absent(answer, cid)
            return False

    def remove(self, cid: str) -> None:
        """Unpin the object and have the node sweep what is pinned no more; it must not have it afterwards."""
        with self._ask("pin/rm", {"arg": cid}, cid) as answer:
            said = _read(answer, _MAX_ANSWER_BYTES)
            if answer.status_code != httpx.codes.OK and not any(word in said for word in (b"not pinned", b"not found")):
                raise _failed(f"unpinning ended with {answer.status_code}", cid)
        with self._ask("repo/gc", {"quiet": "true", "silent": "true"}, cid) as answer:
            _read(answer, _MAX_ANSWER_BYTES)
            if answer.status_code != httpx.codes.OK:
                raise _failed(f"sweeping ended with {answer.status_code}", cid)
        if self.has(cid):
            raise _failed("it still has what was to be deleted", cid)

    @contextmanager
    def _ask(
        self, command: str, arguments: dict[str, str], cid: str, sent: bytes | memoryview | None = None
    ) -> Iterator[httpx.Response]:
        form: dict[str, Any] = {} if sent is None else _form(cid, sent)
        try:
            with self._client.stream("POST", f"{self._url}/api/v0/{command}", params=arguments, **form) as answer:
                yield answer
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _failed(f"{command}: {type(error).__name__}", cid) from error


def _form(name: str, data: bytes | memoryview) -> dict[str, Any]:
    """A form with one file, chunk by chunk: the object is not copied to be sent."""
    edge = secrets.token_hex(16)
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    tail = f"\r\n--{edge}--\r\n".encode()
    headers = {
        "Content-Type": f"multipart/form-data; boundary={edge}",
        "Content-Length": str(len(head) + len(data) + len(tail)),
    }
    return {"content": chain([head], map(bytes, in_chunks(data)), [tail]), "headers": headers}


def _check_absent(answer: httpx.Response, cid: str) -> None:
    """Return where the node says that it does not have it; it says so with status 500, like everything else."""
    said = _read(answer, _MAX_ANSWER_BYTES).decode("utf-8", "replace")
    if answer.status_code != httpx.codes.INTERNAL_SERVER_ERROR or not any(word in said for word in _ABSENT):
        raise _failed(f"asking ended with {answer.status_code}", cid)


def _read(answer: httpx.Response, at_most: int) -> bytes:
    """What came, and no more than `at_most` of it."""
    parts, held = [], 0
    for part in answer.iter_bytes():
        parts.append(part)
        held += len(part)
        if held >= at_most:
            break
    return b"".join(parts)[:at_most]


def _failed(what: str, cid: str) -> Unavailable:
    return Unavailable(
        "MEDIA_UNAVAILABLE",
        f"the IPFS node failed: {what}",
        where=cid,
        cure="Check that the node runs, that its RPC is at the configured address, and that its disk has room.",
    )
