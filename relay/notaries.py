"""The seam to one notary: ask it over HTTP; what it answers is bounded and typed, and not yet believed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from ledger.canonical import parse_json
from ledger.errors import Problem, Refused, Unavailable
from ledger.exchange import Exchange, Peer

TIMEOUT_SECONDS = 60.0  # a verdict may first have to re-execute blocks
MAX_REPLY_BYTES = 1024 * 1024
MAX_LEAVES = 64  # of one root: what notaries take in one request

_HTTP_OK = 200


class RefusedLeaves(Refused):
    """A notary signs nothing because of some leaves: `leaves` says which, from 0, and why each."""

    def __init__(self, leaves: Mapping[int, Problem]) -> None:
        first = leaves[min(leaves)]
        super().__init__(first.code, first.what, where=first.where, cure=first.cure)
        self.leaves = dict(leaves)


class UnreadyLeaves(Unavailable):
    """As `RefusedLeaves`, of what the notary cannot judge yet."""

    def __init__(self, leaves: Mapping[int, Problem]) -> None:
        first = leaves[min(leaves)]
        super().__init__(first.code, first.what, where=first.where, cure=first.cure)
        self.leaves = dict(leaves)


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

    def break_off(self) -> None:
        """End what is asked just now, and ask nothing more: see `Exchange.break_off`."""
        self._http.break_off()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _post(self, path: str, body: bytes, media_type: str) -> tuple[int, bytes]:
        reply = self._http.post(f"{self._url}{path}", body, media_type=media_type)
        return reply.status, reply.body

    def _garbage(self, why: str) -> Unavailable:
        return self._http.garbage(why, where=self._url)


def read_problem(fields: dict[str, Any], name: str) -> Problem:
    """A problem as a notary shows it inside an answer, in that notary's name."""
    status = fields.get("status")
    kind = Unavailable if type(status) is not int or status >= 500 else Refused
    return _one(fields, kind, name, str(fields.get("cure", "")))


def _problem(answer: dict[str, Any], name: str, status: int) -> Problem:
    kind = Unavailable if status >= 500 else Refused
    cure = str(answer.get("cure", ""))
    leaves = _leaves(answer.get("refused"), kind, name, cure)
    if leaves:
        return UnreadyLeaves(leaves) if kind is Unavailable else RefusedLeaves(leaves)
    return _one(answer, kind, name, cure)


def _leaves(refused: Any, kind: type[Problem], name: str, cure: str) -> dict[int, Problem]:
    """The leaves a notary names, each with its reason; what is malformed is passed over."""
    named: dict[int, Problem] = {}
    for each in refused[:MAX_LEAVES] if isinstance(refused, list) else []:
        leaf = each.get("leaf") if isinstance(each, dict) else None
        if type(leaf) is int and 0 <= leaf < MAX_LEAVES:
            named[leaf] = _one(each, kind, name, cure)
    return named


def _one(fields: dict[str, Any], kind: type[Problem], name: str, cure: str) -> Problem:
    code, what = str(fields.get("code", "NOTARY_REFUSED")), str(fields.get("what", "no reason given"))
    return kind(code[:80], f"{name}: {what[:500]}", where=str(fields.get("where", ""))[:500], cure=cure[:500])
