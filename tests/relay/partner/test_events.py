"""What partners hear: numbered events without gap or repetition, as a stream and as signed webhooks."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from starlette.requests import ClientDisconnect

from ledger import ed25519
from ledger.errors import Problem
from relay.partner import described
from relay.partner.book import Book
from relay.partner.feed import KINDS, Event, Feed
from relay.partner.hooks import (
    AT_ONCE,
    AT_ONCE_EACH,
    FAILURES_BEFORE_SUSPENSION,
    MAX_SUBSCRIPTIONS,
    Subscription,
    webhook_key,
)
from relay.partner.reach import Lookup, check_url, is_public, public_addresses
from relay.partner.stream import MAX_STREAMS, event_stream
from tests.ledger.refusals import refused
from tests.relay.partner.conftest import OTHER_KEY, Counter
from tests.relay.test_journeys import HERE, RECORD, THERE, WHOLE, Chains
from tests.relay.written import MESSAGE, committed, message, proposed, sent

DEPLOYMENT = b"\x01" * 32
ID = f"0x{MESSAGE.id.hex()}"


class Followed(Chains):
    """Three written chains, folded into a feed that can be opened again."""

    feed: Feed

    def __init__(self, folder: Path, **options: Any) -> None:
        super().__init__()
        self._folder, self._options = folder, options
        self.book = Book(folder, deployment=DEPLOYMENT)
        self.feed = Feed(self.book, **options)
        self.docket = self.feed  # type: ignore[assignment]

    def again(self) -> Followed:
        """A new process over the same book and chains: it reads them from the beginning."""
        self.book.close()
        found = Followed(self._folder, **self._options)
        found.nodes = self.nodes
        for role, watcher in found.watchers.items():
            watcher.node = self.nodes[role]
        return found

    def told(self, after: int = 0) -> list[tuple[int, str, str]]:
        return [(each.sequence, each.kind, each.message) for each in self.feed.after(after, 1_000)]


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Followed]:
    made = Followed(tmp_path / "book")
    yield made
    made.book.close()


def test_each_final_log_is_one_numbered_event(followed: Followed) -> None:
    for role, log in WHOLE:
        followed.add(role, log)
        followed.read(role)
    kinds = ["message.sent", "message.proposed", "message.attested", "message.committed", "message.judged"]
    assert followed.told() == [(number, kind, ID) for number, kind in enumerate(kinds, 1)]
    for each in followed.feed.after(0, 10):
        Draft202012Validator(described.EVENT).validate(json.loads(each.body))
    last = json.loads(followed.feed.after(4, 10)[0].body)
    assert (last["id"], last["state"], last["credential"], last["chain"]) == (
        "5",
        "closed",
        "0x" + "04" * 32,
        "eip155:7103",
    )


def test_a_restart_tells_nothing_twice_and_goes_on_counting(followed: Followed) -> None:
    followed.add(HERE, sent(MESSAGE))
    followed.read()
    before = followed.told()
    again = followed.again()
    again.read()
    assert again.told() == before
    again.add(RECORD, proposed(MESSAGE))
    again.read()
    assert again.told(1) == [(2, "message.proposed", ID)]
    again.book.close()


@pytest.mark.parametrize("while_down", [False, True])
def test_E03_what_a_chain_leaves_behind_is_followed_by_a_word_about_it(followed: Followed, while_down: bool) -> None:
    followed.add(HERE, sent(MESSAGE))
    followed.add(THERE, committed(MESSAGE))
    followed.read()
    found = followed.again() if while_down else followed
    found.nodes[THERE].reorganise(0)
    found.add(THERE)
    found.add(THERE, committed(MESSAGE))
    found.read()
    kinds = [kind for _, kind, _ in found.told()]
    assert kinds == ["message.sent", "message.committed", "chain.rewound", "message.committed"]
    word = json.loads(found.feed.after(2, 1)[0].body)
    assert word == {"id": "3", "type": "chain.rewound", "chain": "eip155:7102", "block": 0}
    before = found.told()
    again = found.again()
    again.read()
    assert again.told() == before
    again.book.close()


def test_a_reorganisation_that_touches_no_message_is_no_event(followed: Followed) -> None:
    followed.add(THERE)
    followed.read()
    followed.nodes[THERE].reorganise(0)
    followed.add(THERE)
    followed.add(THERE)
    followed.read()
    assert followed.told() == []


def test_old_events_are_forgotten_and_not_told_again(tmp_path: Path) -> None:
    followed = Followed(tmp_path / "book", kept=3)
    for sequence in range(10):
        followed.add(HERE, sent(message(sequence)))
        followed.read()
    kept = followed.told(after=followed.feed.newest - 2)
    assert [number for number, _, _ in kept] == [9, 10]
    with refused("EVENTS_GONE"):
        followed.feed.after(0, 1)
    again = followed.again()
    again.read()
    assert again.feed.newest == 10
    assert again.told(after=8) == kept
    again.book.close()


def test_a_book_of_another_deployment_or_in_use_is_refused(followed: Followed, tmp_path: Path) -> None:
    with refused("PARTNER_BOOK_IN_USE"):
        Book(tmp_path / "book", deployment=DEPLOYMENT)
    followed.book.close()
    with refused("PARTNER_BOOK_OTHER"):
        Book(tmp_path / "book", deployment=b"\x02" * 32)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "partners.sqlite").write_bytes(b"not a database" * 100)
    with refused("PARTNER_BOOK_FAILED"):
        Book(tmp_path / "broken", deployment=DEPLOYMENT)
    Book(tmp_path / "book", deployment=DEPLOYMENT).close()


def test_nothing_is_kept_of_a_transaction_that_was_cut_off(followed: Followed) -> None:
    with pytest.raises(ZeroDivisionError), followed.book.transaction() as db:
        db.execute("INSERT INTO floor VALUES (1, 2)")
        with followed.book.transaction():
            raise ZeroDivisionError
    assert followed.book.rows("SELECT * FROM floor") == []


# -- the stream --------------------------------------------------------------------------------------------------------


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


# -- webhooks ----------------------------------------------------------------------------------------------------------


class Receiver:
    """A partner's own server: keeps what it is sent, and answers with the statuses a test sets, then 204."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status = receiver.statuses.pop(0) if receiver.statuses else 204
                self.send_response(status)
                if status in (301, 302, 307):
                    self.send_header("Location", receiver.url + "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def ids(self) -> list[str]:
        return [json.loads(body)["id"] for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def subscribe(counter: Counter, receiver: Receiver, **fields: Any) -> dict[str, Any]:
    answer = counter.post("/v1/subscriptions", {"url": receiver.url} | fields)
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    Draft202012Validator(described.SUBSCRIPTION).validate(shown)
    return shown


def test_a_subscriber_gets_every_event_once_in_order_and_can_tell_it_is_ours(
    counter: Counter, receiver: Receiver
) -> None:
    subscription = subscribe(counter, receiver)
    closed = counter.carry()
    counter.desk.hooks.serve()
    assert receiver.ids == ["1", "2", "3", "4", "5"]
    key = bytes.fromhex(counter.get("/v1/about")["webhook_key"])
    for headers, body in receiver.got:
        told = json.loads(body)
        assert told["message"] == closed
        assert headers["webhook-id"] == f"{subscription['id']}.{told['id']}"
        assert headers["webhook-timestamp"] == str(int(counter.time()))
        scheme, _, signature = headers["webhook-signature"].partition(",")
        assert scheme == "v1a"
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        ed25519.verify(key, signed, base64.b64decode(signature))
        with refused("SIG_INVALID"):
            ed25519.verify(key, signed + b" ", base64.b64decode(signature))
    counter.desk.hooks.serve()
    assert len(receiver.got) == 5
    assert counter.get(f"/v1/subscriptions/{subscription['id']}")["last_event"] == "5"


def test_a_subscriber_gets_the_kinds_it_asked_for_from_where_it_asked(counter: Counter, receiver: Receiver) -> None:
    counter.carry()
    subscribe(counter, receiver, types=["message.judged", "message.sent"], after="0")
    counter.desk.hooks.serve()
    assert [json.loads(body)["type"] for _, body in receiver.got] == ["message.sent", "message.judged"]
    subscribe(counter, receiver)
    counter.desk.hooks.serve()
    assert len(receiver.got) == 2


def test_what_a_receiver_did_not_take_is_sent_again_later_and_nothing_overtakes_it(
    counter: Counter, receiver: Receiver
) -> None:
    subscription = subscribe(counter, receiver)
    counter.carry()
    receiver.statuses = [204, 500, 503]
    counter.desk.hooks.serve()
    assert receiver.ids == ["1", "2"]
    counter.desk.hooks.serve()  # not before a second has passed
    assert receiver.ids == ["1", "2"]
    shown = counter.get(f"/v1/subscriptions/{subscription['id']}")
    assert (shown["failures"], shown["trouble"]) == (1, "WEBHOOK_ANSWER: the receiver answered 500")
    counter.time.advance(1)
    counter.desk.hooks.serve()
    counter.time.advance(1)
    counter.desk.hooks.serve()  # the second wait is longer
    assert receiver.ids == ["1", "2", "2"]
    counter.time.advance(1)
    counter.restart()  # what waits survives the process
    counter.desk.hooks.serve()
    assert receiver.ids == ["1", "2", "2", "2", "3", "4", "5"]
    assert counter.get(f"/v1/subscriptions/{subscription['id']}")["failures"] == 0


def test_a_receiver_that_never_answers_is_suspended_and_can_go_on(counter: Counter, receiver: Receiver) -> None:
    subscription = subscribe(counter, receiver)
    counter.carry()
    receiver.statuses = [500] * FAILURES_BEFORE_SUSPENSION
    for _ in range(FAILURES_BEFORE_SUSPENSION + 3):
        counter.desk.hooks.serve()
        counter.time.advance(3_600)
    assert len(receiver.got) == FAILURES_BEFORE_SUSPENSION
    path = f"/v1/subscriptions/{subscription['id']}"
    assert counter.get(path)["state"] == "suspended"
    assert counter.post(f"{path}/resume", {}).json()["state"] == "active"
    counter.desk.hooks.serve()
    assert receiver.ids[FAILURES_BEFORE_SUSPENSION:] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_not_followed(counter: Counter, receiver: Receiver, status: int) -> None:
    subscribe(counter, receiver)
    counter.carry()
    receiver.statuses = [status]
    counter.desk.hooks.serve()
    assert receiver.ids == ["1"]


def test_a_subscription_is_its_partners_own(counter: Counter, receiver: Receiver) -> None:
    subscription = subscribe(counter, receiver)
    path = f"/v1/subscriptions/{subscription['id']}"
    with counter.client(OTHER_KEY) as other:
        assert other.get("/v1/subscriptions").json() == {"subscriptions": []}
        assert other.get(path).json()["code"] == "SUBSCRIPTION_UNKNOWN"
        assert other.delete(path).status_code == 404
        assert other.post(f"{path}/resume", json={}).status_code == 404
    assert counter.get("/v1/subscriptions") == {"subscriptions": [subscription]}
    assert counter.http.delete(path).status_code == 200
    assert counter.http.get(path).json()["code"] == "SUBSCRIPTION_UNKNOWN"
    counter.carry()
    counter.desk.hooks.serve()
    assert receiver.got == []


def test_a_subscription_asked_for_twice_under_one_key_is_one(counter: Counter, receiver: Receiver) -> None:
    answers = [counter.post("/v1/subscriptions", {"url": receiver.url}, Idempotency_Key="s").json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(counter.get("/v1/subscriptions")["subscriptions"]) == 1


SUBSCRIPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "REQUEST_FORMAT"),
    "another field": ({"url": "https://a.example", "secret": "s"}, "REQUEST_FORMAT"),
    "a url that is a number": ({"url": 7}, "REQUEST_FORMAT"),
    "a kind that is a number": ({"url": "http://127.0.0.1:1", "types": [7]}, "REQUEST_FORMAT"),
    "a kind there is not": ({"url": "http://127.0.0.1:1", "types": ["message.lost"]}, "EVENT_KIND"),
    "a kind twice": ({"url": "http://127.0.0.1:1", "types": ["message.sent"] * 2}, "EVENT_KIND"),
    "no kinds": ({"url": "http://127.0.0.1:1", "types": []}, "EVENT_KIND"),
    "a file": ({"url": "file:///etc/passwd"}, "WEBHOOK_URL"),
    "an event that is no number": ({"url": "http://127.0.0.1:1", "after": "x"}, "QUERY_VALUE"),
}


@pytest.mark.parametrize("what", SUBSCRIPTIONS)
def test_a_subscription_is_refused(carried: Counter, what: str) -> None:
    body, code = SUBSCRIPTIONS[what]
    assert carried.post("/v1/subscriptions", body).json()["code"] == code
    assert carried.get("/v1/subscriptions") == {"subscriptions": []}


def test_a_partner_has_so_many_subscriptions_and_no_more(counter: Counter, receiver: Receiver) -> None:
    for _ in range(MAX_SUBSCRIPTIONS):
        subscribe(counter, receiver)
    answer = counter.post("/v1/subscriptions", {"url": receiver.url})
    assert (answer.status_code, answer.json()["code"]) == (409, "SUBSCRIPTION_LIMIT")


# -- where a webhook may go --------------------------------------------------------------------------------------------

URLS: dict[str, str] = {
    "plain http": "http://hooks.example/x",
    "another scheme": "gopher://hooks.example/",
    "no host": "https:///x",
    "a name and password": "https://a:b@hooks.example/",
    "a name": "https://a@hooks.example/",
    "a fragment": "https://hooks.example/#x",
    "port zero": "https://hooks.example:0/",
    "a port that is none": "https://hooks.example:x/",
    "a space": "https://hooks.example/a b",
    "a new line": "https://hooks.example/a\nb",
    "a backslash": "https://hooks.example\\@127.0.0.1/",
    "letters of another script": "https://hooks.exämple/",
    "half an address": "https://[::1/",
    "too much": "https://hooks.example/" + "x" * 500,
}


@pytest.mark.parametrize("what", URLS)
def test_a_webhook_url_is_refused(what: str) -> None:
    with refused("WEBHOOK_URL"):
        check_url(URLS[what], private=False)
    check_url("https://hooks.example:8443/x?y=1", private=False)


PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "fc00::1",
    "fd12::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "nonsense",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_OU07_no_address_inside_can_be_reached(address: str) -> None:
    assert not is_public(address)
    with refused("WEBHOOK_ADDRESS"):
        public_addresses("hooks.example", 443, lookup=lambda _host, _port: ["8.8.8.8", address])


def test_addresses_outside_can_be_reached() -> None:
    nowhere: list[Lookup] = [lambda _host, _port: [], _fails]
    for address in ("8.8.8.8", "1.1.1.1", "2606:4700:4700::1111"):
        assert public_addresses("hooks.example", 443, lookup=lambda _host, _port, found=address: [found]) == [address]  # type: ignore[misc]
    for broken in nowhere:
        with refused("WEBHOOK_ADDRESS"):
            public_addresses("hooks.example", 443, lookup=broken)


def _fails(_host: str, _port: int) -> list[str]:
    raise OSError("no such host")


def test_OU07_a_name_that_moves_inside_after_it_was_checked_is_not_followed(
    opened: Callable[..., Counter], receiver: Receiver
) -> None:
    addresses = ["8.8.8.8"]
    counter = opened(private_webhooks=False)
    counter.desk.hooks._lookup = lambda _host, _port: addresses
    port = receiver.url.rpartition(":")[2].partition("/")[0]
    answer = counter.post("/v1/subscriptions", {"url": f"https://hooks.example:{port}/hook"})
    assert answer.status_code == 201, answer.text
    addresses[:] = ["127.0.0.1"]  # the name now leads to this machine, where somebody listens
    counter.carry()
    counter.desk.hooks.serve()
    shown = counter.get("/v1/subscriptions")["subscriptions"][0]
    assert (shown["failures"], shown["trouble"].partition(":")[0]) == (1, "WEBHOOK_ADDRESS")
    assert receiver.got == []


@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "s"}], ids=["no key", "an idempotency key"])
def test_OU07_a_name_server_that_does_not_answer_holds_up_nobody_else(
    opened: Callable[..., Counter], headers: dict[str, str]
) -> None:
    """It is the partner's own: while it is asked, the book must be free for the feed and for other partners."""
    counter = opened(private_webhooks=False)
    asked, free = threading.Event(), threading.Event()

    def slow(_host: str, _port: int) -> list[str]:
        asked.set()
        assert free.wait(60)
        return ["8.8.8.8"]

    counter.desk.hooks._lookup = slow
    answers: list[int] = []

    def register() -> None:
        answers.append(counter.post("/v1/subscriptions", {"url": "https://slow.example/"}, **headers).status_code)

    thread = threading.Thread(target=register)
    thread.start()
    assert asked.wait(60)
    taken = threading.Event()

    def other() -> None:
        with counter.desk.book.transaction():
            taken.set()

    threading.Thread(target=other, daemon=True).start()
    is_free = taken.wait(60)
    free.set()
    thread.join(60)
    assert is_free
    assert answers == [201]


