"""Whether this is the chain that the manifest means."""

from __future__ import annotations

from contracts.node import data, quantity
from contracts.verify.findings import Comparison
from contracts.verify.sight import Sight

_CURE = "Point --node at a node of the chain that the manifest names."


def check_network(sight: Sight) -> Comparison:
    """Chain id, genesis hash, and that the chain is longer than its deployment."""
    kept, chain = Comparison(sight.where, "network"), sight.chain
    chain_id = quantity(sight.node.request("eth_chainId"), what="chain id")
    kept.equal("NETWORK_CHAIN_ID", "the chain id", stated=chain.chain_id, found=chain_id, cure=_CURE)
    genesis = data(sight.block(0, full=False).get("hash"), what="genesis hash", length=32)
    kept.equal("NETWORK_GENESIS", "the genesis hash", stated=chain.genesis, found=genesis, cure=_CURE)
    what = f"the chain ends at block {sight.head}, before its deployment does at {chain.checked_from - 1}"
    kept.hold("NETWORK_BEHIND", what, holds=sight.head >= chain.checked_from - 1, cure="Wait until the node is synced.")
    return kept
