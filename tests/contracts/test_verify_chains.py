"""What `verify` makes of chains on which something else was done than the manifest says, and of nodes that lie."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contracts.binding import creation_code
from contracts.compiler import artifact, artifact_at
from contracts.deploy import Deployment, LanePlan, ValueLanePlan
from contracts.manifest import Limits, Manifest, Policy, Role, Rotation, Rules, Seals
from contracts.plan import PLEDGE_LANES, HeaderTerms
from contracts.transactor import Mined, Transactor
from contracts.verify import Verification, report, verify
from ledger.attestation import pause_digest
from ledger.cli import build
from ledger.errors import Problem
from ledger.proposal import lane_id
from tests.contracts.evm import Evm
from tests.contracts.inprocess import EvmNode
from tests.contracts.liar import Instead
from tests.contracts.swaps import BOUNDS
from tests.contracts.world import (
    CHAIN_IDS,
    NOTARIES,
    OWNER,
    STRANGER,
    World,
    deploy_on,
    in_process_world,
)
from tests.simulator.qbft import QbftChain, keys

ORIGIN, DESTINATION, TRANSACTION = Role.ORIGIN, Role.DESTINATION, Role.TRANSACTION
STRANGERS = b"\x77" * 20


def looked_at(world: World, manifest: Manifest | None = None, *, accept_development: bool = False) -> Verification:
    nodes = {role: [node] for role, node in world.nodes.items()}
    return verify(manifest or world.manifest, nodes, accept_development=accept_development)


def codes(found: Verification) -> set[str]:
    return {finding.code for finding in found.findings}


@contextmanager
def rolled_back(world: World) -> Iterator[None]:
    """What happens on any of the chains leaves nothing behind; nothing differs before and after."""
    assert looked_at(world).findings == ()
    with ExitStack() as stack:
        for node in world.nodes.values():
            assert isinstance(node, EvmNode)
            stack.enter_context(node.rolled_back())
        yield
    assert looked_at(world).findings == ()


def mirror(world: World) -> bytes:
    return world.manifest.chain(DESTINATION).contracts["AnchorMirror"]


def test_what_an_owner_added_later_is_found(world: World) -> None:
    who = (world.manifest.chain(ORIGIN).chain_id, STRANGERS)
    with rolled_back(world):
        world.send(DESTINATION, "AnchorMirror", "admit", *who)
        assert codes(looked_at(world)) == {"SENDER_UNKNOWN"}
        world.send(DESTINATION, "Administration", "open_lane", *who, mirror(world), Policy.NOTARY.value, False)
        assert codes(looked_at(world)) == {"SENDER_UNKNOWN", "LANE_UNKNOWN"}


def test_lower_limits_than_stated_are_found(world: World) -> None:
    lane = world.manifest.chain(DESTINATION).lanes[0]
    with rolled_back(world):
        limits = (1, 2, 3600)
        world.send(DESTINATION, "Administration", "limit_lane", lane.origin, lane.sender, lane.recipient, limits)
        assert codes(looked_at(world)) == {"LANE_LIMITS"}


@pytest.mark.parametrize("is_inbound", [True, False])
def test_a_lane_that_a_member_pauses_is_no_difference_and_is_told(world: World, *, is_inbound: bool) -> None:
    manifest, role = world.manifest, DESTINATION if is_inbound else ORIGIN
    stated = manifest.chain(DESTINATION).lanes[0]
    lane = lane_id(manifest.chain(ORIGIN).end, manifest.chain(DESTINATION).end, stated.sender, stated.recipient)
    contract = world.contract(role, "Administration").address
    digest = pause_digest(chain_id=CHAIN_IDS[role], administration=contract, lane=lane, is_inbound=is_inbound, epoch=1)
    signature = b"\x01" + NOTARIES[1].sign(digest).pack()
    with rolled_back(world):
        world.send(role, "Administration", "pause", lane, is_inbound, 1, signature, by=STRANGER)
        found = looked_at(world)
        assert (codes(found), [note.code for note in found.notes]) == (set(), ["LANE_PAUSED"])


def poisoned(name: str, *arguments: object, slots: dict[int, int], world: World) -> bytes:
    """Creation code that leaves the honest contract's code over a storage of the creator's choice."""
    mined = world.transactor(DESTINATION, OWNER).send(None, creation_code(name, *arguments))
    assert mined.contract is not None
    node = world.nodes[DESTINATION]
    code = bytes.fromhex(node.request("eth_getCode", f"0x{mined.contract.hex()}", "latest")[2:])
    writes = b"".join(b"\x7f%s\x60%c\x55" % (value.to_bytes(32, "big"), slot) for slot, value in slots.items())
    begin = len(writes) + 15
    size = len(code).to_bytes(2, "big")
    copy = b"\x61" + size + b"\x61" + begin.to_bytes(2, "big") + b"\x60\x00\x39\x61" + size + b"\x60\x00\xf3"
    return writes + copy.ljust(15, b"\x00") + code


def named(world: World, mined: Mined) -> Manifest:
    """The manifest, with a coordinator where a transaction created one."""
    assert mined.contract is not None
    chains = tuple(
        replace(
            chain,
            contracts=chain.contracts | {"Coordinator": mined.contract},
            owners=chain.owners | {"Coordinator": OWNER.address},
            checked_from=mined.block + 1,
        )
        if chain.role is DESTINATION
        else chain
        for chain in world.manifest.chains
    )
    return replace(world.manifest, chains=chains)


def test_the_honest_code_over_a_strangers_storage_is_found(world: World) -> None:
    gateway = world.manifest.chain(DESTINATION).contracts["Gateway"]
    with rolled_back(world):
        deployer = world.transactor(DESTINATION, OWNER)
        honest = deployer.send(None, creation_code("Coordinator", gateway))
        assert looked_at(world, named(world, honest)).findings == ()
        owner = int.from_bytes(OWNER.address, "big")
        assert honest.contract is not None
        node = world.nodes[DESTINATION]
        place = f"0x{honest.contract.hex()}"
        slot = next(n for n in range(9) if int(node.request("eth_getStorageAt", place, hex(n), "latest"), 16) == owner)
        code = poisoned("Coordinator", gateway, slots={slot: owner, 200: 1}, world=world)
        bad = deployer.send(None, code)
        found = looked_at(world, named(world, bad))
        assert codes(found) == {"CODE_CREATION"}
        assert "another constructor" in found.findings[0].what


def test_other_code_is_found_and_asked_nothing(world: World) -> None:
    with rolled_back(world):
        token = artifact_at(Path(__file__).parent / "TestToken.vy").bytecode
        found = looked_at(world, named(world, world.transactor(DESTINATION, OWNER).send(None, token)))
        assert codes(found) == {"CODE_CREATION", "CODE_DIFFERS"}


class Unsealed(Deployment):
    """Forgets to end the set-up."""

    def _call(self, site: Any, name: str, function: str, *arguments: object) -> Any:
        return None if function == "seal" else super()._call(site, name, function, *arguments)


class Secretive(Deployment):
    """Registers what the manifest does not name: peer and chain."""

    def _connect(self) -> None:
        super()._connect()
        stranger = (9999, b"\x09" * 32, STRANGERS)
        self._call(self._sites[TRANSACTION], "Administration", "register_peer", stranger)
        self._call(self._sites[TRANSACTION], "TransactionRegistry", "register_chain", stranger)


def test_a_deployment_that_was_never_sealed_is_found() -> None:
    assert codes(looked_at(in_process_world(kind=Unsealed))) == {"UNSEALED"}


def test_a_peer_and_a_chain_that_the_manifest_does_not_name_are_found() -> None:
    found = looked_at(in_process_world(kind=Secretive))
    assert codes(found) == {"PEER_UNKNOWN", "PEER_COUNT", "CHAIN_COUNT"}


def every_policy(kind: type[Deployment] = Deployment, *, is_read: bool = False) -> World:
    """A deployment with a lane of each policy, one of them with value and limits, and a pair of hash locks."""
    chain = QbftChain(keys(4))
    chain.mine()
    sealed = chain.head.unsealed
    lanes = (
        replace(PLEDGE_LANES[0], policy=Policy.RELAY),
        replace(PLEDGE_LANES[1], policy=Policy.CERTIFIED),
        PLEDGE_LANES[2],
        LanePlan(
            "WarehouseReceipt", ORIGIN, "PledgeRegistry", DESTINATION, Policy.NOTARY_AND_RELAY, True, Limits(5, 9, 60)
        ),
    )
    accounts = [key.address for key in (OWNER, STRANGER)]
    nodes: dict[Role, Any] = {role: EvmNode(Evm(chain_id=CHAIN_IDS[role]), accounts) for role in Role}
    token = artifact_at(Path(__file__).parent / "TestToken.vy").bytecode
    placed = {
        role: Transactor(nodes[role], OWNER, chain_id=CHAIN_IDS[role]).send(None, token).contract
        for role in (ORIGIN, DESTINATION)
    }
    locks = ValueLanePlan(ORIGIN, placed[ORIGIN] or b"", DESTINATION, placed[DESTINATION] or b"", BOUNDS)
    plan = {"rules": Rules(seals=Seals.QBFT), "headers": HeaderTerms(first_header=sealed, is_read=is_read)}
    return deploy_on(nodes, NOTARIES, kind=kind, changed={ORIGIN: plan}, lanes=lanes, value_lanes=[locks])


@pytest.fixture(scope="module")
def full() -> World:
    return every_policy()


def test_every_policy_and_a_value_lane_differ_in_nothing(full: World) -> None:
    assert Manifest.load(full.manifest.dump()) == full.manifest
    found = looked_at(full)
    assert found.findings == ()
    assert any(each.aspect == "hash locks" and each.compared == 4 for each in found.comparisons)
    observers = [each for chain in full.manifest.chains for each in chain.observers]
    assert [each.policy for each in observers] == [Policy.RELAY, Policy.CERTIFIED]


def observed_otherwise(**changed: Any) -> Callable[[Manifest], Manifest]:
    def change(manifest: Manifest) -> Manifest:
        chains = tuple(
            replace(chain, observers=tuple(replace(each, **changed) for each in chain.observers))
            for chain in manifest.chains
        )
        return replace(manifest, chains=chains)

    return change


def bound_otherwise(manifest: Manifest) -> Manifest:
    lane = manifest.value_lanes[0]
    bounds = replace(lane.bounds, open_swaps=lane.bounds.open_swaps + 1)
    return replace(manifest, value_lanes=(replace(lane, bounds=bounds),))


ALSO: dict[str, tuple[Callable[[Manifest], Manifest], set[str]]] = {
    "no observers": (observed_otherwise(), set()),
    "another drift": (observed_otherwise(max_drift=61), {"CODE_ARGUMENT", "CODE_IMMUTABLE"}),
    "another trust period": (observed_otherwise(trust_period=7), {"CODE_ARGUMENT", "CODE_IMMUTABLE"}),
    "another first header": (observed_otherwise(first_header=b"\xc0"), {"CODE_ARGUMENT"}),
    "other bounds": (bound_otherwise, {"CODE_ARGUMENT", "CODE_IMMUTABLE", "LOCK_LANE", "LOCK_BOUNDS"}),
}


@pytest.mark.parametrize("name", ALSO)
def test_other_terms_of_headers_and_locks_are_found(full: World, name: str) -> None:
    change, expected = ALSO[name]
    assert codes(looked_at(full, change(full.manifest))) == expected
    assert looked_at(full).findings == ()


def test_an_observer_that_the_manifest_hides_is_found(full: World) -> None:
    chains = tuple(replace(chain, observers=()) for chain in full.manifest.chains)
    assert codes(looked_at(full, replace(full.manifest, chains=chains))) == {"OBSERVER_DIFFERS"}


def test_a_development_deployment_passes_only_where_it_is_accepted_and_says_so_loudly() -> None:
    world = in_process_world(rotation=Rotation(development=True))
    assert codes(looked_at(world)) == {"DEVELOPMENT"}
    accepted = looked_at(world, accept_development=True)
    assert (accepted.findings, accepted.is_development) == ((), True)
    assert [note.code for note in accepted.notes] == ["DEVELOPMENT"]
    silent = replace(world.manifest, rotation=Rotation())
    assert {"DEVELOPMENT", "CODE_ARGUMENT", "CODE_IMMUTABLE"} == codes(looked_at(world, silent))


def without_sender(block: Any) -> Any:
    return block | {"transactions": [{"to": None, "nonce": "0x0", "input": "0x"}]}


STRANGE_LOG = {"address": f"0x{STRANGERS.hex()}", "topics": [], "data": "0x"}
LIES: dict[str, tuple[str, Any, str]] = {
    "no block number": ("eth_blockNumber", None, "NODE_GARBAGE"),
    "a chain id in words": ("eth_chainId", "one", "NODE_GARBAGE"),
    "no genesis": ("eth_getBlockByNumber", None, "NODE_GARBAGE"),
    "one block for all": ("eth_getBlockByNumber", {"number": "0x0", "hash": f"0x{'00' * 31}"}, "NODE_GARBAGE"),
    "transactions as numbers": ("eth_getBlockByNumber", lambda block: block | {"transactions": [1]}, "NODE_GARBAGE"),
    "a block without transactions": (
        "eth_getBlockByNumber",
        lambda block: {name: value for name, value in block.items() if name != "transactions"},
        "NODE_GARBAGE",
    ),
    "a transaction of nobody": ("eth_getBlockByNumber", without_sender, "NODE_GARBAGE"),
    "code that is no hex": ("eth_getCode", "0xzz", "NODE_GARBAGE"),
    "an empty answer": ("eth_call", "0x", "CALL_RESULT"),
    "a call answered by null": ("eth_call", None, "NODE_GARBAGE"),
    "logs that are no list": ("eth_getLogs", {}, "NODE_GARBAGE"),
    "a log that is null": ("eth_getLogs", [None], "NODE_GARBAGE"),
    "a log of a stranger": ("eth_getLogs", [STRANGE_LOG], "NODE_GARBAGE"),
    "a log cut short": (
        "eth_getLogs",
        lambda logs: [log | {"data": log["data"][:-2]} for log in logs],
        "LOG_MALFORMED",
    ),
    "half a storage slot": ("eth_getStorageAt", "0x01", "NODE_GARBAGE"),
}


@pytest.mark.parametrize("name", LIES)
def test_e09_a_node_that_answers_rubbish_is_a_typed_error(world: World, name: str) -> None:
    method, answer, code = LIES[name]
    nodes = {role: [Instead(node, **{method: answer})] for role, node in world.nodes.items()}
    with pytest.raises(Problem) as refused:
        verify(world.manifest, nodes)
    assert refused.value.code == code
    assert looked_at(world).findings == ()


HIDDEN: dict[str, tuple[str, Any, set[str]]] = {
    "code": ("eth_getCode", "0x", {"CODE_MISSING"}),
    "logs": ("eth_getLogs", [], {"SENDER_MISSING"}),
    "creations": (
        "eth_getBlockByNumber",
        lambda block: block | {"transactions": []},
        {"CODE_CREATION", "CODE_IMMUTABLE"},
    ),
    "chains": ("eth_getStorageAt", f"0x{7:064x}", {"CHAIN_COUNT"}),
    "one more byte of code": ("eth_getCode", lambda code: f"{code}00", {"CODE_DIFFERS"}),
    "one changed immutable": (
        "eth_getCode",
        lambda code: f"{code[:-2]}{int(code[-2:], 16) ^ 1:02x}",
        {"CODE_IMMUTABLE"},
    ),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_e08_what_a_lying_node_hides_or_changes_is_found(world: World, name: str) -> None:
    method, answer, expected = HIDDEN[name]
    nodes = {role: [Instead(node, **{method: answer})] for role, node in world.nodes.items()}
    assert codes(verify(world.manifest, nodes)) == expected


@pytest.fixture
def command(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`pledgetrail contracts verify` on the world's nodes."""
    by_url = {f"http://{role.value}": node for role, node in world.nodes.items()}
    monkeypatch.setattr(report, "RpcNode", by_url.__getitem__)
    path = tmp_path / "manifest.json"

    def run(manifest: Manifest, *options: str) -> Any:
        path.write_bytes(manifest.dump())
        named = [part for role in Role for part in ("--node", f"{role.value}=http://{role.value}")]
        return CliRunner().invoke(build(), ["contracts", "verify", "--manifest", str(path), *named, *options])

    return run


