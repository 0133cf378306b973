"""The refusal of a crowd, written before anybody reads its requests: a tenth of what the whole way through costs.

Only while the lanes are crowded, and only what is a plain statement, whole and in one piece: everything else goes its
usual way, and is judged there. May never happen here: an answer other than the one that the usual way would give, or a
live device that is kept waiting.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ledger.evidence.signed import MAX_ENVELOPE_BYTES
from ledger.http.guard import HEADERS
from ledger.http.lanes import ComeAgain, Lanes
from ledger.http.problems import problem_response
from ledger.uplink_protocol import STATEMENTS_PATH

MAX_HEAD_BYTES = 4096
_ANSWERS_KEPT = 512  # of some 800 bytes each, one for each number of seconds
_END = b"\r\n\r\n"
_BEGINNINGS = (f"POST {STATEMENTS_PATH} ".encode(), b"POST /api/v1/devices/")
_REQUEST = re.compile(
    rb"POST (?:" + re.escape(STATEMENTS_PATH.encode()) + rb"|/api/v1/devices/[^/? ]+/statements) HTTP/1\.1\r\n"
)
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*(?=\r\n)", re.IGNORECASE)
_OTHERWISE = re.compile(rb"\r\n(?:transfer-encoding|expect|upgrade)[ \t]*:", re.IGNORECASE)


class Door:
    """Looks at what comes for `lanes`; implements `ledger.serve.Door`."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes

    @property
    def looks(self) -> bool:
        """Whether anything is to be looked at now."""
        return self._lanes.is_crowded

    def answer(self, begun: bytes) -> bytes | None:
        """What to answer to a request of which `begun` (bytes) is here, before the connection ends.

        Empty: let it in. None: more of it must come before that can be told.
        """
        end = begun.find(_END, 0, MAX_HEAD_BYTES)
        if end < 0:
            may_be = any(begun.startswith(each[: len(begun)]) for each in _BEGINNINGS)
            return None if may_be and len(begun) < MAX_HEAD_BYTES else b""
        head = begun[: end + 2]
        lengths = _LENGTH.findall(head)
        if not _REQUEST.match(head) or len(lengths) != 1 or _OTHERWISE.search(head):
            return b""
        length, body = int(lengths[0]), begun[end + len(_END) :]
        if length > MAX_ENVELOPE_BYTES or len(body) > length:
            return b""
        if len(body) < length:
            return None
        refusal = self._lanes.turned_away(body)
        return b"" if refusal is None else _written(refusal.retry_after)


@lru_cache(_ANSWERS_KEPT)
def _written(seconds: int) -> bytes:
    answer = problem_response(ComeAgain(seconds))
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    fields = b"".join(b"%s: %s\r\n" % field for field in answer.raw_headers)
    return b"HTTP/1.1 503 Service Unavailable\r\n%s\r\n%s" % (fields, bytes(answer.body))
