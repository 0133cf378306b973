"""Removes each guard of a source in turn and runs its tests: a guard whose loss no test notices is not tested.

    python -m tests.guard_kill contracts/vyper/merkle.vy                            # its tests stand in guard_kill.toml
    python -m tests.guard_kill ledger/quorum.py tests/ledger/test_quorum.py tests/contracts/test_committee.py

What a guard is, and what takes its place, says `guard_mutants.py`. `guard_kill.toml` declares each contract's tests,
and the guards that may survive because another one stands before them, with the reason. Exit 1: a guard survived that
is not declared, a declared one did not or is none any more, a source without its guard does not compile, or the tests
outlast their limit. Exit 2: the tests fail with every guard in its place.

Everything happens in a copy of the project, in processes forked from one that has loaded the libraries. A contract is
compiled again only if it, or a module it imports, lost a guard. The tests that name the guard's message come first,
then all. What killed a guard is remembered in `.benchmarks/guard_kill/`: after a change it is asked first, and a run
that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import ast
import json
import re
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.guard_copy import KILLED, ROOT, SURVIVED, Copy, load_libraries
from tests.guard_mutants import Mutant, mutants

DECLARED: Final = Path(__file__).with_suffix(".toml")
REMEMBERED: Final = ROOT / ".benchmarks" / "guard_kill"
LEAST_LIMIT: Final = 120.0  # seconds for the tests of one guard
LIMIT_FACTOR: Final = 5  # times as long as the tests take with every guard, contracts compiled anew
SUSPECTS: Final = 12  # test functions that are asked first


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a guard. `by`: the test that noticed, or why it could not be judged."""

    mutant: Mutant
    outcome: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Declared:
    """What `guard_kill.toml` says of one source."""

    tests: tuple[str, ...]
    accepted: dict[str, str] = field(default_factory=dict)
    """Reason by `Mutant.key`."""


class BaselineError(Exception):
    """The tests fail with every guard in its place."""


def declared(module: str) -> Declared:
    """The tests of a source and the guards of it that may survive. Errors: `KeyError` in an entry without a reason."""
    entry = tomllib.loads(DECLARED.read_text()).get(module, {})
    accepted = {f"{each['in']}: {each['guard']}": str(each["reason"]) for each in entry.get("accepted", ())}
    return Declared(tuple(entry.get("tests", ())), accepted)


@dataclass(slots=True)
class Memory:
    """What earlier runs found; `known` by `Mutant.key`: outcome, what noticed, digest of the project judged."""

    path: Path
    tree: str
    known: dict[str, tuple[str, str, str]]

    @classmethod
    def of(cls, module: str, tree: str) -> Memory:
        path = REMEMBERED / f"{module.replace('/', '.')}.json"
        stored: dict[str, list[str]] = json.loads(path.read_text()) if path.exists() else {}
        return cls(path, tree, {key: (outcome, by, judged) for key, (outcome, by, judged) in stored.items()})

    def verdict(self, mutant: Mutant) -> Verdict | None:
        """Of this very project; None where anything has changed since."""
        outcome, by, judged = self.known.get(mutant.key, ("", "", ""))
        return Verdict(mutant, outcome, by) if judged == self.tree else None

    def killer(self, mutant: Mutant) -> str:
        """The test that noticed last time; "" where none did."""
        outcome, by, _ = self.known.get(mutant.key, ("", "", ""))
        return by if outcome == KILLED else ""

    def note(self, verdict: Verdict) -> None:
        """Kept at once: a run may be interrupted."""
        self.known[verdict.mutant.key] = verdict.outcome, verdict.by, self.tree
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.known, indent=1))


def verdicts(module: str, tests: Sequence[str]) -> Iterator[Verdict]:
    """Each guard of `module`, without it, judged by `tests`. Errors: `BaselineError`."""
    load_libraries()
    with tempfile.TemporaryDirectory(prefix="guard-kill-") as folder:
        copy = Copy.make(Path(folder) / "project", module)
        memory = Memory.of(module, f"{copy.digest()} {' '.join(tests)}")
        began = time.monotonic()
        outcome, by = copy.run(tests, limit=None, keep_bytecode=True)
        if outcome != SURVIVED:
            raise BaselineError(f"{by}\n{(Path(folder) / 'log').read_text()[-3000:]}")
        limit = max(LEAST_LIMIT, LIMIT_FACTOR * (time.monotonic() - began))
        source = (copy.folder / module).read_text()
        for mutant in mutants(source, is_vyper=module.endswith(".vy")):
            verdict = memory.verdict(mutant)
            if verdict is None:
                (copy.folder / module).write_text(mutant.without)
                verdict = _judge(copy, mutant, tests, memory.killer(mutant), limit)
                (copy.folder / module).write_text(source)
            memory.note(verdict)
            yield verdict


