"""A relay that publishes a log, as its operator meets it: the configuration, the status, the command."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ledger.bundle import TrustRoot
from ledger.cli import build
from ledger.errors import Refused
from ledger.program import ask_running
from relay.bundling import trust_root_of
from relay.config import RelayConfig
from relay.pace import Pace
from relay.publisher import Standing
from relay.service import start
from relay.shown import show_publishing
from relay.verbs import _peer
from tests.contracts.world import OWNER, World
from tests.ledger.authority import make_authority
from tests.ledger.bundle.estate import DAWN, LOG
from tests.ledger.refusals import refused
from tests.relay.test_config_and_verbs import write

FIELDS = {
    "ledger": "http://127.0.0.1:9",
    "operator_key": "operator.key",
    "key": "anchorer.key",
    "trust_root": "trust-root.json",
}


def written(
    place: Path,
    world: World,
    *,
    root: TrustRoot | None = None,
    nodes: Mapping[str, str] | None = None,
    **changed: Any,
) -> Path:
    """A good configuration of a relay that publishes, with some fields changed or (None) left out."""
    given = FIELDS | changed
    fields = {name: value for name, value in given.items() if value is not None}
    away = {chain.caip2: "http://127.0.0.1:9" for chain in world.manifest.chains}
    path = write(place, publish=fields, nodes=nodes or away)
    (place / "manifest.json").write_bytes(world.manifest.dump())
    (place / "operator.key").write_text("k" * 43 + "\n")
    (place / "anchorer.key").write_text(f"0x{OWNER.secret.hex()}\n")
    (place / "anchorer.key").chmod(0o600)
    (place / "trust-root.json").write_bytes((root or trust_root_of(world.manifest, DAWN.date())).dump())
    return path


def test_it_is_read_relative_to_its_file(tmp_path: Path, world: World) -> None:
    loaded = RelayConfig.load(written(tmp_path, world, every_seconds=60, entries=5)).publish
    assert loaded is not None
    assert (loaded.ledger, loaded.operator_key, loaded.key.address) == (FIELDS["ledger"], "k" * 43, OWNER.address)
    assert (loaded.pace, loaded.stamps) == (Pace(60, 5), None)
    usual = RelayConfig.load(written(tmp_path, world)).publish
    assert usual is not None and usual.pace == Pace()
    assert RelayConfig.load(write(tmp_path)).publish is None


def test_K01_it_shows_no_key(tmp_path: Path, world: World) -> None:
    shown = repr(RelayConfig.load(written(tmp_path, world)))
    assert OWNER.secret.hex() not in shown
    assert "k" * 43 not in shown


MALFORMED: dict[str, tuple[dict[str, Any], str]] = {
    "without_a_ledger": ({"ledger": None}, "CONFIG_FORMAT"),
    "with_a_ledger_that_is_a_file": ({"ledger": "file:///etc/passwd"}, "CONFIG_FORMAT"),
    "with_an_unknown_field": ({"every": 5}, "CONFIG_FORMAT"),
    "every_0_seconds": ({"every_seconds": 0}, "CONFIG_FORMAT"),
    "every_true_seconds": ({"every_seconds": True}, "CONFIG_FORMAT"),
    "every_half_second": ({"every_seconds": 0.5}, "CONFIG_FORMAT"),
    "every_year": ({"every_seconds": 365 * 86_400}, "CONFIG_FORMAT"),
    "at_no_entries": ({"entries": 0}, "CONFIG_FORMAT"),
    "without_an_operators_key": ({"operator_key": "none.key"}, "CONFIG_UNREADABLE"),
    "with_a_trust_root_for_an_operators_key": ({"operator_key": "relay.json"}, "CONFIG_FORMAT"),
    "with_a_key_that_is_no_key": ({"key": "operator.key"}, "KEY_MODE"),
    "with_a_trust_root_that_is_none": ({"trust_root": "manifest.json"}, "TRUST_ROOT_FORMAT"),
    "with_stamps_that_no_authority_makes": ({"stamps": "http://127.0.0.1:9"}, "PUBLISH_STAMPS"),
    "with_stamps_from_a_file": ({"stamps": "stamp.tsr"}, "CONFIG_FORMAT"),
    "with_the_relays_own_account": ({"key": "relay.key"}, "PUBLISH_ACCOUNT"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_configuration_is_refused(tmp_path: Path, world: World, name: str) -> None:
    changed, code = MALFORMED[name]
    with refused(code):
        RelayConfig.load(written(tmp_path, world, **changed))
    assert RelayConfig.load(written(tmp_path, world))


def another_registry(root: TrustRoot) -> TrustRoot:
    return replace(root, anchor_registry=bytes([1]) * 20)


def another_chain(root: TrustRoot) -> TrustRoot:
    return replace(root, origin=replace(root.origin, genesis=bytes(32)))


@pytest.mark.parametrize("other", [lambda root: replace(root, log=LOG.key), another_registry, another_chain])
def test_a_trust_root_of_something_else_is_refused(
    tmp_path: Path, world: World, other: Callable[[TrustRoot], TrustRoot]
) -> None:
    root = trust_root_of(world.manifest, DAWN.date())
    with refused("PUBLISH_TRUST_ROOT"):
        RelayConfig.load(written(tmp_path, world, root=other(root)))
    assert RelayConfig.load(written(tmp_path, world, root=root))


def test_an_authority_is_the_trust_roots(tmp_path: Path, world: World) -> None:
    authority = make_authority(tmp_path / "authority")
    root = replace(trust_root_of(world.manifest, DAWN.date()), timestamping=(authority.root,))
    loaded = RelayConfig.load(written(tmp_path, world, root=root, stamps="http://127.0.0.1:9/tsa")).publish
    assert loaded is not None and loaded.stamps == "http://127.0.0.1:9/tsa"


def test_a_running_relay_says_how_far_it_is_and_takes_a_word(tmp_path: Path, world: World) -> None:
    running = start(RelayConfig.load(written(tmp_path, world)))
    try:
        asked = CliRunner().invoke(build(), ["relay", "publish", running.url])
        assert asked.exit_code == 0, asked.output
        assert set(json.loads(asked.stdout)) == set(show_publishing(Standing()))
        shown = CliRunner().invoke(build(), ["relay", "status", running.url, "--table"], env={"COLUMNS": "200"})
        assert "published" in shown.output
    finally:
        running.stop()
    assert (tmp_path / "relay-folder" / "publisher.sqlite3").exists()


def test_a_relay_that_publishes_nothing_says_so(tmp_path: Path, world: World) -> None:
    path = write(tmp_path, nodes={chain.caip2: "http://127.0.0.1:9" for chain in world.manifest.chains})
    (tmp_path / "manifest.json").write_bytes(world.manifest.dump())
    running = start(RelayConfig.load(path))
    try:
        assert ask_running(running.url, "/status", _peer())["publishing"] is None
        asked = CliRunner().invoke(build(), ["relay", "publish", running.url])
        assert isinstance(asked.exception, Refused) and asked.exception.code == "NOT_PUBLISHING"
    finally:
        running.stop()
