"""A node that is only a pool and a chain of its transactions: what it mines, forgets and asks for is up to the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from contracts.node import NodeError
from ledger.ethereum.keccak import keccak256

BASE_FEE = 10**9
GAS_USED = 50_000


@dataclass(frozen=True, slots=True)
class Seen:
    """One transaction as the pool read it. `sender`: 20 bytes; `tip`: wei per gas."""

    transaction: bytes
    sender: bytes
    nonce: int
    tip: int
    data: bytes


class PoolNode:
    """Nothing is mined until `mine`. `floor`: the least tip (wei per gas) that its blocks take; `fails`: call data of
    transactions that are mined with status 0; `reverts`: of calls whose simulation reverts.
    """

    url = "pool://chain"

    def __init__(self, chain_id: int = 7) -> None:
        self.chain_id = chain_id
        self.floor = 0
        self.fails: set[bytes] = set()
        self.reverts: set[bytes] = set()
        self.pool: dict[tuple[bytes, int], Seen] = {}
        self.mined: list[Seen] = []
        self._receipts: dict[bytes, dict[str, str | list[Any]]] = {}
        self._nonces: dict[bytes, int] = {}
        self.head = 1
        self.sent: list[Seen] = []

    def mine(self, blocks: int = 1) -> None:
        """Make blocks of whatever can be executed and pays the floor."""
        for _ in range(blocks):
            self.head += 1
            while ready := [
                seen
                for (sender, nonce), seen in self.pool.items()
                if nonce == self._nonces.get(sender, 0) and seen.tip >= self.floor
            ]:
                for seen in ready:
                    self._take(seen)

    def forget(self, nonce: int) -> None:
        """Drop what waits under a nonce."""
        self.pool = {key: seen for key, seen in self.pool.items() if key[1] != nonce}

    def leave_behind(self, count: int) -> None:
        """The newest `count` transactions are in no block any more, and in no pool."""
        for seen in self.mined[len(self.mined) - count :]:
            del self._receipts[seen.transaction]
            self._nonces[seen.sender] -= 1
        del self.mined[len(self.mined) - count :]

    def request(self, method: str, *params: Any) -> Any:
        match method:
            case "eth_chainId":
                return hex(self.chain_id)
            case "eth_estimateGas":
                if bytes.fromhex(params[0]["data"][2:]) in self.reverts:
                    raise NodeError("execution reverted: no", rpc_code=3)
                return hex(100_000)
            case "eth_getTransactionCount":
                return hex(self._count(bytes.fromhex(params[0][2:]), params[1]))
            case "eth_getBlockByNumber":
                return {"number": hex(self.head), "baseFeePerGas": hex(BASE_FEE)}
            case "eth_blockNumber":
                return hex(self.head)
            case "eth_sendRawTransaction":
                return self._admit(params[0])
            case "eth_getTransactionReceipt":
                return self._receipts.get(bytes.fromhex(params[0][2:]))
            case _:
                raise AssertionError(f"nobody asks a pool for {method}")

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        return [self.request(method, *params) for method, params in calls]

    def _count(self, sender: bytes, block: str) -> int:
        nonce = self._nonces.get(sender, 0)
        while block == "pending" and (sender, nonce) in self.pool:
            nonce += 1
        return nonce

    def _admit(self, raw: str) -> str:
        seen = _read(raw)
        if seen.nonce < self._nonces.get(seen.sender, 0):
            raise NodeError("nonce too low", rpc_code=-32000)
        before = self.pool.get((seen.sender, seen.nonce))
        if before is not None and before.transaction == seen.transaction:
            raise NodeError("already known", rpc_code=-32000)
        if before is not None and seen.tip * 10 < before.tip * 11:
            raise NodeError("replacement transaction underpriced", rpc_code=-32000)
        self.sent.append(seen)
        self.pool[seen.sender, seen.nonce] = seen
        return f"0x{seen.transaction.hex()}"

    def _take(self, seen: Seen) -> None:
        del self.pool[seen.sender, seen.nonce]
        self._nonces[seen.sender] = seen.nonce + 1
        self.mined.append(seen)
        self._receipts[seen.transaction] = {
            "status": "0x0" if seen.data in self.fails else "0x1",
            "blockNumber": hex(self.head),
            "blockHash": f"0x{keccak256(self.head.to_bytes(8, 'big')).hex()}",
            "gasUsed": hex(GAS_USED),
            "effectiveGasPrice": hex(BASE_FEE + seen.tip),
            "logs": [],
        }


def _read(raw: str) -> Seen:
    encoded = HexBytes(raw)
    fields = TypedTransaction.from_bytes(encoded).as_dict()
    sender = bytes.fromhex(Account.recover_transaction(encoded)[2:])
    return Seen(
        keccak256(bytes(encoded)), sender, fields["nonce"], fields["maxPriorityFeePerGas"], bytes(fields["data"])
    )
