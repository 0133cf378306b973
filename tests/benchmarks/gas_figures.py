"""What a figure of gas is, how it is measured, and whose it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from contracts.manifest import Role
from tests.benchmarks.gas_peers import Peer
from tests.contracts.inprocess import EvmNode, receipt_gas
from tests.contracts.world import World

Basis = Literal["gas", "frame_gas"]


@dataclass(frozen=True, slots=True)
class Spent:
    """Gas of a transaction as its receipt states it (Prague, the EIP-7623 floor included), and of its call frame."""

    gas: int
    frame_gas: int

    def each(self, count: int) -> Spent:
        """The share of one, rounded up."""
        return Spent(-(-self.gas // count), -(-self.frame_gas // count))


@dataclass(frozen=True, slots=True)
class Work:
    """One line of the table. `kind`: the group of peers' figures it is compared with, on `basis`; "" for none.

    `is_ordinary`: in the second table, of everyday transactions. `is_quick`: measured in `make test` too.
    """

    name: str
    measure: Callable[[], Spent]
    signers: int | None = None
    members: int | None = None
    kind: str = ""
    basis: Basis = "gas"
    is_ordinary: bool = False
    is_quick: bool = False

    @property
    def key(self) -> str:
        """Its name in the snapshot."""
        return self.name if self.signers is None else f"{self.name}, {self.signers} of {self.members}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured line, as `.benchmarks/gas.json` keeps it."""

    work: str
    signers: int | None
    members: int | None
    gas: int
    frame_gas: int
    peer: str | None
    peer_gas: int | None
    ratio: float | None
    """Ours to the peer's: below 1 is cheaper."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def figure(work: Work, spent: Spent, peers: Iterable[Peer]) -> Figure:
    """A line beside the cheapest peer of its kind and size."""
    same = [peer for peer in peers if peer.kind == work.kind and peer.signers == work.signers and peer.kind]
    best = min(same, key=lambda peer: peer.of(work.basis), default=None)
    if best is None:
        return Figure(work.name, work.signers, work.members, spent.gas, spent.frame_gas, None, None, None)
    theirs, ours = best.of(work.basis), spent.gas if work.basis == "gas" else spent.frame_gas
    name = best.name if work.basis == "gas" else f"{best.name} (frame gas)"
    ratio = round(ours / theirs, 2)
    return Figure(work.name, work.signers, work.members, spent.gas, spent.frame_gas, name, theirs, ratio)


def last(world: World, role: Role) -> Spent:
    """What the last transaction on a chain cost."""
    node = world.nodes[role]
    assert isinstance(node, EvmNode)
    return Spent(*receipt_gas(*node.sent[-1]))


HEADINGS: Final = ("work", "signers", "total gas", "frame gas", "best peer", "peer's gas", "ratio")


def table(figures: Sequence[Figure]) -> str:
    """The figures as Markdown."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---|---|---:|---:|---|---:|---:|"]
    for line in figures:
        signers = "" if line.signers is None else f"{line.signers} of {line.members}"
        peer = "" if line.peer_gas is None else f"{line.peer_gas:,}"
        ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
        cells = (line.work, signers, f"{line.gas:,}", f"{line.frame_gas:,}", line.peer or "", peer, ratio)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
