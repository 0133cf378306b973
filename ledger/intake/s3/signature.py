"""Signature version 4 of S3 requests (AWS, "Authenticating Requests: Using the Authorization Header").

What happens here: from a request as it will be sent, the headers that sign it. Every header that is given is signed,
and the body by its SHA-256, so that a store which checks refuses a body that changed on its way. May never happen here:
I/O, a clock, or a secret in what is returned.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from ledger.intake.s3.credentials import Credentials

EMPTY_SHA256: Final = sha256(b"").hexdigest()
_ALGORITHM = "AWS4-HMAC-SHA256"


def query_string(arguments: Mapping[str, str]) -> str:
    """The arguments in the one spelling that is signed: sorted, everything but unreserved characters escaped."""
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in arguments.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


def signed_headers(
    method: str,
    host: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    *,
    payload_sha256: str,
    credentials: Credentials,
    region: str,
    at: datetime,
) -> dict[str, str]:
    """All headers to send, the signature's among them.

    `path`: escaped as it is sent, beginning with a slash. `query`: of `query_string`. `headers`: besides `Host`; names
    in any case of letters. `payload_sha256`: hexadecimal. `at`: UTC.
    """
    stamp = at.strftime("%Y%m%dT%H%M%SZ")
    sent = {"host": host, "x-amz-content-sha256": payload_sha256, "x-amz-date": stamp}
    sent |= {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    if credentials.session_token is not None:
        sent["x-amz-security-token"] = credentials.session_token
    names = ";".join(sorted(sent))
    lines = "".join(f"{name}:{sent[name]}\n" for name in sorted(sent))
    canonical = "\n".join((method, path, query, lines, names, payload_sha256))
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    to_sign = "\n".join((_ALGORITHM, stamp, scope, sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    named = f"Credential={credentials.access_key}/{scope},SignedHeaders={names},Signature={signature}"
    return sent | {"authorization": f"{_ALGORITHM} {named}"}
