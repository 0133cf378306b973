"""Messages that ended without a delivery: expired or void, proven in the destination's state, not merely unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, replace
from typing import Any

import pytest

from contracts.binding import Contract
from contracts.manifest import Role
from contracts.proven_storage import ProvenStorage, slot_of
from ledger.attestation import DIFFERS, EXPIRED, SAME, VOID, Verdict, address_word, verdict_digest, word
from ledger.errors import Refused
from ledger.ethereum.header import header_from_rpc
from ledger.ethereum.keccak import keccak256
from ledger.orders import action_of, order_digest
from ledger.proposal import Message
from ledger.quorum import pack
from notary import policy
from notary.ending import is_on_page, kept_of
from notary.notary import Notary
from notary.proven import Locator
from tests.chains import NOTARY_KEYS, Deployed, Sent, deployed_on_anvil
from tests.notary.subject import Subject, commit_locator, honest, locator, refusal
from tests.notary.test_journal import MESSAGE
from tests.rotations import pass_time

DESTINATION = 7102
LIFETIME = keccak256(b"expiry(uint64)")[:4]
FAILS = b"not three words"  # the anchor mirror reverts on it


@pytest.fixture(scope="module")
def chains() -> Iterator[Deployed]:
    """Chains for this module alone: time passes on them."""
    with deployed_on_anvil() as deployed:
        yield deployed


def now(chains: Deployed) -> int:
    """The latest time of origin and destination, in seconds."""
    nodes = (chains.node(role) for role in (Role.ORIGIN, Role.DESTINATION))
    return max(int(node.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16) for node in nodes)


def brief(chains: Deployed, payload: bytes = b"", *, seconds: int = 600) -> Sent:
    """A message that expires soon."""
    return chains.send(payload, attributes=[LIFETIME + word(now(chains) + seconds)])


def outlive(chains: Deployed, sent: Sent) -> None:
    """Let the destination's time pass the expiry."""
    node = chains.node(Role.DESTINATION)
    at = int(node.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    pass_time(node, max(1, sent.message.expiry - at))


def expiry_of(sent: Sent) -> Callable[[Notary], object]:
    """Ask a notary whether a message ended without a commit."""
    return lambda notary: notary.judge(locator(sent), None)


def ended(subject: Subject, sent: Sent) -> Verdict:
    return subject.notary.judge(locator(sent), None).verdict


def conclude(chains: Deployed, message: Message, verdict: Verdict) -> int:
    """Have the registry take it from a quorum; the state it comes to."""
    chain, transactor = chains.manifest.chain(Role.TRANSACTION), chains.transactors[Role.TRANSACTION]
    registry = chain.contract("TransactionRegistry")
    digest = verdict_digest(chain_id=chain.chain_id, registry=registry.address, verdict=verdict)
    signed = pack({index: key.sign(digest) for index, key in enumerate(NOTARY_KEYS[:3])})
    for function, arguments in (("propose", ([message.as_abi()],)), ("judge", (astuple(verdict), signed))):
        transactor.send(registry.address, registry.encode_call(function, *arguments))
    return int(registry.read(transactor.node, "transactions", message.id)[0])


def void(chains: Deployed, sent: Sent) -> Locator:
    """Have the quorum void a message at its destination; where the gateway's log of it stands."""
    chain, transactor = chains.manifest.chain(Role.DESTINATION), chains.transactors[Role.DESTINATION]
    administration, message = chain.contract("Administration"), sent.message
    delivery = message.as_delivery()
    terms = message.kind << 224 | message.generation << 192 | message.sequence << 128 | message.expiry << 64
    words = word(terms | message.gas_limit) + message.lane + word(message.origin.chain_id)
    words += address_word(message.sender) + address_word(message.recipient)
    action = action_of("Administration.order_void", words, message.payload_digest)
    digest = order_digest(
        chain_id=chain.chain_id, contract=administration.address, action=action, salt=message.id, epoch=1
    )
    packed = pack({index: key.sign(digest) for index, key in enumerate(NOTARY_KEYS)})
    call = administration.encode_call("announce", action, message.id, 1, packed)
    transactor.send(administration.address, call)
    pass_time(transactor.node, chains.manifest.rotation.delay)
    call = administration.encode_call("order_void", delivery, message.payload_digest, message.id)
    mined = transactor.send(administration.address, call)
    gateway = Contract("Gateway", message.destination.gateway)
    names = [found.name if (found := gateway.decode_log(log)) else "" for log in mined.logs]
    return Locator(chain.chain_id, mined.block, 0, names.index("MessageVoided"))


def test_a_message_that_was_never_committed_expires_and_the_registry_ends_it(subject: Subject) -> None:
    chains = subject.chains
    sent = brief(chains)
    assert subject.refuses(lambda notary: notary.judge(locator(sent), None), "NOT_EXPIRED").http_status == 503
    outlive(chains, sent)
    verdict = ended(subject, sent)
    assert (verdict.id, verdict.verdict, verdict.executed) == (sent.message.id, EXPIRED, False)
    assert verdict.outcome.rstrip(b"\x00") == b"expired"
    assert (verdict.commit_transaction, verdict.commit_log, verdict.policy) == (bytes(32), 0, 0)
    assert conclude(chains, sent.message, verdict) == 6


def test_all_notaries_name_the_first_block_past_the_expiry_however_late_they_are_asked(subject: Subject) -> None:
    chains, node = subject.chains, subject.chains.node(Role.DESTINATION)
    sent = brief(chains)
    outlive(chains, sent)
    first = int(node.request("eth_blockNumber"), 16)
    verdict = ended(subject, sent)
    blocks = [header_from_rpc(node.request("eth_getBlockByNumber", hex(n), False)) for n in (first - 1, first)]
    assert verdict.commit_block == blocks[1].hash
    assert blocks[0].timestamp < sent.message.expiry <= blocks[1].timestamp
    node.request("anvil_mine", "0x5")
    other = subject.beside(1)
    try:
        assert other.judge(locator(sent), None).verdict == verdict
    finally:
        other.close()
    subject.restart()
    assert ended(subject, sent) == verdict


def test_G06_a_message_that_was_delivered_in_time_never_expires(subject: Subject) -> None:
    sent = brief(subject.chains)
    _, place = subject.chains.commit(sent)
    outlive(subject.chains, sent)
    subject.notary.keep_up()  # what was found the same before is no promise about this message
    subject.refuses(lambda notary: notary.judge(locator(sent), None), "EXECUTED")
    assert subject.notary.judge(locator(sent), commit_locator(place)).verdict.verdict == SAME
    subject.refuses(lambda notary: notary.judge(locator(sent), None), "EXECUTED")


def test_a_commit_whose_call_failed_and_was_not_retried_in_time_expires(subject: Subject) -> None:
    sent = brief(subject.chains, FAILS)
    _, place = subject.chains.commit(sent)
    first = subject.notary.judge(locator(sent), commit_locator(place)).verdict
    assert (first.verdict, first.executed) == (SAME, False)
    outlive(subject.chains, sent)
    assert ended(subject, sent).verdict == EXPIRED
    assert subject.notary.judge(locator(sent), commit_locator(place)).verdict == first


def test_a_voided_message_is_void_by_its_log_and_not_expired(subject: Subject) -> None:
    chains = subject.chains
    sent = brief(chains)
    place = void(chains, sent)
    subject.notary.keep_up()
    subject.refuses(lambda notary: notary.judge(locator(sent), None), "VOIDED")
    verdict = subject.notary.judge(locator(sent), place).verdict
    assert (verdict.verdict, verdict.executed, verdict.outcome.rstrip(b"\x00")) == (VOID, False, b"void")
    node = chains.node(Role.DESTINATION)
    block = node.request("eth_getBlockByNumber", hex(place.block), False)
    assert (verdict.commit_block.hex(), verdict.commit_transaction.hex()) == (
        block["hash"][2:],
        block["transactions"][0][2:],
    )
    other = brief(chains)
    subject.refuses(lambda notary: notary.judge(locator(other), place), "COMMIT_MISMATCH")
    # The administration logs it too, and speaks for nobody but itself.
    beside = replace(place, log_index=1 - place.log_index) if place.log_index < 2 else replace(place, log_index=0)
    subject.refuses(lambda notary: notary.judge(locator(sent), beside), "EMITTER")
    assert conclude(chains, sent.message, verdict) == 7


def _forget(proof: Any) -> Any:
    """Every slot is shown as one that holds nothing."""
    return proof | {"storageProof": [entry | {"value": "0x0", "proof": []} for entry in proof["storageProof"]]}


@pytest.mark.parametrize(
    ("lie", "code"),
    [(_forget, "STATE_UNPROVEN"), (lambda proof: proof | {"accountProof": []}, "STATE_UNPROVEN")],
    ids=["the used sequence is left out", "the gateway is left out"],
)
def test_E08_absence_that_no_proof_shows_is_not_believed(
    subject: Subject, lie: Callable[[Any], Any], code: str
) -> None:
    sent, late = brief(subject.chains), brief(subject.chains)
    subject.chains.commit(sent)
    outlive(subject.chains, late)
    subject.notary.keep_up()

    def lying(method: str, _params: Sequence[Any], result: Any) -> Any:
        return lie(result) if method == "eth_getProof" else result

    subject.liars[DESTINATION].lie = lying
    waiting = subject.refuses(lambda notary: notary.judge(locator(sent), None), code)
    assert waiting.http_status == 503
    subject.liars[DESTINATION].lie = honest
    assert ended(subject, late).verdict == EXPIRED


def test_E11_a_later_block_that_a_node_shows_as_the_first_one_is_refused(subject: Subject) -> None:
    chains = subject.chains
    sent = brief(chains)
    outlive(chains, sent)
    node = chains.node(Role.DESTINATION)
    first = int(node.request("eth_blockNumber"), 16)
    node.request("anvil_mine", "0x3")
    before = node.request("eth_getBlockByNumber", hex(first - 1), False)

    def lie(method: str, params: Sequence[Any], result: Any) -> Any:
        return before if method == "eth_getBlockByNumber" and params[0] == hex(first) else result

    subject.liars[DESTINATION].lie = lie
    subject.refuses(lambda notary: notary.judge(locator(sent), None), "HEADER_HASH")
    subject.liars[DESTINATION].lie = honest
    assert ended(subject, sent).verdict == EXPIRED


def test_nothing_expires_on_a_chain_whose_blocks_do_not_re_execute(own_subject: Subject) -> None:
    chains = own_subject.chains
    sent = brief(chains)
    node, gateway = chains.node(Role.DESTINATION), chains.manifest.chain(Role.DESTINATION).contracts["Gateway"]
    node.request("anvil_mine", "0x1")
    node.request("anvil_setStorageAt", f"0x{gateway.hex()}", "0x" + "77" * 32, "0x" + "01" * 32)
    node.request("anvil_mine", "0x1")
    outlive(chains, sent)
    own_subject.notary.keep_up()
    own_subject.refuses(lambda notary: notary.judge(locator(sent), None), "DESTINATION_DIFFERS")


def places(chains: Deployed, message: Message) -> tuple[bool, bool]:
    """Whether the destination's latest state marks a sequence in the overflow, and whether on its lane's page."""
    node, gateway = chains.node(Role.DESTINATION), chains.manifest.chain(Role.DESTINATION).contracts["Gateway"]

    def held(variable: str, *keys: bytes | int) -> int:
        slot = slot_of("Gateway", variable, *keys)
        return int(node.request("eth_getStorageAt", f"0x{gateway.hex()}", f"0x{slot:064x}", "latest"), 16)

    group = keccak256(message.lane + word(message.generation) + word(message.sequence >> 8))
    key = held("inbound_key", message.lane)
    on_page = is_on_page(
        held("inbound", key), held("passed", key), generation=message.generation, sequence=message.sequence
    )
    return bool(held("replay.used", group) >> (message.sequence & 255) & 1), on_page


def test_G06_a_used_sequence_never_expires_wherever_the_gateway_marks_it(subject: Subject) -> None:
    chains, seconds = subject.chains, 5_000
    written_back, apart, unused, turning = (brief(chains, seconds=seconds) for _ in range(4))
    while turning.message.sequence >> 6 <= unused.message.sequence >> 6:
        turning = brief(chains, seconds=seconds)
    for sent in (written_back, turning, apart):
        chains.commit(sent)
    standing = [places(chains, sent.message) for sent in (written_back, apart, turning, unused)]
    assert standing == [(True, False), (True, False), (False, True), (False, False)]
    outlive(chains, turning)
    subject.notary.keep_up()
    for sent in (written_back, apart, turning):
        subject.refuses(expiry_of(sent), "EXECUTED")
    assert ended(subject, unused).verdict == EXPIRED


def test_what_the_notary_proves_of_a_message_is_what_the_gateway_answers(subject: Subject) -> None:
    chains, node = subject.chains, subject.chains.node(Role.DESTINATION)
    delivered, failed, absent = chains.send(), chains.send(FAILS), chains.send()
    for sent in (delivered, failed):
        chains.commit(sent)
    head = header_from_rpc(node.request("eth_getBlockByNumber", "latest", False))
    gateway = chains.manifest.chain(Role.DESTINATION).contract("Gateway")
    for sent, status in ((delivered, 0), (failed, 1), (absent, 0)):
        message = sent.message
        is_used, state = kept_of(ProvenStorage(node), head, gateway.address, message)
        answered = gateway.read(node, "is_committed", message.lane, message.generation, message.sequence)
        assert is_used == answered == (sent is not absent)
        assert state == status == gateway.read(node, "status", message.id)


GENERATION, NUMBER, BIT = 3, 5, 9
MARKED = NUMBER << 216 | 1 << (152 + BIT)


@pytest.mark.parametrize(
    ("lane", "passed", "is_marked"),
    [
        (GENERATION | MARKED, 0, True),
        (GENERATION | 1 << 40, MARKED, True),
        (GENERATION, MARKED, False),
        (GENERATION | 1 << 40 | MARKED, 0, False),
        (GENERATION + 1 | MARKED, 0, False),
        (GENERATION | MARKED + (1 << 216), 0, False),
        (GENERATION | MARKED << 1 & (1 << 216) - 1 | NUMBER << 216, 0, False),
        (0, 0, False),
    ],
    ids=[
        "a lane of messages",
        "a lane of value",
        "where a lane of messages keeps nothing",
        "where a lane of value keeps limits",
        "another generation's page",
        "another page",
        "the sequence after it",
        "no lane",
    ],
)
def test_a_page_speaks_for_its_lane_generation_and_number_only(lane: int, passed: int, is_marked: bool) -> None:
    assert is_on_page(lane, passed, generation=GENERATION, sequence=NUMBER << 6 | BIT) is is_marked


VERDICT = Verdict(b"\x01" * 32, 1, b"\x02" * 32, b"\x03" * 32, b"\x04" * 32, 7, SAME, True, bytes(32), 1, 0, 0)


@pytest.mark.parametrize("ending", [EXPIRED, VOID])
def test_G06_a_message_is_never_found_both_executed_and_ended_without(ending: int) -> None:
    other = replace(VERDICT, verdict=ending, executed=False, commit_transaction=bytes(32))
    for first, second in ((VERDICT, other), (other, VERDICT)):
        with pytest.raises(Refused) as caught:
            policy.require_no_rival(second, recorded=[first])
        assert caught.value.code == "VERDICT_CONFLICT"
    failed = replace(VERDICT, executed=False)
    policy.require_no_rival(other, recorded=[failed, other])
    policy.require_no_rival(VERDICT, recorded=[failed, VERDICT])
    policy.require_no_rival(VERDICT, recorded=[replace(VERDICT, verdict=DIFFERS)])


@pytest.mark.parametrize(
    ("is_used", "status", "code"), [(True, 0, "EXECUTED"), (True, 4, "VOIDED"), (True, 9, "EXECUTED")]
)
def test_what_the_gateway_keeps_decides_whether_it_was_executed(is_used: bool, status: int, code: str) -> None:

    assert refusal(lambda: policy.require_unexecuted(MESSAGE, is_used=True, status=status)).code == code
    for fine in ((False, 0), (True, 1), (True, 2), (True, 3)):
        policy.require_unexecuted(MESSAGE, is_used=fine[0], status=fine[1])
