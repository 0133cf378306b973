"""Removes each guard of a module in turn and runs its tests: a guard whose loss no test notices is not tested.

    python -m tests.guard_kill ledger/quorum.py tests/ledger/test_quorum.py tests/contracts/test_committee.py

A guard is a `raise` statement; it is replaced by `pass` in a copy of the project, never in the project itself. Slow:
one run of the tests for each guard.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("ledger", "contracts", "notary", "relay", "examples", "tests")
SECONDS = 600


def guards(source: str) -> Iterator[tuple[int, str]]:
    """Each `raise` of a module: its line, and the module without it."""
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Raise) and node.exc is not None and node.end_lineno is not None:
            indent = " " * node.col_offset
            yield node.lineno, "".join([*lines[: node.lineno - 1], f"{indent}pass\n", *lines[node.end_lineno :]])


def survivors(module: str, tests: Sequence[str]) -> Iterator[tuple[int, bool]]:
    """For each guard of `module`: its line, and whether the tests passed without it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        copy.mkdir()
        for name in (*ROOMS, "pyproject.toml", "README.md"):
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
            else:
                shutil.copy(source, copy / name)
        original = (copy / module).read_text()
        for line, without in guards(original):
            (copy / module).write_text(without)
            command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
            ended = subprocess.run(command, cwd=copy, capture_output=True, timeout=SECONDS, check=False)
            yield line, ended.returncode == 0
        (copy / module).write_text(original)


def main(arguments: Sequence[str]) -> int:
    """Print each guard and whether a test noticed; exit 1 when one survived."""
    if len(arguments) < 2:
        sys.stderr.write(__doc__ or "")
        return 2
    module, *tests = arguments
    found = list(survivors(module, tests))
    for line, survived in found:
        sys.stdout.write(f"{'SURVIVED' if survived else 'killed  '} {module}:{line}\n")
    lost = sum(survived for _, survived in found)
    sys.stdout.write(f"{len(found) - lost} of {len(found)} guards are tested\n")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
