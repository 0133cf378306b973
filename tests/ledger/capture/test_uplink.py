"""The uplink tries again what may pass, never what was refused, and tells the ledger's own reason."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from ledger.capture.uplink import MAX_ANSWER_BYTES, WAITS_SECONDS, Uplink
from ledger.errors import BadInput, Problem, Refused
from ledger.evidence import SignedEvidence
from ledger.segment_body import SegmentBody, read_segment_body
from ledger.uplink_protocol import SEGMENTS_PATH
from tests.ledger.refusals import refused

SIGNED = SignedEvidence(b"{}", bytes(64))


class Ledger:
    """Answers requests from a list, then 201; keeps what was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers: Iterator[httpx.Response | Exception] = iter(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = next(self.answers, httpx.Response(201))
        if isinstance(answer, Exception):
            raise answer
        return answer


def submit(ledger: Ledger) -> list[float]:
    """Submit one segment and return the waits between attempts."""
    waited: list[float] = []
    client = httpx.Client(transport=httpx.MockTransport(ledger))
    with Uplink("http://127.0.0.1:8080/", client=client, wait=waited.append) as uplink:
        uplink.submit(SIGNED, b"init", b"media")
    return waited


def problem(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "title": "Because.", "where": "media.sha256", "cure": "Do."})


def test_a_segment_is_posted_in_the_form_the_receiver_reads() -> None:
    ledger = Ledger()
    assert submit(ledger) == []
    (request,) = ledger.requests
    assert (request.method, request.url.path) == ("POST", SEGMENTS_PATH)
    assert request.headers["content-type"] == "application/cbor"
    assert read_segment_body(request.content) == SegmentBody(SIGNED, b"init", b"media")


@pytest.mark.parametrize("status", [200, 201])
def test_new_and_already_held_are_both_success(status: int) -> None:
    assert submit(Ledger(httpx.Response(status))) == []


def test_what_was_delivered_and_erased_since_is_not_sent_for_ever() -> None:
    """Its answer was lost, and the device must be able to go on with its next number."""
    ledger = Ledger(problem(410, "ERASED"))
    assert submit(ledger) == []
    assert len(ledger.requests) == 1
    with refused("EVENTS_GONE"):
        submit(Ledger(problem(410, "EVENTS_GONE")))


def test_OD05_what_stands_already_is_delivered_and_another_s_word_under_its_number_is_not() -> None:
    def replay(held: object) -> httpx.Response:
        return httpx.Response(409, json={"code": "REPLAY", "title": "Used.", "expected": 7, "held": held})

    assert submit(Ledger(replay(SIGNED.digest.hex()))) == []
    for held in ("", "00" * 32, SIGNED.digest.hex().upper(), None, 7):
        ledger = Ledger(replay(held))
        with refused("REPLAY"):
            submit(ledger)
        assert len(ledger.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.Response(503), httpx.Response(500)],
    ids=["cannot connect", "no answer in time", "503", "500"],
)
def test_what_may_pass_is_tried_again_with_the_same_bytes(answer: httpx.Response | Exception) -> None:
    ledger = Ledger(answer, answer)
    assert submit(ledger) == list(WAITS_SECONDS[:2])
    assert len({request.content for request in ledger.requests}) == 1


def test_attempts_are_bounded() -> None:
    ledger = Ledger(*[httpx.Response(503)] * 10)
    with refused("UPLINK_DOWN"):
        submit(ledger)
    assert len(ledger.requests) == len(WAITS_SECONDS) + 1


@pytest.mark.parametrize(
    ("status", "kind"), [(403, Refused), (404, Refused), (409, Refused), (413, BadInput), (422, BadInput)]
)
def test_a_refusal_is_final_and_keeps_its_code(status: int, kind: type[Problem]) -> None:
    ledger = Ledger(problem(status, "MANIFEST"))
    with pytest.raises(kind) as caught:
        submit(ledger)
    assert (caught.value.code, caught.value.where, caught.value.cure) == ("MANIFEST", "media.sha256", "Do.")
    assert len(ledger.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(302, headers={"location": "http://169.254.169.254/"}),
        httpx.Response(409, content=b"<html>"),
        httpx.Response(409, json=["no object"]),
        httpx.Response(409, json={"code": 7}),
        httpx.Response(409, content=b"[" * 1000),
        httpx.Response(409, content=b" " * (MAX_ANSWER_BYTES + 1)),
    ],
    ids=["OS02 a redirect", "HTML", "a list", "a code that is no text", "deep JSON", "an endless answer"],
)
def test_os02_an_answer_that_is_none_of_ours_is_typed_and_not_followed(answer: httpx.Response) -> None:
    ledger = Ledger(answer)
    with refused("UPLINK_REFUSED"):
        submit(ledger)
    assert len(ledger.requests) == 1


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 1024
            assert read < 2 * MAX_ANSWER_BYTES
            yield bytes(1024)

    with refused("UPLINK_REFUSED"):
        submit(Ledger(httpx.Response(409, content=endless())))
    assert read > MAX_ANSWER_BYTES


@pytest.mark.parametrize(
    "url", ["", "ftp://x", "file:///etc/passwd", "127.0.0.1:80", "http://", "http://x?y", "http://x#y"]
)
def test_what_is_no_address_of_a_ledger_is_refused(url: str) -> None:
    with refused("UPLINK_URL"):
        Uplink(url)


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with Uplink("http://127.0.0.1:8080") as uplink:
        assert not uplink._client._mounts and uplink._client.follow_redirects is False
