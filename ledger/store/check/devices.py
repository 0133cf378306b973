"""A device's row against what was logged of it: whose key speaks under its name, when, under which terms, until when.

The row decides whom the ledger believes next, so that an edit of it is worth as much as a key.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from ledger.bundle.enrolment import DEVICE_DOMAIN, read_enrolment
from ledger.errors import Problem
from ledger.evidence import ORDER_DOMAIN, Device, DeviceOrder
from ledger.evidence.orders import read_order
from ledger.evidence.terms import TERMS_DOMAIN, read_terms
from ledger.store.check.found import Found, Progress
from ledger.store.columns import utc_text

_STATED = "SELECT domain, canonical FROM statement WHERE domain IN (?, ?, ?) ORDER BY entry"
_ROWS = "SELECT * FROM device ORDER BY id"


@dataclass(slots=True)
class _Logged:
    """What the log says of one device, the newest last."""

    enrolled: Device | None = None
    terms: bytes | None = None
    orders: list[DeviceOrder] = field(default_factory=list)

    def columns(self) -> Mapping[str, object]:
        """The columns that follow from it. Who vouches for a key rests on a file of the operator's, and is none."""
        revoked = [order.at for order in self.orders if order.kind == "revocation"]
        released = [order.after for order in self.orders if order.kind == "release"]
        said: dict[str, object] = {
            "terms": self.terms,
            "revoked_at": _text(min(revoked, default=None)),
            "released_after": released[-1] if released else None,
        }
        device = self.enrolled
        if device is not None:
            said |= {"algorithm": device.algorithm, "public_key": device.public_key, "label": device.label}
            said |= {"valid_from": _text(device.valid_from), "valid_until": _text(device.valid_until)}
        return said


def check_devices(database: sqlite3.Connection, progress: Progress) -> Iterator[Found]:
    """Every device's row, and every enrolment for its row. `database`: with rows by name."""
    logged = _logged(database)
    for at, row in enumerate(database.execute(_ROWS)):
        progress("device", at, len(logged))
        thing, said = f"device {row['id']!r}"[:120], logged.pop(str(row["id"]), _Logged())
        if said.enrolled is None:
            yield Found("ROW_UNBOUND", thing, "The log holds no enrolment of it.")
            continue
        columns = [name for name, right in said.columns().items() if row[name] != right]
        if columns:
            what = f"Columns that do not follow from what was logged: {', '.join(columns)}."
            yield Found("ROW_CHANGED", thing, what)
    for name, said in logged.items():
        if said.enrolled is not None:
            yield Found("ROW_UNBOUND", f"device {name!r}"[:120], "It was enrolled, and has no row.")


def _logged(database: sqlite3.Connection) -> dict[str, _Logged]:
    found: dict[str, _Logged] = {}
    for domain, canonical in database.execute(_STATED, (DEVICE_DOMAIN, TERMS_DOMAIN, ORDER_DOMAIN)):
        with suppress(Problem, TypeError, AttributeError):  # a statement that was changed is named as such
            if domain == DEVICE_DOMAIN:
                device = read_enrolment(canonical)
                found.setdefault(device.id, _Logged()).enrolled = device
            elif domain == TERMS_DOMAIN:
                found.setdefault(read_terms(canonical).device, _Logged()).terms = canonical
            else:
                order = read_order(canonical)
                found.setdefault(order.device, _Logged()).orders.append(order)
    return found


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else utc_text(moment)
