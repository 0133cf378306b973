"""Compiling, deploying, naming: the same sources give the same artifacts, and the manifest says what stands where."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts import compiler
from contracts.binding import creation_code
from contracts.compiler import CONTRACTS, compile_all, source_digest
from contracts.deploy import ChainPlan, Deployment, LogIdentity
from contracts.manifest import FORMAT, Manifest, Role
from ledger.errors import BadInput, Problem, Refused
from tests.contracts.world import COMMITTEE, OWNER, STRANGER, World


def test_a_second_compilation_reads_the_cache(tmp_path: Path) -> None:
    compiled: list[str] = []
    first = compile_all(tmp_path, on_compile=compiled.append)
    assert compiled == list(CONTRACTS)
    assert compile_all(tmp_path, on_compile=compiled.append) == first
    assert compiled == list(CONTRACTS)
    assert all(found.bytecode for found in first.values())


def test_any_changed_source_is_another_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = source_digest()
    for path in compiler.SOURCES.glob("*.vy*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(compiler, "SOURCES", tmp_path)
    assert source_digest() == before
    (tmp_path / "merkle.vy").write_bytes((tmp_path / "merkle.vy").read_bytes() + b"\n")
    assert source_digest() != before


def test_every_public_function_and_event_is_documented() -> None:
    # NatSpec stands on everything: each function of a source is followed by its docstring.
    for path in sorted(compiler.SOURCES.glob("*.vy")):
        source = path.read_text()
        assert source.split('"""')[1].strip().startswith("@title"), path.name
        bodies = source.split("\ndef ")[1:]
        assert all('"""' in body.split("\n\n\n")[0] for body in bodies), path.name


def test_the_manifest_reads_back(world: World) -> None:
    assert Manifest.load(world.manifest.dump()) == world.manifest
    assert set(world.manifest.chain(Role.ORIGIN).contracts) == {
        "Committee",
        "Administration",
        "Gateway",
        "AnchorRegistry",
        "WarehouseReceipt",
    }


def test_the_manifest_says_what_the_chains_say(world: World) -> None:
    for chain in world.manifest.chains:
        node = world.nodes[chain.role]
        assert node.request("eth_getBlockByNumber", "0x0", False)["hash"] == f"0x{chain.genesis.hex()}"
        for name, address in chain.contracts.items():
            assert len(node.request("eth_getCode", f"0x{address.hex()}", "latest")) > 2, name
        assert world.read(chain.role, "Gateway", "GENESIS") == chain.genesis
        assert world.read(chain.role, "Administration", "is_sealed") is True
        assert chain.checked_from == int(node.request("eth_blockNumber"), 16) + 1


MALFORMED: dict[str, Any] = {
    "no_object": [],
    "another_format": {"format": "pledgetrail/manifest/v2"},
    "nothing_in_it": {"format": FORMAT},
}


@pytest.fixture(scope="module")
def world(served_world: World) -> World:
    return served_world


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_manifest_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="MANIFEST_FORMAT"):
        Manifest.load(json.dumps(MALFORMED[name]).encode())


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("chains", 0, "genesis"), "0x00"),
        (("chains", 0, "role"), "moon"),
        (("chains", 0, "trie"), "oak"),
        (("chains", 0, "contracts", "Gateway"), "0x01"),
        (("committee", "members"), []),
        (("cosigners", 0, "public_key"), "zz"),
    ],
)
def test_a_manifest_with_a_wrong_field_is_refused(world: World, where: tuple[str | int, ...], value: Any) -> None:
    fields = json.loads(world.manifest.dump())
    target = fields
    for key in where[:-1]:
        target = target[key]
    target[where[-1]] = value
    with pytest.raises(Problem, match=r"MANIFEST_FORMAT|CONFIG_SET"):
        Manifest.load(json.dumps(fields).encode())


def test_three_different_chains_are_needed(world: World) -> None:
    one = ChainPlan("one", world.transactor(Role.ORIGIN, OWNER))
    log = LogIdentity("log.test", b"\x01" * 32, OWNER.address)
    with pytest.raises(Refused, match="CHAIN_ID"):
        Deployment(dict.fromkeys(Role, one), COMMITTEE, world.manifest.cosigners, log, [])


def test_a_call_that_would_revert_is_refused_before_it_is_paid_for(world: World) -> None:
    before = balance(world)
    with pytest.raises(Refused) as refused:
        world.send(Role.ORIGIN, "AnchorRegistry", "anchor", 1, bytes(32), by=STRANGER)
    assert (refused.value.code, balance(world)) == ("CALL_REVERTED", before)
    assert "AnchorRegistry: not the anchorer" in refused.value.what


def test_constructors_refuse_what_is_no_gateway(world: World) -> None:
    with pytest.raises(Refused, match="application: no gateway"):
        code = creation_code("GoodsRegistry", STRANGER.address)
        world.transactor(Role.ORIGIN, OWNER).submit(None, code)
    with pytest.raises(Refused, match="Gateway: no committee"):
        code = creation_code(
            "Gateway", b"\x01" * 32, STRANGER.address, world.manifest.chain(Role.ORIGIN).contracts["Administration"]
        )
        world.transactor(Role.ORIGIN, OWNER).submit(None, code)


def balance(world: World) -> str:
    return str(world.nodes[Role.ORIGIN].request("eth_getBalance", f"0x{STRANGER.address.hex()}", "latest"))


def test_chains_of_one_deployment_differ(world: World) -> None:
    assert len({chain.genesis for chain in world.manifest.chains}) == 3
    swapped = replace(world.manifest, chains=world.manifest.chains[::-1])
    assert swapped.chain(Role.ORIGIN) == world.manifest.chain(Role.ORIGIN)
