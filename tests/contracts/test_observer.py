"""`ReceiptObserver.vy`, `tx_receipt_proof.vy` and their twins: a log counts only from a proven receipt of a transaction
that succeeded, from the right emitter, for the right message. Rows D07, D10, D15, F01, F03.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from contracts.manifest import Role
from ledger.errors import BadInput, Problem, Refused
from ledger.ethereum import rlp_strict
from ledger.ethereum.header import Header, header_from_rpc
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.rlp_strict import Rlp
from ledger.ethereum.trie import index_key, ordered_proof, ordered_root
from ledger.ethereum.tx_receipt import Log, TxReceipt, bloom_of, prove_log, tx_receipts_from_rpc
from ledger.observation import Observation, check_observation, observe, read_observation
from ledger.proposal import MESSAGE_SENT
from tests.chains import deployed_on_embedded
from tests.contracts.evm import Deployed, Evm, Reverted
from tests.contracts.proofs import Proofs, deployed_proofs
from tests.ledger.ethereum.test_header import block

ORIGIN = 7101
GATEWAY, ROUTER, ID, OTHER = b"\x6a" * 20, b"\x6b" * 20, b"\x1d" * 32, b"\x1e" * 32
SENT = Log(GATEWAY, (MESSAGE_SENT, ID), b"sender, recipient, payload" * 5)
NOISE = Log(ROUTER, (b"\x77" * 32,), b"")
BARE = Log(ROUTER, (), b"\x01")


def receipt(*logs: Log, kind: int = 2, status: int = 1, gas: int = 21_000) -> TxReceipt:
    return TxReceipt(kind, status, gas, bloom_of(logs), logs)


@dataclass(frozen=True, slots=True)
class Bench:
    """An observer over a book of headers that holds what the test tells it, and the modules beneath."""

    book: Deployed
    observer: Deployed
    proofs: Proofs

    def hold(self, seen: Observation) -> None:
        self.book.send("hold", seen.height, seen.block_hash, seen.state_root, seen.receipts_root, seen.timestamp)

    def observed(self, seen: Observation, *, gateway: bytes = GATEWAY, message_id: bytes = ID) -> bool:
        answer: bool = self.observer.call("observed", ORIGIN, gateway, message_id, seen.pack())
        return answer

    def both_accept(self, seen: Observation, *, gateway: bytes = GATEWAY, message_id: bytes = ID) -> None:
        self.hold(seen)
        assert read_observation(seen.pack()) == seen
        check_observation(seen, gateway=gateway, message_id=message_id)
        assert self.observed(seen, gateway=gateway, message_id=message_id)

    def both_refuse(
        self, seen: Observation, code: str, reason: str, *, gateway: bytes = GATEWAY, message_id: bytes = ID
    ) -> None:
        self.hold(seen)
        with pytest.raises(Problem) as refused:
            check_observation(seen, gateway=gateway, message_id=message_id)
        assert refused.value.code == code
        with pytest.raises(Reverted) as reverted:
            self.observed(seen, gateway=gateway, message_id=message_id)
        assert reverted.value.reason == reason


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    evm = Evm()
    book = evm.deploy(Path(__file__).parent / "HeaderBook.vy", ORIGIN)
    yield Bench(book, evm.deploy("ReceiptObserver", book.address), deployed_proofs())


def header_over(raw: list[bytes]) -> Header:
    return replace(header_from_rpc(block()), receipts_root=ordered_root(raw))


def seen_of(receipts: list[TxReceipt], tx_index: int, log_index: int) -> Observation:
    return observe(header_over([each.encode() for each in receipts]), receipts, tx_index, log_index)


def seen_raw(raw: list[bytes], tx_index: int = 0, log_index: int = 0) -> Observation:
    """Over receipts that are not even receipts."""
    header = header_over(raw)
    nodes = tuple(ordered_proof(raw, tx_index))
    roots = (header.hash, header.state_root, header.receipts_root)
    return Observation(header.number, *roots, header.timestamp, tx_index, log_index, nodes)


# What is observed


@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize("count", [1, 2, 130, 300])
def test_a_message_is_observed_in_a_receipt_of_every_type(bench: Bench, kind: int, count: int) -> None:
    receipts = [receipt(NOISE) for _ in range(count)]
    for place in {0, count // 2, count - 1}:
        receipts[place] = receipt(NOISE, BARE, SENT, NOISE, kind=kind)
        bench.both_accept(seen_of(receipts, place, 2))


def test_a_real_message_is_observed_from_the_embedded_chain(bench: Bench, tmp_path: Path) -> None:
    with deployed_on_embedded(tmp_path) as deployed:
        sent, node = deployed.send(), deployed.node(Role.ORIGIN)
        assert sent.message.origin.chain_id == ORIGIN
        header = header_from_rpc(node.request("eth_getBlockByNumber", hex(sent.block), False))
        receipts = tx_receipts_from_rpc(node.request("eth_getBlockReceipts", hex(sent.block)))
    seen = observe(header, receipts, sent.transaction_index, sent.log_index)
    gateway, message_id = sent.message.origin.gateway, sent.message.id
    bench.both_accept(seen, gateway=gateway, message_id=message_id)
    bench.both_refuse(seen, "EMITTER", "ReceiptObserver: another emitter", message_id=message_id)
    bench.both_refuse(seen, "OBSERVED_ID", "ReceiptObserver: another message", gateway=gateway)


def test_D15_two_like_logs_of_one_transaction_are_two_messages(bench: Bench) -> None:
    twin = Log(GATEWAY, (MESSAGE_SENT, OTHER), SENT.data)
    receipts = [receipt(SENT, twin)]
    bench.both_accept(seen_of(receipts, 0, 0))
    bench.both_accept(seen_of(receipts, 0, 1), message_id=OTHER)
    bench.both_refuse(seen_of(receipts, 0, 1), "OBSERVED_ID", "ReceiptObserver: another message")


# Who said it, and what


def test_F01_the_same_log_from_another_contract_is_refused(bench: Bench) -> None:
    forged = Log(ROUTER, SENT.topics, SENT.data)
    bench.both_refuse(seen_of([receipt(forged, SENT)], 0, 0), "EMITTER", "ReceiptObserver: another emitter")
    bench.both_accept(seen_of([receipt(forged, SENT)], 0, 1))


def test_F03_a_look_alike_beside_the_gateway_is_refused(bench: Bench) -> None:
    receipts = [receipt(SENT, Log(ROUTER, SENT.topics, SENT.data), SENT)]
    bench.both_refuse(seen_of(receipts, 0, 1), "EMITTER", "ReceiptObserver: another emitter")
    for place in (0, 2):
        bench.both_accept(seen_of(receipts, 0, place))


@pytest.mark.parametrize(
    "topics",
    [(), (MESSAGE_SENT,), (b"\x01" * 32, ID), (ID, MESSAGE_SENT), (MESSAGE_SENT, ID, ID), (MESSAGE_SENT, ID, ID, ID)],
    ids=["none", "one", "another_event", "swapped", "three", "four"],
)
def test_another_event_of_the_gateway_is_no_message(bench: Bench, topics: tuple[bytes, ...]) -> None:
    receipts = [receipt(Log(GATEWAY, topics, SENT.data), SENT)]
    bench.both_refuse(seen_of(receipts, 0, 0), "OBSERVED_LOG", "ReceiptObserver: not a message sent")
    bench.both_accept(seen_of(receipts, 0, 1))


# Receipts


def test_D10_a_failed_transaction_proves_nothing(bench: Bench) -> None:
    bench.both_refuse(seen_of([receipt(SENT, status=0)], 0, 0), "TX_FAILED", "tx_receipt_proof: transaction failed")
    bench.both_accept(seen_of([receipt(SENT)], 0, 0))


@pytest.mark.parametrize("first", [0, 5, 6, 0x7E, 0x7F, 0x80, 0xB8, 0xBF])
def test_D10_a_type_that_does_not_exist_is_refused(bench: Bench, first: int) -> None:
    raw = bytes((first,)) + receipt(SENT).encode()[1:]
    bench.both_refuse(seen_raw([raw]), "RECEIPT_TYPE", "tx_receipt_proof: unknown receipt type")
    bench.both_accept(seen_raw([receipt(SENT).encode()]))


def test_D10_a_type_byte_taken_away_or_added_makes_another_receipt_under_another_root(bench: Bench) -> None:
    typed, legacy = receipt(SENT), receipt(SENT, kind=0)
    for honest, spoilt in ((typed, legacy), (legacy, typed)):
        root, nodes = ordered_root([honest.encode()]), tuple(ordered_proof([spoilt.encode()], 0))
        seen = replace(seen_of([honest], 0, 0), nodes=nodes, receipts_root=root)
        bench.both_refuse(seen, "PROOF_INVALID", "trie_proof: not the node its parent names")
    twice = b"\x02" + typed.encode()
    bench.both_refuse(seen_raw([twice]), "RECEIPT_INVALID", "tx_receipt_proof: receipt is not one list")


BLOOM, ADDRESS = bytes(256), b"\x6a" * 20
LOGS: Rlp = ((ADDRESS, (MESSAGE_SENT, ID), b"data"),)
NUMBERS = (b"\x01", b"\x52\x08")
BAD_RECEIPTS: dict[str, tuple[Rlp, str]] = {
    "three_items": ((*NUMBERS, BLOOM), "tx_receipt_proof: logs"),
    "five_items": ((*NUMBERS, BLOOM, LOGS, b""), "tx_receipt_proof: logs"),
    "logs_are_a_string": ((*NUMBERS, BLOOM, b"logs"), "tx_receipt_proof: logs"),
    "a_string": (b"receipt" * 10, "tx_receipt_proof: receipt is not one list"),
    "status_two": ((b"\x02", b"\x52\x08", BLOOM, LOGS), "tx_receipt_proof: status"),
    "status_is_a_state_root": ((b"\x0a" * 32, b"\x52\x08", BLOOM, LOGS), "tx_receipt_proof: status"),
    "status_is_a_list": (((b"\x01",), b"\x52\x08", BLOOM, LOGS), "tx_receipt_proof: status"),
    "gas_is_a_list": ((b"\x01", (b"\x52",), BLOOM, LOGS), "tx_receipt_proof: gas"),
    "gas_with_a_leading_zero": ((b"\x01", b"\x00\x52", BLOOM, LOGS), "rlp: leading zero in an integer"),
    "gas_of_nine_bytes": ((b"\x01", b"\x52" * 9, BLOOM, LOGS), "rlp: integer too long"),
    "a_short_bloom": ((*NUMBERS, bytes(255), LOGS), "tx_receipt_proof: bloom"),
    "a_long_bloom": ((*NUMBERS, bytes(257), LOGS), "tx_receipt_proof: bloom"),
    "a_log_is_a_string": ((*NUMBERS, BLOOM, (*LOGS, b"log")), "tx_receipt_proof: log is not a list"),
    "a_short_emitter": ((*NUMBERS, BLOOM, ((ADDRESS[1:], (), b""),)), "tx_receipt_proof: emitter"),
    "a_long_emitter": ((*NUMBERS, BLOOM, ((ADDRESS + b"\x01", (), b""),)), "tx_receipt_proof: emitter"),
    "topics_are_a_string": ((*NUMBERS, BLOOM, ((ADDRESS, b"t" * 33, b""),)), "tx_receipt_proof: topics"),
    "a_short_topic": ((*NUMBERS, BLOOM, ((ADDRESS, (ID[1:],), b""),)), "tx_receipt_proof: topics"),
    "two_items_as_long_as_a_topic": (
        (*NUMBERS, BLOOM, ((ADDRESS, (b"t" * 15, b"t" * 16), b""),)),
        "tx_receipt_proof: topic",
    ),
    "five_topics": ((*NUMBERS, BLOOM, ((ADDRESS, (ID,) * 5, b""),)), "tx_receipt_proof: topics"),
    "data_is_a_list": ((*NUMBERS, BLOOM, ((ADDRESS, (ID,), (b"d",)),)), "tx_receipt_proof: data"),
    "a_log_of_two_items": ((*NUMBERS, BLOOM, ((ADDRESS, (ID,)), *LOGS)), "tx_receipt_proof: data"),
    "a_log_of_four_items": ((*NUMBERS, BLOOM, ((ADDRESS, (ID,), b"d", b"e"),)), "tx_receipt_proof: data"),
    "a_malformed_log_after_the_right_one": ((*NUMBERS, BLOOM, (*LOGS, (ADDRESS, ID, b""))), "tx_receipt_proof: topics"),
}


@pytest.mark.parametrize("name", BAD_RECEIPTS)
@pytest.mark.parametrize("kind", [b"", b"\x02"], ids=["legacy", "typed"])
def test_a_malformed_receipt_is_refused_by_both(bench: Bench, name: str, kind: bytes) -> None:
    item, reason = BAD_RECEIPTS[name]
    raw = kind + rlp_strict.encode(item)
    if name == "a_string" and not kind:
        bench.both_refuse(seen_raw([raw]), "RECEIPT_TYPE", "tx_receipt_proof: unknown receipt type")
    else:
        bench.both_refuse(seen_raw([raw]), "RECEIPT_INVALID", reason)
    honest = kind + rlp_strict.encode((*NUMBERS, BLOOM, LOGS))
    bench.both_accept(seen_raw([honest]))


def test_topics_that_run_over_their_log_are_refused_by_both(bench: Bench) -> None:
    log = b"\x94" + ADDRESS + b"\xe1\xa0" + ID + b"\x80"
    good = rlp_strict.encode((*NUMBERS, BLOOM, LOGS))
    for cut, reason in ((1, "data"), (2, "topics"), (30, "topics")):
        logs = bytes((0xC0 + len(log) - cut,)) + log
        body = b"\x01\x82\x52\x08\xb9\x01\x00" + BLOOM + bytes((0xF8, len(logs))) + logs
        raw = b"\xf9" + len(body).to_bytes(2, "big") + body
        with pytest.raises(Problem, match="RECEIPT_INVALID"):
            prove_log(ordered_root([raw]), ordered_proof([raw], 0), 0, 0)
        with pytest.raises(Reverted, match=f"tx_receipt_proof: {reason}"):
            bench.proofs.log(ordered_root([raw]), 0, 0, ordered_proof([raw], 0))
    assert bench.proofs.log(ordered_root([good]), 0, 0, ordered_proof([good], 0)).topics == (MESSAGE_SENT, ID)


def test_no_such_transaction_and_no_such_log_are_refused_by_both(bench: Bench) -> None:
    receipts = [receipt(SENT), receipt()]
    bench.both_refuse(seen_of(receipts, 2, 0), "PROOF_ABSENT", "tx_receipt_proof: no such transaction")
    bench.both_refuse(seen_of(receipts, 1, 0), "PROOF_ABSENT", "tx_receipt_proof: no such log")
    bench.both_refuse(seen_of(receipts, 0, 1), "PROOF_ABSENT", "tx_receipt_proof: no such log")
    bench.both_refuse(seen_of(receipts, 0, 2**32 - 1), "PROOF_ABSENT", "tx_receipt_proof: no such log")
    bench.both_accept(seen_of(receipts, 0, 0))


def test_D08_nodes_too_many_or_too_few_are_refused_by_both(bench: Bench) -> None:
    honest = seen_of([receipt(SENT), receipt(NOISE)] * 10, 4, 0)
    nodes = honest.nodes
    for spoilt, code, reason in (
        ((*nodes, nodes[-1]), "PROOF_SUPERFLUOUS", "tx_receipt_proof: nodes left over"),
        ((nodes[0], *nodes), "PROOF_SUPERFLUOUS", "trie_proof: not the node its parent names"),
        (nodes[::-1], "PROOF_SUPERFLUOUS", "trie_proof: not the node its parent names"),
        (nodes[1:], "PROOF_INVALID", "trie_proof: not the node its parent names"),
    ):
        bench.both_refuse(replace(honest, nodes=spoilt), code, reason)
    bench.both_accept(honest)


@pytest.mark.parametrize("index", [0, 1, 126, 127, 128, 255, 256, 257, 65535, 65536, 2**24 - 1, 2**24, 2**32 - 1])
def test_a_transaction_s_index_is_keyed_as_in_the_twin(bench: Bench, index: int) -> None:
    raw = receipt(SENT).encode()
    root = ordered_root([])
    with pytest.raises(Reverted, match="nodes left over"):
        bench.proofs.log(root, index, 0, [raw])
    # One leaf is a whole trie: its path is the key.
    key = index_key(index)
    path = b"\x20" + key
    leaf = rlp_strict.encode((path, raw))
    assert bench.proofs.log(keccak256(leaf), index, 0, [leaf]).topics == SENT.topics
    assert prove_log(keccak256(leaf), [leaf], index, 0) == SENT
    with pytest.raises(Reverted, match="no such transaction"):
        bench.proofs.log(keccak256(leaf), index ^ 1, 0, [leaf])


# The header and the bytes around it


@pytest.mark.parametrize("field", ["height", "block_hash", "state_root", "timestamp", "receipts_root"])
def test_a_header_that_is_not_held_is_refused(bench: Bench, field: str) -> None:
    honest = seen_of([receipt(SENT)], 0, 0)
    bench.both_accept(honest)
    held: Any = getattr(honest, field)
    other: Any = held + 1 if isinstance(held, int) else bytes(32)
    with pytest.raises(Reverted, match="HeaderBook: not held"):
        bench.observed(replace(honest, **{field: other}))
    assert bench.observed(honest)


def test_another_chain_is_refused(bench: Bench) -> None:
    honest = seen_of([receipt(SENT)], 0, 0)
    bench.both_accept(honest)
    for chain_id in (0, ORIGIN + 1, 7102):
        with pytest.raises(Reverted, match="ReceiptObserver: another chain"):
            bench.observer.call("observed", chain_id, GATEWAY, ID, honest.pack())


def test_an_observation_of_the_wrong_size_is_refused_by_both(bench: Bench) -> None:
    packed = seen_of([receipt(SENT)], 0, 0).pack()
    for length in (0, 1, 119, 120):
        with pytest.raises(Reverted, match="ReceiptObserver: observation too short"):
            bench.observer.call("observed", ORIGIN, GATEWAY, ID, packed[:length])
        with pytest.raises(BadInput, match="OBSERVATION_SIZE"):
            read_observation(packed[:length])
    with pytest.raises(Reverted):
        bench.observer.call("observed", ORIGIN, GATEWAY, ID, packed.ljust(16385, b"\x00"))
    with pytest.raises(BadInput, match="OBSERVATION_SIZE"):
        read_observation(packed.ljust(16385, b"\x00"))
    too_large = seen_of([receipt(Log(GATEWAY, SENT.topics, bytes(17_000)))], 0, 0)
    with pytest.raises(BadInput, match="OBSERVATION_SIZE"):
        too_large.pack()
    bench.both_accept(seen_of([receipt(Log(GATEWAY, SENT.topics, b"\x01" * 15_500))], 0, 0))


@pytest.mark.parametrize("field", ["height", "timestamp", "tx_index", "log_index_in_tx"])
@pytest.mark.parametrize("number", [-1, 2**64])
def test_a_number_that_does_not_fit_is_not_packed(field: str, number: int) -> None:
    honest = seen_of([receipt(SENT)], 0, 0)
    with pytest.raises(BadInput, match="OBSERVATION_SIZE"):
        replace(honest, **{field: number}).pack()  # type: ignore[arg-type]


def test_an_observer_needs_headers_of_another_chain(bench: Bench) -> None:
    evm = bench.book.evm
    with pytest.raises(Reverted, match="ReceiptObserver: no headers"):
        evm.deploy("ReceiptObserver", b"\x99" * 20)
    for chain_id in (0, evm.chain_id):
        book = evm.deploy(Path(__file__).parent / "HeaderBook.vy", chain_id)
        with pytest.raises(Reverted, match="ReceiptObserver: origin chain id"):
            evm.deploy("ReceiptObserver", book.address)
    assert bench.observer.call("CHAIN_ID") == ORIGIN


def test_D14_altered_receipts_are_judged_alike_under_a_root_that_commits_to_them(bench: Bench) -> None:
    chance = random.Random("receipts")
    accepted = 0
    for _ in range(1_500):
        logs = tuple(
            Log(
                chance.randbytes(20),
                tuple(chance.randbytes(32) for _ in range(chance.randint(0, 4))),
                chance.randbytes(n),
            )
            for n in (chance.choice((0, 1, 55, 56)) for _ in range(chance.randint(1, 3)))
        )
        raw = bytearray(receipt(*logs, kind=chance.randint(0, 4)).encode())
        for _ in range(chance.randint(0, 1)):
            place = chance.randrange(min(8, len(raw))) if chance.random() < 0.3 else chance.randrange(265, len(raw))
            raw[place] ^= chance.choice((1, 2, 4, 8, 16, 32, 64, 128, 255))
        root, nodes, wanted = ordered_root([bytes(raw)]), ordered_proof([bytes(raw)], 0), chance.randint(0, 2)
        try:
            expected = prove_log(root, nodes, 0, wanted)
        except (BadInput, Refused):
            with pytest.raises(Reverted):
                bench.proofs.log(root, 0, wanted, nodes)
            continue
        accepted += 1
        found = bench.proofs.log(root, 0, wanted, nodes)
        assert (found.address, found.topics) == (expected.address, expected.topics)
    assert 300 < accepted < 1_300
