"""The refusals of an EPCIS reader: always with the JSON pointer (RFC 6901) of the first thing that is wrong."""

from __future__ import annotations

from ledger.errors import BadInput


def at(pointer: str, name: str | int) -> str:
    """The JSON pointer of member `name` (or element) under `pointer`."""
    return f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"


def bad_field(pointer: str, what: str, *, cure: str = "") -> BadInput:
    """A value breaks a rule of EPCIS 2.0."""
    return BadInput("EPCIS_FIELD", what, where=pointer, cure=cure or "Correct this field and send it again.")


def missing(pointer: str, name: str) -> BadInput:
    """A required member is not there."""
    return BadInput("EPCIS_FIELD", f"{name} is missing", where=at(pointer, name), cure=f"Add {name}.")


def bad_context(pointer: str, what: str, *, cure: str) -> BadInput:
    """The JSON-LD context is not one we hold, or changes what EPCIS words mean."""
    return BadInput("EPCIS_CONTEXT", what, where=pointer, cure=cure)


def over_limit(pointer: str, what: str) -> BadInput:
    """More than we read at once."""
    return BadInput("EPCIS_LIMIT", what, where=pointer, cure="Split it into several documents or events.")
