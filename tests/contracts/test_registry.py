"""The transaction registry: certificates once for all their messages, in any order, and one end for each message."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import astuple, replace
from typing import Any

import pytest

from contracts.manifest import Role
from ledger import merkle
from ledger.attestation import (
    DIFFERS,
    EXPIRED,
    SAME,
    VOID,
    Verdict,
    attestation_digest,
    credential_of,
    signed,
    verdict_digest,
)
from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256
from ledger.proposal import Kind, Message
from ledger.quorum import Committee, pack
from tests.contracts.collateral_world import (
    REGISTRY,
    STATES,
    acknowledged,
    announce_resolution,
    attest,
    ending,
    evm_of,
    let_delay_pass,
    propose,
    refused,
    resolve,
    state_of,
)
from tests.contracts.test_collateral import open_loan
from tests.contracts.world import CHAIN_IDS, COMMITTEE, STRANGER, World

TRANSFER = 4
TOGETHER = 5


@pytest.fixture(autouse=True)
def same_time(world: World) -> Iterator[None]:
    """Tests that let time pass on the transaction chain leave it where they found it, for the others' messages."""
    evm = evm_of(world, Role.TRANSACTION)
    now = evm.time
    yield
    evm.time = now


def call(world: World) -> Message:
    """A call on its way from the pledge registry to the goods registry."""
    return open_loan(world).to_goods.message


def judged_log(world: World, verdict: Verdict) -> dict[str, Any]:
    mined = world.judge(verdict)
    return dict(world.logs(Role.TRANSACTION, mined)["CommitJudged"].fields)


# -- recorded per root, in any order ----------------------------------------------------------------------------------


def test_one_certificate_is_checked_once_and_covers_all_its_messages(world: World) -> None:
    messages = [call(world) for _ in range(TOGETHER)]
    propose(world, *messages)
    mined = attest(world, *messages)
    names = [topic for log in mined.logs for topic in log.topics[:1]]
    assert len(names) == TOGETHER + 1  # an `Attested` each, and one `RootAttested`
    assert [state_of(world, each.id) for each in messages] == ["attested"] * TOGETHER
    for each in messages:
        world.judge(ending(each, SAME))
    assert [state_of(world, each.id) for each in messages] == ["closed"] * TOGETHER


def test_each_size_of_certificate_has_the_root_that_notaries_sign(world: World) -> None:
    base = call(world)
    for size in (1, 2, 3, 7, 8, 33, 64):
        messages = [replace(base, sequence=1_000_000 * size + place) for place in range(size)]
        attest(world, *messages)
        assert {world.read(Role.TRANSACTION, REGISTRY, "digest_of", 7103, each.id) for each in messages} != {bytes(32)}


@pytest.mark.parametrize("order", list(itertools.permutations(("propose", "attest", "commit"))))
def test_the_order_of_records_changes_nothing(world: World, order: tuple[str, ...]) -> None:
    proposal = open_loan(world).to_goods
    for step in order:
        {
            "propose": lambda: propose(world, proposal.message),
            "attest": lambda: attest(world, proposal.message),
            "commit": lambda: world.commit(proposal),
        }[step]()
    assert state_of(world, proposal.message.id) == "attested"
    mined = world.judge(ending(proposal.message, SAME))
    assert acknowledged(world, mined) == [(proposal.message.id, b"reserved")]


def test_what_is_attested_first_is_attested_when_it_is_proposed(world: World) -> None:
    message = call(world)
    attest(world, message)
    assert state_of(world, message.id) == "unknown"
    with refused(world, "TransactionRegistry: nothing to judge"):
        world.judge(ending(message, SAME))
    propose(world, message)
    assert state_of(world, message.id) == "attested"


def test_several_are_proposed_at_once_and_those_that_stand_are_passed_over(world: World) -> None:
    first, second, third = (call(world) for _ in range(3))
    propose(world, second)
    propose(world, first, second, third)
    assert [state_of(world, each.id) for each in (first, second, third)] == ["proposed"] * 3
    with refused(world, "TransactionRegistry: id exists"):
        propose(world, first, third)
    with refused(world, "TransactionRegistry: id exists"):
        propose(world)


