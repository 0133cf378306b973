"""Acts on the chains that can be repeated: each looks for its own log first, and acts only where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from contracts.binding import Contract, log_topic
from contracts.manifest import ChainManifest
from contracts.node import Node, data, quantity
from contracts.transactor import Mined, wait_for
from ledger.errors import Unavailable
from ledger.ethereum.tx_receipt import Log


@dataclass(frozen=True, slots=True)
class Done:
    """Where an act stands on its chain, and what its log says."""

    chain: ChainManifest
    block: int
    transaction: bytes
    gas: int
    fields: dict[str, object]


def find(node: Node, chain: ChainManifest, contract: str, log_name: str, *topics: bytes) -> Done | None:
    """The first log of this name with these indexed values; None when there is none yet."""
    return next(find_all(node, chain, contract, log_name, *topics), None)


def find_all(node: Node, chain: ChainManifest, contract: str, log_name: str, *topics: bytes) -> Iterator[Done]:
    """Every log of this name with these indexed values, oldest first."""
    bound = chain.contract(contract)
    wanted = [f"0x{topic.hex()}" for topic in (log_topic(contract, log_name), *(t.rjust(32, b"\x00") for t in topics))]
    query = {"fromBlock": "0x0", "toBlock": "latest", "address": f"0x{bound.address.hex()}", "topics": wanted}
    for reported in node.request("eth_getLogs", query):
        yield _done(node, chain, bound, reported)


def _done(node: Node, chain: ChainManifest, bound: Contract, reported: dict[str, object]) -> Done:
    topics = reported["topics"]
    raw_topics = tuple(data(topic) for topic in topics) if isinstance(topics, list) else ()
    decoded = bound.decode_log(Log(bound.address, raw_topics, data(reported["data"])))
    receipt = node.request("eth_getTransactionReceipt", reported["transactionHash"])
    return Done(
        chain=chain,
        block=quantity(reported["blockNumber"]),
        transaction=data(reported["transactionHash"], length=32),
        gas=quantity(receipt["gasUsed"]),
        fields=decoded.fields if decoded is not None else {},
    )


def ensure(
    node: Node, chain: ChainManifest, contract: str, log_name: str, topics: tuple[bytes, ...], act: Callable[[], Mined]
) -> Done:
    """Return the act's log, acting first where there is none."""
    found = find(node, chain, contract, log_name, *topics)
    if found is None:
        act()
        found = find(node, chain, contract, log_name, *topics)
    if found is None:
        raise Unavailable("ACT_NOT_SEEN", f"{contract}.{log_name} did not appear on {chain.name}")
    return found


def await_log(
    node: Node,
    chain: ChainManifest,
    contract: str,
    log_name: str,
    *topics: bytes,
    seconds: float,
    waiting: Callable[[], str],
) -> Done:
    """Wait for a log that others bring about. Errors: `Unavailable` STILL_WAITING, saying what the relay waits for."""
    found = wait_for(lambda: find(node, chain, contract, log_name, *topics), seconds=seconds)
    if found is None:
        raise Unavailable(
            "STILL_WAITING",
            f"{contract}.{log_name} has not happened on {chain.name} within {seconds:.0f} s: {waiting()}",
            cure="Run the demo again with the same --data once the missing part is back.",
        )
    return found
