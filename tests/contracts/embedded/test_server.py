"""The running node: over HTTP, several in one process, bounded, and gone when stopped."""

from __future__ import annotations

import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from typer import Typer
from typer.testing import CliRunner

from contracts.embedded import verbs
from contracts.embedded.server import MAX_BODY_BYTES, EmbeddedNode, listen
from contracts.node import RpcNode
from ledger.errors import Problem, Unavailable
from tests.contracts.embedded.conftest import wait_for_receipt
from tests.contracts.embedded.probe import CHAIN_ID, ETHER, RECURSING_INITCODE, STRANGER, Wallet, genesis, initcode


@pytest.fixture
def rpc(node: EmbeddedNode) -> RpcNode:
    return RpcNode(node.url)


def test_a_transaction_sent_is_mined_without_asking(rpc: RpcNode) -> None:
    digest = rpc.request("eth_sendRawTransaction", "0x" + Wallet().sign(0, value=5).hex())
    assert wait_for_receipt(rpc, digest)["status"] == "0x1"
    assert rpc.request("eth_getBalance", STRANGER, "latest") == "0x5"


def test_transactions_sent_together_share_a_block(rpc: RpcNode) -> None:
    raws = ["0x" + Wallet().sign(nonce).hex() for nonce in range(20)]
    digests = rpc.batch([("eth_sendRawTransaction", [raw]) for raw in raws])
    receipts = [wait_for_receipt(rpc, digest) for digest in digests]
    assert {receipt["blockNumber"] for receipt in receipts} == {"0x1"}


def test_many_senders_at_once_are_all_executed(rpc: RpcNode) -> None:
    wallets = [Wallet(bytes([number]) * 32) for number in range(1, 9)]
    rpc.batch(
        [
            ("eth_sendRawTransaction", ["0x" + Wallet().sign(nonce, to=wallet.address, value=ETHER).hex()])
            for nonce, wallet in enumerate(wallets)
        ]
    )
    wait_for_receipt(rpc, rpc.request("eth_sendRawTransaction", "0x" + Wallet().sign(len(wallets)).hex()))

    def send_five(wallet: Wallet) -> list[str]:
        return [rpc.request("eth_sendRawTransaction", "0x" + wallet.sign(nonce).hex()) for nonce in range(5)]

    with ThreadPoolExecutor(8) as senders:
        digests = [digest for found in senders.map(send_five, wallets) for digest in found]
    assert {wait_for_receipt(rpc, digest)["status"] for digest in digests} == {"0x1"}
    assert {rpc.request("eth_getTransactionCount", wallet.address, "latest") for wallet in wallets} == {"0x5"}


def test_reading_goes_on_while_blocks_are_made(rpc: RpcNode) -> None:
    """What a reader sees is a whole block: state, header and receipts belong together."""
    stop = threading.Event()
    seen: list[bool] = []

    def read() -> None:
        while not stop.is_set():
            header = rpc.request("eth_getBlockByNumber", "latest", False)
            count = rpc.request("eth_getTransactionCount", Wallet().address, header["number"])
            seen.append(count == header["number"])  # one transaction in each block

    reader = threading.Thread(target=read)
    reader.start()
    for nonce in range(15):
        wait_for_receipt(rpc, rpc.request("eth_sendRawTransaction", "0x" + Wallet().sign(nonce).hex()))
    stop.set()
    reader.join()
    assert seen
    assert all(seen)


def test_deep_recursion_in_a_contract_harms_no_thread(rpc: RpcNode) -> None:
    sent = rpc.request("eth_sendRawTransaction", "0x" + Wallet().sign(0, to=None, data=RECURSING_INITCODE).hex())
    deep = wait_for_receipt(rpc, sent)["contractAddress"]
    assert rpc.request("eth_call", {"to": deep, "gas": hex(50_000_000)}, "latest") == "0x"
    sent = rpc.request("eth_sendRawTransaction", "0x" + Wallet().sign(1, to=deep, gas=29_000_000).hex())
    assert wait_for_receipt(rpc, sent)["status"] == "0x1"


def test_several_chains_run_in_one_process(tmp_path: Path) -> None:
    with contextlib.ExitStack() as running:
        nodes = [
            running.enter_context(EmbeddedNode.start(tmp_path / str(chain_id), genesis(chain_id=chain_id)))
            for chain_id in (7101, 7102, 7103)
        ]
        for started in nodes:
            rpc = RpcNode(started.url)
            assert rpc.request("eth_chainId") == hex(started.chain_id)
            raw = Wallet(chain_id=started.chain_id).sign(0, chainId=started.chain_id, to=None, data=initcode())
            assert wait_for_receipt(rpc, rpc.request("eth_sendRawTransaction", "0x" + raw.hex()))["status"] == "0x1"
        with pytest.raises(Problem, match="invalid chain id"):
            RpcNode(nodes[0].url).request("eth_sendRawTransaction", "0x" + raw.hex())


