"""What a relay carries: messages per second from origin log to commit, and how long one message takes by itself."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from contracts.manifest import Role
from contracts.node import quantity
from contracts.submissions import SubmissionBook
from contracts.submitter import Spending, Submitter
from contracts.transactor import Call, sign
from ledger.interoperable import encode
from relay.notaries import HttpNotary
from relay.panel import NotaryPanel
from relay.relay import Relay
from tests.acceptance.test_notaries import Notaries
from tests.benchmarks.relay_figures import Figure
from tests.chains import CHAIN_IDS, DEPLOYER, Deployed, anchor_payload, deployed_on_anvil

MESSAGES = 256
PER_BLOCK = 64
BARE = 300
ALONE = 20
SECONDS = 240.0
PLENTY = Spending(share_wei_per_day=10**24, wei_per_day=10**24)


def carrying() -> list[Figure]:
    """Many messages against the same node's bare transactions; then single ones, by the time beyond their block."""
    with tempfile.TemporaryDirectory() as folder, deployed_on_anvil() as chains, running(chains, Path(folder)) as relay:
        prepared = [prepare(chains, PER_BLOCK, after=first) for first in range(0, MESSAGES, PER_BLOCK)]
        began = time.perf_counter()
        for raw in prepared:
            send_prepared(chains, raw)
        until(lambda: committed(relay) >= MESSAGES, every=0.03)
        rate = MESSAGES / (time.perf_counter() - began)
        transactions = {journey.commit.transaction for journey in list(relay.journeys.values()) if journey.commit}
        until(lambda: all(journey.is_over for journey in list(relay.journeys.values())), every=0.03)
        whole = MESSAGES / (time.perf_counter() - began)
        alone = [_alone(chains, relay) for _ in range(ALONE)]
        bare = bare_per_second(chains)
    return [
        Figure.against("messages per second, origin log to commit, 4 notaries", rate, "1/s", bare),
        Figure("messages per transaction that committed them", round(MESSAGES / len(transactions), 1), ""),
        Figure("messages per second, origin log to closed credential", round(whole, 1), "1/s"),
        Figure("latency beyond block time and finality, p50", round(statistics.median(alone), 1), "ms"),
        Figure("latency beyond block time and finality, p90", round(sorted(alone)[int(0.9 * ALONE)], 1), "ms"),
    ]


@contextmanager
def running(chains: Deployed, folder: Path) -> Iterator[Relay]:
    """A relay with four notaries in processes of their own."""
    with ExitStack() as opened:
        notaries = Notaries(chains, folder)
        opened.callback(notaries.kill_all)
        relay = opened.enter_context(relay_over(chains, folder, notaries.urls))
        relay.start()
        yield relay


@contextmanager
def relay_over(chains: Deployed, folder: Path, urls: Sequence[str]) -> Iterator[Relay]:
    """A relay that asks the notaries at these URLs, in their order, and is not started."""
    with ExitStack() as opened:
        clients = [HttpNotary(f"notary {index + 1}", url) for index, url in enumerate(urls)]
        for client in clients:
            opened.callback(client.close)
        panel = NotaryPanel(clients, chains.manifest.committee)
        opened.callback(panel.close)
        book = SubmissionBook(folder / "book.sqlite3")
        opened.callback(book.close)
        payers = {
            number: Submitter(chains.node(role), DEPLOYER, chain_id=number, book=book, spending=PLENTY)
            for role, number in CHAIN_IDS.items()
        }
        relay = Relay(chains.manifest, payers, panel)
        opened.callback(relay.stop)
        yield relay


def bare_per_second(chains: Deployed) -> float:
    """Transfers of nothing, signed before, one request each."""
    node = chains.node(Role.DESTINATION)
    account = f"0x{DEPLOYER.address.hex()}"
    first = quantity(node.request("eth_getTransactionCount", account, "latest"))
    call = Call(CHAIN_IDS[Role.DESTINATION], DEPLOYER.address, b"", 21_000)
    raw = [sign(DEPLOYER, call, nonce=first + at, max_fee=10**11, tip=10**9).raw for at in range(BARE)]
    began = time.perf_counter()
    for each in raw:
        node.request("eth_sendRawTransaction", f"0x{each.hex()}")
    until(lambda: quantity(node.request("eth_getTransactionCount", account, "latest")) == first + BARE)
    return BARE / (time.perf_counter() - began)


def prepare(chains: Deployed, count: int, *, after: int = 0) -> list[bytes]:
    """So many messages, signed; `after`: how many more of this account are to go before them."""
    origin, destination = chains.manifest.chain(Role.ORIGIN), chains.manifest.chain(Role.DESTINATION)
    gateway, node = origin.contract("Gateway"), chains.node(Role.ORIGIN)
    to = encode(destination.chain_id, destination.contracts["AnchorMirror"])
    data = gateway.encode_call("sendMessage", to, anchor_payload(1), [])
    call = Call(CHAIN_IDS[Role.ORIGIN], gateway.address, data, 200_000)
    first = after + quantity(node.request("eth_getTransactionCount", f"0x{DEPLOYER.address.hex()}", "latest"))
    return [sign(DEPLOYER, call, nonce=first + at, max_fee=10**11, tip=10**9).raw for at in range(count)]


def send_prepared(chains: Deployed, raw: Sequence[bytes]) -> None:
    """Hand them over in one request, and have them in one block of the origin."""
    node = chains.node(Role.ORIGIN)
    node.request("evm_setAutomine", False)
    node.batch([("eth_sendRawTransaction", [f"0x{each.hex()}"]) for each in raw])
    node.request("anvil_mine", "0x1")
    node.request("evm_setAutomine", True)


def _alone(chains: Deployed, relay: Relay) -> float:
    """Milliseconds from a message's block to the commit that the relay has seen."""
    message_id = chains.send().message.id
    began = time.perf_counter()
    until(lambda: (found := relay.journeys.get(message_id)) is not None and found.commit is not None, every=0.001)
    elapsed = (time.perf_counter() - began) * 1000
    until(lambda: relay.journeys[message_id].is_over)
    return elapsed


def committed(relay: Relay) -> int:
    """How many messages the relay has seen committed."""
    return sum(journey.commit is not None for journey in list(relay.journeys.values()))


def until(holds: Callable[[], bool], *, every: float = 0.01, seconds: float = SECONDS) -> None:
    """Wait until it holds."""
    deadline = time.perf_counter() + seconds
    while not holds():
        assert time.perf_counter() < deadline, "it never happened"
        time.sleep(every)
