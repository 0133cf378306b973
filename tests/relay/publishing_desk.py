"""A ledger, notaries and an origin chain for tests of the publisher, all in this process; only the chain is written.

The ledger is a real one behind its own publishing rules; the anchor registry's rules are written out in `Registry`, and
a message crosses with the signatures of the estate's notaries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from ledger.bundle import TRUST_ROOT_DOMAIN, TrustRoot, crossing_of
from ledger.bundle.format import dump_crossing
from ledger.bundling import Publishing
from ledger.checkpoint import Checkpoint, CosignedCheckpoint
from ledger.epcis.build import document
from ledger.errors import Problem, Refused
from ledger.proposal import Proposal
from ledger.store import Cosigners, Ledger
from relay.anchor_chain import Anchored
from relay.cosigning import Cosigning
from relay.journey import Journey, State
from relay.log_memory import LogMemory
from relay.log_port import LogPort, LogState
from relay.pace import Pace
from relay.panel import NotaryPanel
from relay.publisher import Publisher
from relay.relay import Progress
from relay.stamper import Stamper
from relay.watcher import Place
from tests.ledger.bundle.estate import COSIGNERS, DAWN, LOG, NOTARIES, TRUST_ROOT, Estate, story
from tests.relay.written import MANIFEST, MESSAGE, PAYLOAD
from tests.simulator.inline import Clock, Inline, Killed
from tests.simulator.notaries import HonestNotary

DEEP = 200  # steps within which everything has happened


class DirectLog:
    """A `LogPort` without HTTP between."""

    def __init__(self, publishing: Publishing) -> None:
        self._publishing = publishing
        self.keep_stamp, self.missing = publishing.keep_stamp, publishing.missing
        self.keep_anchor, self.keep_instruction = publishing.keep_anchor, publishing.keep_instruction
        self.checkpoint, self.consistency = publishing.checkpoint, publishing.consistency

    def state(self) -> LogState:
        found = self._publishing.state()
        return LogState(found.origin, found.size, found.note, found.stamped, found.crossed)

    def publish(self, note: bytes) -> None:
        self._publishing.publish(note)


@dataclass
class Registry:
    """The anchor registry and the mirror's lane, as the contracts have them. `anchors`, `messages`: what stands there.

    `sent`: transactions that wait for a block, as functions; `mine` makes one of them all. `final_after`: blocks.
    `ends`: what becomes of each message, in order; those beyond close.
    """

    anchors: list[Anchored] = field(default_factory=list)
    messages: list[tuple[bytes, Anchored]] = field(default_factory=list)
    cosignatures: list[int] = field(default_factory=list)
    blocks: int = 0
    final_after: int = 0
    ends: list[State] = field(default_factory=list)
    reverted: int = 0

    def latest(self) -> Anchored | None:
        if not self.anchors:
            return None
        last = self.anchors[-1]
        return replace(last, is_final=last.block + self.final_after <= self.blocks)

    def anchor(self, size: int, root: bytes, cosignatures: int) -> None:
        latest = self.latest()
        if latest is not None and size <= latest.size:
            self.reverted += 1
            raise Refused("TX_FAILED", "the transaction was mined and failed")
        self.anchors.append(Anchored(size, root, self.blocks, is_final=False))
        self.cosignatures.append(cosignatures)

    def carry(self, anchored: Anchored) -> None:
        latest = self.latest()
        if latest is None or (latest.size, latest.root) != (anchored.size, anchored.root):
            raise Refused("TX_FAILED", "the transaction was mined and failed")
        self.messages.append((len(self.messages).to_bytes(32, "big"), latest))

    def state_of(self, message_id: bytes) -> State | None:
        """What the relay has read of a message: nothing until it is final."""
        index = int.from_bytes(message_id, "big")
        if index >= len(self.messages) or self.messages[index][1].block + self.final_after > self.blocks:
            return None
        return self.ends[index] if index < len(self.ends) else State.CLOSED


class Sender:
    """An `AnchorChain`: one account at a registry. What it sent survives its process, as the submission book does."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.sent: list[Callable[[], None]] = []
        self.down: Problem | None = None

    def settle(self) -> bool:
        """Each look makes a block: what was sent before it is in it."""
        if self.down is not None:
            raise self.down
        self.registry.blocks += 1
        if not self.sent:
            return False
        self.sent.pop(0)()
        return True

    def anchored(self) -> Anchored | None:
        return self.registry.latest()

    def anchor(self, cosigned: CosignedCheckpoint) -> None:
        checkpoint, given = cosigned.checkpoint, len(cosigned.cosignatures)
        self.sent.append(lambda: self.registry.anchor(checkpoint.size, checkpoint.root, given))

    def carried(self, anchored: Anchored) -> list[bytes]:
        return [each for each, of in self.registry.messages if (of.size, of.root) == (anchored.size, anchored.root)]

    def carry(self, anchored: Anchored) -> None:
        self.sent.append(lambda: self.registry.carry(anchored))


