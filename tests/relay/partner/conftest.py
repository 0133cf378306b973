"""A relay with a partners' counter, on the deployed world, behind HTTP; its time and its threads are the test's."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.serve import RunningServer, serve
from relay.api import create_app
from relay.partner.config import Partner, PartnerConfig, digest_of
from relay.partner.desk import Desk
from relay.relay import Relay
from tests.contracts.world import World
from tests.relay.partner.receiving import Receiver
from tests.simulator.inline import Inline
from tests.simulator.network import Network, is_over

KEY, OTHER_KEY = "ptk_harbour-and-then-some-more", "ptk_mill-and-then-some-more"
PARTNERS = (Partner("harbour", digest_of(KEY)), Partner("mill", digest_of(OTHER_KEY)))


class Time:
    """Seconds that pass only by `advance`, for webhooks and rate limits."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Counter:
    """The counter, and its partner harbour's client. `restart` is a new process over the same book."""

    def __init__(self, network: Network, folder: Path, **changed: Any) -> None:
        self.network, self.time = network, Time()
        options = {"rate": 10_000, "burst": 10_000, "private_webhooks": True} | changed
        self.config = PartnerConfig(folder, PARTNERS, **options)
        self._open()

    def _open(self) -> None:
        self.desk = Desk(self.config, self.network.manifest, executor=Inline(), now=self.time, clock=self.time)
        self.relay: Relay = self.network.relay(sinks=[self.desk.feed])
        self.desk.attend(self.relay)
        self.server: RunningServer = serve(create_app(self.relay, self.desk), port=0)
        self.http = self.client(KEY)

    def client(self, key: str | None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.server.url, trust_env=False, headers=headers, timeout=60)

    def restart(self) -> None:
        self.close()
        self._open()

    def close(self) -> None:
        self.http.close()
        self.desk.is_closing.set()
        self.server.stop()
        self.desk.stop()

    def carry(self) -> str:
        """A message from its origin to its end; its id in 0x-hex."""
        found = self.network.carry_anchor().message.id
        self.network.run(self.relay, until=lambda: is_over(self.relay, found))
        return f"0x{found.hex()}"

    def read(self) -> None:
        """Read the chains to their heads, carrying whatever can be carried."""
        self.network.settle(self.relay, steps=20)

    def until_mined(self) -> None:
        """Tend what was handed in until nothing waits any more."""
        deadline = time.monotonic() + 60
        while self.desk.book.row("SELECT 1 FROM submission WHERE state = 'waiting'"):
            assert time.monotonic() < deadline, "it was never mined"
            self.desk.submissions.tend()

    def get(self, path: str, **options: Any) -> Any:
        answer = self.http.get(path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(path, content=json.dumps(body), headers=sent)


@pytest.fixture
def opened(network: Network, tmp_path: Path) -> Iterator[Callable[..., Counter]]:
    """Opens counters, and closes them."""
    made: list[Counter] = []

    def open_one(**changed: Any) -> Counter:
        made.append(Counter(network, tmp_path / f"partners-{len(made)}", **changed))
        return made[-1]

    yield open_one
    for each in made:
        each.close()


@pytest.fixture
def counter(opened: Callable[..., Counter]) -> Counter:
    return opened()


@pytest.fixture(scope="module")
def carried(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    """One counter with one closed message, for the tests of a module that only look."""
    made = Counter(Network(world), tmp_path_factory.mktemp("carried"))
    made.closed = made.carry()  # type: ignore[attr-defined]
    yield made
    made.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()
