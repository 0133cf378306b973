"""One chain in a manifest: its rules, what stands on it, whose it is, which lanes lead into it and by what proof."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from contracts.binding import Contract
from contracts.chain_rules import Policy, Rules, count, flag
from ledger.interoperable import caip2
from ledger.proposal import Chain


class Role(StrEnum):
    """What a chain is for in this deployment."""

    ORIGIN = "origin"
    DESTINATION = "destination"
    TRANSACTION = "transaction"


@dataclass(frozen=True, slots=True)
class Limits:
    """Units that a lane of value takes at once and in a window, and the window's length in seconds."""

    per_message: int
    per_window: int
    window: int


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane into a chain: from an account (20 bytes) on the chain with id `origin` to one that stands here.

    `limits`: None until the recipient's owner or the quorum has set some; then every transfer is held.
    """

    origin: int
    sender: bytes
    recipient: bytes
    policy: Policy = Policy.NOTARY
    generation: int = 1
    carries_value: bool = False
    limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class Observer:
    """Who shows a gateway that a message left the chain with id `origin`: `observer`, by what `headers` holds.

    Under policy *relay* `headers` is a `LightClient` that began with `first_header` (RLP, no seals) and trusts for
    `trust_period` seconds; under *certified* it is `CertifiedHeaders` and both are empty. `max_drift`: how far ahead of
    time a header may be; `block_period`: seconds between two blocks, at least. `reader`: the `RemoteReader` over the
    same headers, None where nobody reads the origin's state.
    """

    origin: int
    policy: Policy
    observer: bytes
    headers: bytes
    max_drift: int
    block_period: int
    trust_period: int = 0
    first_header: bytes = b""
    reader: bytes | None = None


@dataclass(frozen=True, slots=True)
class ChainManifest:
    """One chain of a deployment.

    `first_block`: where the deployment began; nothing of ours stands below it. `checked_from`: the first block notaries
    re-execute; the deployment ended before it. `contracts`, `owners`: addresses by contract name; an owner opens lanes
    and admits senders. `lanes`: into this chain.
    """

    name: str
    role: Role
    chain_id: int
    genesis: bytes
    rules: Rules
    first_block: int
    checked_from: int
    contracts: dict[str, bytes]
    owners: dict[str, bytes] = field(default_factory=dict)
    lanes: tuple[Lane, ...] = ()
    observers: tuple[Observer, ...] = ()

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

    def as_json(self) -> dict[str, Any]:
        """As it stands in a manifest."""
        return {
            "name": self.name,
            "role": self.role.value,
            "chain_id": self.chain_id,
            "genesis": _hex(self.genesis),
            "rules": self.rules.as_json(),
            "first_block": self.first_block,
            "checked_from": self.checked_from,
            "contracts": {name: _hex(address) for name, address in self.contracts.items()},
            "owners": {name: _hex(address) for name, address in self.owners.items()},
            "lanes": [_dump_lane(lane) for lane in self.lanes],
            "observers": [_dump_observer(observer) for observer in self.observers],
        }

    @classmethod
    def from_json(cls, value: Any) -> ChainManifest:
        """Read one. Errors: KeyError, TypeError, ValueError where malformed; `Refused` as `Policy.named`."""
        return cls(
            name=value["name"],
            role=Role(value["role"]),
            chain_id=count(value["chain_id"]),
            genesis=exactly(value["genesis"], 32),
            rules=Rules.from_json(value["rules"]),
            first_block=count(value["first_block"]),
            checked_from=count(value["checked_from"]),
            contracts={name: exactly(address, 20) for name, address in value["contracts"].items()},
            owners={name: exactly(address, 20) for name, address in value["owners"].items()},
            lanes=tuple(_load_lane(lane) for lane in value["lanes"]),
            observers=tuple(_load_observer(observer) for observer in value["observers"]),
        )


def exactly(text: str, length: int) -> bytes:
    """Hex data of a length; ValueError otherwise."""
    found = bytes.fromhex(text.removeprefix("0x"))
    if len(found) != length:
        raise ValueError(f"{text[:80]} is not {length} bytes")
    return found


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"


def _dump_lane(lane: Lane) -> dict[str, Any]:
    limits = lane.limits
    held = {"per_message": str(limits.per_message), "per_window": str(limits.per_window)} if limits else {}
    return {
        "origin": lane.origin,
        "sender": _hex(lane.sender),
        "recipient": _hex(lane.recipient),
        "policy": lane.policy.name.lower(),
        "generation": lane.generation,
        "carries_value": lane.carries_value,
        # Units go up to 2^112, more than a JSON number holds everywhere: as text.
        "limits": held | {"window": limits.window} if limits else None,
    }


def _load_lane(value: Any) -> Lane:
    limits = value["limits"]
    return Lane(
        origin=count(value["origin"]),
        sender=exactly(value["sender"], 20),
        recipient=exactly(value["recipient"], 20),
        policy=Policy.named(value["policy"]),
        generation=count(value["generation"]),
        carries_value=flag(value["carries_value"]),
        limits=None
        if limits is None
        else Limits(count(int(limits["per_message"])), count(int(limits["per_window"])), count(limits["window"])),
    )


def _dump_observer(observer: Observer) -> dict[str, Any]:
    return {
        "origin": observer.origin,
        "policy": observer.policy.name.lower(),
        "observer": _hex(observer.observer),
        "headers": _hex(observer.headers),
        "max_drift": observer.max_drift,
        "block_period": observer.block_period,
        "trust_period": observer.trust_period,
        "first_header": _hex(observer.first_header),
        # Only where there is one: a manifest without readers stays what it was, byte for byte.
        **({} if observer.reader is None else {"reader": _hex(observer.reader)}),
    }


def _load_observer(value: Any) -> Observer:
    return Observer(
        origin=count(value["origin"]),
        policy=Policy.named(value["policy"]),
        observer=exactly(value["observer"], 20),
        headers=exactly(value["headers"], 20),
        max_drift=count(value["max_drift"]),
        block_period=count(value["block_period"]),
        trust_period=count(value["trust_period"]),
        first_header=bytes.fromhex(value["first_header"].removeprefix("0x")),
        reader=exactly(value["reader"], 20) if "reader" in value else None,
    )