def test_one_that_is_refused_refuses_all_that_are_proposed_with_it(world: World) -> None:
    honest = call(world)
    foreign = replace(honest, sequence=honest.sequence + 900, version=2)
    with refused(world, "TransactionRegistry: version"):
        propose(world, honest, foreign)
    assert state_of(world, honest.id) == "unknown"
    propose(world, honest)


def test_F12_a_message_of_a_retired_version_is_not_recorded(world: World) -> None:
    message = call(world)
    for version in (0, 2, 255):
        with refused(world, "TransactionRegistry: version"):
            propose(world, replace(message, version=version))
    propose(world, message)


@pytest.mark.parametrize("end", ["origin", "destination"])
@pytest.mark.parametrize("change", [{"genesis": b"\x09" * 32}, {"gateway": b"\x09" * 20}, {"chain_id": 9999}])
def test_G02_a_message_of_a_forked_or_unknown_chain_is_not_recorded(
    world: World, end: str, change: dict[str, Any]
) -> None:
    message = call(world)
    with refused(world, "TransactionRegistry: unknown chain"):
        propose(world, replace(message, **{end: replace(getattr(message, end), **change)}))
    propose(world, message)


def test_a_message_stays_on_no_chain(world: World) -> None:
    message = call(world)
    with refused(world, "TransactionRegistry: one chain only"):
        propose(world, replace(message, destination=message.origin))
    propose(world, message)


@pytest.mark.parametrize("kind", [0, 5, 255])
def test_a_message_is_of_a_known_kind(world: World, kind: int) -> None:
    message = call(world)
    fields = list(message.as_abi())
    fields[1] = kind
    with refused(world, "TransactionRegistry: kind"):
        world.send(Role.TRANSACTION, REGISTRY, "propose", [tuple(fields)])
    propose(world, message)


def test_a_certificate_of_another_chain_attests_nothing_here(world: World) -> None:
    opened = open_loan(world)
    message = opened.to_goods.message
    propose(world, message)
    end = world.manifest.ends[7101]
    root = merkle.leaf_hash(message.id)
    digest = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=root, epoch=1)
    packed = pack({index: world.notaries[index].sign(digest) for index in (0, 1, 2)})
    world.send(Role.TRANSACTION, REGISTRY, "attest", 7101, [message.id], 1, packed)
    assert state_of(world, message.id) == "proposed"
    with refused(world, "TransactionRegistry: not attested"):
        world.judge(ending(message, SAME))
    attest(world, message)
    world.judge(ending(message, SAME))


def test_a_certificate_is_refused(world: World) -> None:
    message, other = call(world), call(world)
    certificate = world.certify(message, other)
    whole: tuple[Any, ...] = (7103, [message.id, other.id], 1, certificate.signatures)
    below = world.certify(message, other, signers=(0, 1)).signatures
    for reason, arguments in (
        ("TransactionRegistry: unknown chain", (7199, *whole[1:])),
        ("merkle_root: no entry", (7103, [], *whole[2:])),
        ("Committee: not this member's signature", (7103, [message.id], *whole[2:])),
        ("Committee: not this member's signature", (7103, [other.id, message.id], *whole[2:])),
        ("Committee: not this member's signature", (7103, [message.id, other.id, other.id], *whole[2:])),
        ("Committee: not this member's signature", (7101, *whole[1:])),
        ("Committee: wrong epoch", (*whole[:2], 2, whole[3])),
        ("Committee: below quorum", (*whole[:3], below)),
    ):
        with refused(world, reason):
            world.send(Role.TRANSACTION, REGISTRY, "attest", *arguments)
    world.send(Role.TRANSACTION, REGISTRY, "attest", *whole)


def test_the_first_certificate_stays(world: World) -> None:
    message, other = call(world), call(world)
    attest(world, message)
    first = world.read(Role.TRANSACTION, REGISTRY, "digest_of", 7103, message.id)
    with refused(world, "TransactionRegistry: attested before"):
        attest(world, message, signers=(1, 2, 3))
    attest(world, message, other, signers=(1, 2, 3))
    assert world.read(Role.TRANSACTION, REGISTRY, "digest_of", 7103, message.id) == first
    assert world.read(Role.TRANSACTION, REGISTRY, "digest_of", 7103, other.id) not in (first, bytes(32))


# -- the credential ---------------------------------------------------------------------------------------------------


