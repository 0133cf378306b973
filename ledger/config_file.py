"""Configuration files: read as bytes with a typed error, and the one rule for names, paths and URLs in them."""

from __future__ import annotations

from pathlib import Path

from ledger.canonical import JsonValue
from ledger.errors import Unavailable


def read_file(path: Path) -> bytes:
    """A file's content. Errors: `Unavailable` CONFIG_UNREADABLE."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unavailable("CONFIG_UNREADABLE", f"the file cannot be read: {error.strerror}", where=str(path)) from error


def non_empty(value: JsonValue) -> str:
    """A name, path or URL. ValueError for anything but non-empty text."""
    if not isinstance(value, str) or not value:
        raise ValueError("names, paths and URLs are non-empty text")
    return value
