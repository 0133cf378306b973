"""A `Remote` in an S3-compatible store: one object under its CID, and beside it the object `<cid>.outline`.

What happens here: an object is written once, and only where nothing has its name; what is large goes in parts. What may
never happen here: an object that is there in part, other bytes left standing under a name that was just put, or
something called deleted of which the store keeps a version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import escape  # nosec: writes, reads nothing

from ledger.errors import BadInput, Refused, Unavailable
from ledger.exchange import Reply
from ledger.intake.remote_media import scan
from ledger.intake.s3.answers import Element, error_code
from ledger.intake.s3.bucket import Bucket
from ledger.outline import ClaimedOutline, Outline, read_outline

OUTLINE_SUFFIX: Final = ".outline"
MULTIPART_ABOVE: Final = 16 * 1024**2
PART_BYTES: Final = 8 * 1024**2
MAX_PAGES: Final = 100_000  # of 1,000 names
_MAX_OUTLINE_BYTES = 16 * 1024
_ONLY_NEW = {"if-none-match": "*"}
_ETAG = re.compile(r'"?[0-9A-Za-z+/=_-]{1,128}"?', re.ASCII)
_NO_CONDITION = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest"})


@dataclass(frozen=True, slots=True)
class _Begun:
    """An upload in parts: of which key, and how the store calls it."""

    key: str
    id: str


@dataclass(slots=True)
class S3Remote:
    """A `Remote` in `bucket`. `Unavailable` MEDIA_UNAVAILABLE from every method, and what its credentials raise."""

    bucket: Bucket
    _conditional: bool = field(default=True, init=False)  # until the store says that it knows no conditions

    def put(self, data: bytes | memoryview, outline: Outline) -> None:
        """As `Remote.put`. The outline goes first: where the object is, its outline is too."""
        cid = outline.cid
        if len(outline.digests) > 1:
            self.bucket.ask("PUT", cid + OUTLINE_SUFFIX, body=outline.encode())
        if not self._write(cid, data, only_new=True) and not self._is_sound(cid):
            self._write(cid, data, only_new=False)

    def outline(self, cid: str) -> ClaimedOutline | None:
        """As `Remote.outline`."""
        raw = self._get(cid + OUTLINE_SUFFIX, 0, _MAX_OUTLINE_BYTES)
        try:
            return None if raw is None else read_outline(raw)
        except BadInput:
            return None

    def read(self, cid: str, start: int, length: int) -> bytes | None:
        """As `Remote.read`."""
        return self._get(cid, start, length)

    def has(self, cid: str) -> bool:
        """As `Remote.has`. Asks for a byte, since only an answer with a body tells a lost object from a lost bucket."""
        return self._get(cid, 0, 1) is not None

    def remove(self, cid: str) -> None:
        """As `Remote.remove`: every version of the object and of its outline, and what was begun of it."""
        for key in (cid, cid + OUTLINE_SUFFIX):
            gone = self.bucket.ask("DELETE", key, expected=(200, 204, 404))
            if gone.status == 404:
                self._check_absent(key, gone)
            if gone.headers.get("x-amz-version-id") or gone.headers.get("x-amz-delete-marker"):
                self._remove_versions(key)
        for begun in self._begun(cid):
            self._abort(begun)
        if self.has(cid):
            raise self.bucket.nonsense("it still has what was to be deleted", cid)

    def names(self) -> Iterator[str]:
        """As `Remote.names`: keys below the prefix, without those of outlines whose object is listed."""
        previous = ""
        for page in self._pages({"list-type": "2"}, "continuation-token", "NextContinuationToken"):
            for each in page.all("Contents"):
                key = self._own(each.said("Key"))
                if key != previous + OUTLINE_SUFFIX:  # keys come in order, so an outline follows its object
                    yield key
                previous = key

    def unfinished(self) -> Iterator[str]:
        """As `Remote.unfinished`: uploads in parts."""
        return (begun.key for begun in self._begun())

    def tidy(self) -> int:
        """As `Remote.tidy`."""
        begun = list(self._begun())
        for each in begun:
            self._abort(each)
        return len(begun)

    def _begun(self, cid: str = "") -> Iterator[_Begun]:
        query = {"uploads": "", "prefix": self.bucket.place.prefix + cid}
        reply = self.bucket.ask("GET", None, query, expected=(200, 400, 404, 405, 501))
        if reply.status != 200 and error_code(reply.body) != "NoSuchBucket":
            return  # a store that knows no uploads in parts has none that were left
        for each in self.bucket.document(reply, cid).all("Upload"):
            yield _Begun(self._own(each.said("Key")), each.said("UploadId"))

    def _write(self, cid: str, data: bytes | memoryview, *, only_new: bool) -> bool:
        """Whether the object was written; False where something has its name, which is then as it was."""
        condition = _ONLY_NEW if only_new and self._conditional else {}
        write = self._write_whole if len(data) <= MULTIPART_ABOVE else self._write_parts
        reply = write(cid, data, condition)
        if condition and reply.status in (400, 501) and error_code(reply.body) in _NO_CONDITION:
            self._conditional = False
            reply = write(cid, data, {})
        if reply.status == 404 and self._is_sound(cid):  # it was ended before, and the answer was lost
            return True
        if reply.status not in (200, 412):
            raise self.bucket.failed("PUT", cid, reply)
        return reply.status == 200

    def _write_whole(self, cid: str, data: bytes | memoryview, condition: dict[str, str]) -> Reply:
        return self.bucket.ask("PUT", cid, headers=condition, body=data, expected=(200, 400, 412, 501))

    def _write_parts(self, cid: str, data: bytes | memoryview, condition: dict[str, str]) -> Reply:
        begun = self.bucket.document(self.bucket.ask("POST", cid, {"uploads": ""}), cid)
        upload = _Begun(cid, begun.said("UploadId"))
        if not upload.id:
            raise self.bucket.nonsense("an upload without a name", cid)
        try:
            reply = self._send_parts(upload, memoryview(data), condition)
        except Unavailable:
            with suppress(Unavailable):  # `fsck` names what stays, and the first failure is the one to tell
                self._abort(upload)
            raise
        if reply.status != 200:
            self._abort(upload)
        return reply

    def _send_parts(self, upload: _Begun, data: memoryview, condition: dict[str, str]) -> Reply:
        parts, cid = [], upload.key
        for number, at in enumerate(range(0, len(data), PART_BYTES), 1):
            query = {"partNumber": str(number), "uploadId": upload.id}
            tag = self.bucket.ask("PUT", cid, query, body=data[at : at + PART_BYTES]).headers.get("etag", "")
            if not _ETAG.fullmatch(tag):
                raise self.bucket.nonsense("a part without a tag", cid)
            parts.append(f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(tag)}</ETag></Part>")
        body = f"<CompleteMultipartUpload>{''.join(parts)}</CompleteMultipartUpload>".encode()
        reply = self.bucket.ask(
            "POST", cid, {"uploadId": upload.id}, headers=condition, body=body, expected=(200, 400, 404, 412, 501)
        )
        if reply.status == 200:
            self.bucket.document(reply, cid)
        return reply

    def _is_sound(self, cid: str) -> bool:
        """Whether what stands under the name is the object: read whole, and never believed."""
        try:
            scan(self, cid)
        except Refused:
            return False
        return True

    def _get(self, key: str, start: int, length: int) -> bytes | None:
        if not length:
            return b""
        span = {"range": f"bytes={start}-{start + length - 1}"}
        reply = self.bucket.ask("GET", key, headers=span, expected=(200, 206, 404, 416), at_most=max(length, 4096))
        if reply.status == 404:
            self._check_absent(key, reply)
            return None
        if reply.status == 416:  # nothing so far behind
            return b""
        if (reply.status == 200 and start) or len(reply.body) > length:
            raise self.bucket.nonsense("it sent another range than was asked for", key)
        return reply.body

    def _check_absent(self, key: str, reply: Reply) -> None:
        """Return where the object is not there; a bucket that is not there is another matter."""
        if error_code(reply.body) not in ("NoSuchKey", "NoSuchVersion"):
            raise self.bucket.failed("asking", key, reply)

    def _remove_versions(self, key: str) -> None:
        query = {"versions": "", "prefix": self.bucket.place.prefix + key}
        listed = self.bucket.document(self.bucket.ask("GET", None, query), key)
        for each in listed.inside:
            if each.name in ("Version", "DeleteMarker") and self._own(each.said("Key")) == key:
                version = {"versionId": each.said("VersionId")}
                self.bucket.ask("DELETE", key, version, expected=(200, 204, 404))

    def _abort(self, upload: _Begun) -> None:
        self.bucket.ask("DELETE", upload.key, {"uploadId": upload.id}, expected=(200, 204, 404))

    def _pages(self, query: dict[str, str], ask_for: str, told_by: str) -> Iterator[Element]:
        following: dict[str, str] = {}
        for _ in range(MAX_PAGES):
            asked = {**query, "prefix": self.bucket.place.prefix, **following}
            page = self.bucket.document(self.bucket.ask("GET", None, asked), None)
            yield page
            if page.said("IsTruncated") != "true":
                return
            token = page.said(told_by)
            if not token or following == {ask_for: token}:
                raise self.bucket.nonsense("a listing that does not go on", None)
            following = {ask_for: token}
        raise self.bucket.nonsense("a listing without an end", None)

    def _own(self, key: str) -> str:
        """A listed key without the prefix; one outside it was not asked for."""
        prefix = self.bucket.place.prefix
        if not key.startswith(prefix):
            raise self.bucket.nonsense("keys that were not asked for", None)
        return key.removeprefix(prefix)
