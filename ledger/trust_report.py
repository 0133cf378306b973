"""A trust root for people and for programs: its fingerprint, whom it names, and where their words stand."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ledger.canonical import JsonValue, parse_json

if TYPE_CHECKING:
    from ledger.bundle import Notaries, TrustRoot
from ledger.bundle.trust_root import MAX_TRUST_ROOT_BYTES


def as_data(root: TrustRoot) -> dict[str, JsonValue]:
    """`{fingerprint, trust_root}`; the second as the file has it."""
    return {"fingerprint": root.fingerprint, "trust_root": parse_json(root.dump(), max_bytes=MAX_TRUST_ROOT_BYTES)}


def print_root(root: TrustRoot) -> None:
    """Tables on standard output: the fingerprint, the notaries of each epoch, chains and contracts."""
    console = Console(file=sys.stdout, highlight=False)
    facts = Table(box=SIMPLE_HEAD, show_header=False, padding=(0, 1))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("fingerprint", Text(root.fingerprint))
    facts.add_row("dated", Text(root.dated.isoformat()))
    facts.add_row("log", Text(root.log.name))
    facts.add_row("log key", Text(root.log.public_key.hex()))
    facts.add_row("timestamps", Text(f"{len(root.timestamping)} authorities count"))
    console.print(facts)
    for notaries in reversed(root.epochs):
        console.print(_epoch(notaries, is_pinned=notaries is root.pinned))
    console.print(_places(root))


def _epoch(notaries: Notaries, *, is_pinned: bool) -> Table:
    word = "pinned" if is_pinned else "past: counts where the pinned epoch sealed it"
    table = Table(title=f"epoch {notaries.epoch} ({word})", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1))
    for column in ("", "attests with", "cosigns as", "cosigns with"):
        table.add_column(column, overflow="fold")
    rows = max(len(notaries.committee.members), len(notaries.cosigners))
    for index in range(rows):
        member = notaries.committee.members[index : index + 1]
        cosigner = notaries.cosigners[index : index + 1]
        table.add_row(
            str(index),
            Text(_hex(member[0]) if member else ""),
            Text(cosigner[0].name if cosigner else ""),
            Text(cosigner[0].public_key.hex() if cosigner else ""),
        )
    table.caption = f"{notaries.quorum} of {len(notaries.cosigners)} must cosign"
    return table


def _places(root: TrustRoot) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1))
    for column in ("chain", "role", "contract", "address"):
        table.add_column(column, overflow="fold")
    named = [
        (root.origin, "origin", "gateway", root.origin.gateway),
        (root.origin, "origin", "anchor registry", root.anchor_registry),
        (root.destination, "destination", "gateway", root.destination.gateway),
        (root.destination, "destination", "anchor mirror", root.anchor_mirror),
        (root.transaction, "transaction", "gateway", root.transaction.gateway),
        (root.transaction, "transaction", "registry", root.transaction_registry),
    ]
    if root.lending is not None:
        named += [
            (root.destination, "destination", "loans", root.lending.loans),
            (root.origin, "origin", "warehouse receipts", root.lending.receipts),
            (root.transaction, "transaction", "goods", root.lending.goods),
        ]
    for chain, role, contract, address in named:
        table.add_row(f"eip155:{chain.chain_id}", role, contract, _hex(address))
    return table


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"
