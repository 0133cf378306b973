"""Chains to check: a real node, a compiled contract on it, and a node in between that tells one lie."""

import copy
import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_account import Account
from vyper import compile_code

from contracts.embedded.genesis import Genesis
from contracts.embedded.server import EmbeddedNode
from contracts.node import Node, RpcNode
from contracts.reexecution import BlockCheck, BlockChecker, ChainRules, Verdict
from ledger.errors import Problem
from ledger.ethereum.header import header_from_rpc
from ledger.ethereum.keccak import keccak256

ANVIL = Path(__file__).parents[2] / "acceptance/anvil/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
CHAIN_ID = 7102
GAS = 3_000_000
START_SECONDS = 20.0
KEYS = [bytes([n]) * 32 for n in (0x21, 0x22, 0x23)]
ACCOUNTS = [Account.from_key(key) for key in KEYS]


@cache
def bytecode() -> bytes:
    source = (Path(__file__).parent / "Exercise.vy").read_text("utf-8")
    return bytes.fromhex(compile_code(source, output_formats=["bytecode"])["bytecode"][2:])


def calldata(signature: str, *values: Any) -> str:
    types = signature[signature.index("(") + 1 : -1].split(",")
    arguments = encode([t for t in types if t], values)
    return "0x" + (keccak256(signature.encode())[:4] + arguments).hex()


class Chain:
    """One node with some funded accounts. Each `send` is one block unless blocks are held."""

    def __init__(self, node: RpcNode, rules: ChainRules) -> None:
        self.node = node
        self.rules = rules
        self._nonces = [0] * len(KEYS)
        self.contract = ""

    def sign(self, fields: dict[str, Any], sender: int = 0) -> str:
        transaction = {
            "chainId": CHAIN_ID,
            "nonce": self._nonces[sender],
            "gas": GAS,
            "maxFeePerGas": 10**10,
            "maxPriorityFeePerGas": 10**9,
            "value": 0,
        } | fields
        if "gasPrice" in transaction:
            del transaction["maxFeePerGas"], transaction["maxPriorityFeePerGas"]
        if "to" in transaction:
            transaction["to"] = bytes.fromhex(transaction["to"][2:])
        self._nonces[sender] += 1
        signed = ACCOUNTS[sender].sign_transaction(transaction).raw_transaction
        return "0x" + bytes(signed).hex()

    def send(self, fields: dict[str, Any], sender: int = 0, *, fails: bool = False) -> int:
        """Send a transaction, wait for its block and return the block's number."""
        digest = self.node.request("eth_sendRawTransaction", self.sign(fields, sender))
        receipt = self.receipt(digest)
        assert receipt["status"] == ("0x0" if fails else "0x1"), receipt
        if receipt["contractAddress"] and not self.contract:
            self.contract = receipt["contractAddress"]
        return int(receipt["blockNumber"], 16)

    def receipt(self, digest: str) -> dict[str, Any]:
        until = time.monotonic() + START_SECONDS
        while True:
            receipt: dict[str, Any] | None = self.node.request("eth_getTransactionReceipt", digest)
            if receipt is not None:
                return receipt
            assert time.monotonic() < until, "the transaction was not mined"

    def deploy(self) -> int:
        return self.send({"data": bytecode(), "value": 10**18})

    def call(self, signature: str, *values: Any, sender: int = 0, fails: bool = False) -> int:
        return self.send({"to": self.contract, "data": calldata(signature, *values)}, sender, fails=fails)

    def block(self, number: int, node: Node | None = None) -> dict[str, Any]:
        fields: dict[str, Any] = (node or self.node).request("eth_getBlockByNumber", hex(number), False)
        return fields

    def check(self, number: int, node: Node | None = None, checker: BlockChecker | None = None) -> BlockCheck:
        """Check one block with a checker that knows nothing yet, on `node` (by default the honest one)."""
        parent = header_from_rpc(self.block(number - 1))
        return (checker or BlockChecker(node or self.node, self.rules)).check(parent, number)

    def require_same(self, number: int, checker: BlockChecker | None = None) -> BlockCheck:
        result = self.check(number, checker=checker)
        assert result.verdict == Verdict.SAME, result.reason
        return result


@contextmanager
def anvil(*arguments: str) -> Iterator[Chain]:
    """A fresh anvil whose first two blocks are past: its genesis header does not commit to its state."""
    if not ANVIL.is_file():
        pytest.skip(f"anvil is not installed: {ANVIL} (make setup-anvil)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--hardfork", "prague", "--chain-id", str(CHAIN_ID), "--silent"]
    process = subprocess.Popen([str(ANVIL), *options, *arguments], stdout=subprocess.DEVNULL)
    node = RpcNode(f"http://127.0.0.1:{port}")
    try:
        wait_for(node, process)
        for account in ACCOUNTS:
            node.request("anvil_setBalance", account.address, hex(10**21))
        node.request("anvil_mine", "0x1")
        yield Chain(node, ChainRules(CHAIN_ID, trie="keeps_zero_leaves"))
    finally:
        node.close()
        process.kill()
        process.wait()


def wait_for(node: Node, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            node.request("eth_chainId")
        except Problem:
            assert process.poll() is None, "anvil ended"
            assert time.monotonic() < until, "anvil did not answer"
        else:
            return


@contextmanager
def embedded(folder: Path) -> Iterator[Chain]:
    """A fresh embedded chain."""
    genesis = Genesis(CHAIN_ID, {account.address: 10**21 for account in ACCOUNTS})
    with EmbeddedNode.start(folder, genesis) as running:
        node = RpcNode(running.url)
        try:
            yield Chain(node, ChainRules(CHAIN_ID))
        finally:
            node.close()


class LyingNode:
    """A node that passes everything on and falsifies what `lie` changes: `lie(method, params, result) -> result`."""

    def __init__(self, node: Node, lie: Callable[[str, Sequence[Any], Any], Any]) -> None:
        self._node = node
        self._lie = lie
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return self._node.url

    def request(self, method: str, *params: Any) -> Any:
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        self.asked += [method for method, _ in calls]
        results = self._node.batch(calls)
        return [
            self._lie(method, params, copy.deepcopy(result))
            for (method, params), result in zip(calls, results, strict=True)
        ]


def hidden_trace(method: str, params: Sequence[Any], result: Any) -> Any:
    """A node without hints: every account and slot is asked for when it is read."""
    return [] if method == "debug_traceBlockByNumber" else result


def as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