def _judge(copy: Copy, mutant: Mutant, tests: Sequence[str], killer: str, limit: float) -> Verdict:
    """Ask the test that noticed last time, then those that name the guard, then all."""
    rounds = [
        [killer.partition("[")[0]] if killer and _exists(copy.folder, killer) else [],
        _suspects(copy.folder, mutant, tests),
    ]
    for asked in (*rounds, tests):
        if asked:
            outcome, by = copy.run(asked, limit=limit)
            if outcome != SURVIVED:
                return Verdict(mutant, outcome, by)
    return Verdict(mutant, SURVIVED)


def _exists(folder: Path, killer: str) -> bool:
    path, _, name = killer.partition("::")
    return (folder / path).is_file() and f"def {name.partition('[')[0]}(" in (folder / path).read_text()


def _suspects(folder: Path, mutant: Mutant, tests: Sequence[str]) -> list[str]:
    """The test functions that name the guard's message, by themselves or through a table of their file."""
    if not mutant.message:
        return []
    # Tests may name the message's second half only.
    said = mutant.message.partition(": ")[2] or mutant.message
    found = []
    for path in (folder / test.split("::")[0] for test in tests):
        for file in sorted(path.rglob("test_*.py")) if path.is_dir() else [path]:
            named = suspects_in(file.read_text(), said)
            found += [f"{file.relative_to(folder)}::{test}" for test in named]
    return found[:SUSPECTS]


def suspects_in(source: str, said: str) -> list[str]:
    """The tests of a file in which `said` stands, in their decorators too, or in a table that they name."""
    if said not in source:
        return []
    lines, tests, tables = source.splitlines(), {}, []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if node.name.startswith("test_"):
                tests[node.name] = "\n".join(lines[first - 1 : node.end_lineno])
        elif said in "\n".join(lines[node.lineno - 1 : node.end_lineno]):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            tables += [target.id for target in targets if isinstance(target, ast.Name)]
    direct = [name for name, text in tests.items() if said in text]
    return direct or [name for name, text in tests.items() if any(re.search(rf"\b{each}\b", text) for each in tables)]


def main(arguments: Sequence[str]) -> int:
    """Print each guard and what became of it; the exit code as the module's docstring says."""
    if not arguments:
        sys.stderr.write(__doc__ or "")
        return 2
    module, *tests = arguments
    of_module = declared(module)
    tests = tests or list(of_module.tests)
    if not tests:
        sys.stderr.write(f"no tests given, and guard_kill.toml declares none for {module}\n")
        return 2
    found: list[Verdict] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the copy is removed
    try:
        for verdict in verdicts(module, tests):
            found.append(verdict)
            sys.stdout.write(shown(verdict, of_module.accepted))
            sys.stdout.flush()
    except BaselineError as failed:
        sys.stderr.write(f"the tests fail with every guard in its place: {failed}\n")
        return 2
    complaints = list(unexplained(found, of_module.accepted))
    killed = sum(verdict.outcome == KILLED for verdict in found)
    sys.stdout.write("".join(f"{complaint}\n" for complaint in complaints))
    accepted = len([each for each in found if each.outcome == SURVIVED and each.mutant.key in of_module.accepted])
    sys.stdout.write(f"{module}: {killed} of {len(found)} guards are tested, {accepted} accepted survivors\n")
    return 1 if complaints else 0


def shown(verdict: Verdict, accepted: dict[str, str]) -> str:
    """A row of the table: line, outcome, guard, and what noticed or why it may survive."""
    mutant = verdict.mutant
    is_accepted = verdict.outcome == SURVIVED and mutant.key in accepted
    outcome = "accepted" if is_accepted else verdict.outcome
    why = accepted[mutant.key] if is_accepted else verdict.by
    return f"{mutant.line:5d}  {outcome:12}  {mutant.key}\n" + (f"{'':21}{why}\n" if why else "")


def unexplained(found: Sequence[Verdict], accepted: dict[str, str]) -> Iterator[str]:
    """Why a run fails: what survived without a reason, could not be judged, or is declared without need."""
    outcomes = {verdict.mutant.key: verdict.outcome for verdict in found}
    for verdict in found:
        if verdict.outcome not in (KILLED, SURVIVED):
            yield f"{verdict.outcome}: line {verdict.mutant.line}, {verdict.mutant.key}"
        elif verdict.outcome == SURVIVED and verdict.mutant.key not in accepted:
            yield f"not tested: line {verdict.mutant.line}, {verdict.mutant.key}"
    for key in accepted:
        if outcomes.get(key) != SURVIVED:
            yield f"declared as a survivor, but {outcomes.get(key, 'no guard')}: {key}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
