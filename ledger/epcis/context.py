"""JSON-LD contexts, without a network: GS1's own by its pinned names, others only as inline prefix maps.

No context is ever fetched, and none may change what an EPCIS word means: two readers of one document must
understand the same event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ledger.canonical import JsonValue
from ledger.epcis.limits import MAX_PREFIXES
from ledger.epcis.problems import at, bad_context, over_limit
from ledger.epcis.terms import EPCIS_TERMS
from ledger.gs1 import is_uri

CONTEXT_URL = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
PINNED_CONTEXTS = frozenset(
    {
        CONTEXT_URL,
        "https://ref.gs1.org/standards/epcis/2.0.1/epcis-context.jsonld",
        "https://ref.gs1.org/standards/epcis/epcis-context.jsonld",
        "https://gs1.github.io/EPCIS/epcis-context.jsonld",
    }
)
# What the pinned context itself declares; a document may repeat these, never change them.
STANDARD_PREFIXES: Mapping[str, str] = MappingProxyType(
    {
        "epcis": "https://ref.gs1.org/epcis/",
        "cbv": "https://ref.gs1.org/cbv/",
        "cbvmda": "urn:epcglobal:cbv:mda:",
        "gs1": "https://gs1.org/voc/",
        "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
        "owl": "http://www.w3.org/2002/07/owl#",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
        "dcterms": "http://purl.org/dc/terms/",
    }
)
# Schemes of absolute URIs. As prefixes they would turn every address of the document into something else.
_SCHEMES = frozenset({"http", "https", "urn", "ni", "tag", "did", "data", "file", "mailto", "ftp", "_"})
_PREFIX = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,63}")


@dataclass(frozen=True, slots=True)
class Context:
    """What a document declares: `prefixes`, name → namespace; `types`, extension name → the type of its values."""

    prefixes: Mapping[str, str]
    types: Mapping[str, str]


EMPTY_CONTEXT = Context(MappingProxyType({}), MappingProxyType({}))


def read_context(value: JsonValue, pointer: str, *, inherited: Context | None = None) -> Context:
    """What `value` (an `@context`) declares, the standard's prefixes included.

    `inherited`: an event's own context adds to its document's; without one, GS1's context must be named.
    Refuses EPCIS_CONTEXT, EPCIS_LIMIT.
    """
    entries = value if isinstance(value, list) else [value]
    if len(entries) > MAX_PREFIXES:
        raise over_limit(pointer, f"a context of {len(entries)} entries; at most {MAX_PREFIXES} are read")
    own: dict[str, str] = dict(inherited.prefixes) if inherited else {}
    types: dict[str, str] = dict(inherited.types) if inherited else {}
    named = inherited is not None
    for place, entry in enumerate(entries):
        where = at(pointer, place) if isinstance(value, list) else pointer
        if entry in entries[:place]:
            raise bad_context(where, "the same context twice", cure="Name it once.")
        if isinstance(entry, dict):
            for name, meaning in _declared(entry, where):
                if (types if ":" in name else own).setdefault(name, meaning) != meaning:
                    raise bad_context(at(where, name), "one name, two meanings", cure="Use two names.")
        else:
            named = _require_pinned(entry, where) or named
    if not named:
        raise bad_context(pointer, "the EPCIS context is not named", cure=f"Add {CONTEXT_URL!r} to it.")
    if len(own) + len(types) > MAX_PREFIXES:
        raise over_limit(pointer, f"{len(own) + len(types)} names; at most {MAX_PREFIXES} are read")
    context = Context(MappingProxyType({**STANDARD_PREFIXES, **own}), MappingProxyType(types))
    for name in types:
        expand(name, context, at(pointer, name))
    return context


def _require_pinned(entry: JsonValue, pointer: str) -> bool:
    if not isinstance(entry, str) or entry not in PINNED_CONTEXTS:
        shown = entry[:80] if isinstance(entry, str) else type(entry).__name__
        raise bad_context(
            pointer,
            f"the context {shown!r} is not one of the pinned ones; nothing is ever fetched",
            cure='Declare its prefixes in the document instead: {"example": "https://example.com/ns/"}.',
        )
    return True


def _declared(entry: Mapping[str, JsonValue], pointer: str) -> Iterator[tuple[str, str]]:
    for prefix, namespace in entry.items():
        where = at(pointer, prefix)
        if prefix.startswith("@"):
            raise bad_context(where, f"{prefix} would change how other words are read", cure="Remove it.")
        if prefix in EPCIS_TERMS or prefix in _SCHEMES:
            raise bad_context(
                where, f"{prefix!r} has a meaning already, which no document may change", cure="Rename it."
            )
        if isinstance(namespace, dict) and ":" in prefix:
            yield prefix, _value_type(namespace, where)
            continue
        if not isinstance(namespace, str) or not is_uri(namespace) or not _PREFIX.fullmatch(prefix):
            raise bad_context(where, "only prefix maps are read: a name and its namespace URI", cure="Write it so.")
        if STANDARD_PREFIXES.get(prefix, namespace) != namespace:
            raise bad_context(where, f"the prefix {prefix!r} belongs to the standard", cure="Rename it.")
        yield prefix, namespace


def _value_type(definition: Mapping[str, JsonValue], pointer: str) -> str:
    """The type an extension's values are said to have: `{"@type": "xsd:integer"}`, and nothing else."""
    kind = definition.get("@type")
    if set(definition) != {"@type"} or not isinstance(kind, str) or not (kind == "@id" or is_uri(kind)):
        raise bad_context(pointer, "only the type of an extension may be declared", cure='{"@type": …}.')
    return kind


def expand(name: str, context: Context, pointer: str) -> str:
    """The full URI of an extension's `name`. Refuses EPCIS_CONTEXT where its prefix is not declared."""
    prefix, colon, local = name.partition(":")
    if colon and prefix in context.prefixes and not local.startswith("//"):
        return context.prefixes[prefix] + local
    if colon and prefix.lower() in _SCHEMES:
        return name
    raise bad_context(
        pointer,
        f"the prefix of {name[:80]!r} is not declared",
        cure=f'Declare {prefix[:40]!r} in @context: {{"{prefix[:40]}": "https://example.com/ns/"}}.',
    )
