"""`pledgetrail replay FILE` for people and programs: executes a recorded block again, with no node.

May never happen here: an exit status of 0 for anything but a block of which every part is equal.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from contracts.execution_rules import rules_of
from contracts.manifest import Manifest
from contracts.reexecution import ChainRules, Replayed, Verdict, replay
from contracts.reexecution.examination import Comparison
from contracts.reexecution.replay_file import MAX_FILE_BYTES, decode_replay
from ledger.config_file import read_file
from ledger.errors import BadInput, Unavailable, WrongUse

SAME, DIFFERS, MALFORMED = 0, 1, 2  # exit statuses

MAX_SHOWN = 80  # characters of a value


def report(path: Path, *, manifest: Path | None, block_hash: str, as_json: bool) -> int:
    """Replay and print on standard output; the exit status `SAME` or `DIFFERS`.

    Errors: those of `replay`, `Manifest.load` and `ChainRules`; `BadInput` REPLAY_RULES; `Unavailable`
    REPLAY_UNREADABLE, CONFIG_UNREADABLE; `WrongUse` BLOCK_HASH.
    """
    raw = _read(path)
    rules = None if manifest is None else _rules(raw, Manifest.load(read_file(manifest)))
    found = replay(raw, rules=rules, block_hash=_hash(block_hash) if block_hash else None)
    console = Console(highlight=False)
    if as_json:
        console.print(Text(json.dumps(as_value(found), indent=2)), soft_wrap=True)
    else:
        show(found, console, rules_are_known=rules is not None)
    return SAME if found.verdict is Verdict.SAME else DIFFERS


def as_value(found: Replayed) -> dict[str, Any]:
    """What a replay found, as JSON."""
    return {
        "chain": f"eip155:{found.rules.chain_id}",
        "block": found.number,
        "block_hash": None if found.block_hash is None else f"0x{found.block_hash.hex()}",
        "verdict": found.verdict.value,
        "reason": found.reason,
        "proves_itself": found.proves_itself,
        "compared": [
            {"what": each.what, "claimed": each.claimed, "executed": each.executed, "equal": not each.reason}
            for each in found.comparisons
        ],
    }


def show(found: Replayed, console: Console, *, rules_are_known: bool) -> None:
    """For a terminal: what was compared, the verdict, and what it rests on."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("", "compared", "claimed", "executed"):
        table.add_column(heading, overflow="fold")
    for each in found.comparisons:
        table.add_row(*_row(each))
    if found.comparisons:
        console.print(table)
    block_hash = "unknown" if found.block_hash is None else f"0x{found.block_hash.hex()}"
    console.print(Text(f"eip155:{found.rules.chain_id}, block {found.number}, {block_hash}"))
    console.print(Text(f"{found.verdict.value}: {found.reason or 'every part is equal'}"))
    if found.proves_itself:
        rests = "Every part hangs by hashes on the block's hash: compare that with the chain you know."
    else:
        rests = "These are answers of a node as the file's writer noted them. Nobody signed them: ask your own node."
    console.print(Text(rests, style="dim"))
    if not rules_are_known:
        console.print(Text("The chain's rules are the file's word: name the manifest with --manifest.", style="dim"))


def _row(each: Comparison) -> tuple[Text, ...]:
    mark = Text("≠", style="bold red") if each.reason else Text("=", style="green")
    return mark, *(Text(_short(value)) for value in (each.what, each.claimed, each.executed))


def _short(value: str) -> str:
    return value if len(value) <= MAX_SHOWN else f"{value[: MAX_SHOWN - 1]}…"


def _rules(raw: bytes, manifest: Manifest) -> ChainRules:
    chain_id = decode_replay(raw).rules.chain_id
    chain = manifest.by_id(chain_id)
    if chain is None:
        raise BadInput("REPLAY_RULES", "the file's chain is not one of the manifest", where=f"eip155:{chain_id}")
    return rules_of(chain)


def _hash(text: str) -> bytes:
    if re.fullmatch("0x[0-9a-fA-F]{64}", text) is None:
        raise WrongUse("BLOCK_HASH", "a block hash is 0x and 64 hex digits", where=text[:80])
    return bytes.fromhex(text[2:])


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Unavailable("REPLAY_UNREADABLE", "the file cannot be read", where=str(path)) from error
