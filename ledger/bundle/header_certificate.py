"""What a bundle carries of a certified header: signatures, and for whom. Verified in `certified.py`, not here."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.bundle.cbor import Cbor, CborLike
from ledger.bundle.fields import Fields


@dataclass(frozen=True, slots=True)
class HeaderCertificate:
    """The notaries' packed signatures over the origin's header, for the destination's holder of headers (20 bytes)."""

    contract: bytes
    epoch: int
    signatures: bytes

    def write(self) -> CborLike:
        """It as the file holds it."""
        return {"contract": self.contract, "epoch": self.epoch, "signatures": self.signatures}


def read_certificate(value: Cbor, where: str) -> HeaderCertificate:
    """Read what `write` gave. Raises `BadInput` BUNDLE_FIELD."""
    fields = Fields(value, where, HeaderCertificate.__slots__)
    return HeaderCertificate(fields.data("contract", 20), fields.number("epoch"), fields.data("signatures"))
