"""One account that sends transactions to one node, and waits for what became of them.

Each call is simulated before it is paid for, so that a revert is a typed refusal with the contract's own words and
costs nothing. Nonces come from the node's pool under a lock: one process per account.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from eth_account import Account as EthAccount

from contracts.node import Node, NodeError, data, quantity
from ledger.errors import Refused, Unavailable
from ledger.ethereum.tx_receipt import Log
from ledger.secp256k1 import SigningKey

RECEIPT_WAIT_SECONDS = 60.0
FIRST_POLL_SECONDS = 0.004
LONGEST_POLL_SECONDS = 0.25
GAS_MARGIN = 1.25  # state may move between estimate and inclusion
PRIORITY_FEE_WEI = 1_000_000_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction in a block, with status 1: what the node says of it. `milliseconds`: from sending to receipt."""

    transaction: bytes
    block: int
    block_hash: bytes
    gas_used: int
    contract: bytes | None
    logs: tuple[Log, ...]
    milliseconds: float


class Transactor:
    """Sends as one account. Before the first transaction `chain_id` is compared with the node's (E12): not before,
    so that whoever pays on several chains can start while one of them is away.
    """

    def __init__(self, node: Node, key: SigningKey, *, chain_id: int) -> None:
        self.node, self.key, self.chain_id = node, key, chain_id
        self._lock = threading.Lock()
        self._is_right_chain = False

    @property
    def address(self) -> bytes:
        """The sending account."""
        return self.key.address

    def send(self, to: bytes | None, call_data: bytes) -> Mined:
        """Simulate, send and wait. `to` None creates a contract.

        Errors: `Refused` CALL_REVERTED (the contract's no, before paying), TX_FAILED (mined with status 0), CHAIN_ID
        (the node serves another chain), NODE_ERROR (the node's no); `Unavailable` TX_NOT_MINED, NODE_*.
        """
        return self.wait(self.submit(to, call_data))

    def submit(self, to: bytes | None, call_data: bytes) -> tuple[bytes, float]:
        """Simulate and send; return the transaction hash and when it was sent (monotonic seconds)."""
        call = {"from": f"0x{self.address.hex()}", "data": f"0x{call_data.hex()}"}
        if to is not None:
            call["to"] = f"0x{to.hex()}"
        # One at a time: the next nonce is known only when the node holds the previous transaction.
        with self._lock, well_formed(self.node):
            self._require_chain()
            gas = estimate(self.node, call)
            nonce, base_fee = self.node.batch(
                [
                    ("eth_getTransactionCount", [call["from"], "pending"]),
                    ("eth_getBlockByNumber", ["latest", False]),
                ]
            )
            fee = 2 * quantity(base_fee["baseFeePerGas"]) + PRIORITY_FEE_WEI
            signed = sign(
                self.key,
                Call(self.chain_id, to or b"", call_data, int(gas * GAS_MARGIN)),
                nonce=quantity(nonce),
                max_fee=fee,
                tip=PRIORITY_FEE_WEI,
            )
            raw = f"0x{signed.raw.hex()}"
            sent = time.monotonic()
            return data(self.node.request("eth_sendRawTransaction", raw), length=32), sent

    def wait(self, submitted: tuple[bytes, float]) -> Mined:
        """Wait for a submitted transaction's receipt. Errors as `send`."""
        transaction, sent = submitted
        receipt = wait_for(
            lambda: self.node.request("eth_getTransactionReceipt", f"0x{transaction.hex()}"),
            seconds=RECEIPT_WAIT_SECONDS,
        )
        if receipt is None:
            raise Unavailable("TX_NOT_MINED", "the transaction has no receipt yet", where=f"0x{transaction.hex()}")
        with well_formed(self.node):
            return mined_of(receipt, transaction, sent)

    def _require_chain(self) -> None:
        if not self._is_right_chain:
            require_chain(self.node, self.chain_id)
            self._is_right_chain = True


@dataclass(frozen=True, slots=True)
class Call:
    """What a transaction asks for: chain, recipient (20 bytes, none to create a contract), call data, gas limit."""

    chain_id: int
    to: bytes
    data: bytes
    gas: int


@dataclass(frozen=True, slots=True)
class Signed:
    """A transaction ready to be broadcast: its hash (32 bytes) and its encoding."""

    transaction: bytes
    raw: bytes


def sign(key: SigningKey, call: Call, *, nonce: int, max_fee: int, tip: int) -> Signed:
    """A type 2 transaction. `max_fee`, `tip`: wei per gas."""
    signed = EthAccount.sign_transaction(
        {
            "type": 2,
            "chainId": call.chain_id,
            "nonce": nonce,
            "to": call.to,
            "value": 0,
            "data": call.data,
            "gas": call.gas,
            "maxFeePerGas": max_fee,
            "maxPriorityFeePerGas": tip,
        },
        key.secret,
    )
    return Signed(bytes(signed.hash), bytes(signed.raw_transaction))


def require_chain(node: Node, chain_id: int) -> None:
    """Refuse (CHAIN_ID) a node that serves another chain (E12)."""
    served = quantity(node.request("eth_chainId"), what="chain id")
    if served != chain_id:
        raise Refused("CHAIN_ID", f"the node serves chain {served}, not {chain_id}", where=node.url)


def estimate(node: Node, call: dict[str, str]) -> int:
    """The gas a call takes now. Errors: `Refused` CALL_REVERTED, in the contract's own words; as `Node.request`."""
    try:
        return quantity(node.request("eth_estimateGas", call))
    except NodeError as error:
        if not error.is_revert:
            raise  # rate limits, pruned states and empty accounts say nothing about the call
        raise Refused("CALL_REVERTED", error.what, where=call.get("to", "contract creation")) from error


def mined_of(receipt: Any, transaction: bytes, sent: float) -> Mined:
    """What a receipt says. `sent`: monotonic seconds. Errors: `Refused` TX_FAILED; KeyError and the like, malformed."""
    if quantity(receipt["status"]) != 1:
        raise Refused("TX_FAILED", "the transaction was mined and failed", where=f"0x{transaction.hex()}")
    created = receipt.get("contractAddress")
    return Mined(
        transaction=transaction,
        block=quantity(receipt["blockNumber"]),
        block_hash=data(receipt["blockHash"], length=32),
        gas_used=quantity(receipt["gasUsed"]),
        contract=data(created, length=20) if created else None,
        logs=tuple(
            Log(data(log["address"]), tuple(data(topic) for topic in log["topics"]), data(log["data"]))
            for log in receipt["logs"]
        ),
        milliseconds=(time.monotonic() - sent) * 1000,
    )


@contextmanager
def well_formed(node: Node) -> Iterator[None]:
    """What a node leaves out, or answers in another form, is its fault and may pass: `Unavailable` NODE_GARBAGE."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        raise Unavailable("NODE_GARBAGE", f"the node's answer is malformed: {error!r}", where=node.url) from error


def wait_for(look: Callable[[], T | None], *, seconds: float) -> T | None:
    """Call `look` until it answers something or the bound passes; polls from 4 ms up to 250 ms apart."""
    deadline = time.monotonic() + seconds
    for attempt in itertools.count():
        found = look()
        if found is not None or time.monotonic() >= deadline:
            return found
        time.sleep(min(FIRST_POLL_SECONDS * 1.5**attempt, LONGEST_POLL_SECONDS))
    raise AssertionError("unreachable")
