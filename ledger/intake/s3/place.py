"""Where in the world a bucket is, and how its objects are addressed. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

MAX_PREFIX: Final = 200
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_REGION = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
_PREFIX = re.compile(r"([A-Za-z0-9_-]+/)*", re.ASCII)  # nothing that would have to be escaped


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket at `endpoint`, as `https://s3.example`; keys begin with `prefix`, which ends with a slash or is empty.

    `in_host`: whether the bucket's name stands in the host's, as some stores demand, instead of in the path.
    ValueError, with the field, for what cannot be addressed so.
    """

    endpoint: str
    bucket: str
    region: str = "us-east-1"
    prefix: str = ""
    in_host: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or "@" in parts.netloc:
            raise ValueError("endpoint is https:// and a host")
        if parts.query or parts.fragment:
            raise ValueError("endpoint is https:// and a host")
        for name, pattern in (("bucket", _BUCKET), ("region", _REGION), ("prefix", _PREFIX)):
            if not pattern.fullmatch(getattr(self, name)):
                raise ValueError(f"{name} is not one that can be addressed")
        if len(self.prefix) > MAX_PREFIX:
            raise ValueError(f"prefix has at most {MAX_PREFIX} characters")

    @property
    def host(self) -> str:
        """The host with its port, as the `Host` header names it."""
        netloc = urlsplit(self.endpoint).netloc.lower()
        return f"{self.bucket}.{netloc}" if self.in_host else netloc

    @property
    def origin(self) -> str:
        """Scheme and host."""
        return f"{urlsplit(self.endpoint).scheme}://{self.host}"

    def path(self, key: str | None) -> str:
        """The path of an object, or of the bucket itself (None)."""
        name = "" if key is None else self.prefix + key
        return f"/{name}" if self.in_host else f"/{self.bucket}" + (f"/{name}" if key is not None else "")
