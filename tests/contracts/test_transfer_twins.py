"""What a gateway counts and holds back, in Vyper and in Python: the same answer to every random transfer."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ledger.conservation import MAX_TOTAL, MAX_UNITS, Arrivals, Transfer, Window, count_out
from ledger.errors import BadInput, Refused
from tests.contracts.evm import Deployed, Evm, Reverted

CASES = 400
LANE, BENEFICIARY = b"\x01" * 32, b"\x0b" * 20
REASONS = {
    "Gateway: quantity": "AMOUNT",
    "Gateway: total": "TRANSFER_FORM",
    "Gateway: total is not what was sent": "VALUE_UNBACKED",
    "Gateway: value is not backed": "VALUE_UNBACKED",
}


@pytest.fixture(scope="module")
def twin() -> Deployed:
    return Evm().deploy(Path(__file__).parent / "TransferTwins.vy")


def payload(asset: bytes, quantity: int, total: int) -> bytes:
    return asset + quantity.to_bytes(32, "big") + total.to_bytes(32, "big") + BENEFICIARY.rjust(32, b"\x00")


def drawn(chance: random.Random, so_far: int) -> tuple[int, int]:
    """Mostly what follows from the count so far, sometimes not."""
    quantity = chance.choice([1, 7, 1_000, MAX_UNITS, MAX_UNITS + 1, 0, 2**256 - 1])
    total = so_far + quantity + chance.choice([0, 0, 0, 0, 1, -1, -quantity, MAX_TOTAL])
    return quantity, min(max(total, 0), 2**256 - 1)


def asked(twin: Deployed, function: str, *arguments: object) -> str:
    try:
        twin.send(function, *arguments)
    except Reverted as refused:
        return REASONS[refused.reason]
    return ""


def test_F05_both_count_what_leaves_alike(twin: Deployed) -> None:
    chance, counts, answers = random.Random(1), dict.fromkeys((b"\n" * 32, b"\x0c" * 32), 0), set()
    for _ in range(CASES):
        asset = chance.choice(list(counts))
        quantity, total = drawn(chance, counts[asset])
        try:
            counts[asset] = count_out(counts[asset], Transfer(asset, quantity, total, BENEFICIARY))
            said = ""
        except (BadInput, Refused) as refused:
            said = refused.code
        assert asked(twin, "count_out", LANE, 1, payload(asset, quantity, total)) == said
        assert twin.call("units_sent", LANE, 1, asset) == counts[asset]
        answers.add(said)
    assert answers == {"", "AMOUNT", "TRANSFER_FORM", "VALUE_UNBACKED"}


def test_F05_both_count_what_arrives_alike(twin: Deployed) -> None:
    chance, counts, answers = random.Random(2), {asset: Arrivals() for asset in (b"\x0a" * 32, b"\x0c" * 32)}, set()
    for _ in range(CASES):
        asset = chance.choice(list(counts))
        quantity, total = drawn(chance, counts[asset].arrived)
        try:
            counts[asset] = counts[asset].count_in(Transfer(asset, quantity, total, BENEFICIARY))
            said = ""
        except (BadInput, Refused) as refused:
            said = refused.code
        assert asked(twin, "count_in", LANE, 1, payload(asset, quantity, total)) == said
        assert twin.call("units_received", LANE, 1, asset) == (counts[asset].arrived, counts[asset].shown)
        answers.add(said)
    assert answers == {"", "AMOUNT", "TRANSFER_FORM", "VALUE_UNBACKED"}


def test_F10_both_hold_the_same_transfers_back(twin: Deployed) -> None:
    chance, now, held, passed = random.Random(3), 1_800_000_000, 0, 0
    window, word = Window(500, 1_200, 3_600), 0
    limits = window.per_message | window.per_window << 112 | window.seconds << 224
    for _ in range(CASES):
        now += chance.choice([0, 1, 600, 3_599, 3_600])
        twin.evm.time = now
        quantity = chance.choice([1, 499, 500, 501, 400])
        after = window.count(quantity, now)
        found = int(twin.call("counted", word, limits, quantity))
        if after is None:
            assert found == 2**256 - 1
            held += 1
            continue
        window, word = after, found
        assert (word & (2**40 - 1), word >> 40) == (window.began, window.used)
        passed += 1
    assert min(held, passed) > CASES // 10


@pytest.mark.parametrize("limit", [0, 1, 2**60 - 1, 10**24, 123_456 * 10**18, 2**96, 2**111 + 2**52, MAX_UNITS])
def test_F10_a_limit_lets_exactly_its_quantity_through(twin: Deployed, limit: int) -> None:
    word = limit | limit << 112 | 3_600 << 224
    for quantity in (limit, 1):
        passes = 0 < quantity <= limit
        assert (twin.call("counted", 0, word, quantity) < 2**255) is (passes or quantity == 0)
    assert limit == MAX_UNITS or twin.call("counted", 0, word, limit + 1) == 2**256 - 1


def test_F10_a_limit_of_more_digits_is_rounded_down(twin: Deployed) -> None:
    limit = 2**100 + 1
    word = limit | limit << 112 | 3_600 << 224
    assert twin.call("counted", 0, word, limit) == 2**256 - 1
    assert twin.call("counted", 0, word, 2**100) >> 40 == 2**100
