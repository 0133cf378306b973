"""A watchtower as a running program: a node and a paying account for each chain of the manifest's value lanes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.node import RpcNode
from contracts.submissions import SubmissionBook
from contracts.submitter import Submitter
from ledger.config_file import read_file
from ledger.errors import Refused, WrongUse
from ledger.hash_lock import Float, Lane, Role, Terms, load_offer
from ledger.interoperable import caip2
from relay.config import RelayConfig
from relay.responder import Responder
from relay.stakes import Stakes
from relay.swaps import Account, SwapBook
from relay.watchtower import Done, LockChain, NodeLock, Watchtower

# Beside the relay's book, because each process holds its own.
BOOK_FILE, STAKES_FILE = "watchtower.sqlite3", "watchtower-stakes.json"


@dataclass(frozen=True, slots=True)
class Business:
    """What the watchtower's own account responds to: files of offers that it accepted, within its float."""

    offers: Sequence[Path]
    limits: Float


class RunningTower:
    """A watchtower that looks. Made by `start_tower`."""

    def __init__(self, tower: Watchtower, thread: threading.Thread, opened: ExitStack) -> None:
        self.tower, self._thread, self._opened = tower, thread, opened

    def stop(self) -> None:
        """Finish what is being sent, stop, and close what was opened."""
        self.tower.stop()
        self._thread.join()
        self._opened.close()


def start_tower(
    config: RelayConfig, guarded: Collection[Account], told: Callable[[Done], None], business: Business | None = None
) -> RunningTower:
    """Begin to guard, and to fund what `business` says. Chains may be away.

    Errors: `WrongUse` NO_VALUE_LANES; `Refused` BOOK_IN_USE (another watchtower has the folder) and others of
    `SubmissionBook`; those of `load_offer` for an offer that is for no lane of the manifest; STAKES_*.
    """
    if not config.manifest.value_lanes:
        raise WrongUse("NO_VALUE_LANES", "the manifest has no pair of hash locks to watch")
    with ExitStack() as opening:
        book = SubmissionBook(None if config.folder is None else config.folder / BOOK_FILE)
        opening.callback(book.close)
        senders = {}
        for chain_id, url in config.nodes.items():
            node = RpcNode(url)
            opening.callback(node.close)
            senders[chain_id] = Submitter(node, config.key, chain_id=chain_id, book=book, spending=config.spending)
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
        responders = _responders(config, business) if business is not None else {}
        tower = Watchtower(lanes, clock=time.monotonic, told=told, responders=responders)
        thread = threading.Thread(target=tower.run, name="watchtower", daemon=True)
        thread.start()
        return RunningTower(tower, thread, opening.pop_all())


def _responders(config: RelayConfig, business: Business) -> dict[int, Responder]:
    """Who funds on which of the manifest's lanes. One float and one record for all: it is one key."""
    lanes = config.manifest.value_lanes
    agreed: dict[int, list[Terms]] = {}
    for path in business.offers:
        place, terms = _offer(path, lanes)
        agreed.setdefault(place, []).append(terms)
    if len(agreed) > 1:
        what = "one float is in units of one token, and the offers are for several lanes"
        raise WrongUse("FLOAT_LANES", what, cure="Run one watchtower for each lane, each with a folder of its own.")
    stakes = Stakes(None if config.folder is None else config.folder / STAKES_FILE)
    return {place: Responder(terms, config.key.address, business.limits, stakes) for place, terms in agreed.items()}


def _offer(path: Path, lanes: Sequence[Lane]) -> tuple[int, Terms]:
    raw = read_file(path)
    for place, lane in enumerate(lanes):
        try:
            return place, load_offer(raw, lane)
        except Refused as refused:
            if refused.code != "OFFER_MIRROR":
                refused.where = refused.where or str(path)
                raise
    raise Refused("OFFER_MIRROR", "the offer is for no lane of the manifest", where=str(path))


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
