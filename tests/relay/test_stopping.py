"""A relay that is told to stop stops, whoever of those it asks hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contracts.node import RpcNode
from ledger.quorum import Committee
from relay import panel, service
from relay.config import RelayConfig
from relay.log_port import HttpLog
from relay.notaries import HttpNotary
from relay.panel import NotaryPanel
from tests.contracts.world import World
from tests.relay.test_publish_config import written
from tests.relay.written import MANIFEST
from tests.tarpit import Tarpit, tarpit

FOR_EVER = 3600.0  # seconds: what stopping would take if it waited for whoever hangs
SOON = 60.0


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tarpit]:
    monkeypatch.setattr(panel, "PATIENCE_SECONDS", FOR_EVER)
    with tarpit() as found:
        yield found


def ends(what: Callable[[], object]) -> bool:
    """Whether it returns while the test still waits for it."""
    thread = threading.Thread(target=what, daemon=True)
    thread.start()
    thread.join(SOON)
    return not thread.is_alive()


def until(condition: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(int(SOON / 0.05)):
        if condition():
            return
        waiting.wait(0.05)
    raise AssertionError("it did not come about")


def test_a_checkpoint_that_hanging_notaries_are_to_cosign_is_given_up_when_they_are_broken_off(silent: Tarpit) -> None:
    asked = [HttpNotary(f"notary {number}", silent.url, timeout_seconds=FOR_EVER) for number in range(4)]
    members = MANIFEST.committee.members[:4]
    everybody = NotaryPanel(asked, Committee(1, members))
    with ThreadPoolExecutor(1) as pool:
        given = pool.submit(everybody.cosign, b"a note\n", 0, lambda _size: [], lambda _line: None)
        until(lambda: len(silent.held) == len(asked))
        assert not given.done()
        for each in asked:
            each.break_off()
        assert given.result(SOON) == []
    everybody.close()
    for each in asked:
        each.close()


def test_a_relay_stops_while_nodes_notaries_and_ledger_hang(
    silent: Tarpit, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "STOP_SECONDS", 0.05)
    for asking, name in ((RpcNode, "timeout_seconds"), (HttpNotary, "timeout_seconds"), (HttpLog, "seconds")):
        defaults = asking.__init__.__kwdefaults__
        assert defaults is not None and name in defaults
        monkeypatch.setitem(defaults, name, FOR_EVER)
    nodes = {chain.caip2: silent.url for chain in world.manifest.chains}
    running = service.start(RelayConfig.load(written(tmp_path, world, nodes=nodes, ledger=silent.url)))
    until(lambda: len(silent.held) > len(nodes))  # every chain's reader, and the publisher
    assert ends(running.stop)
