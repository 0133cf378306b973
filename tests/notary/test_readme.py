"""The room's README is an operator's guide: what it says is what the program does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import notary
from ledger.errors import Problem
from notary.config import NotaryConfig
from notary.verbs import register
from tests.chains import Deployed

ROOM = Path(notary.__file__).parent
README = (ROOM / "README.md").read_text("utf-8")
RAISED = re.compile(r'(?:BadInput|Refused|Unavailable|WrongUse)\(\s*"([A-Z_]+)"')
# What only a program that speaks to the API meets; the answer itself says the cure.
OF_REQUESTS = {
    "REQUEST_FORMAT",
    "BODY_SIZE",
    "BODY_CUT",
    "BODY_SLOW",
    "HTTP",
    "LEAVES_COUNT",
    "LEAVES_MIXED",
    "LEAF_REPEATED",
    "VERDICTS_COUNT",
    "VERDICT_REPEATED",
    "LOCATOR",
    "CHAIN_UNKNOWN",
    "OLD_SIZE",
}
OF_COMMANDS = {"CONFIG_FORMAT", "CONFIG_UNREADABLE", "NOTARY_UNREACHABLE", "JOURNAL_UNREADABLE", "JOURNAL_DURABILITY"}


def test_every_code_an_operator_can_meet_stands_in_the_failure_table() -> None:
    raised = {code for path in ROOM.rglob("*.py") for code in RAISED.findall(path.read_text("utf-8"))}
    assert len(raised) > 30
    table = README.partition("## Failure table")[2]
    assert {code for code in raised - OF_REQUESTS - OF_COMMANDS if code not in table} == set()


def test_the_configuration_in_the_readme_is_one(chains: Deployed, tmp_path: Path) -> None:
    found = re.search(r"```json\n(.+?)```", README, re.DOTALL)
    assert found is not None
    (tmp_path / "notary.json").write_text(found[1])
    (tmp_path / "manifest.json").write_bytes(chains.manifest.dump())
    config = NotaryConfig.load(tmp_path / "notary.json")
    assert (config.index, config.folder) == (0, tmp_path / "notary0")
    fields = json.loads(found[1])
    for name in fields:
        incomplete = {key: value for key, value in fields.items() if key != name}
        (tmp_path / "notary.json").write_text(json.dumps(incomplete))
        with pytest.raises(Problem) as caught:
            NotaryConfig.load(tmp_path / "notary.json")
        assert caught.value.code == "CONFIG_FORMAT"


def test_the_commands_in_the_readme_exist_with_these_options() -> None:
    app = typer.Typer()
    register(app)
    runner = CliRunner()
    commands = re.findall(r"^pledgetrail notary (\w+)([^#\n]*)", README, re.MULTILINE)
    assert {name for name, _ in commands} == {"keys", "order", "run", "status", "watch"}
    for name, arguments in commands:
        shown = runner.invoke(app, ["notary", name, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
        assert shown.exit_code == 0
        assert all(option in shown.output for option in re.findall(r"--\w+", arguments))
