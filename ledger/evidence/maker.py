"""Whether a maker vouches for a device's key: the certificate chain that came with the request to be enrolled.

X.509 as in RFC 5280, verified by `cryptography` for the time of the enrolment, against the makers' certificates that
the operator configured; nobody is asked over the network. It proves where the key was made, not that it
stayed there. May never happen here: a chain that vouches for another key, or a root that came with the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import verification

from ledger.errors import BadInput, Refused
from ledger.evidence.request import EnrolmentRequest

MAX_MAKERS_BYTES = 256 * 1024


def read_makers(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The makers' certificates in a PEM file. `BadInput` MAKER_CERTIFICATE."""
    try:
        if len(pem) > MAX_MAKERS_BYTES:
            raise ValueError("the file is too large")
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        raise BadInput(
            "MAKER_CERTIFICATE", f"The makers' certificates cannot be read: {error}.", cure="Give a PEM file."
        ) from error


def vouched_by(request: EnrolmentRequest, makers: Sequence[x509.Certificate], *, at: datetime) -> str:
    """The name of the maker that vouches for the request's key at a time (UTC), as RFC 4514 text.

    Raises `Refused` ATTESTATION_NONE (no chain came along), ATTESTATION_KEY (it is for another key),
    ATTESTATION_CHAIN (it does not lead to one of `makers`, or not at that time); `BadInput` ATTESTATION_FORMAT.
    """
    if not request.certificates:
        raise _refused("ATTESTATION_NONE", "No maker's certificate came with the request", request)
    try:
        own, *others = (x509.load_der_x509_certificate(der) for der in request.certificates)
        key = own.public_key().public_bytes(*_FORMS[request.algorithm])
    except (ValueError, TypeError) as error:
        raise BadInput(
            "ATTESTATION_FORMAT", "A certificate of the request cannot be read.", where=request.device
        ) from error
    if key != request.public_key:
        raise _refused("ATTESTATION_KEY", "The maker's certificate is for another key", request)
    try:
        chain = _verifier(makers, at).verify(own, others).chain
    except (verification.VerificationError, ValueError) as error:
        # What the library says in detail is for its developers: it goes into the cause.
        raise _refused(
            "ATTESTATION_CHAIN", "The certificates do not lead to a maker that is trusted", request
        ) from error
    return chain[-1].subject.rfc4514_string()


_FORMS = {"Ed25519": (Encoding.Raw, PublicFormat.Raw), "P-256": (Encoding.X962, PublicFormat.UncompressedPoint)}


def _verifier(makers: Sequence[x509.Certificate], at: datetime) -> verification.ClientVerifier:
    # Device certificates name no host and need no use for TLS; what an issuer must be stays as strict as on the web.
    issuers, devices = verification.ExtensionPolicy.webpki_defaults_ca(), verification.ExtensionPolicy.permit_all()
    builder = (
        verification.PolicyBuilder()
        .store(verification.Store(list(makers)))
        .time(at.astimezone(UTC).replace(tzinfo=None))
    )
    return builder.extension_policies(ca_policy=issuers, ee_policy=devices).build_client_verifier()


def _refused(code: str, what: str, request: EnrolmentRequest) -> Refused:
    return Refused(
        code, f"{what}.", where=request.device, cure="Enrol it as self-stated, or ask the maker for its certificates."
    )
