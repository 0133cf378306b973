"""The seam to a node: what comes back is well formed, answers what was asked, and is bounded. E09: an RPC's garbage."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from contracts import node as seam
from contracts.node import NodeError, RpcNode, data, quantity
from ledger.errors import Refused, Unavailable

Answer = Callable[[Any], tuple[int, bytes]]
DRIPS, DRIP_SECONDS = 300, 0.02  # six seconds in all, each byte well within any timeout of one read


class Scripted:
    """A server that answers every request as the test says."""

    def __init__(self) -> None:
        self.answer: Answer = honest
        self.drips = ""
        self.gone = threading.Event()
        script = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, body = script.answer(asked)
                if script.drips:
                    self._drip(status, body)
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _drip(self, status: int, body: bytes) -> None:
                # A whole honest answer in the end: only who bounds the whole exchange does not wait for it.
                head = b"HTTP/1.1 %d OK\r\nX-Slow: %s\r\nContent-Length: %d\r\n\r\n"
                slow = head % (status, b"x" * DRIPS if script.drips == "header" else b"", len(body))
                sent_at_once = slow.index(b"x" if script.drips == "header" else b"\r\n\r\n") + 4
                self.wfile.write(slow[:sent_at_once])
                for byte in slow[sent_at_once:] + body:
                    self.wfile.write(bytes([byte]))
                    if script.gone.wait(DRIP_SECONDS):
                        return

            def log_message(self, *_: Any) -> None:
                """Be quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self.gone.set()
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
    "a_list_for_an_id": as_json(lambda asked: reply(asked, id=[])),
    "an_object_for_an_id": as_json(lambda asked: reply(asked, id={})),
    "true_for_an_id": as_json(lambda asked: reply(asked, id=True)),
    "a_fraction_for_an_id": as_json(lambda asked: reply(asked, id=float(asked["id"]))),
    "a_number_beyond_all_bounds": lambda _asked: (200, b'{"id": 1' + b"0" * 5_000 + b', "result": 1}'),
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


def test_a_reply_is_bounded(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam, "MAX_REPLY_BYTES", 1_000)
    node = RpcNode(scripted.url)
    scripted.answer = lambda _asked: (200, b" " * 1_001)
    with pytest.raises(Unavailable, match="more than 1000 bytes"):
        node.request("eth_chainId")


@pytest.mark.parametrize("what", ["body", "header"])
def test_E08_a_node_that_drips_holds_nobody_beyond_the_deadline(scripted: Scripted, what: str) -> None:
    node = RpcNode(scripted.url, timeout_seconds=0.3)
    scripted.drips = what
    scripted.answer = lambda asked: (200, b" " * DRIPS + honest(asked)[1])
    with pytest.raises(Unavailable) as slow:
        node.request("eth_chainId")
    assert (slow.value.code, slow.value.where) == ("NODE_UNREACHABLE", scripted.url)
    scripted.drips = ""
    assert node.request("eth_chainId") == "eth_chainId"
    node.close()


@pytest.mark.parametrize("url", ["http://[", "http://127.0.0.1:99999", "no url", "http://\x00", "ftp://node", ""])
def test_what_is_no_url_is_unreachable_and_says_so(url: str) -> None:
    node = RpcNode(url)
    with pytest.raises(Unavailable) as caught:
        node.request("eth_chainId")
    assert (caught.value.code, caught.value.where, bool(caught.value.cure)) == ("NODE_UNREACHABLE", url, True)


def test_a_nodes_error_is_a_refusal_with_its_words(scripted: Scripted, node: RpcNode) -> None:
    scripted.answer = as_json(lambda asked: {"id": asked["id"], "error": {"code": 3, "message": "no such block"}})
    with pytest.raises(Refused, match="NODE_ERROR: eth_call: no such block"):
        node.request("eth_call")


# JSON-RPC error → its code as we keep it, and whether it is the contract's word rather than the node's.
ERRORS: dict[str, tuple[Any, int | None, bool]] = {
    "a_revert_by_its_code": ({"code": 3, "message": "execution reverted: id exists"}, 3, True),
    "a_revert_of_another_wording": ({"code": 3, "message": "no"}, 3, True),
    "a_revert_by_its_words": ({"code": -32000, "message": "Execution reverted"}, -32000, True),
    "rate_limited": ({"code": 429, "message": "rate limited"}, 429, False),
    "a_pruned_state": ({"code": -32000, "message": "missing trie node"}, -32000, False),
    "no_funds": ({"code": -32000, "message": "insufficient funds for gas * price + value"}, -32000, False),
    "a_code_that_is_text": ({"code": "3", "message": "no"}, None, False),
    "a_code_that_is_true": ({"code": True, "message": "no"}, None, False),
    "no_code": ({"message": "no"}, None, False),
    "bare_words": ("no", None, False),
    "a_list": ([3], None, False),
}


@pytest.mark.parametrize("name", ERRORS)
def test_a_nodes_error_keeps_its_code(scripted: Scripted, node: RpcNode, name: str) -> None:
    error, code, is_revert = ERRORS[name]
    scripted.answer = as_json(lambda asked: {"id": asked["id"], "error": error})
    with pytest.raises(NodeError) as caught:
        node.request("eth_estimateGas")
    assert (caught.value.code, caught.value.rpc_code, caught.value.is_revert) == ("NODE_ERROR", code, is_revert)


def test_a_nodes_words_are_bounded_and_can_be_written(scripted: Scripted, node: RpcNode) -> None:
    error = {"code": 1, "message": "\ud800" + "x" * 100_000}
    scripted.answer = as_json(lambda asked: {"id": asked["id"], "error": error})
    with pytest.raises(NodeError) as caught:
        node.request("eth_call")
    assert len(caught.value.what.encode("utf-8")) < 2_000


def test_a_node_that_is_not_there_is_unreachable(scripted: Scripted) -> None:
    scripted.stop()
    with pytest.raises(Unavailable) as gone:
        RpcNode(scripted.url).request("eth_chainId")
    assert (gone.value.code, bool(gone.value.cure)) == ("NODE_UNREACHABLE", True)


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "",
        "7",
        "0x",
        "0xzz",
        "0x" + "1" * 65,
        True,
        "0x-5",
        "0x+5",
        "0x1_0",
        "0x 7",
        "0x7 ",
        "0x7\n",
        "0X7",
        "0x٣",
    ],
)
def test_what_is_no_quantity(value: Any) -> None:
    with pytest.raises(Unavailable, match="NODE_GARBAGE"):
        quantity(value)
    assert (quantity("0x1f"), quantity("0xA"), quantity("0x0")) == (31, 10, 0)


@pytest.mark.parametrize("value", [None, 7, "", "00ff", "0x0", "0xzz", "0x00 ff", "0x 00", "0x00\n", "0X00"])
def test_what_is_no_data(value: Any) -> None:
    with pytest.raises(Unavailable, match="NODE_GARBAGE"):
        data(value)
    assert data("0x00ff") == b"\x00\xff"
    with pytest.raises(Unavailable, match="2 bytes, not 3"):
        data("0x00ff", length=3)
