"""`pledgetrail verify` for people and programs: reads files, prints findings; `ledger.bundle` verifies.

May never happen here: markup of the terminal out of a bundle's text, or an exit status of 0 for anything but a yes.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from ledger.bundle import Findings, Proven, TrustRoot, verify, verify_statement
from ledger.bundle.findings import Gone
from ledger.bundle.format import MAX_BUNDLE_BYTES
from ledger.bundle.trust_root import MAX_TRUST_ROOT_BYTES
from ledger.errors import BadInput, Problem
from ledger.printable import printable
from ledger.verify_words import Words, words_for

ERASED = 3  # exit status: neither a yes nor a no


def report(bundle: Path, trust_root: Path | None, *, as_json: bool, language: str = "") -> int:
    """Verify the file and print what was found on standard output; with `as_json`, refusals too, and in English.

    The exit status: 0, or `ERASED` where everything holds and something was erased.

    Raises what `verify` raises, and `BadInput` FILE_UNREADABLE.
    """
    words = words_for(language, os.environ)
    try:
        root = None if trust_root is None else TrustRoot.load(read_file(trust_root, MAX_TRUST_ROOT_BYTES))
        raw = read_file(bundle, MAX_BUNDLE_BYTES)
        # A statement is a tagged COSE_Sign1; a bundle begins with its name.
        findings = (verify_statement if raw[:1] == b"\xd2" else verify)(raw, trust_root=root)
    except Problem as problem:
        problem.where = problem.where or str(bundle)
        if as_json:
            _print_json({"held": False, **{name: getattr(problem, name) for name in ("code", "what", "where", "cure")}})
        words.translate(problem)
        raise
    if as_json:
        _print_json(findings.as_json())
    else:
        show(findings, Console(highlight=False), words)
    return 0 if findings.is_whole else ERASED


def read_file(path: Path, most: int) -> bytes:
    """The file's bytes, at most one more than `most`, so that a reader notices. `BadInput` FILE_UNREADABLE."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise BadInput(
            "FILE_UNREADABLE",
            f"The file cannot be read: {error.strerror or type(error).__name__}.",
            where=str(path),
            cure="Check the path and its permissions.",
        ) from error


def show(findings: Findings, console: Console, words: Words) -> None:
    """The findings for a terminal: what holds, by whose word and when; what is contradicted; what is not proven."""
    mark = Text("✓", style="green") if findings.is_whole else Text("·", style="yellow")

    def say(text: str) -> str:
        return printable(words.say(text))

    if findings.is_whole:
        console.print(Text(say(f"Proven about {findings.subject}"), style="bold"))
    else:
        console.print(Text(say(f"NOT WHOLE: data about {findings.subject} was erased"), style="bold yellow"))
        gone = tuple(f"{say(each.text)}\n{say(_record(each))}" for each in findings.erased)
        _list(console, say("What was erased"), "!", gone)
        console.print(Text("\n" + say("What is left, and holds"), style="bold"))
    table = _grid()
    for step in findings.proven:
        source = " · ".join(say(part) for part in (_who(step), step.when) if part)
        table.add_row(mark, Text(say(step.what)) + Text(f"\n{source}", style="dim"))
    console.print(table)
    _list(
        console,
        say("What contradicts itself in this history"),
        "!",
        tuple(printable(words.contradiction(each)) for each in findings.contradictions),
    )
    _list(console, say("What this does not prove"), "·", tuple(map(say, findings.not_proven)))


def _record(gone: Gone) -> str:
    return f"the log's record in entry {gone.record} · {gone.when}"


def _who(step: Proven) -> str:
    credential = (step.facts or {}).get("credential")
    return f"{step.who}: {credential}" if credential else step.who


def _list(console: Console, heading: str, mark: str, lines: tuple[str, ...]) -> None:
    if not lines:
        return
    console.print(Text(f"\n{heading}", style="bold"))
    table = _grid()
    for line in lines:
        table.add_row(Text(mark, style="yellow"), Text(line))
    console.print(table)


def _grid() -> Table:
    # Folded, never cut off: a line of Chinese has no spaces to break at, and a caveat that is not shown was not told.
    return Table.grid(Column(overflow="fold"), Column(overflow="fold"), padding=(0, 1))


def _print_json(value: object) -> None:
    # ASCII only: a terminal of another encoding must not end in a traceback.
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
