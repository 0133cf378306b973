"""The parts that events are made of: quantities, business transactions, parties, dispositions, declarations.

Each value type stands beside the function that reads it. Source: EPCIS 2.0, section 7.3 (core event types).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ledger.canonical import JsonValue
from ledger.epcis.context import Context
from ledger.epcis.fields import Extension, Fields, kind_of, read_identifier, read_uri
from ledger.epcis.limits import MAX_IDENTIFIERS
from ledger.epcis.problems import at, bad_field
from ledger.epcis.vocabulary import (
    BIZ_TRANSACTION_TYPE,
    DISPOSITION,
    ERROR_REASON,
    SOURCE_DESTINATION_TYPE,
    word,
)
from ledger.gs1 import Identifier, Level

UOM = re.compile(r"[A-Z0-9]{2,3}")  # UN/CEFACT Recommendation 20 common code
_CLASSES = (Level.LOT, Level.CLASS)


@dataclass(frozen=True, slots=True)
class Quantity:
    """`quantity` of a class, in `uom` (UN/CEFACT Rec 20 code) or, without one, in pieces; None: not said."""

    epc_class: Identifier
    quantity: Decimal | None
    uom: str | None


@dataclass(frozen=True, slots=True)
class BizTransaction:
    """A document the event belongs to. `type`: a word of CBV, a URI, or None."""

    type: str | None
    transaction: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A source or a destination of a transfer: who owned, who held, or where it was."""

    type: str
    identifier: Identifier


@dataclass(frozen=True, slots=True)
class Place:
    """A read point or business location."""

    identifier: Identifier
    extensions: tuple[Extension, ...] = ()


@dataclass(frozen=True, slots=True)
class PersistentDisposition:
    """Dispositions that hold from now (`set`) or no longer (`unset`)."""

    set: tuple[str, ...]
    unset: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ErrorDeclaration:
    """This event did not happen so. `corrected_by`: the event ids that say what did."""

    declared_at: datetime
    reason: str | None
    corrected_by: tuple[str, ...]
    extensions: tuple[Extension, ...]


def read_instances(fields: Fields, name: str, *, least: int = 0) -> tuple[Identifier, ...]:
    """A list of things, none twice however it is written, none a lot or a class."""
    found = fields.array(name, read_identifier, least=least, limit=MAX_IDENTIFIERS)
    seen: set[Identifier] = set()
    for place, identifier in enumerate(found):
        where = at(fields.at(name), place)
        if identifier.level in _CLASSES:
            raise bad_field(
                where,
                f"{identifier.text[:80]} is a {identifier.level}, not one thing",
                cure="Put lots and classes into the quantity list.",
            )
        if identifier in seen:
            raise bad_field(where, f"{identifier.text[:80]} is listed twice")
        seen.add(identifier)
    return found


def read_quantities(fields: Fields, name: str, *, least: int = 0) -> tuple[Quantity, ...]:
    """A list of quantities of classes."""

    def read(value: JsonValue, pointer: str) -> Quantity:
        return _read_quantity(Fields(value, pointer, fields.context))

    return fields.array(name, read, least=least, limit=MAX_IDENTIFIERS)


def _read_quantity(fields: Fields) -> Quantity:
    epc_class = fields.identifier("epcClass")
    if epc_class.level is Level.INSTANCE:
        raise bad_field(
            fields.at("epcClass"),
            f"{epc_class.text[:80]} is one thing, not a class",
            cure="Put single things into the EPC list.",
        )
    quantity = fields.maybe("quantity", fields.number)
    uom = fields.maybe("uom", fields.text)
    fields.nothing_else()
    if quantity is not None and quantity < 0:
        raise bad_field(fields.at("quantity"), "a quantity cannot be negative")
    if uom is not None and not UOM.fullmatch(uom):
        raise bad_field(fields.at("uom"), f"{uom[:20]!r} is no UN/CEFACT Rec 20 code", cure="Such as KGM, LTR.")
    if uom is not None and quantity is None:
        raise bad_field(fields.at("uom"), "a unit of measure without a quantity")
    if uom is None and quantity is not None and quantity != quantity.to_integral_value():
        raise bad_field(fields.at("quantity"), "a count of pieces is a whole number", cure="Add uom.")
    return Quantity(epc_class, quantity, uom)


