"""The trust root: one spelling, nothing by default, never less than a quorum."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ledger.bundle import TrustRoot
from ledger.bundle.trust_root import MAX_TRUST_ROOT_BYTES
from ledger.canonical import canonical_json
from ledger.errors import Problem
from tests.ledger.bundle.estate import TRUST_ROOT, address
from tests.ledger.refusals import refused

HONEST = TRUST_ROOT.dump()


def test_it_reads_back_and_a_newline_may_follow() -> None:
    assert TrustRoot.load(HONEST) == TRUST_ROOT
    assert TrustRoot.load(HONEST + b"\n") == TRUST_ROOT


def test_the_fingerprint_is_eight_groups_of_four_and_changes_with_any_field() -> None:
    assert [len(group) for group in TRUST_ROOT.fingerprint.split(" ")] == [4] * 8
    others = [
        replace(TRUST_ROOT, quorum=4),
        replace(TRUST_ROOT, anchor_mirror=address(9)),
        replace(TRUST_ROOT, origin=replace(TRUST_ROOT.origin, genesis=bytes(32))),
        replace(TRUST_ROOT, committee=replace(TRUST_ROOT.committee, epoch=2)),
        replace(TRUST_ROOT, cosigners=TRUST_ROOT.cosigners[::-1]),
    ]
    assert len({TRUST_ROOT.fingerprint, *(other.fingerprint for other in others)}) == 6


@pytest.mark.parametrize(
    "changes",
    {
        "two of four cosigners": {"quorum": 2},
        "B06: no cosigner is needed": {"quorum": 0},
        "more cosigners than there are": {"quorum": 5},
        "no cosigners": {"cosigners": (), "quorum": 0},
        "a cosigner named twice": {"cosigners": (*TRUST_ROOT.cosigners[:3], TRUST_ROOT.cosigners[0])},
        "one key under two names": {
            "cosigners": (*TRUST_ROOT.cosigners[:3], replace(TRUST_ROOT.cosigners[0], name="other"))
        },
        "one name for two keys": {
            "cosigners": (*TRUST_ROOT.cosigners[:3], replace(TRUST_ROOT.cosigners[3], name="notary-0.example/tea"))
        },
        "a log that cosigns itself": {
            "cosigners": (
                *TRUST_ROOT.cosigners[:3],
                replace(TRUST_ROOT.cosigners[3], public_key=TRUST_ROOT.log.public_key),
            )
        },
        "two chains of one id": {"destination": replace(TRUST_ROOT.destination, chain_id=7101)},
    }.items(),
    ids=lambda case: case[0],
)
def test_a_set_that_convinces_nobody_is_refused(changes: tuple[str, dict[str, Any]]) -> None:
    with refused("CONFIG_SET"):
        replace(TRUST_ROOT, **changes[1])
    assert replace(TRUST_ROOT)


MALFORMED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a field is missing": lambda v: v.pop("quorum"),
    "a field is unknown": lambda v: v.update(extra=1),
    "a nested field is unknown": lambda v: v["log"].update(extra=1),
    "the format is another": lambda v: v.update(format="pledgetrail/trust-root/v2"),
    "the quorum is a truth value": lambda v: v.update(quorum=True),
    "the quorum is a text": lambda v: v.update(quorum="3"),
    "the cosigners are an object": lambda v: v.update(cosigners={}),
    "an address is in capitals": lambda v: v["origin"].update(gateway="0x" + "A1" * 20),
    "an address lacks its 0x": lambda v: v["origin"].update(gateway="a1" * 20),
    "a contract's address is short": lambda v: v["transaction"].update(registry="0x" + "a1" * 19),
    "a gateway's address is short": lambda v: v["origin"].update(gateway="0x" + "a1" * 19),
    "a genesis hash is short": lambda v: v["origin"].update(genesis="0x" + "a1" * 31),
    "an epoch is negative": lambda v: v["committee"].update(epoch=-1),
    "a key is no hexadecimal": lambda v: v["log"].update(key="zz" * 32),
    "the committee is null": lambda v: v.update(committee=None),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_trust_root_is_refused_when(case: str) -> None:
    value = json.loads(HONEST)
    MALFORMED[case](value)
    with refused("TRUST_ROOT_FORMAT"):
        TrustRoot.load(canonical_json(value))
    assert TrustRoot.load(HONEST) == TRUST_ROOT


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"not json", bytes(MAX_TRUST_ROOT_BYTES + 1)])
def test_what_is_no_trust_root_at_all_is_refused(raw: bytes) -> None:
    with refused("TRUST_ROOT_FORMAT"):
        TrustRoot.load(raw)


@pytest.mark.parametrize("raw", [b"\xff", HONEST + b"\n\n", b" " + HONEST, HONEST.replace(b",", b", ", 1)])
def test_another_spelling_is_refused(raw: bytes) -> None:
    with refused("NON_CANONICAL"):
        TrustRoot.load(raw)


def test_every_truncation_is_refused_with_a_typed_error() -> None:
    for length in range(len(HONEST)):
        with pytest.raises(Problem):
            TrustRoot.load(HONEST[:length])
