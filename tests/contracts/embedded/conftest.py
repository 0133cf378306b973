"""Chains to test: one driven by hand (no threads, no clock), one behind its HTTP endpoint, and an anvil beside it."""

from __future__ import annotations

import os
import queue
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.embedded.chain import EmbeddedChain, open_chain
from contracts.embedded.rpc import answer
from contracts.embedded.server import EmbeddedNode
from contracts.node import RpcNode
from tests.contracts.embedded.probe import CHAIN_ID, ETHER, Wallet, genesis, initcode

ANVIL = Path(__file__).parents[2] / "acceptance/anvil/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
START = 1_800_000_000
DEADLINE_SECONDS = 30.0


class HandClock:
    """A clock that stands still until told."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class HandChain:
    """A chain without threads: blocks are made when the test says so, requests are answered in place."""

    def __init__(self, folder: Path, clock: HandClock, **fields: Any) -> None:
        self.folder, self.clock = folder, clock
        self.chain: EmbeddedChain = open_chain(folder, genesis(**fields), clock=clock)
        self.wallet = Wallet()
        self.nonce = 0

    def request(self, method: str, *params: Any) -> Any:
        """The result, or the error object, of one request."""
        reply = self.raw_request(method, *params)
        return reply.get("result", reply.get("error"))

    def raw_request(self, method: str, *params: Any) -> dict[str, Any]:
        import json

        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
        reply: dict[str, Any] = json.loads(answer(self.chain, body.encode()))
        return reply

    def send(self, **fields: Any) -> dict[str, Any]:
        """Submit one transaction, make a block, and return its receipt."""
        digest = self.chain.submit(self.wallet.sign(self.nonce, **fields))
        self.nonce += 1
        self.chain.mine()
        receipt: dict[str, Any] = self.request("eth_getTransactionReceipt", "0x" + digest.hex())
        return receipt

    def deploy(self, code: bytes | None = None) -> str:
        """Deploy the probe (or `code`) and return its address."""
        receipt = self.send(to=None, data=initcode() if code is None else code, gas=5_000_000)
        assert receipt["status"] == "0x1"
        address: str = receipt["contractAddress"]
        return address

    def reopen(self) -> None:
        """Close and open again, without being told the genesis."""
        self.chain.close()
        self.chain = open_chain(self.folder, clock=self.clock)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def hand(tmp_path: Path, clock: HandClock) -> Iterator[HandChain]:
    made = HandChain(tmp_path / "chain", clock)
    yield made
    made.chain.close()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[EmbeddedNode]:
    with EmbeddedNode.start(tmp_path / "node", genesis()) as started:
        yield started


def wait_for_receipt(node: RpcNode, digest: str) -> dict[str, Any]:
    """Ask until the transaction is in a block."""
    until = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < until:
        receipt: dict[str, Any] | None = node.request("eth_getTransactionReceipt", digest)
        if receipt is not None:
            return receipt
    raise AssertionError(f"{digest} was not mined within {DEADLINE_SECONDS} s")


def listen(process: subprocess.Popen[str], said: queue.Queue[str]) -> None:
    """Pass on every line that a process prints."""
    for line in process.stdout or ():
        said.put(line)


@pytest.fixture(scope="session")
def anvil() -> Iterator[RpcNode]:
    """An anvil under Prague rules with our chain id and our wallet funded; the native binary, killed by its id."""
    assert ANVIL.is_file(), "run `make test`, which installs anvil"
    command = [str(ANVIL), "--port", "0", "--hardfork", "prague", "--chain-id", str(CHAIN_ID), "--accounts", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"NO_COLOR": "1"})
    said: queue.Queue[str] = queue.Queue()
    # Read to the end: anvil stops answering when what it prints finds no room.
    reader = threading.Thread(target=lambda: listen(process, said), daemon=True)
    reader.start()
    try:
        while not (listening := re.search(r"Listening on (127\.0\.0\.1:\d+)", said.get(timeout=DEADLINE_SECONDS))):
            pass
        node = RpcNode(f"http://{listening[1]}")
        node.request("anvil_setBalance", Wallet().address, hex(1000 * ETHER))
        yield node
        node.close()
    finally:
        process.kill()
        process.wait()
        reader.join()
        if process.stdout is not None:
            process.stdout.close()