class Hands:
    """Hands over the newest anchor that crossed, with the signatures of the estate's notaries."""

    def __init__(self, registry: Registry, root: TrustRoot) -> None:
        self._registry, self._root = registry, root

    def hand_over(self, log: LogPort, *, crossed: int) -> bool:
        closed = [of for each, of in self._registry.messages if self._registry.state_of(each) is State.CLOSED]
        if not closed or closed[-1].size <= crossed:
            return False
        checkpoint = Checkpoint(self._root.log.name, closed[-1].size, closed[-1].root)
        parts = Estate(trust_root=self._root).cross(checkpoint)
        log.keep_anchor(dump_crossing(crossing_of(self._root, **parts)))
        return True


class Mortal:
    """A port whose caller dies at a point: the `count`-th time that the named call is `before` or `after` it ran."""

    def __init__(self, port: Any, name: str) -> None:
        self._port, self._name = port, name
        self.points: list[str] = []
        self.dies_at = ""
        self.passes = 0

    def __getattr__(self, method: str) -> Any:
        held = getattr(self._port, method)
        if not callable(held):
            return held

        def called(*arguments: Any, **named: Any) -> Any:
            self._at(f"before {self._name}.{method}")
            answer = held(*arguments, **named)
            self._at(f"after {self._name}.{method}")
            return answer

        return called

    def _at(self, point: str) -> None:
        self.points.append(point)
        if point == self.dies_at:
            self.passes -= 1
            if self.passes < 0:
                raise Killed


class Desk:
    """A ledger with a unit's history, four notaries, a chain; and publishers, which may die and be made again."""

    def __init__(self, folder: Path, *, timestamping: tuple[bytes, ...] = ()) -> None:
        self.folder = folder
        self.ledger = Ledger.open(folder / "ledger", origin=LOG.name, clock=lambda: DAWN + timedelta(days=1))
        self.root = replace(TRUST_ROOT, log=self.ledger.log.key, timestamping=timestamping)
        pinned = self.root.pinned
        self.ledger.log.cosigners = Cosigners(pinned.cosigners, pinned.quorum)
        self.ledger.events.capture_document(document(story(), created_at=DAWN), DAWN + timedelta(hours=9))
        self.ledger.statements.enter(TRUST_ROOT_DOMAIN, self.root.dump())
        self.publishing = Publishing(self.ledger)
        manifest = replace(MANIFEST, log_origin=self.root.log.name, log_key=self.root.log.public_key)
        self.notaries = [HonestNotary(index, key, COSIGNERS[index], manifest, {}) for index, key in enumerate(NOTARIES)]
        self.panel = NotaryPanel(self.notaries, manifest.committee, executor=lambda _name: Inline())
        self.registry, self.clock = Registry(), Clock()
        self.sender = Sender(self.registry)
        self.log = Mortal(DirectLog(self.publishing), "log")
        self.chain = Mortal(self.sender, "chain")

    def publisher(
        self,
        *,
        pace: Pace | None = None,
        stamper: Stamper | None = None,
        sender: Sender | None = None,
        name: str = "one",
    ) -> Publisher:
        """A publisher as after a start."""
        return Publisher(
            self.log,
            sender or self.chain,
            Cosigning(self.root, self.panel),
            LogMemory(self.folder / name, self.root.log),
            Hands(self.registry, self.root),
            log_name=self.root.log.name,
            look=self.look,
            clock=self.clock,
            pace=pace,
            stamper=stamper,
        )

    def look(self, message_id: bytes) -> Journey | None:
        """The relay's view of a message."""
        state = self.registry.state_of(message_id)
        return None if state is None else ended(state)

    def append(self, number: int) -> None:
        """Something new: an entry of its own."""
        self.ledger.statements.enter("pledgetrail/test/v1/json", b'{"n":%d}' % number)

    def settle(self, *publishers: Publisher) -> None:
        """Step them in turn until all idle, for long enough that nothing is under way."""
        idle = 0
        for _ in range(DEEP):
            progress = [each.step() for each in publishers]
            idle = idle + 1 if all(each is not Progress.CONTINUE for each in progress) else 0
            if idle > 8:
                return
            if idle:
                self.clock.advance(1.0)
        raise AssertionError(f"it never settles: {[each.standing for each in publishers]}")

    def close(self) -> None:
        self.ledger.close()


def ended(state: State) -> Journey:
    """A message of which the relay has read that it ended so."""
    journey = Journey(Proposal(MESSAGE, PAYLOAD), Place(7101, 1, bytes(32), bytes(32), 0, 0, 0, 0))
    match state:
        case State.CLOSED:
            journey.judged_state, journey.executed = 4, True
        case State.DISPUTED:
            journey.judged_state = 5
        case State.EXPIRED:
            journey.expired = True
    return journey
