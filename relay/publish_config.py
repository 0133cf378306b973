"""How a relay is told which log to publish: the ledger, its operator's key, the anchorer's account, the trust root.

The anchorer's account is another than the relay's: each keeps its own nonces. May never happen here: a trust root that
is not of this deployment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from contracts.manifest import Manifest, Role
from ledger.bundle import TrustRoot
from ledger.canonical import JsonValue
from ledger.config_file import fields_of, non_empty, read_file
from ledger.errors import WrongUse
from ledger.secp256k1 import SigningKey
from relay.pace import Pace

MAX_SECONDS: Final = 30 * 24 * 3600
MAX_ENTRIES: Final = 10_000_000
MAX_KEY_CHARS: Final = 256

_FIELDS = {"ledger", "operator_key", "key", "trust_root"}
_OPTIONAL = {"every_seconds", "entries", "stamps"}


@dataclass(frozen=True, slots=True)
class PublishConfig:
    """Which log is published. `ledger`: its URL; `operator_key`: of its operator; `key`: the anchorer's account;
    `root`: whose cosignatures count; `stamps`: an RFC 3161 authority's URL, None for nobody's.
    """

    ledger: str
    operator_key: str = field(repr=False)
    key: SigningKey
    root: TrustRoot
    pace: Pace
    stamps: str | None = None

    def require(self, manifest: Manifest, payer: SigningKey) -> None:
        """`WrongUse` PUBLISH_TRUST_ROOT (of another log or deployment), PUBLISH_ACCOUNT (the relay's own),
        PUBLISH_STAMPS (the trust root names no authority).
        """
        stated = (self.root.log.name, self.root.log.public_key, self.root.origin, self.root.anchor_registry)
        origin = manifest.chain(Role.ORIGIN)
        if stated != (manifest.log_origin, manifest.log_key, origin.end, origin.contracts.get("AnchorRegistry")):
            what = "the trust root is of another log, or of another deployment, than the manifest"
            raise WrongUse("PUBLISH_TRUST_ROOT", what, where="publish.trust_root", cure="Give the one made for it.")
        if self.key.address == payer.address:
            what = "the anchorer's account is the relay's: two programs would give out one nonce"
            raise WrongUse("PUBLISH_ACCOUNT", what, where="publish.key", cure="Give the relay an account of its own.")
        if self.stamps is not None and not self.root.timestamping:
            what = "the trust root names no authority whose timestamps count"
            raise WrongUse(
                "PUBLISH_STAMPS", what, where="publish.stamps", cure="Leave it out, or renew the trust root."
            )


def read_publishing(
    value: JsonValue,
    folder: Path,
    *,
    read_key: Callable[[Path], SigningKey],
    read_url: Callable[[JsonValue], str],
) -> PublishConfig:
    """The `publish` object of `relay.json`, whose paths start at `folder`.

    Errors: ValueError for a field that is missing, unknown or malformed; those of `TrustRoot.load` and `read_file`.
    """
    fields = fields_of(value, "publish", _FIELDS, _OPTIONAL)
    operator = read_file(folder / non_empty(fields["operator_key"])).strip()
    if not operator.isascii() or not 0 < len(operator) <= MAX_KEY_CHARS or b"\n" in operator:
        raise ValueError("publish.operator_key names no file with an operator's key")
    return PublishConfig(
        ledger=read_url(fields["ledger"]),
        operator_key=operator.decode("ascii"),
        key=read_key(folder / non_empty(fields["key"])),
        root=TrustRoot.load(read_file(folder / non_empty(fields["trust_root"]))),
        pace=Pace(
            seconds=_number(fields.get("every_seconds", int(Pace().seconds)), "every_seconds", MAX_SECONDS),
            entries=_number(fields.get("entries", Pace().entries), "entries", MAX_ENTRIES),
        ),
        stamps=read_url(fields["stamps"]) if "stamps" in fields else None,
    )


def _number(value: JsonValue, name: str, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise ValueError(f"publish.{name} is a whole number from 1 to {most}")
    return value
