"""Verdicts over commits: what the destination did is run again, from the manifest's first block, without a gap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from contracts.manifest import Role
from ledger.attestation import DIFFERS, SAME, Verdict, attestation_digest, verdict_digest
from ledger.errors import Problem, Refused, Unavailable
from ledger.quorum import Committee, pack
from ledger.secp256k1 import Signature, recover
from notary.config import NotaryConfig
from notary.judging import SignedVerdict
from notary.notary import Notary
from notary.proven import Locator
from tests.chains import NOTARY_KEYS, Deployed, Sent, anchor_payload, deployed_on_anvil
from tests.notary.subject import Subject, commit_locator, honest, locator, refusal, write_keys

DESTINATION = 7102
FAILS = b"not three words"  # the anchor mirror reverts on it


@pytest.fixture(scope="module")
def chains() -> Iterator[Deployed]:
    """Chains for this module alone: every notary here re-executes them from their first block."""
    with deployed_on_anvil() as deployed:
        yield deployed


def committed(chains: Deployed, payload: bytes = b"") -> tuple[Sent, Locator, bytes]:
    """A message, the place of its commit's log, and the commit's transaction."""
    sent = chains.send(payload)
    mined, place = chains.commit(sent)
    return sent, commit_locator(place), mined.transaction


def signer_of(chains: Deployed, signed: SignedVerdict) -> bytes:
    """Whose signature for the transaction registry this is."""
    chain = chains.manifest.chain(Role.TRANSACTION)
    registry = chain.contracts["TransactionRegistry"]
    digest = verdict_digest(chain_id=chain.chain_id, registry=registry, verdict=signed.verdict)
    return recover(digest, Signature.parse(signed.signature))


def test_an_honest_commit_is_the_same_and_signed_for_the_transaction_registry(subject: Subject) -> None:
    chains = subject.chains
    sent, place, transaction = committed(chains, anchor_payload(100))
    signed = subject.notary.judge(locator(sent), place)
    verdict = signed.verdict
    assert (verdict.id, verdict.verdict, verdict.executed) == (sent.message.id, SAME, True)
    assert verdict.outcome.rstrip(b"\x00") in (b"mirrored", b"older than the mirror")
    assert verdict.commit_transaction == transaction
    assert verdict.checked_from == chains.manifest.chain(Role.DESTINATION).checked_from
    assert signer_of(chains, signed) == NOTARY_KEYS[0].address
    assert subject.notary.judge(locator(sent), place) == signed
    subject.restart()
    assert subject.notary.judge(locator(sent), place) == signed


def test_a_commit_whose_application_failed_is_the_same_and_not_executed(subject: Subject) -> None:
    sent, place, _ = committed(subject.chains, FAILS)
    verdict = subject.notary.judge(locator(sent), place).verdict
    assert (verdict.verdict, verdict.executed, verdict.outcome) == (SAME, False, bytes(32))


def test_the_transaction_registry_takes_a_quorum_of_such_verdicts(subject: Subject) -> None:
    """The digest that is signed is the one that the contract recovers from: three members' signatures close it."""
    chains = subject.chains
    chain, transactor = chains.manifest.chain(Role.TRANSACTION), chains.transactors[Role.TRANSACTION]
    registry = chain.contract("TransactionRegistry")
    sent, place, _ = committed(chains)
    answer = subject.notary.attest([locator(sent)])
    verdict = subject.notary.judge(locator(sent), place).verdict
    digest = verdict_digest(chain_id=chain.chain_id, registry=registry.address, verdict=verdict)
    signed = pack({index: key.sign(digest) for index, key in enumerate(NOTARY_KEYS[:3])})
    assert Committee(1, chains.manifest.committee.members).check(1, digest, signed) == (0, 1, 2)
    end = sent.message.destination
    attested = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=answer.root, epoch=1)
    certificate = pack({index: key.sign(attested) for index, key in enumerate(NOTARY_KEYS[:3])})
    for function, arguments in (
        ("propose", ([sent.message.as_abi()],)),
        ("attest", (end.chain_id, [sent.message.id], 1, certificate)),
        ("judge", (_as_abi(verdict), signed)),
    ):
        transactor.send(registry.address, registry.encode_call(function, *arguments))
    assert registry.read(transactor.node, "transactions", sent.message.id)[0] == 4  # closed


