"""One value, one spelling: strict JSON in, RFC 8785 bytes out, and the digests taken over those bytes.

Everything that is signed, logged or keyed passes through here: nobody hashes two spellings of one thing.
May never happen here: guessing. Bytes that two JSON readers could understand differently (a duplicate key,
NaN, an integer beyond 2^53, half a surrogate pair) are refused instead of being read one way.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NoReturn, TypeAlias

import orjson
import rfc8785

from ledger.errors import BadInput, WrongUse

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
"""What `parse_json` returns."""

JsonLike: TypeAlias = "bool | int | float | str | Sequence[JsonLike] | Mapping[str, JsonLike] | None"
"""What `canonical_json` takes: dict, list, tuple and scalars; read-only, so that a `dict[str, str]` fits."""

DIGEST_BYTES = 32
SALT_BYTES = 32
MAX_JSON_BYTES = 16 * 1024 * 1024
MAX_JSON_DEPTH = 64  # arrays and objects inside one another; EPCIS documents need about 8
MAX_SAFE_INTEGER = 2**53 - 1  # RFC 7493 section 2.2: beyond it readers that use doubles disagree
MAX_DOMAIN_CHARS = 128
_DOMAINS_KEPT = 256

_EXPONENT_FROM = 1e21  # RFC 8785 section 3.2.2.3: larger numbers are written with an exponent
_BOM = b"\xef\xbb\xbf"
_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_BASIC = re.compile("[\u0000-\ud7ff\ue000-\uffff]*")
_SAFE_CHARS = 15  # of an integer's literal: one of so few is safe
_OUTSIDE_BASIC = re.compile("[\U00010000-\U0010ffff]")
_DOMAIN = re.compile(r"[a-z0-9][a-z0-9./_-]*")
# Refusals that mean "another spelling of some value", which is what a reader of canonical bytes has to know.
_SPELLING = frozenset({"JSON_DUPLICATE_KEY", "JSON_ENCODING", "JSON_NUMBER"})


def parse_json(raw: bytes, *, max_bytes: int = MAX_JSON_BYTES, max_depth: int = MAX_JSON_DEPTH) -> JsonValue:
    """Read JSON text (RFC 8259, narrowed to I-JSON, RFC 7493) from at most `max_bytes` bytes.

    Raises `BadInput`: JSON_SIZE, JSON_ENCODING (not UTF-8, a BOM, half a surrogate pair), JSON_SYNTAX,
    JSON_DEPTH, JSON_DUPLICATE_KEY, JSON_NUMBER (NaN, Infinity, a double that over- or underflows, an unsafe
    integer).
    """
    if len(raw) > max_bytes:
        raise BadInput(
            "JSON_SIZE", f"The document has {len(raw)} bytes; at most {max_bytes} are read.", cure="Split it."
        )
    text = _decode(raw)
    try:
        value: JsonValue = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_double,
            parse_constant=_no_constant,
        )
    except json.JSONDecodeError as error:
        raise BadInput(
            "JSON_SYNTAX",
            f"This is not JSON: {error.msg}.",
            where=f"line {error.lineno}, column {error.colno}",
        ) from None
    except RecursionError:
        raise _too_deep(max_depth) from None
    _inspect(value, max_depth, surrogates=_SURROGATE_ESCAPE.search(text) is not None)
    return value


def parse_canonical(raw: bytes, *, max_bytes: int = MAX_JSON_BYTES) -> JsonValue:
    """Read bytes that must already be the RFC 8785 form of what they say; other spellings are refused.

    Raises what `parse_json` raises, but for refusals that are about spelling one code: NON_CANONICAL.
    """
    plain = _read_plain(raw) if len(raw) <= max_bytes else None
    if plain is not None:
        return plain
    try:
        value = parse_json(raw, max_bytes=max_bytes)
    except BadInput as error:
        if error.code not in _SPELLING:
            raise
        raise BadInput("NON_CANONICAL", error.what, where=error.where, cure=error.cure) from error
    if canonical_json(value) != raw:
        raise BadInput(
            "NON_CANONICAL",
            "The bytes are JSON, but not in the one form that is signed and digested (RFC 8785).",
            cure="Serialise with RFC 8785: no spaces, keys in UTF-16 order, shortest numbers.",
        )
    return value


class _NotPlain(ValueError):
    """A number that only the slow way reads."""


def _not_plain(literal: str) -> NoReturn:
    raise _NotPlain(literal)


def _short_integer(literal: str) -> int:
    return int(literal) if len(literal) <= _SAFE_CHARS else _not_plain(literal)


_PLAIN_READER = json.JSONDecoder(parse_int=_short_integer, parse_float=_not_plain, parse_constant=_not_plain)


def _read_plain(raw: bytes) -> dict[str, JsonValue] | None:
    """The object that `raw` is the canonical form of, where that can be seen fast; None says nothing about it.

    What is read must give the very bytes again, which leaves no room for a repeated key, a space, an escape or an
    order that RFC 8785 would not write. Whatever it or the two ways to write differ in goes the slow way: doubles,
    long integers, characters beyond the basic plane, depth.
    """
    try:
        text = raw.decode("utf-8")
        if text.count("{") + text.count("[") > MAX_JSON_DEPTH or (not text.isascii() and _OUTSIDE_BASIC.search(text)):
            return None
        value, end = _PLAIN_READER.raw_decode(text)
        return value if type(value) is dict and end == len(text) and _write_plain(value) == raw else None
    except (ValueError, orjson.JSONEncodeError):
        return None  # the slow way says what is wrong, and where


def _write_plain(value: JsonLike) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def canonical_json(value: JsonLike) -> bytes:
    """The RFC 8785 bytes of `value`. Raises `BadInput`: JSON_NUMBER, JSON_ENCODING, JSON_TYPE, JSON_DEPTH."""
    try:
        if _is_plain(value):
            return _write_plain(value)
        return rfc8785.dumps(value)
    except (rfc8785.IntegerDomainError, rfc8785.FloatDomainError) as error:
        raise BadInput("JSON_NUMBER", f"No canonical JSON for this number: {error}.") from None
    except (UnicodeEncodeError, orjson.JSONEncodeError):
        raise _half_pair() from None
    except rfc8785.CanonicalizationError as error:
        if isinstance(error.__cause__, UnicodeEncodeError):
            raise _half_pair() from None
        raise BadInput("JSON_TYPE", f"No canonical JSON for this value: {error}.") from None
    except RecursionError:
        raise _too_deep(MAX_JSON_DEPTH) from None


def _is_plain(value: JsonLike) -> bool:
    """Whether `orjson` writes this as RFC 8785 does, many times faster than the library made for it.

    It does so for text, safe integers, truth values and null: both escape the same characters in the same way, and
    where no key leaves the basic plane, the order of code points is that of UTF-16 units. Doubles are another matter.
    """
    pending: list[tuple[JsonLike, int]] = [(value, 0)]
    while pending:
        item, depth = pending.pop()
        kind = type(item)
        if kind is str or kind is bool or item is None:
            continue
        if kind is int:
            if not -MAX_SAFE_INTEGER <= item <= MAX_SAFE_INTEGER:  # type: ignore[operator]
                return False
        elif kind is dict or kind is list or kind is tuple:
            if depth == MAX_JSON_DEPTH:
                return False
            if kind is dict:
                if not all(type(key) is str and _BASIC.fullmatch(key) for key in item):  # type: ignore[union-attr]
                    return False
                pending.extend((child, depth + 1) for child in item.values())  # type: ignore[union-attr]
            else:
                pending.extend((child, depth + 1) for child in item)  # type: ignore[union-attr]
        else:
            return False
    return True


def digest(domain: str, canonical: bytes) -> bytes:
    """SHA-256(domain ‖ 0x00 ‖ canonical), 32 bytes. `domain` names type, version and encoding."""
    return hashlib.sha256(domain_separated(domain, canonical)).digest()


def entry_digest(domain: str, salt: bytes, canonical: bytes) -> bytes:
    """SHA-256(domain ‖ 0x00 ‖ salt ‖ canonical), 32 bytes: all that a public log holds of an entry.

    `salt`: 32 random bytes, kept beside the entry and erased with it: nobody guesses the entry from the log.
    """
    if len(salt) != SALT_BYTES:
        raise BadInput("SALT_LENGTH", f"A salt has {SALT_BYTES} bytes, this one {len(salt)}.")
    return hashlib.sha256(domain_separated(domain, salt + canonical)).digest()


def domain_separated(domain: str, message: bytes) -> bytes:
    """domain ‖ 0x00 ‖ message: what is digested, and what devices sign. No domain holds a zero."""
    return _prefix(domain) + message


@lru_cache(_DOMAINS_KEPT)
def _prefix(domain: str) -> bytes:
    if len(domain) > MAX_DOMAIN_CHARS or not _DOMAIN.fullmatch(domain):
        raise WrongUse(
            "DOMAIN_INVALID",
            "A digest domain is lower-case ASCII like pledgetrail/event/v1/json.",
            where=domain,
        )
    return domain.encode("ascii") + b"\x00"


def _decode(raw: bytes) -> str:
    if raw.startswith(_BOM):
        raise BadInput("JSON_ENCODING", "The document starts with a byte order mark.", cure="Save it as plain UTF-8.")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(
            "JSON_ENCODING",
            "The document is not UTF-8.",
            where=f"byte {error.start}",
            cure="Save it as plain UTF-8.",
        ) from None


def _object(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    members = dict(pairs)
    if len(members) != len(pairs):
        repeated = max(Counter(key for key, _ in pairs).items(), key=lambda counted: counted[1])[0]
        raise BadInput("JSON_DUPLICATE_KEY", "An object names the same key twice.", where=ascii(repeated)[:80])
    return members


def _integer(literal: str) -> int:
    # Length first: turning a million digits into an integer is quadratic work.
    if len(literal) > 17 or abs(int(literal)) > MAX_SAFE_INTEGER:
        raise BadInput(
            "JSON_NUMBER",
            "An integer beyond 2^53 - 1 reads differently elsewhere.",
            where=literal[:40],
            cure="Send it as a string.",
        )
    return int(literal)


def _double(literal: str) -> float:
    number = float(literal)
    vanished = number == 0 and any(digit in "123456789" for digit in re.split("[eE]", literal)[0])
    # From 2^53 up to 1e21 the canonical text of a double is an integer that readers with long integers misread.
    if math.isinf(number) or vanished or MAX_SAFE_INTEGER < abs(number) < _EXPONENT_FROM:
        raise BadInput("JSON_NUMBER", "No double (IEEE 754) says this number safely.", where=literal[:40])
    return number


def _no_constant(name: str) -> NoReturn:
    raise BadInput("JSON_NUMBER", f"{name} is not a JSON number (RFC 8259 section 6).")


def _inspect(value: JsonValue, max_depth: int, *, surrogates: bool) -> None:
    """Check depth, and strings where `surrogates` says an escape could have made half a pair; a loop."""
    pending: list[tuple[JsonValue, int]] = [(value, 0)]
    while pending:
        item, depth = pending.pop()
        if isinstance(item, str):
            if surrogates and _SURROGATE.search(item):
                raise _half_pair()
        elif isinstance(item, (dict, list)):
            if depth == max_depth:
                raise _too_deep(max_depth)
            pending.extend((child, depth + 1) for child in (item.values() if isinstance(item, dict) else item))
            if surrogates and isinstance(item, dict):
                pending.extend((key, depth) for key in item)


def _half_pair() -> BadInput:
    return BadInput(
        "JSON_ENCODING", "A string holds half a surrogate pair, which is no character (RFC 7493 section 2.1)."
    )


def _too_deep(max_depth: int) -> BadInput:
    return BadInput("JSON_DEPTH", f"Arrays and objects are nested deeper than {max_depth}.", cure="Flatten it.")
