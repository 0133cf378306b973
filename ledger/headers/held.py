"""What every holder of foreign headers shares: one word per height, and what happens when two of them contradict.

Twin of `contracts/vyper/held_headers.vy`: every decision about a vouched-for header is taken here, without I/O and in
the contract's order, so that the same header at the same time is judged alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256

MAX_HEIGHT = 2**64 - 1


@dataclass(frozen=True, slots=True)
class HeldHeader:
    """What is held of a header: hashes and roots of 32 bytes each, the time in seconds since 1970."""

    height: int
    block_hash: bytes
    state_root: bytes
    receipts_root: bytes
    timestamp: int

    @property
    def word(self) -> bytes:
        """The one word a contract keeps per height."""
        return keccak256(self.block_hash + self.state_root + self.receipts_root + self.timestamp.to_bytes(32, "big"))


@dataclass(frozen=True, slots=True)
class Status:
    """The latest header's height and time, and which heights are in doubt: `doubt_from` up to before `doubt_to`.

    `doubt_to` is `MAX_HEIGHT` while frozen, 0 where nothing ever was in doubt.
    """

    height: int = 0
    timestamp: int = 0
    doubt_from: int = 0
    doubt_to: int = 0

    @property
    def frozen(self) -> bool:
        """Whether a contradiction waits for its cure."""
        return self.doubt_to == MAX_HEIGHT

    def doubts(self, height: int) -> bool:
        """Whether a height is one that nothing may be believed about."""
        return self.doubt_from <= height < self.doubt_to


class Became(Enum):
    """What became of a header that its voucher had accepted."""

    LATEST = "held, and the latest now"
    HELD = "held, below the latest"
    KNOWN = "held before; nothing changed"
    FROZEN = "another one was held at its height: everything is frozen"


@dataclass(slots=True)
class HeldHeaders:
    """The headers of one foreign chain. `max_drift`, `block_period` in seconds; `words`: by height."""

    max_drift: int
    block_period: int
    status: Status = field(default_factory=Status)
    words: dict[int, bytes] = field(default_factory=dict)

    def require(self, header: HeldHeader) -> None:
        """Refuse unless exactly this header is held: CLIENT_FROZEN, HEADER_DOUBT, HEADER_UNKNOWN."""
        self._require_live(header.height)
        if self.words.get(header.height) != header.word:
            raise Refused("HEADER_UNKNOWN", "this header is not held", where=f"height {header.height}")

    def hold(self, header: HeldHeader, *, now: int) -> Became:
        """Hold a vouched-for header, or freeze. `now`: seconds of the holder's chain.

        Errors: `Refused` CLIENT_FROZEN, HEADER_DOUBT, HEADER_FUTURE (from the future, or its height and time cannot
        stand beside the latest header's).
        """
        self._require_live(header.height)
        known = self.words.get(header.height)
        if known == header.word:
            return Became.KNOWN
        if known is not None:
            self._freeze(header.height)
            return Became.FROZEN
        if header.height < self.status.doubt_to:
            raise Refused("HEADER_DOUBT", "nothing is filled in below a cure", where=f"height {header.height}")
        self._require_fit(header, now)
        self.words[header.height] = header.word
        if header.height <= self.status.height:
            return Became.HELD
        self.status = replace(self.status, height=header.height, timestamp=header.timestamp)
        return Became.LATEST

    def anchor(self, header: HeldHeader, *, now: int) -> None:
        """Hold a header that is trusted by definition, above all others. Errors: HEADER_ANCHOR, HEADER_FUTURE."""
        if not self.status.height < header.height < MAX_HEIGHT:
            raise Refused("HEADER_ANCHOR", "not above the latest header", where=f"height {header.height}")
        self._require_not_future(header, now)
        self.words[header.height] = header.word
        self.status = replace(self.status, height=header.height, timestamp=header.timestamp)

    def resume(self, doubt_from: int, height: int) -> None:
        """End a freeze: `doubt_from` up to before `height` stay in doubt. Errors: `Refused` NOTHING_TO_CURE, CURE."""
        if not self.status.frozen:
            raise Refused("NOTHING_TO_CURE", "no contradiction is open")
        if doubt_from > self.status.doubt_from:
            raise Refused("CURE", "doubt begins at the contradicted height or before", where=f"height {doubt_from}")
        if not self.status.height < height < MAX_HEIGHT:
            raise Refused("CURE", "a cure resumes above the latest header", where=f"height {height}")
        self.status = replace(self.status, doubt_from=doubt_from, doubt_to=height)

    def _require_live(self, height: int) -> None:
        if self.status.frozen:
            raise Refused("CLIENT_FROZEN", "two headers of one height were seen", cure="The quorum orders a cure.")
        if self.status.doubts(height):
            raise Refused("HEADER_DOUBT", "this height was contradicted, or lies above one", where=f"height {height}")

    def _require_fit(self, header: HeldHeader, now: int) -> None:
        if header.height >= MAX_HEIGHT:
            raise Refused("HEADER_FUTURE", "no chain is that high", where=f"height {header.height}")
        self._require_not_future(header, now)
        blocks, seconds = header.height - self.status.height, header.timestamp - self.status.timestamp
        if blocks <= 0:
            blocks, seconds = -blocks, -seconds
        if seconds < 0 or blocks * self.block_period > seconds:
            raise Refused(
                "HEADER_FUTURE", f"{blocks} blocks lie not {seconds} seconds apart", where=f"height {header.height}"
            )

    def _require_not_future(self, header: HeldHeader, now: int) -> None:
        if header.timestamp > now + self.max_drift:
            raise Refused("HEADER_FUTURE", f"its time is {header.timestamp - now} seconds ahead of this chain's")

    def _freeze(self, height: int) -> None:
        lowest = min(height, self.status.doubt_from) if self.status.doubt_to else height
        self.status = replace(self.status, doubt_from=lowest, doubt_to=MAX_HEIGHT)
