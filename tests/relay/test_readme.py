"""The room's README is an operator's guide: what it says is what the program does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import typer
from typer.testing import CliRunner

import relay
from relay.config import RelayConfig
from relay.verbs import register
from tests.relay.test_config_and_verbs import write

ROOM = Path(relay.__file__).parent
README = (ROOM / "README.md").read_text("utf-8")


def test_the_configuration_in_the_readme_is_one(tmp_path: Path) -> None:
    found = re.search(r"```json\n(\{\n  \"manifest\".+?)```", README, re.DOTALL)
    assert found is not None
    write(tmp_path)
    (tmp_path / "relay.json").write_text(found[1])
    loaded = RelayConfig.load(tmp_path / "relay.json")
    assert set(loaded.nodes) == {7101, 7102, 7103}
    assert json.loads(found[1])["notaries"][0]["name"] == loaded.notaries[0][0]


def test_the_commands_in_the_readme_exist_with_these_options() -> None:
    app = typer.Typer()
    register(app)
    commands = re.findall(r"^pledgetrail ((?:relay )?[a-z-]+)([^#\n]*)", README, re.MULTILINE)
    assert {name for name, _ in commands} >= {
        "relay run",
        "relay status",
        "relay retry",
        "relay skip",
        "explain",
        "reindex",
    }
    for name, arguments in commands:
        environment = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
        shown = CliRunner().invoke(app, [*name.split(), "--help"], env=environment)
        assert shown.exit_code == 0, name
        assert all(option in shown.output for option in re.findall(r"--[a-z]+", arguments)), name
