"""Every journey of a deployment, folded from final blocks of all its chains, in whatever order they are read. Pure.

May never happen here: a journey advanced by anything but a log that still stands, or a log lost because it was read
before the message it is about.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from contracts.manifest import Manifest
from ledger.errors import BadInput
from ledger.proposal import read_proposal
from relay.journey import Fact, Journey, fact_of, is_left_behind
from relay.journeys import Journeys
from relay.unclaimed import Unclaimed
from relay.watcher import Rewound, SeenBlock, SeenLog

SWEPT_AT_ONCE = 1_000  # expiries of messages that are over


class Docket:
    """The journeys by message id, in the order in which their messages were first seen.

    A block costs what it says, however many messages are under way.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self.journeys = Journeys(manifest)
        self.unclaimed = Unclaimed()
        self._expiring: dict[int, list[tuple[int, bytes]]] = {}  # by destination: expiry and id, the next one first
        self._ended: dict[int, set[bytes]] = {}  # of those, by destination, whose expiry matters to nobody any more
        self._moved: dict[bytes, None] = {}
        self.times: dict[int, int] = {}  # of each chain's last final block, by chain id

    def live(self) -> list[Journey]:
        """The journeys that are not over."""
        return [journey for journey in self.journeys.in_order() if not journey.is_over]

    def moved(self) -> list[bytes]:
        """The ids of messages whose open steps may be others than when this was last asked, each once."""
        moved, self._moved = self._moved, {}
        return list(moved)

    def touch(self, journey: Journey) -> None:
        """Something that is not a log changed a journey: what a person asked for, or what was set aside."""
        self._sort(journey)

    def take(self, block: SeenBlock) -> None:
        """Fold one final block."""
        for seen in block.logs:
            if (seen.decoded.contract, seen.decoded.name) == ("Gateway", "MessageSent"):
                self._open(seen)
            elif (fact := fact_of(seen)) is not None:
                self._observe(seen.decoded.fields["id"], fact)
        self.times[block.chain_id] = block.timestamp
        self._expire(block.chain_id)

    def put_away(self, is_busy: Callable[[bytes], bool]) -> None:
        """Hold no more journeys and logs in memory than is meant to be. `is_busy`: whether a step of a message is under
        way. Errors: `Unavailable` AWAY_WRITE.
        """
        self.journeys.put_away(is_busy)
        self.unclaimed.put_away()

    def rewind(self, rewound: Rewound) -> set[bytes]:
        """Forget what a chain left behind: steps, messages, and logs that no message has claimed yet.

        The ids of the messages that lost a step, or themselves.
        """
        chain_id, above = rewound.chain_id, rewound.block
        self.unclaimed.rewind(chain_id, above)
        self.times.pop(chain_id, None)  # the next block says what time it is there
        undone: set[bytes] = set()
        for journey in self.journeys.touched_by(chain_id, above):
            if journey.forget(chain_id, above):
                undone.add(journey.id)
            if is_left_behind(journey.origin, chain_id, above):
                # Its own logs on other chains still stand: they wait for the message to be included again.
                undone.add(journey.id)
                del self.journeys[journey.id]
                self._moved[journey.id] = None
                for fact in journey.facts:
                    self.unclaimed.keep(journey.id, fact)
                continue
            if journey.id in undone and not journey.expired:
                self._await_expiry(journey)  # it may have been over, and its expiry forgotten
            if journey.expired and journey.proposal.message.destination.chain_id == chain_id:
                journey.expired = False
                self._await_expiry(journey)
            self._sort(journey)
        return undone

    def _open(self, seen: SeenLog) -> None:
        chain = self._manifest.by_id(seen.place.chain_id)
        if chain is None:
            return
        try:
            proposal = read_proposal(seen.raw, origin=chain.end, destinations=self._manifest.ends)
        except BadInput:
            return  # a message to a chain outside this deployment is not ours to carry
        message_id = seen.decoded.fields["sendId"]  # as its fields say: that was checked
        if message_id in self.journeys:
            return
        journey = Journey(proposal, seen.place, message_id)
        for early in self.unclaimed.claim(message_id):
            journey.observe(early)
        self.journeys[message_id] = journey
        self._await_expiry(journey)
        self._sort(journey)
        self._expire(proposal.message.destination.chain_id)

    def _observe(self, named: bytes, fact: Fact) -> None:
        journey = self.journeys.get(named)
        if journey is None:
            self.unclaimed.keep(named, fact)
            return
        journey.observe(fact)
        self._sort(journey)

    def _await_expiry(self, journey: Journey) -> None:
        message = journey.proposal.message
        chain_id = message.destination.chain_id
        self._ended.get(chain_id, set()).discard(journey.id)
        heapq.heappush(self._expiring.setdefault(chain_id, []), (message.expiry, journey.id))

    def _forget_expiry(self, journey: Journey) -> None:
        """It is over: what lies in the heap for it is swept out together with others."""
        chain_id = journey.proposal.message.destination.chain_id
        ended, waiting = self._ended.setdefault(chain_id, set()), self._expiring.get(chain_id, [])
        ended.add(journey.id)
        if len(ended) > max(SWEPT_AT_ONCE, len(waiting) // 2):
            self._expiring[chain_id] = [each for each in waiting if each[1] not in ended]
            heapq.heapify(self._expiring[chain_id])
            ended.clear()

    def _expire(self, chain_id: int) -> None:
        # Expiry is block time of the chain where the act would happen, never this machine's clock.
        waiting, now = self._expiring.get(chain_id, []), self.times.get(chain_id)
        while now is not None and waiting and waiting[0][0] <= now:
            journey = self.journeys.get(heapq.heappop(waiting)[1])
            if journey is not None:
                journey.expired = True
                journey.tidy()
                self._sort(journey)

    def _sort(self, journey: Journey) -> None:
        self._moved[journey.id] = None
        if journey.is_over:
            self._forget_expiry(journey)
