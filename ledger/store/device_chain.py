"""A device's chain as the tables hold it: what its next statement follows and is judged against.

Every statement that comes in asks this, on SQLite's own connection: through a session it takes ten times as long.
"""

from __future__ import annotations

import sqlite3

from ledger.evidence import ChainLink, Past
from ledger.store.columns import read_utc
from ledger.store.evidence_rows import read_evidence

_IS_HELD = "SELECT 1 FROM evidence WHERE digest = ?"
_NEWEST = "SELECT sequence, digest, {more} FROM evidence WHERE device = ? ORDER BY sequence DESC LIMIT 1"
_NEWEST_LINK, _NEWEST_EVIDENCE = _NEWEST.format(more="0"), _NEWEST.format(more="statement, signature, entry")
_NEWEST_ERASED = (
    'SELECT e.sequence, l.object_digest FROM erased e JOIN entry l ON l."index" = e.entry'
    " WHERE e.device = ? AND e.sequence IS NOT NULL ORDER BY e.sequence DESC LIMIT 1"
)
_TRUSTED_UNTIL = "SELECT ends FROM evidence WHERE device = ? AND trusted_time = 1 ORDER BY ends DESC LIMIT 1"
_RELEASED = "SELECT released_after FROM device WHERE id = ?"


def is_held(connection: sqlite3.Connection, evidence_digest: bytes) -> bool:
    """Whether the evidence of this digest (32 bytes) is in the book."""
    return connection.execute(_IS_HELD, (evidence_digest,)).fetchone() is not None


def past_of(connection: sqlite3.Connection, device_id: str) -> Past:
    """What the device's next statement is judged against. `Refused` STORE_DAMAGED."""
    newest = connection.execute(_NEWEST_EVIDENCE, (device_id,)).fetchone()
    trusted = connection.execute(_TRUSTED_UNTIL, (device_id,)).fetchone()
    released = connection.execute(_RELEASED, (device_id,)).fetchone()
    until, after = read_utc(trusted[0]) if trusted else None, released[0] if released else None
    gone = _newest_erased(connection, device_id)
    if newest is None or (gone is not None and gone.sequence > newest[0]):
        return Past(None, until, after, gone)
    _, digest_, statement, signature, entry = newest
    return Past(read_evidence(statement, signature, digest_, entry), until, after)


def newest_link(connection: sqlite3.Connection, device_id: str) -> ChainLink | None:
    """The device's last evidence, erased or not: what its next statement follows."""
    newest = connection.execute(_NEWEST_LINK, (device_id,)).fetchone()
    gone = _newest_erased(connection, device_id)
    if newest is None or (gone is not None and gone.sequence > newest[0]):
        return gone
    return ChainLink(device_id, newest[0], newest[1])


def _newest_erased(connection: sqlite3.Connection, device_id: str) -> ChainLink | None:
    found = connection.execute(_NEWEST_ERASED, (device_id,)).fetchone()
    return None if found is None else ChainLink(device_id, *found)
