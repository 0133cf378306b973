"""A statement with its device's signature, and the envelope both travel in.

Devices sign domain ‖ 0x00 ‖ statement bytes, so that a signature for anything else never fits here. May never happen
here: keeping a statement in another form than the bytes that were signed.
"""

from __future__ import annotations

from binascii import hexlify, unhexlify
from dataclasses import dataclass, field

from ledger.canonical import canonical_json, digest, domain_separated, parse_canonical
from ledger.errors import BadInput
from ledger.evidence.keys import SIGNATURE_BYTES, DeviceSigner
from ledger.evidence.statement import EVIDENCE_DOMAIN, MAX_STATEMENT_BYTES, Statement, read_statement

_SIGNATURE_HEX = 2 * SIGNATURE_BYTES
MAX_ENVELOPE_BYTES = MAX_STATEMENT_BYTES + 256

_HEAD, _BETWEEN = b'{"signature":"', b'","statement":'
_AFTER_HEX = len(_HEAD) + _SIGNATURE_HEX


@dataclass(frozen=True, slots=True)
class SignedEvidence:
    """The statement's bytes and a signature (64 bytes) over them; nothing is verified yet."""

    statement_bytes: bytes
    signature: bytes

    @property
    def digest(self) -> bytes:
        """What the device's next statement names as `previous`: 32 bytes, over the statement alone."""
        return digest(EVIDENCE_DOMAIN, self.statement_bytes)

    def envelope(self) -> bytes:
        """`{"signature":hex,"statement":{…}}` in canonical form: one JSON document that loses neither part.

        These are the bytes to log and to keep, since a log of statements alone would not miss a stripped
        signature.
        """
        parse_canonical(self.statement_bytes, max_bytes=MAX_STATEMENT_BYTES)
        return _HEAD + self.signature.hex().encode("ascii") + _BETWEEN + self.statement_bytes + b"}"


@dataclass(frozen=True, slots=True)
class Stated:
    """A signed statement that was read, so that nobody reads it twice: what it says is known, not who said it.

    Read from the very bytes that `signed` holds when it is made. Raises what `read_statement` raises.
    """

    signed: SignedEvidence
    statement: Statement = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "statement", read_statement(self.signed.statement_bytes))


def sign_statement(statement: Statement, key: DeviceSigner) -> SignedEvidence:
    """Sign a statement with the device's key. Raises what the key raises."""
    raw = statement.canonical()
    return SignedEvidence(raw, key.sign(domain_separated(EVIDENCE_DOMAIN, raw)))


def read_envelope(raw: bytes) -> SignedEvidence:
    """Take an envelope apart, verify nothing. Raises `BadInput` ENVELOPE_FORMAT, NON_CANONICAL, JSON_…."""
    found = _apart(raw)
    if found is None:
        return _read_slowly(raw)
    parse_canonical(found.statement_bytes, max_bytes=MAX_ENVELOPE_BYTES)
    return found


def read_stated(raw: bytes) -> Stated:
    """Take an envelope apart and read its statement, verify nothing. Raises as `read_envelope`, `read_statement`."""
    return Stated(_apart(raw) or _read_slowly(raw))


def _apart(raw: bytes) -> SignedEvidence | None:
    """The two parts of what looks like an envelope as we write it; the statement is still to be looked at.

    What is around the statement has one spelling, so that looking at the statement alone is enough.
    """
    if not raw.startswith(_HEAD) or raw[_AFTER_HEX : _AFTER_HEX + len(_BETWEEN)] != _BETWEEN or raw[-1:] != b"}":
        return None
    try:
        signature = unhexlify(raw[len(_HEAD) : _AFTER_HEX])
    except ValueError:
        return None
    if hexlify(signature) != raw[len(_HEAD) : _AFTER_HEX] or len(raw) > MAX_ENVELOPE_BYTES:
        return None
    return SignedEvidence(raw[_AFTER_HEX + len(_BETWEEN) : -1], signature)


def _read_slowly(raw: bytes) -> SignedEvidence:
    """What is no envelope as we write it, with the reason why."""
    value = parse_canonical(raw, max_bytes=MAX_ENVELOPE_BYTES)
    if not isinstance(value, dict) or value.keys() != {"signature", "statement"}:
        raise BadInput("ENVELOPE_FORMAT", "An evidence envelope holds a signature and a statement, nothing else.")
    signature = value["signature"]
    if not isinstance(signature, str) or len(signature) != _SIGNATURE_HEX or not _is_lower_hex(signature):
        raise BadInput("ENVELOPE_FORMAT", f"The signature is not {_SIGNATURE_HEX} lower-case hexadecimal digits.")
    return SignedEvidence(canonical_json(value["statement"]), bytes.fromhex(signature))


def _is_lower_hex(text: str) -> bool:
    return all(char in "0123456789abcdef" for char in text)