def read_biz_transactions(fields: Fields, *, least: int = 0) -> tuple[BizTransaction, ...]:
    """`bizTransactionList`."""

    def read(value: JsonValue, pointer: str) -> BizTransaction:
        entry = Fields(value, pointer, fields.context)
        kind = entry.maybe("type", lambda name: entry.word(name, BIZ_TRANSACTION_TYPE))
        transaction = entry.uri("bizTransaction")
        entry.nothing_else()
        return BizTransaction(kind, transaction)

    return fields.array("bizTransactionList", read, least=least)


def read_endpoints(fields: Fields, name: str, member: str) -> tuple[Endpoint, ...]:
    """`sourceList` (member `source`) or `destinationList` (member `destination`)."""

    def read(value: JsonValue, pointer: str) -> Endpoint:
        entry = Fields(value, pointer, fields.context)
        endpoint = Endpoint(entry.word("type", SOURCE_DESTINATION_TYPE), entry.identifier(member))
        entry.nothing_else()
        return endpoint

    return fields.array(name, read)


def read_place(fields: Fields, name: str) -> Place | None:
    """`readPoint` or `bizLocation`."""
    if not fields.has(name):
        return None
    place = Fields(fields.take(name), fields.at(name), fields.context)
    return Place(place.identifier("id"), place.extensions())


def read_persistent_disposition(fields: Fields) -> PersistentDisposition | None:
    """`persistentDisposition`: something is set or unset, nothing twice, nothing both."""
    name = "persistentDisposition"
    if not fields.has(name):
        return None
    entry = Fields(fields.take(name), fields.at(name), fields.context)
    now_set, unset = (_read_dispositions(entry, side) for side in ("set", "unset"))
    entry.nothing_else()
    if not now_set and not unset:
        raise bad_field(fields.at(name), "neither set nor unset says anything")
    both = set(now_set) & set(unset)
    if both:
        raise bad_field(fields.at(name), f"{min(both)} is set and unset at once")
    return PersistentDisposition(now_set, unset)


def _read_dispositions(fields: Fields, name: str) -> tuple[str, ...]:
    def read(value: JsonValue, pointer: str) -> str:
        if not isinstance(value, str):
            raise bad_field(pointer, f"a text is needed here, not {kind_of(value)}")
        return word(value, DISPOSITION, pointer)

    found = fields.array(name, read, least=1)
    if len(set(found)) != len(found):
        raise bad_field(fields.at(name), "the same disposition twice")
    return found


def read_error_declaration(fields: Fields) -> ErrorDeclaration | None:
    """`errorDeclaration`: when it was declared is required; why and what is right instead are not."""
    if not fields.has("errorDeclaration"):
        return None
    entry = Fields(fields.take("errorDeclaration"), fields.at("errorDeclaration"), fields.context)
    return ErrorDeclaration(
        declared_at=entry.time("declarationTime"),
        reason=entry.maybe("reason", lambda name: entry.word(name, ERROR_REASON)),
        corrected_by=entry.array("correctiveEventIDs", read_uri),
        extensions=entry.extensions(),
    )


def read_certification(fields: Fields) -> tuple[str, ...]:
    """`certificationInfo`: one URI or a list of them."""
    name = "certificationInfo"
    if not fields.has(name):
        return ()
    value = fields.take(name)
    if isinstance(value, list):
        return fields.array(name, read_uri)
    return (read_uri(value, fields.at(name)),)


def read_ilmd(fields: Fields, context: Context) -> tuple[Extension, ...]:
    """`ilmd`, instance or lot master data: namespaced members only."""
    if not fields.has("ilmd"):
        return ()
    return Fields(fields.take("ilmd"), fields.at("ilmd"), context).extensions()
