"""The deployment manifest: what a verifier, a notary and a relay must agree on before they look at any message.

It names chains, contracts, rules and keys, and no URL: everyone reads the chains through nodes of their own choice, and
`pledgetrail contracts verify` compares it with them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from contracts.chain_manifest import ChainManifest, Lane, Limits, Observer, Role, exactly
from contracts.chain_rules import Policy, Rules, Seals, Trie, count, flag, require_served
from ledger.canonical import JsonLike, canonical_json, parse_json
from ledger.errors import BadInput, Refused
from ledger.hash_lock import Bounds, End
from ledger.hash_lock import Lane as ValueLane
from ledger.membership import Member, operator_digest
from ledger.proposal import Chain
from ledger.quorum import Committee

__all__ = [
    "FORMAT",
    "NOTARY_POLICY",
    "ChainManifest",
    "Cosigner",
    "Lane",
    "Limits",
    "Manifest",
    "Observer",
    "Policy",
    "Role",
    "Rotation",
    "Rules",
    "Seals",
    "Trie",
    "members_of",
    "pretty",
]

FORMAT = "pledgetrail/manifest/v2"
NOTARY_POLICY = Policy.NOTARY.value


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
    """A whole deployment: three chains, the committee of the epoch, the evidence log with its cosigners, and the pairs
    of hash locks that carry value beside the lanes of messages.

    Errors: `Refused` POLICY_CAPABILITY for a lane that asks for more than its chains can do.
    """

    chains: tuple[ChainManifest, ...]
    committee: Committee
    cosigners: tuple[Cosigner, ...]
    log_origin: str
    log_key: bytes
    rotation: Rotation = Rotation()
    anchorer: bytes = bytes(20)
    value_lanes: tuple[ValueLane, ...] = ()

    def __post_init__(self) -> None:
        rules = {chain.chain_id: chain.rules for chain in self.chains}
        for chain in self.chains:
            for lane in chain.lanes:
                if lane.origin not in rules or lane.origin == chain.chain_id:
                    raise BadInput("MANIFEST_FORMAT", "a lane comes from no chain of the manifest", where=chain.caip2)
                where = f"lane from eip155:{lane.origin} to {chain.caip2}"
                require_served(lane.policy, origin=rules[lane.origin], destination=chain.rules, where=where)

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
        members = [f"0x{member.hex()}" for member in self.committee.members]
        value: JsonLike = {
            "format": FORMAT,
            "chains": [chain.as_json() for chain in self.chains],
            "committee": {"epoch": self.committee.epoch, "members": members},
            "cosigners": [{"name": c.name, "public_key": c.public_key.hex()} for c in self.cosigners],
            "rotation": asdict(self.rotation),
            "log": {
                "origin": self.log_origin,
                "public_key": self.log_key.hex(),
                "anchorer": f"0x{self.anchorer.hex()}",
            },
            "value_lanes": [_dump_value_lane(lane) for lane in self.value_lanes],
        }
        return canonical_json(value) + b"\n"

    @classmethod
    def load(cls, raw: bytes) -> Manifest:
        """Read a manifest; anything malformed is `BadInput` MANIFEST_FORMAT. Other errors as the class, CONFIG_SET."""
        value: Any = parse_json(raw)
        try:
            if value["format"] != FORMAT:
                raise ValueError(f"the format is not {FORMAT}")
            committee = value["committee"]
            return cls(
                chains=tuple(ChainManifest.from_json(chain) for chain in value["chains"]),
                committee=Committee(count(committee["epoch"]), tuple(exactly(m, 20) for m in committee["members"])),
                cosigners=tuple(Cosigner(c["name"], bytes.fromhex(c["public_key"])) for c in value["cosigners"]),
                log_origin=value["log"]["origin"],
                log_key=bytes.fromhex(value["log"]["public_key"]),
                rotation=_load_rotation(value["rotation"]),
                anchorer=exactly(value["log"]["anchorer"], 20),
                value_lanes=tuple(_load_value_lane(lane) for lane in value["value_lanes"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInput("MANIFEST_FORMAT", f"the deployment manifest is malformed: {error!r}") from error


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


def pretty(manifest: Manifest) -> str:
    """The manifest for people to read."""
    return json.dumps(json.loads(manifest.dump()), indent=2)


def _load_rotation(value: dict[str, Any]) -> Rotation:
    return Rotation(count(value["delay"]), count(value["grace"]), flag(value["development"]))


def _dump_value_lane(lane: ValueLane) -> dict[str, Any]:
    return {
        "initiator": _dump_end(lane.initiator),
        "responder": _dump_end(lane.responder),
        "bounds": asdict(lane.bounds),
    }


def _load_value_lane(value: Any) -> ValueLane:
    bounds = Bounds(**{name: count(number) for name, number in value["bounds"].items()})
    return ValueLane(_load_end(value["initiator"]), _load_end(value["responder"]), bounds)


def _dump_end(end: End) -> dict[str, Any]:
    return {
        "chain_id": end.chain_id,
        "genesis": f"0x{end.genesis.hex()}",
        "lock": f"0x{end.lock.hex()}",
        "token": f"0x{end.token.hex()}",
    }


def _load_end(value: Any) -> End:
    genesis, lock, token = exactly(value["genesis"], 32), exactly(value["lock"], 20), exactly(value["token"], 20)
    return End(count(value["chain_id"]), genesis, lock, token)
