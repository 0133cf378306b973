"""Where a webhook may go: to addresses outside, whatever a name says later, and never to this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from relay.partner.reach import Lookup, check_url, is_public, public_addresses
from tests.ledger.refusals import refused
from tests.relay.partner.conftest import Counter
from tests.relay.partner.receiving import Receiver

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
