"""Executes a bound block on a proven state and holds what came out against what the block claims, piece by piece.

The same lines serve a notary that asks its node and a third party that replays a file: only the witness differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from contracts.reexecution.claims import ClaimedBlock
from contracts.reexecution.execution import Outcome, execute, system_slots
from contracts.reexecution.header_rules import check_header
from contracts.reexecution.post_state import PostState
from contracts.reexecution.rules import ChainRules
from contracts.reexecution.verdict import Disagreement
from contracts.reexecution.witness import KnownState, Witness
from ledger.ethereum.header import Header
from ledger.ethereum.tx_receipt import TxReceipt, bloom_of


@dataclass(frozen=True, slots=True)
class Comparison:
    """One piece of a block: as it is claimed and as executing it gives it. `reason`: empty where they are equal."""

    what: str
    claimed: str
    executed: str
    reason: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """A block with what executing it needs. `before` reads the state under the parent's root, `after` the proofs at
    the block itself; both over `known`.
    """

    parent: Header
    block: ClaimedBlock
    rules: ChainRules
    known: KnownState
    before: Witness
    after: Witness
    ancestors: Iterable[bytes]

    def expected(self) -> dict[bytes, set[int]]:
        """Accounts and slots that the block will surely read, and what the node says it read."""
        wanted: dict[bytes, set[int]] = {self.block.header.beneficiary: set()}
        if self.rules.system_writes:
            wanted |= system_slots(self.block.header)
        for address, slots in self.block.hints.slots.items():
            wanted.setdefault(address, set()).update(slots)
        return wanted


def examine(scene: Scene) -> Iterator[Comparison]:
    """Every piece in turn: receipts, the header's sums, the state root. Lazy: asks for nothing beyond what is taken.

    Errors: `Disagreement` where the header breaks a rule, a transaction could not have been executed, or the state
    does not prove; those of the witness.
    """
    check_header(scene.parent, scene.block.header, scene.rules)
    if scene.block.withdrawals and not scene.rules.withdrawals:
        where = f"block {scene.block.header.number}"
        raise Disagreement("the block credits accounts by withdrawals, which the chain does not have", where=where)
    scene.before.prefetch(scene.expected())
    outcome = execute(scene.block, scene.before, scene.ancestors, scene.rules)
    yield from _receipts(scene.block, outcome)
    yield from _sums(scene.block, outcome)
    yield _state_root(scene, outcome)


def _receipts(block: ClaimedBlock, outcome: Outcome) -> Iterator[Comparison]:
    where = f"block {block.header.number}"
    claimed, executed = len(block.receipts), len(outcome.receipts)
    few = "there are not as many tx_receipts as transactions"
    yield Comparison("number of tx_receipts", str(claimed), str(executed), few * (claimed != executed), where)
    for index, pair in enumerate(zip(block.receipts, outcome.receipts, strict=False)):
        reason = "" if pair[0] == pair[1] else _difference(*pair)
        said, done = (f"status {each.status}, {each.cumulative_gas} gas, {len(each.logs)} logs" for each in pair)
        yield Comparison(f"transaction {index}", said, done, reason, f"transaction {index} of {where}")


def _sums(block: ClaimedBlock, outcome: Outcome) -> Iterator[Comparison]:
    header = block.header
    gas = outcome.receipts[-1].cumulative_gas if outcome.receipts else 0
    logs = [log for receipt in outcome.receipts for log in receipt.logs]
    sums: Mapping[str, tuple[int | bytes | None, int | bytes | None]] = {
        "gas used": (header.gas_used, gas),
        "logs bloom": (header.logs_bloom, bloom_of(logs)),
        "blob gas used": (header.blob_gas_used, outcome.blob_gas_used),
        "requests hash": (header.requests_hash, outcome.requests_hash),
    }
    for name, (stated, computed) in sums.items():
        reason = "" if stated == computed else f"the header's {name} is not what the transactions give"
        yield Comparison(name, _shown(stated), _shown(computed), reason, f"block {header.number}")


def _state_root(scene: Scene, outcome: Outcome) -> Comparison:
    header = scene.block.header
    touched = scene.expected()
    for address in scene.before.accounts:
        touched.setdefault(address, set())
    for address, slot in scene.before.slots:
        touched[address].add(slot)
    keeps = scene.rules.trie == "keeps_zero_leaves"
    post_state = PostState(scene.known, scene.before, scene.after, keeps_zero_leaves=keeps)
    root = post_state.root(outcome.changes, touched)
    if root != header.state_root and post_state.assumed and post_state.fetch_assumed():
        root = post_state.root(outcome.changes, touched)
    reason = ""
    if root != header.state_root:
        scene.after.require_shown(post_state.assumed)
        stated = f"the state root is 0x{header.state_root.hex()}, executing the transactions gives 0x{root.hex()}"
        reason = f"{stated}: {post_state.first_difference()}"
    return Comparison("state root", _shown(header.state_root), _shown(root), reason, f"block {header.number}")


def _difference(claimed: TxReceipt, executed: TxReceipt) -> str:
    for name in ("type", "status", "logs", "cumulative_gas", "bloom"):
        if getattr(claimed, name) != getattr(executed, name):
            shown = (getattr(claimed, name), getattr(executed, name))
            numbers = f": {shown[0]}, executed {shown[1]}" if isinstance(shown[0], int) else ""
            return f"the tx_receipt's {name.replace('_', ' ')} is not what executing it gives{numbers}"
    return "the tx_receipt is not what executing it gives"


def _shown(value: int | bytes | None) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
