"""A watchtower as a running program: a node and a paying account for each chain of the manifest's value lanes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from typing import Any

from contracts.node import RpcNode
from contracts.submitter import Submitter
from ledger.errors import WrongUse
from ledger.hash_lock import Role
from ledger.interoperable import caip2
from relay.config import RelayConfig
from relay.swaps import Account, SwapBook
from relay.watchtower import Done, LockChain, NodeLock, Watchtower


class RunningTower:
    """A watchtower that looks. Made by `start_tower`."""

    def __init__(self, tower: Watchtower, thread: threading.Thread, opened: ExitStack) -> None:
        self.tower, self._thread, self._opened = tower, thread, opened

    def stop(self) -> None:
        """Finish what is being sent, stop, and close what was opened."""
        self.tower.stop()
        self._thread.join()
        self._opened.close()


def start_tower(config: RelayConfig, guarded: Collection[Account], told: Callable[[Done], None]) -> RunningTower:
    """Begin to guard. Chains may be away. Errors: `WrongUse` NO_VALUE_LANES."""
    if not config.manifest.value_lanes:
        raise WrongUse("NO_VALUE_LANES", "the manifest has no pair of hash locks to watch")
    with ExitStack() as opening:
        senders = {}
        for chain_id, url in config.nodes.items():
            node = RpcNode(url)
            opening.callback(node.close)
            senders[chain_id] = Submitter(node, config.key, chain_id=chain_id)
        lanes = []
        for lane in config.manifest.value_lanes:
            ends: dict[Role, LockChain] = {}
            for role in Role:
                end = lane.end(role)
                chain = config.manifest.by_id(end.chain_id)
                if chain is None:
                    raise WrongUse(
                        "NO_VALUE_LANES", "a value lane ends on no chain of the manifest", where=caip2(end.chain_id)
                    )
                ends[role] = NodeLock(senders[end.chain_id].node, senders[end.chain_id], chain, role, end.lock)
            lanes.append((SwapBook(lane, guarded), ends))
        tower = Watchtower(lanes, clock=time.monotonic, told=told)
        thread = threading.Thread(target=tower.run, name="watchtower", daemon=True)
        thread.start()
        return RunningTower(tower, thread, opening.pop_all())


def line(done: Done) -> str:
    """One try as a line of JSON."""
    told: dict[str, Any] = {
        "swap": f"0x{done.due.swap.hex()}",
        "leg": done.due.role.value,
        "act": done.due.act.value,
        "until": done.due.until,
        "alarm": done.due.alarm,
        "problem": None if done.problem is None else {"code": done.problem.code, "what": done.problem.what},
    }
    return json.dumps(told)
