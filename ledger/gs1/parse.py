"""Read an identifier however it was written: EPC URI, Digital Link on any domain, element string, plain URI.

A text that claims to be GS1 is held to it. An address that only happens to contain `/01/` stays a plain URI,
except on GS1's own domain, where there is no such accident.
"""

from __future__ import annotations

import re

from ledger.errors import BadInput
from ledger.gs1.characters import DIGITS, unescape_path
from ledger.gs1.epc_uri import FOREIGN_SCHEMES, parse_epc_uri
from ledger.gs1.identifier import Identifier, from_ais
from ledger.gs1.keys import GTIN_LENGTHS, KEYS, QUALIFIERS, Level
from ledger.gs1.uri import MAX_URI_CHARACTERS, is_uri

_WEB = re.compile(r"https?://([^/?#]*)([^?#]*)", re.IGNORECASE)
_ELEMENT = re.compile(r"\(([0-9]{2,4})\)((?:[^(\\]|\\\(|\\)*)")
MAX_PATH_SEGMENTS = 64


def parse(text: str) -> Identifier:
    """The identifier `text` names.

    Any absolute URI is accepted (level OTHER where no GS1 key is in it); a wrong GS1 one is refused with
    GS1_SYNTAX, GS1_LENGTH or GS1_CHECK_DIGIT, and so is a text that is neither URI nor element string.
    """
    if len(text) > MAX_URI_CHARACTERS:
        raise BadInput("GS1_LENGTH", f"an identifier of {len(text)} characters", where=text[:80])
    if text.startswith("("):
        return _parse_element_string(text)
    if not is_uri(text):
        raise BadInput(
            "GS1_SYNTAX",
            "neither a URI nor a GS1 element string",
            where=text[:80],
            cure="Write it as a GS1 Digital Link, as an EPC URI (urn:epc:…) or as (01)…(21)….",
        )
    lowered = text[:8].lower()
    if lowered == "urn:epc:":
        return _parse_epc("urn:epc:" + text[8:], text)
    if lowered.startswith("http"):
        return _parse_digital_link(text) or _plain(text)
    return _plain(text)


def _plain(text: str) -> Identifier:
    return Identifier(text, Level.OTHER, (), text)


def _parse_epc(epc: str, text: str) -> Identifier:
    parts = epc.split(":")
    if len(parts) > 3 and parts[2] == "id" and parts[3] in FOREIGN_SCHEMES:
        return Identifier(epc, Level.INSTANCE, (), text)
    return parse_epc_uri(epc)


def _parse_digital_link(text: str) -> Identifier | None:
    match = _WEB.match(text)
    if match is None:
        return None
    host, path = match.group(1).lower(), match.group(2)
    segments = path.removesuffix("/").split("/")[1:]
    if len(segments) > MAX_PATH_SEGMENTS:
        return None
    pairs = _key_and_qualifiers(segments, text)
    ours = host == "id.gs1.org"
    if pairs is None:
        if ours:
            raise BadInput("GS1_SYNTAX", "no GS1 key in the path of an id.gs1.org address", where=text[:80])
        return None
    if not ours and not _claims(*pairs[0]):
        return None
    return from_ais(pairs, text=text)


def _key_and_qualifiers(segments: list[str], text: str) -> list[tuple[str, str]] | None:
    """The AI pairs at the end of a path, found from the right: a domain may put anything before its key."""
    pairs: list[tuple[str, str]] = []
    for place in range(len(segments) - 2, -1, -2):
        ai = segments[place]
        if ai not in KEYS and ai not in QUALIFIERS:
            return None
        pairs.insert(0, (ai, unescape_path(segments[place + 1], where=text[:80])))
        if ai in KEYS:
            return pairs
    return None


def _claims(ai: str, value: str) -> bool:
    """Whether the value has the shape of its key, so that the rest of the rules may refuse it."""
    key = KEYS[ai]
    if key.whole is not None:  # starts with a company prefix: six digits rule out most accidents
        return len(value) >= 6 and DIGITS.issuperset(value[:6]) and key.whole.allowed.issuperset(value)
    number = value[: key.digits + key.trailing]
    if not DIGITS.issuperset(number):
        return False
    if ai == "01":
        return len(value) in GTIN_LENGTHS
    return len(number) == key.digits + key.trailing


def _parse_element_string(text: str) -> Identifier:
    pairs: list[tuple[str, str]] = []
    place = 0
    while place < len(text):
        match = _ELEMENT.match(text, place)
        if match is None:
            raise BadInput("GS1_SYNTAX", f"no (AI) at character {place + 1}", where=text[:80])
        pairs.append((match.group(1), match.group(2).replace("\\(", "(")))
        place = match.end()
    return from_ais(pairs, text=text)
