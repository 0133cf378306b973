"""How a notary is told who it is: its place in the committee, the deployment, its own nodes and its folder.

A notary that reads another manifest is another notary. Nothing here is secret: keys stand in the folder, never here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.manifest import Manifest
from ledger.canonical import JsonValue
from ledger.config_file import about, fields_of, non_empty, read_fields, read_file
from ledger.errors import BadInput
from ledger.interoperable import parse_caip2
from ledger.note import check_name

DEFAULT_GUARD = "notary-guard"  # beside the configuration file
_OPTIONAL = {"guard", "name", "password_file", "token"}
_FIELDS = {"index", "manifest", "nodes", "folder"}
_CURE = "See notary/README.md, section Configure."


@dataclass(frozen=True, slots=True)
class NodeChoice:
    """Several independent nodes of one chain. `agree`: how many must answer alike; None for more than half."""

    urls: tuple[str, ...]
    agree: int | None = None

    @classmethod
    def read(cls, value: Any) -> str | NodeChoice:
        """A URL, a list of URLs, or {"urls", "agree"}. Errors: ValueError."""
        if isinstance(value, str):
            return non_empty(value)
        fields = {"urls": value, "agree": None} if isinstance(value, list) else value
        if not isinstance(fields, dict) or set(fields) != {"urls", "agree"} or not isinstance(fields["urls"], list):
            raise ValueError('the nodes of a chain are a URL, a list of them, or an object with "urls" and "agree"')
        urls, agree = tuple(non_empty(url) for url in fields["urls"]), fields["agree"]
        if not (agree is None or type(agree) is int) or not urls or len(set(urls)) != len(urls):
            raise ValueError("the nodes of a chain are different URLs, of which a whole number agree")
        if agree is not None and not len(urls) < 2 * agree <= 2 * len(urls):
            raise ValueError(f"more than half of {len(urls)} nodes must agree, and no more than there are")
        return cls(urls, agree)


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where keys are: the PKCS#11 `library` (a path), the token's `label`, the attesting `key`'s own label in it, and
    the label of the `cosigning` key, None where that key stays in the notary's folder."""

    library: str
    label: str
    key: str
    cosigning: str | None = None

    @classmethod
    def read(cls, value: JsonValue) -> TokenPlace:
        """From its JSON object. Errors: ValueError."""
        fields = fields_of(value, "token", {"library", "label", "key"}, {"cosigning"})
        return cls(**{name: non_empty(each) for name, each in fields.items()})


@dataclass(frozen=True, slots=True)
class NotaryConfig:
    """One notary. `index`: its place among the members of the manifest's committee, from 0; None for a member of a
    later epoch, whose place the chains say. `nodes`: its own node of each chain, by EIP-155 id, or several.
    `folder`: keys, journal and lock; one process at a time. `guard`: a folder outside it in which this machine
    remembers how far each key's journal has come; None to remember nothing. `password_file`: opens sealed keys; None to
    look in the environment. `token`: where the attesting key is, if it is not in the folder; the password is its PIN.
    `name`: the operator's name, which a member of a later epoch cosigns under; the manifest says it for the others.

    Errors: `BadInput` CONFIG_FORMAT when a chain of the manifest has no node, or the index is no member's; KEY_NAME.
    """

    index: int | None
    manifest: Manifest
    nodes: Mapping[int, str | NodeChoice]
    folder: Path
    guard: Path | None = None
    password_file: Path | None = None
    token: TokenPlace | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        wanted = {chain.chain_id for chain in self.manifest.chains}
        if set(self.nodes) != wanted:
            missing = ", ".join(f"eip155:{chain_id}" for chain_id in sorted(wanted ^ set(self.nodes)))
            raise _malformed("exactly one node is needed for each chain of the manifest", where=missing)
        members = len(self.manifest.committee.members)
        if self.index is None:
            if self.name is not None:
                check_name(self.name)
            return
        if self.name is not None:
            raise _malformed("the manifest names the operator of its own members", where="name")
        if not 0 <= self.index < members or len(self.manifest.cosigners) != members:
            raise _malformed(f"the index is not that of one of {members} members with a cosigning key", where="index")

    @classmethod
    def load(cls, path: Path) -> NotaryConfig:
        """Read a configuration file: {"index", "manifest": path, "nodes": {"eip155:…": url or urls}, "folder": path}.

        Relative paths start at the file. Errors: `Unavailable` CONFIG_UNREADABLE; `BadInput` CONFIG_FORMAT, JSON_* and
        those of `Manifest.load`.
        """
        with about(path, cure=_CURE):
            value = read_fields(path, _FIELDS, _OPTIONAL)
            index, manifest, nodes, folder = (value[name] for name in ("index", "manifest", "nodes", "folder"))
            if not (index is None or type(index) is int) or not isinstance(nodes, dict):
                raise ValueError("index is an integer or null, and nodes an object")
            password_file = path.parent / non_empty(value["password_file"]) if "password_file" in value else None
            return cls(
                index=index,
                manifest=Manifest.load(read_file(path.parent / non_empty(manifest))),
                nodes={parse_caip2(name): NodeChoice.read(each) for name, each in nodes.items()},
                folder=path.parent / non_empty(folder),
                password_file=password_file,
                token=TokenPlace.read(value["token"]) if "token" in value else None,
                name=non_empty(value["name"]) if "name" in value else None,
                guard=path.parent / non_empty(value.get("guard", DEFAULT_GUARD)),
            )


def _malformed(what: str, *, where: str) -> BadInput:
    return BadInput("CONFIG_FORMAT", what, where=where, cure=_CURE)
