"""What the ledger does for whoever publishes its log: checkpoints, cosigned notes, timestamps, and what has crossed.

The publisher runs elsewhere and is not believed: a note is published only with a quorum's cosignatures, a timestamp
kept only where an authority of the trust root made it, a crossing only where it verifies. Every call may be made again.
What has crossed is logged before the next checkpoint is made and at no other time. May never happen here: an entry that
nobody but the publishing itself asked for.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ledger.bundle.format import load_crossing
from ledger.bundle.handed import verify_anchor, verify_told
from ledger.bundling.bundler import Bundler
from ledger.bundling.kept import KeptCrossings
from ledger.errors import BadInput, Refused
from ledger.store import Ledger
from ledger.store.crossing_files import CROSSINGS_FOLDER
from ledger.timestamp import verify_stamp


@dataclass(frozen=True, slots=True)
class LogState:
    """How far a log is. `size`: its entries; `note`: the newest checkpoint that the present notaries cosigned, None
    before that; `stamped`: whether that one has a timestamp; `crossed`: the size of the largest anchor that crossed.
    """

    origin: str
    size: int
    note: bytes | None
    stamped: bool
    crossed: int


class Publishing:
    """The publisher's side of one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._kept = KeptCrossings(ledger.database.path.parent / CROSSINGS_FOLDER)
        self.bundler = Bundler(ledger, self._kept)

    def state(self) -> LogState:
        """How far it is now."""
        log = self._ledger.log
        published = log.latest_cosigned()
        return LogState(
            origin=log.origin,
            size=log.size,
            note=None if published is None else published.note,
            stamped=published is not None and log.stamp(published.checkpoint.size) is not None,
            crossed=max((anchor.size for anchor in self._kept.closed()), default=0),
        )

    def checkpoint(self) -> bytes:
        """Sign the log's present state, what has crossed recorded in it; the same again while nothing is new."""
        log = self._ledger.log
        published = log.latest_cosigned()
        if published is None or log.size > published.checkpoint.size:
            self.bundler.record_crossings()
        return log.make_checkpoint()

    def publish(self, note: bytes) -> int:
        """Publish a cosigned checkpoint; its size. Errors: as `Log.store_cosigned`."""
        return self._ledger.log.store_cosigned(note).checkpoint.size

    def keep_stamp(self, note: bytes, stamp: bytes) -> None:
        """Keep a timestamp over a published note. Errors: those of `verify_stamp`, `Unavailable` BUNDLE_NOT_READY
        before the trust root is logged.
        """
        verify_stamp(stamp, note, authorities=self.bundler.trust_root().timestamping)
        self._ledger.log.keep_stamp(note, stamp)

    def missing(self, credentials: Collection[bytes]) -> list[bytes]:
        """Which of these messages' ways nobody has handed over."""
        return self._kept.missing(credentials)

    def keep_anchor(self, raw: bytes) -> None:
        """Take in an anchor's way (`dump_crossing`). Errors: those of `load_crossing` and `verify_anchor`;
        `Unavailable` BUNDLE_NOT_READY; `Refused` SPLIT_VIEW where another state was anchored than this log's.
        """
        crossing, log = load_crossing(raw), self._ledger.log
        anchor = verify_anchor(crossing, self.bundler.trust_root())
        if not 0 < anchor.size <= log.size or log.root(anchor.size) != anchor.root:
            raise Refused(
                "SPLIT_VIEW",
                "What crossed is no state of this log.",
                where=f"size {anchor.size}",
                cure="Run pledgetrail fsck; if it finds nothing, somebody anchored another log in its name.",
            )
        note = log.cosigned_note(anchor.size)
        if note is None:
            raise Refused("CHECKPOINT_UNKNOWN", "The log never published this checkpoint.", where=f"size {anchor.size}")
        self._kept.keep_anchor(anchor, crossing)

    def keep_instruction(self, raw: bytes) -> None:
        """Take in the way of a loan's instruction. Errors: those of `load_crossing` and `verify_told`; `Unavailable`
        BUNDLE_NOT_READY.
        """
        crossing = load_crossing(raw)
        self._kept.keep_instruction(verify_told(crossing, self.bundler.trust_root()), crossing)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The consistency proof between two sizes. `BadInput` LOG_SIZES where they are none of this log's."""
        if not 0 < old <= new <= self._ledger.log.size:
            raise BadInput("LOG_SIZES", "These are no two sizes of this log.", where=f"{old} and {new}")
        return self._ledger.log.consistency(old, new)
