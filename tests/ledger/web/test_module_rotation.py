"""Rotations, packed signatures and Keccak in the browser and in Python: the same cases, the same answers."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.bundle.succession import read_rotation_order
from ledger.canonical import canonical_json
from ledger.ethereum.keccak import keccak256
from ledger.quorum import check_signatures, pack
from ledger.secp256k1 import ORDER
from tests.ledger.bundle.estate import NOTARIES
from tests.ledger.bundle.succeeding import CASES, order_of
from tests.ledger.bundle.test_succession import MALFORMED
from tests.ledger.web.javascript import Rules
from tests.ledger.web.parity import code_of


def test_rotations_are_followed_or_refused_alike(rules: Rules) -> None:
    cases = [
        ("rotated", told.held.dump(), told.offered.dump(), [order.as_json() for order in told.orders])
        for told in CASES.values()
    ]
    assert dict(zip(CASES, rules.codes(cases), strict=True)) == {name: told.code for name, told in CASES.items()}


@pytest.mark.parametrize("change", MALFORMED, ids=repr)
def test_a_malformed_order_is_refused_alike(rules: Rules, change: dict[str, Any]) -> None:
    honest = order_of(1).as_json()
    spoilt = {**honest, **change}
    assert code_of(lambda: read_rotation_order(canonical_json(spoilt))) == "ROTATION_FORMAT"
    assert rules.codes([("readOrderOfRotation", honest), ("readOrderOfRotation", spoilt)]) == ["", "ROTATION_FORMAT"]


def test_keccak_gives_the_same_digests(rules: Rules) -> None:
    texts = [bytes(range(256))[:length] * 3 for length in (0, 1, 44, 45, 46, 64, 135, 136, 137, 255)]
    found = rules.answers([("keccak256", text) for text in texts])
    assert [said for _, said in found] == [keccak256(text).hex() for text in texts]


def test_a05_packed_signatures_are_counted_or_refused_alike(rules: Rules) -> None:
    digest = keccak256(b"what was attested")
    members = [key.address for key in NOTARIES]
    signatures = {index: key.sign(digest) for index, key in enumerate(NOTARIES)}
    honest = pack({index: signatures[index] for index in (0, 1, 3)})
    bits, parities, pairs = honest[:13], honest[13:26], honest[26:]
    r, s = pairs[:32], int.from_bytes(pairs[32:64], "big")
    high = (ORDER - s).to_bytes(32, "big")
    turned = (int.from_bytes(parities, "big") ^ 1).to_bytes(13, "big")
    cases: dict[str, tuple[bytes, str]] = {
        "a quorum": (honest, ""),
        "all": (pack(signatures), ""),
        "too few": (pack({index: signatures[index] for index in (0, 3)}), "QUORUM"),
        "in another order": (bits + parities + pairs[64:128] + pairs[:64] + pairs[128:], "SIG_UNKNOWN"),
        "one twice": (bits + parities + pairs[:64] * 3, "SIG_UNKNOWN"),
        "nothing": (b"", "SIG_LENGTH"),
        "no signer": (bytes(26) + pairs, "SIG_LENGTH"),
        "one byte more": (honest + b"\0", "SIG_LENGTH"),
        "a signer too many": ((0b11011).to_bytes(13, "big") + parities + pairs, "SIG_UNKNOWN"),
        "a parity where nobody signed": (bits + (0b100).to_bytes(13, "big") + pairs, "SIG_BAD_V"),
        "the other parity": (bits + turned + pairs, "SIG_UNKNOWN"),
        "high s": (bits + turned + r + high + pairs[64:], "SIG_MALLEABLE"),
        "r of zero": (bits + parities + bytes(32) + pairs[32:], "SIG_RANGE"),
        "s of zero": (bits + parities + r + bytes(32) + pairs[64:], "SIG_RANGE"),
        "r of the order": (bits + parities + ORDER.to_bytes(32, "big") + pairs[32:], "SIG_RANGE"),
        "r of no point": (bits + parities + (5).to_bytes(32, "big") + pairs[32:], "SIG_UNKNOWN"),
    }
    ours = {
        name: code_of(lambda packed=packed: check_signatures(members, digest, packed, needed=3))  # type: ignore[misc]
        for name, (packed, _) in cases.items()
    }
    assert ours == {name: code for name, (_, code) in cases.items()}
    found = rules.codes([("checkSignatures", members, digest, packed) for packed, _ in cases.values()])
    assert dict(zip(cases, found, strict=True)) == ours
