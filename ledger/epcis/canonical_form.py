"""The bytes an event is known by, and the look every document gets before it is read.

`recordTime` is left out: the repository writes it, and whoever received the same event twice must see one event.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ledger.canonical import JsonValue, canonical_json
from ledger.epcis.context import CONTEXT_URL, STANDARD_PREFIXES, Context
from ledger.epcis.limits import MAX_TEXT_CHARACTERS, MAX_VALUES
from ledger.epcis.problems import at, bad_context, bad_field, over_limit

_CONTEXT_PLACES = re.compile(r"/@context|/epcisBody/eventList/[0-9]+/@context")
# Control characters but tab and line ends: no database or page treats them alike.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def canonical_event(value: Mapping[str, JsonValue], context: Context) -> bytes:
    """RFC 8785 bytes of the event, its `@context` reduced to GS1's and the prefixes it uses."""
    kept: dict[str, JsonValue] = {
        name: member for name, member in value.items() if name not in ("recordTime", "@context")
    }
    texts = set(_texts(kept))
    types = {name: kind for name, kind in context.types.items() if name in texts}
    used = {text.partition(":")[0] for text in (*texts, *types.values())}
    own: dict[str, JsonValue] = {
        prefix: namespace
        for prefix, namespace in context.prefixes.items()
        if prefix in used and prefix not in STANDARD_PREFIXES
    }
    own.update({name: {"@type": kind} for name, kind in types.items()})
    kept["@context"] = [CONTEXT_URL, own] if own else [CONTEXT_URL]
    return canonical_json(kept)


def inspect(value: JsonValue) -> None:
    """Refuse what no member may hold: too much, texts too long or with control characters, contexts in the depths."""
    for count, (frame, name, inner) in enumerate(_members(value)):
        if count >= MAX_VALUES:
            raise over_limit("", f"more than {MAX_VALUES} values")
        if name == "@context" and not _CONTEXT_PLACES.fullmatch(_pointer(frame, name)):
            raise bad_context(_pointer(frame, name), "a context inside a member", cure="Declare it at the top.")
        if isinstance(name, str):
            _require_text(name, frame, name)
        if isinstance(inner, str):
            _require_text(inner, frame, name)


def _require_text(text: str, frame: _Frame, name: str | int) -> None:
    if len(text) > MAX_TEXT_CHARACTERS:
        what = f"a text of {len(text)} characters; at most {MAX_TEXT_CHARACTERS}"
        raise over_limit(_pointer(frame, name)[:MAX_TEXT_CHARACTERS], what)
    if _CONTROL.search(text):
        raise bad_field(_pointer(frame, name), "a control character in a text")


@dataclass(frozen=True, slots=True)
class _Frame:
    """A container on the way down. Pointers are made from frames only when there is something to point at."""

    value: JsonValue
    parent: _Frame | None = None
    name: str | int = ""


def _pointer(frame: _Frame, name: str | int) -> str:
    names = [name]
    while frame.parent is not None:
        names.append(frame.name)
        frame = frame.parent
    pointer = ""
    for step in reversed(names):
        pointer = at(pointer, step)
    return pointer


def _members(value: JsonValue) -> Iterator[tuple[_Frame, str | int, JsonValue]]:
    """(container, name or place, value) of everything inside `value`, without recursion."""
    waiting = [_Frame(value)]
    while waiting:
        frame = waiting.pop()
        container = frame.value
        named: Iterable[tuple[str | int, JsonValue]] = ()
        if isinstance(container, dict):
            named = container.items()
        elif isinstance(container, list):
            named = enumerate(container)
        for name, inner in named:
            yield frame, name, inner
            if isinstance(inner, dict | list):
                waiting.append(_Frame(inner, frame, name))


def _texts(value: JsonValue) -> Iterator[str]:
    for _, name, inner in _members(value):
        if isinstance(name, str):
            yield name
        if isinstance(inner, str):
            yield inner
