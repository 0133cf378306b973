"""How a relay is told what to carry: the deployment, a node of each chain, the notaries, and the account that pays.

Nothing here is secret but the account's key, which stands in a file of its own.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from contracts.manifest import Manifest
from contracts.submitter import Spending
from ledger.canonical import JsonValue
from ledger.config_file import about, fields_of, non_empty, read_fields, read_file
from ledger.errors import BadInput, WrongUse
from ledger.interoperable import parse_caip2
from ledger.secp256k1 import SigningKey
from relay.publish_config import PublishConfig, read_publishing

_FIELDS = {"manifest", "nodes", "notaries", "key"}
_OPTIONAL = {"database", "folder", "partners", "publish", "spending"}
_CURE = "See relay/README.md, section Configure, start, clear."
_WEI = re.compile(r"[1-9][0-9]{0,29}")
_KEY = re.compile(r"0x[0-9a-f]{64}\n?")


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """One relay. `nodes`: URL by EIP-155 id; `notaries`: (name, URL); `database`: the ledger's folder to index into;
    `partners`: the file that says who may use the partner API; `skipped`: where it is kept what is left alone, None for
    in memory.
    `folder`: where it writes down what it sends, None to keep that in memory; `spending`: what its account may pay;
    `publish`: the log that it publishes, None for none.

    Errors: `BadInput` CONFIG_FORMAT when a chain of the manifest has no node, or notaries share a name.
    """

    manifest: Manifest
    nodes: dict[int, str]
    notaries: tuple[tuple[str, str], ...]
    key: SigningKey
    database: Path | None = None
    partners: Path | None = None
    skipped: Path | None = None
    folder: Path | None = None
    spending: Spending = field(default_factory=Spending)
    publish: PublishConfig | None = None

    def __post_init__(self) -> None:
        wanted = {chain.chain_id for chain in self.manifest.chains}
        if set(self.nodes) != wanted:
            differing = ", ".join(f"eip155:{chain_id}" for chain_id in sorted(wanted ^ set(self.nodes)))
            raise _malformed("exactly one node is needed for each chain of the manifest", where=differing)
        if not self.notaries or len({name for name, _ in self.notaries}) != len(self.notaries):
            raise _malformed("notaries are at least one, each with a name of its own", where="notaries")
        if self.publish is not None:
            self.publish.require(self.manifest, self.key)

    @classmethod
    def load(cls, path: Path) -> RelayConfig:
        """Read a configuration file; relative paths start at it. See relay/README.md, section Configure, start, clear.

        Errors: `Unavailable` CONFIG_UNREADABLE; `BadInput` CONFIG_FORMAT, KEY_FORMAT, JSON_* and those of
        `Manifest.load`; `WrongUse` KEY_MODE.
        """
        with about(path, cure=_CURE):
            value = read_fields(path, _FIELDS, _OPTIONAL)
            nodes, notaries = value["nodes"], value["notaries"]
            if not isinstance(nodes, dict) or not isinstance(notaries, list):
                raise ValueError("nodes is an object and notaries a list")
            return cls(
                manifest=Manifest.load(read_file(path.parent / non_empty(value["manifest"]))),
                nodes={parse_caip2(name): _url(url) for name, url in nodes.items()},
                notaries=tuple(_notary(each) for each in notaries),
                key=read_key(path.parent / non_empty(value["key"])),
                database=path.parent / non_empty(value["database"]) if "database" in value else None,
                partners=path.parent / non_empty(value["partners"]) if "partners" in value else None,
                skipped=path.with_name(f"{path.stem}-skipped.json"),
                folder=path.parent / non_empty(value.get("folder", f"{path.stem}-folder")),
                spending=_spending(value.get("spending", {})),
                publish=_publishing(value.get("publish"), path.parent),
            )


def read_key(path: Path) -> SigningKey:
    """The paying account's key: 0x and 64 hex digits, readable by its owner only.

    Errors: `Unavailable` CONFIG_UNREADABLE; `WrongUse` KEY_MODE; `BadInput` KEY_FORMAT, which never shows the content.
    """
    raw = read_file(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise WrongUse("KEY_MODE", "others may read the key file", where=str(path), cure=f"chmod 600 {path}")
    text = raw.decode("ascii", errors="replace")
    if _KEY.fullmatch(text) is None:
        raise BadInput("KEY_FORMAT", "a key file holds 0x and 64 lower-case hex digits", where=str(path))
    return SigningKey.from_secret(bytes.fromhex(text[2:66]))


def _notary(value: JsonValue) -> tuple[str, str]:
    fields = fields_of(value, "a notary", {"name", "url"})
    return non_empty(fields["name"]), _url(fields["url"])


def _publishing(value: JsonValue, folder: Path) -> PublishConfig | None:
    if value is None:
        return None
    return read_publishing(value, folder, read_key=read_key, read_url=_url)


def _spending(value: JsonValue) -> Spending:
    names = {"lane_wei_per_day": "share_wei_per_day", "wei_per_day": "wei_per_day", "max_fee_wei": "max_fee_wei"}
    fields = fields_of(value, "spending", set(), set(names))
    # As text: a day's wei are more than a JSON number holds everywhere.
    if not all(isinstance(text, str) and _WEI.fullmatch(text) for text in fields.values()):
        raise ValueError("spending is in wei, as text of decimal digits")
    return Spending(**{names[name]: int(str(text)) for name, text in fields.items()})


def _url(value: JsonValue) -> str:
    text = non_empty(value)
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{text[:80]!r} is no http or https URL")
    return text


def _malformed(what: str, *, where: str) -> BadInput:
    return BadInput("CONFIG_FORMAT", what, where=where, cure=_CURE)
