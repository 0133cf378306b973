"""A stream that nobody touched, in the ways that cameras make one, is authentic to its last picture."""

from __future__ import annotations

import pytest

from ledger.media_signing import Authenticity, Codec, Provenance
from ledger.media_signing.signer import SigningPlan
from tests.ledger.media_signing.film import FOREIGN_SEI, film

both = pytest.mark.parametrize("codec", list(Codec))


@both
def test_every_group_of_an_intact_stream_is_authentic_and_its_signer_trusted(codec: Codec) -> None:
    verdict = film(codec=codec).verify()
    assert [group.authenticity for group in verdict.groups] == [Authenticity.AUTHENTIC] * 5
    assert {group.provenance for group in verdict.groups} == {Provenance.TRUSTED}
    assert [(group.first_picture, group.pictures) for group in verdict.groups] == [(4 * n, 4) for n in range(5)]
    assert verdict.vendor is not None and verdict.vendor.manufacturer == "Test cameras"
    assert verdict.groups[0].begins_stream and "camera 1" in verdict.chains[0].subject


@both
@pytest.mark.parametrize(
    "plan",
    [
        SigningPlan(pictures=3),
        SigningPlan(pictures=1),
        SigningPlan(groups=2),
        SigningPlan(groups=3),
        SigningPlan(list_digests=False),
        SigningPlan(pictures=2, list_digests=False),
        SigningPlan(groups=3, list_digests=False),
    ],
    ids=[
        "in parts",
        "each picture",
        "each second group",
        "each third group",
        "no lists",
        "parts, no lists",
        "each third group, no lists",
    ],
)
@pytest.mark.parametrize("slices", [1, 3])
def test_every_way_to_sign_verifies(codec: Codec, plan: SigningPlan, slices: int) -> None:
    says = film("IPPPPPIPPPIPIPPPPPP", codec=codec, plan=plan, slices=slices).says()
    assert set(says) == {"authentic"}


def test_groups_of_one_picture_verify_however_rarely_they_are_signed() -> None:
    for groups in (1, 2, 3, 4):
        assert set(film("IIIIIII", plan=SigningPlan(groups=groups)).says()) == {"authentic"}


@both
def test_OV07_records_that_come_late_or_twice_change_nothing(codec: Codec) -> None:
    for delay in (1, 3, 5, 9):
        made = film(codec=codec, delay=delay)
        assert made.says() == ["authentic"] * 5
        made.units = [unit for unit in made.units for _ in range(1 + (unit[:1] == codec.sei_header[:1]))]
        assert made.says() == ["authentic"] * 5


@both
def test_what_a_signature_does_not_cover_may_come_and_go(codec: Codec) -> None:
    made = film(codec=codec)
    made.insert("P", 4, FOREIGN_SEI[codec]).insert("I", 2, b"\x09\x10" if codec is Codec.H264 else b"\x46\x01\x10")
    made.units = made.units[2:]  # parameter sets now stand in the container
    made.units = [unit + b"\x00\x00" for unit in made.units]  # as some muxers do
    assert made.says() == ["authentic"] * 5


def test_an_unsigned_stream_is_unsigned_and_nothing_else() -> None:
    made = film()
    made.units = [unit for unit in made.units if unit[0] != 6]
    verdict = made.verify()
    assert [group.authenticity for group in verdict.groups] == [Authenticity.UNSIGNED] * 5
    assert not verdict.signed and verdict.chains == ()
