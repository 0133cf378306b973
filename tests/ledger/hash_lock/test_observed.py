"""The contracts' logs read by position: another emitter, another event, another swap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ledger.attestation import address_word, word
from ledger.ethereum.tx_receipt import Log
from ledger.hash_lock import Role, read_funding, read_reveal
from ledger.hash_lock.observed import CLAIMED, FUNDED
from tests.ledger.hash_lock.swap import CAROL, LANE, SECRET, START, terms
from tests.ledger.refusals import refused

SWAP = terms().id(LANE.id)
FUNDING = Log(
    LANE.initiator.lock,
    (FUNDED, SWAP, SECRET.hashlock, address_word(terms().initiator.funder)),
    terms().words(),
)
CLAIM = Log(
    LANE.responder.lock,
    (CLAIMED, SWAP, SECRET.hashlock, address_word(terms().responder.receiver)),
    word(5_050) + SECRET.preimage,
)


def with_topic(log: Log, place: int, value: bytes) -> Log:
    return replace(log, topics=(*log.topics[:place], value, *log.topics[place + 1 :]))


FUNDINGS: dict[str, tuple[Callable[[], Log], str]] = {
    "F01_another_emitter": (lambda: replace(FUNDING, address=CAROL), "EMITTER"),
    "F03_the_other_lock": (lambda: replace(FUNDING, address=LANE.responder.lock), "EMITTER"),
    "another_event": (lambda: with_topic(FUNDING, 0, CLAIMED), "LOCK_LOG"),
    "a_topic_less": (lambda: replace(FUNDING, topics=FUNDING.topics[:3]), "LOCK_LOG"),
    "no_topics": (lambda: replace(FUNDING, topics=()), "LOCK_LOG"),
    "I16_another_id": (lambda: with_topic(FUNDING, 1, b"\x01" * 32), "OFFER_MIRROR"),
    "I16_other_terms": (lambda: replace(FUNDING, data=terms(first_quantity=1).words()), "OFFER_MIRROR"),
    "another_hash_lock": (lambda: with_topic(FUNDING, 2, b"\x01" * 32), "LOCK_LOG"),
    "another_funder": (lambda: with_topic(FUNDING, 3, address_word(CAROL)), "LOCK_LOG"),
    "a_word_less": (lambda: replace(FUNDING, data=FUNDING.data[:-32]), "OFFER_FORM"),
}


@pytest.mark.parametrize("name", FUNDINGS)
def test_a_funding_is_refused_with(name: str) -> None:
    change, code = FUNDINGS[name]
    with refused(code):
        read_funding(change(), lane=LANE, role=Role.INITIATOR, at=START)
    assert read_funding(FUNDING, lane=LANE, role=Role.INITIATOR, at=START).terms == terms()


CLAIMS: dict[str, tuple[Callable[[], Log], str]] = {
    "F01_another_emitter": (lambda: replace(CLAIM, address=CAROL), "EMITTER"),
    "another_event": (lambda: with_topic(CLAIM, 0, FUNDED), "LOCK_LOG"),
    "a_short_log": (lambda: replace(CLAIM, data=CLAIM.data[:-1]), "LOCK_LOG"),
    "a_long_log": (lambda: replace(CLAIM, data=CLAIM.data + b"\x00"), "LOCK_LOG"),
    "another_preimage": (lambda: replace(CLAIM, data=word(5_050) + bytes(32)), "PREIMAGE_WRONG"),
    "another_hash_lock": (lambda: with_topic(CLAIM, 2, b"\x01" * 32), "PREIMAGE_WRONG"),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_I13_a_reveal_is_refused_with(name: str) -> None:
    change, code = CLAIMS[name]
    with refused(code):
        read_reveal(change(), lane=LANE, role=Role.RESPONDER, at=START)
    found = read_reveal(CLAIM, lane=LANE, role=Role.RESPONDER, at=START)
    assert (found.preimage, found.swap, found.hashlock) == (SECRET.preimage, SWAP, SECRET.hashlock)
