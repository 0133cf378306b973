"""Asks an authority outside for a timestamp over a cosigned checkpoint (RFC 3161 section 3.4, over HTTP).

A stamp is an addition: where the authority is away, everything goes on without. May never happen here: keeping a reply
that does not verify against the authority's root, or an anchor that waits for a stamp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ledger.errors import Unavailable
from ledger.exchange import Exchange, Peer
from ledger.timestamp import MAX_STAMP_BYTES, MEDIA_TYPE_QUERY, ask_for_stamp, verify_stamp

SECONDS: Final = 10.0


class Stamper:
    """One authority at `url`; `authorities`: its root certificates (DER), as the trust root names them."""

    def __init__(self, url: str, authorities: Sequence[bytes], *, seconds: float = SECONDS) -> None:
        self._url, self._authorities = url, tuple(authorities)
        peer = Peer("the timestamping authority", "STAMP_UNREACHABLE", "STAMP_GARBAGE", "Try again at the next one.")
        self._exchange = Exchange(peer, seconds=seconds, max_bytes=MAX_STAMP_BYTES)

    def stamp(self, note: bytes) -> bytes:
        """A verified timestamp over a note. Errors: `Unavailable` STAMP_UNREACHABLE, STAMP_GARBAGE, STAMP_STATUS, and
        those of `verify_stamp`.
        """
        reply = self._exchange.post(self._url, ask_for_stamp(note), media_type=MEDIA_TYPE_QUERY)
        if reply.status != 200:
            raise Unavailable("STAMP_STATUS", f"the timestamping authority answered {reply.status}", where=self._url)
        verify_stamp(reply.body, note, authorities=self._authorities)
        return reply.body

    def break_off(self) -> None:
        """End what is asked just now, and ask nothing more: see `Exchange.break_off`."""
        self._exchange.break_off()

    def close(self) -> None:
        """Close the connections."""
        self._exchange.close()
