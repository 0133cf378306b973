"""A node that tells one lie about an honest block: the verdict is that it differs, and the reason names
what.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from contracts.reexecution import BlockChecker, Verdict
from tests.contracts.reexecution.chains import ACCOUNTS, LyingNode, require
from tests.contracts.reexecution.conftest import Told

SENDER = ACCOUNTS[0].address.lower()


def changed(hexadecimal: str) -> str:
    """Another value of the same length."""
    return hexadecimal[:-1] + ("1" if hexadecimal[-1] != "1" else "2")


def changed_inside(node: str) -> str:
    """The same node with another hash or value in it, still a well-formed node."""
    return node[:20] + changed(node[20]) + node[21:]


def in_block(**fields: Callable[[Any], Any]) -> Callable[[str, Sequence[Any], Any], Any]:
    def lie(method: str, params: Sequence[Any], result: Any) -> Any:
        if method == "eth_getBlockByNumber" and params[1]:
            for name, change in fields.items():
                result[name] = change(result[name])
        return result

    return lie


def in_transaction(**fields: Callable[[Any], Any]) -> Callable[[str, Sequence[Any], Any], Any]:
    def change_first(transactions: Any) -> Any:
        for name, change in fields.items():
            transactions[0][name] = change(transactions[0].get(name))
        return transactions

    return in_block(transactions=change_first)


def in_receipt(**fields: Callable[[Any], Any]) -> Callable[[str, Sequence[Any], Any], Any]:
    def lie(method: str, params: Sequence[Any], result: Any) -> Any:
        if method == "eth_getBlockReceipts":
            for name, change in fields.items():
                result[0][name] = change(result[0][name])
        return result

    return lie


def in_log(**fields: Callable[[Any], Any]) -> Callable[[str, Sequence[Any], Any], Any]:
    def change_log(logs: Any) -> Any:
        for name, change in fields.items():
            logs[0][name] = change(logs[0][name])
        return logs

    return in_receipt(logs=change_log)


def in_proofs(change: Callable[[Any], Any]) -> Callable[[str, Sequence[Any], Any], Any]:
    def lie(method: str, params: Sequence[Any], result: Any) -> Any:
        return change(result) if method == "eth_getProof" else result

    return lie


def first_slot(**fields: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def change(reply: Any) -> Any:
        proven = [entry for entry in reply["storageProof"] if entry["proof"] not in ([], ["0x80"])]
        for entry in proven[:1]:
            for name, alter in fields.items():
                entry[name] = alter(entry[name])
        return reply

    return change


def of_sender(**fields: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def change(reply: Any) -> Any:
        if reply["address"].lower() == SENDER:
            for name, alter in fields.items():
                reply[name] = alter(reply[name])
        return reply

    return change


LIES: dict[str, tuple[Callable[[str, Sequence[Any], Any], Any], str]] = {
    "the state root": (in_block(stateRoot=changed), "HEADER_HASH"),
    "the receipts root": (in_block(receiptsRoot=changed), "HEADER_HASH"),
    "the parent": (in_block(parentHash=changed), "HEADER_HASH"),
    "the block's hash": (in_block(hash=changed), "HEADER_HASH"),
    "the gas used": (in_block(gasUsed=changed), "HEADER_HASH"),
    "the number": (in_block(number=changed), "HEADER_HASH"),
    "a field too few": (in_block(requestsHash=lambda _: None), "HEADER_HASH"),
    "an omitted transaction": (in_block(transactions=lambda _: []), "transactions do not have the header's root"),
    "a doubled transaction": (in_block(transactions=lambda t: t + t), "transactions do not have the header's root"),
    "a transaction's calldata": (in_transaction(input=changed), "does not hash to its hash"),
    "a transaction's value": (in_transaction(value=lambda _: "0x1"), "does not hash to its hash"),
    "a transaction's hash": (in_transaction(hash=changed), "does not hash to its hash"),
    "a transaction's signature": (in_transaction(r=lambda _: "0x1"), "does not hash to its hash"),
    "a tx_receipt's status": (in_receipt(status=lambda _: "0x0"), "receipts root"),
    "a tx_receipt's gas": (in_receipt(cumulativeGasUsed=changed), "receipts root"),
    "a tx_receipt's type": (in_receipt(type=lambda _: "0x1"), "receipts root"),
    "a tx_receipt's unknown type": (in_receipt(type=lambda _: "0x7f"), "no transaction receipt has the type"),
    "a log's data": (in_log(data=changed), "receipts root"),
    "a log's topic": (in_log(topics=lambda topics: [changed(topics[0]), *topics[1:]]), "receipts root"),
    "a log's emitter": (in_log(address=changed), "receipts root"),
    "an omitted log": (in_receipt(logs=lambda _: []), "receipts root"),
    "a slot's node": (in_proofs(first_slot(proof=lambda p: [*p[:-1], changed_inside(p[-1])])), "slot"),
    "a slot's missing proof": (in_proofs(first_slot(proof=lambda _: [])), "slot"),
    "a slot's value": (in_proofs(first_slot(value=lambda v: hex(int(v, 16) + 1))), "another value of slot"),
    "an account's node": (in_proofs(of_sender(accountProof=lambda p: [*p[:-1], changed(p[-1])])), f"account {SENDER}"),
    "an account's missing proof": (in_proofs(of_sender(accountProof=lambda _: [])), "does not prove"),
    "an account's balance": (in_proofs(of_sender(balance=changed)), "another nonce or balance"),
    "an account's nonce": (in_proofs(of_sender(nonce=changed)), "another nonce or balance"),
    "a node that is no node": (in_proofs(of_sender(accountProof=lambda p: [*p, "0xc0"])), "trie node"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_about(told: Told, lie: str) -> None:
    number = told.blocks["sets a slot"]
    falsify, reason = LIES[lie]
    require(told.chain.check(number, LyingNode(told.chain.node, falsify)), Verdict.DIFFERS, reason)
    require(told.chain.check(number), Verdict.SAME)


def test_code_that_does_not_have_the_account_s_hash_is_refused(told: Told) -> None:
    def lie(method: str, params: Sequence[Any], result: Any) -> Any:
        if method == "debug_traceBlockByNumber":
            return []  # its code would be found by its hash, and be honest
        return "0x6001600155" if method == "eth_getCode" else result

    check = told.chain.check(told.blocks["sets a slot"], LyingNode(told.chain.node, lie))
    require(check, Verdict.DIFFERS, "code hash")


def test_false_code_in_a_hint_is_never_executed(told: Told) -> None:
    def lie(method: str, params: Sequence[Any], result: Any) -> Any:
        if method == "debug_traceBlockByNumber":
            for account in result[0]["result"].values():
                if "code" in account:
                    account["code"] = "0x6001600155"
        return result

    require(told.chain.check(told.blocks["sets a slot"], LyingNode(told.chain.node, lie)), Verdict.SAME)


def test_a_false_ancestor_is_refused_where_its_hash_is_read(told: Told) -> None:
    def lie(method: str, params: Sequence[Any], result: Any) -> Any:
        if method == "eth_getBlockByNumber" and not params[1] and int(params[0], 16) % 5 == 4:
            return told.chain.node.request(method, hex(int(params[0], 16) - 1), False)
        return result

    node = LyingNode(told.chain.node, lie)
    require(told.chain.check(told.blocks["reads an ancestor's hash"], node), Verdict.DIFFERS, "ancestor")
    require(told.chain.check(told.blocks["reads the parent's hash"], node), Verdict.SAME)


def test_the_parent_is_the_caller_s_and_not_the_node_s(told: Told) -> None:
    number = told.blocks["sets a slot"]
    checker = BlockChecker(told.chain.node, told.chain.rules)
    require(checker.check(told.chain.header(number - 2), number), Verdict.DIFFERS, "does not continue its parent")
    require(checker.check(told.chain.header(number), number), Verdict.DIFFERS, "does not continue its parent")
    require(checker.check(told.chain.header(number - 1), number), Verdict.SAME)


def test_another_honest_block_in_the_place_of_the_asked_one_is_refused(told: Told) -> None:
    def lie(method: str, params: Sequence[Any], result: Any) -> Any:
        if method in ("eth_getBlockByNumber", "eth_getBlockReceipts"):
            return told.chain.node.request(method, hex(int(params[0], 16) + 1), *params[1:])
        return result

    check = told.chain.check(told.blocks["sets a slot"], LyingNode(told.chain.node, lie))
    require(check, Verdict.DIFFERS, "another block")
