"""How devices hand evidence over: the addresses, the steps of a large upload, and the MQTT topic of each device.

HTTP. Readings and gaps go as envelopes to `STATEMENTS_PATH`. A segment goes whole, with its statement, to
`SEGMENTS_PATH` (`ledger.segment_body`) while it is small. A larger one goes in chunks, after the resumable uploads that
the IETF's HTTP group drafts (`Upload-Offset`, `Upload-Complete`, `application/partial-upload`), with one difference: an
upload is begun with the signed envelope, so that only a device can begin one, and is named by its statement's digest:

1. `POST {UPLOADS_PATH}` with the envelope: 200, `Location`, and `Upload-Offset`, which is 0 where nothing is held yet;
   `Upload-Complete: ?1` where the evidence is held already, and nothing more is to be sent;
2. `PATCH` that address with `Upload-Offset`, `Upload-Complete: ?0` and up to `CHUNK_BYTES` of `init ‖ media`: 200 with
   the new `Upload-Offset`; another offset than the one held is 409 UPLOAD_OFFSET, one that is not begun 404
   UPLOAD_UNKNOWN;
3. the last chunk has `Upload-Complete: ?1`, and its answer is the one that `SEGMENTS_PATH` would give.

Whoever loses the connection begins again with step 1. MQTT 5. `topic_of(device)` takes envelopes: content type
`ENVELOPE_TYPE`, QoS 1, never retained. Readings and gaps are whole with that; a segment's envelope announces it, and
its body follows by HTTP. May never happen here: I/O.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from ledger.errors import BadInput
from ledger.evidence.fields import MAX_TEXT_CHARS

SEGMENTS_PATH: Final = "/api/v1/evidence/segments"
STATEMENTS_PATH: Final = "/api/v1/evidence/statements"
UPLOADS_PATH: Final = "/api/v1/evidence/uploads"

ENVELOPE_TYPE: Final = "application/json"
CHUNK_TYPE: Final = "application/partial-upload"
OFFSET_HEADER: Final = "Upload-Offset"
COMPLETE_HEADER: Final = "Upload-Complete"
COMPLETE, INCOMPLETE = "?1", "?0"

CHUNK_BYTES: Final = 1024 * 1024
"""Of one chunk at most; a body up to this size is sent whole."""

_TOPIC = re.compile(r"pledgetrail/([^/+#]+)/evidence")
_SAFE = ":@!$&'()*,;=~"  # all that a device's id may hold and a topic level takes as it is


def topic_of(device_id: str) -> str:
    """The topic a device publishes to: `pledgetrail/<id>/evidence`, with `/`, `+` and `#` in the id percent-encoded."""
    return f"pledgetrail/{quote(device_id, safe=_SAFE)}/evidence"


def device_of(topic: str) -> str:
    """The device whose topic this is. `BadInput` TOPIC for any other, and for another spelling of it."""
    found = _TOPIC.fullmatch(topic)
    device = unquote(found[1], errors="replace") if found else ""
    if not 0 < len(device) <= MAX_TEXT_CHARS or topic_of(device) != topic:
        raise BadInput("TOPIC", "This is no device's topic.", where=ascii(topic)[:80], cure="Publish to topic_of(id).")
    return device
