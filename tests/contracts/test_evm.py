"""The in-process EVM: both engines answer alike, and the exact one charges what the embedded chain charges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.binding import creation_code
from contracts.embedded.genesis import Genesis
from contracts.embedded.server import EmbeddedNode
from contracts.node import RpcNode
from contracts.transactor import Transactor
from ledger.attestation import attestation_digest
from ledger.ethereum.keccak import keccak256
from ledger.quorum import pack
from tests.contracts.committees import constructor
from tests.contracts.evm import (
    OWNER,
    STRANGER,
    Deployed,
    Evm,
    NotMeasuredError,
    Outcome,
    Reverted,
    floor_gas,
    total_gas,
)
from tests.contracts.world import NOTARIES
from tests.contracts.world import OWNER as PAYER

LOG = b"\x0a" * 32
PEER = 7101


def signatures(digest: bytes, *signers: int) -> bytes:
    return pack({index: NOTARIES[index].sign(digest) for index in signers})


def scene(evm: Evm) -> tuple[Deployed, Deployed, Deployed]:
    """A committee, a gateway and an anchor registry whose anchorer is OWNER."""
    committee = evm.deploy("Committee", *constructor(NOTARIES))
    administration = evm.deploy("Administration", committee.address, 1)
    gateway = evm.deploy("Gateway", b"\x01" * 32, committee.address, administration.address)
    administration.send("attach", gateway.address)
    administration.send("register_peer", (PEER, b"\x02" * 32, b"\x03" * 20))
    return committee, gateway, evm.deploy("AnchorRegistry", gateway.address, LOG, OWNER)


@pytest.fixture(params=[False, True], ids=["revm", "py-evm"])
def evm(request: pytest.FixtureRequest) -> Evm:
    return Evm(exact=request.param)


def test_results_logs_and_reverts_are_equal_on_both_engines() -> None:
    told = []
    for evm in (Evm(), Evm(exact=True)):
        committee, gateway, anchors = scene(evm)
        sent = anchors.send("anchor", 7, b"\x07" * 32)
        digest = attestation_digest(chain_id=evm.chain_id, gateway=gateway.address, root=b"\x01" * 32, epoch=1)
        with pytest.raises(Reverted) as below:
            committee.call("check", 1, digest, signatures(digest, 0, 1))
        with pytest.raises(Reverted) as again:
            anchors.send("anchor", 7, b"\x07" * 32)
        told.append(
            (
                [contract.address for contract in (committee, gateway, anchors)],
                (sent.values, sent.logs, sent.raw_logs),
                committee.call("check", 1, digest, signatures(digest, 0, 2, 3)),
                (below.value.reason, again.value.reason),
                anchors.call("latest_size"),
            )
        )
    assert told[0] == told[1]
    assert told[0][2:] == (True, ("Committee: below quorum", "AnchorRegistry: size not larger"), 7)


def test_exact_gas_is_what_a_receipt_of_the_embedded_chain_states(tmp_path: Path) -> None:
    digest, payer, exact = b"\x0d" * 32, PAYER.address, Evm(exact=True)
    committee, gateway, _ = scene(exact)
    anchors = exact.deploy("AnchorRegistry", gateway.address, LOG, payer, by=payer)
    calls: list[tuple[Deployed, str, tuple[Any, ...]]] = [
        (anchors, "anchor", (7, b"\x07" * 32)),  # into empty slots
        (anchors, "anchor", (8, b"\x08" * 32)),  # into slots in use, cold again
        (committee, "check", (1, digest, signatures(digest, 0, 1, 3))),
    ]
    with EmbeddedNode.start(tmp_path, Genesis(7102, {f"0x{payer.hex()}": 10**24})) as running:
        node = RpcNode(running.url)
        account = Transactor(node, PAYER, chain_id=7102)
        there = {"Committee": account.send(None, creation_code("Committee", *constructor(NOTARIES))).contract}
        office = account.send(None, creation_code("Administration", there["Committee"], 1)).contract
        grounds = (b"\x01" * 32, there["Committee"], office)
        other_gateway = account.send(None, creation_code("Gateway", *grounds)).contract
        there["AnchorRegistry"] = account.send(
            None, creation_code("AnchorRegistry", other_gateway, LOG, payer)
        ).contract
        for contract, function, arguments in calls:
            here = contract.send(function, *arguments, by=payer)
            mined = account.send(there[contract.interface.name], here.calldata)
            assert (here.gas, here.raw_logs == ()) == (mined.gas_used, mined.logs == ()), function
        node.close()


def test_the_floor_binds_where_call_data_is_most_of_the_work(tmp_path: Path) -> None:
    genesis = Genesis(7102, {f"0x{PAYER.address.hex()}": 10**24})
    data = b"\x01" * 3000 + bytes(500)
    with EmbeddedNode.start(tmp_path, genesis) as running:
        node = RpcNode(running.url)
        used = Transactor(node, PAYER, chain_id=7102).send(b"\x99" * 20, data).gas_used
        node.close()
    assert used == floor_gas(data) == total_gas(data, 0) == 21_000 + 3000 * 40 + 500 * 10
    assert total_gas(data, 500_000) == 21_000 + 3000 * 16 + 500 * 4 + 500_000
    assert total_gas(data, 500_000, refund=1_000_000) == total_gas(data, 500_000) * 4 // 5


def test_every_transaction_starts_cold(evm: Evm) -> None:
    if not isinstance(evm.engine, type(Evm(exact=True).engine)):
        with pytest.raises(NotMeasuredError):
            _ = scene(evm)[2].send("anchor", 7, b"\x07" * 32).gas_frame
        return
    anchors = scene(evm)[2]
    first, second, third = (anchors.send("anchor", size, bytes([size]) * 32) for size in (7, 8, 9))
    assert second.gas_frame == third.gas_frame
    assert first.gas_frame > second.gas_frame > 2 * 2_900


def test_a_snapshot_brings_back_state_and_time(evm: Evm) -> None:
    anchors = scene(evm)[2]
    anchors.send("anchor", 7, b"\x07" * 32)
    before = evm.fingerprint()
    with evm.rolled_back():
        evm.time += 100
        anchors.send("anchor", 8, b"\x08" * 32)
        assert evm.fingerprint() != before
        assert evm.fingerprint(anchors) != (before[2],)
    assert evm.fingerprint() == before
    assert anchors.call("latest_size") == 7
    anchors.send("anchor", 8, b"\x09" * 32)


def test_what_reverts_and_what_is_only_asked_changes_nothing(evm: Evm) -> None:
    anchors = scene(evm)[2]
    before = evm.fingerprint()
    anchors.call("anchor", 7, b"\x07" * 32)
    with pytest.raises(Reverted, match="AnchorRegistry: not the anchorer"):
        anchors.send("anchor", 7, b"\x07" * 32, by=STRANGER)
    assert evm.fingerprint() == before
    anchors.send("anchor", 7, b"\x07" * 32)


def test_a_revert_without_words_and_a_value_nobody_takes(evm: Evm) -> None:
    anchors = scene(evm)[2]
    with pytest.raises(Reverted) as refused:
        anchors.send("anchor", 7, b"\x07" * 32, value=1)
    assert (refused.value.reason, refused.value.output) == ("", b"")
    assert evm.balance(anchors.address) == 0


def test_block_time_and_chain_id_are_seen_by_contracts(evm: Evm) -> None:
    gateway = scene(evm)[1]
    assert gateway.call("peers", PEER) == (PEER, b"\x02" * 32, b"\x03" * 20)
    expiry = keccak256(b"expiry(uint64)")[:4] + (evm.time + 5).to_bytes(32, "big")
    recipient = bytes.fromhex("00010000021bbd14") + b"\x55" * 20
    sent = gateway.send("sendMessage", recipient, b"payload", [expiry])
    assert sent.log("MessageSent")["sendId"] == sent.values
    evm.time += 5
    with pytest.raises(Reverted, match="Gateway: expiry is past"):
        gateway.send("sendMessage", recipient, b"payload", [expiry])


def test_a_contract_of_the_tests_may_import_the_modules(evm: Evm) -> None:
    twins = evm.deploy(Path(__file__).parent / "Twins.vy")
    digest = attestation_digest(chain_id=5, gateway=b"\x05" * 20, root=b"\x06" * 32, epoch=3)
    assert twins.call("attested", 5, b"\x05" * 20, b"\x06" * 32, 3) == digest


def gas_of(outcome: Outcome) -> tuple[int, int]:
    return outcome.gas, outcome.gas_frame


def test_gas_does_not_depend_on_what_was_done_before() -> None:
    evm = Evm(exact=True)
    anchors = scene(evm)[2]
    anchors.send("anchor", 7, b"\x07" * 32)
    with evm.rolled_back():
        first = gas_of(anchors.send("anchor", 8, b"\x08" * 32))
    anchors.call("latest_size")
    assert gas_of(anchors.send("anchor", 8, b"\x08" * 32)) == first
