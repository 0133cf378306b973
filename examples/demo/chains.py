"""The demo's three chains: embedded ones in the data folder, or nodes of the user's own by URL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts.embedded.genesis import Genesis
from contracts.embedded.server import EmbeddedNode
from contracts.manifest import Role
from contracts.node import RpcNode, quantity
from contracts.transactor import Transactor
from ledger.secp256k1 import SigningKey

NAMES = {Role.ORIGIN: "estate", Role.DESTINATION: "lender", Role.TRANSACTION: "transaction"}
EMBEDDED_IDS = {Role.ORIGIN: 7101, Role.DESTINATION: 7102, Role.TRANSACTION: 7103}
FUNDS_WEI = 10**24


@dataclass(slots=True)
class Chains:
    """Three nodes by role with their chain ids; `embedded` are ours to stop."""

    nodes: dict[Role, RpcNode]
    ids: dict[Role, int]
    embedded: list[EmbeddedNode]

    @property
    def urls(self) -> dict[int, str]:
        """Node URLs by chain id."""
        return {self.ids[role]: node.url for role, node in self.nodes.items()}

    def transactor(self, role: Role, key: SigningKey) -> Transactor:
        """An account on a chain."""
        return Transactor(self.nodes[role], key, chain_id=self.ids[role])

    def stop(self) -> None:
        """Close connections and stop the embedded chains."""
        for node in self.nodes.values():
            node.close()
        for chain in self.embedded:
            chain.stop()


def open_chains(folder: Path, urls: Mapping[Role, str], accounts: Iterable[SigningKey]) -> Chains:
    """Start the embedded chains in `folder`, or connect to the given nodes, one for each role.

    Errors: those of `EmbeddedNode.start` and `Node.request`.
    """
    if urls:
        nodes = {role: RpcNode(urls[role]) for role in Role}
        ids = {role: quantity(node.request("eth_chainId"), what="chain id") for role, node in nodes.items()}
        return Chains(nodes, ids, [])
    funded = {f"0x{key.address.hex()}": FUNDS_WEI for key in accounts}
    embedded: list[EmbeddedNode] = []
    try:
        for role in Role:
            genesis = Genesis(EMBEDDED_IDS[role], funded)
            embedded.append(EmbeddedNode.start(folder / NAMES[role], genesis))
    except BaseException:
        for chain in embedded:
            chain.stop()
        raise
    nodes = {role: RpcNode(chain.url) for role, chain in zip(Role, embedded, strict=True)}
    return Chains(nodes, dict(EMBEDDED_IDS), embedded)
