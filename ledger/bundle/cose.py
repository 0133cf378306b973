"""COSE_Sign1 (RFC 9052 section 4.2) with Ed25519, as far as statements and receipts of the log need it.

One spelling of each: what is read must encode to the same bytes again. May never happen here: an algorithm taken from
the message that the caller did not expect, a header whose meaning is unknown and marked critical, or an unprotected
header believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import cbor2

from ledger import ed25519
from ledger.bundle.cbor import inspect
from ledger.errors import BadInput, Refused

SIGN1_TAG: Final = 18
ALG: Final = 1
CONTENT_TYPE: Final = 3
KEY_ID: Final = 4
EDDSA: Final = -8
MAX_COSE_BYTES: Final = 256 * 1024

Headers: TypeAlias = "Mapping[int | str, Any]"


@dataclass(frozen=True, slots=True)
class Sign1:
    """One COSE_Sign1. `protected`: the signed headers' bytes; `payload`: None where it is detached."""

    protected: bytes
    unprotected: Headers
    payload: bytes | None
    signature: bytes

    def encode(self) -> bytes:
        """Its one encoding, tagged."""
        content = [self.protected, dict(self.unprotected), self.payload, self.signature]
        return cbor2.dumps(cbor2.CBORTag(SIGN1_TAG, content), canonical=True)

    def headers(self) -> Headers:
        """The protected headers. Raises `BadInput` COSE_FORMAT, NON_CANONICAL."""
        found = loads(self.protected)
        if not isinstance(found, dict):
            raise malformed("the protected headers are no map")
        return found


def sign1(private_key: bytes, protected: Headers, *, payload: bytes, detached: bool = False) -> Sign1:
    """Sign a payload under these headers; `ALG` is added. With `detached` the payload stays out of the message."""
    headers = cbor2.dumps({ALG: EDDSA, **protected}, canonical=True)
    signature = ed25519.sign(private_key, _to_sign(headers, payload))
    return Sign1(headers, {}, None if detached else payload, signature)


def read_sign1(raw: bytes) -> Sign1:
    """Take a COSE_Sign1 apart, verify nothing.

    Raises `BadInput` COSE_SIZE, COSE_FORMAT, NON_CANONICAL, BUNDLE_LIMIT.
    """
    if len(raw) > MAX_COSE_BYTES:
        raise BadInput("COSE_SIZE", f"A COSE message has at most {MAX_COSE_BYTES} bytes here.")
    value = loads(raw)
    content = value.value if isinstance(value, cbor2.CBORTag) and value.tag == SIGN1_TAG else None
    if not isinstance(content, list) or len(content) != 4:
        raise malformed("it is no COSE_Sign1 with its tag")
    protected, unprotected, payload, signature = content
    if not isinstance(protected, bytes) or not isinstance(unprotected, dict) or not isinstance(signature, bytes):
        raise malformed("a part has another type")
    if payload is not None and not isinstance(payload, bytes):
        raise malformed("the payload is neither bytes nor detached")
    return Sign1(protected, unprotected, payload, signature)


def verify_sign1(message: Sign1, public_key: bytes, *, payload: bytes, known: frozenset[int]) -> Headers:
    """The protected headers, once the signature holds over them and over `payload`.

    `known`: the labels that a caller understands besides `ALG`; no other may be there. Raises `Refused` SIG_INVALID,
    COSE_ALGORITHM; `BadInput` COSE_HEADER, COSE_FORMAT.
    """
    headers = message.headers()
    if headers.get(ALG) != EDDSA:
        raise Refused("COSE_ALGORITHM", "The message is not signed with EdDSA.", where=repr(headers.get(ALG))[:40])
    for label in headers:
        if label != ALG and label not in known:
            raise BadInput("COSE_HEADER", "A protected header is unknown here.", where=repr(label)[:40])
    ed25519.verify(public_key, _to_sign(message.protected, payload), message.signature)
    return headers


def loads(raw: bytes) -> Any:
    """The value that `raw`, and no other spelling, encodes. Raises `BadInput` NON_CANONICAL, BUNDLE_LIMIT."""
    inspect(raw, cose=True)
    try:
        value = cbor2.loads(raw)
        again = cbor2.dumps(value, canonical=True)
    except (cbor2.CBORError, ValueError, TypeError) as error:
        raise BadInput("NON_CANONICAL", f"The CBOR does not decode ({type(error).__name__}).") from error
    if again != raw:
        raise BadInput("NON_CANONICAL", "Keys are repeated or out of order, or a value is not in its shortest form.")
    return value


def malformed(why: str) -> BadInput:
    """The refusal of something that is not what was expected."""
    return BadInput("COSE_FORMAT", f"The COSE message cannot be read: {why}.")


def _to_sign(protected: bytes, payload: bytes) -> bytes:
    """Sig_structure of RFC 9052 section 4.4, without external data."""
    return cbor2.dumps(["Signature1", protected, b"", payload], canonical=True)
