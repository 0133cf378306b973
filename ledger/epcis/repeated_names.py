"""Documents that name a member twice: refused by the reader, because two programs may read two different events.

GS1 itself publishes one (an event with two `eventID`s). Whoever owns the file may decide that the last one counts, as
most programs would read it; that decision is made here, by name, and never for what a partner sends over a network.
"""

from __future__ import annotations

import json
from collections import Counter

from ledger.epcis.limits import MAX_DOCUMENT_BYTES


def keep_last_of_repeated_names(raw: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The same JSON with the last of each repeated member kept, and the names that were repeated, in order.

    Where nothing is repeated, or `raw` is not JSON at all, `raw` comes back unchanged: the reader says what is wrong.
    """
    if len(raw) > MAX_DOCUMENT_BYTES:
        return raw, ()
    repeated: list[str] = []

    def last(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            counted = Counter(name for name, _ in pairs)
            repeated.extend(name for name, times in counted.items() if times > 1)
        return found

    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=last)
        if not repeated:
            return raw, ()
        return json.dumps(value).encode("ascii"), tuple(dict.fromkeys(repeated))
    except (ValueError, RecursionError):
        return raw, ()
