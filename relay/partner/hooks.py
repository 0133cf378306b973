"""Webhooks: every event a subscription asks for, in order, signed, until the receiver has said that it has it.

A subscription is a cursor in the feed. It moves when the receiver answers 2xx, so that each event is sent at least
once, with an id by which a receiver knows the second time. Failures wait longer and longer and then suspend it.
May never happen here: an event passed over, a request to another address than the one registered, or a redirect.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ledger import ed25519
from ledger.durable_file import write_new
from ledger.errors import BadInput, Problem, Refused, WrongUse
from ledger.exchange import Exchange, Peer
from relay.partner.book import Book
from relay.partner.feed import KINDS, Event, Feed
from relay.partner.reach import Lookup, check_url, public_addresses

KEY_FILE = "webhook.key"
MAX_SUBSCRIPTIONS = 16  # of one partner
SEND_SECONDS = 10.0
MAX_REPLY_BYTES = 64 * 1024
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 3600.0
FAILURES_BEFORE_SUSPENSION = 24  # after about half a day
PAGE, AT_ONCE = 256, 8
AT_ONCE_EACH = 2  # of one partner: receivers that are slow to answer hold up no other partner's

ACTIVE, SUSPENDED = "active", "suspended"
_GOOD = range(200, 300)


@dataclass(frozen=True, slots=True)
class Subscription:
    """`cursor`: the last event its receiver has; `not_before`: POSIX seconds; `trouble`: the last failure's words."""

    id: str
    partner: str
    url: str
    kinds: tuple[str, ...]
    cursor: int
    state: str
    failures: int
    not_before: float
    trouble: str


_COLUMNS = "id, partner, url, kinds, cursor, state, failures, not_before, trouble"


