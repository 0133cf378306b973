"""What befalls a run without anybody's intent: drawn by the seed, counted where it is met, over by itself or at the
healing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.committee import members_of
from tests.simulation.lanes import DESTINATION, FINALITY, GRACE_SECONDS, OTHER
from tests.simulation.node import View
from tests.simulation.notary import CRASH_POINTS, NotaryProcess
from tests.simulation.relay import CRASH_POINTS as RELAY_POINTS
from tests.simulation.relay import RelayProcess
from tests.simulation.state import Rotate

if TYPE_CHECKING:
    from tests.simulation.network import Network

FAULTS = (
    *("partition", "rpc_down", "rpc_lags", "rpc_omits", "relay_is_lied_to", "notary_dies", "notary_dies", "disk_full"),
    *("relay_dies", "relay_dies", "reorganise", "reorganise", "reorganise", "clock_skew", "rotate"),
)
MODES = ("vanishes", "moves", "reappears")  # what becomes of what stood in the blocks that were left behind


class Faults:
    """The faults of one run."""

    def __init__(self, network: Network) -> None:
        self._run, self._random, self._forks = network, network.random, 0

    def happen(self, name: str) -> None:
        """One of `FAULTS`."""
        self._run.note("fault", name)
        getattr(self, f"_{name}")()

    def finish_rotations(self) -> None:
        """An order that a reorganisation took is given again: orders of a quorum are kept by its members."""
        chains = self._run.chains
        epochs = {chain_id: chain.head.state.seats.epoch for chain_id, chain in chains.items()}
        for chain_id, epoch in epochs.items():
            chains[chain_id].pending += [self._rotation(each + 1) for each in range(epoch, max(epochs.values()))]

    # -- the network, and its nodes ----------------------------------------------------------------------------------

    def _partition(self) -> None:
        run = self._run
        pairs = [(relay, member) for relay in range(len(run.relays)) for member in range(run.members.n)]
        cut = {pair for pair in pairs if self._random.random() < 0.6}
        run.cut |= cut
        run.later(self._random.uniform(1, 6), lambda: run.cut.difference_update(cut))

    def _some_view(self) -> View:
        owners: list[NotaryProcess | RelayProcess] = [*self._run.members.processes, *self._run.relays]
        return self._random.choice([view for owner in owners for view in owner.views.values()])

    def _rpc_down(self) -> None:
        view = self._some_view()
        view.is_down = True
        self._run.met["RPC down"] += 1
        self._run.later(self._random.uniform(1, 5), view.heal)

    def _rpc_lags(self) -> None:
        view = self._some_view()
        view.lag = self._random.randint(1, 8)
        self._run.met["RPC lags"] += 1
        self._run.later(self._random.uniform(1, 5), view.heal)

    def _rpc_omits(self) -> None:
        for member in self._run.members.all:
            view = member.processes[0].views[self._random.choice(tuple(OTHER))]
            view.omits = True
            self._run.later(self._random.uniform(2, 6), view.heal)
        self._run.met["RPC omits logs"] += 1

    def _relay_is_lied_to(self) -> None:
        """Its node shows a chain that never was; what it carries of it, nobody signs."""
        forged = self._run.attacks.forge()
        view = self._random.choice(self._run.relays).views[forged.chain.manifest.chain_id]
        view.shown = forged.chain
        self._run.met["RPC lies to a relay"] += 1
        self._run.later(self._random.uniform(2, 6), view.heal)

    # -- processes ---------------------------------------------------------------------------------------------------

    def _notary_dies(self) -> None:
        member = self._random.choice(self._run.members.all)
        member.processes[0].dies_at = self._random.choice(CRASH_POINTS)

    def _disk_full(self) -> None:
        disk = self._random.choice(self._run.members.all).processes[0].disk
        disk.is_full = True
        self._run.met["disk full"] += 1
        self._run.later(self._random.uniform(1, 5), lambda: setattr(disk, "is_full", False))

    def _relay_dies(self) -> None:
        self._random.choice(self._run.relays).dies_at = self._random.choice(RELAY_POINTS)

    def _clock_skew(self) -> None:
        run = self._run
        if self._random.random() < 0.5:
            run.chains[DESTINATION].skew += self._random.randint(1, 10)
            run.met["chain's clock leaps"] += 1
            return
        index, skew = self._random.randrange(len(run.skews)), self._random.choice((-7200.0, 3.0, 40.0, 7200.0))
        # A notary asks the time of day; a relay measures how long things take, by a clock that never goes back.
        run.skews[index] = skew if index < run.members.n else max(run.skews[index], skew)
        run.met["machine's clock skewed"] += 1

    # -- chains ------------------------------------------------------------------------------------------------------

    def _reorganise(self) -> None:
        chain = self._random.choice(tuple(self._run.chains.values()))
        depth, mode = self._random.randint(1, FINALITY), self._random.choice(MODES)
        self._forks += 1
        left = chain.reorganise(depth, self._forks)
        self._run.met[f"reorganisation of depth {depth}"] += 1
        if left:
            self._run.met[f"reorganised transaction {mode}"] += 1
        if mode == "reappears":
            chain.pending = [*left, *chain.pending]
        elif mode == "moves":
            self._run.later(self._random.uniform(1, 4), lambda: chain.pending.extend(left))
        for _ in range(self._random.randint(0, depth + 1)):
            chain.mine(self._run.now)
        self._run.law.scan(chain.manifest.chain_id)

    def _rotate(self) -> None:
        """Every chain for itself, as orders reach it; later somebody has the keys that were retired."""
        run = self._run
        rotation = self._rotation(run.chains[DESTINATION].head.state.seats.epoch + 1)
        for chain in run.chains.values():
            run.later(self._random.uniform(0, 4), lambda chain=chain: chain.pending.append(rotation))  # type: ignore[misc]
        run.later(GRACE_SECONDS + self._random.uniform(5, 10), run.attacks.leak)
        run.met["rotation in flight"] += 1

    def _rotation(self, epoch: int) -> Rotate:
        return Rotate(epoch, members_of(self._run.members.n, epoch))
