"""The committee: a quorum of different members in strict form, judged alike by the contract and its Python twin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from contracts.binding import creation_code
from contracts.manifest import Role
from ledger.errors import Refused
from ledger.quorum import PACKED_BYTES, Committee, pack, quorum
from ledger.secp256k1 import ORDER, Signature, SigningKey
from tests.contracts.world import COMMITTEE, NOTARIES, World

DIGEST = bytes(range(1, 33))
OUTSIDER = SigningKey.from_secret(b"\x77" * 32)


def signed(*indices: int) -> bytes:
    return pack({index: NOTARIES[index].sign(DIGEST) for index in indices})


def at(index: int, signature: Signature) -> bytes:
    return bytes([index]) + signature.pack()


def high_s(index: int) -> bytes:
    low = NOTARIES[index].sign(DIGEST)
    return bytes([index]) + low.r.to_bytes(32, "big") + (ORDER - low.s).to_bytes(32, "big") + bytes([55 - low.v])


def with_v(index: int, v: int) -> bytes:
    return at(index, NOTARIES[index].sign(DIGEST))[:-1] + bytes([v])


def with_rs(index: int, r: int, s: int) -> bytes:
    return bytes([index]) + r.to_bytes(32, "big") + s.to_bytes(32, "big") + b"\x1b"


def contract_accepts(world: World, epoch: int, digest: bytes, packed: bytes) -> bool:
    try:
        return bool(world.read(Role.DESTINATION, "Committee", "check", epoch, digest, packed))
    except Refused as refused:
        assert "Committee: " in refused.what, refused.what
        return False


def test_any_quorum_in_order_is_accepted_by_both(world: World) -> None:
    for members in ((0, 1, 2), (0, 1, 3), (1, 2, 3), (0, 1, 2, 3)):
        assert COMMITTEE.check(1, DIGEST, signed(*members)) == members
        assert contract_accepts(world, 1, DIGEST, signed(*members))


def test_so_many_that_the_others_are_no_quorum_are_judged_alike(world: World) -> None:
    assert COMMITTEE.blocking == 2
    for members in ((0, 3), (1, 2, 3)):
        assert COMMITTEE.check(1, DIGEST, signed(*members), needed=COMMITTEE.blocking) == members
        assert world.read(Role.DESTINATION, "Committee", "check_blocking", 1, DIGEST, signed(*members))
    with pytest.raises(Refused, match="QUORUM"):
        COMMITTEE.check(1, DIGEST, signed(2), needed=COMMITTEE.blocking)
    with pytest.raises(Refused, match="below quorum"):
        world.read(Role.DESTINATION, "Committee", "check_blocking", 1, DIGEST, signed(2))


def test_one_members_signature_answers_its_index(world: World) -> None:
    for index in range(4):
        assert world.read(Role.DESTINATION, "Committee", "check_member", 1, DIGEST, signed(index)) == index
    for packed, reason in (
        (b"", "signature length"),
        (signed(0)[:-1], "signature length"),
        (at(1, NOTARIES[0].sign(DIGEST)), "not this member's signature"),
        (at(4, NOTARIES[0].sign(DIGEST)), "unknown member"),
        (high_s(2), "malleable signature"),
    ):
        with pytest.raises(Refused, match=reason):
            world.read(Role.DESTINATION, "Committee", "check_member", 1, DIGEST, packed)
    with pytest.raises(Refused, match="wrong epoch"):
        world.read(Role.DESTINATION, "Committee", "check_member", 2, DIGEST, signed(0))


def test_an_order_needs_a_quorum_of_the_current_epoch(world: World) -> None:
    assert world.read(Role.DESTINATION, "Committee", "check_current", 1, DIGEST, signed(0, 1, 2))
    with pytest.raises(Refused, match="below quorum"):
        world.read(Role.DESTINATION, "Committee", "check_current", 1, DIGEST, signed(0, 1))
    with pytest.raises(Refused, match="wrong epoch"):
        world.read(Role.DESTINATION, "Committee", "check_current", 2, DIGEST, signed(0, 1, 2))


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "A01_a_high_s_twin": (lambda: signed(0, 1) + high_s(2), "SIG_MALLEABLE"),
    "A02_v_0": (lambda: signed(0, 1) + with_v(2, 0), "SIG_BAD_V"),
    "A02_v_1": (lambda: signed(0, 1) + with_v(2, 1), "SIG_BAD_V"),
    "A02_v_29": (lambda: signed(0, 1) + with_v(2, 29), "SIG_BAD_V"),
    "A02_v_255": (lambda: signed(0, 1) + with_v(2, 255), "SIG_BAD_V"),
    "A03_r_is_zero": (lambda: signed(0, 1) + with_rs(2, 0, 1), "SIG_RANGE"),
    "A03_s_is_zero": (lambda: signed(0, 1) + with_rs(2, 1, 0), "SIG_RANGE"),
    "A03_r_is_the_order": (lambda: signed(0, 1) + with_rs(2, ORDER, 1), "SIG_RANGE"),
    "A03_r_is_all_ones": (lambda: signed(0, 1) + with_rs(2, 2**256 - 1, 1), "SIG_RANGE"),
    "A04_nothing": (lambda: b"", "QUORUM"),
    "A04_one_byte_short": (lambda: signed(0, 1, 2)[:-1], "SIG_LENGTH"),
    "A04_one_byte_long": (lambda: signed(0, 1, 2) + b"\x00", "SIG_LENGTH"),
    "A05_recovers_to_no_key": (lambda: signed(0, 1) + with_rs(2, 5, 1), "SIG_UNKNOWN"),
    "A06_one_member_twice": (lambda: signed(0, 1) + at(1, NOTARIES[1].sign(DIGEST)), "SIG_DUPLICATE_SIGNER"),
    "A07_below_the_quorum": (lambda: signed(0, 1), "QUORUM"),
    "A07_a_quorum_with_an_outsider": (lambda: signed(0, 1) + at(2, OUTSIDER.sign(DIGEST)), "SIG_UNKNOWN"),
    "A09_a_signature_under_anothers_index": (lambda: signed(0, 1) + at(3, NOTARIES[2].sign(DIGEST)), "SIG_UNKNOWN"),
    "A18_a_signature_over_another_digest": (
        lambda: signed(0, 1) + at(2, NOTARIES[2].sign(bytes(31) + b"\x01")),
        "SIG_UNKNOWN",
    ),
    "A20_a_flood": (lambda: b"\x01" * PACKED_BYTES * 100, "SIG_LENGTH"),
    "out_of_order": (
        lambda: at(1, NOTARIES[1].sign(DIGEST)) + at(0, NOTARIES[0].sign(DIGEST)) + signed(2),
        "SIG_ORDER",
    ),
    "an_index_outside_the_committee": (lambda: signed(0, 1) + at(4, NOTARIES[2].sign(DIGEST)), "SIG_UNKNOWN"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_both_refuse(world: World, name: str) -> None:
    build, code = REFUSED[name]
    with pytest.raises(Refused) as refused:
        COMMITTEE.check(1, DIGEST, build())
    assert refused.value.code == code
    assert not contract_accepts(world, 1, DIGEST, build())
    assert contract_accepts(world, 1, DIGEST, signed(0, 1, 2))


@pytest.mark.parametrize("epoch", [0, 2])
def test_B01_another_epoch_is_refused_by_both(world: World, epoch: int) -> None:
    with pytest.raises(Refused) as refused:
        COMMITTEE.check(epoch, DIGEST, signed(0, 1, 2))
    assert refused.value.code == "SET_EPOCH"
    assert not contract_accepts(world, epoch, DIGEST, signed(0, 1, 2))


def test_A07_the_quorum_of_n_members() -> None:
    assert [quorum(n) for n in range(1, 13)] == [1, 2, 3, 3, 4, 5, 5, 6, 7, 7, 8, 9]
    assert (quorum(19), quorum(20)) == (13, 14)
    for n in (0, -1, 101):
        with pytest.raises(Refused, match="CONFIG_SET"):
            quorum(n)


ADDRESSES = tuple(key.address for key in NOTARIES)
BAD_SETS = {
    "B05_empty": ((), "fewer than four"),
    "B05_one_member": (ADDRESSES[:1], "fewer than four"),
    "B05_three_members": (ADDRESSES[:3], "fewer than four"),
    "B05_a_zero_member": ((*ADDRESSES[:3], bytes(20)), "zero member"),
    "B05_one_member_twice": ((*ADDRESSES[:3], ADDRESSES[0]), "duplicate member"),
}


@pytest.mark.parametrize("name", BAD_SETS)
def test_a_weak_set_is_refused_by_both(world: World, name: str) -> None:
    members, reason = BAD_SETS[name]
    with pytest.raises(Refused, match="CONFIG_SET"):
        Committee(1, members)
    cosigners = [bytes([k + 1]) * 32 for k in range(len(members))]
    with pytest.raises(Refused, match=reason):
        world.transactor(Role.DESTINATION, NOTARIES[0]).submit(None, creation_code("Committee", members, cosigners))


def test_B05_one_cosigning_key_twice_is_refused(world: World) -> None:
    with pytest.raises(Refused, match="duplicate cosigning key"):
        code = creation_code("Committee", ADDRESSES, [b"\x01" * 32] * 4)
        world.transactor(Role.DESTINATION, NOTARIES[0]).submit(None, code)


def test_the_domain_binds_chain_and_gateway(world: World) -> None:
    # A10: the certificate of one destination is nothing at another, under every variant of the domain.
    certificate = world.certify
    message = replace(_any_message(world), sequence=1)
    for other in (
        replace(message, destination=replace(message.destination, chain_id=7199)),
        replace(message, destination=replace(message.destination, gateway=b"\x66" * 20)),
    ):
        with pytest.raises(Refused, match=r"PROOF_INVALID|SIG_UNKNOWN"):
            certificate(message).check(other, COMMITTEE)
    assert certificate(message).check(message, COMMITTEE) == (0, 1, 2)


def _any_message(world: World):  # type: ignore[no-untyped-def]
    mirror = world.address(Role.DESTINATION, "AnchorMirror")
    return world.sent(Role.ORIGIN, world.send(Role.ORIGIN, "Gateway", "sendMessage", mirror, b"p", []))[0].message
