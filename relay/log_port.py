"""The seam to the ledger whose log is published: its operator's addresses, over HTTP.

What the ledger says is bounded and typed here, and believed by nobody: the publisher opens each note, and proves each
checkpoint to follow the last.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ledger.canonical import parse_json
from ledger.errors import Problem, Refused, Unavailable
from ledger.exchange import Exchange, Peer, Reply

SECONDS: Final = 30.0  # a checkpoint over very many new entries takes its time
MAX_REPLY_BYTES: Final = 1024 * 1024
MAX_PROOF_HASHES: Final = 128
CREDENTIALS_AT_ONCE: Final = 256  # as many as the ledger answers for in one question

_PATH = "/api/v1/log/publishing"
_OK = 200
_REFUSALS = range(400, 500)
_HASH = re.compile(r"[0-9a-f]{64}")
_MAX_WORDS = 500


@dataclass(frozen=True, slots=True)
class LogState:
    """What the ledger says of its log. `size`: entries; `note`: the newest published checkpoint, None before the first;
    `stamped`: whether that has a timestamp; `crossed`: the size of the largest anchor whose way it holds.
    """

    origin: str
    size: int
    note: bytes | None
    stamped: bool
    crossed: int


class LogPort(Protocol):
    """A ledger's log as its publisher needs it. Each call may be made again. Errors: `Unavailable`, `Refused`."""

    def state(self) -> LogState:
        """How far it is."""
        ...

    def checkpoint(self) -> bytes:
        """The signed note of its present state; what has crossed is recorded in it."""
        ...

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof that the log of size `old` is the beginning of that of size `new`."""
        ...

    def publish(self, note: bytes) -> None:
        """Publish a cosigned note."""
        ...

    def keep_stamp(self, note: bytes, stamp: bytes) -> None:
        """Keep a timestamp over a published note."""
        ...

    def missing(self, credentials: Sequence[bytes]) -> list[bytes]:
        """Which of these messages' ways it does not hold; at most `CREDENTIALS_AT_ONCE`."""
        ...

    def keep_anchor(self, crossing: bytes) -> None:
        """Keep an anchor's way (`dump_crossing`)."""
        ...

    def keep_instruction(self, crossing: bytes) -> None:
        """Keep the way of a loan's instruction (`dump_crossing`)."""
        ...


class HttpLog:
    """A `LogPort` at a ledger's URL, with its operator's key."""

    def __init__(self, url: str, key: str, *, seconds: float = SECONDS) -> None:
        self._url = url.rstrip("/") + _PATH
        self._operator = {"Authorization": f"Bearer {key}"}
        peer = Peer("the ledger", "LEDGER_UNREACHABLE", "LEDGER_GARBAGE", "Start it; it goes on by itself.")
        self._http = Exchange(peer, seconds=seconds, max_bytes=MAX_REPLY_BYTES)

    def state(self) -> LogState:
        answer = self._answer(self._http.ask("GET", f"{self._url}/state", headers=self._operator))
        note, origin = answer.get("note"), answer.get("origin")
        if not isinstance(origin, str) or not (note is None or isinstance(note, str)):
            raise self._garbage("no state of a log")
        return LogState(
            origin=origin,
            size=self._number(answer, "size"),
            note=None if note is None else self._encoded(note),
            stamped=answer.get("stamped") is True,
            crossed=self._number(answer, "crossed"),
        )

    def checkpoint(self) -> bytes:
        note = self._post("checkpoint", {}).get("note")
        if not isinstance(note, str):
            raise self._garbage("no checkpoint")
        return self._encoded(note)

    def consistency(self, old: int, new: int) -> list[bytes]:
        asked = f"{self._url}/consistency?from={old}&to={new}"
        return self._hashes(
            self._answer(self._http.ask("GET", asked, headers=self._operator)), "proof", MAX_PROOF_HASHES
        )

    def publish(self, note: bytes) -> None:
        self._post("cosigned", {"note": note.decode()})

    def keep_stamp(self, note: bytes, stamp: bytes) -> None:
        self._post("stamp", {"note": note.decode(), "stamp": base64.b64encode(stamp).decode()})

    def missing(self, credentials: Sequence[bytes]) -> list[bytes]:
        answer = self._post("missing", {"credentials": [each.hex() for each in credentials]})
        named = set(self._hashes(answer, "missing", CREDENTIALS_AT_ONCE))
        return [each for each in credentials if each in named]

    def keep_anchor(self, crossing: bytes) -> None:
        self._keep("anchors", crossing)

    def keep_instruction(self, crossing: bytes) -> None:
        self._keep("instructions", crossing)

    def break_off(self) -> None:
        """End what is asked just now, and ask nothing more: see `Exchange.break_off`."""
        self._http.break_off()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        sent = json.dumps(body).encode()
        where = f"{self._url}/{path}"
        return self._answer(self._http.post(where, sent, media_type="application/json", headers=self._operator))

    def _keep(self, path: str, crossing: bytes) -> None:
        where = f"{self._url}/{path}"
        self._answer(self._http.post(where, crossing, media_type="application/cbor", headers=self._operator))

    def _answer(self, reply: Reply) -> dict[str, Any]:
        try:
            answer = parse_json(reply.body, max_bytes=MAX_REPLY_BYTES)
        except Problem as problem:
            raise self._garbage(problem.what) from problem
        if not isinstance(answer, dict):
            raise self._garbage("no JSON object")
        if reply.status == _OK:
            return answer
        said = {name: str(answer.get(name) or "")[:_MAX_WORDS] for name in ("code", "title", "where", "cure")}
        if not said["code"]:
            raise self._garbage(f"HTTP status {reply.status}")
        kind = Refused if reply.status in _REFUSALS else Unavailable
        raise kind(said["code"], said["title"], where=said["where"] or self._url, cure=said["cure"])

    def _number(self, answer: dict[str, Any], name: str) -> int:
        value = answer.get(name)
        if type(value) is not int or not 0 <= value < 2**63:
            raise self._garbage(f"{name} is no size")
        return value

    def _hashes(self, answer: dict[str, Any], name: str, most: int) -> list[bytes]:
        listed = answer.get(name)
        if not isinstance(listed, list) or len(listed) > most:
            raise self._garbage(f"{name} is no list of at most {most}")
        if not all(isinstance(each, str) and _HASH.fullmatch(each) for each in listed):
            raise self._garbage(f"{name} holds something else than hashes")
        return [bytes.fromhex(each) for each in listed]

    def _encoded(self, text: str) -> bytes:
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            raise self._garbage("no text") from error

    def _garbage(self, why: str) -> Unavailable:
        return self._http.garbage(why, where=self._url)
