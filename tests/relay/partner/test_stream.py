"""Events of the partner API as a stream: it goes on where its listener was, ends with the server, and has bounds."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from relay.partner.feed import KINDS
from relay.partner.stream import MAX_STREAMS, event_stream
from tests.ledger.refusals import refused
from tests.relay.partner.conftest import OTHER_KEY, Counter
from tests.relay.partner.receiving import Receiver, subscribe


def listen(
    counter: Counter, count: int, *, headers: dict[str, str] | None = None, query: str = ""
) -> list[dict[str, Any]]:
    """The next events of a stream."""
    found: list[dict[str, Any]] = []
    with counter.http.stream("GET", f"/v1/events{query}", headers=headers or {}) as stream:
        assert stream.status_code == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in stream.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            if "data" in fields:
                told = json.loads(fields["data"])
                assert (told["id"], told["type"]) == (fields["id"], fields["event"])
                found.append(told)
            fields = {}
            if len(found) == count:
                return found
    return found


def test_a_stream_goes_on_after_the_last_event_its_listener_had(counter: Counter) -> None:
    closed = counter.carry()
    every = listen(counter, 5, query="?after=0")
    assert every[0]["type"] == "message.sent"
    assert {each["type"] for each in every} == {kind for kind in KINDS if kind.split(".")[1] in SEEN}
    assert {each["message"] for each in every} == {closed}
    counter.restart()
    counter.read()
    assert listen(counter, 3, headers={"Last-Event-ID": every[1]["id"]}) == every[2:]
    assert [each["id"] for each in listen(counter, 1, query="?after=0&types=message.judged")] == [every[-1]["id"]]


SEEN = {"sent", "proposed", "attested", "committed", "judged"}


def test_a_listener_hears_what_happens_while_it_listens(counter: Counter) -> None:
    heard: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: heard.extend(listen(counter, 5)))
    thread.start()
    deadline = time.monotonic() + 60
    while not counter.desk.streams["harbour"]:
        assert time.monotonic() < deadline
    closed = counter.carry()
    thread.join(60)
    assert [each["message"] for each in heard] == [closed] * 5


def test_a_partner_has_so_many_streams_and_no_more(counter: Counter) -> None:
    counter.desk.streams["harbour"] = 4
    answer = counter.http.get("/v1/events")
    assert (answer.status_code, answer.json()["code"]) == (409, "STREAM_LIMIT")
    with counter.client(OTHER_KEY) as other, other.stream("GET", "/v1/events") as stream:
        assert stream.status_code == 200


def test_many_streams_asked_for_at_once_find_no_more_room_than_one_after_the_other(counter: Counter) -> None:
    """Each is admitted by a thread of its own: the place is taken where it is looked at, not once the stream begins."""
    made = [partial(event_stream, counter.desk, "harbour", 0, frozenset(KINDS)) for _ in range(MAX_STREAMS + 1)]
    streams = [make() for make in made[:-1]]
    with refused("STREAM_LIMIT"):
        made[-1]()
    streams.append(event_stream(counter.desk, "mill", 0, frozenset(KINDS)))

    async def lost(_message: Any) -> None:
        raise OSError("its listener left before it began")

    async def left() -> dict[str, str]:
        return {"type": "http.disconnect"}

    for stream in streams:
        with suppress(OSError, ExceptionGroup, ClientDisconnect):
            asyncio.run(stream({"type": "http", "asgi": {"spec_version": "2.4"}}, left, lost))
    assert not counter.desk.streams.total()


def test_a_number_that_no_event_ever_had_is_refused_and_not_waited_for(counter: Counter, receiver: Receiver) -> None:
    """After the relay's book was lost: a listener that waits for number 8 would pass over the seven before it."""
    newest = counter.desk.feed.newest
    with counter.http.stream("GET", "/v1/events", headers={"Last-Event-ID": str(newest + 7)}) as stream:
        assert stream.status_code == 410  # whoever is let in waits here without an end
        assert json.loads(stream.read())["code"] == "EVENTS_GONE"
    answer = counter.post("/v1/subscriptions", {"url": receiver.url, "after": str(newest + 1)})
    assert (answer.status_code, answer.json()["code"]) == (410, "EVENTS_GONE")
    assert counter.get("/v1/subscriptions") == {"subscriptions": []}
    assert subscribe(counter, receiver, after=str(newest))["last_event"] == str(newest)


def test_a_server_with_open_streams_still_ends(counter: Counter) -> None:
    ended = threading.Event()

    def hold() -> None:
        listen(counter, 1_000)
        ended.set()

    threading.Thread(target=hold, daemon=True).start()
    deadline = time.monotonic() + 60
    while not counter.desk.streams["harbour"]:
        assert time.monotonic() < deadline
    counter.desk.is_closing.set()
    assert ended.wait(60)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("?after=-1", "QUERY_VALUE"),
        ("?after=x", "QUERY_VALUE"),
        ("?types=message.lost", "EVENT_KIND"),
        ("?from=1", "QUERY_UNKNOWN"),
    ],
)
def test_a_stream_is_refused(carried: Counter, query: str, code: str) -> None:
    assert carried.http.get(f"/v1/events{query}").json()["code"] == code
