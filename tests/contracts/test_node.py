"""The seam to a node: what comes back is well formed, answers what was asked, and is bounded. E09: an RPC's garbage."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from contracts import node as seam
from contracts.node import RpcNode, data, quantity
from ledger.errors import Refused, Unavailable

Answer = Callable[[Any], tuple[int, bytes]]


class Scripted:
    """A server that answers every request as the test says."""

    def __init__(self) -> None:
        self.answer: Answer = honest
        script = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, body = script.answer(asked)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Be quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def reply(asked: Any, **changed: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": asked["id"], "result": asked["method"], **changed}


def honest(asked: Any) -> tuple[int, bytes]:
    replies = [reply(item) for item in asked] if isinstance(asked, list) else reply(asked)
    return 200, json.dumps(replies).encode()


def as_json(build: Callable[[Any], Any]) -> Answer:
    return lambda asked: (200, json.dumps(build(asked)).encode())


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted()
    yield server
    server.stop()


@pytest.fixture
def node(scripted: Scripted) -> Iterator[RpcNode]:
    opened = RpcNode(scripted.url)
    yield opened
    opened.close()


def test_answers_stand_in_the_order_of_the_calls(scripted: Scripted, node: RpcNode) -> None:
    scripted.answer = as_json(lambda asked: [reply(item) for item in reversed(asked)])
    assert node.batch([("first", []), ("second", [1])]) == ["first", "second"]
    assert node.batch([]) == []


GARBAGE: dict[str, Answer] = {
    "html": lambda _asked: (200, b"<html>rate limited</html>"),
    "nothing": lambda _asked: (200, b""),
    "deep_nesting": lambda _asked: (200, b"[" * 200_000),
    "http_429": lambda _asked: (429, b"{}"),
    "http_500": lambda _asked: (500, b"{}"),
    "another_id": as_json(lambda asked: reply(asked, id=asked["id"] + 1)),
    "no_id": as_json(lambda asked: {"result": "0x1"}),
    "neither_result_nor_error": as_json(lambda asked: {"id": asked["id"]}),
    "a_number": as_json(lambda _asked: 7),
    "null": as_json(lambda _asked: None),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_E09_garbage_is_unusable_and_the_next_answer_is_not(scripted: Scripted, node: RpcNode, name: str) -> None:
    scripted.answer = GARBAGE[name]
    with pytest.raises(Unavailable) as unusable:
        node.request("eth_chainId")
    assert unusable.value.code == "NODE_GARBAGE"
    scripted.answer = honest
    assert node.request("eth_chainId") == "eth_chainId"


BATCHES: dict[str, Callable[[Any], Any]] = {
    "one_missing": lambda asked: [reply(asked[0])],
    "one_twice": lambda asked: [reply(asked[0]), reply(asked[0])],
    "one_too_many": lambda asked: [*map(reply, asked), reply(asked[0], id=0)],
    "one_alone": lambda asked: reply(asked[0]),
}


@pytest.mark.parametrize("name", BATCHES)
def test_E09_a_batch_is_answered_exactly(scripted: Scripted, node: RpcNode, name: str) -> None:
    scripted.answer = as_json(BATCHES[name])
    with pytest.raises(Unavailable, match="NODE_GARBAGE"):
        node.batch([("first", []), ("second", [])])


def test_a_reply_is_bounded(scripted: Scripted, node: RpcNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam, "MAX_REPLY_BYTES", 1_000)
    scripted.answer = lambda _asked: (200, b" " * 1_001)
    with pytest.raises(Unavailable, match="larger than 1000 bytes"):
        node.request("eth_chainId")


def test_a_nodes_error_is_a_refusal_with_its_words(scripted: Scripted, node: RpcNode) -> None:
    scripted.answer = as_json(lambda asked: {"id": asked["id"], "error": {"code": 3, "message": "no such block"}})
    with pytest.raises(Refused, match="NODE_ERROR: eth_call: no such block"):
        node.request("eth_call")


def test_a_node_that_is_not_there_is_unreachable(scripted: Scripted) -> None:
    scripted.stop()
    with pytest.raises(Unavailable) as gone:
        RpcNode(scripted.url).request("eth_chainId")
    assert (gone.value.code, bool(gone.value.cure)) == ("NODE_UNREACHABLE", True)


@pytest.mark.parametrize("value", [None, 7, "", "7", "0x", "0xzz", "0x" + "1" * 65, True])
def test_what_is_no_quantity(value: Any) -> None:
    with pytest.raises(Unavailable, match="NODE_GARBAGE"):
        quantity(value)
    assert quantity("0x1f") == 31


@pytest.mark.parametrize("value", [None, 7, "", "00ff", "0x0", "0xzz"])
def test_what_is_no_data(value: Any) -> None:
    with pytest.raises(Unavailable, match="NODE_GARBAGE"):
        data(value)
    assert data("0x00ff") == b"\x00\xff"
    with pytest.raises(Unavailable, match="2 bytes, not 3"):
        data("0x00ff", length=3)
