"""Every journey of a deployment, folded from final blocks of all its chains, in whatever order they are read. Pure.

May never happen here: a journey advanced by anything but a log that still stands, or a log lost because it was read
before the message it is about.
"""

from __future__ import annotations

from collections.abc import Iterable

from contracts.manifest import Manifest
from ledger.errors import BadInput
from ledger.proposal import read_proposal
from relay.journey import Journey, is_left_behind
from relay.watcher import Rewound, SeenBlock, SeenLog

# A proposal costs its sender nothing but gas, and may name a message that nobody ever sent: so many are kept, and the
# oldest goes first. What else names a message was let through by a quorum.
MAX_UNCLAIMED_PROPOSALS = 10_000

_PROPOSED = ("TransactionRegistry", "Proposed")
_CERTIFIED = frozenset(
    {("TransactionRegistry", "Attested"), ("TransactionRegistry", "CommitJudged"), ("Gateway", "MessageCommitted")}
)


class Docket:
    """The journeys by message id, in the order in which their messages were first seen."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self.journeys: dict[bytes, Journey] = {}
        # Chains are read independently: a destination's log may be seen before its origin's.
        self._unclaimed: dict[bytes, list[SeenLog]] = {}
        self._unclaimed_proposals: dict[bytes, SeenLog] = {}
        self._live: dict[bytes, Journey] = {}
        self.times: dict[int, int] = {}  # of each chain's last final block, by chain id

    def live(self) -> list[Journey]:
        """The journeys that are not over."""
        return list(self._live.values())

    def take(self, block: SeenBlock) -> None:
        """Fold one final block."""
        for seen in block.logs:
            if (seen.decoded.contract, seen.decoded.name) == ("Gateway", "MessageSent"):
                self._open(seen)
            elif (named := seen.decoded.fields.get("id")) is not None:
                self._observe(named, seen)
        self.times[block.chain_id] = block.timestamp
        for journey in self.live():
            self._expire(journey, block.chain_id)

    def rewind(self, rewound: Rewound) -> set[bytes]:
        """Forget what a chain left behind: steps, messages, and logs that no message has claimed yet.

        The ids of the messages that lost a step, or themselves.
        """
        chain_id, above = rewound.chain_id, rewound.block
        unclaimed = [seen for logs in self._unclaimed.values() for seen in logs]
        unclaimed += self._unclaimed_proposals.values()
        self._unclaimed, self._unclaimed_proposals = {}, {}
        self._keep(seen for seen in unclaimed if not is_left_behind(seen.place, chain_id, above))
        self.times.pop(chain_id, None)  # the next block says what time it is there
        undone: set[bytes] = set()
        for journey in list(self.journeys.values()):
            if journey.forget(chain_id, above):
                undone.add(journey.id)
            if is_left_behind(journey.origin, chain_id, above):
                # Its own logs on other chains still stand: they wait for the message to be included again.
                undone.add(journey.id)
                del self.journeys[journey.id]
                self._live.pop(journey.id, None)
                self._keep(journey.logs)
                continue
            if journey.proposal.message.destination.chain_id == chain_id:
                journey.expired = False
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
        if proposal.message.id in self.journeys:
            return
        journey = Journey(proposal, seen.place)
        if (proposed := self._unclaimed_proposals.pop(journey.id, None)) is not None:
            journey.observe(proposed)
        for early in self._unclaimed.pop(journey.id, []):
            journey.observe(early)
        self.journeys[journey.id] = self._live[journey.id] = journey
        self._expire(journey, proposal.message.destination.chain_id)

    def _observe(self, named: bytes, seen: SeenLog) -> None:
        journey = self.journeys.get(named)
        if journey is None:
            self._keep([seen])
            return
        journey.observe(seen)
        self._sort(journey)

    def _keep(self, logs: Iterable[SeenLog]) -> None:
        """Keep what names a message that is not known yet."""
        for seen in logs:
            named, kind = seen.decoded.fields["id"], (seen.decoded.contract, seen.decoded.name)
            if kind == _PROPOSED:
                self._unclaimed_proposals[named] = seen
                if len(self._unclaimed_proposals) > MAX_UNCLAIMED_PROPOSALS:
                    del self._unclaimed_proposals[next(iter(self._unclaimed_proposals))]
            elif kind in _CERTIFIED:
                self._unclaimed.setdefault(named, []).append(seen)

    def _expire(self, journey: Journey, chain_id: int) -> None:
        # Expiry is block time of the chain where the act would happen, never this machine's clock.
        message = journey.proposal.message
        if journey.commit is None and message.destination.chain_id == chain_id and chain_id in self.times:
            journey.expired = self.times[chain_id] >= message.expiry
        self._sort(journey)

    def _sort(self, journey: Journey) -> None:
        if journey.is_over:
            self._live.pop(journey.id, None)
        else:
            self._live[journey.id] = journey
