"""A configuration file has known fields and no others; whoever mistypes one is told which file, which field, and which
fields there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.config_file import MAX_CONFIG_BYTES, about, fields_of, non_empty, read_fields
from ledger.errors import BadInput, Problem, Refused, Unavailable

CURE = "See the README."


def written(folder: Path, content: str) -> Path:
    path = folder / "some.json"
    path.write_text(content)
    return path


def refusal(path: Path) -> Problem:
    with pytest.raises(Problem) as caught, about(path, cure=CURE):
        read_fields(path, {"a", "b"}, {"c"})
    return caught.value


@pytest.mark.parametrize("content", ['{"a": 1, "b": 2}', '{"a": 1, "b": 2, "c": 3}'])
def test_needed_fields_and_any_of_the_optional_ones_are_read(tmp_path: Path, content: str) -> None:
    path = written(tmp_path, content)
    with about(path):
        assert read_fields(path, {"a", "b"}, {"c"}).keys() >= {"a", "b"}


@pytest.mark.parametrize(
    ("content", "what"),
    {
        "a list": ("[]", "the file is no object; it has a, b, and if you like c."),
        "a field too few": ('{"b": 2, "c": 3}', "the file lacks a; it has a, b, and if you like c."),
        "a field misspelt": ('{"a": 1, "b": 2, "C": 3}', "the file has no field 'C'; it has a, b, and if you like c."),
        "a name for the terminal": (
            '{"a": 1, "b": 2, "\\u001b[2J": 3}',
            "the file has no field '\\x1b[2J'; it has a, b, and if you like c.",
        ),
    }.values(),
)
def test_refuses_other_fields_and_names_them(tmp_path: Path, content: str, what: str) -> None:
    path = written(tmp_path, content)
    problem = refusal(path)
    assert isinstance(problem, BadInput)
    assert (problem.code, problem.what, problem.where, problem.cure) == ("CONFIG_FORMAT", what, str(path), CURE)


def test_a_name_without_end_is_cut(tmp_path: Path) -> None:
    assert len(refusal(written(tmp_path, f'{{"a": 1, "b": 2, "{"x" * 9_000}": 3}}')).what) < 100


@pytest.mark.parametrize(("content", "code"), [('{"a": 1', "JSON_SYNTAX"), ('{"a": 1, "a": 2}', "JSON_DUPLICATE_KEY")])
def test_refuses_what_is_no_strict_json_with_the_file_and_the_place(tmp_path: Path, content: str, code: str) -> None:
    path = written(tmp_path, content)
    problem = refusal(path)
    assert problem.code == code
    assert problem.where.startswith(str(path))


def test_refuses_a_file_that_is_too_long_or_not_there(tmp_path: Path) -> None:
    assert refusal(written(tmp_path, " " * MAX_CONFIG_BYTES + "{}")).code == "JSON_SIZE"
    problem = refusal(tmp_path / "nowhere.json")
    assert isinstance(problem, Unavailable)
    assert (problem.code, problem.where) == ("CONFIG_UNREADABLE", str(tmp_path / "nowhere.json"))


def test_another_file_that_it_names_is_named_beside_it(tmp_path: Path) -> None:
    inner = Refused("KEY_MODE", "others may read it", where="device.key")
    with pytest.raises(Refused) as caught, about(tmp_path / "some.json"):
        raise inner
    assert caught.value is inner
    assert inner.where == f"{tmp_path}/some.json: device.key"


@pytest.mark.parametrize("value", ["", None, 1, ["a"]])
def test_a_name_path_or_url_is_text_that_is_not_empty(value: object) -> None:
    with pytest.raises(ValueError, match="non-empty text"):
        non_empty(value)  # type: ignore[arg-type]  # what no file says


def test_an_object_without_needed_fields_says_which_it_may_have() -> None:
    assert fields_of({}, "spending", set(), {"c"}) == {}
    with pytest.raises(ValueError, match="spending has no field 'd'; it has nothing, and if you like c"):
        fields_of({"d": 1}, "spending", set(), {"c"})
