"""The origin chain as the publisher needs it: what is anchored there, and the two calls that anchor and carry.

The chain is asked each time; nothing is remembered but what is written down before it is sent (`contracts/submitter`).
May never happen here: a second transaction for a call of ours that still waits for its block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from contracts.binding import log_topic
from contracts.manifest import Manifest, Role
from contracts.node import data, quantity
from contracts.submitter import Submitter
from ledger.checkpoint import CosignedCheckpoint
from ledger.errors import Problem, Unavailable
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import Log
from ledger.interoperable import encode
from relay.watcher import last_final


@dataclass(frozen=True, slots=True)
class Anchored:
    """The latest anchor: size, root (32 bytes), the block its log stands in, and whether that is final."""

    size: int
    root: bytes
    block: int
    is_final: bool


class AnchorChain(Protocol):
    """The origin chain. Errors: `Refused`, `Unavailable`."""

    def settle(self) -> bool:
        """Whether something of ours still waits for a block. Errors: also what became of what was sent, once."""
        ...

    def anchored(self) -> Anchored | None:
        """The latest anchor; None before the first."""
        ...

    def anchor(self, cosigned: CosignedCheckpoint) -> None:
        """Send an anchor. Only what was opened with a quorum's cosignatures has this type."""
        ...

    def carried(self, anchored: Anchored) -> list[bytes]:
        """Ids of the messages that carry this anchor, oldest first."""
        ...

    def carry(self, anchored: Anchored) -> None:
        """Send the latest anchor, which is this one, to the destination's mirror."""
        ...


class NodeAnchors:
    """An `AnchorChain` behind a node. `sender` pays, and is the manifest's anchorer."""

    def __init__(self, manifest: Manifest, sender: Submitter) -> None:
        self._chain, self._sender, self._node = manifest.chain(Role.ORIGIN), sender, sender.node
        self._registry, self._gateway = self._chain.contract("AnchorRegistry"), self._chain.contract("Gateway")
        destination = manifest.chain(Role.DESTINATION)
        self._mirror = encode(destination.chain_id, destination.contracts["AnchorMirror"])
        self._latest: Anchored | None = None

    def settle(self) -> bool:
        for ticket in self._sender.poll():
            if isinstance(ticket.outcome, Problem):
                raise ticket.outcome
        return bool(self._sender.in_flight)

    def anchored(self) -> Anchored | None:
        size = int(self._registry.read(self._node, "latest_size"))
        if size == 0:
            return None
        held = self._latest
        if held is None or held.size != size or not held.is_final:
            held = self._latest = self._find(size)
        return held

    def anchor(self, cosigned: CosignedCheckpoint) -> None:
        checkpoint = cosigned.checkpoint
        self._send(self._registry.encode_call("anchor", checkpoint.size, checkpoint.root))

    def carried(self, anchored: Anchored) -> list[bytes]:
        sender = encode(self._chain.chain_id, self._registry.address)
        found = []
        for reported in self._logs(self._gateway.address, ["Gateway", "MessageSent"], first=anchored.block):
            decoded = self._gateway.decode_log(_log(reported))
            fields = {} if decoded is None else decoded.fields
            what = anchored.size.to_bytes(32, "big") + anchored.root
            if fields.get("sender") == sender and fields["payload"][32:] == what:
                found.append(bytes(fields["sendId"]))
        return found

    def carry(self, anchored: Anchored) -> None:
        self._send(self._registry.encode_call("carry", self._mirror, anchored.size, anchored.root))

    def _send(self, call: bytes) -> None:
        self._sender.submit(self._registry.address, call, tag=keccak256(self._registry.address + call))

    def _find(self, size: int) -> Anchored:
        logs = self._logs(
            self._registry.address,
            ["AnchorRegistry", "Anchored"],
            size.to_bytes(32, "big"),
            first=self._chain.first_block,
        )
        if not logs:
            what = f"the node tells of an anchor of size {size} and shows no log of it"
            raise Unavailable("NODE_GARBAGE", what, where=self._node.url)
        reported = logs[-1]
        decoded = self._registry.decode_log(_log(reported))
        if decoded is None:
            raise Unavailable("NODE_GARBAGE", "the anchor's log does not decode", where=self._node.url)
        block = quantity(reported["blockNumber"])
        return Anchored(size, decoded.fields["root"], block, block <= last_final(self._node, self._chain))

    def _logs(self, address: bytes, event: Sequence[str], *topics: bytes, first: int) -> list[dict[str, Any]]:
        wanted = [f"0x{topic.hex()}" for topic in (log_topic(event[0], event[1]), *topics)]
        query = {"fromBlock": hex(first), "toBlock": "latest", "address": f"0x{address.hex()}", "topics": wanted}
        return list(self._node.request("eth_getLogs", query))


def _log(reported: dict[str, Any]) -> Log:
    return Log(data(reported["address"]), tuple(data(topic) for topic in reported["topics"]), data(reported["data"]))