def test_anybody_rebuilds_the_credential_from_the_logs(world: World) -> None:
    proposal = open_loan(world).to_goods
    commit = world.commit(proposal)
    propose(world, proposal.message)
    root = world.logs(Role.TRANSACTION, attest(world, proposal.message))["RootAttested"].fields
    mined = world.judge(world.verdict(proposal.message, commit, outcome=b"reserved", commit_log=1, origin_log=2 << 32))
    judged = world.logs(Role.TRANSACTION, mined)["CommitJudged"].fields
    end, registry = proposal.message.destination, world.contract(Role.TRANSACTION, REGISTRY).address
    attested = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=root["root"], epoch=root["epoch"])
    names = [name for name in Verdict.__slots__ if name != "epoch"]
    verdict = Verdict(epoch=judged["epoch"], **{name: judged[name] for name in names})
    digest = verdict_digest(chain_id=7103, registry=registry, verdict=verdict)
    assert Committee(1, COMMITTEE.members).check(1, attested, root["signatures"]) == (0, 1, 2)
    assert Committee(1, COMMITTEE.members).check(1, digest, judged["signatures"]) == (0, 1, 2)
    assert root["certificate"] == signed(attested, root["signatures"])
    rebuilt = credential_of(signed(attested, root["signatures"]), signed(digest, judged["signatures"]))
    held = world.read(Role.TRANSACTION, REGISTRY, "transactions", proposal.message.id)
    assert held == (4, 2, 7102, 7103, proposal.message.sender, bytes(32), rebuilt)
    assert judged["credential"] == rebuilt == world.read(Role.TRANSACTION, REGISTRY, "digest_of", 7103, verdict.id)


CHANGES: dict[str, Any] = {
    "origin_block": b"\x01" * 32,
    "commit_block": b"\x01" * 32,
    "commit_transaction": b"\x01" * 32,
    "checked_from": 2,
    "outcome": b"\x01" * 32,
    "policy": 4,
    "origin_log": 1,
    "commit_log": 1,
}


@pytest.mark.parametrize("field", CHANGES)
def test_a_verdict_with_another_field_was_signed_by_nobody(world: World, field: str) -> None:
    message = call(world)
    propose(world, message)
    attest(world, message)
    honest = ending(message, SAME)
    registry = world.contract(Role.TRANSACTION, REGISTRY).address
    digest = verdict_digest(chain_id=CHAIN_IDS[Role.TRANSACTION], registry=registry, verdict=honest)
    packed = pack({index: world.notaries[index].sign(digest) for index in (0, 1, 2)})
    with refused(world, "Committee: not this member's signature"):
        forged = astuple(replace(honest, **{field: CHANGES[field]}))
        world.send(Role.TRANSACTION, REGISTRY, "judge", forged, packed)
    world.send(Role.TRANSACTION, REGISTRY, "judge", astuple(honest), packed)


def test_another_set_of_signatures_is_another_credential(world: World) -> None:
    credentials = set()
    for signers in ((0, 1, 2), (1, 2, 3)):
        message = call(world)
        propose(world, message)
        attest(world, message)
        judged = world.logs(Role.TRANSACTION, world.judge(ending(message, SAME), signers=signers))["CommitJudged"]
        credentials.add(judged.fields["credential"])
    assert len(credentials) == 2


@pytest.mark.parametrize(("policy", "needs"), [(1, True), (2, False), (3, False), (4, True)])
def test_a_commit_closes_without_a_certificate_only_where_its_lane_asks_for_none(
    world: World, policy: int, needs: bool
) -> None:
    message = call(world)
    propose(world, message)
    verdict = ending(message, SAME, policy=policy)
    if needs:
        with refused(world, "TransactionRegistry: not attested"):
            world.judge(verdict)
        attest(world, message)
    world.judge(verdict)
    assert state_of(world, message.id) == "closed"


# -- exactly one end --------------------------------------------------------------------------------------------------


def begun(world: World, stage: str) -> Message:
    """A call that came as far as this state."""
    message = call(world)
    propose(world, message)
    if stage != "proposed":
        attest(world, message)
    if stage == "committed":
        world.judge(ending(message, SAME, executed=False, outcome=b""))
    if stage == "disputed":
        world.judge(ending(message, SAME, verdict=DIFFERS))
    assert state_of(world, message.id) == stage
    return message


