"""How each contract was made: `verify` knows what a manifest says about it, and finds a single thing told otherwise.

And the codes themselves: each one that `contracts/verify` can write down is expected by a test.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import contracts.verify
from contracts.binding import Contract, created_address, creation_code, interface
from contracts.compiler import artifact
from contracts.deploy import Deployment
from contracts.manifest import ChainManifest, Manifest, Role
from contracts.verify import verify
from contracts.verify.stated import stated_contracts
from ledger.ethereum.keccak import keccak256
from tests.contracts.committees import attested
from tests.contracts.test_verify_chains import codes, every_policy, looked_at, rolled_back
from tests.contracts.world import CHAIN_IDS, NOTARIES, OWNER, World, in_process_world
from tests.ledger.messages import MESSAGE

ORIGIN, DESTINATION, TRANSACTION = Role.ORIGIN, Role.DESTINATION, Role.TRANSACTION
STRANGERS = b"\x77" * 20
MADE = {"CODE_ARGUMENT", "CODE_IMMUTABLE"}  # the constructor was told otherwise, and the code holds it


def place(world: World, role: Role, name: str, *arguments: Any) -> World:
    """One more contract of the owner's, created with these arguments, in world and manifest."""
    mined = world.transactor(role, OWNER).send(None, creation_code(name, *arguments))
    assert mined.contract is not None
    held = world.manifest.chain(role)
    owns = {name: OWNER.address} if "owner" in interface(artifact(name)).functions else {}
    grown = replace(
        held,
        contracts=held.contracts | {name: mined.contract},
        owners=held.owners | owns,
        checked_from=mined.block + 1,
    )
    chains = tuple(grown if chain.role is role else chain for chain in world.manifest.chains)
    return World(replace(world.manifest, chains=chains), world.nodes, world.notaries)


def next_address(world: World, role: Role) -> bytes:
    """Where the owner's next contract on a chain will stand."""
    count = world.nodes[role].request("eth_getTransactionCount", f"0x{OWNER.address.hex()}", "latest")
    return created_address(OWNER.address, int(count, 16))


def with_value(world: World, **told: Any) -> World:
    """A vault at the origin and its voucher at the destination. `told`: what the vault is told instead."""
    registry = world.manifest.chain(TRANSACTION).contracts["TransactionRegistry"]
    said = {
        "gateway": world.manifest.chain(ORIGIN).contracts["Gateway"],
        "voucher_chain": CHAIN_IDS[DESTINATION],
        "voucher": next_address(world, DESTINATION),
        "registry_chain": CHAIN_IDS[TRANSACTION],
        "registry": registry,
    }
    vault = next_address(world, ORIGIN)
    world = place(world, ORIGIN, "Vault", *(said | told).values())
    gateway = world.manifest.chain(DESTINATION).contracts["Gateway"]
    back = (CHAIN_IDS[ORIGIN], vault, CHAIN_IDS[TRANSACTION], registry)
    return place(world, DESTINATION, "Voucher", gateway, *back)


@pytest.fixture(scope="module")
def full() -> World:
    """Every contract that there is, each as its manifest says."""
    world = with_value(every_policy(is_read=True))
    for added in ("ConditionalLien", "ConditionalFreeze"):
        world = place(world, DESTINATION, added)
    leg = world.manifest.chain(DESTINATION).contracts
    world = place(world, DESTINATION, "TokenLeg", leg["Gateway"], leg["Committee"], world.manifest.rotation.delay)
    return place(world, TRANSACTION, "Coordinator", world.manifest.chain(TRANSACTION).contracts["Gateway"])


def test_a_manifest_can_name_every_contract_and_an_honest_one_differs_in_nothing(full: World) -> None:
    manifest = full.manifest
    stated = {each.name for chain in manifest.chains for each in stated_contracts(manifest, chain)}
    # An exact list: a new contract has to be told here how it is made.
    assert stated >= {
        *("Vault", "Voucher", "RemoteReader", "ConditionalLien", "Coordinator", "LightClient", "CertifiedHeaders"),
        *("ReceiptObserver", "InitiatorLock", "ResponderLock", "Committee", "Administration", "Gateway"),
        *("TokenLeg", "ConditionalFreeze", "WarehouseReceipt"),
    }
    assert Manifest.load(manifest.dump()) == manifest
    assert looked_at(full).findings == ()


def test_each_immutable_of_every_contract_is_stated(full: World) -> None:
    for chain in full.manifest.chains:
        for each in stated_contracts(full.manifest, chain):
            assert set(each.immutables) == set(artifact(each.name).immutables), each.name


