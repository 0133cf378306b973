"""Requests to one bucket: signed, bounded in time and bytes, tried again where that can help, and never redirected.

What happens here: what S3 calls an operation is one `ask`. May never happen here: an answer read beyond its bound, a
request sent to another host than the configured one, a wait beyond the deadline, or a secret in an error.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from ledger.errors import Unavailable
from ledger.exchange import Exchange, Peer, Reply
from ledger.intake.s3.answers import MAX_ANSWER_BYTES, Element, error_code, read_answer
from ledger.intake.s3.credentials import Credentials
from ledger.intake.s3.place import Place
from ledger.intake.s3.signature import query_string, signed_headers
from ledger.outline import in_chunks

TRIES: Final = 3
SECONDS: Final = 30.0
LEAST_BYTES_PER_SECOND: Final = 64 * 1024
"""A body in either direction has `SECONDS` and what it needs at this pace."""
MAX_WAIT_SECONDS: Final = 8.0
_CURE = "Check that the store runs, that its address is right, and that this machine reaches it."
PEER: Final = Peer("the S3 store", "MEDIA_UNAVAILABLE", "MEDIA_UNAVAILABLE", _CURE)
_AGAIN = frozenset({408, 409, 429, 500, 502, 503, 504})
_CURES = {
    "NoSuchBucket": "Make the bucket, or correct its name in media.json.",
    "AccessDenied": "Give the access key the rights that the README lists; a retention rule may forbid deletion.",
    "InvalidAccessKeyId": "Correct the access key.",
    "SignatureDoesNotMatch": "Correct the secret key and the region.",
    "ExpiredToken": "Renew the temporary keys.",
    "RequestTimeTooSkewed": "Set this machine's clock.",
    "PermanentRedirect": "Correct the endpoint and the region in media.json.",
    "AuthorizationHeaderMalformed": "Correct the region in media.json.",
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket. Safe between threads. `wait`: sleeps between two tries, `clock`: the time that is signed.

    Errors of all methods: `Unavailable` MEDIA_UNAVAILABLE; of `credentials`: what it raises.
    """

    place: Place
    credentials: Callable[[], Credentials]
    exchange: Exchange = field(default_factory=lambda: Exchange(PEER, seconds=SECONDS, max_bytes=MAX_ANSWER_BYTES))
    wait: Callable[[float], None] = time.sleep
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def ask(
        self,
        method: str,
        key: str | None,
        query: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | memoryview = b"",
        expected: Iterable[int] = (200,),
        at_most: int = MAX_ANSWER_BYTES,
    ) -> Reply:
        """One request for the object `key` below the prefix, or for the bucket (None).

        `expected`: statuses that are handed back; others are tried again where that can help, and then raised. Of the
        answer `at_most` bytes are taken, and more are an error.
        """
        known = frozenset(expected)
        tries_left = TRIES
        while True:
            tries_left -= 1
            credentials = self.credentials()
            try:
                reply = self._once(method, key, query or {}, headers or {}, body, at_most, credentials)
            except Unavailable:
                if not tries_left:
                    raise
            else:
                if reply.status in known:
                    return reply
                if reply.status not in _AGAIN or not tries_left:
                    raise self.failed(method, key, reply)
            # Apart from each other, so that those who were turned away together do not come back together.
            self.wait(min(MAX_WAIT_SECONDS, 2.0 ** (TRIES - tries_left)) * random.uniform(0.5, 1.0))  # noqa: S311

    def document(self, reply: Reply, key: str | None) -> Element:
        """The XML of an answer. `Unavailable` where it is none, or an error after all (which S3 sends with 200)."""
        try:
            root = read_answer(reply.body)
        except ValueError as error:
            raise self.nonsense(f"{error}", key) from error
        if root.name == "Error":
            raise self.failed("the answer", key, reply)
        return root

    def failed(self, what: str, key: str | None, reply: Reply) -> Unavailable:
        """The error for an answer that is a refusal."""
        code = error_code(reply.body)
        named = f"{reply.status} {code}".rstrip()
        return Unavailable(
            "MEDIA_UNAVAILABLE",
            f"the S3 store failed: {what} ended with {named}",
            where=key or self.place.bucket,
            cure=_CURES.get(code, _CURES["PermanentRedirect"] if reply.status in range(300, 400) else _CURE),
        )

    def nonsense(self, why: str, key: str | None) -> Unavailable:
        """The error for an answer that is of no use."""
        what = f"the S3 store answered nonsense: {why}"
        return Unavailable("MEDIA_UNAVAILABLE", what, where=key or self.place.bucket, cure=_CURE)

    def _once(
        self,
        method: str,
        key: str | None,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | memoryview,
        at_most: int,
        credentials: Credentials,
    ) -> Reply:
        path, arguments = self.place.path(key), query_string(query)
        length = {"content-length": str(len(body))} if method in ("PUT", "POST") else {}
        signed = signed_headers(
            method,
            self.place.host,
            path,
            arguments,
            {**headers, **length},
            payload_sha256=sha256(body).hexdigest(),
            credentials=credentials,
            region=self.place.region,
            at=self.clock(),
        )
        return self.exchange.ask(
            method,
            f"{self.place.origin}{path}" + (f"?{arguments}" if arguments else ""),
            headers=signed,
            content=map(bytes, in_chunks(body)) if length else None,
            seconds=SECONDS + max(len(body), at_most) / LEAST_BYTES_PER_SECOND,
            max_bytes=at_most,
        )
