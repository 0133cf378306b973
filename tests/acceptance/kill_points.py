"""`make kill-points SEEDS=20 [FROM=0]`: a relay in a process of its own, killed at each named point, again and again.

Here the points at which it carries messages; in `kill_publisher` those at which it publishes a log.

One deployment for each seed. Before every start there is something new to carry; the process is killed (SIGKILL) the
n-th time it comes to its point, and the next one is started with another point. The last one is left alone: by then
everything must have happened once, no nonce may be stuck, and the tables must be what the chains say.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts.manifest import Role
from contracts.plan import EXCHANGE, EXCHANGE_LANES, PLEDGE_LANES
from ledger.two_phase import LegState, Plan
from relay.config import RelayConfig
from relay.reindexing import run_reindex
from tests.acceptance.processes import write_secret
from tests.acceptance.program import environment, until
from tests.contracts.world import CHAIN_IDS, STRANGER, World, deployed_world
from tests.simulator.market import Market
from tests.simulator.network import Network
from tests.simulator.witnesses import served

# point → where it lies: module, function, and whether the process dies before or after it has run; and how often the
# function may be let through first, at most: as often as what one start finds to carry is sure to bring it about.
Point = tuple[str, str, str, int]
POINTS: dict[str, Point] = {
    "submitter: before it writes down": ("contracts.submissions", "SubmissionBook.add", "before", 3),
    "submitter: written down, and not sent": ("contracts.submissions", "SubmissionBook.add", "after", 3),
    "submitter: sent": ("contracts.submitter", "Submitter._broadcast", "after", 3),
    "submitter: mined, and not settled": ("contracts.submissions", "SubmissionBook.settle", "before", 3),
    "submitter: settled": ("contracts.submissions", "SubmissionBook.settle", "after", 3),
    "carrier: before a step": ("relay.carrier", "Carrier.take", "before", 3),
    "carrier: after a step": ("relay.carrier", "Carrier.take", "after", 3),
    "carrier: certified, and not used": ("relay.certifier", "Certifier._ask", "after", 1),
    "carrier: answered by the notaries, and not used": ("relay.panel", "NotaryPanel._collect", "after", 1),
    "relay: a block folded by some readers": ("relay.docket", "Docket.take", "before", 40),
    "relay: a block folded": ("relay.docket", "Docket.take", "after", 40),
    "indexer: before a block is written": ("ledger.store.chain_book", "ChainBook.fold_block", "before", 40),
    "indexer: while a block is written": ("ledger.store.chain_book", "_add_fact", "after", 3),
    "indexer: after a block was written": ("ledger.store.chain_book", "ChainBook.fold_block", "after", 2),
    "exchanger: before a call": ("relay.exchanger", "Exchanger._call", "before", 0),
    "exchanger: after a call": ("relay.exchanger", "Exchanger._call", "after", 0),
}
ONCE = Counter({"MessageSent": 1, "Proposed": 1, "Attested": 1, "MessageCommitted": 1, "CommitJudged": 1})
TOLD = Counter({"Begun": 1, "Decided": 1, "LegPrepared": 2, "17 to 0": 1, "17 to 1": 1, "18 to 0": 1, "18 to 1": 1})
SECONDS = 240.0

_COMMAND = """
import importlib, os, signal, sys, threading, typer
from relay.verbs import register

def dies(module, function, when, let_through):
    owner = importlib.import_module(module)
    *inside, name = function.split(".")
    for each in inside:
        owner = getattr(owner, each)
    real, left, lock = getattr(owner, name), [let_through], threading.Lock()
    def point(*arguments, **named):
        with lock:
            left[0] -= 1
            is_now = left[0] < 0
        if is_now and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        found = real(*arguments, **named)
        if is_now:
            os.kill(os.getpid(), signal.SIGKILL)
        return found
    setattr(owner, name, point)

if sys.argv[1]:
    module, function, when, let_through = sys.argv[1].split(" ")
    dies(module, function, when, int(let_through))
del sys.argv[1]
app = typer.Typer(pretty_exceptions_enable=False)
register(app)
app()
"""


@contextmanager
def mortal_relay(folder: Path, point: Point | None, let_through: int) -> Iterator[subprocess.Popen[str]]:
    """A relay of the folder's `relay.json` in a process of its own; gone when the block ends."""
    where = "" if point is None else " ".join([*point[:3], str(let_through)])
    command = [sys.executable, "-c", _COMMAND, where, "relay", "run", "--config", str(folder / "relay.json")]
    with (folder / "relay.log").open("a") as log:
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment(folder))
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def require_killed(running: subprocess.Popen[str], folder: Path, what: str) -> None:
    """Wait until it has died at its point."""
    ended = until(running.poll, seconds=SECONDS, what=f"{what} is met")
    assert ended == -signal.SIGKILL, f"{what}: {(folder / 'relay.log').read_text()[-2000:]}"


