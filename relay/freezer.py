"""Carries the proofs that freeze and release titles, when another chain's state makes them due (`freezes.py`).

Whoever relies on a freeze must have it proven before the holder's notice is over, and nobody is paid for it: the relay
looks at both slots under the newest final header, brings the header, and the proof. The contract checks both again. A
slot that was unset at a date and set since is shown under the first header at or after the date. Safe to share between
threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any

from contracts.binding import Contract
from contracts.manifest import Manifest, Observer
from contracts.node import Node, data
from contracts.submitter import Submitter, Ticket
from contracts.transactor import well_formed
from ledger.errors import Problem, Refused, Unavailable
from ledger.ethereum.header import Header
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.packed_nodes import pack_nodes
from ledger.freeze import FreezeState
from relay.agenda import Agenda
from relay.freezes import CONTRACT, FreezeBook, Key, Proof, Slots, Watch
from relay.headers import Certifier, held_form, read_header
from relay.observing import Observing
from relay.retry import SetAside, decide, is_refusal, problem_of
from relay.watcher import Rewound, SeenBlock, last_final

LOOK_SECONDS = 5.0  # between two looks at one freeze: a notice lasts an hour at least
PATIENCE_SECONDS = 60.0  # before what a contract refuses is tried again
_TAG = b"freeze|"


class Freezer:
    """A `BlockSink`. `payers` by chain id; `nudge`: called when something came of a look. Looks are begun by one thread
    only.
    """

    def __init__(
        self,
        manifest: Manifest,
        payers: Mapping[int, Submitter],
        observing: Observing,
        certifier: Certifier,
        *,
        executor: Executor | None,
        clock: Callable[[], float],
        nudge: Callable[[], None],
    ) -> None:
        self._manifest, self._payers, self._observing, self._certifier = manifest, dict(payers), observing, certifier
        self._nudge = nudge
        holds = [chain.chain_id for chain in manifest.chains if CONTRACT in chain.contracts]
        self._pools = {
            chain_id: executor or ThreadPoolExecutor(1, thread_name_prefix=f"relay-freeze-{chain_id}")
            for chain_id in holds
        }
        self._agenda: Agenda[Key] = Agenda(clock)
        self._book, self._lock = FreezeBook(), threading.RLock()
        self._times: dict[int, int] = {}  # block time of each chain's last final block
        self._problems: dict[Key, Problem] = {}

    def take(self, block: SeenBlock) -> None:
        """Hear of a final block."""
        with self._lock:
            self._book.take(block)
            self._times[block.chain_id] = block.timestamp

    def rewind(self, rewound: Rewound) -> None:
        """Hear that a chain left blocks behind."""
        with self._lock:
            self._book.rewind(rewound)

    def begin(self) -> bool:
        """Start each look that is due; whether any was started."""
        with self._lock:
            live = dict(self._book.live())
            self._agenda.prune(live.__contains__)
            self._problems = {key: problem for key, problem in self._problems.items() if key in live}
        started = [
            self._agenda.begin(self._pools[key[0]], key, partial(self._look, key, watch))
            for key, watch in live.items()
            if key[0] in self._pools
        ]
        return any(started)

    def stop(self) -> None:
        """Finish the looks under way and begin no more."""
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)

    def heard(self, _ticket: Ticket) -> None:
        """Hear that a call was mined, or lost: the next look says what is to be done."""
        self._nudge()

    def told(self, freeze: bytes) -> dict[str, Any] | None:
        """One freeze for people: where it stands, and why nothing happens; None for an unknown id."""
        with self._lock:
            found = self._book.named(freeze)
            if found is None:
                return None
            (chain_id, named), watch = found
            problem = self._problems.get(found[0])
        return {
            "freeze": f"0x{named.hex()}",
            "chain": f"eip155:{chain_id}",
            "state": watch.state.name.lower(),
            "until": watch.terms.until,
            "problem": None if problem is None else {"code": problem.code, "what": problem.what, "cure": problem.cure},
        }

    def _look(self, key: Key, watch: Watch) -> bool:
        try:
            done = self._act(key, watch)
        except Exception as error:  # noqa: BLE001 - a defect that one freeze meets must not stop the others
            with self._lock:
                self._failed(key, problem_of(error))
            return False
        with self._lock:
            self._problems.pop(key, None)
            self._agenda.succeeded(key)
            self._agenda.hold(key, LOOK_SECONDS)
        if done:
            self._nudge()
        return done

    def _failed(self, key: Key, problem: Problem) -> None:
        attempt = self._agenda.failed(key, refused=is_refusal(problem))
        self._problems[key] = problem
        decision = decide(problem, failures=attempt.failures, refusals=attempt.refusals)
        # A title may be frozen for years: what is refused now is looked at again, seldom.
        self._agenda.hold(key, PATIENCE_SECONDS if isinstance(decision, SetAside) else decision.seconds)

    def _act(self, key: Key, watch: Watch) -> bool:
        """Make the call that is due, if one is; whether one was sent."""
        chain_id, _named = key
        payer, contract = self._payers[chain_id], Contract(CONTRACT, watch.address)
        if watch.is_over(self._times.get(chain_id, 0)):
            return self._send(payer, contract, watch, Proof.LAPSE)
        observer = self._observer(chain_id, watch)
        node, header = self._newest(observer)
        found = self._due(watch, node, header, chain_id)
        if found is None and self._is_past_its_date(watch, header):
            header = self._first_since(observer, node, watch.terms.date, header.number)
            found = self._due(watch, node, header, chain_id)
        if found is None:
            return False
        if self._is_done(payer, contract, key, watch):
            return False
        self._bring(chain_id, observer, header)
        return self._send(payer, contract, watch, found, *_proof_of(watch, node, header, found))

    def _send(self, payer: Submitter, contract: Contract, watch: Watch, proof: Proof, *shown: Any) -> bool:
        """Once while it waits for its block. Who it is for has a share of the day's spending of their own."""
        call = contract.encode_call(proof.value, watch.terms.as_abi(), *shown)
        tag = _TAG + keccak256(contract.address + proof.value.encode() + watch.terms.salt + watch.terms.subject)
        if any(ticket.tag == tag for ticket in payer.in_flight):
            return False
        payer.submit(contract.address, call, tag=tag, shares={watch.terms.beneficiary.hex(): 1})
        return True

    def _is_done(self, payer: Submitter, contract: Contract, key: Key, watch: Watch) -> bool:
        """Whether a block that is not final yet has changed it already."""
        state, _due = contract.read(payer.node, "freeze_state", key[1])
        return FreezeState(state) is not watch.state

    def _observer(self, chain_id: int, watch: Watch) -> Observer:
        chain = self._manifest.by_id(chain_id)
        assert chain is not None  # its block was read
        for observer in chain.observers:
            if observer.reader == watch.terms.reader:
                return observer
        raise Refused(
            "READER_UNKNOWN",
            "the terms name a reader that the manifest does not",
            where=f"0x{watch.terms.reader.hex()}",
            cure="Somebody else has to prove it: whoever knows the reader.",
        )

    def _newest(self, observer: Observer) -> tuple[Node, Header]:
        origin = self._manifest.by_id(observer.origin)
        if origin is None:
            raise Refused("READER_UNKNOWN", "the reader is of no chain of the manifest", where=f"{observer.origin}")
        node = self._payers[origin.chain_id].node
        return node, read_header(node, origin, last_final(node, origin))

    def _due(self, watch: Watch, node: Node, header: Header, chain_id: int) -> Proof | None:
        with well_formed(node):
            asked = (watch.terms.freeze_slot, watch.terms.release_slot)
            account, at = f"0x{watch.terms.account.hex()}", hex(header.number)
            replies = node.batch([("eth_getStorageAt", [account, f"0x{slot.hex()}", at]) for slot in asked])
            freeze, release = (any(data(reply)) for reply in replies)
        return watch.due(Slots(header.timestamp, freeze, release), self._times.get(chain_id, 0))

    @staticmethod
    def _is_past_its_date(watch: Watch, header: Header) -> bool:
        is_open = watch.state is FreezeState.GUARDED
        return is_open and 0 < watch.terms.date <= header.timestamp

    def _first_since(self, observer: Observer, node: Node, time: int, last: int) -> Header:
        """The first header at or after a time, of those up to one that is."""
        origin = self._manifest.by_id(observer.origin)
        assert origin is not None  # `_newest` has looked
        low, high = origin.first_block, last
        while low < high:
            middle = (low + high) // 2
            if read_header(node, origin, middle).timestamp >= time:
                high = middle
            else:
                low = middle + 1
        return read_header(node, origin, low)

    def _bring(self, chain_id: int, observer: Observer, header: Header) -> None:
        bearer = self._observing.bearer(observer.origin, chain_id, observer.policy)
        if bearer is None:
            raise Unavailable("OBSERVER_MISSING", "nobody brings headers of that chain here")
        bearer.bring(header, self._certifier)


def is_proof(tag: bytes) -> bool:
    """Whether a transaction's tag is one of these calls'."""
    return tag.startswith(_TAG)


def _proof_of(watch: Watch, node: Node, header: Header, proof: Proof) -> tuple[tuple[Any, ...], bytes]:
    """The header as the contract takes it, and the nodes that lead to the slot. Errors: those of `Node.request`."""
    slot = watch.terms.release_slot if proof is Proof.RELEASE else watch.terms.freeze_slot
    held = held_form(header)
    with well_formed(node):
        asked = (f"0x{watch.terms.account.hex()}", [f"0x{slot.hex()}"], hex(header.number))
        proven = node.request("eth_getProof", *asked)
        nodes = [*proven["accountProof"], *proven["storageProof"][0]["proof"]]
        packed = pack_nodes(data(each) for each in nodes)
    return (held.height, held.block_hash, held.state_root, held.receipts_root, held.timestamp), packed
