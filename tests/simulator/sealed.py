"""A chain whose blocks validators seal, over a node of any chain: the same blocks, with headers as QBFT writes them.

States, receipts and logs are those of the chain underneath; extra data, difficulty, mix hash, and with them every hash,
are a QBFT chain's. Which validators seal from which block on is in the test's hand.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from contracts.node import Node, quantity
from ledger.ethereum.header import Header, header_from_rpc
from ledger.ethereum.qbft import EMPTY_OMMERS, MIX_HASH, ExtraData, QbftHeader, quorum
from ledger.secp256k1 import SigningKey
from tests.simulator.qbft import ascending, seal

_BLOCKS = ("eth_getBlockByNumber", "eth_getBlockByHash")


class SealedNode:
    """Implements `contracts.node.Node`. Safe to share between threads."""

    def __init__(self, inner: Node, validators: Sequence[SigningKey]) -> None:
        self.inner = inner
        self._sets: list[tuple[int, tuple[SigningKey, ...]]] = [(0, ascending(validators))]
        self._headers: list[QbftHeader] = []
        self._lock = threading.Lock()
        self._sealed_hash: dict[str, str] = {}
        self._inner_hash: dict[str, str] = {}

    @property
    def url(self) -> str:
        return self.inner.url

    def close(self) -> None:
        """Nothing of its own."""

    def seal_by(self, validators: Sequence[SigningKey]) -> int:
        """Have other validators seal from the next block on; its number."""
        number = quantity(self.inner.request("eth_blockNumber")) + 1
        self._sets.append((number, ascending(validators)))
        return number

    def other(self, number: int) -> QbftHeader:
        """Another block of this number that its validators sealed as well: what none of them ever should."""
        signers = self._validators(number)
        forked = replace(self.header(number), transactions_root=bytes(32))
        return seal(forked, signers[: quorum(len(signers))])

    def header(self, number: int) -> QbftHeader:
        """A sealed header."""
        with self._lock:
            while len(self._headers) <= number:
                self._seal_next()
            return self._headers[number]

    def request(self, method: str, *params: Any) -> Any:
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        asked = [(method, [self._inner_hash.get(each, each) if isinstance(each, str) else each for each in params])
                 for method, params in calls]  # fmt: skip
        replies = self.inner.batch(asked)
        return [self._shown(method, reply) for (method, _), reply in zip(calls, replies, strict=True)]

    def _shown(self, method: str, reply: Any) -> Any:
        if isinstance(reply, list):
            return [self._shown(method, each) for each in reply]
        if not isinstance(reply, dict):
            return reply
        if method in _BLOCKS:
            return reply | _view(self.header(quantity(reply["number"])))
        if isinstance(block_hash := reply.get("blockHash"), str):
            self.header(quantity(reply["blockNumber"]))
            reply = reply | {"blockHash": self._sealed_hash[block_hash]}
        if "logs" in reply:
            reply = reply | {"logs": self._shown("eth_getLogs", reply["logs"])}
        return reply

    def _validators(self, number: int) -> tuple[SigningKey, ...]:
        return next(keys for since, keys in reversed(self._sets) if since <= number)

    def _seal_next(self) -> None:
        number = len(self._headers)
        block = self.inner.request("eth_getBlockByNumber", hex(number), False)
        plain = header_from_rpc(block)
        validators = self._validators(number)
        extra = ExtraData(bytes(32), tuple(key.address for key in validators))
        fields = {name: getattr(plain, name) for name in Header.__dataclass_fields__}
        header = replace(
            QbftHeader(**fields),
            parent_hash=self._headers[-1].hash if self._headers else bytes(32),
            ommers_hash=EMPTY_OMMERS,
            difficulty=1,
            prev_randao=MIX_HASH,
            nonce=bytes(8),
            extra_data=extra.rlp(),
        )
        if number:
            header = seal(header, validators)  # every validator, as where the network is good
        self._headers.append(header)
        shown = f"0x{header.hash.hex()}"
        self._sealed_hash[block["hash"]], self._inner_hash[shown] = shown, block["hash"]


def _view(header: QbftHeader) -> dict[str, str]:
    """What differs from the chain underneath."""
    return {
        "hash": f"0x{header.hash.hex()}",
        "parentHash": f"0x{header.parent_hash.hex()}",
        "sha3Uncles": f"0x{header.ommers_hash.hex()}",
        "difficulty": hex(header.difficulty),
        "mixHash": f"0x{header.prev_randao.hex()}",
        "nonce": f"0x{header.nonce.hex()}",
        "extraData": f"0x{header.extra_data.hex()}",
    }
