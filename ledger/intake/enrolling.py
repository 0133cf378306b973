"""Enrolment: from a device's signed request to a name in the book, with what vouches for its key.

May never happen here: a device that is called attested because it said so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from ledger.errors import Refused
from ledger.evidence import Device
from ledger.evidence.maker import vouched_by
from ledger.evidence.request import read_request

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

WITHOUT_A_MAKER = frozenset({"ATTESTATION_NONE", "ATTESTATION_CHAIN"})


class Register(Protocol):
    """Where devices are enrolled. Implemented by `ledger.store`."""

    def enrol(self, device: Device, *, attested_by: str | None, request: bytes) -> None:
        """Enrol and log a device with what it asked, or repeat that. `Refused` DEVICE_KNOWN, KEY_KNOWN."""
        ...


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The device, and the maker that vouches for its key; None: self-stated, for the reason in `why_not`."""

    device: Device
    attested_by: str | None
    why_not: str


def enrol_request(
    raw: bytes,
    *,
    register: Register,
    valid_from: datetime,
    valid_until: datetime,
    makers: Sequence[Certificate] = (),
    must_be_attested: bool = False,
    at: datetime,
) -> Enrolled:
    """Enrol the device that asks so in `raw` for a period (UTC), and log both.

    Raises what `read_request`, `vouched_by` and the register raise; without `must_be_attested` a device whose chain is
    missing or leads nowhere is enrolled as self-stated. A chain for another key is refused in any case.
    """
    request = read_request(raw)
    attested_by, why_not = None, ""
    try:
        attested_by = vouched_by(request, makers, at=at)
    except Refused as refusal:
        if must_be_attested or refusal.code not in WITHOUT_A_MAKER:
            raise
        why_not = refusal.what
    device = Device(
        request.device, request.public_key, request.label, valid_from, valid_until, algorithm=request.algorithm
    )
    register.enrol(device, attested_by=attested_by, request=raw)
    return Enrolled(device, attested_by, why_not)
