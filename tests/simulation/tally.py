"""Many seeds: what was met how often, as a table, and what was never met."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.simulation.committee import KINDS, MESSAGE_FAULTS
from tests.simulation.faults import MODES
from tests.simulation.lanes import FINALITY, ROUTES
from tests.simulation.network import Network
from tests.simulation.notary import CRASH_POINTS
from tests.simulation.relay import CRASH_POINTS as RELAY_POINTS

# Every fault that a run may meet, by the name under which it is counted.
NAMED = (
    *(f"message {fault}" for fault in (*MESSAGE_FAULTS, "reordered")),
    "partition",
    *("late message refused", "transaction lost", "transaction late", "transaction doubled"),
    *("RPC down", "RPC lags", "RPC omits logs", "RPC lies to a relay", "omitted log noticed", "relay rewinds"),
    *(f"notary dies {point}" for point in CRASH_POINTS),
    *("notary restarts", "notary down", "disk full"),
    *(f"relay dies {point}" for point in RELAY_POINTS),
    "relay restarts",
    *(f"reorganisation of depth {depth}" for depth in range(1, FINALITY + 1)),
    *(f"reorganised transaction {mode}" for mode in MODES),
    *("chain's clock leaps", "machine's clock skewed", "clock alarm", "rotation in flight"),
    *("notary silent", "notary lies", "equivocator signs", "twin answers"),
    *("twin is shown another chain", "eclipsed is shown another chain"),
    *("forged message refused by a notary", "forged header refused"),
    *(f"forged proof refused under {route.policy.name.lower()}" for route in ROUTES),
    *("message refused before it is final", "header refused before it is final", "transfer that nothing backs"),
    "false expiry refused by a notary",
    *("retired keys refused", "signed in another epoch"),
    *(f"value sent {way} under {route.name}" for way in ("out", "home") for route in ROUTES),
    "header brought to a light client",
)
assert len(KINDS) == 5, "a kind of faulty notary is counted above"


@dataclass
class Tally:
    """The sum of several runs. `seconds`: of one core."""

    runs: int = 0
    closed: int = 0
    seconds: float = 0.0
    met: Counter[str] = field(default_factory=Counter)

    def add(self, seeds: Iterable[int]) -> Tally:
        """Run them. Errors: `Violation`, naming the seed."""
        for seed in seeds:
            started = time.process_time()
            outcome = Network(seed).run()
            self.seconds += time.process_time() - started
            self.runs, self.closed = self.runs + 1, self.closed + outcome.closed
            self.met += outcome.met
        return self

    @property
    def never_met(self) -> list[str]:
        """The named faults that no run has met."""
        return [name for name in NAMED if not self.met[name]]

    def table(self) -> str:
        """The counts, and the rate."""
        rate = 60 * self.runs / max(self.seconds, 1e-9)
        lines = [f"| {name:<40} | {self.met[name]:>9} |" for name in NAMED]
        summary = f"{self.runs} seeds, {self.closed} messages closed, {rate:.0f} seeds per minute of one core"
        return "\n".join([f"| {'fault':<40} | {'met':>9} |", f"|{'-' * 42}|{'-' * 10}:|", *lines, summary])
