"""What a notary's checks cost: attesting against signature recovery alone, re-execution against the node's tracing."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import coincurve

from contracts.execution_rules import rules_of
from contracts.manifest import Role
from contracts.node import quantity
from contracts.reexecution import BlockChecker, Verdict
from ledger.ethereum.header import header_from_rpc
from ledger.interoperable import encode
from notary.notary import Notary
from notary.proven import Locator
from tests.benchmarks.relay_figures import Figure
from tests.chains import Deployed, anchor_payload, deployed_on_anvil
from tests.notary.subject import Subject

MESSAGES = 512
PER_REQUEST = 64  # what one certificate may hold
PER_BLOCK = 32
RECOVERIES = 3_000
BLOCKS = 12
TRANSACTIONS = 10
TRACER = {"tracer": "prestateTracer"}


def checks() -> list[Figure]:
    """Attestations of proven messages by one notary, per second of its one core, against bare recoveries."""
    with deployed_on_anvil() as chains, tempfile.TemporaryDirectory() as folder:
        leaves = [leaf for _ in range(MESSAGES // PER_BLOCK) for leaf in send_together(chains, PER_BLOCK)]
        subject = Subject(chains, Path(folder) / "notary0")
        try:
            value = _per_second(subject.notary, leaves)
        finally:
            subject.close()
    return [Figure.against("notary checks per second (one core)", value, "1/s", recoveries_per_second())]


def blocks() -> list[Figure]:
    """The whole check of blocks of ten messages each, as a notary that follows the chain does it, against tracing."""
    with deployed_on_anvil() as chains:
        numbers = [send_together(chains, TRANSACTIONS)[0].block for _ in range(BLOCKS)]
        node = chains.node(Role.ORIGIN)
        checker = BlockChecker(node, rules_of(chains.manifest.chain(Role.ORIGIN)))
        whole, traced = [], []
        for number in numbers:
            parent = header_from_rpc(node.request("eth_getBlockByNumber", hex(number - 1), False))
            traced.append(_milliseconds(lambda at=number: node.request("debug_traceBlockByNumber", hex(at), TRACER)))
            began = time.perf_counter()
            check = checker.check(parent, number)
            whole.append((time.perf_counter() - began) * 1_000)
            if (check.verdict, check.transactions) != (Verdict.SAME, TRANSACTIONS):
                raise AssertionError(check)
    name = f"whole check of a block of {TRANSACTIONS} transactions"
    return [Figure.against(name, statistics.median(whole[1:]), "ms", statistics.median(traced[1:]))]


def send_together(chains: Deployed, count: int) -> list[Locator]:
    """Send so many messages in one block of the origin; where their logs stand."""
    origin, destination = chains.manifest.chain(Role.ORIGIN), chains.manifest.chain(Role.DESTINATION)
    gateway, transactor, node = origin.contract("Gateway"), chains.transactors[Role.ORIGIN], chains.node(Role.ORIGIN)
    to = encode(destination.chain_id, destination.contracts["AnchorMirror"])
    node.request("evm_setAutomine", False)
    call = gateway.encode_call("sendMessage", to, anchor_payload(1), [])
    submitted = [transactor.submit(gateway.address, call) for _ in range(count)]
    node.request("anvil_mine", "0x1")
    node.request("evm_setAutomine", True)
    mined = [transactor.wait(each) for each in submitted]
    receipts: Any = node.request("eth_getBlockReceipts", hex(mined[0].block))
    places = {receipt["transactionHash"]: quantity(receipt["transactionIndex"]) for receipt in receipts}
    if len(places) != count:
        raise AssertionError(f"{len(places)} transactions in the block instead of {count}")
    return [Locator(origin.chain_id, each.block, places[f"0x{each.transaction.hex()}"], 0) for each in mined]


def recoveries_per_second() -> float:
    """Signature recoveries alone, by coincurve."""
    digest = b"\x01" * 32
    signature = coincurve.PrivateKey(b"\x21" * 32).sign_recoverable(digest, hasher=None)
    began = time.process_time()
    for _ in range(RECOVERIES):
        coincurve.PublicKey.from_signature_and_message(signature, digest, hasher=None)
    return RECOVERIES / (time.process_time() - began)


def _per_second(notary: Notary, leaves: Sequence[Locator]) -> float:
    notary.attest(leaves[:1])
    began = time.process_time()
    for start in range(0, len(leaves), PER_REQUEST):
        notary.attest(leaves[start : start + PER_REQUEST])
    return len(leaves) / (time.process_time() - began)


def _milliseconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1_000
