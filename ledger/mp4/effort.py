"""How much work a file may make, whatever its numbers say: a few bytes can describe a million samples.

What happens here: steps are counted while a file is read, and reading ends where there are too many. A step is a box, a
coded picture, a NAL unit, or a row of a table: about a microsecond each. What may never happen here: a clock, since the
same bytes have to be judged alike on a fast machine and on a slow one.
"""

from __future__ import annotations

from ledger.mp4.boxes import too_much

MAX_SEGMENT_STEPS = 500_000
"""Of one segment. Ten seconds of 60 pictures in 8 slices each, with sound, make 8,000."""
MAX_RECORDING_STEPS = 16_000_000
"""Of a whole recording. Four hours at 60 pictures a second, of 4 units each, make 6 million."""
ROWS_PER_STEP = 64  # of a table that is not there: samples that all have the same size


class Effort:
    """Counts steps up to `most`; MEDIA_LIMIT beyond."""

    def __init__(self, most: int) -> None:
        self._most, self._left = most, most

    def spend(self, steps: int = 1) -> None:
        """Count `steps` before they are taken."""
        self._left -= steps
        if self._left < 0:
            raise too_much("boxes, samples and units to read", f"at most {self._most} in all")
