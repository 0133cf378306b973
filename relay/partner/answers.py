"""Idempotency keys: the same request under the same key gets the answer it got before, whatever happened in between.

May never happen here: an answer given for a key under which something else was asked, or an effect kept without its
answer. Only what succeeded is remembered; what was refused may be asked again under the same key.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable
from typing import Any

from ledger.errors import BadInput, Refused
from relay.partner.book import Book

KEPT_SECONDS = 24 * 3600
MAX_KEPT = 10_000  # of one partner; the oldest goes first
_KEY = re.compile(r"[!-~]{1,64}")


class Answers:
    """Given answers by partner and key. `now`: POSIX seconds."""

    def __init__(self, book: Book, now: Callable[[], float]) -> None:
        self._book, self._now = book, now
        self._lock = threading.Lock()
        self._under_way: set[tuple[str, str]] = set()

    def once(
        self,
        partner: str,
        key: str | None,
        request: bytes,
        act: Callable[[], tuple[int, dict[str, Any]]],
        *,
        atomic: bool,
        before: Callable[[], None] | None = None,
    ) -> tuple[int, dict[str, Any], bool]:
        """Do it, or tell what was answered before: HTTP status, body, and whether it is told again.

        `request`: everything that makes it the same one; `atomic`: act and remember in one transaction, for an act that
        would otherwise be done twice after a crash between the two; `before`: what must hold and may take long to find
        out, with nothing locked, and not again where an answer was given. Errors: `BadInput` IDEMPOTENCY_KEY (no such
        key, or another request under it); `Refused` IDEMPOTENCY_BUSY; and what `before` and `act` raise.
        """
        if key is None:
            if before is not None:
                before()
            return (*act(), False)
        if _KEY.fullmatch(key) is None:
            raise BadInput("IDEMPOTENCY_KEY", "a key has 1 to 64 visible ASCII characters", where="Idempotency-Key")
        self._begin(partner, key)
        try:
            digest = hashlib.sha256(request).digest()
            known = self._known(partner, key, digest)
            if known is not None:
                return (*known, True)
            if before is not None:
                before()
            if atomic:
                with self._book.transaction():
                    status, body = act()
                    self._remember(partner, key, digest, status, body)
            else:
                status, body = act()
                self._remember(partner, key, digest, status, body)
            return status, body, False
        finally:
            with self._lock:
                self._under_way.discard((partner, key))

    def _begin(self, partner: str, key: str) -> None:
        with self._lock:
            if (partner, key) in self._under_way:
                raise Refused("IDEMPOTENCY_BUSY", "a request with this key is under way", cure="Ask again in a moment.")
            self._under_way.add((partner, key))

    def _known(self, partner: str, key: str, digest: bytes) -> tuple[int, dict[str, Any]] | None:
        found = self._book.row(
            "SELECT request, status, body FROM answer WHERE partner = ? AND key = ? AND at > ?",
            partner,
            key,
            int(self._now()) - KEPT_SECONDS,
        )
        if found is None:
            return None
        if found[0] != digest:
            raise BadInput(
                "IDEMPOTENCY_KEY",
                "something else was asked under this key",
                where="Idempotency-Key",
                cure="Use a new key for a new request.",
            )
        return found[1], json.loads(found[2])

    def _remember(self, partner: str, key: str, digest: bytes, status: int, body: dict[str, Any]) -> None:
        now = int(self._now())
        with self._book.transaction() as db:
            values = (partner, key, digest, status, json.dumps(body).encode(), now)
            db.execute("INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?, ?)", values)
            db.execute("DELETE FROM answer WHERE partner = ? AND at <= ?", (partner, now - KEPT_SECONDS))
            db.execute(
                "DELETE FROM answer WHERE partner = ? AND rowid NOT IN"
                " (SELECT rowid FROM answer WHERE partner = ? ORDER BY at DESC, rowid DESC LIMIT ?)",
                (partner, partner, MAX_KEPT),
            )
