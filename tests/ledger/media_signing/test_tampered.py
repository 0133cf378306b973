"""OV01, OV02, OV07, OV09: each way to change a signed stream has its own verdict, in its own place.

Each case also shows the honest twin: every group that was not touched stays authentic.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.media_signing import Codec, Provenance, TroubleKind
from ledger.media_signing.signer import SigningPlan
from tests.ledger.media_signing.authority import MAKER, issue
from tests.ledger.media_signing.film import Film, film, picture

OK, BAD, MISSING, LOST = "authentic", "tampered", "missing pictures", "signature missing"
OUT, PENDING = "not covered", "pending"
both = pytest.mark.parametrize("codec", list(Codec))


def _add(made: Film) -> Film:
    return made.insert("P", 4, picture(made.codec, "P", "foreign"))


CASES: dict[str, tuple[Callable[[Film], Film], list[str], list[tuple[TroubleKind, int]]]] = {
    "OV01 one P picture is changed": (lambda f: f.change("P", 4), [OK, BAD, OK, OK, OK], [(TroubleKind.CHANGED, 6)]),
    "OV01 one I picture is changed": (lambda f: f.change("I", 1), [OK, BAD, OK, OK, OK], [(TroubleKind.CHANGED, 4)]),
    "OV01 the first I picture is changed": (
        lambda f: f.change("I", 0),
        [BAD, OK, OK, OK, OK],
        [(TroubleKind.CHANGED, 0)],
    ),
    "OV01 the last I picture is changed": (
        lambda f: f.change("I", 4),
        [OK, OK, OK, OK, BAD],
        [(TroubleKind.CHANGED, 16)],
    ),
    "OV01 a signing record is changed": (
        lambda f: f.change("S", 1, 60),
        [OK, BAD, OK, OK, OK],
        [(TroubleKind.RECORD_CHANGED, 4)],
    ),
    "OV01 the first signing record is changed": (
        lambda f: f.change("S", 0, 60),
        [BAD, OK, OK, OK, OK],
        [(TroubleKind.RECORD_CHANGED, 0)],
    ),
    "OV01 the last signing record is changed": (
        lambda f: f.change("S", 4, 60),
        [OK, OK, OK, OK, BAD],
        [(TroubleKind.RECORD_CHANGED, 16)],
    ),
    "OV01 a signature is changed": (
        lambda f: f.change("S", 2, -40),
        [OK, OK, BAD, OK, OK],
        [(TroubleKind.RECORD_CHANGED, 8)],
    ),
    "OV02 one P picture is removed": (
        lambda f: f.remove("P", 4),
        [OK, MISSING, OK, OK, OK],
        [(TroubleKind.ABSENT, 6)],
    ),
    "OV02 the last P of a group is removed": (
        lambda f: f.remove("P", 5),
        [OK, MISSING, OK, OK, OK],
        [(TroubleKind.ABSENT, 7)],
    ),
    "OV02 one I picture is removed": (lambda f: f.remove("I", 1), [OK, MISSING, OK, OK, OK], [(TroubleKind.ABSENT, 4)]),
    "OV02 a signing record is removed": (
        lambda f: f.remove("S", 1),
        [OK, LOST, OK, OK, OK],
        [(TroubleKind.RECORD_ABSENT, 4)],
    ),
    "OV02 two P pictures change places": (
        lambda f: f.swap(("P", 3), ("P", 4)),
        [OK, BAD, OK, OK, OK],
        [(TroubleKind.MOVED, 5), (TroubleKind.MOVED, 6)],
    ),
    "OV02 P pictures of two groups change places": (
        lambda f: f.swap(("P", 1), ("P", 4)),
        [BAD, BAD, OK, OK, OK],
        [(TroubleKind.CHANGED, 2), (TroubleKind.CHANGED, 6)],
    ),
    "OV02 a P picture is added": (_add, [OK, BAD, OK, OK, OK], [(TroubleKind.ADDED, 6)]),
    "OV02 a P picture is added at the end of a group": (
        lambda f: f.insert("S", 1, picture(f.codec, "P", "foreign")),
        [OK, BAD, OK, OK, OK],
        [(TroubleKind.ADDED, 8)],
    ),
    "OV02 a P picture stands there twice": (
        lambda f: f.insert("P", 5, f.units[f.at("P", 4)]),
        [OK, BAD, OK, OK, OK],
        [(TroubleKind.ADDED, 6)],
    ),
}


@both
@pytest.mark.parametrize("case", CASES)
def test_a_change_is_seen_in_its_group_and_in_its_place(case: str, codec: Codec) -> None:
    tamper, expected, troubles = CASES[case]
    verdict = tamper(film(codec=codec)).verify()
    assert [group.authenticity.value for group in verdict.groups] == expected
    found = [(trouble.kind, trouble.picture) for group in verdict.groups for trouble in group.troubles]
    if "stands there twice" in case:
        found = [(kind, min(at, 6)) for kind, at in found]
    if "change places" in case and "two groups" not in case:
        assert found and {kind for kind, _ in found} == {TroubleKind.MOVED} and found[0] in troubles
    else:
        assert found == troubles
    for group in verdict.groups:
        if group.authenticity.value == OK:
            assert group.provenance is Provenance.TRUSTED and not group.troubles


@both
@pytest.mark.parametrize(
    "plan",
    [SigningPlan(pictures=2), SigningPlan(groups=2), SigningPlan(groups=2, list_digests=False)],
    ids=["parts", "each second group", "each second group, no lists"],
)
def test_OV01_OV02_no_single_change_passes_in_other_ways_to_sign(codec: Codec, plan: SigningPlan) -> None:
    """Every unit is changed, removed and doubled in turn; never is everything authentic, and the rest stays so."""
    honest = film("IPPPPIPPPPIPPPPIPPPP", codec=codec, plan=plan)
    groups = len(honest.verify().groups)
    for index, letter in enumerate(honest.letters):
        if letter == "_":
            continue
        for change in ("change", "remove", "double"):
            units = list(honest.units)
            if change == "change":
                units[index] = units[index][:-10] + bytes([units[index][-10] ^ 0x10]) + units[index][-9:]
            elif change == "remove":
                del units[index]
            else:
                units.insert(index, units[index])
            says = Film(codec, units).says()
            if change == "double" and letter == "S":  # the specification allows to send a signed record twice
                assert set(says) <= {OK, BAD}, (index, says)
                continue
            assert set(says) != {OK}, (change, letter, index, says)
            assert says.count(OK) >= groups - 3, (change, letter, index, says)


@both
def test_OV02_a_group_without_its_record_and_first_picture_is_not_authentic(codec: Codec) -> None:
    says = film(codec=codec).remove("I", 1).remove("S", 1).says()
    assert says == [OK, LOST, OK, OK, OK]


@both
def test_OV02_groups_that_are_cut_out_of_the_middle_are_missed(codec: Codec) -> None:
    made = film(codec=codec)
    first, last = made.at("S", 0) + 1, made.at("S", 2) + 1
    del made.units[first:last]  # groups 2 and 3 with their records
    verdict = made.verify()
    assert [group.authenticity.value for group in verdict.groups] == [OK, MISSING, MISSING, OK, OK]
    assert [group.pictures for group in verdict.groups] == [4, 0, 0, 4, 4]


@both
def test_OV02_a_group_from_another_stream_of_the_same_camera_does_not_fit_in(codec: Codec) -> None:
    made, other = film(codec=codec), film(codec=codec, name="other")
    units = [*made.units]
    first, last = made.at("S", 0) + 1, made.at("S", 1) + 1
    units[first:last] = other.units[first:last]
    says = Film(codec, units).verify()
    assert [group.authenticity.value for group in says.groups] == [OK, BAD, BAD, OK, OK]
    assert {trouble.kind for group in says.groups for trouble in group.troubles} == {TroubleKind.NOT_FOLLOWING}


@both
def test_OV02_groups_in_another_order_do_not_follow(codec: Codec) -> None:
    made = film(codec=codec)
    marks = [made.at("S", n) + 1 for n in range(4)]
    units = made.units
    swapped = [*units[: marks[0]], *units[marks[1] : marks[2]], *units[marks[0] : marks[1]], *units[marks[2] :]]
    says = Film(codec, swapped).says()
    assert says.count(OK) <= 4 and len(set(says)) > 1


@both
def test_OV02_a_whole_unsigned_group_is_not_covered_by_its_neighbours(codec: Codec) -> None:
    made = film(codec=codec)
    foreign = [picture(codec, letter, f"foreign{index}") for index, letter in enumerate("IPP")]
    at = made.at("I", 2)
    made.units[at:at] = foreign
    verdict = made.verify()
    assert [group.authenticity.value for group in verdict.groups] == [OK, OK, BAD, OK, OK, OK]
    assert verdict.groups[2].troubles[0].kind is TroubleKind.ADDED and verdict.groups[2].first_picture == 8


@both
@pytest.mark.parametrize("delay", [0, 2])
def test_OV07_a_group_is_pending_until_its_record_comes_and_never_authentic_without(codec: Codec, delay: int) -> None:
    made = film(codec=codec, delay=delay)
    before = 0
    for length in range(len(made.units) + 1):
        part = Film(codec, made.units[:length])
        says = part.says(complete=False)
        known = min(part.letters.count("S"), 5)
        assert says[:known] == [OK] * known and set(says[known:]) <= ({PENDING} if known else {PENDING, "unsigned"})
        assert known >= before
        before = known
    made.remove("S", 4)
    assert made.says() == [OK, OK, OK, OK, OUT]
    assert made.says(complete=False) == [OK, OK, OK, OK, PENDING]


@both
def test_OV07_two_lost_records_leave_two_groups_without_signature(codec: Codec) -> None:
    verdict = film(codec=codec).remove("S", 2).remove("S", 1).verify()
    assert [group.authenticity.value for group in verdict.groups] == [OK, LOST, LOST, OK, OK]
    assert [group.number for group in verdict.groups] == [1, 2, 3, 4, 5]


@both
def test_OV07_records_that_change_places_still_belong_to_their_groups(codec: Codec) -> None:
    assert film(codec=codec, delay=5).swap(("S", 1), ("S", 2)).says() == [OK] * 5


@both
@pytest.mark.parametrize("delay", [0, 2, 5])
def test_OV09_any_cut_leaves_its_middle_authentic_and_its_ends_not_covered(codec: Codec, delay: int) -> None:
    """Seeking and trimming: whatever is cut off, nothing whole is called changed and nothing uncovered authentic."""
    made = film("IPPPIPPPIPPPIPPPIPPPIPPPIPPP", codec=codec, delay=delay)
    starts = [made.at("I", n) for n in range(7)]
    for first, last in [(1, 6), (2, 6), (1, 5), (0, 5), (3, 7)]:
        begin, end = starts[first], starts[last] if last < 7 else len(made.units)
        says = Film(codec, made.units[begin:end]).says()
        assert set(says) <= {OK, OUT}, (first, last, says)
        assert OK in says and says == sorted(says, key=lambda word: word == OUT), (first, last, says)


@both
def test_OV09_a_cut_in_the_middle_of_a_group_leaves_that_group_not_whole(codec: Codec) -> None:
    made = film(codec=codec)
    says = Film(codec, made.units[made.at("P", 1) :]).says()
    assert says == [MISSING, OK, OK, OK, OK]
    says = Film(codec, made.units[: made.at("P", 10)]).says()
    assert says == [OK, OK, OK, OUT]


@both
def test_OV09_fast_forward_is_not_the_recording(codec: Codec) -> None:
    """Only the first picture of each group is kept, as players do: what is there was signed, and the rest is missed."""
    made = film(codec=codec)
    units = [unit for unit, letter in zip(made.units, made.letters, strict=True) if letter != "P"]
    assert Film(codec, units).says() == [MISSING] * 5


@both
def test_a_camera_that_starts_anew_begins_a_stream_of_its_own(codec: Codec) -> None:
    first, second = film(codec=codec), film("IPPIPP", codec=codec, name="later")
    verdict = Film(codec, first.units + second.units).verify()
    assert [group.authenticity.value for group in verdict.groups] == [OK] * 7
    assert [group.begins_stream for group in verdict.groups] == [True, *[False] * 4, True, False]


@both
def test_a_record_of_another_stream_covers_nothing_here(codec: Codec) -> None:
    made, other = film(codec=codec), film(codec=codec, name="other")
    for nth in range(5):
        made.units[made.at("S", nth)] = other.units[other.at("S", nth)]
    verdict = made.verify()
    assert {group.authenticity.value for group in verdict.groups} == {BAD}


@both
def test_a_forger_with_another_key_is_seen_as_another_signer(codec: Codec) -> None:
    forger = issue("camera 1", MAKER)
    verdict = film(codec=codec, signer=forger).verify()
    assert {group.provenance for group in verdict.groups} == {Provenance.TRUSTED}  # a camera of the same maker
    made, forged = film(codec=codec), film(codec=codec, signer=forger, name="forged")
    units = [*made.units[: made.at("S", 2) + 1], *forged.units[forged.at("S", 2) + 1 :]]
    groups = Film(codec, units).verify().groups
    assert [group.provenance for group in groups[:3]] == [Provenance.TRUSTED] * 3
    assert [group.provenance for group in groups[3:]] == [Provenance.KEY_CHANGED] * 2
    assert groups[3].authenticity.value == BAD and groups[3].troubles[0].kind is TroubleKind.NOT_FOLLOWING


@both
def test_OV07_a_record_covers_nothing_that_comes_after_it(codec: Codec) -> None:
    made = film(codec=codec)
    records = [unit for unit, letter in zip(made.units, made.letters, strict=True) if letter == "S"]
    others = [unit for unit, letter in zip(made.units, made.letters, strict=True) if letter != "S"]
    assert Film(codec, [*records, *others]).says() == [OUT] * 5
    assert Film(codec, [*others, *records]).says() == [OK] * 5
