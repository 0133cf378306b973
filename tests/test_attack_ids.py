"""Every attack case of the classes that concern contracts, proofs, messages, processes and devices is a test.

The list stands beside the project, `../shared/attacks.tsv`; where it is absent, these tests say so and are skipped.
A test bears an id in its name (`test_J05_…`, `test_b13_and_k01_…`) or in the name of one of its cases
(`"C08 both children": …`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
LIST = TESTS.parents[1] / "shared" / "attacks.tsv"
CLASSES = frozenset((*"ABCDEFGHIJK", "OD", "OV"))
# Not yet a test of their own, each with the reason. Take a row away once its test stands.
WITHOUT_A_TEST: dict[str, str] = {}
AN_ID = re.compile(r"(?<![0-9A-Za-z])([A-Z]{1,2}[0-9]{2})(?![0-9A-Za-z])")


def listed(path: Path) -> dict[str, str]:
    """The attack cases of our classes: their title by id."""
    rows = (line.split("\t") for line in path.read_text().splitlines()[1:])
    return {row[0]: row[2] for row in rows if row[0].rstrip("0123456789") in CLASSES}


def named_in(source: str) -> Iterator[str]:
    """The ids that a file's tests and their cases bear."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield from AN_ID.findall(node.name.replace("_", " ").upper())
        elif isinstance(node, ast.Dict):
            names = (key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))
            yield from (found[1] for name in names if (found := AN_ID.match(name.replace("_", " "))))


def named() -> set[str]:
    files = [path for path in TESTS.rglob("test_*.py") if path != Path(__file__)]
    return {found for path in files for found in named_in(path.read_text())}


@pytest.fixture
def cases() -> dict[str, str]:
    if not LIST.exists():
        pytest.skip("the list of attack cases is not here: ../shared/attacks.tsv")
    return listed(LIST)


def test_every_attack_case_is_a_test_that_bears_its_id(cases: dict[str, str]) -> None:
    assert len(cases) > 80
    known = named() | WITHOUT_A_TEST.keys()  # reads every test file, hence once
    assert {row: title for row, title in cases.items() if row not in known} == {}
    assert WITHOUT_A_TEST.keys() <= cases.keys()


def test_an_id_is_read_from_a_test_and_from_a_case_and_from_nothing_else() -> None:
    source = """
# A01 in a comment
def test_B02_and_c03_hold(): "D04 in words"
def test_of_something(): ...
def not_a_test_E05(): ...
def test_od10_holds(): ...
CASES = {"F06 a case": 1, "G07_too": 2, "a case about H08": 3, "I09x": 4}
"""
    assert set(named_in(source)) == {"B02", "C03", "OD10", "F06", "G07"}


def test_a_list_without_its_tests_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "attacks.tsv"
    path.write_text(
        "id\tclass\tattack\tsubmit\tmust\nOD01\tx\tSpoofed\ty\tz\n"
        "A01\tx\tHigh-s twin\ty\tz\nA99\tx\tUnheard of\ty\tz\nL01\tx\to\ty\tz\n"
    )
    assert listed(path) == {"A01": "High-s twin", "A99": "Unheard of", "OD01": "Spoofed"}
    assert listed(path).keys() - named() == {"A99"}
