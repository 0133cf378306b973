"""The device's way to the ledger over HTTP (`ledger.uplink_protocol`).

What happens here: a segment goes whole while it is small, and in chunks when it is large, going on where the ledger
says it stopped; a reading or a gap goes as its envelope. Each request is tried again a bounded number of times where
the ledger cannot be reached or says it cannot answer now.
What may never happen here: following a redirect, using a proxy from the environment, or trying again what the ledger
refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final, Self
from urllib.parse import urlsplit

import httpx

from ledger.canonical import parse_json
from ledger.errors import BadInput, Problem, Refused, Unavailable, WrongUse
from ledger.evidence import SignedEvidence
from ledger.segment_body import MEDIA_TYPE, SegmentBody, write_segment_body
from ledger.uplink_protocol import (
    CHUNK_BYTES,
    CHUNK_TYPE,
    COMPLETE,
    COMPLETE_HEADER,
    ENVELOPE_TYPE,
    INCOMPLETE,
    OFFSET_HEADER,
    SEGMENTS_PATH,
    STATEMENTS_PATH,
    UPLOADS_PATH,
)

WAITS_SECONDS: Final = (0.25, 1.0, 4.0)
"""Before the second, third and fourth attempt."""
TIMEOUT_SECONDS: Final = 30.0
MAX_ANSWER_BYTES: Final = 64 * 1024
MAX_LATER_SECONDS: Final = 3600.0
MIN_PIECE_BYTES: Final = 32 * 1024

_HELD = frozenset({200, 201})
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
_ERASED, _REPLAY = "ERASED", "REPLAY"
_BEGIN_AGAIN = frozenset({"UPLOAD_OFFSET", "UPLOAD_UNKNOWN"})
_BAD_INPUT = frozenset({400, 413, 415, 422})


class StandsAlready(Refused):
    """REPLAY: another statement of this number stands at the ledger, or the same; `held` is its digest (hex)."""

    held = ""


class Later(Unavailable):
    """The ledger asks this device to slow down. `seconds`: how long it wants to be left alone, at most an hour."""

    def __init__(self, where: str, retry_after: str) -> None:
        super().__init__(
            "UPLINK_LATER", "The ledger asks to be left alone for a while.", where=where, cure="Nothing is lost by it."
        )
        says = retry_after.isascii() and retry_after.isdecimal() and len(retry_after) < 5
        self.seconds = min(float(retry_after), MAX_LATER_SECONDS) if says else 1.0


class Uplink:
    """An `Intake` at `base_url` (`http://127.0.0.1:8080`). `WrongUse` UPLINK_URL for anything but http or https."""

    def __init__(
        self,
        base_url: str,
        *,
        client: httpx.Client | None = None,
        wait: Callable[[float], None] = time.sleep,
        waits: tuple[float, ...] = WAITS_SECONDS,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise WrongUse(
                "UPLINK_URL", "This is not the address of a ledger.", where=base_url, cure="Use http(s)://host:port."
            )
        self._base, self._wait, self._waits = base_url.rstrip("/"), wait, waits
        self._failures = 0
        self._client = client or httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def submit(self, evidence: SignedEvidence, init: bytes, media: bytes) -> None:
        """Send until it is held. Raises `Unavailable` UPLINK_DOWN after the last attempt, or the ledger's refusal."""
        body = write_segment_body(SegmentBody(evidence, init, media))

        def send() -> None:
            if len(body) <= self._piece():
                self._post(SEGMENTS_PATH, body, MEDIA_TYPE)
            else:
                self._upload(evidence, init + media)
            self._failures = max(0, self._failures - 1)

        self._deliver(evidence, send)

    def state(self, evidence: SignedEvidence) -> None:
        """Send a reading or a gap until it is held. Raises as `submit`."""
        envelope = evidence.envelope()
        self._deliver(evidence, lambda: self._post(STATEMENTS_PATH, envelope, ENVELOPE_TYPE))

    def _deliver(self, evidence: SignedEvidence, send: Callable[[], None]) -> None:
        try:
            self._try_again(send)
        except StandsAlready as stands:
            if stands.held != evidence.digest.hex():
                raise
            # The ledger took this very statement, and its answer was lost: it was delivered, and goes.
        except Refused as refusal:
            if refusal.code != _ERASED:
                raise
            # As above, and it was erased since.

    def _try_again(self, send: Callable[[], None]) -> None:
        for wait in self._waits:
            try:
                send()
            except Unavailable:
                self._failures += 1
                self._wait(wait)
            else:
                return
        try:
            send()
        except Unavailable:
            self._failures += 1
            raise

    def _piece(self) -> int:
        """How much goes at once: a bad network gets ever smaller pieces, since a ledger waits for each only so long."""
        return max(min(MIN_PIECE_BYTES, CHUNK_BYTES), CHUNK_BYTES >> min(self._failures, 16))

    def _post(self, path: str, body: bytes, media_type: str) -> None:
        self._ask("POST", path, body, {"Content-Type": media_type})

    def _upload(self, evidence: SignedEvidence, body: bytes) -> None:
        begun = self._ask("POST", UPLOADS_PATH, evidence.envelope(), {"Content-Type": ENVELOPE_TYPE})
        if begun.get(COMPLETE_HEADER) == COMPLETE:
            return
        path, offset = f"{UPLOADS_PATH}/{evidence.digest.hex()}", self._offset(begun, len(body))
        while True:
            chunk = body[offset : offset + self._piece()]
            is_last = offset + len(chunk) == len(body)
            answered = self._ask(
                "PATCH",
                path,
                chunk,
                {
                    "Content-Type": CHUNK_TYPE,
                    OFFSET_HEADER: str(offset),
                    COMPLETE_HEADER: COMPLETE if is_last else INCOMPLETE,
                },
            )
            if is_last:
                return
            offset = self._offset(answered, len(body), above=offset)

    def _offset(self, headers: Mapping[str, str], size: int, *, above: int = -1) -> int:
        """Where to go on; a ledger that does not come forward is one that cannot answer now."""
        text = headers.get(OFFSET_HEADER, "")
        if not (text.isascii() and text.isdecimal() and len(text) < 16 and above < int(text) <= size):
            raise self._down("it does not say how much of the upload it holds")
        return int(text)

    def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The headers of an answer that says it was taken."""
        url = self._base + path
        try:
            with self._client.stream(method, url, content=body or None, headers=dict(headers)) as response:
                if response.status_code in _HELD:
                    return response.headers
                status, answer = response.status_code, _bounded(response)
        except httpx.HTTPError as error:
            raise self._down(f"it cannot be reached ({type(error).__name__})") from error
        if status == 429:
            raise Later(self._base, response.headers.get("Retry-After", ""))
        problem = self._refusal(status, answer)
        # The ledger gave the upload up, or holds more or less of it than it said: it is begun again.
        if status in _LATER or problem.code in _BEGIN_AGAIN:
            raise self._down(f"it answered {status}")
        raise problem

    def _down(self, why: str) -> Unavailable:
        return Unavailable(
            "UPLINK_DOWN",
            f"The ledger did not take the evidence: {why}.",
            where=self._base,
            cure="It waits in the device's spool and is sent again.",
        )

    def _refusal(self, status: int, answer: bytes) -> Problem:
        fields = {"code": "UPLINK_REFUSED", "title": f"The ledger answered {status}.", "where": self._base, "cure": ""}
        try:
            said = parse_json(answer, max_bytes=MAX_ANSWER_BYTES, max_depth=4)
        except BadInput:
            said = None
        if isinstance(said, dict):
            fields |= {name: value for name in fields if isinstance(value := said.get(name), str)}
        kind = BadInput if status in _BAD_INPUT else StandsAlready if fields["code"] == _REPLAY else Refused
        problem = kind(fields["code"], fields["title"], where=fields["where"], cure=fields["cure"])
        if isinstance(problem, StandsAlready) and isinstance(said, dict):
            problem.held = str(said.get("held", ""))
        return problem


def _bounded(response: httpx.Response) -> bytes:
    answer = bytearray()
    for chunk in response.iter_bytes():
        answer += chunk
        if len(answer) > MAX_ANSWER_BYTES:
            return b""
    return bytes(answer)
