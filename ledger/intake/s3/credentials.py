"""Whose keys sign the requests: from a file that nobody else may read, or from the environment.

May never happen here: a secret in a log, in an error or in a `repr`. Both are read anew for each request, so that keys
which are exchanged while the ledger runs are used at once.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ledger.canonical import JsonValue, parse_json
from ledger.errors import BadInput, Unavailable, WrongUse

MAX_FILE_BYTES: Final = 16 * 1024
_NAMES = {
    "access_key": "AWS_ACCESS_KEY_ID",
    "secret_key": "AWS_SECRET_ACCESS_KEY",
    "session_token": "AWS_SESSION_TOKEN",
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key with its secret; `session_token` where the keys are temporary."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def from_environment(environment: Mapping[str, str] = os.environ) -> Credentials:
    """From the names that every S3 program reads: AWS_ACCESS_KEY_ID and so on. `WrongUse` MEDIA_CREDENTIALS."""
    values = {name: environment[variable] for name, variable in _NAMES.items() if environment.get(variable)}
    if not {"access_key", "secret_key"} <= values.keys():
        raise WrongUse(
            "MEDIA_CREDENTIALS",
            "No keys for the S3 store are given.",
            where="AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
            cure="Set both, or name a file with them as credentials in media.json.",
        )
    return _checked(dict(values), "the environment")


def from_file(path: Path) -> Credentials:
    """From `{"access_key": …, "secret_key": …, "session_token": …}`, the last one as the case may be.

    `Unavailable` MEDIA_CREDENTIALS (it cannot be read); `WrongUse` MEDIA_CREDENTIALS (others may read it); `BadInput`
    MEDIA_CREDENTIALS, JSON_….
    """
    try:
        with path.open("rb") as file:
            mode, raw = stat.S_IMODE(os.fstat(file.fileno()).st_mode), file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Unavailable(
            "MEDIA_CREDENTIALS",
            f"The keys of the S3 store cannot be read: {error.strerror}.",
            where=str(path),
            cure="Write them there, or correct the path in media.json.",
        ) from error
    if mode & 0o077:
        raise WrongUse(
            "MEDIA_CREDENTIALS",
            f"Others may read or change the keys of the S3 store (mode {mode:04o}).",
            where=str(path),
            cure="Take the rights away with `chmod 600`; if others could read it, exchange the keys.",
        )
    return _checked(parse_json(raw, max_bytes=MAX_FILE_BYTES), str(path))


def _checked(value: JsonValue, where: str) -> Credentials:
    # Printable ASCII without blanks: they become part of a header.
    if (
        not isinstance(value, dict)
        or not {"access_key", "secret_key"} <= value.keys() <= _NAMES.keys()
        or not all(isinstance(each, str) and each.isascii() and each.isprintable() for each in value.values())
        or any(not each or " " in str(each) for each in value.values())
    ):
        raise BadInput(
            "MEDIA_CREDENTIALS",
            "These are no keys of an S3 store: access_key and secret_key, and session_token for temporary ones.",
            where=where,
            cure="Write them as the store's console shows them.",
        )
    return Credentials(**{name: str(each) for name, each in value.items()})