def test_blocks_come_at_an_interval_when_asked_to(tmp_path: Path) -> None:
    with EmbeddedNode.start(tmp_path, genesis(), block_seconds=0.01) as started:
        rpc = RpcNode(started.url)
        while int(rpc.request("eth_blockNumber"), 16) < 3:
            pass
        assert rpc.request("eth_getBlockByNumber", "0x2", False)["transactions"] == []


def test_a_stopped_node_answers_no_more_and_its_folder_is_free(tmp_path: Path) -> None:
    started = EmbeddedNode.start(tmp_path, genesis())
    threads = threading.active_count()
    started.stop()
    started.stop()
    assert threading.active_count() < threads
    with pytest.raises(Unavailable):
        RpcNode(started.url).request("eth_chainId")
    with EmbeddedNode.start(tmp_path) as again:
        assert RpcNode(again.url).request("eth_chainId") == hex(CHAIN_ID)


def test_a_port_in_use_is_one_typed_error_and_the_folder_stays_free(tmp_path: Path, node: EmbeddedNode) -> None:
    port = int(node.url.rsplit(":", 1)[1])
    for taken in (port, 70_000):
        with pytest.raises(Unavailable) as caught:
            EmbeddedNode.start(tmp_path / "other", genesis(), port=taken)
        assert caught.value.code == "PORT_IN_USE"
        assert caught.value.where == f"127.0.0.1:{taken}"
    EmbeddedNode.start(tmp_path / "other", genesis()).stop()


def test_a_node_whose_folder_is_refused_leaves_no_port_behind(tmp_path: Path, node: EmbeddedNode) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    with pytest.raises(Problem) as caught:
        EmbeddedNode.start(tmp_path / "node", genesis(), port=free)
    assert caught.value.code == "CHAIN_FOLDER_BUSY"
    EmbeddedNode.start(tmp_path / "free", genesis(), port=free).stop()


def test_a_body_too_large_is_refused_and_the_largest_is_not(node: EmbeddedNode) -> None:
    with httpx.Client(trust_env=False) as client:
        assert client.post(node.url, content=b" " * (MAX_BODY_BYTES + 1)).status_code == 413
        assert client.post(node.url, content=b" " * MAX_BODY_BYTES).json()["error"]["code"] == -32700


def test_garbage_gets_no_server_error(node: EmbeddedNode) -> None:
    with httpx.Client(trust_env=False) as client:
        for body in (b"", b"\xff", b"[" * 1_000_000, b"{}", b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}'):
            assert client.post(node.url, content=body).status_code == 200
        assert client.get(node.url).status_code == 405
        assert client.post(node.url + "/admin", content=b"{}").status_code == 404
        assert client.post(node.url, content=b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}').json()["result"]


def test_a_client_that_leaves_while_it_asks_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    node = EmbeddedNode.start(tmp_path / "left", genesis())
    with socket.create_connection(("127.0.0.1", int(node.url.rsplit(":", 1)[1])), timeout=60) as leaving:
        leaving.sendall(b"POST / HTTP/1.1\r\nHost: node\r\nContent-Length: 100\r\n\r\nonly this")
    assert RpcNode(node.url).request("eth_chainId") == hex(CHAIN_ID)
    node.stop()  # whatever was asked is over by then
    assert [each.getMessage() for each in caplog.records if each.exc_info] == []


def test_it_listens_on_loopback_and_without_nagles_delay(node: EmbeddedNode) -> None:
    assert node.url.startswith("http://127.0.0.1:")
    listening = listen("127.0.0.1", 0)
    # asyncio sets TCP_NODELAY on what it accepts only where the listening socket names its protocol.
    assert listening.proto == socket.IPPROTO_TCP
    listening.close()


@pytest.mark.parametrize("fund", ["0x12=1", "alice", f"{STRANGER}=lots", f"{STRANGER}=-1", f"{STRANGER}=٣"])
def test_the_command_refuses_a_funding_it_cannot_read(tmp_path: Path, fund: str) -> None:
    app = Typer()
    verbs.register(app)
    arguments = ["chain", "run", "--chain-id", "7101", "--data", str(tmp_path / "x"), "--fund", fund]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, Problem)
    assert result.exception.code == "CHAIN_GENESIS"
    assert not (tmp_path / "x").exists()