def test_re_execution_that_is_already_done_is_not_done_again(subject: Subject) -> None:
    sent, place, _ = committed(subject.chains)
    subject.notary.keep_up()
    checked = subject.notary.status().chains[f"eip155:{DESTINATION}"]
    assert checked.checked_to is not None
    assert checked.checked_to >= place.block

    def no_execution(method: str, _params: Sequence[Any], result: Any) -> Any:
        assert method != "debug_traceBlockByNumber", "re-executed again"
        return result

    subject.liars[DESTINATION].lie = no_execution
    assert subject.notary.judge(locator(sent), place).verdict.verdict == SAME


def test_a_destination_that_changed_a_slot_without_a_transaction_differs_from_there_on(own_subject: Subject) -> None:
    chains, subject = own_subject.chains, own_subject
    before = committed(chains)
    gateway = chains.manifest.chain(Role.DESTINATION).contracts["Gateway"]
    node = chains.node(Role.DESTINATION)
    # anvil changes the head's state in place: an empty block above the honest commit takes the blow.
    node.request("anvil_mine", "0x1")
    node.request("anvil_setStorageAt", f"0x{gateway.hex()}", "0x" + "77" * 32, "0x" + "01" * 32)
    node.request("anvil_mine", "0x1")
    after = committed(chains)
    assert subject.notary.judge(locator(after[0]), after[1]).verdict.verdict == DIFFERS
    assert subject.notary.judge(locator(before[0]), before[1]).verdict.verdict == SAME, "the honest twin before it"
    subject.restart()
    later = committed(chains)
    assert subject.notary.judge(locator(later[0]), later[1]).verdict.verdict == DIFFERS, "it stays so after a restart"
    status = subject.notary.status().chains[f"eip155:{DESTINATION}"]
    assert status.verdict == "differs"
    assert status.checked_to in (before[1].block, before[1].block + 1), "where it was last found the same"
    assert status.problem.startswith(f"block {status.checked_to + 1}: ")


def test_a_commit_of_another_message_is_refused(subject: Subject) -> None:
    sent, _, _ = committed(subject.chains)
    other, elsewhere, _ = committed(subject.chains)
    subject.refuses(lambda notary: notary.judge(locator(sent), elsewhere), "COMMIT_MISMATCH")
    assert subject.notary.judge(locator(other), elsewhere).verdict.id == other.message.id


def test_what_is_no_commit_log_is_refused(subject: Subject) -> None:
    sent, place, _ = committed(subject.chains, anchor_payload(10_000))
    assert place.log_index == 1, "the application logs before the gateway"
    mirrored = Locator(DESTINATION, place.block, place.transaction_index, 0)
    subject.refuses(lambda notary: notary.judge(locator(sent), mirrored), "EMITTER")
    certified = subject.chains.certify_root(Role.DESTINATION, b"\x01" * 32)
    of_a_root = Locator(DESTINATION, certified.block, 0, 0)
    subject.refuses(lambda notary: notary.judge(locator(sent), of_a_root), "COMMIT_LOG")


def test_a_commit_on_another_chain_than_the_messages_is_refused(subject: Subject) -> None:
    sent, place, _ = committed(subject.chains)
    moved = Locator(7103, place.block, place.transaction_index, place.log_index)
    subject.refuses(lambda notary: notary.judge(locator(sent), moved), "COMMIT_CHAIN")


def test_a_commit_that_is_not_final_waits(subject: Subject) -> None:
    sent, place, _ = committed(subject.chains)
    ahead = Locator(DESTINATION, place.block + 1000, 0, 0)
    subject.refuses(lambda notary: notary.judge(locator(sent), ahead), "NOT_FINAL")


def test_a_commit_whose_blocks_cannot_be_read_is_unknown_and_nothing_is_signed(subject: Subject) -> None:
    sent, place, _ = committed(subject.chains)

    def silent(method: str, _params: Sequence[Any], result: Any) -> Any:
        if method in ("eth_getProof", "debug_traceBlockByNumber"):
            raise Unavailable("NODE_UNREACHABLE", "the node did not answer", where="test")
        return result

    subject.liars[DESTINATION].lie = silent
    assert refusal(lambda: subject.notary.judge(locator(sent), place)).code == "UNKNOWN"
    assert subject.promises()[2] == []
    subject.liars[DESTINATION].lie = honest
    assert subject.notary.judge(locator(sent), place).verdict.verdict == SAME


