"""Webhooks: every event once, in order, signed; a receiver that fails is asked again later and holds up nobody."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ledger import ed25519
from ledger.errors import Problem
from relay.partner.feed import Event
from relay.partner.hooks import (
    AT_ONCE,
    AT_ONCE_EACH,
    FAILURES_BEFORE_SUSPENSION,
    MAX_SUBSCRIPTIONS,
    Subscription,
    webhook_key,
)
from tests.ledger.refusals import refused
from tests.relay.partner.conftest import OTHER_KEY, Counter
from tests.relay.partner.receiving import JSON, Receiver, subscribe, until


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


def test_the_webhook_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    key = webhook_key(tmp_path)
    assert webhook_key(tmp_path) == key
    path = tmp_path / "webhook.key"
    assert path.stat().st_mode & 0o077 == 0
    path.write_text("nonsense")
    with pytest.raises(Problem) as caught:
        webhook_key(tmp_path)
    assert (caught.value.code, "nonsense" in str(caught.value)) == ("KEY_FORMAT", False)
