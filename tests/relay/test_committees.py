"""Whose signatures count after a rotation: asked again when the contract has spoken, and only then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.binding import DecodedLog
from ledger.attestation import attestation_digest
from ledger.errors import Unavailable
from ledger.ethereum.tx_receipt import Log
from ledger.proposal import Proposal
from ledger.quorum import Committee, root_over
from ledger.secp256k1 import SigningKey
from relay.certifier import Certifier
from relay.committees import Committees
from relay.journey import Journey
from relay.panel import Leaf, NotaryPanel
from relay.watcher import Rewound, SeenBlock, SeenLog
from tests.contracts.test_epochs import NEW, OLD, addresses, place
from tests.contracts.test_epochs import Place as Alone
from tests.contracts.world import COMMITTEE, NOTARIES
from tests.relay.test_panel import PLACE, Answer, Scripted
from tests.relay.written import MANIFEST, MESSAGE, PAYLOAD
from tests.simulator.inline import Inline

__all__ = ["place"]


def block(alone: Alone, *, spoken: bool, timestamp: int = 0) -> SeenBlock:
    said = DecodedLog("Committee", "EpochStarted", {})
    seen = SeenLog(PLACE, said, Log(alone.committee.address, (), b""))
    number = alone.chain.chain_id
    return SeenBlock(number, 1, bytes(32), bytes(32), timestamp, (seen,) if spoken else ())


def test_B01_after_a_rotation_the_new_committee_counts_first_and_the_old_one_until_its_grace_ends(alone: Alone) -> None:
    manifest = replace(MANIFEST, chains=(alone.chain,), committee=Committee(1, addresses(OLD)))
    number = alone.chain.chain_id
    committees = Committees(manifest, {number: alone.node})
    assert [each.epoch for each in committees.of(number)] == [1]
    alone.rotate(OLD, NEW, 1)
    asked = dict(alone.node.asked)
    assert [each.epoch for each in committees.of(number)] == [1], "nobody has said so in a final block yet"
    assert alone.node.asked == asked
    committees.take(block(alone, spoken=True))
    found = committees.of(number)
    assert [(each.epoch, each.members) for each in found] == [(2, addresses(NEW)), (1, addresses(OLD))]
    until = alone.committee.read(alone.node, "valid_until", 1)
    committees.take(block(alone, spoken=False, timestamp=until - 1))
    assert [each.epoch for each in committees.of(number)] == [2, 1]
    committees.take(block(alone, spoken=False, timestamp=until))
    assert [each.epoch for each in committees.of(number)] == [2]


def test_a_node_that_shows_no_epochs_leaves_what_is_known(alone: Alone) -> None:
    manifest = replace(MANIFEST, chains=(alone.chain,), committee=Committee(1, addresses(OLD)))
    number = alone.chain.chain_id

    def away(method: str, _params: object, _result: object) -> object:
        raise Unavailable("NODE_UNREACHABLE", method)

    alone.node.lie = away
    committees = Committees(manifest, {number: alone.node})
    assert committees.of(number) == (manifest.committee,)
    alone.node.lie = lambda _method, _params, result: result
    assert [each.epoch for each in committees.of(number)] == [1]
    alone.rotate(OLD, NEW, 1)
    committees.rewind(Rewound(number, 1))
    assert [each.epoch for each in committees.of(number)] == [2, 1]


@pytest.fixture
def alone(place: Alone) -> Alone:
    return place


# -- certificates of two epochs -------------------------------------------------------------------------------------

NEXT = Committee(2, tuple(key.address for key in reversed(NOTARIES)))


def answers(key: SigningKey, committee: Committee) -> Scripted:
    end = MESSAGE.destination
    index, epoch = committee.members.index(key.address), committee.epoch
    digest = attestation_digest(
        chain_id=end.chain_id, gateway=end.gateway, root=root_over([MESSAGE]), epoch=committee.epoch
    )
    said: Answer = {"epoch": epoch, "member": index, "signature": f"0x{key.sign(digest).pack().hex()}"}
    return Scripted(index, lambda: said)


def panel(now: list[Committee], *committees: Committee) -> NotaryPanel:
    asked = [answers(key, committee) for key, committee in zip(NOTARIES, committees, strict=True)]
    return NotaryPanel(asked, COMMITTEE, executor=lambda _name: Inline(), committees=lambda _chain: now)


def test_B01_signatures_of_two_epochs_are_never_added_up() -> None:
    mixed = panel([NEXT, COMMITTEE], NEXT, NEXT, COMMITTEE, COMMITTEE).certify([Leaf(MESSAGE, PLACE)])
    assert (mixed.root, mixed.refused[MESSAGE.id].code) == (None, "WAITING")
    whole = panel([NEXT, COMMITTEE], NEXT, NEXT, NEXT, COMMITTEE).certify([Leaf(MESSAGE, PLACE)]).root
    assert whole is not None and whole.epoch == 2
    whole.certificate(MESSAGE.id).check(MESSAGE, NEXT)


def test_B01_a_signature_of_an_epoch_that_is_over_does_not_count() -> None:
    over = panel([NEXT], COMMITTEE, COMMITTEE, COMMITTEE, COMMITTEE).certify([Leaf(MESSAGE, PLACE)])
    assert (over.root, over.refused[MESSAGE.id].code) == (None, "WAITING")
    assert panel([COMMITTEE], COMMITTEE, COMMITTEE, COMMITTEE, NEXT).certify([Leaf(MESSAGE, PLACE)]).root is not None


def test_B13_a_certificate_within_grace_is_used_and_one_beyond_it_is_asked_for_again() -> None:
    now = [COMMITTEE]
    journey = Journey(Proposal(MESSAGE, PAYLOAD), PLACE)
    asked = panel(now, COMMITTEE, COMMITTEE, COMMITTEE, COMMITTEE)
    certifier = Certifier(asked)
    assert certifier.certify([journey]) == {}
    first = certifier.root_of(MESSAGE.id)
    now.insert(0, NEXT)
    assert certifier.certify([journey]) == {}
    assert certifier.root_of(MESSAGE.id) is first
    now.pop()
    assert certifier.certify([journey])[MESSAGE.id].code == "WAITING", "the old epoch's notaries sign in vain"
    certifier._panel = panel(now, NEXT, NEXT, NEXT, NEXT)
    assert certifier.certify([journey]) == {}
    again = certifier.root_of(MESSAGE.id)
    assert again is not None and again.epoch == 2
