"""A notary's own node lies (attack rows E08, E09, E12, D12): nothing is signed until it tells the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.manifest import Role
from contracts.node import RpcNode
from contracts.transactor import Transactor
from ledger.errors import BadInput, Unavailable
from ledger.ethereum.header import header_from_rpc
from ledger.interoperable import encode
from ledger.proposal import lane_id
from ledger.secp256k1 import SigningKey
from notary.notary import Notary
from notary.proven import transaction_hash
from notary.watcher import Watcher
from tests.chains import DEPLOYER, Deployed, anchor_payload, anvil, fund
from tests.notary.subject import Lie, LyingNode, Subject, codes, honest, locator, refusal

ORIGIN, DESTINATION = 7101, 7102


def answering(method: str, change: Callable[[Any], Any]) -> Lie:
    """A lie about one method's answers."""

    def lie(called: str, _params: Sequence[Any], result: Any) -> Any:
        return change(deepcopy(result)) if called == method else result

    return lie


def about_block(number: int, change: Callable[[dict[str, Any]], Any]) -> Lie:
    """A lie about one block's header."""

    def lie(called: str, params: Sequence[Any], result: Any) -> Any:
        if called == "eth_getBlockByNumber" and params[0] == hex(number):
            return change(deepcopy(result))
        return result

    return lie


def _with(**changed: Any) -> Callable[[Any], Any]:
    return lambda block: block | changed


def _flipped_log_data(receipts: Any) -> Any:
    log = receipts[0]["logs"][0]
    log["data"] = log["data"][:-1] + ("0" if log["data"][-1] != "0" else "1")
    return receipts


def _as_failed(receipts: Any) -> Any:
    receipts[0]["status"] = "0x0"
    return receipts


def _added(receipts: Any) -> Any:
    return [*receipts, receipts[0] | {"transactionIndex": hex(len(receipts))}]


def _changed_emitter(receipts: Any) -> Any:
    receipts[0]["logs"][0]["address"] = "0x" + "22" * 20
    return receipts


HEADER_LIES = {
    "another receipts root": _with(receiptsRoot="0x" + "11" * 32),
    "another state root": _with(stateRoot="0x" + "11" * 32),
    "another number": _with(number="0x1"),
    "another time": _with(timestamp="0x1"),
    "a field left out": lambda block: {key: value for key, value in block.items() if key != "gasUsed"},
    "a fork's field left out": lambda block: {key: value for key, value in block.items() if key != "requestsHash"},
    "another hash": _with(hash="0x" + "11" * 32),
    "another header altogether": _with(parentHash="0x" + "00" * 32, hash="0x" + "00" * 32),
}
RECEIPT_LIES = {
    "a receipt left out": lambda receipts: receipts[:-1],
    "a receipt added": _added,
    "a log's data changed": _flipped_log_data,
    "a log's emitter changed": _changed_emitter,
    "a success shown as failed": _as_failed,
}


@pytest.mark.parametrize("lie", HEADER_LIES.values(), ids=HEADER_LIES)
def test_d12_a_falsified_header_is_refused(subject: Subject, lie: Callable[[Any], Any]) -> None:
    sent = subject.chains.send()
    subject.chains.send()  # so that the block in question is not the head as well
    subject.liars[ORIGIN].lie = about_block(sent.block, lie)
    waiting = subject.refuses(lambda notary: notary.attest([locator(sent)]), "HEADER_HASH")
    assert waiting.http_status == 503, "its own node's word is no reason to refuse the message"
    subject.liars[ORIGIN].lie = honest
    assert subject.notary.attest([locator(sent)]).ids == (sent.message.id,)


@pytest.mark.parametrize("lie", RECEIPT_LIES.values(), ids=RECEIPT_LIES)
def test_e08_falsified_receipts_are_refused(subject: Subject, lie: Callable[[Any], Any]) -> None:
    sent = subject.chains.send()
    subject.liars[ORIGIN].lie = answering("eth_getBlockReceipts", lie)
    assert subject.refuses(lambda notary: notary.attest([locator(sent)]), "RECEIPTS_ROOT").http_status == 503
    subject.liars[ORIGIN].lie = honest
    assert subject.notary.attest([locator(sent)]).ids == (sent.message.id,)


