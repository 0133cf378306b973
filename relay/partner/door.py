"""Who is asking, and may they ask again already: API keys and rate limits.

May never happen here: an answer whose time tells how much of a key is right, or a partner that is slowed down by
somebody else's wrong keys.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ledger.errors import Problem, Refused
from relay.partner.config import Partner, digest_of

MAX_HEADER_CHARS = 200
STRANGERS_PER_SECOND, STRANGERS_BURST = 20, 100  # wrong keys, of everybody together


class RateLimited(Problem):
    """429: the same request may be sent again after `seconds`."""

    http_status = 429

    def __init__(self, seconds: float) -> None:
        super().__init__(
            "RATE_LIMIT", "too many requests", cure=f"Wait {max(1, round(seconds))} s, and follow events instead."
        )
        self.seconds = seconds


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Door:
    """Admits partners by key. `clock`: monotonic seconds. Safe to share between threads."""

    def __init__(self, partners: Sequence[Partner], *, rate: int, burst: int, clock: Callable[[], float]) -> None:
        self._partners, self._rate, self._burst, self._clock = tuple(partners), rate, burst, clock
        self._lock = threading.Lock()
        self._buckets = {each.name: _Bucket(burst, clock()) for each in self._partners}
        self._strangers = _Bucket(STRANGERS_BURST, clock())

    def admit(self, authorization: str | None) -> Partner:
        """The partner whose key an `Authorization: Bearer …` header carries.

        Errors: `Refused` KEY_UNKNOWN (no header, another scheme, a wrong key: the same words); `RateLimited`.
        """
        scheme, _, key = (authorization or "").partition(" ")
        offered = digest_of(key if len(key) <= MAX_HEADER_CHARS and key.isascii() else "")
        found = None
        for partner in self._partners:  # all of them, whichever it is
            if hmac.compare_digest(partner.key_digest, offered):
                found = partner
        if found is None or scheme.lower() != "bearer":
            self._take(self._strangers, STRANGERS_PER_SECOND, STRANGERS_BURST)
            raise Refused(
                "KEY_UNKNOWN",
                "this API key is not known here",
                cure="Send `Authorization: Bearer <key>` with the key the operator gave you.",
            )
        self._take(self._buckets[found.name], self._rate, self._burst)
        return found

    def _take(self, bucket: _Bucket, rate: int, burst: int) -> None:
        with self._lock:
            now = self._clock()
            bucket.tokens = min(burst, bucket.tokens + (now - bucket.at) * rate)
            bucket.at = now
            if bucket.tokens < 1:
                raise RateLimited((1 - bucket.tokens) / rate)
            bucket.tokens -= 1
