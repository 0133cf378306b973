"""`pledgetrail contracts verify` for people and programs: reads the manifest, asks the nodes, prints what differs.

May never happen here: an exit status of 0 for anything but a deployment in which nothing differs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from contracts.manifest import Manifest, Role
from contracts.node import RpcNode
from contracts.verify import Verification, verify
from contracts.verify.findings import Finding
from ledger.config_file import read_file
from ledger.errors import Problem, WrongUse


def report(manifest: Path, named: Sequence[str], *, as_json: bool, accept_development: bool) -> bool:
    """Verify and print on standard output; with `as_json`, refusals too. True if nothing differs.

    Raises what `verify` and `Manifest.load` raise, `WrongUse` NODE_OPTION and `Unavailable` CONFIG_UNREADABLE.
    """
    progress = Console(stderr=True, highlight=False)
    try:
        with ExitStack() as opened:
            loaded = Manifest.load(read_file(manifest))
            nodes = {
                role: [opened.enter_context(closing(RpcNode(url))) for url in urls]
                for role, urls in _named_nodes(named).items()
            }
            with progress.status("reading the chains") as status:
                found = verify(
                    loaded,
                    nodes,
                    accept_development=accept_development,
                    on_step=lambda step: status.update(Text(step)),
                )
    except Problem as problem:
        if as_json:
            told = {name: getattr(problem, name) for name in ("code", "what", "where", "cure")}
            _print_json({"held": False, "refused": told})
        raise
    if as_json:
        _print_json(as_value(found))
    else:
        show(found, Console(highlight=False))
    return not found.findings


def as_value(found: Verification) -> dict[str, Any]:
    """A verification as JSON."""
    return {
        "held": not found.findings,
        "development": found.is_development,
        "compared": [
            {"chain": each.chain, "aspect": each.aspect, "values": each.compared, "differ": len(each.findings)}
            for each in found.comparisons
        ],
        "findings": [finding.as_json() for finding in found.findings],
        "notes": [note.as_json() for note in found.notes],
    }


def show(found: Verification, console: Console) -> None:
    """A verification for a terminal: each aspect of each chain, then every difference with its cure."""
    if found.is_development:
        console.print(Text(" DEVELOPMENT: weak committees are permitted; never rely on it ", style="bold white on red"))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("", "chain", "aspect", "compared"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "compared" else "left")
    for each in found.comparisons:
        mark = Text("✗", style="red") if each.findings else Text("✓" if each.compared else "·", style="green")
        table.add_row(mark, Text(each.chain), Text(each.aspect), str(each.compared))
    console.print(table)
    _list(console, "What differs", "✗", found.findings)
    _list(console, "Worth knowing", "·", found.notes)
    if not found.findings:
        console.print(Text("Nothing differs from the manifest.", style="bold green"))


def _list(console: Console, heading: str, mark: str, findings: Sequence[Finding]) -> None:
    if not findings:
        return
    console.print(Text(f"\n{heading}", style="bold"))
    for finding in findings:
        console.print(Text(f"{mark} {finding.code}: {finding.what}"))
        console.print(Text(f"    where: {finding.where}\n    cure: {finding.cure}", style="dim"))


def _named_nodes(named: Sequence[str]) -> dict[Role, list[str]]:
    nodes: dict[Role, list[str]] = {role: [] for role in Role}
    for text in named:
        role, separator, url = text.partition("=")
        if not separator or not url or role not in set(Role):
            raise WrongUse(
                "NODE_OPTION",
                "A node is named as ROLE=URL.",
                where=text[:80],
                cure="Write origin=URL, destination=URL and transaction=URL.",
            )
        nodes[Role(role)].append(url)
    return nodes


def _print_json(value: object) -> None:
    # ASCII only: a terminal of another encoding must not end in a traceback.
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
