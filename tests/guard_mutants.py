"""Where the guards of a source stand, and the source without one of them. Pure: text in, text out.

A guard is a `raise` of a Python module, and an `assert` or a `raise` of a Vyper contract or module.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vyper import ast as vyper_ast
from vyper.ast import parse_to_ast


@dataclass(frozen=True, slots=True)
class Mutant:
    """A source that lost one guard. `line` is where the guard began; `without` has as many lines as the source."""

    line: int
    function: str
    """The function it stands in, "" outside any."""
    guard: str
    """Its text on one line."""
    nth: int
    """Which one of those with the same text in the same function, from 1."""
    message: str
    """What it says to whom it stops; "" where it says nothing."""
    without: str

    @property
    def key(self) -> str:
        """Names the guard for as long as its text and its function stay, wherever they move."""
        return f"{self.function}: {self.guard}" + (f" #{self.nth}" if self.nth > 1 else "")


def mutants(source: str, *, is_vyper: bool) -> Iterator[Mutant]:
    """Every guard of a source, in order. Errors: the parser's, where the source is none."""
    lines = source.splitlines()
    seen: Counter[tuple[str, str]] = Counter()
    for line, end, function, message, neutral in _vyper_guards(source) if is_vyper else _python_guards(source):
        guard = " ".join(part.strip() for part in lines[line - 1 : end])
        seen[function, guard] += 1
        indent = lines[line - 1][: len(lines[line - 1]) - len(lines[line - 1].lstrip())]
        without = [*lines[: line - 1], f"{indent}{neutral}", *([""] * (end - line)), *lines[end:]]
        yield Mutant(line, function, guard, seen[function, guard], message, "\n".join(without) + "\n")


def _python_guards(source: str) -> Iterator[tuple[int, int, str, str, str]]:
    parents = {child: node for node in ast.walk(ast.parse(source)) for child in ast.iter_child_nodes(node)}
    found = (node for node in parents if isinstance(node, ast.Raise) and node.exc is not None)
    for node in sorted(found, key=lambda node: node.lineno):
        assert node.end_lineno is not None
        words = [
            each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
        above: ast.AST | None = node
        while above is not None and not isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef):
            above = parents.get(above)
        yield node.lineno, node.end_lineno, "" if above is None else above.name, (words or [""])[0], "pass"


def _vyper_guards(source: str) -> Iterator[tuple[int, int, str, str, str]]:
    for function in parse_to_ast(source).get_children(vyper_ast.FunctionDef):
        found = function.get_descendants((vyper_ast.Assert, vyper_ast.Raise))
        for node in sorted(found, key=lambda node: node.lineno):
            said = node.msg if isinstance(node, vyper_ast.Assert) else node.exc
            message = said.value if isinstance(said, vyper_ast.Str) else ""
            yield node.lineno, node.end_lineno, function.name, message, _neutral(node, function)


def _neutral(node: Any, function: Any) -> str:
    """What stands in the guard's place: nothing, unless its condition does something or a function must return."""
    if isinstance(node, vyper_ast.Assert) and _acts(node.test):
        # A variable of its own, because the language takes no bare expression.
        return f"guard_at_{node.lineno}: bool = {' '.join(node.test.node_source_code.split())}"
    if isinstance(node, vyper_ast.Raise) and node is function.body[-1] and function.returns is not None:
        kinds = function.returns.elements if isinstance(function.returns, vyper_ast.Tuple) else [function.returns]
        return "return " + ", ".join(f"empty({kind.node_source_code})" for kind in kinds)
    return "pass"


def _acts(condition: Any) -> bool:
    """Whether a condition may change state: another contract's function, or one of this contract's own."""
    if isinstance(condition, vyper_ast.StaticCall):
        return False  # what it asks of another contract changes nothing, and its arguments are values
    if isinstance(condition, vyper_ast.ExtCall):
        return True
    if isinstance(condition, vyper_ast.Call) and isinstance(condition.func, vyper_ast.Attribute):
        return True
    return any(_acts(child) for child in condition.get_children())
