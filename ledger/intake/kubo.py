"""Media in IPFS, through the RPC of a Kubo node of one's own: `add`, `cat`, `block/get`, `pin/rm` and so on.

What happens here: objects are added with the very settings that `ledger.cid` hashes with, and pinned, and the name the
node gives is compared with ours. What may never happen here: a search in the public network while a reader waits, a
redirect followed, or an answer read beyond its bound. What comes back is judged by `ledger.intake.remote_media`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from hashlib import sha256
from http import HTTPStatus
from itertools import chain
from typing import Final
from urllib.parse import urlencode

from ledger.cid import CHUNK_BYTES, LINKS_PER_NODE, is_leaf, name_of, parse_cid
from ledger.dag_pb import Node, read_node
from ledger.errors import BadInput, Unavailable
from ledger.exchange import Exchange, Peer, Reply
from ledger.intake.remote_media import MAX_OBJECT_BYTES
from ledger.outline import DIGEST_BYTES, ClaimedOutline, Outline, in_chunks

TIMEOUT_SECONDS: Final = 30.0
LEAST_BYTES_PER_SECOND: Final = 64 * 1024
"""A body in either direction has `TIMEOUT_SECONDS` and what it needs at this pace."""
MAX_ANSWER_BYTES: Final = 64 * 1024
MAX_BLOCK_BYTES: Final = 2 * 1024**2  # what a node keeps at most; a node of ours is far smaller, a chunk is not
MAX_LISTING_BYTES: Final = 64 * 1024**2  # of some 600,000 objects
_CURE = "Check that the node runs, that its RPC is at the configured address, and that its disk has room."
PEER: Final = Peer("the IPFS node", "MEDIA_UNAVAILABLE", "MEDIA_UNAVAILABLE", _CURE)
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
_MOST_BELOW = -(-MAX_OBJECT_BYTES // (CHUNK_BYTES * LINKS_PER_NODE))
_ABSENT = (b"not found", b"could not find")


class KuboRemote:
    """A `Remote` at the node whose RPC is at `url`, as `http://127.0.0.1:5001`. Whoever gave `exchange` closes it."""

    def __init__(self, url: str, exchange: Exchange | None = None) -> None:
        self._url = url.rstrip("/")
        self._exchange = exchange or Exchange(PEER, seconds=TIMEOUT_SECONDS, max_bytes=MAX_ANSWER_BYTES)

    def put(self, data: bytes | memoryview, outline: Outline) -> None:
        """Add and pin the object. `Unavailable` MEDIA_UNAVAILABLE, also where the node names it otherwise."""
        cid = outline.cid
        reply = self._ask("add", _ADD, sent=data)
        try:
            told = json.loads(reply.body)
            named = told["Hash"] if reply.status == HTTPStatus.OK else None
        except (ValueError, KeyError, TypeError, RecursionError):
            named = None
        if named != cid:
            raise _failed(f"adding ended with {reply.status} and {ascii(named)[:80]}", cid)

    def outline(self, cid: str) -> ClaimedOutline | None:
        """As the nodes of its DAG say it, of which no more are asked for than an object can have; None otherwise."""
        if is_leaf(parse_cid(cid)):
            return None
        try:
            root = self._node(cid)
            below = [name_of(link) for link in root.links if not is_leaf(link)]
            if not below:
                return ClaimedOutline(root.file_bytes, _digests(root))
            if len(below) < len(root.links) or len(below) > _MOST_BELOW:
                return None
            digests = [digest for name in below for digest in _digests(self._node(name))]
        except (BadInput, LookupError):
            return None
        return ClaimedOutline(root.file_bytes, tuple(digests))

    def read(self, cid: str, start: int, length: int) -> bytes | None:
        """The bytes that the node has there under the name, unjudged; None where it has none of that name.

        Blocks are found by their hash alone, so that every chunk also answers to the name of a node that it is none of.
        Whoever asks for such a name is told that there is no such object, and not that the node fails.
        """
        arguments = {"arg": cid, "offline": "true", "offset": str(start), "length": str(length)}
        reply = self._ask("cat", arguments, at_most=max(length, MAX_ANSWER_BYTES))
        if reply.status == HTTPStatus.OK:
            return reply.body
        if not self._is_no_file(cid):
            _check_absent(reply, cid)
        return None

    def has(self, cid: str) -> bool:
        """Whether the node says that it has the object's first block."""
        reply = self._ask("block/stat", {"arg": cid, "offline": "true"})
        if reply.status == HTTPStatus.OK:
            return True
        _check_absent(reply, cid)
        return False

    def remove(self, cid: str) -> None:
        """Unpin the object and have the node sweep what is pinned no more; it must not have it afterwards."""
        reply = self._ask("pin/rm", {"arg": cid})
        if reply.status != HTTPStatus.OK and not any(word in reply.body for word in (b"not pinned", b"not found")):
            raise _failed(f"unpinning ended with {reply.status}", cid)
        reply = self._ask("repo/gc", {"quiet": "true", "silent": "true"})
        if reply.status != HTTPStatus.OK:
            raise _failed(f"sweeping ended with {reply.status}", cid)
        if self.has(cid):
            raise _failed("it still has what was to be deleted", cid)

    def names(self) -> Iterator[str]:
        """What is pinned there; a node of one's own holds nothing else for long."""
        reply = self._ask("pin/ls", {"type": "recursive", "stream": "true"}, at_most=MAX_LISTING_BYTES)
        if reply.status != HTTPStatus.OK:
            raise _failed(f"listing ended with {reply.status}", self._url)
        for line in reply.body.splitlines():
            try:
                yield str(json.loads(line)["Cid"])
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise _failed("its listing is no listing", self._url) from error

    def unfinished(self) -> Iterator[str]:
        """Nothing: what a node did not take whole is not pinned, and swept."""
        return iter(())

    def tidy(self) -> int:
        """Nothing is left to do."""
        return 0

    def _is_no_file(self, cid: str) -> bool:
        """Whether the name is truly that of a block, and of one that is no node of a file."""
        binary = parse_cid(cid)
        if is_leaf(binary):
            return False
        reply = self._ask("block/get", {"arg": cid, "offline": "true"}, at_most=MAX_BLOCK_BYTES)
        if reply.status != HTTPStatus.OK or sha256(reply.body).digest() != binary[-DIGEST_BYTES:]:
            return False
        return self.outline(cid) is None

    def _node(self, cid: str) -> Node:
        """BadInput DAG_NODE, LookupError: what is there is no node of ours, or nothing is."""
        reply = self._ask("block/get", {"arg": cid, "offline": "true"}, at_most=MAX_BLOCK_BYTES)
        if reply.status != HTTPStatus.OK:
            _check_absent(reply, cid)
            raise LookupError(cid)
        return read_node(reply.body)

    def _ask(
        self,
        command: str,
        arguments: dict[str, str],
        sent: bytes | memoryview | None = None,
        at_most: int = MAX_ANSWER_BYTES,
    ) -> Reply:
        content, headers = (None, None) if sent is None else _form(sent)
        return self._exchange.ask(
            "POST",
            f"{self._url}/api/v0/{command}?{urlencode(arguments)}",
            content=content,
            headers=headers,
            seconds=TIMEOUT_SECONDS + max(at_most, len(sent or b"")) / LEAST_BYTES_PER_SECOND,
            max_bytes=at_most,
        )


