"""The camera's way to the ledger over HTTP.

What happens here: `POST {base}/api/v1/evidence/segments` with the body of `ledger.segment_body`, tried again a bounded
number of times where the ledger cannot be reached or says it cannot answer now.
What may never happen here: following a redirect, using a proxy from the environment, or trying again what the ledger
refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Self
from urllib.parse import urlsplit

import httpx

from ledger.canonical import parse_json
from ledger.errors import BadInput, Problem, Refused, Unavailable, WrongUse
from ledger.evidence import SignedEvidence
from ledger.segment_body import MEDIA_TYPE, SegmentBody, write_segment_body

PATH: Final = "/api/v1/evidence/segments"
WAITS_SECONDS: Final = (0.25, 1.0, 4.0)
"""Before the second, third and fourth attempt."""
TIMEOUT_SECONDS: Final = 30.0
MAX_ANSWER_BYTES: Final = 64 * 1024

_HELD = frozenset({200, 201})
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
_BAD_INPUT = frozenset({400, 413, 415, 422})


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
        self._url, self._wait, self._waits = base_url.rstrip("/") + PATH, wait, waits
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
        for wait in self._waits:
            try:
                self._send(body)
            except Unavailable:
                self._wait(wait)
            else:
                return
        self._send(body)

    def _send(self, body: bytes) -> None:
        try:
            with self._client.stream("POST", self._url, content=body, headers={"Content-Type": MEDIA_TYPE}) as response:
                if response.status_code in _HELD:
                    return
                status, answer = response.status_code, _bounded(response)
        except httpx.HTTPError as error:
            raise self._down(f"it cannot be reached ({type(error).__name__})") from error
        if status in _LATER:
            raise self._down(f"it answered {status}")
        raise self._refusal(status, answer)

    def _down(self, why: str) -> Unavailable:
        return Unavailable(
            "UPLINK_DOWN",
            f"The ledger did not take the segment: {why}.",
            where=self._url,
            cure="It waits in the camera's spool and is sent again.",
        )

    def _refusal(self, status: int, answer: bytes) -> Problem:
        fields = {"code": "UPLINK_REFUSED", "title": f"The ledger answered {status}.", "where": self._url, "cure": ""}
        try:
            said = parse_json(answer, max_bytes=MAX_ANSWER_BYTES, max_depth=4)
        except BadInput:
            said = None
        if isinstance(said, dict):
            fields |= {name: value for name in fields if isinstance(value := said.get(name), str)}
        kind = BadInput if status in _BAD_INPUT else Refused
        return kind(fields["code"], fields["title"], where=fields["where"], cure=fields["cure"])


def _bounded(response: httpx.Response) -> bytes:
    answer = bytearray()
    for chunk in response.iter_bytes():
        answer += chunk
        if len(answer) > MAX_ANSWER_BYTES:
            return b""
    return bytes(answer)
