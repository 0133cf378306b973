"""RFC 3161 timestamps over a checkpoint's note: an authority outside says that these bytes were there by then.

The authority's certificate is judged at the time it states, so that one that expired since does not undo the stamp.
May never happen here: a time believed that no configured root vouches for, or a stamp of other bytes; an authority
that nobody named told as a stamp that was changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import rfc3161_client
from cryptography import x509

from ledger.errors import BadInput, Refused, WrongUse

MEDIA_TYPE_QUERY: Final = "application/timestamp-query"
MEDIA_TYPE_REPLY: Final = "application/timestamp-reply"
MAX_STAMP_BYTES: Final = 64 * 1024
_NO_CHAIN: Final = "certificate verify error"  # OpenSSL's reason where no chain leads to a root at that time


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a timestamp says: the bytes existed at `time` (UTC); `authority`: the root's subject that vouches for it."""

    time: datetime
    authority: str


def ask_for_stamp(message: bytes) -> bytes:
    """The request (DER) for a timestamp over the SHA-256 of `message`, with a nonce and the authority's certificate."""
    builder = rfc3161_client.TimestampRequestBuilder().data(message)
    request = builder.hash_algorithm(rfc3161_client.HashAlgorithm.SHA256).cert_request(cert_request=True)
    return bytes(request.nonce(nonce=True).build().as_bytes())


def read_authority(certificate: bytes) -> x509.Certificate:
    """An authority's root certificate (DER). Raises `BadInput` STAMP_AUTHORITY."""
    try:
        return x509.load_der_x509_certificate(certificate)
    except ValueError as error:
        raise BadInput("STAMP_AUTHORITY", "This is no X.509 certificate in DER.") from error


def verify_stamp(raw: bytes, message: bytes, *, authorities: Sequence[bytes]) -> Stamp:
    """Believe a response (DER) as a timestamp over `message`, or refuse it.

    `authorities`: root certificates in DER, one of which must vouch for it. Raises `Refused` STAMP_UNTRUSTED (no chain
    to a root at that time, or of a certificate that is not for timestamps), STAMP_INVALID (another message, not
    granted, a signature that does not hold); `BadInput` STAMP_FORMAT, STAMP_AUTHORITY; `WrongUse` STAMP_UNEXPECTED
    where no authority is configured.
    """
    if not authorities:
        raise WrongUse("STAMP_UNEXPECTED", "The trust root names no authority for timestamps.")
    if len(raw) > MAX_STAMP_BYTES:
        raise BadInput("STAMP_FORMAT", f"A timestamp has at most {MAX_STAMP_BYTES} bytes.")
    try:
        response = rfc3161_client.decode_timestamp_response(raw)
        # Bytes after the end, or another spelling, would be a second stamp of the same meaning.
        if response.as_bytes() != raw:
            raise ValueError("not in its own encoding")
        told = response.tst_info.gen_time
    except ValueError as error:
        raise BadInput("STAMP_FORMAT", "The timestamp is no response of RFC 3161 in DER.") from error
    refusal: rfc3161_client.VerificationError | None = None
    for certificate in [read_authority(each) for each in authorities]:
        verifier = rfc3161_client.VerifierBuilder(roots=[certificate]).build()
        try:
            verifier.verify_message(response, message)
        except rfc3161_client.VerificationError as error:
            # What a root that vouches for the signer says counts before what the others say.
            refusal = error if refusal is None or _NO_CHAIN in str(refusal) else refusal
            continue
        return Stamp(told.astimezone(UTC), certificate.subject.rfc4514_string())
    if refusal is not None and _NO_CHAIN in str(refusal):
        raise Refused(
            "STAMP_UNTRUSTED",
            "No authority that the trust root names vouches for the timestamp at the time it states.",
            where=told.isoformat(),
            cure="Ask whoever published the trust root which authorities' timestamps count.",
        ) from refusal
    raise Refused("STAMP_INVALID", f"The timestamp does not hold: {refusal}.", where=told.isoformat()) from refusal
