"""What the rarer steps cost: roots, epochs, evidence, pauses, approvals, two-phase commits, liens, vouchers, pledges.

Each is measured in a world of four notaries, the second time where the first one writes words that stay. What a
recipient does is measured as the commit that delivers it; where a test's post office stands for the gateway, with it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final
from unittest.mock import patch

from contracts.manifest import Role
from ledger.condition import Meaning, Terms
from ledger.two_phase import Action, decision_payload, prepare_payload
from tests.benchmarks.gas_figures import Spent, Work, last
from tests.benchmarks.gas_scene import scene, signers
from tests.contracts import test_collateral, two_phase_world, value_bed
from tests.contracts import test_conditional_lien as lien_test
from tests.contracts.committees import Chamber, attested, key, members
from tests.contracts.evm import Evm, Outcome
from tests.contracts.gateway_bed import Bed
from tests.contracts.test_collateral import open_loan
from tests.contracts.test_committee_evidence import FIRST, SECOND
from tests.contracts.test_conditional_lien import HERE, LienWorld
from tests.contracts.value_bed import ValueBed
from tests.contracts.world import in_process_world

HEADLINE_MEMBERS: Final = 19
EXACT: Final = partial(Evm, exact=True)


def works() -> Iterator[Work]:
    """One line per step."""
    for name, measure in STEPS.items():
        yield Work(name, measure, is_ordinary=True)


def of(outcome: Outcome) -> Spent:
    return Spent(outcome.gas, outcome.gas_frame)


def certify() -> Spent:
    """A root of any number of messages, 13 of 19 signatures."""
    world = scene(HEADLINE_MEMBERS).world
    certificate = world.certify(scene(HEADLINE_MEMBERS).send().message, signers=signers(HEADLINE_MEMBERS))
    world.send(Role.DESTINATION, "Gateway", "certify", certificate.root, 1, certificate.signatures)
    return last(world, Role.DESTINATION)


def rotate() -> Spent:
    """The next epoch of four members, all of them new."""
    chamber = Chamber.open(members(0, 1, 2, 3), exact=True)
    chamber.succeed(members(4, 5, 6, 7), 0, 1, 2)
    return of(chamber.log[-1])


def evidence() -> Spent:
    """Two conflicting attestations, each over a root of one message."""
    chamber = Chamber.open(members(0, 1, 2, 3), exact=True)
    assert chamber.report(attested(FIRST, key(1)), attested(SECOND, key(1))) is None
    return of(chamber.log[-1])


def pause() -> Spent:
    """One member pauses a lane for a day."""
    bed = Bed.lay(exact=True)
    return of(bed.pause(bed.lane()))


def approve() -> Spent:
    """The quorum lets a transfer go that was held."""
    bed = exact_value()
    held = bed.lock(value_bed.CAP + 1)
    bed.commit(held)
    return of(bed.approve(held))


def mint() -> Spent:
    """The commit of a transfer from a vault, by which its voucher mints to who had some."""
    bed = exact_value()
    bed.commit(bed.lock(5))
    return of(bed.commit(bed.lock(5)))


def exact_value() -> ValueBed:
    with patch.object(value_bed, "in_process_world", partial(in_process_world, exact=True)):
        return ValueBed.lay()


def two_phase(phase: Action | None) -> Spent:
    """A leg of two is prepared (None), or told the decision."""
    with patch.object(two_phase_world, "Evm", EXACT):
        world = two_phase_world.open_world(2).start()
    leg, sender = world.plan.legs[0], world.coordinator.address
    prepared = world.legs[0].deliver(sender, prepare_payload(world.plan.id, 0, leg.terms))
    if phase is None:
        return of(prepared)
    return of(world.legs[0].deliver(sender, decision_payload(phase, world.plan.id, 0, leg.terms_digest)))


def lien(step: str) -> Spent:
    """A title is frozen, or released; the proof of the foreign slot costs nothing here and has a line of its own."""
    world = lien_world()
    world.next_terms()
    world.send("agree", by=lien_test.HOLDER)
    world.titles.send("transfer", world.terms.subject, world.contract.address, by=lien_test.HOLDER)
    frozen = world.send("freeze")
    if step == "freeze":
        return of(frozen)
    world.book.send("set_from", 1)
    return of(world.prove_set(1, lien_test.DATE - 1))


def lien_world() -> LienWorld:
    evm = Evm(timestamp=lien_test.NOW, exact=True)
    book = evm.deploy(HERE / "StateBook.vy", lien_test.ACCOUNT, lien_test.CODE, lien_test.SLOT)
    titles = evm.deploy(HERE / "Titles.vy")
    parties = (titles.address, bytes(32), lien_test.HOLDER, lien_test.BENEFICIARY, lien_test.ARBITER)
    condition = (book.address, lien_test.ACCOUNT, lien_test.CODE, lien_test.SLOT, Meaning.RELEASES)
    terms = Terms(*parties, *condition, lien_test.DATE, lien_test.CONTEST, lien_test.PATIENCE, bytes(32))
    return LienWorld(evm, evm.deploy("ConditionalLien"), titles, book, terms, terms)


def loan(step: str) -> Spent:
    """A pledge is opened, its goods key reserved, or its receipt frozen; the second of two."""
    world = in_process_world(exact=True)
    with patch.object(test_collateral, "NUMBERS", itertools.count(1)):
        opened = [open_loan(world) for _ in range(2)]
    if step == "open":
        return last(world, Role.DESTINATION)
    role = Role.TRANSACTION if step == "reserve" else Role.ORIGIN
    for each in opened:
        world.commit(each.to_goods if step == "reserve" else each.to_receipt)
    return last(world, role)


STEPS: Final[dict[str, Callable[[], Spent]]] = {
    "certify a root, 13 of 19 signatures": certify,
    "begin the next epoch, 4 members": rotate,
    "bar a member by two attestations": evidence,
    "pause a lane": pause,
    "approve a held transfer": approve,
    "two-phase: prepare a leg": partial(two_phase, None),
    "two-phase: commit a leg": partial(two_phase, Action.COMMIT),
    "two-phase: abort a leg": partial(two_phase, Action.ABORT),
    "lien: freeze a title": partial(lien, "freeze"),
    "lien: release a title": partial(lien, "release"),
    "commit a transfer that mints vouchers": mint,
    "pledge: open a loan": partial(loan, "open"),
    "pledge: commit the reservation of a goods key": partial(loan, "reserve"),
    "pledge: commit the freeze of a receipt": partial(loan, "freeze"),
}
