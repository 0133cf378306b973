"""A19: a member whose address has code counts by its key's signature alone; no contract is ever asked to sign.

There is no list of admitted contract signers because there are none. A committee never calls a member's address: what
stands there (an EIP-1271 wallet, a delegation by EIP-7702) can neither sign, nor refuse, nor burn the caller's gas.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger.errors import Refused
from ledger.membership import Purpose, Roster, possession_digest
from tests.contracts.committees import (
    DIGEST,
    OUTSIDER,
    Chamber,
    Said,
    constructor,
    key,
    member,
    members,
    proofs,
    signed,
)
from tests.contracts.evm import Evm, Reverted

NOT_THIS = Said("Committee: not this member's signature", "SIG_UNKNOWN")
MAGIC = bytes.fromhex("631626ba7e60e01b5f5260205ff3")  # returns 0x1626ba7e, whatever it is asked
CODES = {
    "always the magic value": MAGIC,
    "always reverts": bytes.fromhex("5f5ffd"),
    "31 bytes of the magic value": bytes.fromhex("631626ba7e60e01b5f52601f5ff3"),
    "burns all gas": bytes.fromhex("5b5f56"),  # jumps to itself
    "delegated by EIP-7702": bytes.fromhex("ef0100") + b"\x66" * 20,
}


@pytest.fixture
def chamber() -> Chamber:
    return Chamber.open(members(0, 1, 2, 3), exact=True)


@pytest.mark.parametrize("name", CODES)
def test_A19_code_at_a_members_address_neither_signs_for_it_nor_takes_its_voice(chamber: Chamber, name: str) -> None:
    honest, forged = signed(DIGEST, 0, 1, 3), signed(DIGEST, 0, 1, 3, by=(0, 1, 2))
    before = chamber.contract.send("check", 1, DIGEST, honest).gas_frame
    chamber.evm.engine.set_code(key(3).address, CODES[name])
    state = chamber.evm.fingerprint(chamber.contract)
    assert chamber.check(1, DIGEST, forged) == NOT_THIS
    assert chamber.check(1, DIGEST, forged, "check_blocking") == NOT_THIS
    assert chamber.check(1, DIGEST, signed(DIGEST, 0, 1)) == Said("Committee: below quorum", "QUORUM")
    assert chamber.evm.fingerprint(chamber.contract) == state
    # The honest twin: the key signs, and not one unit of gas went to the code.
    assert chamber.check(1, DIGEST, honest) is True
    assert chamber.contract.send("check", 1, DIGEST, honest).gas_frame == before


@pytest.mark.parametrize("name", CODES)
def test_A19_one_members_word_is_its_keys_word_alone(chamber: Chamber, name: str) -> None:
    chamber.evm.engine.set_code(key(3).address, CODES[name])
    forged = b"\x03" + key(2).sign(DIGEST).pack()
    with pytest.raises(Reverted) as refused:
        chamber.contract.call("check_member", 1, DIGEST, forged)
    assert refused.value.reason == NOT_THIS.reason
    assert chamber.contract.call("check_member", 1, DIGEST, b"\x03" + key(3).sign(DIGEST).pack()) == 3


def test_A19_a_contract_is_no_member_because_it_holds_no_key() -> None:
    evm = Evm()
    contract = b"\x19" * 20
    evm.engine.set_code(contract, MAGIC)
    records = [
        replace(each, attesting=contract if place == 3 else each.attesting)
        for place, each in enumerate(members(0, 1, 2, 3))
    ]
    digest = possession_digest(records[3].operator, Purpose.ATTESTING, contract)
    evidence = proofs(records[:3]) + OUTSIDER.sign(digest).pack()
    with pytest.raises(Reverted) as refused:
        evm.deploy("Committee", [record.as_abi() for record in records], evidence, *constructor([key(0)])[2:])
    assert refused.value.reason == "member: key not possessed"
    with pytest.raises(Refused) as twin:
        Roster().admit(records, evidence, epoch=1, development=False)
    assert twin.value.code == "KEY_POSSESSION"
    # The honest twin: the same place, with an account that has a key.
    honest = [*records[:3], member(3)]
    arguments = ([record.as_abi() for record in honest], proofs(honest), *constructor([key(0)])[2:])
    assert evm.deploy("Committee", *arguments).call("size") == 4