def _digests(node: Node) -> tuple[bytes, ...]:
    """The digests of the leaves that a node links to. LookupError for a node that links to other nodes."""
    if not all(is_leaf(link) for link in node.links):
        raise LookupError
    return tuple(link[-DIGEST_BYTES:] for link in node.links)


def _form(data: bytes | memoryview) -> tuple[Iterator[bytes], dict[str, str]]:
    """A form with one file, chunk by chunk: the object is not copied to be sent."""
    edge = secrets.token_hex(16)
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="object"\r\n\r\n'.encode()
    tail = f"\r\n--{edge}--\r\n".encode()
    headers = {
        "Content-Type": f"multipart/form-data; boundary={edge}",
        "Content-Length": str(len(head) + len(data) + len(tail)),
    }
    return chain([head], map(bytes, in_chunks(data)), [tail]), headers


def _check_absent(reply: Reply, cid: str) -> None:
    """Return where the node says that it does not have it; it says so with status 500, like everything else."""
    if reply.status != HTTPStatus.INTERNAL_SERVER_ERROR or not any(word in reply.body for word in _ABSENT):
        raise _failed(f"asking ended with {reply.status}", cid)


def _failed(what: str, where: str) -> Unavailable:
    return Unavailable("MEDIA_UNAVAILABLE", f"the IPFS node failed: {what}", where=where, cure=_CURE)
