"""Whether sensors that do not depend on a camera bear out what it filmed: the rule of `media_signing.assurance`."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.media_signing import Authenticity, Provenance
from ledger.media_signing.archive import VideoStanding
from ledger.media_signing.assurance import Assurance, Observation, Shown, assurance
from ledger.store import Ledger, StoredSegment


def assurance_of(ledger: Ledger, segments: Sequence[StoredSegment], video: VideoStanding | None) -> Assurance:
    """The assurance of one recording (its segments in order), by what any sensor observed at its place meanwhile."""
    first, last = segments[0].statement, segments[-1].statement
    shown = Shown(first.device, first.place, first.recorded_from, last.recorded_until)
    observed = ledger.readings.observed_at(shown.place, shown.start, shown.end)
    return assurance(
        shown,
        Authenticity.UNSIGNED if video is None else video.authenticity,
        Provenance.NO_CERTIFICATE if video is None else video.provenance,
        [Observation(each.device, shown.place, each.at, each.at, each.agrees) for each in observed],
    )
