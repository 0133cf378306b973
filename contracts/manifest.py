"""The deployment manifest: what a verifier, a notary and a relay must agree on before they look at any message.

It names chains, contracts, rules and keys, and no URL: everyone reads the chains through nodes of their own choice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from contracts.binding import Contract
from ledger.canonical import canonical_json, parse_json
from ledger.errors import BadInput, Refused
from ledger.interoperable import caip2
from ledger.membership import Member, operator_digest
from ledger.proposal import Chain
from ledger.quorum import Committee

FORMAT = "pledgetrail/manifest/v1"
NOTARY_POLICY = 1  # lane policies as Gateway.vy numbers them; the only one offered so far


class Role(StrEnum):
    """What a chain is for in this deployment."""

    ORIGIN = "origin"
    DESTINATION = "destination"
    TRANSACTION = "transaction"


@dataclass(frozen=True, slots=True)
class ChainManifest:
    """One chain: who it is, which rules its blocks follow, when they are final, and what stands on it.

    `finality_blocks`: a block is final when this many stand above it; 0 where blocks are never reorganised.
    `trie`: how it keeps cleared slots (anvil keeps zero leaves). `first_block`: where the deployment began; nothing of
    ours stands below it. `checked_from`: the first block notaries re-execute; the deployment ended before it.
    """

    name: str
    role: Role
    chain_id: int
    genesis: bytes
    fork: str
    trie: Literal["standard", "keeps_zero_leaves"]
    finality_blocks: int
    first_block: int
    checked_from: int
    contracts: dict[str, bytes]

    @property
    def caip2(self) -> str:
        """Its CAIP-2 name."""
        return caip2(self.chain_id)

    @property
    def end(self) -> Chain:
        """It as one end of a message."""
        return Chain(self.chain_id, self.genesis, self.contracts["Gateway"])

    def contract(self, name: str) -> Contract:
        """A contract that stands on this chain; KeyError for one that does not."""
        return Contract(name, self.contracts[name])


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A notary's name and Ed25519 public key, as checkpoints are cosigned with it."""

    name: str
    public_key: bytes


@dataclass(frozen=True, slots=True)
class Rotation:
    """How committees follow one another, on every chain alike.

    `delay`: seconds between an order and its effect, at every contract that takes orders; `grace`: seconds for which a
    past epoch's certificates count; `development`: whether small sets are permitted.
    """

    delay: int = 2 * 24 * 3600
    grace: int = 24 * 3600
    development: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole deployment: three chains, the committee of the epoch, and the evidence log with its cosigners."""

    chains: tuple[ChainManifest, ...]
    committee: Committee
    cosigners: tuple[Cosigner, ...]
    log_origin: str
    log_key: bytes
    rotation: Rotation = Rotation()

    def chain(self, role: Role) -> ChainManifest:
        """The chain with a role."""
        return next(chain for chain in self.chains if chain.role is role)

    def by_id(self, chain_id: int) -> ChainManifest | None:
        """The chain with an EIP-155 id, None when it is not part of the deployment."""
        return next((chain for chain in self.chains if chain.chain_id == chain_id), None)

    @property
    def ends(self) -> dict[int, Chain]:
        """Every chain as an end of messages, by chain id."""
        return {chain.chain_id: chain.end for chain in self.chains}

    def dump(self) -> bytes:
        """Canonical JSON, ending in a newline."""
        return (
            canonical_json(
                {
                    "format": FORMAT,
                    "chains": [_dump_chain(chain) for chain in self.chains],
                    "committee": {
                        "epoch": self.committee.epoch,
                        "members": [f"0x{member.hex()}" for member in self.committee.members],
                    },
                    "cosigners": [{"name": c.name, "public_key": c.public_key.hex()} for c in self.cosigners],
                    "rotation": {
                        "delay": self.rotation.delay,
                        "grace": self.rotation.grace,
                        "development": self.rotation.development,
                    },
                    "log": {"origin": self.log_origin, "public_key": self.log_key.hex()},
                }
            )
            + b"\n"
        )

    @classmethod
    def load(cls, raw: bytes) -> Manifest:
        """Read a manifest; anything malformed is `BadInput` MANIFEST_FORMAT."""
        value: Any = parse_json(raw)
        try:
            if value["format"] != FORMAT:
                raise ValueError(f"the format is not {FORMAT}")
            return cls(
                chains=tuple(_load_chain(chain) for chain in value["chains"]),
                committee=Committee(
                    value["committee"]["epoch"], tuple(_bytes(m, 20) for m in value["committee"]["members"])
                ),
                cosigners=tuple(Cosigner(c["name"], bytes.fromhex(c["public_key"])) for c in value["cosigners"]),
                log_origin=value["log"]["origin"],
                log_key=bytes.fromhex(value["log"]["public_key"]),
                rotation=_load_rotation(value["rotation"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInput("MANIFEST_FORMAT", f"the deployment manifest is malformed: {error!r}") from error


def _dump_chain(chain: ChainManifest) -> dict[str, Any]:
    return {
        "name": chain.name,
        "role": chain.role.value,
        "chain_id": chain.chain_id,
        "genesis": f"0x{chain.genesis.hex()}",
        "fork": chain.fork,
        "trie": chain.trie,
        "finality_blocks": chain.finality_blocks,
        "first_block": chain.first_block,
        "checked_from": chain.checked_from,
        "contracts": {name: f"0x{address.hex()}" for name, address in chain.contracts.items()},
    }


def _load_chain(value: dict[str, Any]) -> ChainManifest:
    if value["trie"] not in ("standard", "keeps_zero_leaves"):
        raise ValueError("unknown trie rule")
    return ChainManifest(
        name=value["name"],
        role=Role(value["role"]),
        chain_id=int(value["chain_id"]),
        genesis=_bytes(value["genesis"], 32),
        fork=value["fork"],
        trie=value["trie"],
        finality_blocks=int(value["finality_blocks"]),
        first_block=int(value["first_block"]),
        checked_from=int(value["checked_from"]),
        contracts={name: _bytes(address, 20) for name, address in value["contracts"].items()},
    )


def _load_rotation(value: dict[str, Any]) -> Rotation:
    if type(value["development"]) is not bool:
        raise ValueError("development is neither true nor false")
    return Rotation(int(value["delay"]), int(value["grace"]), value["development"])


def members_of(committee: Committee, cosigners: Sequence[Cosigner]) -> tuple[Member, ...]:
    """The members' records as the committee contracts hold them: an operator is named as its cosigner is.

    Errors: `Refused` CONFIG_SET unless there is one cosigner per member.
    """
    if len(cosigners) != len(committee.members):
        raise Refused("CONFIG_SET", f"{len(committee.members)} members and {len(cosigners)} cosigners")
    return tuple(
        Member(operator_digest(cosigner.name), attesting, cosigner.public_key)
        for attesting, cosigner in zip(committee.members, cosigners, strict=True)
    )


def _bytes(text: str, length: int) -> bytes:
    found = bytes.fromhex(text.removeprefix("0x"))
    if len(found) != length:
        raise ValueError(f"{text[:80]} is not {length} bytes")
    return found


def pretty(manifest: Manifest) -> str:
    """The manifest for people to read."""
    return json.dumps(json.loads(manifest.dump()), indent=2)
