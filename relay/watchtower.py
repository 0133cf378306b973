"""The watchtower: reads both chains of each value lane, and claims or refunds in time for parties that are offline.

On start it reads the locks' logs again, and each lock refuses what has ended. It holds no secret that is not public and
can move no money but to the party it belongs to, so that several may run beside each other, and one that lies costs
nothing but its own gas. Each chain is read and paid by itself: one that hangs holds up no other. Where its own account
is a responder, it funds the second legs that were agreed (`responder.py`), within the account's float.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any, Protocol

from contracts.binding import Contract
from contracts.manifest import ChainManifest
from contracts.node import Node, quantity
from contracts.submitter import Ticket
from ledger.errors import Problem, Unavailable
from ledger.ethereum.keccak import keccak256
from ledger.hash_lock import Role
from relay.responder import Responder
from relay.retry import problem_of, wait_after
from relay.swaps import Act, Due, SwapBook
from relay.watcher import Rewound, SeenBlock, Watcher

LOOK_SECONDS = 0.5
# Between two tries of what was sent and is not final yet: a claim window has many of these.
AGAIN_SECONDS = 10.0

NAMES = {Role.INITIATOR: "InitiatorLock", Role.RESPONDER: "ResponderLock"}


class Sender(Protocol):
    """Who sends a call and pays for it: simulated first, so that what would be refused costs nothing."""

    @property
    def in_flight(self) -> Sequence[Ticket]:
        """What waits for a block, also what an earlier process had sent."""
        ...

    def submit(self, to: bytes, call_data: bytes, *, tag: bytes) -> object: ...

    def poll(self) -> object:
        """See what became of what was sent, and send it dearer where it waits too long."""
        ...


class LockChain(Protocol):
    """One lock's chain, as the watchtower needs it."""

    def news(self) -> Iterator[SeenBlock | Rewound]:
        """What is new and final. Errors: `Unavailable`."""
        ...

    def time(self) -> int:
        """The latest block's time, in seconds. Errors: `Unavailable`."""
        ...

    def send(self, call_data: bytes) -> None:
        """Send a call to the lock. Errors: `Refused`, `Unavailable`."""
        ...


class NodeLock:
    """A `LockChain` behind a node, paid for by a `Sender`."""

    def __init__(self, node: Node, sender: Sender, chain: ChainManifest, role: Role, lock: bytes) -> None:
        only = replace(chain, contracts={NAMES[role]: lock}, lanes=(), observers=())
        self._node, self._sender, self._lock = node, sender, lock
        self._watcher = Watcher(node, only, first_block=chain.first_block)

    def news(self) -> Iterator[SeenBlock | Rewound]:
        self._sender.poll()
        return self._watcher.poll()

    def time(self) -> int:
        block = self._node.request("eth_getBlockByNumber", "latest", False)
        try:
            return quantity(block["timestamp"], what="timestamp")
        except (KeyError, TypeError) as error:
            raise Unavailable("NODE_GARBAGE", "the latest block has no time", where=self._node.url) from error

    def send(self, call_data: bytes) -> None:
        # The same call is one transaction, whoever asks again while it waits for its block, and after a restart.
        tag = keccak256(self._lock + call_data)
        if all(ticket.tag != tag for ticket in self._sender.in_flight):
            self._sender.submit(self._lock, call_data, tag=tag)


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one try. `problem`: None where it was sent."""

    due: Due
    problem: Problem | None


@dataclass(slots=True)
class _Tries:
    not_before: float = 0.0
    failures: int = 0


class Watchtower:
    """Guards the swaps of lanes, each a book and its two locks. `clock`: monotonic seconds; `told` hears of every try.
    `responders`: who funds second legs, by the lane's place.
    `troubles`: why a lock cannot be looked at now, by lane and role.
    """

    def __init__(
        self,
        lanes: Sequence[tuple[SwapBook, Mapping[Role, LockChain]]],
        *,
        clock: Callable[[], float],
        told: Callable[[Done], None] = lambda _done: None,
        responders: Mapping[int, Responder] | None = None,
    ) -> None:
        self._lanes, self._clock, self._told = tuple(lanes), clock, told
        self._responders = dict(responders or {})
        self._lock = threading.Lock()  # over books and tries; never held while anybody is asked anything
        self._tries: dict[tuple[int, bytes, Role, Act], _Tries] = {}
        self.troubles: dict[tuple[int, Role], Problem] = {}
        self._stopping = threading.Event()

    def run(self) -> None:
        """Look at every lock, each in a thread of its own, until `stop`."""
        keys = [(index, role) for index, (_book, ends) in enumerate(self._lanes) for role in ends]
        with ThreadPoolExecutor(max(1, len(keys)), thread_name_prefix="watchtower") as pool:
            wait([pool.submit(self._repeat, index, role) for index, role in keys])

    def stop(self) -> None:
        """Finish what is being sent, and stop."""
        self._stopping.set()

    def step(self) -> None:
        """Look at every lock once, in order."""
        for index, (_book, ends) in enumerate(self._lanes):
            for role in ends:
                self.look(index, role)

    def look(self, index: int, role: Role) -> None:
        """Read what is new at one lock of a lane, and send what is due there.

        What is due at a chain that cannot be read is not sent: nobody knows its time. It is named in `troubles`.
        """
        book, chain = self._lanes[index][0], self._lanes[index][1][role]
        try:
            for news in chain.news():
                with self._lock:
                    book.rewind(role, news.block) if isinstance(news, Rewound) else book.take(role, news)
            now = chain.time()
        except Exception as error:  # noqa: BLE001 - whatever a node can make us raise, the other locks are looked at
            self.troubles[index, role] = problem_of(error)
            return
        self.troubles.pop((index, role), None)
        with self._lock:
            found = book.due({role: now})
            if role is Role.RESPONDER and index in self._responders:
                found += self._responders[index].due(book)
            due = [each for each in found if self._may(index, each)]
        for each in due:
            self._send(index, chain, role, each)

    @property
    def trouble(self) -> Problem | None:
        """Why some lock cannot be looked at now, None when all can."""
        return next(iter(list(self.troubles.values())), None)

    def _repeat(self, index: int, role: Role) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            self.look(index, role)

    def _may(self, index: int, due: Due) -> bool:
        tries = self._tries.setdefault((index, due.swap, due.role, due.act), _Tries())
        return self._clock() >= tries.not_before

    def _send(self, index: int, chain: LockChain, role: Role, due: Due) -> None:
        arguments: tuple[Any, ...] = (due.terms.as_abi(),)
        if due.act is Act.CLAIM:
            arguments += (due.preimage,)
        call = Contract(NAMES[role], bytes(20)).encode_call(due.act.value, *arguments)
        problem: Problem | None = None
        try:
            if due.act is Act.FUND:
                with self._lock:
                    self._responders[index].promise(due, self._lanes[index][0])
            chain.send(call)
        except Exception as error:  # noqa: BLE001 - one swap that cannot be ended must not stop the others
            problem = problem_of(error)  # another tower was faster, or the chain is away: due until a final log ends it
        with self._lock:
            tries = self._tries[index, due.swap, due.role, due.act]
            tries.failures = 0 if problem is None else tries.failures + 1
            pause = AGAIN_SECONDS if problem is None else wait_after(tries.failures)
            tries.not_before = self._clock() + pause
        self._told(Done(due, problem))
