"""Configuration files: JSON with known fields and no others; refusals name the file and the fields it may have.

May never happen here: a misspelt field that is passed over, so that a default stands where a setting was meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path

from ledger.canonical import JsonValue, parse_json
from ledger.errors import BadInput, Problem, Unavailable

MAX_CONFIG_BYTES = 64 * 1024
_MAX_SHOWN = 40  # characters of a name that somebody else chose


def read_file(path: Path) -> bytes:
    """A file's content. Errors: `Unavailable` CONFIG_UNREADABLE."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unavailable("CONFIG_UNREADABLE", f"the file cannot be read: {error.strerror}", where=str(path)) from error


@contextmanager
def about(path: Path, *, cure: str = "") -> Iterator[None]:
    """Makes every refusal within one about this file: `where` begins with it, and a ValueError becomes one of ours.

    `cure`: where it is described what the file may say. Errors: `BadInput` CONFIG_FORMAT; those raised within.
    """
    try:
        yield
    except ValueError as error:
        raise BadInput("CONFIG_FORMAT", f"{error}.", where=str(path), cure=cure) from error
    except Problem as problem:
        if not problem.where.startswith(str(path)):
            problem.where = f"{path}: {problem.where}" if problem.where else str(path)
        raise


def read_fields(
    path: Path, needed: Set[str], optional: Set[str] = frozenset(), *, max_bytes: int = MAX_CONFIG_BYTES
) -> dict[str, JsonValue]:
    """The fields of the file's one JSON object.

    Errors: `Unavailable` CONFIG_UNREADABLE; `BadInput` JSON_*; ValueError for other fields, see `about`.
    """
    return fields_of(parse_json(read_file(path), max_bytes=max_bytes), "the file", needed, optional)


def fields_of(value: JsonValue, what: str, needed: Set[str], optional: Set[str] = frozenset()) -> dict[str, JsonValue]:
    """An object with all `needed` fields and none but these and the `optional` ones.

    `what`: the object's name. ValueError says what is missing or unknown, and which fields there are.
    """
    if not isinstance(value, dict):
        wrong = f"{what} is no object"
    elif missing := sorted(needed - value.keys()):
        wrong = f"{what} lacks {', '.join(missing)}"
    elif unknown := sorted(value.keys() - needed - optional):
        wrong = f"{what} has no field {ascii(unknown[0])[:_MAX_SHOWN]}"
    else:
        return value
    also = f", and if you like {', '.join(sorted(optional))}" if optional else ""
    raise ValueError(f"{wrong}; it has {', '.join(sorted(needed)) or 'nothing'}{also}")


def non_empty(value: JsonValue) -> str:
    """A name, path or URL. ValueError for anything but non-empty text."""
    if not isinstance(value, str) or not value:
        raise ValueError("names, paths and URLs are non-empty text")
    return value
