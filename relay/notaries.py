"""The seam to one notary: ask it over HTTP; what it answers is bounded and typed, and not yet believed."""

from __future__ import annotations

import json
from typing import Any, Protocol

from ledger.canonical import parse_json
from ledger.errors import Problem, Refused, Unavailable
from ledger.exchange import Exchange, Peer

TIMEOUT_SECONDS = 60.0  # a verdict may first have to re-execute blocks
MAX_REPLY_BYTES = 1024 * 1024

_HTTP_OK = 200


class Notary(Protocol):
    """One notary as the relay sees it."""

    @property
    def name(self) -> str: ...

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Post JSON and return the JSON answer. Errors: whatever the notary refused, or `Unavailable`."""
        ...

    def add_checkpoint(self, body: bytes) -> tuple[int, bytes]:
        """C2SP tlog-witness `add-checkpoint`: HTTP status and body. Errors: `Unavailable`."""
        ...


class HttpNotary:
    """A notary behind a URL. What it answers is bounded in size and time, and typed; it is not yet believed."""

    def __init__(self, name: str, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._name, self._url = name, url.rstrip("/")
        peer = Peer(name, "NOTARY_UNREACHABLE", "NOTARY_GARBAGE", "Start it with `pledgetrail notary run`.")
        self._http = Exchange(peer, seconds=timeout_seconds, max_bytes=MAX_REPLY_BYTES)

    @property
    def name(self) -> str:
        return self._name

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        status, raw = self._post(path, json.dumps(body).encode(), "application/json")
        try:
            answer = parse_json(raw, max_bytes=MAX_REPLY_BYTES)
        except Problem as problem:
            raise self._garbage(problem.what) from problem
        if not isinstance(answer, dict):
            raise self._garbage("no JSON object")
        if status != _HTTP_OK:
            raise _problem(answer, self._name, status)
        return answer

    def add_checkpoint(self, body: bytes) -> tuple[int, bytes]:
        return self._post("/add-checkpoint", body, "text/plain")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _post(self, path: str, body: bytes, media_type: str) -> tuple[int, bytes]:
        reply = self._http.post(f"{self._url}{path}", body, media_type=media_type)
        return reply.status, reply.body

    def _garbage(self, why: str) -> Unavailable:
        return self._http.garbage(why, where=self._url)


def _problem(answer: dict[str, Any], name: str, status: int) -> Problem:
    refused = answer.get("refused")
    first = refused[0] if isinstance(refused, list) and refused and isinstance(refused[0], dict) else answer
    code, what = str(first.get("code", "NOTARY_REFUSED")), str(first.get("what", "no reason given"))
    kind = Unavailable if status >= 500 else Refused
    return kind(
        code[:80], f"{name}: {what[:500]}", where=str(first.get("where", ""))[:500], cure=str(answer.get("cure", ""))
    )
