"""What notaries sign: digests equal to an independent EIP-712 encoder's, and of no use anywhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from eth_account.messages import _hash_eip191_message, encode_defunct, encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.attestation import Verdict, attestation_digest, domain_separator, verdict_digest
from ledger.ethereum.keccak import keccak256
from ledger.quorum import Committee
from ledger.secp256k1 import SigningKey
from tests.ledger.messages import VERDICT, verdicts
from tests.ledger.refusals import refused

GATEWAY, ROOT = b"\x22" * 20, b"\x77" * 32
KEYS = [SigningKey.from_secret(bytes([index + 1]) * 32) for index in range(4)]
COMMITTEE = Committee(1, tuple(key.address for key in KEYS))
DOMAIN = {"name": "Pledgetrail", "version": "1", "chainId": 7102, "verifyingContract": f"0x{GATEWAY.hex()}"}
VERDICT_FIELDS = {
    "id": "bytes32",
    "epoch": "uint64",
    "originBlock": "bytes32",
    "commitBlock": "bytes32",
    "commitTransaction": "bytes32",
    "checkedFrom": "uint64",
    "verdict": "uint8",
    "executed": "bool",
    "outcome": "bytes32",
    "policy": "uint8",
    "originLog": "uint64",
    "commitLog": "uint64",
}


def typed(domain: dict[str, Any], kind: str, types: dict[str, str], values: dict[str, Any]) -> bytes:
    """The digest that wallets would sign."""
    named = {kind: [{"name": name, "type": of} for name, of in types.items()]}
    return bytes(_hash_eip191_message(encode_typed_data(domain, named, values)))


def typed_attestation(domain: dict[str, Any], root: bytes = ROOT, epoch: int = 1) -> bytes:
    return typed(domain, "Attestation", {"root": "bytes32", "epoch": "uint64"}, {"root": root, "epoch": epoch})


def attested(chain_id: int = 7102, gateway: bytes = GATEWAY, root: bytes = ROOT, epoch: int = 1) -> bytes:
    return attestation_digest(chain_id=chain_id, gateway=gateway, root=root, epoch=epoch)


@settings(max_examples=50)
@given(
    st.integers(0, 2**256 - 1),
    st.binary(min_size=20, max_size=20),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**64 - 1),
)
def test_an_attestation_is_what_eip_712_says(chain_id: int, gateway: bytes, root: bytes, epoch: int) -> None:
    domain = DOMAIN | {"chainId": chain_id, "verifyingContract": f"0x{gateway.hex()}"}
    assert attested(chain_id, gateway, root, epoch) == typed_attestation(domain, root, epoch)


@settings(max_examples=50)
@given(verdicts)
def test_a_verdict_is_what_eip_712_says(verdict: Verdict) -> None:
    values = dict(zip(VERDICT_FIELDS, (getattr(verdict, field.name) for field in fields(verdict)), strict=True))
    assert verdict_digest(chain_id=7102, registry=GATEWAY, verdict=verdict) == typed(
        DOMAIN, "Verdict", VERDICT_FIELDS, values
    )


DOMAINS: dict[str, dict[str, Any]] = {
    "another_chain": DOMAIN | {"chainId": 7101},
    "another_gateway": DOMAIN | {"verifyingContract": "0x" + "23" * 20},
    "another_name": DOMAIN | {"name": "pledgetrail"},
    "another_version": DOMAIN | {"version": "2"},
    "a_salt": DOMAIN | {"salt": ROOT},
    "no_chain": {name: value for name, value in DOMAIN.items() if name != "chainId"},
    "no_contract": {name: value for name, value in DOMAIN.items() if name != "verifyingContract"},
    "no_name": {name: value for name, value in DOMAIN.items() if name != "name"},
    "no_version": {name: value for name, value in DOMAIN.items() if name != "version"},
}


@pytest.mark.parametrize("name", DOMAINS)
def test_A10_a_signature_under_another_domain_is_nobodys(name: str) -> None:
    signature = KEYS[2].sign(typed_attestation(DOMAINS[name]))
    with refused("SIG_UNKNOWN"):
        COMMITTEE.index_of(attested(), signature)
    assert COMMITTEE.index_of(attested(), KEYS[2].sign(typed_attestation(DOMAIN))) == 2


def test_A10_the_domain_is_the_destinations() -> None:
    assert len({domain_separator(chain, gateway) for chain in (1, 2) for gateway in (GATEWAY, ROOT[:20])}) == 4


STATEMENTS: dict[str, Callable[[], bytes]] = {
    "attestation": attested,
    "verdict": lambda: verdict_digest(chain_id=7102, registry=GATEWAY, verdict=VERDICT),
    "rotation": lambda: typed(DOMAIN, "RotateSet", {"root": "bytes32", "epoch": "uint64"}, {"root": ROOT, "epoch": 1}),
    "pause": lambda: typed(DOMAIN, "Pause", {"root": "bytes32"}, {"root": ROOT}),
    "login_challenge": lambda: bytes(_hash_eip191_message(encode_defunct(ROOT))),
    "bare_root": lambda: ROOT,
    "transaction": lambda: keccak256(b"\x02" + ROOT),
}


@pytest.mark.parametrize("signed", STATEMENTS)
@pytest.mark.parametrize("read_as", STATEMENTS)
def test_A11_a_signature_counts_only_as_what_it_was_made_for(signed: str, read_as: str) -> None:
    signature = KEYS[1].sign(STATEMENTS[signed]())
    if signed == read_as:
        assert COMMITTEE.index_of(STATEMENTS[read_as](), signature) == 1
    else:
        with refused("SIG_UNKNOWN"):
            COMMITTEE.index_of(STATEMENTS[read_as](), signature)


@settings(max_examples=500)
@given(verdicts, verdicts)
def test_A13_unequal_verdicts_have_unequal_words(one: Verdict, other: Verdict) -> None:
    assert (one == other) == (one.words() == other.words())


RANGES: dict[str, Any] = {
    "epoch": [-1, 2**64, 1.0, "1", True, None],
    "checked_from": [-1, 2**64, 1.0, "1", True, None],
    "verdict": [-1, 256, 1.0, "1", True, None],
    "policy": [-1, 256, 1.0, "1", True, None],
    "origin_log": [-1, 2**64, 1.0, "1", True, None],
    "commit_log": [-1, 2**64, 1.0, "1", True, None],
    "executed": [0, 1, "true", None],
    "id": [b"", bytes(31), bytes(33)],
    "outcome": [b"", bytes(31), bytes(33)],
    "commit_block": [b"", bytes(31), bytes(33)],
    "origin_block": [b"", bytes(31), bytes(33)],
    "commit_transaction": [b"", bytes(31), bytes(33)],
}


@pytest.mark.parametrize("name", RANGES)
def test_F09_a_verdicts_field_is_inside_its_type(name: str) -> None:
    for value in RANGES[name]:
        with refused("VERDICT_RANGE"):
            replace(VERDICT, **{name: value})
    assert replace(VERDICT, epoch=2**64 - 1, checked_from=0, verdict=255, executed=False).words()
