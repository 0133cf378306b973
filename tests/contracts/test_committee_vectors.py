"""Public vectors at the contracts' own check: what plain ECDSA calls valid and we accept, every contract accepts."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from ledger.ethereum.keccak import keccak256
from ledger.secp256k1 import HALF_ORDER, ORDER, SigningKey
from tests.contracts.evm import Deployed, Evm, Reverted
from tests.ledger.test_secp256k1 import R_BELOW_X, read_der, vectors

SOURCE = Path(__file__).parent / "StrictSignature.vy"
DIGEST = keccak256(b"a digest")
REASONS = {"strict_signature: malleable", "strict_signature: nobody's"}


@pytest.fixture(scope="module")
def contract() -> Deployed:
    return Evm().deploy(SOURCE)


def accepts(contract: Deployed, key: bytes, test: dict[str, Any], numbers: tuple[int, int] | None) -> bool:
    """Whether the contract finds this key under one of the two recovery values."""
    if numbers is None or max(numbers) >= 2**256:
        return False  # no 65 bytes say this
    digest = hashlib.sha256(bytes.fromhex(test["msg"])).digest()
    raw = numbers[0].to_bytes(32, "big") + numbers[1].to_bytes(32, "big")
    found = []
    for v in (27, 28):
        try:
            found.append(contract.call("signer", digest, raw + bytes([v])))
        except Reverted as reverted:
            assert reverted.reason in REASONS, test["tcId"]
    return keccak256(key[1:])[12:] in found


def test_A17_the_wycheproof_bitcoin_vectors_at_the_contract(contract: Deployed) -> None:
    found = vectors("ecdsa_secp256k1_sha256_bitcoin_test.json")
    wrong = [
        test["tcId"]
        for key, test in found
        if accepts(contract, key, test, read_der(bytes.fromhex(test["sig"]))) != (test["result"] == "valid")
    ]
    assert (len(found), wrong) == (463, R_BELOW_X["bitcoin"])


def test_A17_the_wycheproof_p1363_vectors_at_the_contract(contract: Deployed) -> None:
    found = vectors("ecdsa_secp256k1_sha256_p1363_test.json")
    high, wrong = 0, []
    for key, test in found:
        raw = bytes.fromhex(test["sig"])
        numbers = (int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")) if len(raw) == 64 else None
        if test["result"] == "valid" and numbers is not None and numbers[1] > HALF_ORDER:
            # This file counts high s as valid: we refuse it, and accept its low twin.
            assert not accepts(contract, key, test, numbers), test["tcId"]
            numbers, high = (numbers[0], ORDER - numbers[1]), high + 1
        if accepts(contract, key, test, numbers) != (test["result"] == "valid"):
            wrong.append(test["tcId"])
    assert (len(found), high, wrong) == (252, 72, R_BELOW_X["p1363"])


def refused(contract: Deployed, signature: bytes, reason: str) -> None:
    with pytest.raises(Reverted) as found:
        contract.call("signer", DIGEST, signature)
    assert found.value.reason == f"strict_signature: {reason}"


def test_A02_A04_a_signature_is_65_bytes_with_one_of_two_recovery_ids_and_low_s(contract: Deployed) -> None:
    key = SigningKey.from_secret(b"\x21" * 32)
    honest = key.sign(DIGEST).pack()
    assert contract.call("signer", DIGEST, honest) == key.address
    for short in (0, 1, 32, 64):
        refused(contract, honest[:short], "length")
    for v in (0, 1, 26, 29, 37, 38, 255):
        refused(contract, honest[:64] + bytes([v]), "recovery id")
    high = ORDER - int.from_bytes(honest[32:64], "big")
    refused(contract, honest[:32] + high.to_bytes(32, "big") + bytes([55 - honest[64]]), "malleable")
    refused(contract, bytes(32) + honest[32:], "nobody's")
