"""A verdict as the ledger keeps it beside a segment: JSON, with the chains that signed by their content ids.

What happens here: a verdict becomes a document and back the two words that pages show; a verdict that was pending is
completed by what the next segment of the recording brought. May never happen here: a better word for a group that was
already judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger.canonical import JsonValue
from ledger.errors import BadInput
from ledger.media_signing.verdict import Authenticity, GroupVerdict, Provenance, VideoVerdict


@dataclass(frozen=True, slots=True)
class VideoStanding:
    """The worst that the groups of one segment or recording show, and which chains signed them (content ids)."""

    authenticity: Authenticity
    provenance: Provenance
    chains: tuple[str, ...]


def verdict_document(verdict: VideoVerdict) -> dict[str, JsonValue]:
    """The verdict on a stream: two words in all and for each group, where the trouble is, and the signers."""
    signers: list[JsonValue] = [
        {"chain_sha256": chain.digest.hex(), "key_sha256": chain.key.hex(), "subject": chain.subject}
        for chain in verdict.chains
    ]
    return {
        "authenticity": verdict.authenticity.value,
        "provenance": verdict.provenance.value,
        "pictures": verdict.pictures,
        "groups": [group_document(group) for group in verdict.groups],
        "signers": signers,
        "camera": None
        if verdict.vendor is None
        else {
            "manufacturer": verdict.vendor.manufacturer,
            "serial": verdict.vendor.serial,
            "firmware": verdict.vendor.firmware,
        },
    }


def group_document(group: GroupVerdict, *, units: int = 0, pictures: int = 0) -> dict[str, JsonValue]:
    """One group; `units` and `pictures` of the stream that came before its segment are not counted."""
    return {
        "number": group.number,
        "first_picture": group.first_picture - pictures,
        "pictures": group.pictures,
        "authenticity": group.authenticity.value,
        "provenance": group.provenance.value,
        "signer_key_sha256": None if group.chain is None else group.chain.key.hex(),
        "chain_sha256": None if group.chain is None else group.chain.digest.hex(),
        "signed_from": _time(group.signed_from),
        "signed_until": _time(group.signed_until),
        "troubles": [
            {
                "kind": each.kind.value,
                "unit": each.unit - units,
                "picture": each.picture - pictures,
                "count": each.count,
            }
            for each in group.troubles
        ],
    }


def completed(before: Sequence[JsonValue], now: Sequence[JsonValue]) -> list[JsonValue]:
    """The groups of a segment after the next one came: those that were pending are replaced, no other."""
    if len(before) != len(now):
        return list(before)
    pending = Authenticity.PENDING.value
    return [
        new if isinstance(old, Mapping) and old.get("authenticity") == pending else old
        for old, new in zip(before, now, strict=True)
    ]


def standing_of(document: Mapping[str, JsonValue]) -> VideoStanding:
    """The two words of a kept record; `BadInput` SEI_RECORD for what is not one."""
    try:
        groups, chains = document["groups"], document["chains"]
        assert isinstance(groups, list)
        assert isinstance(chains, list)
        names = tuple(map(str, chains))
        found = [
            VideoStanding(Authenticity(str(group["authenticity"])), Provenance(str(group["provenance"])), names)
            for group in groups
            if isinstance(group, dict)
        ]
    except (AssertionError, KeyError, ValueError) as error:
        raise BadInput("SEI_RECORD", "a kept verdict on a signed video cannot be read") from error
    return worst(found) if found else VideoStanding(Authenticity.NOT_COVERED, Provenance.NO_CERTIFICATE, names)


def worst(standings: Iterable[VideoStanding]) -> VideoStanding:
    """The worst word to each question on its own, and all chains; of none at all, unsigned by nobody.

    A group that nothing covers says nothing of who signed the others.
    """
    every = list(standings)
    if not every:
        return VideoStanding(Authenticity.UNSIGNED, Provenance.NO_CERTIFICATE, ())
    authenticity = max((each.authenticity for each in every), key=list(Authenticity).index)
    signed = [each.provenance for each in every if each.provenance is not Provenance.NO_CERTIFICATE]
    provenance = max(signed, key=list(Provenance).index, default=Provenance.NO_CERTIFICATE)
    return VideoStanding(authenticity, provenance, tuple(dict.fromkeys(cid for each in every for cid in each.chains)))


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
