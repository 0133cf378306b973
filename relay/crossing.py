"""Fetches from the chains what shows one message's crossing to somebody who was not there: for the proof bundle.

Certificate and verdict are read back from the call data of the transactions that carried them: what is on the chains
is all that is needed, nothing has to be remembered. Whoever assembles the bundle verifies it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from contracts.binding import Contract, log_topic
from contracts.epochs import BLOCKS_PER_FILTER
from contracts.manifest import Manifest, Policy, Role
from contracts.node import Node, data
from ledger import merkle
from ledger.attestation import Verdict, word
from ledger.bundle import HeaderCertificate
from ledger.bundle.format import BlockLog
from ledger.errors import Unavailable
from ledger.ethereum.qbft import QbftHeader, read_rpc_header
from ledger.ethereum.trie import ordered_proof
from ledger.ethereum.tx_receipt import tx_receipts_from_rpc
from ledger.quorum import Certificate
from relay.journey import Journey
from relay.watcher import Place

FILTERS: Final = 4  # stretches of `BLOCKS_PER_FILTER` blocks in which a header's certificate is looked for


@dataclass(frozen=True, slots=True)
class Crossed:
    """One message's way: its log at the origin, the certificate recorded for it (None where its lane asks for none),
    its commit, and the judgement.
    """

    sent: BlockLog
    certificate: Certificate | None
    committed: BlockLog
    verdict: Verdict
    signatures: bytes


def fetch_crossing(nodes: Mapping[int, Node], manifest: Manifest, journey: Journey) -> Crossed:
    """Read the crossing of a closed message. `nodes` by chain id.

    Errors: `Unavailable` NOT_CLOSED while the message is under way; those of `Node.request`.
    """
    if journey.commit is None or journey.judged is None:
        raise Unavailable("NOT_CLOSED", f"the message is {journey.explain()}", where=journey.id.hex())
    verdict, signatures = fetch_judgement(nodes, manifest, journey)
    return Crossed(
        sent=fetch_block_log(nodes, journey.origin),
        certificate=None if journey.attested is None else fetch_certificate(nodes, manifest, journey),
        committed=fetch_block_log(nodes, journey.commit),
        verdict=verdict,
        signatures=signatures,
    )


def fetch_certificate(nodes: Mapping[int, Node], manifest: Manifest, journey: Journey) -> Certificate:
    """The certificate that the transaction chain holds of a message.

    Errors: `Unavailable` NOT_ATTESTED while there is none; those of `Node.request` and `Contract.decode_call`.
    """
    if journey.attested is None:
        raise Unavailable("NOT_ATTESTED", f"the message is {journey.explain()}", where=journey.id.hex())
    registry = manifest.chain(Role.TRANSACTION).contract("TransactionRegistry")
    _chain_id, ids, epoch, signatures = _call(nodes, registry, "attest", journey.attested)
    leaves, index = [merkle.leaf_hash(each) for each in ids], ids.index(journey.id)
    proof = tuple(merkle.inclusion_proof(leaves, index))
    return Certificate(merkle.root_of(leaves), index, len(leaves), proof, epoch, signatures)


def fetch_judgement(nodes: Mapping[int, Node], manifest: Manifest, journey: Journey) -> tuple[Verdict, bytes]:
    """The verdict that the transaction chain holds of a message, and its packed signatures. Errors: as above,
    NOT_CLOSED.
    """
    if journey.judged is None:
        raise Unavailable("NOT_CLOSED", f"the message is {journey.explain()}", where=journey.id.hex())
    registry = manifest.chain(Role.TRANSACTION).contract("TransactionRegistry")
    fields, signatures = _call(nodes, registry, "judge", journey.judged)
    return Verdict(*fields), signatures


def fetch_header_certificate(
    nodes: Mapping[int, Node], manifest: Manifest, journey: Journey
) -> HeaderCertificate | None:
    """With which signatures the destination took the origin's header, of a lane of policy *certified*.

    Read back from the transaction that carried them, in the last `FILTERS` stretches of blocks before the commit; None
    where those do not show it, or where it came through another contract. Errors: those of `Node.request`.
    """
    end, commit = manifest.by_id(journey.proposal.message.destination.chain_id), journey.commit
    kept = [] if end is None else [each for each in end.observers if each.policy is Policy.CERTIFIED]
    held = next((each for each in kept if each.origin == journey.origin.chain_id), None)
    if end is None or commit is None or held is None:
        return None
    holder, node = Contract("CertifiedHeaders", held.headers), nodes[end.chain_id]
    topics = [f"0x{log_topic('CertifiedHeaders', 'HeaderHeld').hex()}", f"0x{word(journey.origin.block).hex()}"]
    for last in range(
        commit.block, max(end.first_block, commit.block - FILTERS * BLOCKS_PER_FILTER) - 1, -BLOCKS_PER_FILTER
    ):
        first = max(end.first_block, last - BLOCKS_PER_FILTER + 1)
        asked = {
            "address": f"0x{holder.address.hex()}",
            "topics": topics,
            "fromBlock": hex(first),
            "toBlock": hex(last),
        }
        for reported in node.request("eth_getLogs", asked):
            sent = node.request("eth_getTransactionByHash", reported["transactionHash"])
            if data(sent["to"]) == holder.address:
                *_, epoch, signatures = holder.decode_call("certify", data(sent["input"], what="call data"))
                return HeaderCertificate(holder.address, epoch, signatures)
    return None


def _call(nodes: Mapping[int, Node], contract: Contract, function: str, place: Place) -> tuple[Any, ...]:
    transaction = nodes[place.chain_id].request("eth_getTransactionByHash", f"0x{place.transaction.hex()}")
    return contract.decode_call(function, data(transaction["input"], what="call data"))


def fetch_block_log(nodes: Mapping[int, Node], place: Place) -> BlockLog:
    """A log with its block's header and the proof of its receipt. Errors: those of `Node.batch`."""
    block, receipts = nodes[place.chain_id].batch(
        [
            ("eth_getBlockByHash", [f"0x{place.block_hash.hex()}", False]),
            ("eth_getBlockReceipts", [hex(place.block)]),
        ]
    )
    header = read_rpc_header(block)
    encoded = [receipt.encode() for receipt in tx_receipts_from_rpc(receipts)]
    return BlockLog(
        # Of a sealed block the encoding that its hash is of: there are as many others as ways to keep seals.
        header=header.hashed if isinstance(header, QbftHeader) else header.rlp(),
        proof=tuple(ordered_proof(encoded, place.transaction_index)),
        transaction=place.transaction_index,
        log_index=place.log_index,
    )