def test_the_command_prints_a_table_and_ends_with_0(world: World, command: Callable[..., Any]) -> None:
    ran = command(world.manifest)
    assert (ran.exit_code, "Nothing differs from the manifest." in ran.stdout) == (0, True)
    assert all(f"{chain.name} ({chain.caip2})" in ran.stdout for chain in world.manifest.chains)


def test_the_command_names_what_differs_and_ends_with_1(world: World, command: Callable[..., Any]) -> None:
    other = replace(world.manifest, anchorer=STRANGERS)
    ran = command(other)
    assert ran.exit_code == 1
    assert "ANCHORER: " in ran.stdout
    assert "Nothing differs" not in ran.stdout
    told = json.loads(command(other, "--json").stdout)
    assert (told["held"], {finding["code"] for finding in told["findings"]}) == (
        False,
        {"ANCHORER", "CODE_ARGUMENT", "CODE_IMMUTABLE"},
    )
    assert all(set(finding) == {"code", "what", "where", "cure"} for finding in told["findings"])
    assert json.loads(command(world.manifest, "--json").stdout)["held"] is True


def test_the_command_refuses_what_it_cannot_read(world: World, command: Callable[..., Any], tmp_path: Path) -> None:
    for options in (("--node", "moon=http://x"), ("--node", "origin")):
        ran = command(world.manifest, *options, "--json")
        assert (ran.exit_code, json.loads(ran.stdout)["refused"]["code"]) == (1, "NODE_OPTION")
        assert isinstance(ran.exception, Problem)
    ran = CliRunner().invoke(
        build(), ["contracts", "verify", "--manifest", str(tmp_path / "none"), "--node", "origin=http://origin"]
    )
    assert (ran.exit_code, str(ran.exception).partition(":")[0]) == (1, "CONFIG_UNREADABLE")


def test_every_contract_of_ours_keeps_its_immutables_behind_its_code(world: World, full: World) -> None:
    for deployed in (world, full):
        for chain in deployed.manifest.chains:
            for name, address in chain.contracts.items():
                code = deployed.nodes[chain.role].request("eth_getCode", f"0x{address.hex()}", "latest")
                compiled = artifact(name)
                fixed = sum(length for _, length in compiled.immutables.values())
                assert len(code) == 2 + 2 * (len(compiled.runtime) + fixed), name
