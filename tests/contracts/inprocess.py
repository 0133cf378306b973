"""A node over an in-process EVM: what `Transactor`, `Deployment` and `World` ask of one, without a server or a wait.

One block per transaction, one second apart. There is no chain behind it: no headers, proofs or history, and block
hashes are made up. Tests of those use the embedded chain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from contracts.embedded.transaction import Transaction, decode_transaction
from contracts.node import REVERTED, NodeError, data, quantity
from ledger.ethereum.keccak import keccak256
from tests.contracts.engines import GAS_LIMIT, Act, Ran
from tests.contracts.evm import Evm, Reverted, total_gas

FUNDS_WEI: Final = 10**24
BASE_FEE_WEI: Final = 7
ESTIMATE: Final = 24_000_000  # not searched for: the engine always gives a transaction the whole block


class EvmNode:
    """Implements `contracts.node.Node`. `sent`: every transaction and what became of it, oldest first."""

    def __init__(self, evm: Evm, accounts: Sequence[bytes]) -> None:
        self.evm = evm
        self.genesis = keccak256(b"genesis of %d" % evm.chain_id)
        self.sent: list[tuple[Transaction, Ran]] = []
        for account in accounts:
            evm.fund(account, FUNDS_WEI)
        self._receipts: dict[str, dict[str, Any]] = {}
        self._nonces: dict[str, int] = {}
        self._methods: dict[str, Callable[..., Any]] = {
            "eth_chainId": lambda: hex(evm.chain_id),
            "eth_blockNumber": lambda: hex(len(self.sent)),
            "eth_getBlockByNumber": self._block,
            "eth_getTransactionCount": self._count,
            "eth_estimateGas": self._estimate,
            "eth_call": lambda call, _tag: f"0x{self._ask(call).output.hex()}",
            "eth_sendRawTransaction": self._send,
            "eth_getTransactionReceipt": self._receipts.get,
            "eth_getCode": lambda address, _tag: f"0x{evm.engine.code(data(address)).hex()}",
            "eth_getStorageAt": lambda address, slot, _tag: (
                f"0x{evm.engine.storage(data(address), int(slot, 16)):064x}"
            ),
            "eth_getLogs": self._logs,
        }

    @property
    def url(self) -> str:
        return f"in-process:{self.evm.chain_id}"

    def request(self, method: str, *params: Any) -> Any:
        return self._methods[method](*params)

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        return [self.request(method, *params) for method, params in calls]

    def close(self) -> None:
        """Nothing to close; `RpcNode` has it."""

    def _block(self, tag: str, full: bool) -> dict[str, Any]:
        number = len(self.sent) if tag in ("latest", "finalized", "safe") else quantity(tag)
        held = [self.sent[number - 1][0]] if number else []
        return {
            "transactions": [self._view(each, number) if full else f"0x{each.hash.hex()}" for each in held],
            "number": hex(number),
            "hash": f"0x{self._hash(number).hex()}",
            "timestamp": hex(self.evm.time),
            "baseFeePerGas": hex(BASE_FEE_WEI),
        }

    def _logs(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        """By one address and one first topic, as production code asks."""
        first, last = quantity(wanted["fromBlock"]), quantity(wanted["toBlock"])
        return [
            log
            for transaction, ran in self.sent[max(first, 1) - 1 : last]
            if ran.succeeded
            for log in self._receipts[f"0x{transaction.hash.hex()}"]["logs"]
            if log["address"] == wanted["address"] and log["topics"][:1] == wanted["topics"]
        ]

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        """What happens inside leaves nothing behind, nor blocks."""
        length, nonces = len(self.sent), dict(self._nonces)
        with self.evm.rolled_back():
            yield
        del self.sent[length:]
        self._nonces = nonces

    def _count(self, address: str, tag: str) -> str:
        """Pending: what the next transaction is signed with. Latest: what leads to the next contract's address, for
        these engines count creations only."""
        if tag == "pending":
            return hex(self._nonces.get(address.lower(), 0))
        return hex(self._creations(data(address), len(self.sent)))

    def _creations(self, sender: bytes, blocks: int) -> int:
        return sum(1 for sent, ran in self.sent[:blocks] if sent.sender == sender and not sent.to and ran.succeeded)

    def _view(self, transaction: Transaction, number: int) -> dict[str, Any]:
        return {
            "from": f"0x{transaction.sender.hex()}",
            "nonce": hex(self._creations(transaction.sender, number - 1)),
            "to": f"0x{transaction.to.hex()}" if transaction.to else None,
            "input": f"0x{transaction.data.hex()}",
        }

    def _hash(self, number: int) -> bytes:
        return keccak256(self.genesis + number.to_bytes(8, "big")) if number else self.genesis

    def _ask(self, call: dict[str, str]) -> Ran:
        act = Act(
            sender=data(call["from"]) if "from" in call else bytes(20),
            to=data(call["to"]) if "to" in call else None,
            data=data(call["data"]),
            gas=min(quantity(call["gas"]), GAS_LIMIT) if "gas" in call else GAS_LIMIT,
        )
        ran = self.evm.engine.transact(act, time=self.evm.time, keep=False)
        if not ran.succeeded:
            reason = Reverted.of(ran.output, where="").reason
            raise NodeError(f"execution reverted: {reason}".removesuffix(": "), rpc_code=REVERTED, where=self.url)
        return ran

    def _estimate(self, call: dict[str, str]) -> str:
        self._ask(call)
        return hex(ESTIMATE)

    def _send(self, raw: str) -> str:
        transaction = decode_transaction(data(raw), chain_id=self.evm.chain_id)
        act = Act(transaction.sender, transaction.to or None, transaction.data, transaction.value)
        ran = self.evm.engine.transact(act, time=self.evm.time, keep=True)
        self.sent.append((transaction, ran))
        self.evm.time += 1
        sender, digest = f"0x{transaction.sender.hex()}", f"0x{transaction.hash.hex()}"
        self._nonces[sender] = self._nonces.get(sender, 0) + 1
        self._receipts[digest] = self._receipt(transaction, ran)
        return digest

    def _receipt(self, transaction: Transaction, ran: Ran) -> dict[str, Any]:
        number = len(self.sent)
        return {
            "status": hex(ran.succeeded),
            "blockNumber": hex(number),
            "blockHash": f"0x{self._hash(number).hex()}",
            "gasUsed": hex(0 if ran.gas_used is None else receipt_gas(transaction, ran)[0]),
            "contractAddress": f"0x{ran.created.hex()}" if ran.created else None,
            "logs": [
                {
                    "address": f"0x{log.address.hex()}",
                    "topics": [f"0x{topic.hex()}" for topic in log.topics],
                    "data": f"0x{log.data.hex()}",
                }
                for log in ran.logs
            ],
        }


def receipt_gas(transaction: Transaction, ran: Ran) -> tuple[int, int]:
    """Total gas as the receipt states it, and gas of the frame, of a transaction that an exact Evm ran."""
    assert ran.gas_used is not None
    assert ran.refund is not None
    frame = ran.gas_used - int(transaction.evm.intrinsic_gas)
    return (total_gas(transaction.data, frame, refund=ran.refund), frame) if transaction.to else (ran.gas_used, frame)
