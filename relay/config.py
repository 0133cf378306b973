"""How a relay is told what to carry: the deployment, a node of each chain, the notaries, and the account that pays.

Nothing here is secret but the account's key, which stands in a file of its own.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from contracts.manifest import Manifest
from ledger.canonical import JsonValue, parse_json
from ledger.config_file import non_empty, read_file
from ledger.errors import BadInput, Problem, WrongUse
from ledger.interoperable import parse_caip2
from ledger.secp256k1 import SigningKey

MAX_CONFIG_BYTES = 64 * 1024
_FIELDS = {"manifest", "nodes", "notaries", "key"}
_OPTIONAL = {"database", "partners"}
_KEY = re.compile(r"0x[0-9a-f]{64}\n?")


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """One relay. `nodes`: URL by EIP-155 id; `notaries`: (name, URL); `database`: the ledger's folder to index into;
    `partners`: the file that says who may use the partner API; `skipped`: where it is kept what is left alone, None for
    in memory.

    Errors: `BadInput` CONFIG_FORMAT when a chain of the manifest has no node, or notaries share a name.
    """

    manifest: Manifest
    nodes: dict[int, str]
    notaries: tuple[tuple[str, str], ...]
    key: SigningKey
    database: Path | None = None
    partners: Path | None = None
    skipped: Path | None = None

    def __post_init__(self) -> None:
        wanted = {chain.chain_id for chain in self.manifest.chains}
        if set(self.nodes) != wanted:
            differing = ", ".join(f"eip155:{chain_id}" for chain_id in sorted(wanted ^ set(self.nodes)))
            raise _malformed("exactly one node is needed for each chain of the manifest", where=differing)
        if not self.notaries or len({name for name, _ in self.notaries}) != len(self.notaries):
            raise _malformed("notaries are at least one, each with a name of its own", where="notaries")

    @classmethod
    def load(cls, path: Path) -> RelayConfig:
        """Read a configuration file; relative paths start at the file. See relay/README.md, section Configure.

        Errors: `Unavailable` CONFIG_UNREADABLE; `BadInput` CONFIG_FORMAT, KEY_FORMAT, JSON_* and those of
        `Manifest.load`; `WrongUse` KEY_MODE.
        """
        value = parse_json(read_file(path), max_bytes=MAX_CONFIG_BYTES)
        try:
            if not isinstance(value, dict) or not _FIELDS <= set(value) <= _FIELDS | _OPTIONAL:
                raise ValueError(f"the fields are {', '.join(sorted(_FIELDS))} and, if wanted, database, partners")
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
            )
        except ValueError as error:
            raise _malformed(str(error), where=str(path)) from error
        except Problem as problem:
            problem.where = problem.where or str(path)
            raise


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
    if not isinstance(value, dict) or set(value) != {"name", "url"}:
        raise ValueError("a notary has a name and a url")
    return non_empty(value["name"]), _url(value["url"])


def _url(value: JsonValue) -> str:
    text = non_empty(value)
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{text[:80]!r} is no http or https URL")
    return text


def _malformed(what: str, *, where: str) -> BadInput:
    return BadInput("CONFIG_FORMAT", what, where=where, cure="See relay/README.md, section Configure.")
