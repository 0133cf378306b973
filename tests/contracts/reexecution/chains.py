"""Chains to check: a real node, a contract on it, and a node in between that tells one lie."""

import copy
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_account import Account
from vyper import compile_code

from contracts.embedded.genesis import Genesis
from contracts.embedded.server import EmbeddedNode
from contracts.node import Node, RpcNode
from contracts.reexecution import BlockCheck, BlockChecker, ChainRules, Verdict
from ledger.errors import Problem
from ledger.ethereum.header import Header, header_from_rpc
from ledger.ethereum.keccak import keccak256

ANVIL = Path(__file__).parents[2] / "acceptance/anvil/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
CHAIN_ID = 7102
GAS = 3_000_000
PATIENCE_SECONDS = 30.0
KEYS = [bytes([n]) * 32 for n in (0x21, 0x22, 0x23)]
ACCOUNTS = [Account.from_key(key) for key in KEYS]


@cache
def bytecode() -> bytes:
    """The deployment code of `Exercise.vy`."""
    source = (Path(__file__).parent / "Exercise.vy").read_text("utf-8")
    return bytes.fromhex(compile_code(source, output_formats=["bytecode"])["bytecode"][2:])


def calldata(signature: str, *values: Any) -> bytes:
    """The ABI-encoded call of a function."""
    types = signature[signature.index("(") + 1 : -1].split(",")
    return keccak256(signature.encode())[:4] + encode([each for each in types if each], values)


class Chain:
    """One node with three funded accounts and, once deployed, the contract."""

    def __init__(self, node: Node, rules: ChainRules) -> None:
        self.node = node
        self.rules = rules
        self.contract = b""
        self._nonces = [0] * len(KEYS)

    def sign(self, fields: dict[str, Any], sender: int = 0) -> str:
        """A signed transaction as hex; a fee-market one unless `fields` name a gas price."""
        transaction = {"chainId": CHAIN_ID, "nonce": self._nonces[sender], "gas": GAS, "value": 0} | fields
        if "gasPrice" not in transaction:
            transaction |= {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9}
        self._nonces[sender] += 1
        return "0x" + bytes(ACCOUNTS[sender].sign_transaction(transaction).raw_transaction).hex()

    def send(self, fields: dict[str, Any], sender: int = 0, *, fails: bool = False) -> int:
        """Send a transaction and return the number of its block."""
        digest = self.node.request("eth_sendRawTransaction", self.sign(fields, sender))
        receipt = self.receipt(digest)
        assert receipt["status"] == ("0x0" if fails else "0x1"), receipt
        if receipt.get("contractAddress") and not self.contract:
            self.contract = bytes.fromhex(receipt["contractAddress"][2:])
        return int(receipt["blockNumber"], 16)

    def send_together(self, several: list[tuple[dict[str, Any], int]]) -> int:
        """Send several transactions into one block and return its number."""
        calls = [("eth_sendRawTransaction", [self.sign(fields, sender)]) for fields, sender in several]
        is_anvil = self.rules.trie == "keeps_zero_leaves"
        if is_anvil:
            self.node.request("evm_setAutomine", False)
        digests = self.node.batch(calls)
        if is_anvil:
            self.node.request("anvil_mine", "0x1")
            self.node.request("evm_setAutomine", True)
        blocks = {self.receipt(digest)["blockNumber"] for digest in digests}
        assert len(blocks) == 1
        return int(blocks.pop(), 16)

    def deploy(self) -> int:
        return self.send({"data": bytecode(), "value": 10**18})

    def call(self, signature: str, *values: Any, sender: int = 0, fails: bool = False) -> int:
        """Call the contract; the number of the block."""
        return self.send(self.calling(signature, *values), sender, fails=fails)

    def calling(self, signature: str, *values: Any) -> dict[str, Any]:
        return {"to": self.contract, "data": calldata(signature, *values)}

    def mine_empty(self) -> int:
        """An empty block, on anvil; its number."""
        self.node.request("anvil_mine", "0x1")
        return int(self.node.request("eth_blockNumber"), 16)

    def header(self, number: int) -> Header:
        return header_from_rpc(self.node.request("eth_getBlockByNumber", hex(number), False), self.rules.header_form)

    def check(self, number: int, node: Node | None = None) -> BlockCheck:
        """Check one block with a checker that knows nothing yet, through `node` (by default the honest
        one).
        """
        return BlockChecker(node or self.node, self.rules).check(self.header(number - 1), number)

    def receipt(self, digest: str) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            receipt: dict[str, Any] | None = self.node.request("eth_getTransactionReceipt", digest)
            if receipt is not None:
                return receipt
            assert time.monotonic() < until, "the transaction was not mined"


@contextmanager
def anvil(*arguments: str) -> Iterator[Chain]:
    """A fresh anvil whose first block is past: its genesis header does not commit to its genesis state."""
    if not ANVIL.is_file():
        raise AssertionError(f"anvil is not installed: {ANVIL} (make test installs it)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--hardfork", "prague", "--chain-id", str(CHAIN_ID), "--silent"]
    process = subprocess.Popen([str(ANVIL), *options, *arguments], stdout=subprocess.DEVNULL)
    node = RpcNode(f"http://127.0.0.1:{port}")
    try:
        _wait_for(node, process)
        for account in ACCOUNTS:
            node.request("anvil_setBalance", account.address, hex(10**21))
        node.request("anvil_mine", "0x1")
        yield Chain(node, ChainRules(CHAIN_ID, trie="keeps_zero_leaves"))
    finally:
        node.close()
        process.kill()
        process.wait()


def _wait_for(node: Node, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + PATIENCE_SECONDS
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
    genesis = Genesis(CHAIN_ID, {account.address: 10**21 for account in ACCOUNTS}, fee_recipient="0x" + "fe" * 20)
    with EmbeddedNode.start(folder, genesis) as running:
        node = RpcNode(running.url)
        try:
            yield Chain(node, ChainRules(CHAIN_ID))
        finally:
            node.close()


Lie = Callable[[str, Sequence[Any], Any], Any]


class LyingNode:
    """Passes everything on, and falsifies what `lie(method, params, result)` returns instead of the
    result.
    """

    def __init__(self, node: Node, lie: Lie) -> None:
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


def require(check: BlockCheck, verdict: Verdict, reason: str = "") -> None:
    """Assert the verdict and that its reason says `reason`; a block that is the same has none."""
    assert check.verdict == verdict, check.reason
    assert reason in check.reason
    assert (check.reason == "") == (verdict == Verdict.SAME)
