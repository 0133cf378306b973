"""Who may use the partner API, and under which limits: the file that `partners` in relay.json names.

No secret stands in it: of an API key only the SHA-256. A key has 256 random bits, so that a fast digest hides it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from ledger.canonical import JsonValue
from ledger.config_file import about, fields_of, non_empty, read_fields
from ledger.errors import WrongUse
from ledger.http.guard import host_of

MAX_CONFIG_BYTES = 256 * 1024
MAX_PARTNERS = 1_000
MAX_RATE = 10_000

_FIELDS = {"folder", "partners"}
_OPTIONAL = {"public_url", "private_webhooks", "requests_per_second", "burst"}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAMING = "a partner's name has 1 to 63 lower-case letters, digits and hyphens"
_KEY_PREFIX = "ptk_"


@dataclass(frozen=True, slots=True)
class Partner:
    """A partner's name (lower-case letters, digits and hyphens) and the SHA-256 of its API key (32 bytes)."""

    name: str
    key_digest: bytes


@dataclass(frozen=True, slots=True)
class PartnerConfig:
    """`folder`: where the counter keeps its book; `public_url`: the name partners use, empty for this machine only;
    `private_webhooks`: development only, lets webhooks go to private addresses and plain HTTP; `rate`, `burst`:
    requests of one partner, per second and at once.
    """

    folder: Path
    partners: tuple[Partner, ...]
    public_url: str = ""
    private_webhooks: bool = False
    rate: int = 20
    burst: int = 60

    @classmethod
    def load(cls, path: Path) -> PartnerConfig:
        """Read the file; relative paths start at it. Errors: `Unavailable` CONFIG_UNREADABLE; `BadInput` CONFIG_FORMAT,
        JSON_*.
        """
        with about(path, cure="See relay/README.md, section Partners."):
            value = read_fields(path, _FIELDS, _OPTIONAL, max_bytes=MAX_CONFIG_BYTES)
            return cls(
                folder=path.parent / non_empty(value["folder"]),
                partners=_partners(value["partners"]),
                public_url=_url(value.get("public_url", "")),
                private_webhooks=_flag(value.get("private_webhooks", False)),
                rate=_number(value.get("requests_per_second", 20)),
                burst=_number(value.get("burst", 60)),
            )


def make_key() -> tuple[str, str]:
    """A new API key, to be given to the partner and kept nowhere else, and its digest for the file, both as text."""
    key = _KEY_PREFIX + secrets.token_urlsafe(32)
    return key, digest_of(key).hex()


def check_name(name: str) -> None:
    """Refuse what cannot be a partner's name. `WrongUse` PARTNER_NAME."""
    if _NAME.fullmatch(name) is None:
        raise WrongUse("PARTNER_NAME", _NAMING, where=ascii(name)[:80])


def digest_of(key: str) -> bytes:
    """The SHA-256 of a key's UTF-8 bytes."""
    return hashlib.sha256(key.encode()).digest()


def _partners(value: JsonValue) -> tuple[Partner, ...]:
    if not isinstance(value, list) or len(value) > MAX_PARTNERS:
        raise ValueError(f"partners is a list of at most {MAX_PARTNERS}")
    found = tuple(_partner(each) for each in value)
    if len({each.name for each in found}) < len(found) or len({each.key_digest for each in found}) < len(found):
        raise ValueError("two partners share a name or a key")
    return found


def _partner(value: JsonValue) -> Partner:
    fields = fields_of(value, "a partner", {"name", "key_sha256"})
    name, digest = fields["name"], fields["key_sha256"]
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise ValueError(_NAMING)
    if not isinstance(digest, str) or _DIGEST.fullmatch(digest) is None:
        raise ValueError("key_sha256 is 64 lower-case hex digits: see `pledgetrail relay partner-key`")
    return Partner(name, bytes.fromhex(digest))


def _url(value: JsonValue) -> str:
    if not isinstance(value, str) or (value and not (value.startswith(("https://", "http://")) and host_of(value))):
        raise ValueError("public_url is an http or https URL")
    return value


def _flag(value: JsonValue) -> bool:
    if not isinstance(value, bool):
        raise ValueError("private_webhooks is true or false")
    return value


def _number(value: JsonValue) -> int:
    if type(value) is not int or not 0 < value <= MAX_RATE:
        raise ValueError(f"rates are whole numbers from 1 to {MAX_RATE}")
    return value
