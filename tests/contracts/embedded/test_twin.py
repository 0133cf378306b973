"""The same transactions on the embedded chain and on anvil (Prague): the same status, gas, logs, addresses, results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from contracts.node import RpcNode
from ledger.errors import Refused
from tests.contracts.embedded.conftest import HandChain, wait_for_receipt
from tests.contracts.embedded.probe import (
    ETHER,
    RECURSING_INITCODE,
    STRANGER,
    Wallet,
    calldata,
    clear_calldata,
    initcode,
)


@dataclass
class Twins:
    """Both chains with one wallet, whose nonces run together."""

    hand: HandChain
    anvil: RpcNode
    wallet: Wallet
    nonce: int

    def send(self, **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        raw = self.wallet.sign(self.nonce, **fields)
        self.nonce += 1
        digest = "0x" + self.hand.chain.submit(raw).hex()
        self.hand.chain.mine()
        ours = self.hand.request("eth_getTransactionReceipt", digest)
        assert self.anvil.request("eth_sendRawTransaction", "0x" + raw.hex()) == digest
        return ours, wait_for_receipt(self.anvil, digest)

    def same(self, **fields: Any) -> dict[str, Any]:
        """Send to both, compare what must be equal, and return our receipt."""
        ours, theirs = self.send(**fields)
        for name in ("status", "gasUsed", "from", "to", "type", "transactionIndex", "logsBloom", "cumulativeGasUsed"):
            assert ours[name] == theirs[name], name
        assert (ours["contractAddress"] or "").lower() == (theirs["contractAddress"] or "").lower()
        kept = ("address", "topics", "data", "logIndex", "transactionIndex", "removed")
        assert [[log[name] for name in kept] for log in ours["logs"]] == [
            [log[name] for name in kept] for log in theirs["logs"]
        ]
        return ours

    def same_answer(self, method: str, *params: Any) -> Any:
        ours = self.hand.request(method, *params)
        assert ours == self.anvil.request(method, *params)
        return ours


@pytest.fixture
def twins(hand: HandChain, anvil: RpcNode) -> Twins:
    """A fresh embedded chain and a new wallet on the shared anvil, so that both nonces begin at zero."""
    wallet = Wallet(int(anvil.request("eth_blockNumber"), 16).to_bytes(31, "big") + b"\x99")
    anvil.request("anvil_setBalance", wallet.address, hex(100 * ETHER))
    hand.send(to=wallet.address, value=100 * ETHER)
    return Twins(hand, anvil, wallet, 0)


@pytest.mark.parametrize(
    ("zeros", "others"), [(0, 0), (1, 0), (0, 1), (31, 1), (1000, 0), (0, 1000), (5000, 700), (60_000, 60_000)]
)
def test_calldata_costs_what_eip_7623_says(twins: Twins, zeros: int, others: int) -> None:
    receipt = twins.same(data=bytes(zeros) + b"\x01" * others, gas=5_000_000)
    standard = 21_000 + 4 * zeros + 16 * others
    floor = 21_000 + 10 * (zeros + 4 * others)
    assert int(receipt["gasUsed"], 16) == max(standard, floor)


def test_every_kind_of_execution_agrees(twins: Twins) -> None:
    probe = twins.same(to=None, data=initcode(), gas=5_000_000)["contractAddress"]
    twins.same(to=probe, data=calldata("put(uint256,uint256)", 1, 2), value=5)
    twins.same(to=probe, data=calldata("put(uint256,uint256)", 1, 0))
    assert len(twins.same(to=probe, data=calldata("put_many(uint256,uint256,uint256)", 10, 20, 7))["logs"]) == 20
    assert twins.same(to=probe, data=calldata("refuse(uint256)", 1))["status"] == "0x0"
    burnt = twins.same(to=probe, data=calldata("burn()"), gas=123_456)
    assert (burnt["status"], burnt["gasUsed"]) == ("0x0", hex(123_456))
    assert twins.same(to=probe, data=calldata("try_refuse(uint256)", 9))["status"] == "0x1"
    assert twins.same(to=probe, data=calldata("put(uint256,uint256)", 3, 4), gas=30_000)["status"] == "0x0"
    twins.same(to=STRANGER, value=ETHER, gas=21_000)
    for kind in (0, 1, 2):
        twins.same(to=probe, data=calldata("put(uint256,uint256)", 100 + kind, 1), type=kind)
    warm = [{"address": probe, "storageKeys": ["0x" + "00" * 32, "0x" + "11" * 32]}]
    twins.same(to=probe, data=calldata("put(uint256,uint256)", 7, 1), accessList=warm)
    twins.same_answer("eth_call", {"to": probe, "data": "0x" + calldata("values(uint256)", 10).hex()}, "latest")
    twins.same_answer("eth_getCode", probe, "latest")
    twins.same_answer("eth_getStorageAt", probe, "0x0", "latest")
    twins.same_answer("eth_getTransactionCount", twins.wallet.address, "latest")


def test_a_refund_cannot_carry_the_price_under_the_floor(twins: Twins) -> None:
    """py-evm adds the floor before capping the refund; its receipt would state less than was paid."""
    probe = twins.same(to=None, data=initcode(), gas=5_000_000)["contractAddress"]
    twins.same(to=probe, data=calldata("put_many(uint256,uint256,uint256)", 0, 20, 1))
    for note_bytes in (0, 500, 1000, 2000, 4000):
        data = clear_calldata(0, 20, b"\x01" * note_bytes)
        before = twins.hand.chain.archive.account(twins.hand.chain.archive.head, twins.wallet.raw_address).balance
        receipt = twins.same(to=probe, data=data)
        after = twins.hand.chain.archive.account(twins.hand.chain.archive.head, twins.wallet.raw_address).balance
        paid = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
        assert before - after == paid
        twins.same(to=probe, data=calldata("put_many(uint256,uint256,uint256)", 0, 20, 1))


def test_a_contract_that_calls_itself_without_end_agrees(twins: Twins) -> None:
    deep = twins.same(to=None, data=RECURSING_INITCODE)["contractAddress"]
    assert twins.same(to=deep, gas=10_000_000)["status"] == "0x1"


def test_a_delegated_account_agrees(twins: Twins) -> None:
    """EIP-7702: an account that runs the probe's code. It exists before: anvil takes absent ones for existing."""
    from eth_account import Account

    probe = twins.same(to=None, data=initcode(), gas=5_000_000)["contractAddress"]
    owner = Account.from_key(b"\x31" * 31 + bytes([twins.nonce + 1]))
    twins.same(to=owner.address, value=1)
    signed = owner.sign_authorization({"chainId": 7101, "address": probe, "nonce": 0})
    receipt = twins.same(
        type=4, to=owner.address, data=calldata("put(uint256,uint256)", 1, 2), authorizationList=[signed]
    )
    assert receipt["type"] == "0x4"
    assert len(receipt["logs"]) == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"gas": 20_999}, "TX_INTRINSIC_GAS"),
        ({"value": 10_000 * ETHER}, "TX_FUNDS"),
        ({"gas": 30_000_001}, "TX_GAS_LIMIT"),
        ({"to": None, "data": bytes(49_153), "gas": 5_000_000}, "TX_INITCODE"),
        ({"chainId": 1}, "TX_CHAIN_ID"),
    ],
)
def test_both_refuse_what_cannot_be_executed(twins: Twins, fields: dict[str, Any], code: str) -> None:
    twins.same()
    raw = twins.wallet.sign(twins.nonce, **fields)
    with pytest.raises(Refused) as ours:
        twins.hand.chain.submit(raw)
    assert ours.value.code == code
    assert not twins.hand.chain.has_turns()
    with pytest.raises(Refused, match="NODE_ERROR"):
        twins.anvil.request("eth_sendRawTransaction", "0x" + raw.hex())
    twins.same()  # the honest twin, same nonce, is still accepted by both


@pytest.mark.parametrize("gas", [37_000, 60_999])
def test_gas_under_the_floor_is_refused_where_anvil_lets_its_miner_choke_on_it(twins: Twins, gas: int) -> None:
    with pytest.raises(Refused) as ours:
        twins.hand.chain.submit(twins.wallet.sign(twins.nonce, data=b"\x01" * 1000, gas=gas))
    assert ours.value.code == "TX_FLOOR_GAS"
    assert not twins.hand.chain.has_turns()


def test_exactly_the_floor_is_accepted_by_both(twins: Twins) -> None:
    receipt = twins.same(data=b"\x01" * 1000, gas=61_000)
    assert receipt["gasUsed"] == hex(61_000)
