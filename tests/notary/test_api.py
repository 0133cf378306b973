"""The notary over HTTP: what it answers, and how it refuses what is not a request."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ledger.secp256k1 import Signature
from notary.service import RunningNotary, start
from notary.signer import ATTESTING_FILE, COSIGNING_FILE
from notary.wire import MAX_BODY_BYTES
from tests.chains import NOTARY_KEYS, Deployed, Sent
from tests.notary.subject import Subject

HEX_ID = "0x" + "ab" * 32


@pytest.fixture(scope="module")
def subject(chains: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """Folder and configuration of one notary for all tests here; `running` opens it."""
    found = Subject(chains, tmp_path_factory.mktemp("api") / "notary0")
    found.close()
    return found


@pytest.fixture(scope="module")
def running(subject: Subject) -> Iterator[RunningNotary]:
    """The notary of `subject` as the service that an operator runs."""
    found = start(subject.config)
    yield found
    found.stop()


@pytest.fixture(scope="module")
def client(running: RunningNotary) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, trust_env=False, timeout=30) as opened:
        yield opened


def place(sent: Sent, **changed: Any) -> dict[str, Any]:
    """A message's place as the API takes it."""
    fields = {"origin": "eip155:7101", "block": sent.block, "transaction_index": sent.transaction_index}
    return fields | {"log_index": sent.log_index} | changed


def problem(response: httpx.Response) -> dict[str, Any]:
    """The error of a response, which is always complete and of the right type."""
    assert response.headers["content-type"].startswith("application/problem+json")
    found: dict[str, Any] = response.json()
    assert {"code", "what", "where", "cure", "status"} <= set(found)
    assert found["status"] == response.status_code
    return found


def test_somebody_who_leaves_while_he_asks_is_no_defect(
    running: RunningNotary, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(("127.0.0.1", int(running.url.rsplit(":", 1)[1])), timeout=60) as leaving:
        leaving.sendall(b"POST /attestations HTTP/1.1\r\nHost: notary\r\nContent-Length: 100\r\n\r\nonly this")
    assert client.get("/status").status_code == 200
    assert [each.getMessage() for each in caplog.records if each.exc_info] == []


def test_attestation_and_verdict_of_one_message(client: httpx.Client, subject: Subject) -> None:
    sent = subject.chains.send()
    attested = client.post("/attestations", json={"leaves": [place(sent)]})
    assert attested.status_code == 200, attested.text
    answer = attested.json()
    assert set(answer) == {"epoch", "root", "ids", "member", "signature"}
    assert (answer["ids"], answer["member"], answer["epoch"]) == ([f"0x{sent.message.id.hex()}"], 0, 1)
    Signature.parse(bytes.fromhex(answer["signature"][2:]))
    assert client.post("/attestations", json={"leaves": [place(sent)]}).json() == answer

    held = client.get(f"/attestations/0x{sent.message.id.hex()}").json()
    assert [each["signature"] for each in held["attestations"]] == [answer["signature"]]
    assert [(each["epoch"], each["member"]) for each in held["attestations"]] == [(1, 0)]

    _, commit = subject.chains.commit(sent)
    early = client.post("/verdicts", json={"origin": place(sent)})
    assert (early.status_code, early.json()["code"]) == (503, "NOT_EXPIRED")
    judged = client.post("/verdicts", json={"origin": place(sent), "commit": commit})
    assert judged.status_code == 200, judged.text
    verdict = judged.json()["verdict"]
    assert (verdict["id"], verdict["verdict"], verdict["executed"]) == (answer["ids"][0], 1, True)

    status = client.get("/status").json()
    assert (status["index"], status["epoch"], status["log_size"]) == (0, 1, 0)
    assert min(status["attestations"], status["verdicts"]) >= 1
    assert status["address"] == f"0x{NOTARY_KEYS[0].address.hex()}"
    assert status["chains"]["eip155:7102"]["verdict"] == "same"


def test_refused_leaves_are_named_with_409(client: httpx.Client, subject: Subject) -> None:
    good, bad = place(subject.chains.send()), place(subject.chains.send(), log_index=5)
    response = client.post("/attestations", json={"leaves": [good, bad]})
    found = problem(response)
    assert (response.status_code, found["code"]) == (409, "LEAVES_REFUSED")
    assert [(each["leaf"], each["code"]) for each in found["refused"]] == [(1, "PROOF_ABSENT")]
    assert client.post("/attestations", json={"leaves": [good]}).status_code == 200


def test_what_is_not_final_is_503(client: httpx.Client, subject: Subject) -> None:
    early = place(subject.chains.send(), block=10**6)
    response = client.post("/attestations", json={"leaves": [early]})
    assert (response.status_code, problem(response)["code"]) == (503, "NOT_FINAL")


def test_an_unknown_message_has_no_attestations(client: httpx.Client) -> None:
    assert client.get(f"/attestations/{HEX_ID}").json()["attestations"] == []


LEAF = {"origin": "eip155:7101", "block": 1, "transaction_index": 0, "log_index": 0}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "JSON_SYNTAX"),
        (b"{", "JSON_SYNTAX"),
        (b"\xff", "JSON_ENCODING"),
        (b'{"leaves": [NaN]}', "JSON_NUMBER"),
        (b'{"leaves": [1e999]}', "JSON_NUMBER"),
        (b'{"leaves": [], "leaves": []}', "JSON_DUPLICATE_KEY"),
        (b"[" * 1000 + b"]" * 1000, "JSON_DEPTH"),
        (b"[]", "REQUEST_FORMAT"),
        (b'{"leaves": {}}', "REQUEST_FORMAT"),
        (b'{"leaves": [], "more": 1}', "REQUEST_FORMAT"),
        (b'{"leaves": []}', "LEAVES_COUNT"),
        (b'{"leaves": [1]}', "REQUEST_FORMAT"),
    ],
)
def test_bodies_that_are_no_request_are_422(client: httpx.Client, raw: bytes, code: str) -> None:
    response = client.post("/attestations", content=raw)
    assert (response.status_code, problem(response)["code"]) == (422, code)
    assert client.post("/verdicts", content=raw).status_code == 422


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"block": -1}, "REQUEST_FORMAT"),
        ({"block": "1"}, "REQUEST_FORMAT"),
        ({"block": 1.5}, "REQUEST_FORMAT"),
        ({"block": True}, "REQUEST_FORMAT"),
        ({"block": None}, "REQUEST_FORMAT"),
        ({"log_index": 2**40}, "REQUEST_FORMAT"),
        ({"block": 2**63}, "JSON_NUMBER"),
        ({"origin": 7101}, "REQUEST_FORMAT"),
        ({"origin": "7101"}, "CHAIN_NAME"),
        ({"origin": "eip155:07101"}, "CHAIN_NAME"),
        ({"chain": "eip155:7101"}, "REQUEST_FORMAT"),
    ],
    ids=str,
)
def test_places_that_are_none_are_422(client: httpx.Client, changed: dict[str, Any], code: str) -> None:
    response = client.post("/attestations", json={"leaves": [LEAF | changed]})
    assert (response.status_code, problem(response)["code"]) == (422, code)
    response = client.post("/verdicts", json={"origin": LEAF | changed, "commit": LEAF})
    assert response.status_code == 422


