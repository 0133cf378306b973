"""A device's request to be enrolled: its name, its key, what it is, signed with that key, so that it holds it.

Whoever enrols it decides about name and period; a certificate chain of the maker, where the device has one, travels
along and proves nothing here. May never happen here: a request taken for an enrolment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ledger.canonical import JsonValue, canonical_json, domain_separated, parse_canonical
from ledger.errors import BadInput, Refused
from ledger.evidence.fields import Fields, bad, check_text, check_time, write_time
from ledger.evidence.keys import Algorithm, DeviceSigner, as_algorithm, check_public_key, verify_signature

REQUEST_DOMAIN: Final = "pledgetrail/enrolment-request/v1/json"
MAX_REQUEST_BYTES = 64 * 1024
MAX_CERTIFICATES = 8
MAX_CERTIFICATE_BYTES = 6 * 1024

_KIND = "enrolment-request"
_FIELDS = frozenset({"kind", "device", "algorithm", "key", "label", "requested_at", "certificates"})


@dataclass(frozen=True, slots=True)
class EnrolmentRequest:
    """What a device asks. `certificates`: DER, the device's own first, then each one's issuer; empty without a maker's.

    Creating one checks every field: `BadInput` EVIDENCE_FIELD, KEY_….
    """

    device: str
    algorithm: Algorithm
    public_key: bytes
    label: str
    requested_at: datetime
    certificates: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        check_text("device", self.device)
        check_text("label", self.label)
        check_public_key(self.algorithm, self.public_key)
        check_time(self.requested_at)
        if len(self.certificates) > MAX_CERTIFICATES or any(
            not 0 < len(der) <= MAX_CERTIFICATE_BYTES for der in self.certificates
        ):
            raise bad("certificates", f"are not at most {MAX_CERTIFICATES} of {MAX_CERTIFICATE_BYTES} bytes each")

    def as_json(self) -> dict[str, JsonValue]:
        """The `request` member of what is sent."""
        return {
            "kind": _KIND,
            "device": self.device,
            "algorithm": self.algorithm,
            "key": self.public_key.hex(),
            "label": self.label,
            "requested_at": write_time(self.requested_at),
            "certificates": [der.hex() for der in self.certificates],
        }


def write_request(request: EnrolmentRequest, key: DeviceSigner) -> bytes:
    """`{"request":{…},"signature":hex}` in canonical form, signed with the key it is about."""
    stated = request.as_json()
    signature = key.sign(domain_separated(REQUEST_DOMAIN, canonical_json(stated)))
    return canonical_json({"request": stated, "signature": signature.hex()})


def read_request(raw: bytes) -> EnrolmentRequest:
    """The request that its own key signed.

    Raises `BadInput` EVIDENCE_FIELD, KEY_…, NON_CANONICAL, JSON_…; `Refused` REQUEST_SIGNATURE.
    """
    value = parse_canonical(raw, max_bytes=MAX_REQUEST_BYTES)
    outer = Fields(value, "", {"request", "signature"})
    fields = Fields(outer.values["request"], "request.", _FIELDS)
    if fields.text("kind") != _KIND:
        raise bad("request.kind", f'is not "{_KIND}"')
    request = EnrolmentRequest(
        device=fields.text("device"),
        algorithm=as_algorithm(fields.text("algorithm")),
        public_key=_hex("key", fields.text("key")),
        label=fields.text("label"),
        requested_at=fields.time("requested_at"),
        certificates=tuple(_hex("certificates", text) for text in _list(fields.values["certificates"])),
    )
    if canonical_json(request.as_json()) != canonical_json(outer.values["request"]):
        raise BadInput("NON_CANONICAL", "A value of the request is in another spelling.")
    message = domain_separated(REQUEST_DOMAIN, canonical_json(request.as_json()))
    try:
        verify_signature(request.algorithm, request.public_key, message, _hex("signature", outer.text("signature")))
    except Refused as error:
        raise Refused(
            "REQUEST_SIGNATURE",
            "The request is not signed with the key that it wants enrolled.",
            where=request.device,
            cure="Make the request on the device, with `pledgetrail camera enrol-request`.",
        ) from error
    return request


def _list(value: JsonValue) -> list[JsonValue]:
    if not isinstance(value, list):
        raise bad("request.certificates", "is not a list")
    return value


def _hex(name: str, text: JsonValue) -> bytes:
    try:
        return bytes.fromhex(text if isinstance(text, str) else "?")
    except ValueError:
        raise bad(name, "is not hexadecimal") from None