@pytest.mark.parametrize("stage", ["proposed", "attested", "committed"])
@pytest.mark.parametrize(("kind", "ended"), [(EXPIRED, "expired"), (VOID, "aborted")])
def test_G06_what_was_never_executed_ends_and_its_sender_hears_of_it(
    world: World, stage: str, kind: int, ended: str
) -> None:
    message = begun(world, stage)
    mined = world.judge(ending(message, kind))
    assert state_of(world, message.id) == ended
    assert acknowledged(world, mined) == [(message.id, b"expired" if kind == EXPIRED else b"void")]


def test_a_call_that_failed_is_committed_once_and_closed_once_it_is_executed(world: World) -> None:
    message = begun(world, "committed")
    failed = ending(message, SAME, executed=False, outcome=b"", commit_transaction=b"\x0e" * 32)
    with refused(world, "TransactionRegistry: committed before"):
        world.judge(failed)
    world.judge(ending(message, SAME))
    assert state_of(world, message.id) == "closed"


@pytest.mark.parametrize("first", [SAME, EXPIRED, VOID, DIFFERS])
@pytest.mark.parametrize("second", [SAME, EXPIRED, VOID, DIFFERS])
def test_G06_a_message_ends_once(world: World, first: int, second: int) -> None:
    message = begun(world, "attested")

    def verdict(kind: int) -> Verdict:
        return ending(message, SAME, verdict=DIFFERS) if kind == DIFFERS else ending(message, kind)

    world.judge(verdict(first))
    with refused(world, "TransactionRegistry: nothing to judge"):
        world.judge(verdict(second))
    with refused(world, "TransactionRegistry: attested before"):
        attest(world, message)
    with refused(world, "TransactionRegistry: id exists"):
        propose(world, message)


def test_an_ended_message_takes_no_certificate_afterwards(world: World) -> None:
    message = begun(world, "proposed")
    world.judge(ending(message, EXPIRED))
    held = world.read(Role.TRANSACTION, REGISTRY, "transactions", message.id)
    with refused(world, "TransactionRegistry: attested before"):
        attest(world, message)
    assert world.read(Role.TRANSACTION, REGISTRY, "transactions", message.id) == held


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"executed": True}, "TransactionRegistry: executed"),
        ({"outcome": b"reserved".ljust(32, b"\x00")}, "TransactionRegistry: outcome"),
        ({"outcome": bytes(32)}, "TransactionRegistry: outcome"),
    ],
)
@pytest.mark.parametrize("kind", [EXPIRED, VOID])
def test_a_verdict_that_contradicts_itself_is_refused(
    world: World, kind: int, changes: dict[str, Any], reason: str
) -> None:
    message = begun(world, "attested")
    with refused(world, reason):
        world.judge(ending(message, kind, **changes))
    with refused(world, "TransactionRegistry: outcome"):
        world.judge(ending(message, kind, outcome=b"void" if kind == EXPIRED else b"expired"))
    world.judge(ending(message, kind))


@pytest.mark.parametrize("kind", [EXPIRED, VOID])
def test_less_than_a_quorum_ends_nothing(world: World, kind: int) -> None:
    message = begun(world, "attested")
    with refused(world, "Committee: below quorum"):
        world.judge(ending(message, kind), signers=(0, 1))
    world.judge(ending(message, kind))


@pytest.mark.parametrize("claimed", [b"expired", b"void"])
def test_an_application_cannot_say_that_its_message_expired(world: World, claimed: bytes) -> None:
    # A sender refunds on these words: whoever took the value and says them would have it twice.
    message = begun(world, "attested")
    mined = world.judge(ending(message, SAME, outcome=claimed))
    assert acknowledged(world, mined) == [(message.id, b"not for an application to say")]
    honest = begun(world, "attested")
    assert acknowledged(world, world.judge(ending(honest, SAME))) == [(honest.id, b"reserved")]


@pytest.mark.parametrize("kind", [Kind.NOTICE, Kind.ACKNOWLEDGEMENT])
@pytest.mark.parametrize("end", [SAME, EXPIRED, VOID])
def test_what_asks_for_no_answer_gets_none(world: World, kind: Kind, end: int) -> None:
    message = replace(call(world), kind=kind)
    propose(world, message)
    attest(world, message)
    assert acknowledged(world, world.judge(ending(message, end))) == []


