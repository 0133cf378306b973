"""`verify` names each single difference between a manifest and the chains, and nothing in an honest one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from contracts.manifest import Cosigner, Limits, Manifest, Observer, Policy, Role
from contracts.node import Node
from contracts.verify import Verification, verify
from contracts.verify.committee import check_set
from ledger.errors import WrongUse
from ledger.quorum import Committee
from tests.contracts.liar import Instead
from tests.contracts.world import World

STRANGERS = b"\x77" * 20


def looked_at(world: World, manifest: Manifest | None = None, **nodes: Node) -> Verification:
    """Verify the world's chains, with some nodes replaced, against its manifest or another."""
    asked = {role: [nodes.get(role.value, world.nodes[role])] for role in Role}
    return verify(manifest or world.manifest, asked)


def codes(found: Verification) -> set[str]:
    return {finding.code for finding in found.findings}


def with_chain(manifest: Manifest, role: Role, **changed: Any) -> Manifest:
    chains = tuple(replace(chain, **changed) if chain.role is role else chain for chain in manifest.chains)
    return replace(manifest, chains=chains)


def test_an_honest_deployment_differs_in_nothing(world: World) -> None:
    steps: list[str] = []
    found = verify(world.manifest, {role: [node] for role, node in world.nodes.items()}, on_step=steps.append)
    assert found.findings == ()
    assert found.notes == ()
    aspects = {each.aspect for each in found.comparisons if each.compared}
    assert aspects == {"the set", "network", "code", "committee", "gateway", "lanes", "applications"}
    assert all(any(step.startswith(chain.name) for step in steps) for chain in world.manifest.chains)


ORIGIN, DESTINATION, TRANSACTION = Role.ORIGIN, Role.DESTINATION, Role.TRANSACTION


def other_contract(role: Role, name: str) -> Any:
    """The manifest names another address for a contract: an account without code."""
    return lambda m: with_chain(m, role, contracts=m.chain(role).contracts | {name: STRANGERS})


def other_lane(**changed: Any) -> Any:
    def change(m: Manifest) -> Manifest:
        first, *rest = m.chain(DESTINATION).lanes
        return with_chain(m, DESTINATION, lanes=(replace(first, **changed), *rest))

    return change


def other_members(m: Manifest) -> Manifest:
    members = (*m.committee.members[:3], STRANGERS)
    return replace(m, committee=Committee(1, members))


def other_cosigner(m: Manifest) -> Manifest:
    return replace(m, cosigners=(Cosigner("somebody.else", m.cosigners[0].public_key), *m.cosigners[1:]))


def one_operator(m: Manifest) -> Manifest:
    first = m.cosigners[0]
    return replace(m, cosigners=tuple(replace(each, name=first.name) for each in m.cosigners))


# What the manifest says otherwise than the chains → the codes that must be found, and no others.
DIFFERENCES: dict[str, tuple[Any, set[str]]] = {
    "a longer chain": (lambda m: with_chain(m, TRANSACTION, checked_from=10**6), {"NETWORK_BEHIND"}),
    "an application without code": (
        other_contract(ORIGIN, "WarehouseReceipt"),
        {"CODE_MISSING", "CODE_CREATION", "CODE_ARGUMENT", "CODE_IMMUTABLE"},
    ),
    "an application with another's code": (
        lambda m: with_chain(
            m,
            DESTINATION,
            contracts=m.chain(DESTINATION).contracts | {"Coordinator": m.chain(DESTINATION).lanes[0].recipient},
        ),
        {"CODE_CREATION", "CODE_DIFFERS"},
    ),
    "a contract nobody knows": (
        lambda m: with_chain(m, ORIGIN, contracts=m.chain(ORIGIN).contracts | {"Vault": STRANGERS}),
        {"CODE_UNKNOWN"},
    ),
    "a contract of ours about which nothing is stated": (
        lambda m: with_chain(
            m, ORIGIN, contracts=m.chain(ORIGIN).contracts | {"RemoteReader": m.chain(ORIGIN).contracts["Gateway"]}
        ),
        {"CODE_UNKNOWN"},
    ),
    "a deployment that began later": (
        lambda m: with_chain(m, ORIGIN, first_block=m.chain(ORIGIN).first_block + 1),
        # The committee is created first, and who did it is fixed in its code: without its creation nobody can say.
        {"CODE_CREATION", "CODE_IMMUTABLE"},
    ),
    "another epoch": (lambda m: replace(m, committee=replace(m.committee, epoch=2)), {"COMMITTEE_EPOCH"}),
    "another member": (other_members, {"COMMITTEE_MEMBERS", "COMMITTEE_RECORDS", "CODE_ARGUMENT"}),
    "another cosigner": (other_cosigner, {"COMMITTEE_RECORDS", "CODE_ARGUMENT"}),
    "B07 one operator of all": (
        one_operator,
        {"CONFIG_SET", "CONFIG_CONCENTRATION", "COMMITTEE_RECORDS", "CODE_ARGUMENT"},
    ),
    "B05 a cosigner less": (
        lambda m: with_set(m, m.cosigners[:3]),
        {"CONFIG_SET"},
    ),
    "another delay": (
        lambda m: replace(m, rotation=replace(m.rotation, delay=3600)),
        {"ORDER_DELAY", "CODE_ARGUMENT", "CODE_IMMUTABLE"},
    ),
    "another grace": (
        lambda m: replace(m, rotation=replace(m.rotation, grace=1)),
        {"COMMITTEE_GRACE", "CODE_ARGUMENT", "CODE_IMMUTABLE"},
    ),
    "B05 a development flag": (
        lambda m: replace(m, rotation=replace(m.rotation, development=True)),
        {"DEVELOPMENT", "CODE_ARGUMENT", "CODE_IMMUTABLE"},
    ),
    "another owner": (
        lambda m: with_chain(m, ORIGIN, owners=m.chain(ORIGIN).owners | {"AnchorRegistry": STRANGERS}),
        {"OWNER"},
    ),
    "an owner of nothing": (
        lambda m: with_chain(m, ORIGIN, owners=m.chain(ORIGIN).owners | {"Vault": STRANGERS}),
        {"OWNER"},
    ),
    "another anchorer": (
        lambda m: replace(m, anchorer=STRANGERS),
        {"ANCHORER", "CODE_ARGUMENT", "CODE_IMMUTABLE"},
    ),
    "another log": (lambda m: replace(m, log_origin="another.test/tea"), {"CODE_ARGUMENT", "CODE_IMMUTABLE"}),
    "a lane less": (lambda m: with_chain(m, ORIGIN, lanes=()), {"LANE_UNKNOWN", "SENDER_UNKNOWN"}),
    "a lane more": (
        lambda m: with_chain(
            m, ORIGIN, lanes=(*m.chain(ORIGIN).lanes, replace(m.chain(ORIGIN).lanes[0], sender=STRANGERS))
        ),
        {"LANE_MISSING", "SENDER_MISSING"},
    ),
    "another policy": (other_lane(policy=Policy.CERTIFIED), {"LANE_POLICY"}),
    "another generation": (other_lane(generation=2), {"LANE_GENERATION"}),
    "a lane of value": (other_lane(carries_value=True), {"LANE_VALUE"}),
    "limits": (other_lane(limits=Limits(1, 2, 3600)), {"LANE_LIMITS"}),
    "an observer": (
        lambda m: with_chain(m, DESTINATION, observers=(observer(m),)),
        {"CODE_MISSING", "CODE_CREATION", "OBSERVER_DIFFERS"},
    ),
}


