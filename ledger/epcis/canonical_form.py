"""The bytes an event is known by, and the look every document gets before it is read.

`recordTime` is left out: the repository writes it, and whoever received the same event twice must see one event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ledger.canonical import JsonValue, canonical_json
from ledger.epcis.context import CONTEXT_URL, STANDARD_PREFIXES, Context
from ledger.epcis.limits import MAX_TEXT_CHARACTERS
from ledger.epcis.problems import at, bad_context, bad_field, over_limit

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


def inspect(value: JsonValue, pointer: str = "") -> None:
    """Refuse what no member may hold: texts too long or with control characters, and contexts in the depths."""
    for where, name, inner in _members(value, pointer):
        if name == "@context" and not _may_hold_context(where):
            raise bad_context(where, "a context inside a member", cure="Declare prefixes at the top.")
        for text in (name, inner):
            if not isinstance(text, str):
                continue
            if len(text) > MAX_TEXT_CHARACTERS:
                raise over_limit(where, f"a text of {len(text)} characters; at most {MAX_TEXT_CHARACTERS}")
            if _CONTROL.search(text):
                raise bad_field(where, "a control character in a text")


def _may_hold_context(pointer: str) -> bool:
    return re.fullmatch(r"/@context|/epcisBody/eventList/[0-9]+/@context", pointer) is not None


def _members(value: JsonValue, pointer: str) -> Iterator[tuple[str, str, JsonValue]]:
    """(pointer, name, value) of everything inside `value`, without recursion; elements of a list have no name."""
    waiting: list[tuple[str, JsonValue]] = [(pointer, value)]
    while waiting:
        here, container = waiting.pop()
        named: list[tuple[str, JsonValue]] = []
        if isinstance(container, dict):
            named = list(container.items())
        elif isinstance(container, list):
            named = [(str(place), inner) for place, inner in enumerate(container)]
        for name, inner in named:
            where = at(here, name)
            yield where, name, inner
            if isinstance(inner, dict | list):
                waiting.append((where, inner))


def _texts(value: JsonValue) -> Iterator[str]:
    for _, name, inner in _members(value, ""):
        yield name
        if isinstance(inner, str):
            yield inner