@dataclass
class Estate:
    """A deployment, what was begun on it, and the relay's folder."""

    world: World
    folder: Path
    network: Network
    market: Market
    messages: list[bytes] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)

    def begin_something(self, *, exchange: bool) -> None:
        self.messages.append(self.network.carry_anchor().message.id)
        if exchange:
            self.plans.append(self.market.trade(0, 1))

    @contextmanager
    def relay(self, point: str, let_through: int) -> Iterator[subprocess.Popen[str]]:
        """A relay that dies at a point, or at none; gone when the block ends."""
        with mortal_relay(self.folder, POINTS[point] if point else None, let_through) as running:
            yield running

    @property
    def is_done(self) -> bool:
        """Whether every message is judged, and every exchange at its end, by the chains."""
        judged = all(self.network.effects(each)["CommitJudged"] for each in self.messages)
        return judged and all(self.has_ended(plan) for plan in self.plans)

    def has_ended(self, plan: Plan) -> bool:
        return all(self.market.state(plan, leg) is LegState.COMMITTED for leg in (0, 1))

    def check(self) -> None:
        """Nothing lost, doubled or half done."""
        for each in self.messages:
            assert self.network.effects(each) == ONCE, f"{each.hex()}: {self.network.effects(each)}"
        for plan in self.plans:
            assert self.market.said(plan) == TOLD, self.market.said(plan)
        account = f"0x{STRANGER.address.hex()}"
        for role in Role:
            node = self.world.nodes[role]
            counts = {node.request("eth_getTransactionCount", account, at) for at in ("latest", "pending")}
            assert len(counts) == 1, f"a nonce is stuck on {role}"
        found = run_reindex(RelayConfig.load(self.folder / "relay.json"))
        assert found["equal"], found


@contextmanager
def estate(folder: Path) -> Iterator[Estate]:
    """Embedded chains with a deployment, the simulator's notaries behind HTTP, and a relay's configuration."""
    planned: dict[str, Any] = {"lanes": PLEDGE_LANES + EXCHANGE_LANES, "applications": EXCHANGE}
    with deployed_world(folder / "chains", **planned) as world:
        network = Network(world)
        with served(network.notaries) as urls:
            (folder / "manifest.json").write_bytes(world.manifest.dump())
            write_secret(folder / "relay.key", f"0x{STRANGER.secret.hex()}")
            nodes = {f"eip155:{CHAIN_IDS[role]}": world.nodes[role].url for role in Role}
            notaries = [{"name": name, "url": url} for name, url in urls.items()]
            told = {"manifest": "manifest.json", "nodes": nodes, "notaries": notaries, "key": "relay.key"}
            (folder / "relay.json").write_text(json.dumps(told | {"database": "tables"}))
            (folder / "tables").mkdir()
            yield Estate(world, folder, network, Market.on(world))


def run(seed: int, folder: Path, *, points: list[str] | None = None) -> list[str]:
    """One deployment killed at every point, in the seed's order and at its turns; the points in that order.

    AssertionError where something is lost, doubled or half done, or a point was not met.
    """
    chance = random.Random(seed)
    order = points or chance.sample(sorted(POINTS), len(POINTS))
    with estate(folder) as found:
        for point in order:
            found.begin_something(exchange=point.startswith("exchanger"))
            let_through = chance.randint(0, POINTS[point][3])
            with found.relay(point, let_through) as running:
                require_killed(running, folder, f"seed {seed}: {point} (after {let_through})")
        with found.relay("", 0):
            until(lambda: found.is_done or None, seconds=SECONDS, what=f"seed {seed}: everything has ended")
        found.check()
    return order


def main() -> int:
    """0 where every seed held; an AssertionError names the seed otherwise."""
    from tests.acceptance.kill_publisher import run_publisher  # it stands on this module

    parser = argparse.ArgumentParser(prog="tests.acceptance.kill_points", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--from", type=int, default=0, dest="first")
    chosen = parser.parse_args()
    met: Counter[str] = Counter()
    for seed in range(chosen.first, chosen.first + chosen.seeds):
        for each in (run, run_publisher):
            with tempfile.TemporaryDirectory() as folder:
                met.update(each(seed, Path(folder)))
        sys.stdout.write(f"seed {seed} held\n")
    for point, times in sorted(met.items()):
        sys.stdout.write(f"{times:>6}  {point}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