def test_a_transaction_list_that_is_not_the_blocks_is_refused(subject: Subject) -> None:
    sent, place, _ = committed(subject.chains)
    subject.notary.keep_up()

    def lie(method: str, params: Sequence[Any], result: Any) -> Any:
        if method == "eth_getBlockByNumber" and params[1]:
            return result | {"transactions": []}
        return result

    subject.liars[DESTINATION].lie = lie
    subject.refuses(lambda notary: notary.judge(locator(sent), place), "TRANSACTIONS_ROOT")
    subject.liars[DESTINATION].lie = honest
    assert subject.notary.judge(locator(sent), place).verdict.verdict == SAME


def test_a_node_that_lies_about_a_slot_makes_the_block_differ(own_subject: Subject) -> None:
    """A pre-state that does not prove counts as differs: the operator clears it after replacing the node."""
    sent, place, _ = committed(own_subject.chains)

    def lie(method: str, _params: Sequence[Any], result: Any) -> Any:
        if method == "eth_getProof":
            return result | {"accountProof": result["accountProof"][:-1]}
        return result

    own_subject.liars[DESTINATION].lie = lie
    assert own_subject.notary.judge(locator(sent), place).verdict.verdict == DIFFERS


def test_a_verdict_is_never_contradicted(own_subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, place, _ = committed(own_subject.chains)
    first = own_subject.notary.judge(locator(sent), place)
    monkeypatch.setattr("notary.policy.verdict_word", lambda **_found: DIFFERS)
    own_subject.refuses(lambda notary: notary.judge(locator(sent), place), "VERDICT_CONFLICT")
    monkeypatch.undo()
    assert own_subject.notary.judge(locator(sent), place) == first


def test_the_block_that_was_re_executed_is_the_block_that_is_judged(own_subject: Subject) -> None:
    """A node that shows one block for re-execution and another for the commit is caught by the block's hash."""
    chains = own_subject.chains
    node = chains.node(Role.DESTINATION)
    sent = chains.send()
    before = node.request("evm_snapshot")
    node.request("anvil_mine", "0x1")
    own_subject.notary.keep_up()
    node.request("evm_revert", before)
    mined, fields = chains.commit(sent)
    assert mined.block == own_subject.notary.status().chains[f"eip155:{DESTINATION}"].checked_to
    place = commit_locator(fields)
    own_subject.refuses(lambda notary: notary.judge(locator(sent), place), "FINAL_REWRITTEN")


def _as_abi(verdict: Any) -> tuple[Any, ...]:
    return tuple(getattr(verdict, name) for name in type(verdict).__slots__)


def test_keep_up_survives_a_node_that_refuses(subject: Subject) -> None:
    def refuse(_method: str, _params: Sequence[Any], _result: Any) -> Any:
        raise Refused("NODE_ERROR", "no")

    subject.liars[DESTINATION].lie = refuse
    subject.notary.keep_up()
    assert "NODE_ERROR" in subject.notary.status().chains[f"eip155:{DESTINATION}"].problem
    subject.liars[DESTINATION].lie = honest


def test_keep_up_survives_whatever_a_node_makes_it_raise_and_the_other_chains_go_on(
    own_subject: Subject,
) -> None:
    def defect(_method: str, _params: Sequence[Any], _result: Any) -> Any:
        raise TypeError("unhashable type: 'list'")

    own_subject.chains.send()
    node = own_subject.liars[7101]
    node.lie = defect
    own_subject.notary.keep_up()
    node.lie = honest
    origin, destination = (own_subject.notary.status().chains[f"eip155:{each}"] for each in (7101, DESTINATION))
    assert origin.problem.startswith("RECHECK_DEFECT: ")
    assert "unhashable" in origin.problem
    assert (destination.verdict, destination.problem) == ("same", "")
    own_subject.notary.keep_up()
    origin = own_subject.notary.status().chains["eip155:7101"]
    assert (origin.verdict, origin.problem) == ("same", "")


def test_several_notaries_come_to_the_same_verdict(chains: Deployed, subject: Subject, tmp_path: Any) -> None:
    sent, place, _ = committed(chains)
    write_keys(tmp_path / "notary1", 1)
    second = Notary(NotaryConfig(1, chains.manifest, dict(chains.urls), tmp_path / "notary1"))
    try:
        one, two = subject.notary.judge(locator(sent), place), second.judge(locator(sent), place)
    finally:
        second.close()
    assert one.verdict == two.verdict
    assert (signer_of(chains, one), signer_of(chains, two)) == (NOTARY_KEYS[0].address, NOTARY_KEYS[1].address)


# -- several at once ------------------------------------------------------------------------------------------------


def test_verdicts_of_one_request_are_those_of_single_ones(subject: Subject) -> None:
    several = [committed(subject.chains) for _ in range(3)]
    asked = [(locator(sent), place) for sent, place, _ in several]
    together = subject.notary.judge_together(asked)
    assert [verdict_of(each).id for each in together] == [sent.message.id for sent, *_ in several]
    assert together == [subject.notary.judge(*each) for each in asked]
    assert {signer_of(subject.chains, each) for each in together if isinstance(each, SignedVerdict)} == {
        NOTARY_KEYS[0].address
    }
    subject.restart()
    assert subject.notary.judge_together(asked[::-1]) == together[::-1]


def test_what_verdicts_of_one_request_share_is_asked_of_the_node_once(own_subject: Subject) -> None:
    subject, asked = own_subject, Counted()
    several = [committed(subject.chains) for _ in range(2)]
    subject.notary.keep_up()
    for liar in subject.liars.values():
        liar.lie = asked
    (sent, place, _), _other = several
    subject.notary.judge(locator(sent), place)
    single = Counter(asked.methods)
    asked.methods.clear()
    # The same place of the origin and of the destination, another log: read once, and refused for itself.
    wrong = replace(place, log_index=place.log_index + 7)
    _, refused_one = subject.notary.judge_together([(locator(sent), place), (locator(several[1][0]), wrong)])
    assert codes_of([refused_one]) == ["PROOF_ABSENT"]
    assert asked.methods["eth_getBlockReceipts"] <= single["eth_getBlockReceipts"] + 1
    assert asked.methods["eth_chainId"] == single["eth_chainId"]


def test_each_verdict_of_a_request_is_refused_for_itself(subject: Subject) -> None:
    (first, place, _), (second, other, _) = committed(subject.chains), committed(subject.chains)
    early = subject.chains.send()
    before = subject.promises()
    refused = subject.notary.judge_together([(locator(first), other), (locator(early), None)])
    assert codes_of(refused) == ["COMMIT_MISMATCH", "NOT_EXPIRED"]
    assert subject.promises() == before
    judged = subject.notary.judge_together(
        [(locator(first), other), (locator(second), other), (locator(early), None), (locator(first), place)]
    )
    assert codes_of(judged) == ["COMMIT_MISMATCH", "", "NOT_EXPIRED", "VERDICT_REPEATED"]
    assert verdict_of(judged[1]).id == second.message.id
    # The honest twin: in a request that names it once.
    assert codes_of(subject.notary.judge_together([(locator(first), place)])) == [""]


def test_a_message_that_one_request_names_twice_has_one_verdict(subject: Subject) -> None:
    """Else a message could be found executed and expired in one breath, each held against the journal alone."""
    sent, place, _ = committed(subject.chains)
    judged = subject.notary.judge_together([(locator(sent), place), (locator(sent), None), (locator(sent), place)])
    assert codes_of(judged) == ["", "VERDICT_REPEATED", "VERDICT_REPEATED"]


def test_verdicts_of_one_request_are_on_disk_before_the_first_is_signed(subject: Subject) -> None:
    several = [committed(subject.chains) for _ in range(2)]
    signer = subject.notary._judging._signer
    written = list[int]()

    class Watching:
        def sign(self, digest: bytes) -> bytes:
            ids = {row[0] for row in subject.promises()[2]}
            written.append(len(ids & {sent.message.id for sent, *_ in several}))
            return signer.sign(digest)

    subject.notary._judging._signer = Watching()  # type: ignore[assignment]
    subject.notary.judge_together([(locator(sent), place) for sent, place, _ in several])
    assert written == [2, 2]


@pytest.mark.parametrize("count", [0, 65])
def test_a_request_asks_for_no_more_verdicts_than_may_go_together(subject: Subject, count: int) -> None:
    place = Locator(7101, 1, 0, 0)
    assert refusal(lambda: subject.notary.judge_together([(place, None)] * count)).code == "VERDICTS_COUNT"


class Counted:
    """A node that does not lie; how often it was asked for what."""

    def __init__(self) -> None:
        self.methods: Counter[str] = Counter()

    def __call__(self, method: str, params: Sequence[Any], result: Any) -> Any:
        self.methods[method] += 1
        return result


def codes_of(judged: Sequence[SignedVerdict | Problem]) -> list[str]:
    """The code of each that has no verdict."""
    return [each.code if isinstance(each, Problem) else "" for each in judged]


def verdict_of(judged: SignedVerdict | Problem) -> Verdict:
    """The verdict there is."""
    assert isinstance(judged, SignedVerdict), judged
    return judged.verdict