@pytest.mark.parametrize(
    ("answer", "code"),
    [(None, "NODE_BEHIND"), ("<html>", "RECEIPT_INVALID"), ([None], "RECEIPT_INVALID"), ([{}], "RECEIPT_INVALID")],
)
def test_e09_garbage_for_receipts_is_refused(subject: Subject, answer: Any, code: str) -> None:
    sent = subject.chains.send()
    subject.liars[ORIGIN].lie = answering("eth_getBlockReceipts", lambda _: answer)
    subject.refuses(lambda notary: notary.attest([locator(sent)]), code)
    subject.liars[ORIGIN].lie = honest
    assert subject.notary.attest([locator(sent)]).ids == (sent.message.id,)


@pytest.mark.parametrize(("answer", "code"), [(None, "NODE_BEHIND"), (7, "HEADER_HASH"), ({}, "HEADER_HASH")])
def test_e09_garbage_for_a_block_is_refused(subject: Subject, answer: Any, code: str) -> None:
    sent = subject.chains.send()
    subject.chains.send()
    subject.liars[ORIGIN].lie = about_block(sent.block, lambda _: answer)
    subject.refuses(lambda notary: notary.attest([locator(sent)]), code)


def test_d12_another_block_of_the_chain_with_its_own_receipts_is_not_the_one_asked_for(subject: Subject) -> None:
    node = subject.chains.node(Role.ORIGIN)
    sent, other = subject.chains.send(), subject.chains.send()
    subject.chains.send()
    swapped = {
        "eth_getBlockByNumber": node.request("eth_getBlockByNumber", hex(other.block), False),
        "eth_getBlockReceipts": node.request("eth_getBlockReceipts", hex(other.block)),
    }

    def lie(method: str, params: Sequence[Any], result: Any) -> Any:
        return swapped.get(method, result) if params and params[0] == hex(sent.block) else result

    subject.liars[ORIGIN].lie = lie
    subject.refuses(lambda notary: notary.attest([locator(sent)]), "HEADER_HASH")


@pytest.mark.parametrize(("answer", "code"), [(None, "HEADER_HASH"), (7, "HEADER_HASH"), ({}, "NODE_GARBAGE")])
def test_e09_garbage_for_the_head_is_refused(subject: Subject, answer: Any, code: str) -> None:
    leaf = locator(subject.chains.send())

    def lie(method: str, params: Sequence[Any], result: Any) -> Any:
        return answer if method == "eth_getBlockByNumber" and params[0] == "latest" else result

    subject.liars[ORIGIN].lie = lie
    assert codes(refusal(lambda: subject.notary.attest([leaf]))) == {code}
    subject.liars[ORIGIN].lie = honest
    assert len(subject.notary.attest([leaf]).ids) == 1


def test_a_chain_without_a_final_block_has_no_lanes_and_no_blocks(subject: Subject) -> None:
    chain = subject.chains.manifest.chain(Role.DESTINATION)
    watcher = Watcher(chain, subject.liars[DESTINATION])
    view = watcher.look(None)
    origin = subject.chains.manifest.chain(Role.ORIGIN).end
    lane = lane_id(origin, chain.end, DEPLOYER.address, chain.contracts["AnchorMirror"])
    assert watcher.lanes(watcher.final_header(view), [lane])[lane].generation == 1
    assert refusal(lambda: watcher.final_header(replace(view, final=-1))).code == "NOT_FINAL"
    for number in (-1, 2**63):
        with pytest.raises(BadInput) as caught:
            watcher.block(view, number)
        assert caught.value.code == "LOCATOR"


@pytest.mark.parametrize(
    ("change", "index", "code"),
    [
        (lambda block: None, 0, "TRANSACTIONS_ROOT"),
        (lambda block: block | {"transactions": None}, 0, "TRANSACTIONS_ROOT"),
        (
            lambda block: block | {"transactions": [each["hash"] for each in block["transactions"]]},
            0,
            "TRANSACTIONS_ROOT",
        ),
        (lambda block: block | {"transactions": block["transactions"] * 2}, 0, "TRANSACTIONS_ROOT"),
        (lambda block: block | {"transactions": []}, 0, "TRANSACTIONS_ROOT"),
        (lambda block: block, 1, "PROOF_ABSENT"),
    ],
    ids=["no block", "none", "only hashes", "one twice", "one left out", "no such place"],
)
def test_a_transactions_hash_comes_only_from_all_transactions_of_the_block(
    subject: Subject, change: Callable[[Any], Any], index: int, code: str
) -> None:
    block = subject.chains.node(Role.ORIGIN).request("eth_getBlockByNumber", hex(subject.chains.send().block), True)
    header = header_from_rpc(block)
    stated = bytes.fromhex(block["transactions"][0]["hash"][2:])
    assert transaction_hash(block, header=header, index=0) == stated
    assert refusal(lambda: transaction_hash(change(block), header=header, index=index)).code == code


