"""An outline is believed once it gives its CID, and then tells for each chunk whether it is the object's."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.cid import CHUNK_BYTES, cid_of
from ledger.outline import ClaimedOutline, in_chunks, outline_of, read_outline, verify_outline
from tests.ledger.refusals import refused

DATA = bytes(range(251)) * 2700  # three chunks, the last one short
SIZES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES)


@pytest.mark.parametrize("size", SIZES)
def test_an_outline_has_the_name_of_the_bytes_and_is_read_back(size: int) -> None:
    outline = outline_of([bytes(size)])
    assert (outline.cid, outline.size) == (cid_of(bytes(size)), size)
    assert verify_outline(read_outline(outline.encode()), outline.cid) == outline
    for number, chunk in enumerate(in_chunks(bytes(size))):
        assert len(chunk) == outline.chunk_bytes(number)
        outline.check(number, chunk)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, len(DATA)), max_size=6))
def test_how_the_bytes_are_cut_on_their_way_changes_nothing(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(DATA)]
    pieces = (DATA[start:end] for start, end in pairwise(edges))
    assert outline_of(pieces) == outline_of([DATA])


@given(st.integers(0, len(DATA) + 10), st.integers(0, len(DATA) + 10))
def test_a_range_is_in_the_chunks_that_hold_it(start: int, length: int) -> None:
    held = set(outline_of([DATA]).chunks_of(start, length))
    assert held == {at // CHUNK_BYTES for at in range(start, min(start + length, len(DATA)))}


class TestRefused:
    @pytest.mark.parametrize("at", [0, 262_143, 262_144, 600_000, len(DATA) - 1])
    def test_os08_a_chunk_with_one_other_bit(self, at: int) -> None:
        outline, number = outline_of([DATA]), at // CHUNK_BYTES
        changed = bytearray(DATA)
        changed[at] ^= 4
        chunks = list(in_chunks(bytes(changed)))
        with refused("MEDIA_CORRUPT"):
            outline.check(number, chunks[number])
        for other in {0, 1, 2} - {number}:
            outline.check(other, chunks[other])

    @pytest.mark.parametrize("change", ["a digest", "the size", "one more", "one less", "order", "of another object"])
    def test_an_outline_that_does_not_give_the_name(self, change: str) -> None:
        outline = outline_of([DATA])
        one, two, three = outline.digests
        claims = {
            "a digest": ClaimedOutline(outline.size, (one, bytes(32), three)),
            "the size": ClaimedOutline(outline.size - 1, outline.digests),
            "one more": ClaimedOutline(outline.size, (*outline.digests, one)),
            "one less": ClaimedOutline(outline.size, (one, two)),
            "order": ClaimedOutline(outline.size, (two, one, three)),
            "of another object": ClaimedOutline(5, outline_of([b"other"]).digests),
        }
        with refused("MEDIA_CORRUPT"):
            verify_outline(claims[change], outline.cid)
        assert verify_outline(ClaimedOutline(outline.size, outline.digests), outline.cid) == replace(outline)

    @pytest.mark.parametrize("raw", [b"", b"short", bytes(8), bytes(39), bytes(41), bytes(72), b"\xff" * 40], ids=len)
    def test_bytes_that_are_no_outline(self, raw: bytes) -> None:
        with refused("MEDIA_OUTLINE"):
            read_outline(raw)
        assert read_outline(bytes(40)).size == 0
