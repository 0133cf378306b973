"""kill -9 at any moment: whatever was acknowledged is in the chain after reopening, once, and the pool goes on."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.embedded.chain import EmbeddedChain, open_chain
from contracts.node import RpcNode
from ledger.errors import Problem
from tests.contracts.embedded.conftest import HandChain
from tests.contracts.embedded.probe import CHAIN_ID, ETHER, Wallet

ROUNDS = 3
COMMAND = "import typer, contracts.embedded.verbs as v; app = typer.Typer(); v.register(app); app()"


@contextlib.contextmanager
def running_chain(folder: Path) -> Iterator[tuple[RpcNode, subprocess.Popen[str]]]:
    """`pledgetrail chain run` as a process of its own."""
    arguments = ["--chain-id", str(CHAIN_ID), "--data", str(folder), "--port", "0"]
    fund = ["--fund", f"{Wallet().address}={1000 * ETHER}"]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "chain", "run", *arguments, *fund],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        node = RpcNode(found[0])
        yield node, process
        node.close()
    finally:
        process.kill()
        process.wait()
        process.stdout.close() if process.stdout else None


def finish(folder: Path) -> EmbeddedChain:
    """Reopen the folder in this process and make blocks until nothing has a turn."""
    chain = open_chain(folder)
    while chain.has_turns():
        chain.mine()
    return chain


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    """J05: kill -9 while transactions stream in, several rounds on one folder."""
    wallet, acknowledged = Wallet(), 0
    for round_number in range(ROUNDS):
        with running_chain(tmp_path) as (node, process):
            digests = []
            # Kill from beside, after a different number of acknowledgements each round, while sending goes on.
            limit = 2 + 7 * round_number
            with contextlib.suppress(Problem):
                for nonce in range(acknowledged, acknowledged + 200):
                    digests.append(node.request("eth_sendRawTransaction", "0x" + wallet.sign(nonce).hex()))
                    if len(digests) == limit:
                        threading.Thread(target=process.kill).start()
        assert limit <= len(digests) < 200
        chain = finish(tmp_path)
        for digest in digests:
            assert chain.archive.place(bytes.fromhex(digest[2:])) is not None
        executed = chain.archive.account(chain.archive.head, wallet.raw_address).nonce
        # At most the one in flight was taken without its acknowledgement having left.
        assert executed - acknowledged - len(digests) in (0, 1)
        acknowledged = executed
        chain.close()


def test_a_kill_before_any_block_leaves_the_pool(tmp_path: Path) -> None:
    """A transaction behind a nonce gap is durable although no block could hold it."""
    with running_chain(tmp_path) as (node, _):
        waiting = node.request("eth_sendRawTransaction", "0x" + Wallet().sign(1).hex())
    with running_chain(tmp_path) as (node, _):
        assert node.request("eth_getTransactionByHash", waiting)["blockHash"] is None
        node.request("eth_sendRawTransaction", "0x" + Wallet().sign(0).hex())
    chain = finish(tmp_path)
    assert chain.archive.place(bytes.fromhex(waiting[2:])) is not None
    chain.close()


def test_a_block_that_cannot_be_stored_changes_nothing(hand: HandChain, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, say: the head stays, the pool stays, and the next attempt holds the same transactions."""
    digest = hand.chain.submit(hand.wallet.sign(0))
    head = hand.chain.archive.head

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(hand.chain.archive.database, "commit_block", full)
        with pytest.raises(OSError, match="No space"):
            hand.chain.mine()
    assert hand.chain.archive.head == head
    assert hand.chain.waiting(digest) is not None
    assert [transaction.hash for transaction in hand.chain.mine().transactions] == [digest]


def test_a_transaction_that_cannot_be_stored_is_not_acknowledged(
    hand: HandChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(hand.chain.archive.database, "keep_transaction", lambda *_, **__: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            hand.chain.submit(hand.wallet.sign(0))
    assert not hand.chain.has_turns()
    hand.send()
