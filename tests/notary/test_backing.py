"""Value: a transfer is attested only while the books of both ends, proven, say that it is backed (F04, F05, F07)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from contracts.binding import Contract, created_address, creation_code
from contracts.compiler import artifact_at
from contracts.manifest import NOTARY_POLICY, Role
from contracts.proven_storage import slot_of
from ledger.attestation import address_word
from ledger.conservation import Arrivals, Transfer
from ledger.errors import Problem, Refused
from ledger.ethereum.keccak import keccak256
from ledger.proposal import Message
from notary import policy
from notary.policy import Ledgers
from tests.chains import CHAIN_IDS, DEPLOYER, Deployed, Sent, deployed_on_anvil
from tests.notary.subject import Subject, locator

TOKEN = artifact_at(Path(__file__).parent.parent / "contracts" / "TestToken.vy")
ENDS = {Role.ORIGIN: "Vault", Role.DESTINATION: "Voucher"}
OTHER = {Role.ORIGIN: Role.DESTINATION, Role.DESTINATION: Role.ORIGIN}
LIMIT = 10**9


@dataclass(frozen=True, slots=True)
class Value:
    """Chains with a vault and its voucher, which the manifest names, and a token of which the deployer has plenty."""

    chains: Deployed
    token: bytes

    def contract(self, role: Role, name: str = "") -> Contract:
        return self.chains.manifest.chain(role).contract(name or ENDS[role])

    @property
    def asset(self) -> bytes:
        return address_word(self.token)

    def lock(self, quantity: int) -> Sent:
        """Lock tokens at the vault; the transfer that leaves."""
        vault = self.contract(Role.ORIGIN)
        call = vault.encode_call("lock", self.token, quantity, DEPLOYER.address)
        return self.chains.sent(self.chains.transactors[Role.ORIGIN].send(vault.address, call))

    @contextmanager
    def tampered(self, role: Role, contract: Contract, slot: int, value: int) -> Iterator[None]:
        """Another word in a contract's storage, and the old one again afterwards."""
        node, address, place = self.chains.node(role), f"0x{contract.address.hex()}", f"0x{slot:064x}"
        before = node.request("eth_getStorageAt", address, place, "latest")
        for word in (f"0x{value:064x}", before):
            # A block first: anvil changes the state of its head in place, whose header would no longer be true.
            node.request("anvil_mine", "0x1")
            node.request("anvil_setStorageAt", address, place, word)
            node.request("anvil_mine", "0x1")
            if word != before:
                yield


@pytest.fixture(scope="module")
def value() -> Iterator[Value]:
    with deployed_on_anvil() as chains:
        yield laid(chains)


def laid(chains: Deployed) -> Value:
    """Create token, vault and voucher, open their lanes, and name both in the manifest."""
    senders = chains.transactors
    nonces = {
        role: int(chains.node(role).request("eth_getTransactionCount", f"0x{DEPLOYER.address.hex()}", "latest"), 16)
        for role in ENDS
    }
    places = {role: created_address(DEPLOYER.address, nonce) for role, nonce in nonces.items()}
    registry = chains.manifest.chain(Role.TRANSACTION).contracts["TransactionRegistry"]
    named = []
    for chain in chains.manifest.chains:
        if chain.role not in ENDS:
            named.append(chain)
            continue
        other = OTHER[chain.role]
        arguments = (CHAIN_IDS[other], places[other], CHAIN_IDS[Role.TRANSACTION], registry)
        code = creation_code(ENDS[chain.role], chain.contracts["Gateway"], *arguments)
        assert senders[chain.role].send(None, code).contract == places[chain.role]
        named.append(replace(chain, contracts=chain.contracts | {ENDS[chain.role]: places[chain.role]}))
    manifest = replace(chains.manifest, chains=tuple(named))
    for role in ENDS:
        administration = manifest.chain(role).contract("Administration")
        lane = (CHAIN_IDS[OTHER[role]], places[OTHER[role]], places[role])
        for call in (
            administration.encode_call("open_lane", *lane, NOTARY_POLICY, True),
            administration.encode_call("limit_lane", *lane, (LIMIT, LIMIT, 3600)),
        ):
            senders[role].send(administration.address, call)
    token = senders[Role.ORIGIN].send(None, TOKEN.bytecode).contract
    assert token is not None
    mint = keccak256(b"mint(address,uint256)")[:4] + address_word(DEPLOYER.address) + (10**6).to_bytes(32, "big")
    senders[Role.ORIGIN].send(token, mint)
    vault = manifest.chain(Role.ORIGIN).contract("Vault")
    senders[Role.ORIGIN].send(vault.address, vault.encode_call("list_token", token, False))
    return Value(replace(chains, manifest=manifest), token)


@pytest.fixture
def subject(value: Value, tmp_path: Path) -> Iterator[Subject]:
    found = Subject(value.chains, tmp_path / "notary0")
    yield found
    found.close()


def test_a_transfer_that_is_locked_is_attested_and_again_once_it_has_arrived(value: Value, subject: Subject) -> None:
    sent = value.lock(5)
    first = subject.notary.attest([locator(sent)])
    assert first.ids == (sent.message.id,)
    value.chains.commit(sent)
    assert subject.notary.attest([locator(sent)]) == first
    voucher = value.contract(Role.DESTINATION)
    held = voucher.read(value.chains.node(Role.DESTINATION), "balances", value.asset, DEPLOYER.address)
    assert held >= 5, "it was minted"


