"""One's own nodes, opened as the configuration names them: one of a chain, or several of which most must agree."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

from contracts.node import Node, RpcNode
from contracts.several_nodes import SeveralNodes
from notary.config import NodeChoice


def connect(choices: Mapping[int, str | NodeChoice], opened: ExitStack) -> dict[int, Node]:
    """A client for each chain (EIP-155 id); `opened` closes them. Errors: those of `SeveralNodes`."""
    nodes: dict[int, Node] = {}
    for chain_id, choice in choices.items():
        several = NodeChoice((choice,)) if isinstance(choice, str) else choice
        endpoints = [RpcNode(url) for url in several.urls]
        for endpoint in endpoints:
            opened.callback(endpoint.close)
        if len(endpoints) == 1:
            nodes[chain_id] = endpoints[0]
        else:
            nodes[chain_id] = together = SeveralNodes(endpoints, agree=several.agree)
            opened.callback(together.close)
    return nodes
