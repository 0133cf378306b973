"""OV01, OV02: a changed frame is found, not only seen: which group of pictures was changed, removed, added or moved."""

from __future__ import annotations

from hashlib import sha256

import pytest

from ledger.evidence.groups import differences, tell
from ledger.mp4.fragments import MAX_GROUPS, group_digests
from tests.ledger.capture.films import box
from tests.ledger.refusals import refused

A, B, C, D, X = (sha256(name.encode()).digest() for name in "ABCDX")


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ((A, B, C, D), ""),
        ((A, X, C, D), "media.groups[1] changed"),
        ((A, C, D), "media.groups[1] missing"),
        ((A, B, C), "media.groups[3] missing"),
        ((A, B, X, C, D), "media.groups[2] added"),
        ((B, A, C, D), "media.groups[1] moved"),
        ((A, B, B, C, D), "media.groups[1] added"),
        ((X, B, C), "media.groups[0] changed, media.groups[3] missing"),
        ((), "media.groups[0] missing, media.groups[1] missing, media.groups[2] missing, media.groups[3] missing"),
    ],
)
def test_OV01_OV02_each_difference_has_its_own_name(found: tuple[bytes, ...], told: str) -> None:
    assert tell(differences((A, B, C, D), found)) == told


def group(content: bytes) -> bytes:
    return box(b"moof", b"when") + box(b"mdat", content)


def test_each_moof_with_its_mdat_is_a_group() -> None:
    parts = [group(bytes([n])) for n in range(5)]
    assert group_digests(b"".join(parts)) == tuple(sha256(part).digest() for part in parts)


@pytest.mark.parametrize("count", [MAX_GROUPS, MAX_GROUPS + 1, 2 * MAX_GROUPS, 1000])
def test_more_groups_than_can_be_stated_are_joined_with_their_neighbours(count: int) -> None:
    parts = [group(n.to_bytes(2, "big")) for n in range(count)]
    digests = group_digests(b"".join(parts))
    assert MAX_GROUPS // 2 < len(digests) <= MAX_GROUPS
    each = -(-count // MAX_GROUPS)
    assert digests[0] == sha256(b"".join(parts[:each])).digest()
    for changed in (0, count // 2, count - 1):
        other = [*parts[:changed], group(b"other"), *parts[changed + 1 :]]
        assert [d.at for d in differences(digests, group_digests(b"".join(other)))] == [changed // each]


@pytest.mark.parametrize("media", [b"", box(b"moof"), group(b"x") + box(b"free")])
def test_what_does_not_end_with_a_group_has_none(media: bytes) -> None:
    with refused("VIDEO_NOT_VIDEO"):
        group_digests(media)
