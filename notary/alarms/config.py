"""How the watch is told what to look at: the deployment, nodes and notaries, its folder, and what it measures by.

Nothing here is secret, and nothing needs a key: anybody may run a watch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from contracts.manifest import Manifest
from ledger.config_file import about, non_empty, read_fields, read_file
from ledger.errors import BadInput
from ledger.interoperable import parse_caip2
from notary.alarms.floor import Terms
from notary.alarms.notaries import MAX_NOTARIES
from notary.config import NodeChoice

_NEEDED = {"manifest", "nodes", "folder"}
_TERMS = {each.name for each in fields(Terms)} - {"manifest"}
_CURE = "See notary/README.md, section Watch."


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """One watch. `nodes`: by EIP-155 id, one or several; `notaries`: URLs of their APIs, none where nobody is asked;
    `folder`: what it remembers and its alarms, one process at a time.

    Errors: `BadInput` CONFIG_FORMAT when a chain of the manifest has no node, or there are too many notaries.
    """

    terms: Terms
    nodes: Mapping[int, str | NodeChoice]
    folder: Path
    notaries: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wanted = {chain.chain_id for chain in self.terms.manifest.chains}
        if set(self.nodes) != wanted or len(set(self.notaries)) != len(self.notaries) > 0:
            raise _malformed("a node is needed for each chain of the manifest, and each notary once", where="nodes")
        if len(self.notaries) > MAX_NOTARIES:
            raise _malformed(f"at most {MAX_NOTARIES} notaries are asked", where="notaries")

    @property
    def owner(self) -> bytes:
        """20 bytes that name the deployment: another one's folder is never taken for this one's."""
        return hashlib.sha256(self.terms.manifest.dump()).digest()[:20]

    @classmethod
    def load(cls, path: Path) -> WatchConfig:
        """Read a configuration file: {"manifest": path, "nodes": {"eip155:…": url or urls}, "folder": path}, and if you
        like "notaries": [urls] and any of the fields of `Terms`. Relative paths start at the file.

        Errors: `Unavailable` CONFIG_UNREADABLE; `BadInput` CONFIG_FORMAT, JSON_* and those of `Manifest.load`.
        """
        with about(path, cure=_CURE):
            value: Any = read_fields(path, _NEEDED, _TERMS | {"notaries"})
            terms = {name: value[name] for name in _TERMS & set(value)}
            notaries = value.get("notaries", [])
            if not all(type(each) is int for each in terms.values()) or not isinstance(notaries, list):
                raise ValueError("terms are whole numbers, and notaries a list of URLs")
            if not isinstance(value["nodes"], dict):
                raise ValueError("nodes is an object")
            return cls(
                terms=Terms(Manifest.load(read_file(path.parent / non_empty(value["manifest"]))), **terms),
                nodes={parse_caip2(name): NodeChoice.read(each) for name, each in value["nodes"].items()},
                folder=path.parent / non_empty(value["folder"]),
                notaries=tuple(non_empty(each) for each in notaries),
            )


def _malformed(what: str, *, where: str) -> BadInput:
    return BadInput("CONFIG_FORMAT", what, where=where, cure=_CURE)
