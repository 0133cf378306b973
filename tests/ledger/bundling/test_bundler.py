"""A unit's bundle out of a ledger: before, between and after the notaries were replaced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.bundle import TRUST_ROOT_DOMAIN, Crossing, EventSubject, GoodsSubject, TrustRoot, crossing_of, verify
from ledger.bundle.format import load
from ledger.bundle.handed import ClosedAnchor
from ledger.bundling import Bundler
from ledger.checkpoint import Cosigner, add_cosignatures, cosign, open_checkpoint
from ledger.epcis.build import document
from ledger.erasure import Reason
from ledger.store import Cosigners, Ledger
from tests.ledger.bundle.estate import (
    COSIGNED_AT,
    COSIGNERS,
    DAWN,
    LOG,
    TRUST_ROOT,
    UNIT,
    Estate,
    story,
)
from tests.ledger.bundle.rotated import LATER_COSIGNERS, RENEWED, SEALED_AT
from tests.ledger.refusals import refused

LATER = RENEWED.pinned


class Chains:
    """`Crossings` of chains on which every published checkpoint crosses when it is told to."""

    def __init__(self, root: TrustRoot) -> None:
        self._root, self._crossed = root, dict[ClosedAnchor, Crossing]()

    def cross(self, note: bytes) -> None:
        """The first committee carries this checkpoint to the destination, and closes its credential."""
        checkpoint = open_checkpoint(note, log_key=self._root.log)
        crossing = crossing_of(self._root, **Estate(trust_root=self._root).cross(checkpoint))
        self._crossed[ClosedAnchor(checkpoint.size, checkpoint.root, crossing.judged.credential)] = crossing

    def closed(self) -> Iterable[ClosedAnchor]:
        return list(self._crossed)

    def instructions(self, loan: bytes) -> Iterable[Crossing]:
        return ()

    def credentials(self) -> Iterable[bytes]:
        return ()

    def fetch(self, anchor: ClosedAnchor) -> Crossing:
        return self._crossed[anchor]


class House:
    """A ledger with one unit's history, whose log is cosigned by whom a test says."""

    def __init__(self, folder: Path, *, timestamping: tuple[bytes, ...] = ()) -> None:
        self.ledger = Ledger.open(folder, origin=LOG.name, clock=lambda: DAWN + timedelta(days=1))
        self.root = replace(TRUST_ROOT, log=self.ledger.log.key, timestamping=timestamping)
        self.ledger.events.capture_document(document(story(), created_at=DAWN), DAWN + timedelta(hours=9))
        self.ledger.statements.enter(TRUST_ROOT_DOMAIN, self.root.dump())
        self.chains = Chains(self.root)
        self.bundler = Bundler(self.ledger, self.chains)

    def publish(self, cosigners: Sequence[Cosigner] = COSIGNERS, time: int = COSIGNED_AT) -> bytes:
        """A checkpoint of the present state, cosigned."""
        log = self.ledger.log
        log.cosigners = Cosigners(
            tuple(each.key for each in (COSIGNERS if cosigners[0] in COSIGNERS else cosigners)), 3
        )
        note = log.make_checkpoint()
        lines = [cosign(note, log_key=log.key, cosigner=each, time=time + n) for n, each in enumerate(cosigners)]
        published = add_cosignatures(note, lines)
        log.store_cosigned(published)
        return published

    def rotate(self) -> TrustRoot:
        """The later notaries take over: their trust root is logged."""
        renewed = self.root.renewed(LATER, RENEWED.dated)
        self.ledger.statements.enter(TRUST_ROOT_DOMAIN, renewed.dump())
        return renewed


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "ledger")
    yield house
    house.ledger.close()


def test_before_the_first_anchor_has_crossed_there_is_no_bundle(house: House) -> None:
    house.publish()
    with refused("BUNDLE_NOT_READY"):
        house.bundler.bundle_of(GoodsSubject(UNIT))


def test_a_bundle_of_the_present_epoch_has_no_link(house: House) -> None:
    house.chains.cross(house.publish())
    raw = house.bundler.bundle_of(GoodsSubject(UNIT))
    assert load(raw).link is None
    assert verify(raw, trust_root=house.root).subject == UNIT.normal