@pytest.mark.parametrize("end", [SAME, EXPIRED, VOID])
def test_a_transfer_is_acknowledged_like_a_call(world: World, end: int) -> None:
    base = call(world)
    fields = list(base.as_abi())
    fields[1] = TRANSFER
    mined = world.send(Role.TRANSACTION, REGISTRY, "propose", [tuple(fields)])
    transfer_id = world.logs(Role.TRANSACTION, mined)["Proposed"].fields["id"]
    verdict = replace(ending(base, end), id=transfer_id, policy=3)
    assert [found for found, _ in acknowledged(world, world.judge(verdict))] == [transfer_id]


def test_a_transfer_from_this_chain_could_not_be_answered(world: World) -> None:
    message = call(world)
    backwards = replace(message, origin=message.destination, destination=message.origin)
    for kind in (int(Kind.CALL), TRANSFER):
        fields = list(backwards.as_abi())
        fields[1] = kind
        with refused(world, "TransactionRegistry: a call from this chain"):
            world.send(Role.TRANSACTION, REGISTRY, "propose", [tuple(fields)])
    propose(world, replace(backwards, kind=Kind.NOTICE))


LIFETIME = 7 * 24 * 3600  # of an acknowledgement, seconds


@pytest.mark.parametrize("kind", [SAME, EXPIRED, VOID])
def test_an_acknowledgement_that_expired_is_sent_again_and_counts_once(world: World, kind: int) -> None:
    message = begun(world, "attested")
    certificate = world.read(Role.TRANSACTION, REGISTRY, "digest_of", 7103, message.id)
    verdict = ending(message, kind)
    mined = world.judge(verdict)
    packed = world.logs(Role.TRANSACTION, mined)["CommitJudged"].fields["signatures"]
    proof = (certificate, keccak256(packed))
    evm = evm_of(world, Role.TRANSACTION)
    judged_at = evm.time - 1
    evm.time = judged_at + LIFETIME - 1
    with refused(world, "TransactionRegistry: acknowledged already"):
        world.send(Role.TRANSACTION, REGISTRY, "acknowledge", astuple(verdict), *proof)
    evm.time = judged_at + LIFETIME
    for changed in (
        (astuple(replace(verdict, outcome=b"\x01" * 32)), *proof),
        (astuple(verdict), bytes(32), proof[1]),
        (astuple(verdict), certificate, bytes(32)),
    ):
        with refused(world, "TransactionRegistry: not this verdict"):
            world.send(Role.TRANSACTION, REGISTRY, "acknowledge", *changed)
    again = world.send(Role.TRANSACTION, REGISTRY, "acknowledge", astuple(verdict), *proof, by=STRANGER)
    assert acknowledged(world, again) == acknowledged(world, mined)
    with refused(world, "TransactionRegistry: acknowledged already"):
        world.send(Role.TRANSACTION, REGISTRY, "acknowledge", astuple(verdict), *proof)
    (first,), (second,) = world.sent(Role.TRANSACTION, mined), world.sent(Role.TRANSACTION, again)
    assert first.message.id != second.message.id
    committed = [world.logs(Role.DESTINATION, world.commit(each))["MessageCommitted"] for each in (first, second)]
    assert [each.fields["executed"] for each in committed] == [True, False]


def test_what_is_not_over_or_asked_for_no_answer_is_not_acknowledged_again(world: World) -> None:
    for stage in ("proposed", "attested", "committed", "disputed"):
        message = begun(world, stage)
        with refused(world, "TransactionRegistry: not over"):
            world.send(Role.TRANSACTION, REGISTRY, "acknowledge", astuple(ending(message, SAME)), bytes(32), bytes(32))
    notice = replace(call(world), kind=Kind.NOTICE)
    propose(world, notice)
    world.judge(ending(notice, EXPIRED))
    with refused(world, "TransactionRegistry: not acknowledged"):
        world.send(Role.TRANSACTION, REGISTRY, "acknowledge", astuple(ending(notice, EXPIRED)), bytes(32), bytes(32))


