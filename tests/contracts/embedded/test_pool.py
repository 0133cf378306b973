"""What the pool takes, in which order it is executed, and that nothing acknowledged is dropped."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.embedded.pool import MAX_NONCE_GAP
from ledger.errors import Problem, Refused, Unavailable
from tests.contracts.embedded.conftest import HandChain
from tests.contracts.embedded.probe import ETHER, GWEI, STRANGER, Wallet, calldata

# Runtime code: send the whole balance to the caller.
SWEEPING_INITCODE = bytes.fromhex("685f5f5f5f47335af1005f5260096017f3")


def refusal(hand: HandChain, raw: bytes) -> Problem:
    """The refusal of `raw`; asserts that neither pool nor folder has changed."""
    before = hand.chain.archive.database.pooled()
    with pytest.raises(Problem) as caught:
        hand.chain.submit(raw)
    assert hand.chain.archive.database.pooled() == before
    return caught.value


def executed(hand: HandChain) -> list[int]:
    return [transaction.nonce for transaction in hand.chain.mine().transactions]


def test_a_nonce_gap_waits_until_it_is_filled(hand: HandChain) -> None:
    hand.chain.submit(hand.wallet.sign(2))
    hand.chain.submit(hand.wallet.sign(1))
    assert not hand.chain.has_turns()
    assert executed(hand) == []
    assert hand.request("eth_getTransactionCount", hand.wallet.address, "pending") == "0x0"
    hand.chain.submit(hand.wallet.sign(0))
    assert hand.request("eth_getTransactionCount", hand.wallet.address, "pending") == "0x3"
    assert executed(hand) == [0, 1, 2]


def test_a_gap_too_wide_is_refused_and_the_widest_allowed_is_not(hand: HandChain) -> None:
    assert refusal(hand, hand.wallet.sign(MAX_NONCE_GAP + 1)).code == "TX_NONCE_GAP"
    hand.chain.submit(hand.wallet.sign(MAX_NONCE_GAP))


def test_a_nonce_already_used_is_refused(hand: HandChain) -> None:
    hand.send()
    problem = refusal(hand, hand.wallet.sign(0, value=1))
    assert (problem.code, problem.what) == ("TX_NONCE_LOW", "nonce too low: next nonce 1, tx nonce 0")
    hand.send()


def test_the_same_transaction_twice_is_told_so(hand: HandChain) -> None:
    raw = hand.wallet.sign(0)
    hand.chain.submit(raw)
    problem = refusal(hand, raw)
    assert (problem.code, problem.what) == ("TX_KNOWN", "already known")
    assert executed(hand) == [0]
    assert refusal(hand, raw).code == "TX_NONCE_LOW"


@pytest.mark.parametrize(("fee", "tip"), [(3 * GWEI, GWEI), (3.3 * GWEI, GWEI), (3.29 * GWEI, 2 * GWEI)])
def test_a_replacement_must_offer_a_tenth_more_in_both_fees(hand: HandChain, fee: float, tip: int) -> None:
    hand.chain.submit(hand.wallet.sign(0))
    cheap = hand.wallet.sign(0, value=1, maxFeePerGas=int(fee), maxPriorityFeePerGas=tip)
    assert refusal(hand, cheap).code == "TX_UNDERPRICED"
    better = hand.wallet.sign(0, value=1, maxFeePerGas=int(3.3 * GWEI), maxPriorityFeePerGas=int(1.1 * GWEI))
    digest = hand.chain.submit(better)
    hand.reopen()  # the replacement is durable, and so is the end of what it replaced
    assert [transaction.hash for transaction in hand.chain.mine().transactions] == [digest]


def test_funds_must_cover_what_is_already_waiting(hand: HandChain) -> None:
    hand.chain.submit(hand.wallet.sign(0, value=600 * ETHER))
    assert refusal(hand, hand.wallet.sign(1, value=600 * ETHER)).code == "TX_FUNDS"
    hand.chain.submit(hand.wallet.sign(1, value=300 * ETHER))
    assert executed(hand) == [0, 1]


def test_an_unfunded_sender_is_refused(hand: HandChain) -> None:
    assert refusal(hand, Wallet(b"\x55" * 32).sign(0)).code == "TX_FUNDS"


def test_a_fee_under_the_base_fee_is_refused(hand: HandChain) -> None:
    base_fee = hand.chain.next_base_fee()
    low = hand.wallet.sign(0, maxFeePerGas=base_fee - 1, maxPriorityFeePerGas=0)
    problem = refusal(hand, low)
    assert problem.code == "TX_BASE_FEE"
    assert problem.what.startswith("max fee per gas less than block base fee")
    hand.send(maxFeePerGas=base_fee, maxPriorityFeePerGas=0)


def test_a_transaction_overtaken_by_the_base_fee_waits_and_is_executed_when_it_falls(hand: HandChain) -> None:
    probe = hand.deploy()
    poor = Wallet(b"\x56" * 32)
    hand.send(to=poor.address, value=ETHER)
    base_fee = hand.chain.next_base_fee()
    burn = hand.wallet.sign(hand.nonce, to=probe, data=calldata("burn()"), gas=29_990_000)
    hand.chain.submit(burn)
    waiting = hand.chain.submit(poor.sign(0, maxFeePerGas=base_fee, maxPriorityFeePerGas=0))
    # A full block made before its turn: the fee rises by nearly an eighth.
    assert executed(hand) == [hand.nonce]
    assert hand.chain.next_base_fee() > base_fee
    emptied = 0
    while hand.chain.has_turns():  # as the miner does: blocks without it bring its turn nearer
        emptied += not executed(hand)
    assert 0 < emptied < 10
    assert hand.request("eth_getTransactionReceipt", "0x" + waiting.hex())["status"] == "0x1"


def test_a_balance_spent_before_its_turn_keeps_the_transaction_waiting(hand: HandChain) -> None:
    """A delegated account (EIP-7702) can be emptied by others; whatever the cause, what was acknowledged stays."""
    from eth_account import Account

    owner = Wallet(b"\x57" * 32)
    hand.send(to=owner.address, value=ETHER)
    sweeper = hand.deploy(SWEEPING_INITCODE)
    signed = Account.from_key(b"\x57" * 32).sign_authorization({"chainId": 7101, "address": sweeper, "nonce": 0})
    hand.send(type=4, to=STRANGER, authorizationList=[signed])
    hand.chain.submit(hand.wallet.sign(hand.nonce, to=owner.address))  # arrives first and sweeps
    digest = hand.chain.submit(owner.sign(1, value=ETHER // 2))
    assert [transaction.sender for transaction in hand.chain.mine().transactions] == [hand.wallet.raw_address]
    hand.nonce += 1
    hand.reopen()
    assert hand.chain.waiting(digest) is not None
    hand.chain.submit(hand.wallet.sign(hand.nonce, to=owner.address, value=0))
    assert hand.chain.waiting(digest) is not None


def test_a_full_pool_tells_the_newcomer_and_keeps_the_others(hand: HandChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contracts.embedded.pool.MAX_TRANSACTIONS", 2)
    for nonce in range(2):
        hand.chain.submit(hand.wallet.sign(nonce))
    problem = refusal(hand, hand.wallet.sign(2))
    assert isinstance(problem, Unavailable)
    assert problem.code == "TX_POOL_FULL"
    assert executed(hand) == [0, 1]
    hand.chain.submit(hand.wallet.sign(2))


def test_one_senders_trouble_does_not_stop_another(hand: HandChain) -> None:
    other = Wallet(b"\x58" * 32)
    hand.send(to=other.address, value=ETHER)
    hand.chain.submit(hand.wallet.sign(hand.nonce + 1))  # a gap
    hand.chain.submit(other.sign(0))
    assert [transaction.sender for transaction in hand.chain.mine().transactions] == [other.raw_address]


def test_a_transaction_that_breaks_the_engine_is_set_aside_and_kept(
    hand: HandChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contracts.embedded.rules import EmbeddedVM

    poison = hand.chain.submit(hand.wallet.sign(0, data=b"poison"))
    other = Wallet(b"\x59" * 32)
    honest = EmbeddedVM.apply_transaction

    def breaking(self: Any, header: Any, transaction: Any) -> Any:
        if transaction.data == b"poison":
            raise ZeroDivisionError
        return honest(self, header, transaction)

    with monkeypatch.context() as broken:
        broken.setattr(EmbeddedVM, "apply_transaction", breaking)
        assert hand.chain.mine().transactions == ()
        assert not hand.chain.has_turns()  # no endless retry
        assert hand.chain.waiting(poison) is not None
    hand.reopen()
    assert [transaction.hash for transaction in hand.chain.mine().transactions] == [poison]
    assert other.address


def test_a_refused_transaction_leaves_its_nonce_free(hand: HandChain) -> None:
    with pytest.raises(Refused):
        hand.chain.submit(hand.wallet.sign(0, gas=20_000))
    hand.send()