def test_after_a_rotation_it_waits_until_the_later_notaries_have_sealed_the_crossing(house: House) -> None:
    house.chains.cross(house.publish())
    house.bundler.record_crossings()
    renewed = house.rotate()
    with refused("BUNDLE_NOT_READY"):
        house.bundler.bundle_of(GoodsSubject(UNIT))
    house.publish(LATER_COSIGNERS, SEALED_AT)
    raw = house.bundler.bundle_of(GoodsSubject(UNIT))
    assert load(raw).link is not None
    steps = [proven.step for proven in verify(raw, trust_root=renewed).proven]
    assert "linked" in steps
    with refused("TRUST_ROOT"):
        verify(raw, trust_root=house.root)


def test_a_crossing_that_was_never_recorded_is_not_passed_off_as_sealed(house: House) -> None:
    house.chains.cross(house.publish())
    house.rotate()
    house.publish(LATER_COSIGNERS, SEALED_AT)
    with refused("BUNDLE_NOT_READY"):
        house.bundler.bundle_of(GoodsSubject(UNIT))
    house.bundler.record_crossings()  # late, but the next checkpoint seals it all the same
    house.publish(LATER_COSIGNERS, SEALED_AT + 60)
    assert load(house.bundler.bundle_of(GoodsSubject(UNIT))).link is not None


def test_recording_a_crossing_twice_changes_nothing(house: House) -> None:
    before = house.ledger.log.size
    house.bundler.record_crossings()
    assert house.ledger.log.size == before, "nothing has crossed yet"
    house.chains.cross(house.publish())
    house.bundler.record_crossings()
    size = house.ledger.log.size
    house.bundler.record_crossings()
    assert house.ledger.log.size == size


def test_what_was_logged_after_the_anchored_checkpoint_stays_out(house: House) -> None:
    house.chains.cross(house.publish())
    before = len(load(house.bundler.bundle_of(GoodsSubject(UNIT))).objects)
    later = document(story(), created_at=DAWN + timedelta(hours=1))
    house.ledger.events.capture_document(later, DAWN + timedelta(hours=10))
    house.publish()
    assert len(load(house.bundler.bundle_of(GoodsSubject(UNIT))).objects) == before


def test_a_deployment_that_never_logged_its_trust_root_has_no_bundles(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "other", origin=LOG.name)
    with refused("BUNDLE_NOT_READY"):
        Bundler(ledger, Chains(TRUST_ROOT)).bundle_of(GoodsSubject(UNIT))
    ledger.close()


# -- what was erased -----------------------------------------------------------------------------------------------


def erase(house: House, digest: bytes) -> None:
    house.ledger.erasures.erase(house.ledger.erasures.of_digest(digest), Reason.REQUEST, DAWN + timedelta(days=2))


def test_the_bundle_of_a_unit_of_which_something_was_erased_says_so_once_the_record_is_anchored(house: House) -> None:
    house.chains.cross(house.publish())
    *_, last = house.ledger.events.find(about=UNIT.normal)
    erase(house, last.event.digest)
    for subject in (GoodsSubject(UNIT), EventSubject(last.event.digest)):
        with refused("BUNDLE_NOT_READY"):
            house.bundler.bundle_of(subject)
    house.chains.cross(house.publish())
    for subject in (GoodsSubject(UNIT), EventSubject(last.event.digest)):
        findings = verify(house.bundler.bundle_of(subject), trust_root=house.root)
        assert [(each.entry, each.reason) for each in findings.erased] == [(last.entry, Reason.REQUEST)]
        assert findings.as_json()["held"] is False
    # Of what nothing was erased the bundle is the whole one.
    first = house.ledger.events.find(about=UNIT.normal)[0]
    assert verify(house.bundler.bundle_of(EventSubject(first.event.digest)), trust_root=house.root).is_whole


def test_a_unit_of_which_everything_was_erased_still_shows_that_it_stood_there(house: House) -> None:
    found = house.ledger.events.find(about=UNIT.normal)
    for each in found:
        erase(house, each.event.digest)
    house.chains.cross(house.publish())
    findings = verify(house.bundler.bundle_of(GoodsSubject(UNIT)), trust_root=house.root)
    assert {each.entry for each in findings.erased} == {each.entry for each in found}
    assert "events" not in {step.step for step in findings.proven}


def test_what_was_never_there_is_not_called_erased(house: House) -> None:
    house.chains.cross(house.publish())
    with refused("SUBJECT_UNKNOWN"):
        house.bundler.bundle_of(EventSubject(bytes(32)))
