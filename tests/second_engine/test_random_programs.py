"""Code drawn at random does the same in both engines, to the last unit of gas."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from ledger.ethereum.tx_receipt import decode_tx_receipt
from tests.second_engine.bed import ETHER, KEYS, Bed, Transfer, account
from tests.second_engine.engine import Specification
from tests.second_engine.programs import program

pytestmark = pytest.mark.filterwarnings("ignore:SELFDESTRUCT opcode")
PROGRAMS, PER_BLOCK, ACCOUNTS = 24, 8, tuple(bytes([0xC0 + n]) * 20 for n in range(24))


@pytest.mark.parametrize("seed", range(5))
def test_a_block_of_calls_to_random_code_is_the_same(other: Specification, seed: int) -> None:
    random = Random(seed)
    known = (*ACCOUNTS[:PROGRAMS], KEYS[0].address, b"\xaa" * 20)
    accounts = {
        address: account(
            random.choice((0, 1, ETHER)),
            nonce=1,
            code=program(random, known),
            storage={slot: random.randrange(1, 5) for slot in range(random.randrange(8))},
        )
        for address in ACCOUNTS
    }
    fates: Counter[int] = Counter()
    bed = Bed(other, accounts)
    for block in range(PROGRAMS // PER_BLOCK):
        calls = [
            Transfer(
                block * PER_BLOCK + place,
                to=ACCOUNTS[block * PER_BLOCK + place],
                value=random.choice((0, 3)),
                data=random.randbytes(random.randrange(100)),
                gas=random.choice((60_000, 800_000, 800_000)),
                kind=random.choice((0, 1, 2)),
            ).signed()
            for place in range(PER_BLOCK)
        ]
        one, two = bed.run(*calls)
        assert one.differences(two) == []
        fates.update(decode_tx_receipt(receipt).status for receipt in one.receipts)
    assert fates[0] and fates[1] and fates.total() == PROGRAMS
