"""What a place that a device or an event names may be called in public."""

from __future__ import annotations

from ledger.errors import BadInput
from ledger.gs1 import parse
from ledger.store import Ledger, Name


def place_name(ledger: Ledger, text: str) -> Name | None:
    """The public name of a place as evidence writes it; None where it has none."""
    try:
        return ledger.papers.place(parse(text))
    except BadInput:
        return None
