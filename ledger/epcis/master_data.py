"""Master data in the header of a document: vocabularies, their elements, attributes and children. Kept, not judged."""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger.canonical import JsonValue
from ledger.epcis.fields import Extension, Fields, kind_of, read_uri
from ledger.epcis.limits import MAX_EVENTS
from ledger.epcis.problems import bad_field


@dataclass(frozen=True, slots=True)
class Attribute:
    """One property of a vocabulary element: a text, a number or an object."""

    id: str
    value: JsonValue = field(hash=False)


@dataclass(frozen=True, slots=True)
class VocabularyElement:
    """One thing described: a product, a place, a party; `children` are part of it."""

    id: str
    attributes: tuple[Attribute, ...]
    children: tuple[str, ...]
    extensions: tuple[Extension, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Elements of one `type` (a URI, such as urn:epcglobal:epcis:vtype:Location)."""

    type: str
    elements: tuple[VocabularyElement, ...]
    extensions: tuple[Extension, ...]


def read_header(fields: Fields) -> tuple[Vocabulary, ...]:
    """The vocabularies of a document's `epcisHeader`; none where there is no header."""
    if not fields.has("epcisHeader"):
        return ()
    header = Fields(fields.take("epcisHeader"), fields.at("epcisHeader"), fields.context)
    found: tuple[Vocabulary, ...] = ()
    if header.has("epcisMasterData"):
        data = Fields(header.take("epcisMasterData"), header.at("epcisMasterData"), fields.context)
        found = data.array("vocabularyList", lambda value, at: _vocabulary(Fields(value, at, fields.context)))
        data.extensions()
    header.extensions()
    return found


def _vocabulary(fields: Fields) -> Vocabulary:
    def read(value: JsonValue, pointer: str) -> VocabularyElement:
        return _element(Fields(value, pointer, fields.context))

    kind = fields.uri("type")
    elements = fields.array("vocabularyElementList", read, limit=MAX_EVENTS)
    return Vocabulary(kind, elements, fields.extensions())


def _element(fields: Fields) -> VocabularyElement:
    def read(value: JsonValue, pointer: str) -> Attribute:
        return _attribute(Fields(value, pointer, fields.context))

    return VocabularyElement(
        fields.uri("id"),
        fields.array("attributes", read),
        fields.array("children", read_uri),
        fields.extensions(),
    )


def _attribute(fields: Fields) -> Attribute:
    name = fields.uri("id")
    value = fields.take("attribute") if fields.has("attribute") else ""
    if value is None or isinstance(value, bool | list):
        raise bad_field(fields.at("attribute"), f"a text, number or object is needed, not {kind_of(value)}")
    fields.extensions()
    return Attribute(name, value)