def test_a_manifest_without_readers_is_written_as_before(full: World) -> None:
    manifest = without_readers(full.manifest)
    written = [observer for chain in manifest.chains for observer in chain.as_json()["observers"]]
    assert written
    assert all("reader" not in observer for observer in written)
    assert Manifest.load(manifest.dump()) == manifest


def without_readers(manifest: Manifest) -> Manifest:
    return replace(manifest, chains=tuple(observed(chain, reader=None) for chain in manifest.chains))


def observed(chain: ChainManifest, **changed: Any) -> ChainManifest:
    return replace(chain, observers=tuple(replace(each, **changed) for each in chain.observers))


def everywhere(change: Callable[[ChainManifest], ChainManifest]) -> Callable[[Manifest], Manifest]:
    return lambda manifest: replace(manifest, chains=tuple(change(chain) for chain in manifest.chains))


def moved(role: Role, name: str, to: bytes = STRANGERS) -> Callable[[Manifest], Manifest]:
    """The manifest names another address for a contract."""

    def change(chain: ChainManifest) -> ChainManifest:
        return replace(chain, contracts=chain.contracts | {name: to}) if chain.role is role else chain

    return everywhere(change)


GONE = {"CODE_MISSING", "CODE_CREATION"}
# What the manifest says otherwise → exactly what must be found; the honest world differs in nothing.
OTHERWISE: dict[str, tuple[Callable[[Manifest], Manifest], set[str]]] = {
    "the vault's voucher": (moved(DESTINATION, "Voucher"), MADE | GONE),
    "the voucher's vault": (moved(ORIGIN, "Vault"), MADE | GONE),
    "the registry that answers": (
        moved(TRANSACTION, "TransactionRegistry"),
        MADE | GONE,  # of both ends of value, and itself
    ),
    "a vault without its voucher": (
        everywhere(
            lambda chain: replace(
                chain, contracts={name: where for name, where in chain.contracts.items() if name != "Voucher"}
            )
        ),
        {"CODE_UNKNOWN", "OWNER"},
    ),
    "another reader": (everywhere(lambda chain: observed(chain, reader=STRANGERS)), GONE),
    "a reader of tries that keep zeros": (
        everywhere(lambda chain: replace(chain, rules=replace(chain.rules, trie="keeps_zero_leaves"))),
        MADE,
    ),
    "headers of another genesis": (
        everywhere(
            lambda chain: (
                replace(chain, observers=tuple(replace(each, origin=9_999) for each in chain.observers))
                if chain.role is TRANSACTION
                else chain
            )
        ),
        MADE | {"OBSERVER_DIFFERS"},
    ),
    "other headers under a reader": (
        everywhere(
            lambda chain: replace(
                chain, observers=tuple(replace(each, reader=chain.observers[0].headers) for each in chain.observers)
            )
        ),
        {"CODE_CREATION", "CODE_DIFFERS"},
    ),
    "another lien": (moved(DESTINATION, "ConditionalLien"), GONE),
    "another coordinator": (moved(TRANSACTION, "Coordinator"), GONE),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_a_single_thing_told_otherwise_is_found(full: World, name: str) -> None:
    change, expected = OTHERWISE[name]
    assert codes(looked_at(full, change(full.manifest))) == expected
    assert looked_at(full).findings == ()


@pytest.mark.parametrize("told", [{"voucher": STRANGERS}, {"registry": STRANGERS}, {"registry_chain": 9_999}])
def test_a_vault_that_was_told_otherwise_on_its_chain_is_found(full: World, told: dict[str, Any]) -> None:
    with rolled_back(full):
        assert looked_at(with_value(full)).findings == ()
    with rolled_back(full):
        assert codes(looked_at(with_value(full, **told))) == MADE


def test_a_reader_that_takes_zeros_for_nothing_where_the_chain_keeps_none_is_found(full: World) -> None:
    held = full.manifest.chain(DESTINATION).observers[0]
    with rolled_back(full):
        mined = full.transactor(DESTINATION, OWNER).send(None, creation_code("RemoteReader", held.headers, True))
        changed = everywhere(
            lambda chain: (
                replace(observed(chain, reader=mined.contract), checked_from=mined.block + 1)
                if chain.role is DESTINATION
                else chain
            )
        )
        assert codes(looked_at(full, changed(full.manifest))) == MADE


# -- the codes that one thing alone can be wrong with ------------------------------------------------------------------


class Answers:
    """A node that answers one view function of one contract as it likes: the other answers are the chain's."""

    def __init__(
        self, world: World, role: Role, contract: Contract, function: str, raw: Callable[[bytes], bytes]
    ) -> None:
        self._inner = world.nodes[role]
        self._to, self._selector = f"0x{contract.address.hex()}", contract.interface.functions[function][0].hex()
        self._raw = raw

    @property
    def url(self) -> str:
        return self._inner.url

    def request(self, method: str, *params: Any) -> Any:
        answer = self._inner.request(method, *params)
        is_asked = method == "eth_call" and params[0]["to"] == self._to
        if is_asked and params[0]["data"].startswith(f"0x{self._selector}"):
            return f"0x{self._raw(bytes.fromhex(answer[2:])).hex()}"
        return answer

    def batch(self, calls: Any) -> list[Any]:
        return [self.request(method, *params) for method, params in calls]


def one_more(raw: bytes) -> bytes:
    """The last word, one larger."""
    return raw[:-32] + (int.from_bytes(raw[-32:], "big") + 1).to_bytes(32, "big")


# The answer that is changed → what is found.
ANSWERED: dict[str, tuple[Role, str, str, str]] = {
    "another gateway is administered": (ORIGIN, "Administration", "gateway", "ADMINISTRATION"),
    "another gateway is told": (DESTINATION, "Committee", "gateway", "COMMITTEE_GATEWAY"),
    "another number of members": (DESTINATION, "Committee", "size", "COMMITTEE_QUORUM"),
    "another quorum": (DESTINATION, "Committee", "quorum", "COMMITTEE_QUORUM"),
    "another peer": (ORIGIN, "Gateway", "peers", "PEER_DIFFERS"),
    "another chain recorded": (TRANSACTION, "TransactionRegistry", "chains", "CHAIN_RECORDED"),
    "another token locked": (ORIGIN, "InitiatorLock", "TOKEN", "LOCK_TOKEN"),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_each_thing_that_a_contract_answers_otherwise_has_a_code_of_its_own(full: World, name: str) -> None:
    role, contract, function, code = ANSWERED[name]
    lock = full.manifest.value_lanes[0].initiator.lock
    asked = Contract(contract, lock) if contract == "InitiatorLock" else full.contract(role, contract)
    nodes = {each: [node] for each, node in full.nodes.items()}
    found = verify(full.manifest, nodes | {role: [Answers(full, role, asked, function, one_more)]})
    assert codes(found) == {code}
    assert looked_at(full).findings == ()


class Mistaken(Deployment):
    """Tells one chain a wrong gateway of another, and the registry of chains too."""

    def _call(self, site: Any, name: str, function: str, *arguments: Any) -> Any:
        if function in ("register_peer", "register_chain") and site.role is TRANSACTION:
            chain_id, genesis, gateway = arguments[0]
            if chain_id == CHAIN_IDS[ORIGIN]:
                arguments = ((chain_id, genesis, gateway[::-1]),)
        return super()._call(site, name, function, *arguments)


def test_a_peer_and_a_recorded_chain_with_another_gateway_are_found() -> None:
    assert codes(looked_at(in_process_world(kind=Mistaken))) == {"PEER_DIFFERS", "CHAIN_RECORDED"}


def test_b11_a_member_that_was_barred_for_contradicting_itself_is_found(full: World) -> None:
    second = replace(MESSAGE, payload_digest=keccak256(b"another payload"))
    evidence = (attested(MESSAGE, NOTARIES[1]).as_abi(), attested(second, NOTARIES[1]).as_abi())
    with rolled_back(full):
        full.send(DESTINATION, "Committee", "report", *evidence)
        found = looked_at(full)
        assert codes(found) == {"COMMITTEE_BARRED"}
        assert "member 1 " in found.findings[0].what


def test_a_lock_over_another_genesis_is_found(full: World) -> None:
    lane = full.manifest.value_lanes[0]
    other = replace(
        full.manifest, value_lanes=(replace(lane, initiator=replace(lane.initiator, genesis=b"\x07" * 32)),)
    )
    # Its lane is another one too, and what the other lock was told of its counterpart.
    assert codes(looked_at(full, other)) == MADE | {"LOCK_GENESIS", "LOCK_LANE"}


def emitted() -> Iterator[str]:
    """Every code that the sources of `contracts/verify` hand to a `Comparison`, directly or first in a tuple."""
    for path in sorted(Path(contracts.verify.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
                continue
            first: ast.expr = node.args[0]
            if node.func.attr == "append" and isinstance(first, ast.Tuple):
                first = first.elts[0]
            elif node.func.attr not in ("equal", "hold", "note"):
                continue
            if isinstance(first, ast.Constant):
                yield str(first.value)


def test_every_code_that_can_be_found_is_expected_by_a_test() -> None:
    names = ("test_verify.py", "test_verify_chains.py", Path(__file__).name)
    expected = "".join((Path(__file__).parent / name).read_text() for name in names)
    found = set(emitted())
    assert len(found) > 30, "the sources are read"
    assert {code for code in found if f'"{code}"' not in expected} == set()