def test_what_an_order_decided_is_acknowledged_again_by_the_disputed_credential(world: World) -> None:
    message = begun(world, "disputed")
    disputed = world.read(Role.TRANSACTION, REGISTRY, "transactions", message.id)[6]
    decided = ending(message, SAME)
    announce_resolution(world, decided)
    let_delay_pass(world)
    resolve(world, decided)
    evm_of(world, Role.TRANSACTION).time += LIFETIME
    again = world.send(Role.TRANSACTION, REGISTRY, "acknowledge", astuple(decided), disputed, bytes(32))
    assert acknowledged(world, again) == [(message.id, b"reserved")]


# -- disputes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "ended"), [(SAME, "closed"), (EXPIRED, "expired"), (VOID, "aborted")])
def test_a_dispute_ends_by_an_order_after_its_delay(world: World, kind: int, ended: str) -> None:
    message = begun(world, "disputed")
    decided = ending(message, kind)
    with refused(world, "order: not announced"):
        resolve(world, decided)
    announce_resolution(world, decided)
    with refused(world, "order: not due"):
        resolve(world, decided)
    let_delay_pass(world)
    with refused(world, "order: not announced"):
        resolve(world, replace(decided, checked_from=7))
    mined = resolve(world, decided)
    assert state_of(world, message.id) == ended
    assert [found for found, _ in acknowledged(world, mined)] == [message.id]
    with refused(world, "order: taken before"):
        resolve(world, decided)
    with refused(world, "TransactionRegistry: nothing to judge"):
        world.judge(decided)


def test_a_dispute_is_decided_once_whatever_else_was_ordered(world: World) -> None:
    message = begun(world, "disputed")
    announce_resolution(world, ending(message, SAME))
    announce_resolution(world, ending(message, EXPIRED))
    let_delay_pass(world)
    resolve(world, ending(message, EXPIRED))
    with refused(world, "TransactionRegistry: not disputed"):
        resolve(world, ending(message, SAME))
    assert state_of(world, message.id) == "expired"


@pytest.mark.parametrize("stage", ["proposed", "attested", "committed"])
def test_an_order_decides_only_what_is_disputed(world: World, stage: str) -> None:
    message = begun(world, stage)
    decided = ending(message, EXPIRED)
    announce_resolution(world, decided)
    let_delay_pass(world)
    with refused(world, "TransactionRegistry: not disputed"):
        resolve(world, decided)
    world.judge(decided)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"verdict": DIFFERS, "executed": False}, "TransactionRegistry: verdict"),
        ({"executed": False}, "TransactionRegistry: decides nothing"),
    ],
)
def test_an_order_ends_the_dispute_or_is_refused(world: World, changes: dict[str, Any], reason: str) -> None:
    message = begun(world, "disputed")
    undecided = ending(message, SAME, **changes)
    announce_resolution(world, undecided)
    announce_resolution(world, ending(message, SAME))
    let_delay_pass(world)
    with refused(world, reason):
        resolve(world, undecided)
    resolve(world, ending(message, SAME))


def test_a_decided_dispute_keeps_the_disputed_credential_in_its_own(world: World) -> None:
    message = begun(world, "disputed")
    disputed = world.read(Role.TRANSACTION, REGISTRY, "transactions", message.id)[6]
    decided = ending(message, SAME)
    announce_resolution(world, decided)
    let_delay_pass(world)
    resolve(world, decided)
    registry = world.contract(Role.TRANSACTION, REGISTRY).address
    digest = verdict_digest(chain_id=7103, registry=registry, verdict=decided)
    assert world.read(Role.TRANSACTION, REGISTRY, "transactions", message.id)[6] == credential_of(disputed, digest)


def test_the_states_have_the_numbers_that_the_contract_documents() -> None:
    documented = "0 unknown, 1 proposed, 2 attested, 3 committed, 4 closed, 5 disputed, 6 expired, 7 aborted"
    assert documented == ", ".join(f"{number} {name}" for number, name in enumerate(STATES))


def test_a_sealed_registry_takes_no_chain_even_from_its_deployer(world: World) -> None:
    for arguments in (("seal",), ("register_chain", (9, b"\x01" * 32, b"\x02" * 20))):
        with pytest.raises(Refused, match="TransactionRegistry: chains are sealed"):
            world.send(Role.TRANSACTION, REGISTRY, *arguments)
