"""EPC pure-identity URIs: `urn:epc:id:…`, `urn:epc:class:lgtin:…`, `urn:epc:idpat:…`, read and written.

An EPC URI says where the company prefix ends and leaves out the check digit; a Digital Link is the opposite.
Reading adds the check digit and remembers the prefix's length; writing needs it and never guesses it.
Source: EPC Tag Data Standard, sections 6.3 and 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from ledger.errors import BadInput, WrongUse
from ledger.gs1.characters import check_digit, escape_epc, require_digits, unescape_epc
from ledger.gs1.identifier import Identifier, from_ais

PREFIX_LENGTHS = range(6, 13)


@dataclass(frozen=True, slots=True)
class Scheme:
    """How one EPC scheme spreads a key: `digits` of prefix and reference together, the check digit left out.

    `leading`: the key's first digit (indicator, extension) is written before the reference, after the prefix.
    `serial`: the AI of the last part; "" when it is written into the key; None when there is no last part.
    """

    name: str
    ai: str
    digits: int
    leading: bool = False
    serial: str | None = None
    parts: int = 3
    filler: str = ""


_SCHEMES = (
    Scheme("sgtin", "01", 13, leading=True, serial="21"),
    Scheme("lgtin", "01", 13, leading=True, serial="10"),
    Scheme("upui", "01", 13, leading=True, serial="235"),
    Scheme("sscc", "00", 17, leading=True, parts=2),
    Scheme("sgln", "414", 12, serial="254"),
    Scheme("pgln", "417", 12, parts=2),
    Scheme("grai", "8003", 12, serial="", filler="0"),
    Scheme("gdti", "253", 12, serial=""),
    Scheme("sgcn", "255", 12, serial=""),
    Scheme("gsrn", "8018", 17, parts=2),
    Scheme("gsrnp", "8017", 17, parts=2),
    Scheme("gsin", "402", 16, parts=2),
    Scheme("giai", "8004", 0, parts=2),
    Scheme("ginc", "401", 0, parts=2),
    Scheme("cpi", "8010", 0, serial="8011"),
    Scheme("itip", "8006", 13, leading=True, serial="21", parts=5),
)
SCHEMES = MappingProxyType({scheme.name: scheme for scheme in _SCHEMES})
_PATTERNS = frozenset({"sgtin", "grai", "gdti", "sgcn", "cpi", "itip", "upui"})

# EPC schemes of other bodies: valid subjects of an event, but no GS1 key stands behind them.
FOREIGN_SCHEMES = frozenset({"gid", "usdod", "adi", "bic", "imovn"})


def parse_epc_uri(text: str) -> Identifier:
    """The identifier an EPC URI names. Refuses GS1_SYNTAX, GS1_LENGTH; a pattern ends in one `*`."""
    _, _, form, name, body = (*text.split(":", 4), "", "", "")[:5]
    scheme = SCHEMES.get(name)
    if scheme is None or (form == "class") != (name == "lgtin") or (form == "idpat" and name not in _PATTERNS):
        raise BadInput("GS1_SYNTAX", f"urn:epc:{form[:20]}:{name[:20]} is no EPC URI we know", where=text[:80])
    parts = body.split(".", scheme.parts - 1)
    if len(parts) != scheme.parts:
        raise BadInput("GS1_SYNTAX", f"{name} has {scheme.parts} parts, not {len(parts)}", where=text[:80])
    if parts[0] and len(parts[0]) not in PREFIX_LENGTHS:
        raise BadInput("GS1_LENGTH", "a company prefix has 6 to 12 digits", where=text[:80])
    require_digits(parts[0], where=text[:80])
    wild = form == "idpat"
    if wild and parts[-1] != "*":
        raise BadInput("GS1_SYNTAX", "a pattern that names one class ends in .*", where=text[:80])
    if wild and any("*" in part for part in parts[:-1]):
        raise BadInput("GS1_SYNTAX", "a pattern over many classes identifies nothing", where=text[:80])
    return from_ais(_pairs(scheme, parts, text, wild), text=text, prefix_length=len(parts[0]))


def _pairs(scheme: Scheme, parts: list[str], text: str, wild: bool) -> list[tuple[str, str]]:
    where = text[:80]
    last = "" if wild else unescape_epc(parts[-1], where=where)
    if not last and not wild:
        raise BadInput("GS1_LENGTH", "the last part is empty", where=where)
    if scheme.digits == 0:
        reference = last if scheme.parts == 2 else unescape_epc(parts[1], where=where)
        pairs = [(scheme.ai, parts[0] + reference)]
        return [*pairs, (scheme.serial, last)] if scheme.serial and not wild else pairs
    key = scheme.filler + _number(scheme, parts[0], parts[1], where)
    if scheme.name == "itip":
        if any(len(part) != 2 for part in parts[2:4]):
            raise BadInput("GS1_LENGTH", "piece and total of an ITIP have two digits", where=where)
        key += "".join(parts[2:4])
    if scheme.serial == "":
        return [(scheme.ai, key + last)]
    return [(scheme.ai, key), *([(scheme.serial, last)] if scheme.serial and not wild else [])]


def _number(scheme: Scheme, prefix: str, reference: str, where: str) -> str:
    if len(prefix) + len(reference) != scheme.digits:
        raise BadInput(
            "GS1_LENGTH",
            f"{scheme.name} has {len(prefix) + len(reference)} digits before the serial, not {scheme.digits}",
            where=where,
        )
    if reference:
        require_digits(reference, where=where)
    elif scheme.leading:
        raise BadInput("GS1_SYNTAX", f"{scheme.name} lacks its leading digit", where=where)
    number = reference[0] + prefix + reference[1:] if scheme.leading else prefix + reference
    return number + check_digit(number)


def epc_uri(identifier: Identifier, *, prefix_length: int | None = None) -> str:
    """`identifier` as an EPC URI (pure identity, class or pattern).

    `prefix_length`: digits of the company prefix; needed where the identifier's own writing does not say.
    `WrongUse` GS1_PREFIX_LENGTH where it is unknown or not 6 to 12, GS1_NOT_A_KEY where no EPC scheme fits.
    """
    length = prefix_length if prefix_length is not None else identifier.prefix_length
    if length is None or length not in PREFIX_LENGTHS:
        raise WrongUse(
            "GS1_PREFIX_LENGTH",
            "the length of the company prefix is not known",
            where=identifier.normal,
            cure="Give prefix_length (6 to 12); a Digital Link does not say where the prefix ends.",
        )
    scheme, form = _scheme_of(identifier)
    return f"urn:epc:{form}:{scheme.name}:" + ".".join(_parts(scheme, identifier, length, form))


def _scheme_of(identifier: Identifier) -> tuple[Scheme, str]:
    qualifiers = [ai for ai, _ in identifier.ais[1:]]
    for scheme in _SCHEMES:
        if not identifier.ais or scheme.ai != identifier.ais[0][0]:
            continue
        if qualifiers == ([scheme.serial] if scheme.serial else []):
            wild = scheme.serial == "" and len(identifier.ais[0][1]) == len(scheme.filler) + scheme.digits + 1
            return scheme, "class" if scheme.name == "lgtin" else "idpat" if wild else "id"
        if not qualifiers and scheme.serial == "254":
            return scheme, "id"
        if not qualifiers and scheme.name in _PATTERNS:
            return scheme, "idpat"
    raise WrongUse("GS1_NOT_A_KEY", "no EPC scheme writes this identifier", where=identifier.normal)


def _parts(scheme: Scheme, identifier: Identifier, length: int, form: str) -> list[str]:
    key = identifier.ais[0][1]
    last = identifier.ais[1][1] if len(identifier.ais) > 1 else "0" if scheme.serial == "254" else ""
    if scheme.digits == 0:
        head = [require_digits(key[:length], where=identifier.normal), escape_epc(key[length:])]
    else:
        number = key[len(scheme.filler) :][: scheme.digits]
        last = last or (key[len(scheme.filler) + scheme.digits + 1 :] if scheme.serial == "" else "")
        body = number[1:] if scheme.leading else number
        head = [body[:length], (number[0] if scheme.leading else "") + body[length:]]
    if scheme.name == "itip":
        head += [key[14:16], key[16:18]]
    if scheme.parts == 2:
        return head
    return [*head, "*" if form == "idpat" else escape_epc(last)]