def test_a_block_whose_descendants_do_not_continue_it_is_not_taken_for_final(
    slow_chains: Deployed, tmp_path: Path
) -> None:
    subject = Subject(slow_chains, tmp_path / "slow")
    sent, node = slow_chains.send(), slow_chains.node(Role.ORIGIN)
    node.request("anvil_mine", "0x3")
    # An honest header, but of the block after: its hash holds, its parent and number do not.
    other = node.request("eth_getBlockByNumber", hex(sent.block + 2), False)
    subject.liars[ORIGIN].lie = about_block(sent.block + 1, lambda _: other)
    try:
        subject.refuses(lambda notary: notary.attest([locator(sent)]), "HEADER_HASH")
        subject.liars[ORIGIN].lie = honest
        assert subject.notary.attest([locator(sent)]).ids == (sent.message.id,)
    finally:
        subject.close()


@pytest.mark.parametrize("chain_id", [ORIGIN, DESTINATION])
def test_e12_a_chain_id_that_changes_while_running_is_noticed_before_signing(subject: Subject, chain_id: int) -> None:
    sent = subject.chains.send()
    subject.liars[chain_id].lie = answering("eth_chainId", lambda _: "0x1")
    assert subject.refuses(lambda notary: notary.attest([locator(sent)]), "CHAIN_ID").http_status == 503
    subject.liars[chain_id].lie = honest
    subject.restart()
    assert subject.notary.attest([locator(sent)]).ids == (sent.message.id,)


def test_e12_another_network_with_the_same_chain_id_is_refused_at_start_and_while_running(subject: Subject) -> None:
    sent = subject.chains.send()
    right = subject.liars[ORIGIN]
    with anvil(ORIGIN) as other:
        subject.liars[ORIGIN] = LyingNode(RpcNode(other.url))
        subject.notary.close()
        assert refusal(lambda: Notary(subject.config, nodes=subject.liars)).code == "WRONG_NETWORK"
        subject.liars[ORIGIN] = right
        subject.restart()
        genesis = RpcNode(other.url).request("eth_getBlockByNumber", "0x0", False)
        right.lie = about_block(0, lambda _: genesis)
        subject.refuses(lambda notary: notary.attest([locator(sent)]), "WRONG_NETWORK")
    right.lie = honest
    subject.restart()
    assert subject.notary.attest([locator(sent)]).ids == (sent.message.id,)


def test_e12_a_fork_with_the_same_id_and_genesis_is_refused(own_subject: Subject) -> None:
    node = own_subject.chains.node(Role.ORIGIN)
    before = node.request("evm_snapshot")
    sent = own_subject.chains.send()
    own_subject.notary.attest([locator(sent)])
    node.request("evm_revert", before)
    node.request("evm_increaseTime", 10)
    node.request("anvil_mine", hex(5))
    elsewhere = own_subject.chains.send()
    fork = own_subject.refuses(lambda notary: notary.attest([locator(elsewhere)]), "FINAL_REWRITTEN")
    assert fork.http_status == 503


def test_e08_a_silent_node_delays_and_is_asked_once_for_many_leaves(subject: Subject) -> None:
    leaves = [locator(subject.chains.send()) for _ in range(4)]
    asked = []

    def silent(method: str, params: Sequence[Any], _result: Any) -> Any:
        asked.append(method)
        raise Unavailable("NODE_UNREACHABLE", "the node did not answer", where="test")

    subject.liars[ORIGIN].lie = silent
    problem = refusal(lambda: subject.notary.attest(leaves))
    assert (problem.code, problem.http_status, len(asked)) == ("NODE_UNREACHABLE", 503, 1)
    subject.liars[ORIGIN].lie = honest
    assert len(subject.notary.attest(leaves).ids) == 4