class Hooks:
    """Subscriptions, and what is sent to them. `now`: POSIX seconds; `lookup`, `executor`: seams for tests."""

    def __init__(
        self,
        book: Book,
        feed: Feed,
        key: bytes,
        *,
        private: bool,
        now: Callable[[], float],
        lookup: Lookup | None = None,
        executor: Executor | None = None,
    ) -> None:
        self._book, self._feed, self._key, self._private, self._now = book, feed, key, private, now
        self._lookup = lookup
        self._pool = executor or ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook")
        self._under_way: dict[tuple[str, str], Future[None]] = {}  # by partner and subscription
        peer = Peer("the webhook's receiver", "WEBHOOK_UNREACHABLE", "WEBHOOK_ANSWER", "")
        self._http = Exchange(peer, seconds=SEND_SECONDS, max_bytes=MAX_REPLY_BYTES, resolve=self._reach)
        self._stopping = threading.Event()

    @property
    def public_key(self) -> bytes:
        """What receivers check signatures with, 32 bytes."""
        return ed25519.public_key(self._key)

    def require_reachable(self, url: str) -> None:
        """Refuse a URL that no webhook could be sent to. Waits for name servers: call it with nothing locked.

        Errors: `BadInput` WEBHOOK_URL; `Refused` WEBHOOK_ADDRESS.
        """
        check_url(url, private=self._private)
        self._reach(urlsplit(url).hostname or "", urlsplit(url).port or 443)

    def add(self, partner: str, url: str, kinds: tuple[str, ...], after: int | None = None) -> Subscription:
        """Subscribe from the newest event on, or from those after a number. Ask `require_reachable` before; where a
        name leads is looked at again for each connection.

        Errors: `BadInput` WEBHOOK_URL, EVENT_KIND; `Refused` SUBSCRIPTION_LIMIT, EVENTS_GONE.
        """
        check_url(url, private=self._private)
        unknown = set(kinds) - set(KINDS)
        if unknown or not kinds or len(set(kinds)) < len(kinds):
            raise BadInput("EVENT_KIND", "events are named once each", where="types", cure=f"Of {', '.join(KINDS)}.")
        cursor = self._feed.newest if after is None else after
        self._feed.after(cursor, 1)
        named = f"sub_{secrets.token_hex(12)}"
        with self._book.transaction() as db:
            held = db.execute("SELECT count(*) FROM subscription WHERE partner = ?", (partner,)).fetchone()[0]
            if held >= MAX_SUBSCRIPTIONS:
                raise Refused("SUBSCRIPTION_LIMIT", f"a partner has at most {MAX_SUBSCRIPTIONS} subscriptions")
            values = (named, partner, url, " ".join(kinds), cursor, ACTIVE)
            db.execute(f"INSERT INTO subscription ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, 0, 0, '')", values)  # noqa: S608
        return self.find(partner, named)

    def find(self, partner: str, named: str) -> Subscription:
        """A partner's own subscription; somebody else's is as unknown as none. `Refused` SUBSCRIPTION_UNKNOWN."""
        found = self._book.row(
            f"SELECT {_COLUMNS} FROM subscription WHERE id = ? AND partner = ?",  # noqa: S608
            named,
            partner,
        )
        if found is None:
            raise Refused("SUBSCRIPTION_UNKNOWN", "you have no such subscription", where=ascii(named)[:80])
        return _subscription(*found)

    def of(self, partner: str) -> list[Subscription]:
        """A partner's subscriptions."""
        query = f"SELECT {_COLUMNS} FROM subscription WHERE partner = ? ORDER BY id"  # noqa: S608
        return [_subscription(*row) for row in self._book.rows(query, partner)]

    def remove(self, partner: str, named: str) -> None:
        """End a subscription. `Refused` SUBSCRIPTION_UNKNOWN."""
        self.find(partner, named)
        with self._book.transaction() as db:
            db.execute("DELETE FROM subscription WHERE id = ?", (named,))

    def resume(self, partner: str, named: str) -> Subscription:
        """Go on with a suspended subscription where it stopped. `Refused` SUBSCRIPTION_UNKNOWN."""
        self.find(partner, named)
        with self._book.transaction() as db:
            db.execute("UPDATE subscription SET state = ?, failures = 0, not_before = 0 WHERE id = ?", (ACTIVE, named))
        return self.find(partner, named)

    # -- sending -----------------------------------------------------------------------------------------------------

    def break_off(self) -> None:
        """End what is being sent, as if nobody answered: it is sent again after the next start."""
        self._http.break_off()

    def stop(self) -> None:
        """Finish what is being sent, and stop. May be called twice."""
        self._stopping.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._http.close()

    def serve(self) -> None:
        """Begin with each subscription that has something to get and may get it; one request of each at a time."""
        self._under_way = {key: running for key, running in self._under_way.items() if not running.done()}
        busy = Counter(partner for partner, _ in self._under_way)
        query = f"SELECT {_COLUMNS} FROM subscription WHERE state = ? AND cursor < ? AND not_before <= ?"  # noqa: S608
        for row in self._book.rows(query, ACTIVE, self._feed.newest, self._now()):
            subscription = _subscription(*row)
            key = (subscription.partner, subscription.id)
            if key not in self._under_way and busy[subscription.partner] < AT_ONCE_EACH:
                busy[subscription.partner] += 1
                self._under_way[key] = running = self._pool.submit(self._send_all, subscription)
                if running.done():
                    busy[subscription.partner] -= 1

    def _send_all(self, subscription: Subscription) -> None:
        """Send one page of events in order; stop at the first that the receiver does not take."""
        try:
            page = self._feed.after(subscription.cursor, PAGE)
        except Refused as gone:
            self._suspend(subscription, gone)
            return
        failures = subscription.failures
        for event in page:
            if self._stopping.is_set() or not self._stands(subscription):
                return
            if event.kind in subscription.kinds:
                problem = self._send(subscription, event)
                if problem is not None:
                    self._failed(subscription, failures + 1, problem)
                    return
                failures = 0
            self._moved(subscription, event.sequence)

    def _stands(self, subscription: Subscription) -> bool:
        """Whether it was not ended meanwhile: what its partner removed gets nothing more."""
        return self._book.row("SELECT 1 FROM subscription WHERE id = ?", subscription.id) is not None

    def _send(self, subscription: Subscription, event: Event) -> Problem | None:
        """Why the receiver did not take it, None when it did."""
        at = str(int(self._now()))
        headers = {
            "webhook-id": f"{subscription.id}.{event.sequence}",
            "webhook-timestamp": at,
        }
        signed = f"{headers['webhook-id']}.{at}.".encode() + event.body
        headers["webhook-signature"] = f"v1a,{base64.b64encode(ed25519.sign(self._key, signed)).decode()}"
        try:
            reply = self._http.post(subscription.url, event.body, media_type="application/json", headers=headers)
        except Problem as problem:
            return problem
        if reply.status in _GOOD:
            return None
        return Refused("WEBHOOK_ANSWER", f"the receiver answered {reply.status}")

    def _moved(self, subscription: Subscription, sequence: int) -> None:
        with self._book.transaction() as db:
            db.execute(
                "UPDATE subscription SET cursor = ?, failures = 0, not_before = 0, trouble = '' WHERE id = ?",
                (sequence, subscription.id),
            )

    def _failed(self, subscription: Subscription, failures: int, problem: Problem) -> None:
        if failures >= FAILURES_BEFORE_SUSPENSION:
            self._suspend(subscription, problem)
            return
        until = self._now() + min(FIRST_WAIT_SECONDS * 2.0 ** min(failures - 1, 32), LONGEST_WAIT_SECONDS)
        with self._book.transaction() as db:
            db.execute(
                "UPDATE subscription SET failures = ?, not_before = ?, trouble = ? WHERE id = ?",
                (failures, until, _words(problem), subscription.id),
            )

    def _suspend(self, subscription: Subscription, problem: Problem) -> None:
        with self._book.transaction() as db:
            db.execute(
                "UPDATE subscription SET state = ?, trouble = ? WHERE id = ?",
                (SUSPENDED, _words(problem), subscription.id),
            )

    def _reach(self, host: str, port: int) -> str:
        if self._private:
            return host
        return public_addresses(host, port, lookup=self._lookup)[0]


def webhook_key(folder: Path) -> bytes:
    """The key that signs webhooks, made at first use. Errors: `WrongUse` KEY_FORMAT for a file that holds none."""
    path = folder / KEY_FILE
    write_new(path, f"{secrets.token_hex(32)}\n".encode())
    text = path.read_text("ascii", errors="replace").strip()
    try:
        key = bytes.fromhex(text)
        ed25519.public_key(key)
    except (ValueError, Problem):
        raise WrongUse("KEY_FORMAT", "the webhook key is 64 hex digits", where=str(path)) from None
    return key


def show(subscription: Subscription) -> dict[str, object]:
    """A subscription as its partner sees it."""
    return {
        "id": subscription.id,
        "url": subscription.url,
        "types": list(subscription.kinds),
        "state": subscription.state,
        "last_event": str(subscription.cursor),
        "failures": subscription.failures,
        "trouble": subscription.trouble,
    }


def _words(problem: Problem) -> str:
    return json.dumps(f"{problem.code}: {problem.what}"[:500])[1:-1]


def _subscription(
    named: str, partner: str, url: str, kinds: str, cursor: int, state: str, failures: int, before: float, trouble: str
) -> Subscription:
    return Subscription(named, partner, url, tuple(kinds.split()), cursor, state, failures, before, trouble)
