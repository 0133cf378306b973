"""Three anvil nodes with a deployment, people with funds, and a tap on each chain for whoever is to be lied to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.manifest import Role, Rules, Seals
from contracts.node import Node, RpcNode
from contracts.plan import PLEDGE_LANES, HeaderTerms, LanePlan
from ledger.secp256k1 import SigningKey
from tests.acceptance.processes import Staff
from tests.chains import three_anvils
from tests.contracts.world import (
    CHAIN_IDS,
    COSIGNING_KEYS,
    HOLDER,
    LENDER,
    NOTARIES,
    OWNER,
    STRANGER,
    World,
    deploy_on,
)
from tests.simulator.network import Network
from tests.simulator.nodes import FaultyNode
from tests.simulator.proxy import proxied
from tests.simulator.qbft import keys
from tests.simulator.sealed import SealedNode

PAYER = SigningKey.from_secret(b"\x19" * 32)
PEOPLE = (OWNER, STRANGER, HOLDER, LENDER, PAYER)
# EIP-2935 stores the parent's hash, which underneath is not the sealed one: a sealed chain here does without.
HISTORY = "0x0000F90827F1C53a10cb7A02335B175320002935"


@dataclass
class Estate:
    """`urls`: where everybody reads the chains, by chain id; `taps`: what the notaries alone read them through."""

    world: World
    network: Network
    urls: dict[int, str]
    taps: dict[Role, FaultyNode]
    tap_urls: dict[int, str]

    def staff(self, folder: Path) -> Staff:
        """Its notaries and a relay as processes."""
        pairs = list(zip(NOTARIES, COSIGNING_KEYS, strict=True))
        return Staff(folder, self.world.manifest, pairs, PAYER, notary_nodes=self.tap_urls, relay_nodes=self.urls)

    def mine(self, role: Role, blocks: int = 1) -> None:
        """Empty blocks."""
        self.world.nodes[role].request("anvil_mine", hex(blocks))


@contextmanager
def estate(
    *,
    sealed: Mapping[Role, int] | None = None,
    lanes: Sequence[LanePlan] = PLEDGE_LANES,
    finality_blocks: int = 0,
    read: Collection[Role] = (),
    **options: Any,
) -> Iterator[Estate]:
    """`sealed`: chains that validators seal, with the number of the first key; `read`: chains whose state others read
    under the headers they hold; `options`: of the deployment.
    """
    with ExitStack() as stack:
        nodes: dict[Role, Node] = {}
        urls, taps, tap_urls, planned = {}, {}, {}, {}
        for role, anvil in stack.enter_context(three_anvils()).items():
            client = RpcNode(anvil.url)
            stack.callback(client.close)
            _prepare(client)
            node: Node = client
            rules: dict[str, Any] = {"trie": "keeps_zero_leaves", "finality_blocks": finality_blocks}
            if sealed and role in sealed:
                client.request("anvil_setCode", HISTORY, "0x")
                client.request("anvil_mine", "0x1")
                node = sealing = SealedNode(client, keys(4, first=sealed[role]))
                first = sealing.header(int(client.request("eth_blockNumber"), 16)).unsealed
                planned[role] = {
                    "rules": Rules(**rules, seals=Seals.QBFT),
                    "headers": HeaderTerms(first_header=first, is_read=role in read),
                }
            else:
                planned[role] = {"rules": Rules(**rules), "headers": HeaderTerms(is_read=role in read)}
            urls[CHAIN_IDS[role]] = stack.enter_context(proxied(node)) if node is not client else anvil.url
            shown = RpcNode(urls[CHAIN_IDS[role]])
            stack.callback(shown.close)
            nodes[role], taps[role] = shown, FaultyNode(node)
            tap_urls[CHAIN_IDS[role]] = stack.enter_context(proxied(taps[role]))
        world = deploy_on(nodes, NOTARIES, changed=planned, lanes=lanes, **options)
        yield Estate(world, Network(world), urls, taps, tap_urls)


def _prepare(node: RpcNode) -> None:
    """Funds for everybody; a block follows, so that every block's state is what its header says."""
    for key in PEOPLE:
        node.request("anvil_setBalance", f"0x{key.address.hex()}", hex(10**21))
    node.request("anvil_mine", "0x1")
