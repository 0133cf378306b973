"""A lane that is opened anew while messages of its earlier generation are under way: what arrived is still attested and
judged, what did not arrive is attested no more, and ends when it expires.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from contracts.manifest import NOTARY_POLICY, Role
from ledger.attestation import EXPIRED, SAME, address_word, word
from ledger.orders import action_of, order_digest
from ledger.proposal import Message
from ledger.quorum import pack
from notary import policy
from notary.policy import Lane
from tests.chains import NOTARY_KEYS, Deployed, deployed_on_anvil
from tests.ledger.refusals import refused
from tests.notary.subject import Subject, commit_locator, locator
from tests.notary.test_ended import brief, ended, outlive
from tests.notary.test_journal import MESSAGE
from tests.rotations import pass_time


@pytest.fixture(scope="module")
def chains() -> Iterator[Deployed]:
    """Chains for this module alone: a lane of theirs is opened anew."""
    with deployed_on_anvil() as deployed:
        yield deployed


def renew(chains: Deployed, message: Message, generation: int) -> None:
    """The quorum orders a lane's next generation at the destination."""
    chain, transactor = chains.manifest.chain(Role.DESTINATION), chains.transactors[Role.DESTINATION]
    administration = chain.contract("Administration")
    lane = (message.origin.chain_id, message.sender, message.recipient, generation, NOTARY_POLICY, False)
    words = word(lane[0]) + address_word(message.sender) + address_word(message.recipient)
    action = action_of("Administration.order_lane", words, word(generation), word(NOTARY_POLICY), word(0))
    salt = word(generation)
    digest = order_digest(chain_id=chain.chain_id, contract=administration.address, action=action, salt=salt, epoch=1)
    packed = pack({index: key.sign(digest) for index, key in enumerate(NOTARY_KEYS)})
    transactor.send(administration.address, administration.encode_call("announce", action, salt, 1, packed))
    pass_time(transactor.node, chains.manifest.rotation.delay)
    transactor.send(administration.address, administration.encode_call("order_lane", *lane, salt))


def test_G02_after_a_new_generation_what_arrived_is_attested_and_judged_and_what_did_not_is_not(
    subject: Subject,
) -> None:
    chains = subject.chains
    arrived, late = chains.send(), brief(chains, seconds=2 * chains.manifest.rotation.delay)
    _, place = chains.commit(arrived)
    renew(chains, arrived.message, 2)
    answer = subject.notary.attest([locator(arrived)])
    assert answer.ids == (arrived.message.id,)
    verdict = subject.notary.judge(locator(arrived), commit_locator(place)).verdict
    assert (verdict.verdict, verdict.executed, verdict.policy) == (SAME, True, NOTARY_POLICY)

    subject.refuses(lambda notary: notary.attest([locator(late)]), "LANE")
    outlive(chains, late)
    subject.refuses(lambda notary: notary.attest([locator(late)]), "LANE")
    assert ended(subject, late).verdict == EXPIRED


OLDER, PRESENT, NEWER = (Lane(generation, NOTARY_POLICY) for generation in (1, 2, 3))


@pytest.mark.parametrize("is_used", [False, True])
def test_only_what_has_arrived_outlives_its_generation(is_used: bool) -> None:
    message = _of_generation(2)
    policy.require_carriage(message, lane=PRESENT, now=0, attested=None, is_used=is_used)
    with refused("LANE"):  # a generation that has not begun
        policy.require_carriage(message, lane=OLDER, now=0, attested=None, is_used=is_used)
    if is_used:
        policy.require_carriage(message, lane=NEWER, now=message.expiry + 1, attested=message.id, is_used=True)
        with refused("EQUIVOCATION"):
            policy.require_carriage(message, lane=NEWER, now=0, attested=b"\x01" * 32, is_used=True)
    else:
        with refused("LANE"):
            policy.require_carriage(message, lane=NEWER, now=0, attested=None, is_used=False)


def test_a_message_of_generation_zero_never_arrived() -> None:
    with refused("LANE"):
        policy.require_carriage(_of_generation(0), lane=PRESENT, now=0, attested=None, is_used=True)


def _of_generation(generation: int) -> Message:
    return replace(MESSAGE, generation=generation)