def with_set(m: Manifest, cosigners: Sequence[Cosigner]) -> Manifest:
    return replace(m, cosigners=tuple(cosigners))


def observer(m: Manifest) -> Observer:
    return Observer(m.chain(ORIGIN).chain_id, Policy.CERTIFIED, STRANGERS, b"\x78" * 20, 60, 0)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_each_single_difference_is_found_by_name(world: World, name: str) -> None:
    change, expected = DIFFERENCES[name]
    found = looked_at(world, change(world.manifest))
    assert codes(found) == expected
    assert all(finding.what and finding.where and finding.cure for finding in found.findings)
    assert looked_at(world).findings == ()


def test_b05_b07_a_weak_set_is_refused_unless_development_is_what_both_say(world: World) -> None:
    weak = one_operator(replace(world.manifest, rotation=replace(world.manifest.rotation, development=True)))
    refused = check_set(weak, accept_development=False)
    assert {finding.code for finding in refused.findings} == {"DEVELOPMENT", "CONFIG_SET", "CONFIG_CONCENTRATION"}
    accepted = check_set(weak, accept_development=True)
    assert accepted.findings == []
    assert {note.code for note in accepted.notes} == {"DEVELOPMENT", "CONFIG_SET", "CONFIG_CONCENTRATION"}
    # The option alone lets nothing pass: the manifest has to say it too.
    silent = check_set(one_operator(world.manifest), accept_development=True)
    assert {finding.code for finding in silent.findings} == {"CONFIG_SET", "CONFIG_CONCENTRATION"}
    assert check_set(world.manifest, accept_development=True).findings == []


def test_b07_two_keys_of_one_operator_are_found_among_seven_where_no_quorum_hangs_on_them(world: World) -> None:
    members = tuple(bytes([index]) * 20 for index in range(1, 8))
    names = ("a", "a", "b", "c", "d", "e", "f")
    cosigners = tuple(Cosigner(name, bytes([index]) * 32) for index, name in enumerate(names))
    found = check_set(
        replace(world.manifest, committee=Committee(1, members), cosigners=cosigners), accept_development=False
    )
    assert {finding.code for finding in found.findings} == {"CONFIG_SET"}


@pytest.mark.parametrize(
    ("method", "answer", "code"),
    [
        ("eth_chainId", "0x1", "NETWORK_CHAIN_ID"),
        ("eth_getBlockByNumber", lambda block: block | {"hash": f"0x{'99' * 32}"}, "NETWORK_GENESIS"),
    ],
)
def test_e12_another_network_is_found_and_nothing_else_is_asked_of_it(
    world: World, method: str, answer: Any, code: str
) -> None:
    found = looked_at(world, origin=Instead(world.nodes[ORIGIN], **{method: answer}))
    assert codes(found) == {code}
    assert [each.aspect for each in found.comparisons if each.chain.startswith("origin ")] == ["network"]


def test_a_chain_that_nobody_reads_is_refused(world: World) -> None:
    with pytest.raises(WrongUse, match="NODE_OPTION"):
        verify(world.manifest, {ORIGIN: [world.nodes[ORIGIN]]})


def test_each_node_of_a_chain_is_asked(world: World) -> None:
    node = world.nodes[ORIGIN]
    nodes = {role: [world.nodes[role]] for role in Role} | {ORIGIN: [node, Instead(node, eth_getCode="0x")]}
    assert "CODE_MISSING" in codes(verify(world.manifest, nodes))
