"""The tool that removes guards: it finds every one, removes it and nothing else, and lets nothing through unsaid."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from vyper.compiler import compile_from_file_input
from vyper.compiler.input_bundle import FilesystemInputBundle

from contracts.compiler import SOURCES
from tests.guard_copy import KILLED, NOT_COMPILED, NOT_RUN, ROOT, SURVIVED, TIMED_OUT
from tests.guard_kill import DECLARED, Memory, Verdict, declared, main, shown, suspects_in, unexplained
from tests.guard_mutants import Mutant, mutants
from tests.guard_sources import Artifacts, content_digest, sources

CONTRACT = '''# pragma version 0.4.3
"""
@notice Refuses a sum above the limit, and says: assert that the tests
        raise an eyebrow
"""

interface Token:
    def transfer(to: address, amount: uint256) -> bool: nonpayable
    def owner() -> address: view

LIMIT: constant(uint256) = 100
spent: uint256


@external
def spend(token: address, amounts: DynArray[uint256, 4]):
    assert staticcall Token(token).owner() == msg.sender, "Spender: not the owner"
    for amount: uint256 in amounts:
        assert amount != 0, "Spender: nothing"
        assert (
            self.spent + amount <= LIMIT and amount <= LIMIT
        ), "Spender: above the limit"  # for ever
        self.spent += amount
        if amount == 7:
            assert amount != 0, "Spender: nothing"
            raise "Spender: seven"
    assert extcall Token(token).transfer(
        msg.sender, self.spent, default_return_value=True
    ), "Spender: not paid"


@internal
def _take(amount: uint256) -> bool:
    self.spent -= amount
    return True


@external
def take(amount: uint256) -> uint256:
    assert self._take(amount)
    if amount < LIMIT:
        return self.spent
    raise "Spender: too much"
'''

MODULE = '''"""assert is a word here, and so is raise."""

import re


def f(x: int) -> int:
    try:
        if x < 0:
            raise ValueError("negative")
        raise KeyError(
            "many",
            "lines",
        )
    except KeyError:
        raise
    assert x
    raise ValueError("negative")


raise SystemExit
'''


def of_contract(source: str = CONTRACT) -> list[Mutant]:
    return list(mutants(source, is_vyper=True))


def compiles(folder: Path, source: str) -> None:
    (folder / "Spender.vy").write_text(source)
    bundle = FilesystemInputBundle([folder])
    compile_from_file_input(bundle.load_file("Spender.vy"), input_bundle=bundle, output_formats=["bytecode"])


def test_every_guard_of_a_contract_is_found_in_order_and_named() -> None:
    assert [(each.line, each.function, each.message, each.nth) for each in of_contract()] == [
        (17, "spend", "Spender: not the owner", 1),
        (19, "spend", "Spender: nothing", 1),
        (20, "spend", "Spender: above the limit", 1),
        (25, "spend", "Spender: nothing", 2),
        (26, "spend", "Spender: seven", 1),
        (27, "spend", "Spender: not paid", 1),
        (40, "take", "", 1),
        (43, "take", "Spender: too much", 1),
    ]


@pytest.mark.parametrize("path", sorted(SOURCES.glob("*.vy")), ids=lambda path: path.stem)
def test_no_guard_of_a_contract_is_left_in_its_place(path: Path) -> None:
    source = path.read_text()
    begun = [number for number, line in enumerate(source.splitlines(), 1) if re.match(r"\s*(assert|raise)\b", line)]
    found = list(mutants(source, is_vyper=True))
    assert [each.line for each in found] == begun
    assert len({each.key for each in found}) == len(found)
    for each in found:
        assert each.guard not in {"assert", "raise"}
        assert not re.match(r"\s*(assert|raise)\b", each.without.splitlines()[each.line - 1])


def test_only_the_guard_is_removed_and_every_line_keeps_its_number() -> None:
    before = CONTRACT.splitlines()
    for each in of_contract():
        after = each.without.splitlines()
        assert len(after) == len(before)
        changed = [number for number, (old, new) in enumerate(zip(before, after, strict=True), 1) if old != new]
        assert changed == list(range(each.line, each.line + len(changed)))
        assert " ".join(before[number - 1].strip() for number in changed) == each.guard


def test_a_guard_over_several_lines_goes_as_a_whole() -> None:
    above = of_contract()[2]
    assert above.guard.startswith("assert ( self.spent + amount")
    assert above.without.splitlines()[19:22] == ["        pass", "", ""]


def test_a_source_without_any_one_guard_compiles(tmp_path: Path) -> None:
    compiles(tmp_path, CONTRACT)
    for each in of_contract():
        compiles(tmp_path, each.without)


def test_what_a_condition_does_is_still_done() -> None:
    by_message = {each.message: each.without.splitlines()[each.line - 1].strip() for each in of_contract()}
    assert by_message["Spender: not paid"] == (
        "guard_at_27: bool = extcall Token(token).transfer( msg.sender, self.spent, default_return_value=True )"
    )
    assert by_message[""] == "guard_at_40: bool = self._take(amount)"
    # What only asks goes with its guard.
    assert by_message["Spender: not the owner"] == "pass"


def test_a_function_whose_last_word_was_a_refusal_returns_nothing_in_particular() -> None:
    last = of_contract()[-1]
    assert last.without.splitlines()[last.line - 1] == "    return empty(uint256)"


def test_every_raise_of_a_module_is_found_and_no_bare_one() -> None:
    found = list(mutants(MODULE, is_vyper=False))
    assert [(each.line, each.function, each.message, each.nth) for each in found] == [
        (9, "f", "negative", 1),
        (10, "f", "many", 1),
        (17, "f", "negative", 2),
        (20, "", "", 1),
    ]
    assert found[1].without.splitlines()[9:13] == ["        pass", "", "", ""]


def test_a_contract_is_compiled_again_only_if_what_it_imports_changed(tmp_path: Path) -> None:
    for path in SOURCES.glob("*.vy*"):
        (tmp_path / path.name).write_text(path.read_text())
    before = {path.stem: content_digest(path) for path in tmp_path.glob("[A-Z]*.vy")}
    (tmp_path / "trie_proof.vy").write_text((tmp_path / "trie_proof.vy").read_text() + "\n# changed\n")
    changed = {path.stem for path in tmp_path.glob("[A-Z]*.vy") if content_digest(path) != before[path.stem]}
    assert changed == {"ReceiptObserver", "RemoteReader"}


@pytest.mark.parametrize("path", sorted(SOURCES.glob("[A-Z]*.vy")), ids=lambda path: path.stem)
def test_what_a_contract_imports_is_what_the_compiler_reads(path: Path) -> None:
    read: set[str] = set()

    class Watched(FilesystemInputBundle):  # type: ignore[misc]
        def load_file(self, path: Any) -> Any:
            loaded = super().load_file(path)
            read.add(Path(loaded.resolved_path).name)
            return loaded

    bundle = Watched([SOURCES])
    compile_from_file_input(bundle.load_file(path.name), input_bundle=bundle, output_formats=["interface"])
    ours = {name for name in read if (SOURCES / name).exists()}
    assert {source.name for source in sources(path)} >= ours


def test_a_source_that_does_not_compile_is_told_apart_from_one_that_a_test_refuses(tmp_path: Path) -> None:
    (tmp_path / "Broken.vy").write_text("# pragma version 0.4.3\n@external\ndef f():\n    x: uint256 = nothing\n")
    told: list[str] = []
    with pytest.raises(Exception, match="nothing"):
        Artifacts(tmp_path / "cache", told.append).at(tmp_path / "Broken.vy")
    assert len(told) == 1
    assert told[0].startswith("Broken.vy: UndeclaredDefinition")


def verdict(outcome: str, *, of: int = 0, by: str = "") -> Verdict:
    return Verdict(of_contract()[of], outcome, by)


def test_a_run_passes_when_every_guard_is_tested_or_declared_with_a_reason() -> None:
    found = [verdict(KILLED), verdict(SURVIVED, of=1)]
    assert not list(unexplained(found, {found[1].mutant.key: "the loop before refuses it"}))
    assert "accepted" in shown(found[1], {found[1].mutant.key: "the loop before refuses it"})


@pytest.mark.parametrize("outcome", [SURVIVED, NOT_COMPILED, TIMED_OUT, NOT_RUN])
def test_a_run_fails_on_a_guard_that_no_test_missed(outcome: str) -> None:
    assert len(list(unexplained([verdict(outcome), verdict(KILLED, of=1)], {}))) == 1


@pytest.mark.parametrize("outcome", [NOT_COMPILED, TIMED_OUT, NOT_RUN])
def test_a_declaration_excuses_no_guard_that_was_not_judged(outcome: str) -> None:
    found = verdict(outcome)
    assert list(unexplained([found], {found.mutant.key: "not needed"}))


def test_a_declared_survivor_that_a_test_notices_fails_the_run() -> None:
    found = verdict(KILLED)
    assert "but killed" in next(unexplained([found], {found.mutant.key: "unreachable"}))


def test_a_declared_survivor_that_is_no_guard_fails_the_run() -> None:
    assert "but no guard" in next(unexplained([verdict(KILLED)], {"spend: assert gone": "unreachable"}))


def test_of_two_guards_alike_only_the_declared_one_may_survive() -> None:
    first, second = verdict(SURVIVED, of=1), verdict(SURVIVED, of=3)
    assert first.mutant.guard == second.mutant.guard
    complaints = list(unexplained([first, second], {second.mutant.key: "the first one stands before it"}))
    assert complaints == [f"not tested: line {first.mutant.line}, {first.mutant.key}"]


def test_every_source_declared_exists_and_its_survivors_are_guards_of_it() -> None:
    for module in tomllib.loads(DECLARED.read_text()):
        of_module = declared(module)
        assert of_module.tests
        assert not [test for test in of_module.tests if not (ROOT / test).exists()]
        found = {each.key for each in mutants((ROOT / module).read_text(), is_vyper=module.endswith(".vy"))}
        assert found, module
        assert set(of_module.accepted) <= found
        assert all(of_module.accepted.values())


def test_every_contract_with_a_guard_is_declared() -> None:
    guarded = {path for path in SOURCES.glob("*.vy") if of_contract(path.read_text())}
    assert {str(path.relative_to(ROOT)) for path in guarded} <= set(tomllib.loads(DECLARED.read_text()))


def test_what_was_found_holds_for_the_project_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.guard_kill.REMEMBERED", tmp_path)
    found = verdict(KILLED, by="tests/test_it.py::test_it")
    Memory.of("contracts/vyper/Spender.vy", "one tree").note(found)
    assert Memory.of("contracts/vyper/Spender.vy", "one tree").verdict(found.mutant) == found
    another = Memory.of("contracts/vyper/Spender.vy", "another tree")
    assert another.verdict(found.mutant) is None
    assert another.killer(found.mutant) == "tests/test_it.py::test_it"


ASKING = """import pytest

