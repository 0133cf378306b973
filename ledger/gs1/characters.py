"""GS1 check digits, character sets and escapes. Strings in, strings out; no identifier is understood here.

Sources: GS1 General Specifications 7.9.1 (check digit), 7.11 (encodable character sets 82 and 39); EPC Tag
Data Standard 6.3 (escapes of EPC URIs); GS1 Digital Link URI syntax (percent-encoding of values).
"""

from __future__ import annotations

import re

from ledger.errors import BadInput

CHARACTER_SET_82 = frozenset("!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")
CHARACTER_SET_39 = frozenset("#-/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
DIGITS = frozenset("0123456789")

# Escaped in an EPC URI, because they mean something in a URI (Tag Data Standard 6.3, GS3A3 characters).
_EPC_ESCAPED = frozenset('"#%&/<>?')
_UNRESERVED = frozenset("-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})?")


def check_digit(digits: str) -> str:
    """The GS1 mod-10 check digit of `digits` (without one): weights 3, 1, 3 … from the right."""
    require_digits(digits, where="digits")
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return str(-total % 10)


def require_check_digit(number: str, *, where: str) -> str:
    """`number` unchanged if its last digit is right, else `BadInput` GS1_CHECK_DIGIT."""
    expected = check_digit(number[:-1])
    if number[-1] != expected:
        raise BadInput(
            "GS1_CHECK_DIGIT",
            f"the check digit of {number} is {number[-1]}, but should be {expected}",
            where=where,
            cure="Read the number again from the label; one digit is wrong or two are swapped.",
        )
    return number


def require_digits(text: str, *, where: str) -> str:
    """`text` unchanged if it is one or more of 0 to 9 (never another script's digits), else GS1_SYNTAX."""
    if not text or not DIGITS.issuperset(text):
        raise BadInput("GS1_SYNTAX", f"{text[:40]!r} should be digits only", where=where)
    return text


def require_characters(text: str, allowed: frozenset[str], *, longest: int, where: str) -> str:
    """`text` unchanged if it has 1 to `longest` characters, all `allowed`; else GS1_LENGTH, GS1_SYNTAX."""
    if not 1 <= len(text) <= longest:
        raise BadInput("GS1_LENGTH", f"a value of {len(text)} characters; 1 to {longest} are allowed", where=where)
    for character in text:
        if character not in allowed:
            raise BadInput("GS1_SYNTAX", f"the character {character!r} is not in the GS1 character set", where=where)
    return text


def escape_epc(value: str) -> str:
    """`value` as a component of an EPC URI."""
    return "".join(f"%{ord(c):02X}" if c in _EPC_ESCAPED else c for c in value)


def unescape_epc(component: str, *, where: str) -> str:
    """The value of an EPC URI's component; refuses GS1_SYNTAX raw characters that must be escaped."""
    raw = _ESCAPE.sub("", component)
    if not _EPC_ESCAPED.isdisjoint(raw):
        raise BadInput("GS1_SYNTAX", 'an EPC URI escapes " # % & / < > ? as %22 and so on', where=where)
    return _unescape(component, where=where)


def escape_path(value: str) -> str:
    """`value` as one segment of a Digital Link path: all but RFC 3986 unreserved characters escaped."""
    return "".join(c if c in _UNRESERVED else f"%{ord(c):02X}" for c in value)


def unescape_path(segment: str, *, where: str) -> str:
    """The value of one path segment. A plus sign stays a plus sign: this is a path, not a form."""
    return _unescape(segment, where=where)


def _unescape(text: str, *, where: str) -> str:
    def replace(match: re.Match[str]) -> str:
        if match.group(1) is None:
            raise BadInput("GS1_SYNTAX", "a % is not followed by two hexadecimal digits", where=where)
        return chr(int(match.group(1), 16))

    return _ESCAPE.sub(replace, text)
