"""What notaries say in public: their `/status` and `/log-doubts`, asked side by side, each within a few seconds.

Nothing of it is believed: the rules check what can be checked, and count the rest. May never happen here: a notary that
hangs and holds up the others, or an answer of any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from ledger.canonical import parse_json
from ledger.errors import Problem, Unavailable
from ledger.exchange import Exchange, Peer
from notary.alarms.facts import Doubt, Word

SECONDS = 3.0  # for one answer
MAX_BYTES = 1024 * 1024
MAX_NOTARIES = 100
MAX_DOUBTS = 64
MAX_NOTE = 16 * 1024  # characters
_OK = 200
_PEER = Peer("the notary", "NOTARY_UNREACHABLE", "NOTARY_GARBAGE", "Check its URL.")


class NotarySight(Protocol):
    """Whoever can say what the notaries say."""

    def ask(self) -> list[Word]:
        """What those say that answer, in any order; an answer that makes no sense is none."""
        ...


class HttpNotaries:
    """Notaries by their URLs. One thread's."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = [url.rstrip("/") for url in urls[:MAX_NOTARIES]]
        self._http = Exchange(_PEER, seconds=SECONDS, max_bytes=MAX_BYTES)
        self._pool = ThreadPoolExecutor(max(1, len(self._urls)), thread_name_prefix="ask-notary")

    def ask(self) -> list[Word]:
        return [word for word in self._pool.map(self._word, self._urls) if word is not None]

    def close(self) -> None:
        """Stop asking. May be called twice."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._http.close()

    def _word(self, url: str) -> Word | None:
        try:
            return read_word(url, self._get(f"{url}/status"), self._get(f"{url}/log-doubts"))
        except Problem:
            return None

    def _get(self, url: str) -> Any:
        reply = self._http.get(url)
        if reply.status != _OK:
            raise Unavailable(_PEER.garbage, f"HTTP status {reply.status}", where=url)
        return parse_json(reply.body, max_bytes=MAX_BYTES)


def read_word(notary: str, status: Any, doubts: Any) -> Word:
    """What a notary's two answers say. Errors: `Unavailable` NOTARY_GARBAGE."""
    try:
        size = status["log_size"]
        if type(size) is not int or size < 0:
            raise TypeError("log_size")
        differs = {
            str(name)[:80]: str(chain["problem"])[:500]
            for name, chain in status["chains"].items()
            if chain["verdict"] == "differs"
        }
        kept = tuple(
            Doubt(str(each["offered"])[:MAX_NOTE].encode(), str(each["held"])[:MAX_NOTE].encode())
            for each in doubts["doubts"][:MAX_DOUBTS]
        )
    except (KeyError, TypeError, AttributeError, UnicodeEncodeError) as error:
        raise Unavailable(_PEER.garbage, f"the notary answered nonsense: {error!r}", where=notary) from error
    return Word(notary, size, differs, kept)
