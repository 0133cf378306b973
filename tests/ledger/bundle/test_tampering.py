"""Every changed byte is refused: by the seal, and by a proof where somebody seals the file again."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.bundle import TrustRoot, load, verify
from ledger.bundle.format import MAGIC, MAX_BUNDLE_BYTES
from ledger.errors import Problem
from tests.ledger.bundle.estate import SIBLING, TRUST_ROOT, Estate
from tests.ledger.bundle.rotated import RENEWED, Rotated
from tests.ledger.refusals import refused

HONEST = Estate().with_entries().build()
LINKED = Rotated().with_entries().build()
HEAD = len(MAGIC) + 32


def sealed(body: bytes) -> bytes:
    """A file whose seal fits its body."""
    return MAGIC + hashlib.sha256(body).digest() + body


def flipped(raw: bytes, at: int, mask: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ mask]) + raw[at + 1 :]


def test_a_thousand_random_single_byte_changes_are_refused_and_the_unchanged_file_is_not() -> None:
    dice = random.Random(20260402)
    for _ in range(1000):
        changed = flipped(HONEST, dice.randrange(len(HONEST)), dice.randrange(1, 256))
        with pytest.raises(Problem) as caught:
            verify(changed, trust_root=None)
        assert caught.value.code in {"BUNDLE_CORRUPT", "BUNDLE_FORMAT"}
    assert verify(HONEST, trust_root=None)


@pytest.mark.parametrize(("honest", "trust_root"), [(HONEST, TRUST_ROOT), (LINKED, RENEWED)], ids=["plain", "linked"])
def test_changed_bytes_are_refused_also_under_a_fitting_seal(honest: bytes, trust_root: TrustRoot) -> None:
    # Every position was tried once by hand (20,507 of them, two random masks each); here one in 29, another each time.
    dice = random.Random(20260403)
    for start in range(HEAD, len(honest), 29):
        at = min(start + dice.randrange(29), len(honest) - 1)
        changed = flipped(honest, at, dice.choice([1, 2, 4, 8, 16, 32, 64, 128]))
        with pytest.raises(Problem):
            verify(sealed(changed[HEAD:]), trust_root=None)
    assert verify(sealed(honest[HEAD:]), trust_root=trust_root)


def test_the_one_field_that_may_be_exchanged_is_the_subject_for_its_sibling() -> None:
    # The same events are the whole history of the unit beside it in the same case, so the file proves that as well.
    renamed = sealed(HONEST[HEAD:].replace(_subject(b"0001"), _subject(b"0002")))
    with refused("SUPERFLUOUS"):
        verify(renamed, trust_root=None)  # a segment was filmed for the first unit alone
    estate = Estate(subject=SIBLING).with_entries()
    estate.entries = [entry for entry in estate.entries if b'"packing/1"' not in entry[1]]
    assert verify(estate.build(), trust_root=None).subject == SIBLING.normal


def test_what_can_be_left_out_unnoticed_leaves_every_remaining_sentence_true() -> None:
    # Absence inside a recording is noticed; the end of a story cannot be. README.md says so, and so do the findings.
    estate = Estate().with_entries()
    estate.entries = estate.entries[:-1]
    findings = verify(estate.forge(), trust_root=TRUST_ROOT)
    assert findings.proven[0].what.startswith("3 events")
    assert any(line.startswith("That nothing else was recorded") for line in findings.not_proven)


def _subject(serial: bytes) -> bytes:
    return b"gsubjectx\x2c" + b"https://id.gs1.org/01/06901234567892/21/" + serial


@pytest.mark.parametrize("length", [0, 1, 20])
def test_an_empty_or_foreign_file_is_no_bundle(length: int) -> None:
    for raw in (HONEST[:length], b"x" * length, b"{}", b"PK\x03\x04"):
        with refused("BUNDLE_FORMAT"):
            load(raw)


@pytest.mark.parametrize("length", [21, 40, 53, 54, len(HONEST) - 1])
def test_a_file_cut_short_is_corrupt(length: int) -> None:
    with refused("BUNDLE_CORRUPT"):
        load(HONEST[:length])


def test_a_byte_after_the_end_is_refused_under_any_seal() -> None:
    with refused("BUNDLE_CORRUPT"):
        load(HONEST + b"\0")
    with refused("NON_CANONICAL"):
        load(sealed(HONEST[HEAD:] + b"\0"))


def test_a_file_of_another_version_is_refused() -> None:
    with refused("BUNDLE_FORMAT"):
        load(b"pledgetrail-bundle/2\n" + HONEST[len(MAGIC) :])


def test_a_file_beyond_the_bound_is_refused_before_it_is_hashed() -> None:
    with refused("BUNDLE_SIZE"):
        load(bytes(MAX_BUNDLE_BYTES + 1))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_but_problems(raw: bytes) -> None:
    for candidate in (raw, MAGIC + raw, sealed(raw)):
        with pytest.raises(Problem):
            load(candidate)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(HONEST) - HEAD - 1), st.binary(min_size=1, max_size=8), st.integers(0, 8))
def test_spliced_bodies_raise_nothing_but_problems(at: int, inserted: bytes, removed: int) -> None:
    body = HONEST[HEAD:]
    spliced = body[:at] + inserted + body[at + removed :]
    if spliced != body:
        with pytest.raises(Problem):
            verify(sealed(spliced), trust_root=TRUST_ROOT)
