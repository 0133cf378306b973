"""An S3 store in memory, as its documentation has it, that can be made to lie: what no honest store does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import httpx

from ledger.exchange import Exchange
from ledger.intake.remote_media import MAX_CACHE_BYTES, RemoteStore
from ledger.intake.s3.bucket import PEER, Bucket
from ledger.intake.s3.credentials import Credentials
from ledger.intake.s3.place import Place
from ledger.intake.s3.remote import S3Remote
from tests.ledger.intake.answering import Answering

PLACE = Place("https://s3.test", "evidence", prefix="media/")
SECRET = "the secret that nobody may see"
Lie = Callable[[httpx.Request, httpx.Response], httpx.Response]


@dataclass
class FakeS3:
    """`held`: objects by key. `asked`: method, key and query of each request. `page`: how many names a listing has.

    `versioned`: whether what is deleted stays as a version. `conditions`: whether If-None-Match is known.
    """

    held: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    begun: dict[str, tuple[str, dict[int, bytes]]] = field(default_factory=dict)
    versions: dict[str, list[bytes]] = field(default_factory=dict)
    page: int = 1000
    versioned: bool = False
    conditions: bool = True
    lie: Lie | None = None
    waited: list[float] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=KEY/")
        assert SECRET not in str(request.headers) + str(request.url)
        key = request.url.path.removeprefix("/evidence").removeprefix("/")
        self.asked.append((request.method, key, request.url.query.decode()))
        answer = self._answer(request, key, dict(request.url.params))
        return answer if self.lie is None else self.lie(request, answer)

    def remote(self) -> S3Remote:
        exchange = Exchange(PEER, seconds=60, max_bytes=4 * 1024**2, transport=Answering(self))
        return S3Remote(Bucket(PLACE, lambda: Credentials("KEY", SECRET), exchange, wait=self.waited.append))

    def store(self, copies: Path, *, most_bytes: int = MAX_CACHE_BYTES) -> RemoteStore:
        now = iter(range(0, 10**9, 60))  # a minute passes between any two questions, so that each reaches the store
        return RemoteStore(self.remote(), copies, most_bytes=most_bytes, clock=lambda: float(next(now)))

    def _answer(self, request: httpx.Request, key: str, query: dict[str, str]) -> httpx.Response:
        if not key:
            return self._list(query)
        if "uploadId" in query or "uploads" in query:
            return self._parts(request, key, query)
        if request.method == "PUT":
            return self._put(request, key, request.content)
        if request.method == "DELETE":
            return self._delete(key, query)
        assert request.method == "GET"
        if key not in self.held:
            return error(404, "NoSuchKey")
        first, last = request.headers["range"].removeprefix("bytes=").split("-")
        if int(first) >= len(self.held[key]):
            return error(416, "InvalidRange")
        return httpx.Response(206, content=self.held[key][int(first) : int(last) + 1])

    def _put(self, request: httpx.Request, key: str, data: bytes) -> httpx.Response:
        if "if-none-match" in request.headers:
            if not self.conditions:
                return error(501, "NotImplemented")
            if key in self.held:
                return error(412, "PreconditionFailed")
        if self.versioned and key in self.held:
            self.versions.setdefault(key, []).append(self.held[key])
        self.held[key] = data
        return httpx.Response(200, headers={"ETag": '"tag"'})

    def _delete(self, key: str, query: dict[str, str]) -> httpx.Response:
        if "versionId" in query:
            self.versions[key].pop()
            return httpx.Response(204)
        if self.versioned and key in self.held:
            self.versions.setdefault(key, []).append(self.held.pop(key))
            return httpx.Response(204, headers={"x-amz-delete-marker": "true"})
        self.held.pop(key, None)
        return httpx.Response(204)

    def _parts(self, request: httpx.Request, key: str, query: dict[str, str]) -> httpx.Response:
        if "uploads" in query:
            upload = f"u/{len(self.begun)}+"
            self.begun[upload] = key, {}
            return document(f"<MultipartUpload><UploadId>{upload}</UploadId></MultipartUpload>")
        upload = query["uploadId"]
        if request.method == "PUT":
            self.begun[upload][1][int(query["partNumber"])] = request.content
            return httpx.Response(200, headers={"ETag": f'"part-{query["partNumber"]}"'})
        if request.method == "DELETE":
            return httpx.Response(204) if self.begun.pop(upload, None) else error(404, "NoSuchUpload")
        if upload not in self.begun:
            return error(404, "NoSuchUpload")
        parts = self.begun[upload][1]
        made = self._put(request, key, b"".join(parts[number] for number in sorted(parts)))
        if made.status_code == 200:
            del self.begun[upload]
            return document("<Completed></Completed>")
        return made

    def _list(self, query: dict[str, str]) -> httpx.Response:
        prefix = query["prefix"]
        if "uploads" in query:
            begun = [(key, upload) for upload, (key, _) in self.begun.items() if key.startswith(prefix)]
            found = "".join(f"<Upload><Key>{key}</Key><UploadId>{upload}</UploadId></Upload>" for key, upload in begun)
            return document(f"<ListMultipartUploadsResult>{found}</ListMultipartUploadsResult>")
        if "versions" in query:
            kept = [
                (key, at) for key, held in self.versions.items() if key.startswith(prefix) for at in range(len(held))
            ]
            found = "".join(f"<Version><Key>{key}</Key><VersionId>{at}</VersionId></Version>" for key, at in kept)
            return document(f"<ListVersionsResult>{found}</ListVersionsResult>")
        after = query.get("continuation-token", "")
        keys = [key for key in sorted(self.held) if key.startswith(prefix) and key > after]
        found = "".join(f"<Contents><Key>{escape(key)}</Key></Contents>" for key in keys[: self.page])
        more = "<IsTruncated>true</IsTruncated>" if len(keys) > self.page else "<IsTruncated>false</IsTruncated>"
        token = f"<NextContinuationToken>{keys[self.page - 1]}</NextContinuationToken>" if keys[self.page :] else ""
        return document(f"<ListBucketResult>{more}{token}{found}</ListBucketResult>")


def document(inside: str) -> httpx.Response:
    named = inside.replace(">", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/">', 1)
    return httpx.Response(200, content=f'<?xml version="1.0" encoding="UTF-8"?>{named}'.encode())


def error(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, content=f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode())
