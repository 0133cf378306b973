"""A relay as its operator meets it: the configuration file, `relay run`, `relay status`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import relay
from contracts.manifest import Role
from contracts.submitter import Spending
from ledger.cli import build
from ledger.errors import Problem
from ledger.store.chain_book import ChainBook
from ledger.store.database import Database
from relay.config import RelayConfig, read_key
from relay.partner.config import PartnerConfig, digest_of
from relay.service import start
from tests.contracts.world import CHAIN_IDS, STRANGER, World
from tests.ledger.refusals import refused
from tests.relay.written import MANIFEST

NODES = {f"eip155:{chain_id}": f"http://127.0.0.1:{chain_id}" for chain_id in (7101, 7102, 7103)}


def write(place: Path, /, **changed: Any) -> Path:
    """A good configuration with everything it names, some fields changed or (None) left out."""
    (place / "manifest.json").write_bytes(MANIFEST.dump())
    key = place / "relay.key"
    key.write_text(f"0x{STRANGER.secret.hex()}\n")
    key.chmod(0o600)
    fields = {
        "manifest": "manifest.json",
        "nodes": NODES,
        "notaries": [{"name": "notary 1", "url": "http://127.0.0.1:9001"}],
        "key": "relay.key",
    } | changed
    path = place / "relay.json"
    path.write_text(json.dumps({name: value for name, value in fields.items() if value is not None}))
    return path


def test_a_configuration_is_read_relative_to_its_file(tmp_path: Path) -> None:
    loaded = RelayConfig.load(write(tmp_path, database="data"))
    assert loaded.manifest == MANIFEST
    assert loaded.nodes == {7101: NODES["eip155:7101"], 7102: NODES["eip155:7102"], 7103: NODES["eip155:7103"]}
    assert loaded.notaries == (("notary 1", "http://127.0.0.1:9001"),)
    assert loaded.key.address == STRANGER.address
    assert loaded.database == tmp_path / "data"
    assert RelayConfig.load(write(tmp_path)).database is None
    assert (loaded.folder, loaded.spending) == (tmp_path / "relay-folder", Spending())
    spending = {"lane_wei_per_day": "7", "wei_per_day": str(10**19), "max_fee_wei": "9"}
    other = RelayConfig.load(write(tmp_path, folder="mine", spending=spending))
    assert (other.folder, other.spending) == (tmp_path / "mine", Spending(7, 10**19, 9))


NOTARY = {"name": "notary 1", "url": "http://127.0.0.1:9001"}
MALFORMED: dict[str, tuple[dict[str, Any], str]] = {
    "J03_spending_as_a_number": ({"spending": {"wei_per_day": 5}}, "CONFIG_FORMAT"),
    "J03_spending_below_zero": ({"spending": {"wei_per_day": "-5"}}, "CONFIG_FORMAT"),
    "J03_spending_of_nothing": ({"spending": {"wei_per_day": "0"}}, "CONFIG_FORMAT"),
    "J03_spending_on_something_else": ({"spending": {"wei": "5"}}, "CONFIG_FORMAT"),
    "without_nodes": ({"nodes": None}, "CONFIG_FORMAT"),
    "with_an_unknown_field": ({"notarys": []}, "CONFIG_FORMAT"),
    "with_a_node_missing": ({"nodes": {"eip155:7101": "http://127.0.0.1:1"}}, "CONFIG_FORMAT"),
    "with_a_node_too_many": ({"nodes": NODES | {"eip155:1": "http://127.0.0.1:1"}}, "CONFIG_FORMAT"),
    "with_a_chain_that_is_none": ({"nodes": NODES | {"7101": "http://127.0.0.1:1"}}, "CHAIN_NAME"),
    "with_a_node_that_is_a_file": ({"nodes": NODES | {"eip155:7101": "file:///etc/passwd"}}, "CONFIG_FORMAT"),
    "with_a_node_that_is_a_number": ({"nodes": NODES | {"eip155:7101": 8545}}, "CONFIG_FORMAT"),
    "with_nodes_as_a_list": ({"nodes": list(NODES.values())}, "CONFIG_FORMAT"),
    "without_notaries": ({"notaries": []}, "CONFIG_FORMAT"),
    "with_a_notary_twice": ({"notaries": [NOTARY, NOTARY]}, "CONFIG_FORMAT"),
    "with_a_notary_without_url": ({"notaries": [{"name": "notary 1"}]}, "CONFIG_FORMAT"),
    "with_a_manifest_that_is_not_there": ({"manifest": "other.json"}, "CONFIG_UNREADABLE"),
    "with_a_manifest_that_is_none": ({"manifest": "relay.key"}, "JSON_SYNTAX"),
    "with_a_key_that_is_not_there": ({"key": "other.key"}, "CONFIG_UNREADABLE"),
    "with_a_key_that_is_a_folder": ({"key": "."}, "CONFIG_UNREADABLE"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_configuration_is_refused(tmp_path: Path, name: str) -> None:
    changed, code = MALFORMED[name]
    with refused(code):
        RelayConfig.load(write(tmp_path, **changed))
    assert RelayConfig.load(write(tmp_path))


KEYS: dict[str, Callable[[str], str]] = {
    "without_0x": lambda text: text[2:],
    "in_upper_case": str.upper,
    "too_short": lambda text: text[:-1],
    "with_a_second_line": lambda text: f"{text}\n{text}",
    "empty": lambda _text: "",
    "zero": lambda _text: "0x" + "00" * 32,
}


@pytest.mark.parametrize("name", KEYS)
def test_K01_a_key_file_is_read_strictly_and_never_shown(tmp_path: Path, name: str) -> None:
    path = tmp_path / "relay.key"
    secret = STRANGER.secret.hex()
    path.write_text(KEYS[name](f"0x{secret}"))
    path.chmod(0o600)
    with pytest.raises(Problem) as caught:
        read_key(path)
    assert caught.value.code in ("KEY_FORMAT", "KEY_INVALID")
    assert secret[:16] not in f"{caught.value} {caught.value!r}".lower()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_K01_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "relay.key"
    path.write_text(f"0x{STRANGER.secret.hex()}\n")
    path.chmod(mode)
    with refused("KEY_MODE"):
        read_key(path)
    path.chmod(0o600)
    assert read_key(path).address == STRANGER.address
    assert STRANGER.secret.hex() not in repr(RelayConfig.load(write(tmp_path)))


def test_the_command_explains_itself() -> None:
    for arguments in (["relay", "--help"], ["relay", "run", "--help"], ["relay", "status", "--help"]):
        shown = CliRunner().invoke(build(), arguments)
        assert shown.exit_code == 0
        assert "Usage" in shown.output


def test_the_partners_in_the_readme_are_a_configuration(tmp_path: Path) -> None:
    readme = (Path(relay.__file__).parent / "README.md").read_text("utf-8")
    path = tmp_path / "partners.json"
    path.write_text(readme.partition("## Partners")[2].partition("```json\n")[2].partition("```")[0])
    loaded = PartnerConfig.load(path)
    assert (loaded.folder, loaded.public_url, loaded.partners[0].name) == (
        tmp_path / "partners-data",
        "https://relay.example",
        "harbour",
    )
    assert (loaded.private_webhooks, loaded.rate, loaded.burst) == (False, 20, 60)


ROW = {"name": "harbour", "key_sha256": "0" * 64}
PARTNERS: dict[str, dict[str, Any]] = {
    "without_a_folder": {"folder": None},
    "with_an_unknown_field": {"keys": []},
    "with_a_key_in_it": {"partners": [{"name": "harbour", "key": "ptk_x"}]},
    "with_a_short_digest": {"partners": [ROW | {"key_sha256": "00"}]},
    "with_a_name_in_capitals": {"partners": [ROW | {"name": "Harbour"}]},
    "with_a_name_twice": {"partners": [ROW, ROW | {"key_sha256": "1" * 64}]},
    "with_a_key_twice": {"partners": [ROW, ROW | {"name": "mill"}]},
    "with_a_rate_of_zero": {"requests_per_second": 0},
    "with_a_rate_that_is_text": {"burst": "9"},
    "with_a_flag_that_is_text": {"private_webhooks": "no"},
    "with_a_name_instead_of_a_url": {"public_url": "relay.example"},
}


@pytest.mark.parametrize("name", PARTNERS)
def test_a_partners_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "partners.json"
    good: dict[str, Any] = {"folder": "data", "partners": [ROW]}
    path.write_text(json.dumps({key: value for key, value in (good | PARTNERS[name]).items() if value is not None}))
    with refused("CONFIG_FORMAT"):
        PartnerConfig.load(path)
    path.write_text(json.dumps(good))
    assert PartnerConfig.load(path).partners[0].name == "harbour"


def test_K01_a_partners_key_is_printed_once_and_only_its_digest_is_kept() -> None:
    shown = [json.loads(CliRunner().invoke(build(), ["relay", "partner-key", "harbour"]).output) for _ in range(2)]
    assert shown[0]["key"] != shown[1]["key"]
    assert digest_of(shown[0]["key"]).hex() == shown[0]["row"]["key_sha256"]
    assert shown[0]["row"]["name"] == "harbour"
    found = CliRunner().invoke(build(), ["relay", "partner-key", "Har bour"]).exception
    assert isinstance(found, Problem)
    assert (found.code, found.exit_status) == ("PARTNER_NAME", 2)


def test_status_of_nobody_is_a_typed_error() -> None:
    for url in ("http://127.0.0.1:1", "nonsense", "http://[", ""):
        found = CliRunner().invoke(build(), ["relay", "status", url]).exception
        assert isinstance(found, Problem)
        assert (found.code, found.exit_status) == ("RELAY_UNREACHABLE", 1)


def test_a_relay_runs_as_a_program_reads_every_chain_and_stops_when_asked(world: World, tmp_path: Path) -> None:
    nodes = {f"eip155:{CHAIN_IDS[role]}": world.nodes[role].url for role in Role}
    path = write(tmp_path, nodes=nodes, database="data")
    (tmp_path / "manifest.json").write_bytes(world.manifest.dump())
    (tmp_path / "data").mkdir()
    command = [sys.executable, "-c", "from ledger.cli import main; main()", "relay", "run", "--config", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    try:
        assert process.stdout is not None
        announced = json.loads(process.stdout.readline())
        assert announced["account"] == f"0x{STRANGER.address.hex()}"
        heads = {role: int(world.nodes[role].request("eth_blockNumber"), 16) for role in Role}
        shown = _await_read(announced["url"], heads)
        assert all(chain["trouble"] is None for chain in shown["chains"])
        assert set(shown["under_way"]) == {"sent", "proposed", "attested", "committed"}
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    database = Database.open(tmp_path / "data" / "ledger.sqlite")
    cursors = {cursor.chain_id: cursor.number for cursor in ChainBook(database).cursors()}
    assert all(cursors[CHAIN_IDS[role]] >= heads[role] for role in Role)
    database.close()


def test_a_relay_starts_while_one_chain_is_away_and_says_so(world: World, tmp_path: Path) -> None:
    nodes = {f"eip155:{CHAIN_IDS[role]}": world.nodes[role].url for role in Role}
    path = write(tmp_path, nodes=nodes | {f"eip155:{CHAIN_IDS[Role.TRANSACTION]}": "http://127.0.0.1:1"})
    (tmp_path / "manifest.json").write_bytes(world.manifest.dump())
    running = start(RelayConfig.load(path))
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            troubles = [position.trouble for position in running.relay.positions]
            if troubles[2] is not None:
                break
        assert [trouble and trouble.code for trouble in troubles] == [None, None, "NODE_UNREACHABLE"]
    finally:
        running.stop()


def _await_read(url: str, heads: dict[Role, int]) -> dict[str, Any]:
    """The status once every chain is read to its head; bounded by a deadline, not by a pace."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        answer = CliRunner().invoke(build(), ["relay", "status", url])
        assert answer.exit_code == 0, answer.exception
        shown: dict[str, Any] = json.loads(answer.output)
        if all(
            each["next_block"] > head
            for each, head in zip(shown["chains"], (heads[role] for role in Role), strict=True)
        ):
            return shown
    raise AssertionError("the relay did not read the chains")
