"""`pledgetrail contracts rotation`: the order that began the epoch after a trust root's, read from one chain.

What is written proves itself: whoever renews a trust root by it asks no chain. May never happen here: an order that
the trust root's notaries did not sign.
"""

from __future__ import annotations

from pathlib import Path

from contracts.epochs import order_of
from contracts.manifest import Manifest, Role
from contracts.node import RpcNode, quantity
from ledger.bundle import TrustRoot
from ledger.bundle.trust_root import MAX_TRUST_ROOT_BYTES
from ledger.config_file import read_file
from ledger.errors import BadInput, WrongUse


def rotation_order(manifest: Path, trust_root: Path, node: str) -> bytes:
    """The order as a file's bytes. `node`: ROLE=URL.

    Errors: `WrongUse` NODE_OPTION, NO_COMMITTEE; those of `Manifest.load`, `TrustRoot.load` and `order_of`; `BadInput`
    TRUST_ROOT_FORMAT for a file that is too long.
    """
    role, separator, url = node.partition("=")
    if not separator or role not in set(Role):
        raise WrongUse("NODE_OPTION", "--node takes ROLE=URL, for example origin=http://127.0.0.1:8545", where=node)
    raw = read_file(trust_root)
    if len(raw) > MAX_TRUST_ROOT_BYTES:
        raise BadInput("TRUST_ROOT_FORMAT", "This is not a trust root: it is too long.", where=str(trust_root))
    held, chain = TrustRoot.load(raw).pinned, Manifest.load(read_file(manifest)).chain(Role(role))
    if "Committee" not in chain.contracts:
        raise WrongUse("NO_COMMITTEE", "the manifest names no committee on this chain", where=chain.caip2)
    asked = RpcNode(url)
    try:
        height = quantity(asked.request("eth_blockNumber"), what="block number")
        order = order_of(chain, asked, held.epoch + 1, before=held.committee.members, height=height)
    finally:
        asked.close()
    return order.dump()