def test_a_partner_with_slow_receivers_holds_up_no_other_partner(
    opened: Callable[..., Counter], receiver: Receiver
) -> None:
    counter = opened()
    counter.carry()
    free, began = threading.Event(), threading.Semaphore(0)
    hooks = counter.desk.hooks
    hooks._pool = ThreadPoolExecutor(AT_ONCE)
    send = hooks._send

    def slow(subscription: Subscription, event: Event) -> Problem | None:
        if subscription.partner == "harbour":
            began.release()
            assert free.wait(120)
        return send(subscription, event)

    hooks._send = slow  # type: ignore[method-assign]
    for _ in range(AT_ONCE + 1):
        subscribe(counter, receiver, after="0", types=["message.sent"])
    with counter.client(OTHER_KEY) as other:
        body = json.dumps({"url": receiver.url, "after": "0"})
        assert other.post("/v1/subscriptions", content=body, headers=JSON).status_code == 201
        for _ in range(3):
            hooks.serve()
        assert all(began.acquire(timeout=60) for _ in range(AT_ONCE_EACH))
        until(lambda: receiver.ids == ["1", "2", "3", "4", "5"])
    assert not began.acquire(blocking=False)
    free.set()

    def all_served() -> bool:
        hooks.serve()
        return len(receiver.got) == 5 + AT_ONCE + 1

    until(all_served)