def test_what_comes_home_is_attested_too(value: Value, subject: Subject) -> None:
    value.chains.commit(value.lock(7))
    voucher, gateway = value.contract(Role.DESTINATION), value.contract(Role.DESTINATION, "Gateway")
    call = voucher.encode_call("burn", value.asset, 7, DEPLOYER.address)
    mined = value.chains.transactors[Role.DESTINATION].send(voucher.address, call)
    names = [found.name if (found := gateway.decode_log(log)) else "" for log in mined.logs]
    place = replace(locator(value.lock(1)), chain_id=7102, block=mined.block, log_index=names.index("MessageSent"))
    vault = value.contract(Role.ORIGIN)
    assert len(subject.notary.attest([place]).ids) == 1
    with value.tampered(Role.ORIGIN, vault, slot_of("Vault", "counts", value.asset), 3 << 128):
        subject.refuses(lambda notary: notary.attest([place]), "VALUE_UNBACKED")


def _flow(message: Message) -> bytes:
    return keccak256(message.lane + message.generation.to_bytes(32, "big"))


@pytest.mark.parametrize("what", ["nothing locked", "released", "minted out of nothing", "not sent", "shown"])
def test_F05_signatures_true_and_economics_false(value: Value, subject: Subject, what: str) -> None:
    """Log, receipt, root, lane and payload are all true; the books are not."""
    sent = value.lock(11)
    assert subject.notary.attest([locator(sent)]).ids == (sent.message.id,)
    late = value.lock(13)
    flow, asset = _flow(late.message), value.asset
    books = slot_of("Vault", "counts", asset)
    role, contract, slot, word = {
        "nothing locked": (Role.ORIGIN, "Vault", books, 0),
        "released": (Role.ORIGIN, "Vault", books, (10**6 << 128) | 10**6),
        "minted out of nothing": (Role.DESTINATION, "Voucher", slot_of("Voucher", "counts", asset), 10**6 << 128),
        "not sent": (Role.ORIGIN, "Gateway", slot_of("Gateway", "transfer_count.sent", flow, asset), 1),
        "shown": (
            Role.DESTINATION,
            "Gateway",
            slot_of("Gateway", "transfer_count.received", flow, asset),
            10**9 << 128,
        ),
    }[what]
    with value.tampered(role, value.contract(role, contract), slot, word):
        problem = subject.refuses(lambda notary: notary.attest([locator(late)]), "VALUE_UNBACKED")
        assert problem.http_status == 409
        assert any(figure.isdigit() for figure in str(problem).replace("=", " ").replace(",", " ").split())
    assert subject.notary.attest([locator(late)]).ids == (late.message.id,)


def test_F05_the_slots_are_where_the_contracts_count(value: Value) -> None:
    sent = value.lock(2)
    node, gateway = value.chains.node(Role.ORIGIN), value.contract(Role.ORIGIN, "Gateway")
    slot = slot_of("Gateway", "transfer_count.sent", _flow(sent.message), value.asset)
    stored = node.request("eth_getStorageAt", f"0x{gateway.address.hex()}", f"0x{slot:064x}", "latest")
    assert int(stored, 16) == gateway.read(node, "units_sent", sent.message.lane, 1, value.asset) > 0


TRANSFER = Transfer(b"\x01" * 32, 10, 30, b"\x02" * 20)


@pytest.mark.parametrize(
    ("sent", "arrivals", "is_used"),
    [(29, Arrivals(), False), (30, Arrivals(0, 31), False), (30, Arrivals(21, 25), False), (29, Arrivals(), True)],
    ids=["the total was not sent", "more shown than sent", "more arrives than was shown", "also once it has arrived"],
)
def test_F05_counts_that_do_not_add_up_are_refused(sent: int, arrivals: Arrivals, is_used: bool) -> None:
    with pytest.raises(Refused) as caught:
        policy.require_counted(TRANSFER, sent=sent, arrivals=arrivals, is_used=is_used)
    assert caught.value.code == "VALUE_UNBACKED"
    policy.require_counted(TRANSFER, sent=30, arrivals=Arrivals(20, 20), is_used=False)
    policy.require_counted(TRANSFER, sent=30, arrivals=Arrivals(30, 30), is_used=True)


@pytest.mark.parametrize(
    ("books", "is_used", "fine"),
    [
        (Ledgers(10, 0, 0, 0), False, True),
        (Ledgers(10, 0, 10, 0), True, True),
        (Ledgers(10, 0, 10, 0), False, False),
        (Ledgers(9, 0, 0, 0), False, False),
        (Ledgers(20, 11, 0, 0), False, False),
        (Ledgers(20, 10, 10, 10), False, True),
        (Ledgers(20, 10, 11, 0), True, False),
    ],
)
def test_F07_minted_less_burned_never_exceeds_locked_less_released(books: Ledgers, is_used: bool, fine: bool) -> None:
    try:
        policy.require_conserved(TRANSFER, books=books, is_used=is_used)
    except Problem as problem:
        assert (problem.code, fine) == ("VALUE_UNBACKED", False)
    else:
        assert fine