def test_a_body_beyond_the_bound_is_not_read(client: httpx.Client) -> None:
    for path in ("/attestations", "/verdicts", "/add-checkpoint"):
        response = client.post(path, content=b" " * (MAX_BODY_BYTES + 1))
        assert (response.status_code, problem(response)["code"]) == (413, "BODY_SIZE")


def test_a_body_that_does_not_arrive_in_time_is_not_waited_for(
    running: RunningNotary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notary.api.BODY_SECONDS", 0.01)
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"POST /attestations HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\n{")
        assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("text", ["0x", "ab" * 32, "0x" + "AB" * 32, "0x" + "ab" * 33, "0x" + "\u0661" * 64])
def test_a_message_id_has_one_spelling(client: httpx.Client, text: str) -> None:
    response = client.get(f"/attestations/{text}")
    assert (response.status_code, problem(response)["code"]) == (422, "REQUEST_FORMAT")


def test_other_paths_and_methods_are_refused_in_the_same_form(client: httpx.Client) -> None:
    for method, path, status in (("GET", "/", 404), ("GET", "/attestations", 405), ("DELETE", "/status", 405)):
        response = client.request(method, path)
        assert response.status_code == status
        problem(response)


def test_k01_no_secret_in_any_answer(client: httpx.Client, subject: Subject) -> None:
    secrets = [(subject.folder / name).read_text().strip() for name in (ATTESTING_FILE, COSIGNING_FILE)]
    leaf = place(subject.chains.send())
    answers = [
        client.get("/status"),
        client.get("/openapi.json"),
        client.post("/attestations", json={"leaves": [leaf]}),
        client.post("/attestations", json={"leaves": [leaf | {"log_index": 9}]}),
        client.post("/verdicts", content=b"{"),
        client.post("/add-checkpoint", content=b"old 0\n\n"),
    ]
    shown = [answer.text + json.dumps(dict(answer.headers)) for answer in answers]
    assert not [text for text in shown for secret in secrets if secret in text.lower()]


def test_the_background_keeps_the_re_execution_up_to_date(running: RunningNotary, subject: Subject) -> None:
    _, commit = subject.chains.commit(subject.chains.send())
    stop = running._stopping
    for _ in range(600):  # bounded: each turn waits for the thread's own rhythm, or ends at once
        checked = running.notary.status().chains["eip155:7102"].checked_to
        if checked is not None and checked >= commit["block"]:
            break
        stop.wait(0.05)
    assert checked is not None
    assert checked >= commit["block"]