def test_what_was_removed_gets_nothing_more(counter: Counter, receiver: Receiver) -> None:
    counter.carry()
    named = subscribe(counter, receiver, after="0")["id"]
    hooks = counter.desk.hooks
    send = hooks._send

    def removing(subscription: Subscription, event: Event) -> Problem | None:
        if event.sequence == 1:
            hooks.remove("harbour", named)
        return send(subscription, event)

    hooks._send = removing  # type: ignore[method-assign]
    hooks.serve()
    assert receiver.ids == ["1"]


JSON = {"Content-Type": "application/json"}


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline


def test_without_the_development_flag_this_machine_is_refused(
    opened: Callable[..., Counter], receiver: Receiver
) -> None:
    counter = opened(private_webhooks=False)
    for url, code in (
        (receiver.url, "WEBHOOK_URL"),
        ("https://127.0.0.1/", "WEBHOOK_ADDRESS"),
        ("https://localhost/", "WEBHOOK_ADDRESS"),
        ("https://[::1]/", "WEBHOOK_ADDRESS"),
        ("https://2130706433/", "WEBHOOK_ADDRESS"),
        ("https://0x7f.1/", "WEBHOOK_ADDRESS"),
    ):
        assert counter.post("/v1/subscriptions", {"url": url}).json()["code"] == code, url


def test_the_webhook_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    key = webhook_key(tmp_path)
    assert webhook_key(tmp_path) == key
    path = tmp_path / "webhook.key"
    assert path.stat().st_mode & 0o077 == 0
    path.write_text("nonsense")
    with pytest.raises(Problem) as caught:
        webhook_key(tmp_path)
    assert (caught.value.code, "nonsense" in str(caught.value)) == ("KEY_FORMAT", False)
