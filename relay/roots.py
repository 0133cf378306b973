"""Certified roots of many messages: which message stands under which, and what proves it to a destination. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from ledger import merkle
from ledger.multiproof import multiproof
from ledger.proposal import Proposal
from ledger.quorum import Certificate

MAX_ITEM_PAYLOAD = 256  # bytes; `Gateway.commit_together` takes no longer one
MAX_TOGETHER = 64


@dataclass(frozen=True)
class Root:
    """A root that a quorum signed in `epoch` for one destination. `ids`: the messages under it, in its order."""

    chain_id: int
    ids: tuple[bytes, ...]
    epoch: int
    signatures: bytes

    @cached_property
    def leaves(self) -> tuple[bytes, ...]:
        """The leaf hashes."""
        return tuple(merkle.leaf_hash(each) for each in self.ids)

    @cached_property
    def digest(self) -> bytes:
        """The root, 32 bytes."""
        return merkle.root_of(list(self.leaves))

    def certificate(self, message_id: bytes) -> Certificate:
        """The certificate that proves one message. ValueError for one that is not under it."""
        index = self.ids.index(message_id)
        proof = tuple(merkle.inclusion_proof(list(self.leaves), index))
        return Certificate(self.digest, index, len(self.ids), proof, self.epoch, self.signatures)

    def together(self, proposals: Sequence[Proposal]) -> tuple[object, ...]:
        """What `Gateway.commit_together` takes for messages of one run that stand under this root."""
        placed = sorted((self.ids.index(each.message.id), each) for each in proposals)
        return (
            proposals[0].message.as_run(),
            [each.as_item(place) for place, each in placed],
            len(self.ids),
            multiproof(self.leaves, [place for place, _ in placed]),
            self.epoch,
            self.signatures,
        )


class Roots:
    """The root of each message that is under way. Losing one costs a question."""

    def __init__(self) -> None:
        self._by_message: dict[bytes, Root] = {}

    def of(self, message_id: bytes) -> Root | None:
        """The root a message stands under, None while there is none."""
        return self._by_message.get(message_id)

    def hold(self, root: Root) -> None:
        """Keep a root for its messages."""
        for message_id in root.ids:
            self._by_message[message_id] = root

    def drop(self, message_ids: Iterable[bytes]) -> None:
        """These need no root any more, or another one."""
        for message_id in message_ids:
            self._by_message.pop(message_id, None)

    def __len__(self) -> int:
        return len(self._by_message)


def runs(proposals: Iterable[Proposal]) -> list[list[Proposal]]:
    """Messages in the calls that commit them: those of one lane, kind and generation together, long ones alone."""
    found: dict[object, list[Proposal]] = {}
    for number, each in enumerate(proposals):
        key: object = (*each.message.as_run(), each.message.destination)
        if len(each.payload) > MAX_ITEM_PAYLOAD:
            key = number
        found.setdefault(key, []).append(each)
    return [
        group[first : first + MAX_TOGETHER] for group in found.values() for first in range(0, len(group), MAX_TOGETHER)
    ]
