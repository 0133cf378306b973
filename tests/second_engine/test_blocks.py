"""What re-execution makes of a block, the Ethereum specification makes of it: every kind of block, every fate."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.reexecution.rules import ChainRules
from contracts.reexecution.verdict import Disagreement
from tests.second_engine.bed import BASE_FEE, CHAIN_ID, GAS_LIMIT, KEYS, Bed, Transfer, account, authorization
from tests.second_engine.deeds import BLOCKS, NEW, STORE, start
from tests.second_engine.engine import Specification, SpecificationRefusedError

pytestmark = pytest.mark.filterwarnings("ignore:SELFDESTRUCT opcode")
POOR = KEYS[2]


@pytest.mark.parametrize("queues", [False, True], ids=["", "with queues"])
@pytest.mark.parametrize("deed", BLOCKS)
def test_a_block_is_the_same_in_both_engines_that(other: Specification, deed: str, queues: bool) -> None:
    one, two = BLOCKS[deed](Bed(other, start(queues=queues), queues=queues))
    assert one.differences(two) == []


def test_a_year_of_excess_blobs_has_the_same_price(other: Specification) -> None:
    for excess in (0, 786_432, 10_000_000, 60_000_000):
        bed = Bed(other, start(), excess_blob_gas=excess)
        one, two = bed.run(Transfer(0, kind=3, hashes=(b"\x01" * 32,), blob_fee=10**14).signed())
        assert one.differences(two) == []
        assert one.blob_gas_used == 2**17


IMPOSSIBLE: dict[str, bytes] = {
    "a nonce too high": Transfer(1).signed(),
    "less gas than the transfer costs": Transfer(0, gas=20_999).signed(),
    "less gas than the calldata floor": Transfer(0, data=b"x" * 1_000, gas=60_000).signed(),
    "more gas than the block has": Transfer(0, gas=GAS_LIMIT + 1).signed(),
    "a fee under the base fee": Transfer(0, fee=BASE_FEE - 1, tip=0).signed(),
    "a tip above the fee": Transfer(0, fee=BASE_FEE, tip=BASE_FEE + 1).signed(),
    "more value than the sender has": Transfer(0, value=2**100).signed(),
    "a fee that the sender cannot pay": Transfer(0, gas=1_000_000).signed(POOR),
    "another chain's id as before EIP-2718": Transfer(0, kind=0, chain_id=CHAIN_ID + 1).signed(),
    "a signature with high s": Transfer(0).signed(high_s=True),
    "no blob": Transfer(0, kind=3).signed(),
    "blobs of another version": Transfer(0, kind=3, hashes=(b"\x02" * 32,)).signed(),
    "more blobs than a block holds": Transfer(0, kind=3, hashes=(b"\x01" * 32,) * 10).signed(),
    "too little for its blobs": Transfer(0, kind=3, hashes=(b"\x01" * 32,), blob_fee=0).signed(),
    "blobs and no recipient": Transfer(0, kind=3, to=b"", hashes=(b"\x01" * 32,)).signed(),
    "no authorization": Transfer(0, kind=4).signed(),
    "authorizations and no recipient": Transfer(0, kind=4, to=b"").signed(),
    "more creation code than is allowed": Transfer(0, to=b"", data=bytes(49_153), gas=5_000_000).signed(),
}


@pytest.mark.parametrize("named", IMPOSSIBLE)
def test_a_block_is_refused_by_both_engines_with(other: Specification, named: str) -> None:
    bed = Bed(other, start() | {POOR.address: account(10**12)})
    body = bed.body(IMPOSSIBLE[named])
    with pytest.raises(Disagreement):
        bed.outcome(body)
    with pytest.raises(SpecificationRefusedError):
        other.execute(body, {})
    honest, twin = Bed(other, start()).run(Transfer(0, to=NEW, value=1).signed())
    assert honest.differences(twin) == []


def test_a_typed_transaction_for_another_chain_is_refused_by_ours_which_is_stricter(other: Specification) -> None:
    """EELS 2.20 takes the chain id of a typed transaction only into the hash that is signed."""
    bed = Bed(other, start())
    for kind in (1, 2, 4):
        with pytest.raises(Disagreement, match="signed for chain"):
            listed = (authorization(KEYS[1], STORE, 0),) if kind == 4 else ()
            bed.outcome(bed.body(Transfer(0, kind=kind, chain_id=CHAIN_ID + 1, authorizations=listed).signed()))


def test_a_contract_sends_no_transaction_in_either_engine(other: Specification) -> None:
    bed = Bed(other, start() | {KEYS[1].address: account(10**20, code=b"\x00")})
    body = bed.body(Transfer(0).signed(KEYS[1]))
    with pytest.raises(Disagreement):
        bed.outcome(body)
    with pytest.raises(SpecificationRefusedError):
        other.execute(body, {})


ALTERED: dict[str, tuple[str, Any, str, str]] = {
    "refunds half of the gas": (
        "contracts.embedded.rules.REFUND_QUOTIENT", 2, "clears slots, for a refund above its cap", "gas_used"
    ),
    "knows no calldata floor": (
        "contracts.embedded.rules.calldata_floor_gas", lambda calldata: 0, "pays the calldata floor", "gas_used"
    ),
    "credits withdrawals in wei": (
        "contracts.reexecution.execution.WEI_PER_GWEI", 1, "credits withdrawals", f"account 0x{NEW.hex()}"
    ),
    "leaves the parent's hash unwritten": (
        "contracts.embedded.rules.EmbeddedVM.block_preprocessing", lambda self, block: None, "is empty", "state_root"
    ),
    "keeps what destroyed itself": (
        "contracts.reexecution.accounts.ProvenAccounts.delete_account",
        lambda self, address: None, "creates what destroys itself", "state_root",
    ),
    "finds every slot warm": (
        "contracts.reexecution.accounts.ProvenAccounts.is_storage_warm",
        lambda self, address, slot: True, "sets, changes, clears and sets again", "gas_used",
    ),
    "finds every account warm": (
        "contracts.reexecution.accounts.ProvenAccounts.is_address_warm",
        lambda self, address: True, "asks for a beacon root of EIP-4788", "gas_used",
    ),
    "forgets what a slot was at the start": (
        "contracts.reexecution.accounts.ProvenAccounts.lock_changes",
        lambda self: self._warm.clear(), "sets, changes, clears and sets again", "gas_used",
    ),
    "hashes requests without their kind": (
        "contracts.reexecution.execution._requests_hash", lambda requests: bytes(32), "is empty", "requests_hash"
    ),
}  # fmt: skip


@pytest.mark.parametrize("named", ALTERED)
def test_an_engine_is_caught_that(other: Specification, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    place, altered, deed, difference = ALTERED[named]
    one, two = BLOCKS[deed](Bed(other, start(queues=True), queues=True))
    assert one.differences(two) == []
    monkeypatch.setattr(place, altered)
    one, two = BLOCKS[deed](Bed(other, start(queues=True), queues=True))
    assert difference in one.differences(two)


def test_rules_without_system_writes_are_not_the_specification_s(other: Specification) -> None:
    bed = Bed(other, start(), rules=ChainRules(CHAIN_ID, system_writes=False))
    one, two = bed.run(Transfer(0, to=STORE).signed())
    assert one.differences(two) == ["state_root"]
