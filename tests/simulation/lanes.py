"""Who sends what to whom in a run: three routes of value, each under a policy of its own and with an asset of its own.

A route has a vault on one chain and a voucher on the other: value travels out, where it is locked and minted, and home
again, where it is burned and released. The registry's acknowledgements travel under *notary*.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from contracts.binding import Contract, DecodedLog
from contracts.chain_rules import Policy, Rules
from contracts.manifest import ChainManifest, Manifest, Role
from ledger.ethereum.tx_receipt import Log
from ledger.interoperable import caip2
from ledger.proposal import Chain, Kind, Message, Proposal
from ledger.quorum import Committee
from notary import policy
from tests.simulation.logs import decoded

FINALITY = 3  # blocks
PERIOD = 1.0  # virtual seconds between two blocks
GENESIS_TIME = 1_800_000_000
LONG_SECONDS = 10_000  # until a message expires that nobody wants to expire
GRACE_SECONDS = 5
ORIGIN, DESTINATION, REGISTRY = 7001, 7002, 7003
OTHER = {ORIGIN: DESTINATION, DESTINATION: ORIGIN}
_ROLES = {ORIGIN: Role.ORIGIN, DESTINATION: Role.DESTINATION, REGISTRY: Role.TRANSACTION}
_CONTRACTS = ("Gateway", "TransactionRegistry")


@dataclass(frozen=True)
class Route:
    """Value of one asset between a vault on `ORIGIN` and a voucher on `DESTINATION`, both ways under one policy."""

    policy: Policy
    asset: bytes
    vault: bytes
    voucher: bytes

    @property
    def name(self) -> str:
        """The policy's name."""
        return self.policy.name.lower().replace("_", " ")

    def end(self, chain_id: int) -> bytes:
        """Its account on one of the two chains."""
        return self.vault if chain_id == ORIGIN else self.voucher


ROUTES = tuple(
    Route(policy, *(bytes([first + policy]) * size for first, size in ((0xA0, 32), (0x30, 20), (0x40, 20))))
    for policy in (Policy.NOTARY, Policy.RELAY, Policy.NOTARY_AND_RELAY)
)
_BY_SENDER = {(chain_id, route.end(chain_id)): route for route in ROUTES for chain_id in OTHER}


def route_of(message: Message) -> Route:
    """The route a transfer travels on; KeyError for what carries no value."""
    return _BY_SENDER[message.origin.chain_id, message.sender]


def policy_of(message: Message) -> Policy:
    """What the recipient's owner asks for on a message's lane."""
    return route_of(message).policy if message.kind is Kind.TRANSFER else Policy.NOTARY


@dataclass(frozen=True)
class _Model:
    address: bytes

    def decode_log(self, log: Log) -> DecodedLog | None:
        return decoded(log) if log.address == self.address else None


class ModelManifest(ChainManifest):
    """A chain's manifest whose contracts are the model's. Asked for the same very often, it works it out once."""

    caip2: str = cached_property(lambda self: caip2(self.chain_id))  # type: ignore[assignment]
    end: Chain = cached_property(  # type: ignore[assignment]
        lambda self: Chain(self.chain_id, self.genesis, self.contracts["Gateway"])
    )

    def contract(self, name: str) -> Contract:
        """The model's contract of that name."""
        return cast(Contract, _Model(self.contracts[name]))


class Deployment(Manifest):
    """The manifest of a run, likewise."""

    @cached_property
    def ends(self) -> dict[int, Chain]:
        """As `Manifest.ends`."""
        return {chain.chain_id: chain.end for chain in self.chains}

    @cached_property
    def _by_id(self) -> dict[int, ModelManifest]:
        return {chain.chain_id: chain for chain in self.models}

    def by_id(self, chain_id: int) -> ModelManifest | None:
        """As `Manifest.by_id`."""
        return self._by_id.get(chain_id)

    @property
    def models(self) -> tuple[ModelManifest, ...]:
        """The chains, as what they are."""
        return cast(tuple[ModelManifest, ...], self.chains)

    def leaf(self, log: Log, chain_id: int) -> Proposal:
        """A proven log as a proposal, by the notaries' rule. Errors: those of `policy.read_leaf`."""
        known: dict[tuple[Log, int], Proposal] = self.__dict__.setdefault("leaves", {})
        if (log, chain_id) not in known:
            origin = self.by_id(chain_id)
            assert origin is not None
            known[log, chain_id] = policy.read_leaf(log, origin=origin, manifest=self)
        return known[log, chain_id]


def deployment_of(seed: int, members: tuple[bytes, ...]) -> Deployment:
    """Three chains and a committee."""
    chains = tuple(_manifest(chain_id, role, seed) for chain_id, role in _ROLES.items())
    return Deployment(chains, Committee(1, members), (), "", b"")


def _manifest(chain_id: int, role: Role, seed: int) -> ModelManifest:
    contracts = {name: bytes([chain_id - 7000]) * 19 + bytes([place]) for place, name in enumerate(_CONTRACTS)}
    genesis = hashlib.sha256(f"{seed} {role.value}".encode()).digest()
    return ModelManifest(role.value, role, chain_id, genesis, Rules(finality_blocks=FINALITY), 0, 0, contracts)
