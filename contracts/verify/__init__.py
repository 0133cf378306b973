"""Whether the chains are what a manifest says: everything a deployment fixed is read again and compared.

    verified = verify(manifest, {Role.ORIGIN: [node], …})
    verified.findings     # empty exactly where nothing differs

What is read is a node's word: ask nodes of your own, or several. One block of each chain is read, its newest.
May never happen here: a difference that is only printed, or a check that a reverting contract skips.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from contracts.manifest import Manifest, Role
from contracts.node import Node
from contracts.verify.code import check_code
from contracts.verify.committee import check_committee, check_set
from contracts.verify.findings import Comparison, Finding
from contracts.verify.lanes import check_lanes
from contracts.verify.locks import check_locks
from contracts.verify.network import check_network
from contracts.verify.sight import Sight
from contracts.verify.stated import stated_contracts
from contracts.verify.wiring import check_applications, check_gateway
from ledger.errors import WrongUse

__all__ = ["Comparison", "Finding", "Verification", "verify"]


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of it. `comparisons`: one for each aspect of each chain; `is_development`: the manifest says so."""

    comparisons: tuple[Comparison, ...]
    is_development: bool

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every difference, in the order in which they were found."""
        return tuple(finding for comparison in self.comparisons for finding in comparison.findings)

    @property
    def notes(self) -> tuple[Finding, ...]:
        """What is as it may be, and still worth knowing."""
        return tuple(note for comparison in self.comparisons for note in comparison.notes)


def verify(
    manifest: Manifest,
    nodes: Mapping[Role, Sequence[Node]],
    *,
    accept_development: bool = False,
    on_step: Callable[[str], None] = lambda _step: None,
) -> Verification:
    """Read each chain by each of its nodes and compare it with the manifest.

    `accept_development`: whether a deployment that permits weak committees may pass.
    Errors: `WrongUse` NODE_OPTION (a chain without a node), those of `Node.request`, `BadInput` CALL_RESULT,
    LOG_MALFORMED for what no honest node answers.
    """
    missing = [role.value for role in Role if not nodes.get(role)]
    if missing:
        raise WrongUse("NODE_OPTION", "each chain is read by a node", where=", ".join(missing), cure="Name one.")
    kept = [check_set(manifest, accept_development=accept_development)]
    for chain in manifest.chains:
        for node in nodes[chain.role]:
            kept += _check_chain(Sight(manifest, chain, node), on_step)
    return Verification(tuple(kept), manifest.rotation.development)


def _check_chain(sight: Sight, on_step: Callable[[str], None]) -> list[Comparison]:
    on_step(f"{sight.chain.name}: network")
    kept = [check_network(sight)]
    if kept[0].findings:
        return kept  # on another chain nothing else could be compared
    on_step(f"{sight.chain.name}: code and creation of {len(stated_contracts(sight.manifest, sight.chain))} contracts")
    code, sound = check_code(sight, on_step)
    kept.append(code)
    for aspect, check in (
        ("committee", check_committee),
        ("gateway", check_gateway),
        ("lanes", check_lanes),
        ("applications", check_applications),
        ("hash locks", check_locks),
    ):
        on_step(f"{sight.chain.name}: {aspect}")
        # Only contracts whose code is known to be ours are asked: another's answers mean nothing.
        kept.append(check(sight, sound))
    return kept