TABLE: dict[str, str] = {"one": "Spender: above the limit"}
OTHER = {"two": "Spender: nothing"}


def helper() -> str:
    return "above the limit"


@pytest.mark.parametrize("reason", ["Spender: seven"])
def test_seven(reason: str) -> None: ...


@pytest.mark.parametrize("name", TABLE)
def test_by_table(name: str) -> None: ...


def test_nothing() -> None:
    refused("Spender: nothing")
"""


@pytest.mark.parametrize(
    ("said", "tests"),
    [
        ("seven", ["test_seven"]),
        ("above the limit", ["test_by_table"]),
        ("nothing", ["test_nothing"]),
        ("not paid", []),
    ],
)
def test_the_tests_that_name_a_message_are_asked_first(said: str, tests: list[str]) -> None:
    assert suspects_in(ASKING, said) == tests


GUARDED = """def checked(x: int) -> int:
    if x < 0:
        raise ValueError("negative")
    if x > 9:
        raise ValueError("large")
    return x
"""
TEST = """import pytest

from ledger.guarded_for_a_test import checked


def test_small() -> None:
    assert checked(3) == 3


def test_negative() -> None:
    with pytest.raises(ValueError, match="negative"):
        checked(-1)
"""


def test_a_run_prints_what_each_guard_became(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for room in ("ledger", "contracts", "tests"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").touch()
    for name in ("contracts/compiler.py", "tests/guard_sources.py", "pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    (tmp_path / "ledger/guarded_for_a_test.py").write_text(GUARDED)
    (tmp_path / "tests/test_guarded.py").write_text(TEST)
    monkeypatch.setattr("tests.guard_copy.ROOT", tmp_path)
    monkeypatch.setattr("tests.guard_kill.REMEMBERED", tmp_path / "remembered")
    assert main(["ledger/guarded_for_a_test.py", "tests/test_guarded.py"]) == 1
    printed = capsys.readouterr().out
    assert re.search(
        r"3 +killed +checked: raise ValueError\(\"negative\"\)\n +tests/test_guarded.py::test_neg", printed
    )
    assert re.search(r"5 +SURVIVED +checked: raise ValueError\(\"large\"\)", printed)
    assert "1 of 2 guards are tested" in printed
    assert (tmp_path / "ledger/guarded_for_a_test.py").read_text() == GUARDED

    (tmp_path / "tests/test_guarded.py").write_text(TEST.replace("== 3", "== 4"))
    assert main(["ledger/guarded_for_a_test.py", "tests/test_guarded.py"]) == 2
    assert "with every guard in its place" in capsys.readouterr().err
