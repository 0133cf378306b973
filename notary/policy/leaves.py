"""Row 5: the messages of one request, attested under one root: all of them or none, each refused for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.manifest import ChainManifest, Manifest
from ledger.errors import BadInput, Problem, Refused, Unavailable
from ledger.ethereum.tx_receipt import Log
from ledger.proposal import Message, Proposal, read_proposal

MAX_LEAVES = 64


@dataclass(frozen=True, slots=True)
class LeafRefusal:
    """Why one leaf of a request is not signed; `leaf` counts from 0."""

    leaf: int
    problem: Problem


class LeavesRefused(Refused):
    """LEAVES_REFUSED: nothing was signed; `refused` says which leaves to leave out."""

    def __init__(self, refused: Sequence[LeafRefusal]) -> None:
        super().__init__(
            "LEAVES_REFUSED",
            f"{len(refused)} of the leaves are refused; nothing is signed",
            where=str(refused[0].problem),
            cure="Form the root again without them.",
        )
        self.refused = tuple(refused)


class LeavesNotReady(Unavailable):
    """Some leaves cannot be judged yet and none is refused; carries the first one's code, usually NOT_FINAL."""

    def __init__(self, refused: Sequence[LeafRefusal]) -> None:
        first = refused[0].problem
        super().__init__(first.code, first.what, where=first.where, cure=first.cure or "Ask again later.")
        self.refused = tuple(refused)


def read_leaf(log: Log, *, origin: ChainManifest, manifest: Manifest) -> Proposal:
    """Row 5: a proven log as a proposal of this deployment. Errors as `read_proposal` (EMITTER, PROPOSAL_*)."""
    return read_proposal(log, origin=origin.end, destinations=manifest.ends)


def require_one_destination(messages: Sequence[Message]) -> None:
    """A certificate is for one gateway and holds each message once; else `BadInput` LEAVES_MIXED, LEAF_REPEATED."""
    if len({message.destination for message in messages}) != 1:
        raise BadInput("LEAVES_MIXED", "the leaves are for different destinations", cure="Ask once per destination.")
    if len({message.id for message in messages}) != len(messages):
        raise BadInput("LEAF_REPEATED", "a message is named twice")


def require_all(refused: Sequence[LeafRefusal]) -> None:
    """All or nothing: raise `LeavesRefused` when a leaf is refused, `LeavesNotReady` when all it takes is time."""
    if not refused:
        return
    if all(isinstance(refusal.problem, Unavailable) for refusal in refused):
        raise LeavesNotReady(refused)
    raise LeavesRefused(refused)
