"""Compiling, deploying, naming: the same sources give the same artifacts, and the manifest says what stands where."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts import compiler
from contracts.binding import creation_code
from contracts.chain_rules import require_served
from contracts.compiler import compile_all, source_digest
from contracts.deploy import ChainPlan, Deployment, LanePlan, LogIdentity
from contracts.manifest import FORMAT, Manifest, Policy, Role, Rules, Seals
from contracts.plan import (
    EXCHANGE,
    EXCHANGE_LANES,
    PLEDGE_LANES,
    ApplicationPlan,
    HeaderTerms,
    require_possible,
)
from ledger.errors import BadInput, Problem, Refused
from tests.contracts.world import COMMITTEE, OWNER, STRANGER, World


def test_a_second_compilation_reads_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = ("AnchorRegistry", "GoodsRegistry")  # all of them are compiled once, for the tests of what they do
    monkeypatch.setattr(compiler, "CONTRACTS", few)
    compiled: list[str] = []
    first = compile_all(tmp_path, on_compile=compiled.append)
    assert compiled == list(few)
    assert compile_all(tmp_path, on_compile=compiled.append) == first
    assert compiled == list(few)
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
    "another_format": {"format": "pledgetrail/manifest/v1"},
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
        (("chains", 0, "rules", "trie"), "oak"),
        (("chains", 0, "rules", "finality_blocks"), -1),
        (("chains", 0, "rules", "system_calls"), "no"),
        (("chains", 0, "rules", "capabilities", "seals"), "wax"),
        (("chains", 0, "lanes", 0, "policy"), "trust_me"),
        (("chains", 0, "lanes", 0, "origin"), 7101),
        (("chains", 0, "owners", "AnchorRegistry"), None),
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


@pytest.mark.parametrize(
    ("where", "code"),
    [
        (("committee",), "MANIFEST_FORMAT"),
        (("rotation",), "MANIFEST_FORMAT"),
        (("rotation", "delay"), "MANIFEST_FORMAT"),
        (("chains", 0, "rules", "capabilities"), "MANIFEST_FORMAT"),
        (("chains", 0, "lanes"), "MANIFEST_FORMAT"),
        (("value_lanes",), "MANIFEST_FORMAT"),
    ],
)
def test_b06_what_is_missing_is_never_taken_as_nothing(world: World, where: tuple[str | int, ...], code: str) -> None:
    fields = target = json.loads(world.manifest.dump())
    for key in where[:-1]:
        target = target[key]
    del target[where[-1]]
    with pytest.raises(BadInput, match=code):
        Manifest.load(json.dumps(fields).encode())


@pytest.mark.parametrize("members", [1, 3])
def test_b05_a_manifest_of_a_weak_set_does_not_load(world: World, members: int) -> None:
    fields = json.loads(world.manifest.dump())
    fields["committee"]["members"] = fields["committee"]["members"][:members]
    with pytest.raises(Refused, match="CONFIG_SET"):
        Manifest.load(json.dumps(fields).encode())


# Policy, what the origin seals, what the destination verifies -> the words that say why not.
BEYOND = {
    "relay without seals": (Policy.RELAY, Seals.NONE, tuple(Policy), "carry no seals"),
    "both without seals": (Policy.NOTARY_AND_RELAY, Seals.NONE, tuple(Policy), "carry no seals"),
    "relay of contract validators": (Policy.RELAY, Seals.QBFT_CONTRACT, tuple(Policy), "whom a contract chooses"),
    "both of contract validators": (Policy.NOTARY_AND_RELAY, Seals.QBFT_CONTRACT, tuple(Policy), "a contract chooses"),
    "relay at one who only counts": (Policy.RELAY, Seals.QBFT, (Policy.NOTARY,), "only notary"),
    "certified at one who only counts": (Policy.CERTIFIED, Seals.NONE, (Policy.NOTARY,), "only notary"),
    "anything at one who checks nothing": (Policy.NOTARY, Seals.QBFT, (), "only nothing"),
}


@pytest.mark.parametrize("name", BEYOND)
def test_a_lane_beyond_its_chains_is_refused_with_the_reason_and_nothing_is_paid(world: World, name: str) -> None:
    policy, seals, verifies, reason = BEYOND[name]
    plans = {role: ChainPlan(role.value, world.transactor(role, OWNER)) for role in Role}
    plans[Role.ORIGIN] = replace(
        plans[Role.ORIGIN], rules=Rules(seals=seals), headers=HeaderTerms(first_header=b"\xc0")
    )
    plans[Role.DESTINATION] = replace(plans[Role.DESTINATION], rules=Rules(verifies=verifies))
    lane = replace(PLEDGE_LANES[0], policy=policy)
    before = heads(world)
    log = LogIdentity("log.test", b"\x01" * 32, OWNER.address)
    with pytest.raises(Refused, match="POLICY_CAPABILITY") as refused:
        Deployment(plans, COMMITTEE, world.manifest.cosigners, log, [], lanes=[lane])
    assert reason in refused.value.what
    assert "AnchorRegistry on origin to AnchorMirror on destination" in refused.value.where
    assert refused.value.cure
    assert heads(world) == before
    require_served(Policy.CERTIFIED, origin=Rules(seals=seals), destination=Rules(), where="")
    require_served(policy, origin=Rules(seals=Seals.QBFT), destination=Rules(), where="")


def test_a_manifest_whose_lane_is_beyond_its_chains_does_not_load(world: World) -> None:
    fields = json.loads(world.manifest.dump())
    fields["chains"][0]["lanes"][0]["policy"] = "relay"
    with pytest.raises(Refused, match="POLICY_CAPABILITY"):
        Manifest.load(json.dumps(fields).encode())
    fields["chains"][0]["lanes"][0]["policy"] = "hash_lock"
    with pytest.raises(Refused, match="carries no messages"):
        Manifest.load(json.dumps(fields).encode())
    fields["chains"][0]["lanes"][0]["policy"] = "certified"
    assert Manifest.load(json.dumps(fields).encode()).chain(Role.ORIGIN).lanes[0].policy is Policy.CERTIFIED


def test_plans_that_cannot_be_carried_out_are_refused(world: World) -> None:
    plans = {role: ChainPlan(role.value, world.transactor(role, OWNER)) for role in Role}
    with pytest.raises(Refused, match="LANE_PLAN"):
        require_possible(plans, [PLEDGE_LANES[0], replace(PLEDGE_LANES[0], carries_value=True)])
    with pytest.raises(Refused, match="LANE_PLAN"):
        require_possible(plans, [LanePlan("AnchorRegistry", Role.ORIGIN, "WarehouseReceipt", Role.ORIGIN)])
    sealed = plans | {Role.ORIGIN: replace(plans[Role.ORIGIN], rules=Rules(seals=Seals.QBFT))}
    with pytest.raises(Refused, match="HEADERS_UNKNOWN"):
        require_possible(sealed, [replace(PLEDGE_LANES[0], policy=Policy.RELAY)])
    for applications in ([*EXCHANGE, EXCHANGE[0]], [ApplicationPlan("Gateway", Role.ORIGIN)]):
        with pytest.raises(Refused, match="APPLICATION_PLAN"):
            require_possible(plans, PLEDGE_LANES, applications)
    require_possible(plans, PLEDGE_LANES + EXCHANGE_LANES, EXCHANGE)


def heads(world: World) -> list[str]:
    return [str(world.nodes[role].request("eth_blockNumber")) for role in Role]


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
