"""Whom a bundle is about, as its file names it: goods, one event, or one piece of evidence.

    https://id.gs1.org/01/…/21/…         a unit or a lot, in its normal form, with its whole history
    urn:pledgetrail:event:<64 digits>    one event, by its digest
    urn:pledgetrail:evidence:<64 digits> one statement of a device, by its digest

A pledge is no subject of its own: it is told of the goods it is about. May never happen here: two
names for one subject.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ledger.errors import BadInput
from ledger.gs1 import Identifier, parse

_OURS = "urn:pledgetrail:"
_URN = re.compile(r"urn:pledgetrail:(event|evidence):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class EventSubject:
    """One event, by its digest (32 bytes)."""

    digest: bytes

    @property
    def text(self) -> str:
        """Its name in the file."""
        return f"urn:pledgetrail:event:{self.digest.hex()}"


@dataclass(frozen=True, slots=True)
class EvidenceSubject:
    """One device's statement, by its digest (32 bytes)."""

    digest: bytes

    @property
    def text(self) -> str:
        """Its name in the file."""
        return f"urn:pledgetrail:evidence:{self.digest.hex()}"


@dataclass(frozen=True, slots=True)
class GoodsSubject:
    """A unit or a lot."""

    identifier: Identifier

    @property
    def text(self) -> str:
        """Its name in the file."""
        return self.identifier.normal


Subject = GoodsSubject | EventSubject | EvidenceSubject


def read_subject(text: str) -> Subject:
    """The subject that `text` names.

    Raises `BadInput` NON_CANONICAL (another spelling), SUBJECT_FORMAT, and those of `gs1.parse`.
    """
    named = _URN.fullmatch(text)
    if named is not None:
        digest = bytes.fromhex(named[2])
        return EventSubject(digest) if named[1] == "event" else EvidenceSubject(digest)
    if text.lower().startswith(_OURS):
        raise BadInput("SUBJECT_FORMAT", "No subject is named like this.", where=ascii(text)[:100])
    identifier = parse(text)
    if identifier.normal != text:
        raise BadInput("NON_CANONICAL", "The subject is not in its normal form.", where=text)
    return GoodsSubject(identifier)
