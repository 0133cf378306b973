"""Whether sensors that do not depend on a camera bear out what it filmed: the rule of `media_signing.assurance`."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.media_signing import Authenticity, Provenance
from ledger.media_signing.archive import VideoStanding
from ledger.media_signing.assurance import Assurance, Observation, Shown, assurance
from ledger.store import Ledger, StoredSegment


def assurance_of(ledger: Ledger, segments: Sequence[StoredSegment], video: VideoStanding | None) -> Assurance:
    """The assurance of one recording (its segments in order), by what sensors observed at its place meanwhile.

    Heard are those whose terms say that they are there: any other only claims it, and whoever holds the key of one
    could else bear out every video, or contradict it.
    """
    first, last = segments[0].statement, segments[-1].statement
    shown = Shown(first.device, first.place, first.recorded_from, last.recorded_until)
    said = ledger.readings.observed_at(shown.place, shown.start, shown.end)
    observed = [each for each in said if _is_placed(ledger, each.device, shown.place)]
    return assurance(
        shown,
        Authenticity.UNSIGNED if video is None else video.authenticity,
        Provenance.NO_CERTIFICATE if video is None else video.provenance,
        [Observation(each.device, shown.place, each.at, each.at, each.agrees) for each in observed],
    )


def _is_placed(ledger: Ledger, device: str, place: str) -> bool:
    terms = ledger.evidence.terms(device)
    return terms is not None and terms.place == place
