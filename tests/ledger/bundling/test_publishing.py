"""The ledger's side of publishing: what it keeps of what crossed, and when it logs that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.bundle import CREDENTIAL_DOMAIN, TRUST_ROOT_DOMAIN, GoodsSubject, crossing_of, verify
from ledger.bundle.format import dump_crossing
from ledger.bundling import Publishing
from ledger.checkpoint import open_checkpoint
from tests.ledger.bundle.estate import DAWN, TEA, UNIT, Estate
from tests.ledger.bundle.rotated import LATER_COSIGNERS, SEALED_AT
from tests.ledger.bundle.test_pledge import LENDING, LOAN, Secured
from tests.ledger.bundling.test_bundler import LATER, House
from tests.ledger.refusals import refused

LATER_DAY = DAWN.date() + timedelta(days=1)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "ledger")
    made.root = replace(made.root, lending=LENDING)
    made.ledger.statements.enter(TRUST_ROOT_DOMAIN, replace(made.root, dated=LATER_DAY).dump())
    made.root = replace(made.root, dated=LATER_DAY)
    yield made
    made.ledger.close()


def crossed(house: House, note: bytes) -> bytes:
    """What shows that this checkpoint has crossed."""
    checkpoint = open_checkpoint(note, log_key=house.root.log)
    return dump_crossing(crossing_of(house.root, **Estate(trust_root=house.root).cross(checkpoint)))


def told(house: House) -> list[bytes]:
    """What shows the loan's two instructions."""
    return [dump_crossing(each) for each in Secured().told().crossings]


def test_what_is_handed_over_makes_bundles(house: House) -> None:
    publishing = Publishing(house.ledger)
    raw = crossed(house, house.publish())
    publishing.keep_anchor(raw)
    publishing.keep_anchor(raw)
    for each in told(house):
        publishing.keep_instruction(each)
    found = verify(publishing.bundler.bundle_of(GoodsSubject(TEA), LOAN), trust_root=house.root)
    assert [each.step for each in found.proven].count("pledge") == 2
    assert publishing.state().crossed == house.ledger.log.size


def test_what_was_kept_is_there_after_a_restart(house: House) -> None:
    Publishing(house.ledger).keep_anchor(crossed(house, house.publish()))
    again = Publishing(house.ledger)
    assert verify(again.bundler.bundle_of(GoodsSubject(UNIT)), trust_root=house.root)
    credentials = [each.judged.credential for each in Secured().told().crossings]
    assert again.missing(credentials) == credentials
    again.keep_instruction(told(house)[0])
    assert Publishing(house.ledger).missing(credentials) == credentials[1:]


def test_another_logs_anchor_is_refused_and_not_kept(house: House) -> None:
    note = house.publish()
    checkpoint = open_checkpoint(note, log_key=house.root.log)
    other = replace(checkpoint, root=bytes([7]) * 32)
    publishing = Publishing(house.ledger)
    for foreign in (other, replace(checkpoint, size=checkpoint.size + 99)):
        raw = dump_crossing(crossing_of(house.root, **Estate(trust_root=house.root).cross(foreign)))
        with refused("SPLIT_VIEW"):
            publishing.keep_anchor(raw)
    assert publishing.state().crossed == 0
    publishing.keep_anchor(crossed(house, note))
    assert publishing.state().crossed == checkpoint.size


def test_an_anchor_that_was_never_published_here_is_refused(house: House) -> None:
    note = house.ledger.log.make_checkpoint()
    with refused("CHECKPOINT_UNKNOWN"):
        Publishing(house.ledger).keep_anchor(crossed(house, note))
    house.publish()
    Publishing(house.ledger).keep_anchor(crossed(house, note))


def test_a_damaged_file_is_named_and_handed_over_again(house: House, tmp_path: Path) -> None:
    publishing = Publishing(house.ledger)
    raw = crossed(house, house.publish())
    publishing.keep_anchor(raw)
    (kept,) = (tmp_path / "ledger" / "crossings").iterdir()
    whole = kept.read_bytes()
    for damaged in (whole[:-3], whole[:40] + bytes([whole[40] ^ 1]) + whole[41:], raw, b""):
        kept.write_bytes(damaged)
        with refused("CROSSING_UNREADABLE"):
            publishing.bundler.bundle_of(GoodsSubject(UNIT))
    kept.rename(kept.with_suffix(".cbor"))  # as an earlier program wrote it, without a digest
    assert publishing.state().crossed == 0
    publishing.keep_anchor(raw)
    assert verify(publishing.bundler.bundle_of(GoodsSubject(UNIT)), trust_root=house.root)


def test_a_loans_instructions_are_sealed_by_the_next_checkpoint_and_hold_after_a_rotation(house: House) -> None:
    publishing = Publishing(house.ledger)
    publishing.keep_anchor(crossed(house, house.publish()))
    for each in told(house):
        publishing.keep_instruction(each)
    assert not house.ledger.statements.of_domain(CREDENTIAL_DOMAIN), "an entry of its own would ask for an anchor"
    publishing.checkpoint()
    assert not house.ledger.statements.of_domain(CREDENTIAL_DOMAIN), "nothing is new"
    renewed = house.root.renewed(LATER, LATER_DAY)
    house.ledger.statements.enter(TRUST_ROOT_DOMAIN, renewed.dump())
    with refused("BUNDLE_NOT_READY"):
        publishing.bundler.bundle_of(GoodsSubject(TEA), LOAN)
    publishing.checkpoint()
    assert len(house.ledger.statements.of_domain(CREDENTIAL_DOMAIN)) == 2
    with refused("BUNDLE_NOT_READY"):
        publishing.bundler.bundle_of(GoodsSubject(TEA), LOAN)
    house.publish(LATER_COSIGNERS, SEALED_AT)
    found = verify(publishing.bundler.bundle_of(GoodsSubject(TEA), LOAN), trust_root=renewed)
    assert [each.step for each in found.proven].count("pledge") == 2
    # A bundle without the loan carries no record that nothing in it needs.
    assert verify(publishing.bundler.bundle_of(GoodsSubject(TEA)), trust_root=renewed)


def test_the_same_state_gives_the_same_checkpoint_and_no_new_entry(house: House) -> None:
    publishing = Publishing(house.ledger)
    house.publish()
    publishing.keep_anchor(crossed(house, house.publish()))
    size = house.ledger.log.size
    assert publishing.checkpoint() == publishing.checkpoint()
    assert house.ledger.log.size == size
