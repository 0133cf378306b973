"""What can be said of a signed video, per group of pictures: two axes that never mix, and where the trouble is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledger.media_signing.chain import SignerChain
    from ledger.media_signing.documents import Vendor


class Authenticity(StrEnum):
    """Are these the pictures that were signed? From best to worst."""

    AUTHENTIC = "authentic"
    MISSING_PICTURES = "missing pictures"
    PENDING = "pending"
    NOT_COVERED = "not covered"
    SIGNATURE_MISSING = "signature missing"
    UNSIGNED = "unsigned"
    TAMPERED = "tampered"


class Provenance(StrEnum):
    """Whose key signed them?"""

    TRUSTED = "trusted"
    UNTRUSTED_SIGNER = "untrusted signer"
    NOT_VALID_THEN = "certificate not valid then"
    KEY_CHANGED = "public key has changed"
    NO_CERTIFICATE = "no certificate"


class TroubleKind(StrEnum):
    """What is wrong at one place of a group."""

    CHANGED = "changed"
    ADDED = "added"
    MOVED = "moved"
    ABSENT = "absent"
    RECORD_CHANGED = "signing record changed"
    RECORD_ABSENT = "signing record absent"
    NOT_FOLLOWING = "does not follow the group before"
    NO_ROOM_TO_LOCATE = "somewhere in the group"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One trouble. `unit`, `picture`: counted from 0 in the stream; for ABSENT, the one that now stands in its place.

    `count`: how many in a row, at least 1.
    """

    kind: TroubleKind
    unit: int
    picture: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class GroupVerdict:
    """One group of pictures, or a part of one that was signed by itself.

    `number`: the signer's counter, None where no record tells. `first_picture`, `pictures`: from 0 in the stream.
    `first_unit`, `units`: NAL units likewise. `signed_from`, `signed_until`: UTC, by the signer's clock.
    """

    number: int | None
    first_picture: int
    pictures: int
    first_unit: int
    units: int
    authenticity: Authenticity
    provenance: Provenance
    troubles: tuple[Trouble, ...] = ()
    chain: SignerChain | None = None
    signed_from: datetime | None = None
    signed_until: datetime | None = None
    begins_stream: bool = False


@dataclass(frozen=True, slots=True)
class VideoVerdict:
    """The groups in stream order, the chains that signed them, what the signer says of itself, how many pictures."""

    groups: tuple[GroupVerdict, ...]
    chains: tuple[SignerChain, ...]
    vendor: Vendor | None
    pictures: int

    @property
    def signed(self) -> bool:
        """Whether the stream holds any signing record."""
        return any(group.authenticity is not Authenticity.UNSIGNED for group in self.groups)

    @property
    def authenticity(self) -> Authenticity:
        """The worst of its groups; UNSIGNED for a stream without pictures."""
        found = [group.authenticity for group in self.groups]
        return max(found, key=list(Authenticity).index, default=Authenticity.UNSIGNED)

    @property
    def provenance(self) -> Provenance:
        """The worst of its groups that a signature covers."""
        found = [group.provenance for group in self.groups if group.chain is not None]
        return max(found, key=list(Provenance).index, default=Provenance.NO_CERTIFICATE)
