"""How much a video can be relied on, beyond its signature: a camera can film a screen, and its signature will hold.

What happens here: one rule. A video alone is LOW_ASSURANCE, however well it is signed. It is CORROBORATED when another
device that does not depend on it observed the same place at the same time and agrees, and none contradicts.
What may never happen here: reading "authentic" as "it happened".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ledger.media_signing.verdict import Authenticity, Provenance


class Assurance(StrEnum):
    """How far a video may carry a decision by itself."""

    CORROBORATED = "CORROBORATED"
    LOW_ASSURANCE = "LOW_ASSURANCE"
    CONTRADICTED = "CONTRADICTED"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a video claims: which device showed which place, from when until when (UTC)."""

    device: str
    place: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Observation:
    """What an independent sensor (a scale, a locator, another camera) observed, and whether it fits what is shown."""

    device: str
    place: str
    start: datetime
    end: datetime
    agrees: bool


def assurance(
    shown: Shown, authenticity: Authenticity, provenance: Provenance, observations: Iterable[Observation]
) -> Assurance:
    """The rule. The camera's own observations, other places and other times do not count."""
    relevant = [
        each
        for each in observations
        if each.device != shown.device
        and each.place == shown.place
        and each.start < shown.end
        and shown.start < each.end
    ]
    if any(not each.agrees for each in relevant):
        return Assurance.CONTRADICTED
    believed = authenticity is Authenticity.AUTHENTIC and provenance is Provenance.TRUSTED
    return Assurance.CORROBORATED if believed and relevant else Assurance.LOW_ASSURANCE