def _emptied(proof: Any) -> Any:
    """A slot that holds something, shown as one that holds nothing."""
    return proof | {"storageProof": [entry | {"value": "0x0", "proof": []} for entry in proof["storageProof"]]}


def _without_account(proof: Any) -> Any:
    return proof | {"accountProof": proof["accountProof"][:1]}


STATE_LIES = {
    "no object": (lambda _: "0x", "NODE_GARBAGE"),
    "no proofs": (lambda _: {"accountProof": [], "storageProof": None}, "NODE_GARBAGE"),
    "an account cut off": (_without_account, "STATE_UNPROVEN"),
    "slots emptied": (_emptied, "STATE_UNPROVEN"),
    "another balance": (lambda proof: proof | {"balance": "0x7"}, "STATE_UNPROVEN"),
    "nodes that are no bytes": (lambda proof: proof | {"accountProof": ["0x0"]}, "NODE_GARBAGE"),
}


@pytest.mark.parametrize(("lie", "code"), STATE_LIES.values(), ids=STATE_LIES)
def test_e09_a_lane_that_the_state_does_not_prove_is_not_an_answer(
    subject: Subject, lie: Callable[[Any], Any], code: str
) -> None:
    sent = subject.chains.send()
    subject.liars[DESTINATION].lie = answering("eth_getProof", lie)
    assert subject.refuses(lambda notary: notary.attest([locator(sent)]), code).http_status == 503
    subject.liars[DESTINATION].lie = honest
    assert subject.notary.attest([locator(sent)]).ids == (sent.message.id,)


def test_nothing_is_attested_from_an_origin_whose_blocks_do_not_re_execute(own_subject: Subject) -> None:
    chains, node = own_subject.chains, own_subject.chains.node(Role.ORIGIN)
    before = chains.send()
    node.request("anvil_mine", "0x1")
    gateway = chains.manifest.chain(Role.ORIGIN).contracts["Gateway"]
    node.request("anvil_setStorageAt", f"0x{gateway.hex()}", "0x" + "77" * 32, "0x" + "01" * 32)
    node.request("anvil_mine", "0x1")
    after = chains.send()
    own_subject.notary.keep_up()
    own_subject.refuses(lambda notary: notary.attest([locator(after)]), "ORIGIN_DIFFERS")
    assert own_subject.notary.attest([locator(before)]).ids == (before.message.id,)


def test_a_lane_that_is_open_and_not_yet_final_is_waited_for(slow_chains: Deployed, tmp_path: Path) -> None:
    subject = Subject(slow_chains, tmp_path / "slow")
    stranger = SigningKey.from_secret(b"\x61" * 32)
    node, elsewhere = slow_chains.node(Role.ORIGIN), slow_chains.node(Role.DESTINATION)
    fund(node, stranger.address)
    gateway, mirror = (
        slow_chains.manifest.chain(Role.ORIGIN).contract("Gateway"),
        slow_chains.manifest.chain(Role.DESTINATION),
    )
    to = encode(mirror.chain_id, mirror.contracts["AnchorMirror"])
    sender = Transactor(node, stranger, chain_id=ORIGIN)
    sent = slow_chains.sent(sender.send(gateway.address, gateway.encode_call("sendMessage", to, anchor_payload(1), [])))
    node.request("anvil_mine", "0x2")
    try:
        assert subject.refuses(lambda notary: notary.attest([locator(sent)]), "LANE").http_status == 409
        slow_chains.open_lane(stranger.address)
        waiting = subject.refuses(lambda notary: notary.attest([locator(sent)]), "NOT_FINAL")
        assert (waiting.http_status, "lane" in waiting.what) == (503, True)
        elsewhere.request("anvil_mine", "0x2")
        assert subject.notary.attest([locator(sent)]).ids == (sent.message.id,)
    finally:
        subject.close()


def test_e08_a_lane_that_only_the_nodes_word_opens_is_refused(subject: Subject) -> None:
    sent = subject.chains.send(recipient=b"\x09" * 20)
    opened = "0x" + (1).to_bytes(32, "big").hex() * 2 + "00" * 32 * 3
    subject.liars[DESTINATION].lie = answering("eth_call", lambda _: opened)
    subject.refuses(lambda notary: notary.attest([locator(sent)]), "LANE")
