"""Hands the ledger what it needs for bundles: the way of each closed anchor, and of each loan's closed instruction.

It hears of every verdict that is read, and asks the ledger what it lacks: after a restart everything is read again, and
nothing is handed over twice. Nothing is believed on the other side.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from contracts.manifest import Manifest, Role
from contracts.node import Node
from ledger.bundle import TrustRoot
from ledger.bundle.format import dump_crossing
from ledger.bundle.pledge import INSTRUCTION_BYTES
from ledger.errors import BadInput, Problem, Refused
from relay.bundling import way_of
from relay.journey import Journey, State
from relay.log_port import CREDENTIALS_AT_ONCE, LogPort
from relay.watcher import Rewound, SeenBlock

AGAIN_SECONDS: Final = 300.0  # until something that the ledger refused is handed over again
MAX_HEARD: Final = 100_000  # ids of verdicts that are looked at later: 32 bytes each


class Handing:
    """A `BlockSink` that remembers which messages were judged, and hands those over that bundles tell of.

    `look`: the relay's view of a message, None while it has not read it. `nodes` by chain id. `clock`: monotonic
    seconds. `refused`: what the ledger refused, by message; it is tried again later.
    """

    def __init__(
        self,
        manifest: Manifest,
        root: TrustRoot,
        nodes: Mapping[int, Node],
        look: Callable[[bytes], Journey | None],
        *,
        clock: Callable[[], float],
    ) -> None:
        self._manifest, self._root, self._nodes, self._look = manifest, root, nodes, look
        self._anchors = self._sender(Role.ORIGIN, "AnchorRegistry")
        self._loans = self._sender(Role.DESTINATION, "PledgeRegistry")
        self._heard: OrderedDict[bytes, None] = OrderedDict()
        self._not_before: dict[bytes, float] = {}
        self.refused: dict[bytes, Problem] = {}
        self._lock, self._clock = threading.Lock(), clock

    def take(self, block: SeenBlock) -> None:
        """Remember whose verdicts a final block holds."""
        judged = [log.decoded.fields["id"] for log in block.logs if log.decoded.name == "CommitJudged"]
        with self._lock:
            self._heard.update(dict.fromkeys(judged))
            while len(self._heard) > MAX_HEARD:
                self._heard.popitem(last=False)

    def rewind(self, rewound: Rewound) -> None:
        """Nothing is undone: what was handed over was judged, and is told again if it comes back."""

    def hand_over(self, log: LogPort, *, crossed: int) -> bool:
        """Hand over one closed message, or as many instructions as are asked after at once; whether there was any.

        `crossed`: the largest anchor's size that the ledger holds; smaller ones serve nobody any more.
        Errors: those of `fetch_crossing` and of the port.
        """
        anchors, loans = self._due(crossed)
        if anchors:
            _size, latest = max(anchors, key=lambda each: each[0])
            handed = self._try(latest, log.keep_anchor)
            self._forget([each.id for _, each in anchors if each is not latest])
            return handed
        if not loans:
            return False
        missing = set(log.missing([journey.credential for journey in loans]))
        for journey in loans:
            if journey.credential in missing:
                self._try(journey, log.keep_instruction)
            else:
                self._forget([journey.id])
        return True

    def _try(self, journey: Journey, keep: Callable[[bytes], None]) -> bool:
        """Whether it was taken. One that was refused is kept for later: the ledger may learn of an epoch meanwhile."""
        try:
            keep(dump_crossing(way_of(self._nodes, self._manifest, self._root, journey)))
        except (Refused, BadInput) as problem:
            self.refused[journey.id] = problem
            self._not_before[journey.id] = self._clock() + AGAIN_SECONDS
            return False
        self._forget([journey.id])
        return True

    def _due(self, crossed: int) -> tuple[list[tuple[int, Journey]], list[Journey]]:
        """Closed anchors with their sizes, and a loan's closed instructions, as many as are asked after at once."""
        anchors: list[tuple[int, Journey]] = []
        loans: list[Journey] = []
        with self._lock:
            heard = [each for each in self._heard if self._not_before.get(each, 0.0) <= self._clock()]
        nothing_to_do = []
        for message_id in heard:
            journey = self._look(message_id)
            if journey is None:
                continue  # its own chain is not read so far yet
            size = self._anchored_size(journey)
            if size is not None and size > crossed:
                anchors.append((size, journey))
            elif self._is_instruction(journey):
                loans.append(journey)
            else:
                nothing_to_do.append(message_id)
            if len(loans) == CREDENTIALS_AT_ONCE:
                break
        self._forget(nothing_to_do)
        return anchors, loans

    def _anchored_size(self, journey: Journey) -> int | None:
        payload = journey.proposal.payload  # of `anchor_payload`: the log's name, the size, the root
        is_anchor = _sender_of(journey) == self._anchors and journey.state is State.CLOSED and journey.executed
        return int.from_bytes(payload[32:64], "big") if is_anchor and len(payload) == 96 else None

    def _is_instruction(self, journey: Journey) -> bool:
        is_closed = _sender_of(journey) == self._loans and journey.state is State.CLOSED
        return is_closed and len(journey.proposal.payload) == INSTRUCTION_BYTES

    def _forget(self, ids: list[bytes]) -> None:
        with self._lock:
            for message_id in ids:
                self._heard.pop(message_id, None)
                self._not_before.pop(message_id, None)
                self.refused.pop(message_id, None)

    def _sender(self, role: Role, contract: str) -> tuple[int, bytes | None]:
        chain = self._manifest.chain(role)
        return chain.chain_id, chain.contracts.get(contract)


def _sender_of(journey: Journey) -> tuple[int, bytes]:
    message = journey.proposal.message
    return message.origin.chain_id, message.sender
