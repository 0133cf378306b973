"""Column types that keep a value exactly: UTC times as sortable text, JSON with integers of any size.

May never happen here: a time without its zone, or a number that came back as another one.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.types import String, Text, TypeDecorator

from ledger.errors import WrongUse

_CHARS = len("2026-03-01T08:00:00.000000Z")


class UtcTime(TypeDecorator[datetime]):
    """A time with a zone, kept as `2026-03-01T08:00:00.000000Z`, so that text order is time order."""

    impl = String(_CHARS)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> str | None:
        return None if value is None else utc_text(value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else read_utc(value)


def utc_text(value: datetime) -> str:
    """A time as the tables hold it. Raises `WrongUse` TIME_ZONE."""
    if value.utcoffset() is None:
        raise WrongUse("TIME_ZONE", "A time without a zone cannot be stored.", cure="Pass a UTC time.")
    # Not strftime: its %Y writes years before 1000 without leading zeros, which breaks the order.
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def read_utc(text: str) -> datetime:
    """A time as the tables hold it, read back."""
    # Read by C: a reading's way in meets a dozen times, and strptime is as slow as the database.
    if len(text) != _CHARS or text[10] != "T" or text[-1] != "Z":
        raise ValueError(f"no stored time: {text[:40]!r}")
    return datetime.fromisoformat(text)


class ExactJson(TypeDecorator[Any]):
    """JSON text; contract integers go up to 2^256 and come back as they were."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Dialect) -> str:
        return json.dumps(value, allow_nan=False, separators=(",", ":"), sort_keys=True)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)
