"""Publishing with everything as it runs: a ledger over HTTP, chains, notaries, a relay; and each seam by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.manifest import Role
from contracts.submitter import Submitter
from contracts.transactor import wait_for
from ledger.api.app import create_app
from ledger.bundle import CREDENTIAL_DOMAIN, TRUST_ROOT_DOMAIN, GoodsSubject, TrustRoot, verify
from ledger.bundling import Publishing
from ledger.checkpoint import Checkpoint, CosignedCheckpoint, add_cosignatures, cosign, open_cosigned, sign_checkpoint
from ledger.epcis.build import document
from ledger.ethereum.keccak import keccak256
from ledger.exchange import Peer
from ledger.program import ask_running
from ledger.serve import serve
from ledger.store import Cosigners, Ledger
from ledger.store.ledger import KEY_FILE, OPERATOR_KEY_FILE
from relay.anchor_chain import Anchored, NodeAnchors
from relay.bundling import trust_root_of
from relay.config import RelayConfig
from relay.cosigning import Cosigning
from relay.handing import Handing
from relay.log_memory import LogMemory
from relay.log_port import HttpLog
from relay.publisher import Publisher
from relay.service import start
from tests.contracts.world import CHAIN_IDS, COSIGNING_KEYS, LOG_SIGNER, OWNER, World, deployed_world
from tests.ledger.bundle.estate import DAWN, UNIT, story
from tests.ledger.refusals import refused
from tests.relay.test_publish_config import written
from tests.simulator.network import Network
from tests.simulator.witnesses import served

KEY = "k" * 43
PEER = Peer("the relay", "RELAY_UNREACHABLE", "RELAY_GARBAGE", "Start it.")


@pytest.fixture(scope="module")
def own_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Chains on which nobody else has anchored anything."""
    with deployed_world(tmp_path_factory.mktemp("world")) as deployed:
        yield deployed


@dataclass
class Office:
    """A served ledger whose log is the deployment's."""

    ledger: Ledger
    root: TrustRoot
    url: str


@pytest.fixture(scope="module")
def office(own_world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("ledger")
    (folder / KEY_FILE).write_bytes(b"\x71" * 32)
    (folder / KEY_FILE).chmod(0o600)
    (folder / OPERATOR_KEY_FILE).write_text(KEY)
    ledger = Ledger.open(folder, origin=LOG_SIGNER.name)
    root = trust_root_of(own_world.manifest, DAWN.date())
    assert ledger.log.key == root.log
    ledger.log.cosigners = Cosigners(root.pinned.cosigners, root.pinned.quorum)
    ledger.events.capture_document(document(story(), created_at=DAWN), DAWN + timedelta(hours=9))
    ledger.statements.enter(TRUST_ROOT_DOMAIN, root.dump())
    server = serve(create_app(ledger), host="127.0.0.1", port=0)
    yield Office(ledger, root, server.url)
    server.stop()
    ledger.close()


def sender(network: Network) -> Submitter:
    return Submitter(network.node(Role.ORIGIN), OWNER, chain_id=CHAIN_IDS[Role.ORIGIN])


def test_from_the_newest_entry_to_a_bundle_and_a_loans_instructions_with_it(
    own_world: World, office: Office, tmp_path: Path
) -> None:
    network = Network(own_world)
    relay = network.relay()
    log = HttpLog(office.url, KEY)
    handing = Handing(network.manifest, office.root, relay.nodes, relay.look, clock=network.clock)
    relay.hear(handing)
    publisher = Publisher(
        log,
        NodeAnchors(network.manifest, sender(network)),
        Cosigning(office.root, network.panel()),
        LogMemory(tmp_path / "seen", office.root.log),
        handing,
        log_name=office.root.log.name,
        look=relay.look,
        clock=network.clock,
    )
    size = office.ledger.log.size

    def published() -> bool:
        publisher.step()
        standing = publisher.standing
        return (standing.size, standing.published, standing.anchored, standing.crossed) == (size,) * 4

    network.run(relay, until=published)
    bundle_of = office.ledger.bundle_of
    assert bundle_of is None, "whoever serves a ledger gives it one"
    bundler = Publishing(office.ledger).bundler
    assert verify(bundler.bundle_of(GoodsSubject(UNIT)), trust_root=office.root).subject == UNIT.normal

    loan = network.open_loan(b"published", b"goods of the publisher")

    def told() -> bool:
        publisher.step()
        return len(list(bundler.crossings.instructions(loan))) == 2

    network.run(relay, until=told)
    assert office.ledger.log.size == size, "what crossed is recorded with the next checkpoint"
    assert not handing.refused
    # A relay that starts again reads everything again and hands nothing over twice.
    again = network.relay()
    second = Handing(network.manifest, office.root, again.nodes, again.look, clock=network.clock)
    again.hear(second)
    network.settle(again)
    while second.hand_over(log, crossed=log.state().crossed):
        pass
    assert not second.refused
    assert len(list(bundler.crossings.credentials())) == 2
    log.close()


def test_a_configured_relay_publishes_by_itself_as_soon_as_it_is_told_to(
    own_world: World, office: Office, tmp_path: Path
) -> None:
    network = Network(own_world)
    nodes = {chain.caip2: own_world.nodes[chain.role].url for chain in own_world.manifest.chains}
    with served(network.notaries) as urls:
        path = written(tmp_path, own_world, root=office.root, ledger=office.url, every_seconds=3600, nodes=nodes)
        config = json.loads(path.read_text()) | {"notaries": [{"name": name, "url": url} for name, url in urls.items()]}
        path.write_text(json.dumps(config))
        running = start(RelayConfig.load(path))
        try:
            office.ledger.statements.enter("pledgetrail/test/v1/json", b'{"new":1}')
            ask_running(running.url, "/publish", PEER, body={})

            def published() -> dict[str, Any] | None:
                told: Any = ask_running(running.url, "/status", PEER)["publishing"]
                is_there = told["size"] == told["published"] == told["anchored"] == told["crossed"]
                return told if is_there and told["size"] == office.ledger.log.size else None

            told = wait_for(published, seconds=60)
            assert told is not None, ask_running(running.url, "/status", PEER)["publishing"]
            assert (told["stopped"], told["problem"]) == (False, None)
        finally:
            running.stop()
    # What the first test's loan asked for was sealed by this checkpoint: its bundle would outlive a rotation.
    assert len(office.ledger.statements.of_domain(CREDENTIAL_DOMAIN)) == 2
    assert verify(Publishing(office.ledger).bundler.bundle_of(GoodsSubject(UNIT)), trust_root=office.root).is_whole


def cosigned(size: int) -> CosignedCheckpoint:
    """A checkpoint of this size that all four cosigned."""
    note = sign_checkpoint(Checkpoint(LOG_SIGNER.name, size, keccak256(size.to_bytes(8, "big"))), LOG_SIGNER)
    lines = [cosign(note, log_key=LOG_SIGNER.key, cosigner=each, time=DAWN_SECONDS) for each in COSIGNING_KEYS]
    keys = [each.key for each in COSIGNING_KEYS]
    return open_cosigned(add_cosignatures(note, lines), log_key=LOG_SIGNER.key, cosigners=keys, quorum=3)


DAWN_SECONDS = int(DAWN.timestamp())


def mined(anchors: NodeAnchors) -> None:
    while anchors.settle():
        pass


def test_an_anchor_is_found_as_it_stands_and_its_messages_with_it(network: Network) -> None:
    anchors = NodeAnchors(network.manifest, sender(network))
    held = anchors.anchored()
    size = (0 if held is None else held.size) + 3
    anchors.anchor(cosigned(size))
    mined(anchors)
    found = anchors.anchored()
    assert found is not None
    assert (found.size, found.root, found.is_final) == (size, keccak256(size.to_bytes(8, "big")), True)
    assert anchors.carried(found) == []
    anchors.carry(found)
    mined(anchors)
    (message_id,) = anchors.carried(found)
    relay = network.relay()
    network.run(relay, until=lambda: relay.look(message_id) is not None)
    later = network.carry_anchor()
    assert later.message.id not in anchors.carried(found)
    assert anchors.carried(found) == [message_id]


def test_an_anchor_that_is_not_larger_is_refused_and_costs_nothing(network: Network) -> None:
    anchors = NodeAnchors(network.manifest, sender(network))
    network.carry_anchor()
    held = anchors.anchored()
    assert held is not None
    head = network.node(Role.ORIGIN).request("eth_blockNumber")
    with refused("CALL_REVERTED"):
        anchors.anchor(cosigned(held.size))
    with refused("CALL_REVERTED"):
        anchors.carry(Anchored(held.size, bytes(32), held.block, is_final=True))
    assert network.node(Role.ORIGIN).request("eth_blockNumber") == head
    anchors.anchor(cosigned(held.size + 1))
    mined(anchors)
    latest = anchors.anchored()
    assert latest is not None and latest.size == held.size + 1


def test_a_node_that_shows_no_log_of_its_anchor_is_no_good(network: Network) -> None:
    network.carry_anchor()
    network.node(Role.ORIGIN).lies["eth_getLogs"] = lambda _parameters, _reply: []
    with refused("NODE_GARBAGE"):
        NodeAnchors(network.manifest, sender(network)).anchored()
    network.node(Role.ORIGIN).lies.clear()
    assert NodeAnchors(network.manifest, sender(network)).anchored()


@pytest.mark.parametrize("key", ["w", "wrong" * 9])
def test_the_ledger_publishes_for_nobody_but_its_operator(office: Office, key: str) -> None:
    before = (office.ledger.log.size, office.ledger.log.latest_cosigned())
    log = HttpLog(office.url, key)
    for ask in (
        log.state,
        log.checkpoint,
        lambda: log.consistency(1, 2),
        lambda: log.publish(b"note"),
        lambda: log.keep_stamp(b"note", b"stamp"),
        lambda: log.missing([bytes(32)]),
        lambda: log.keep_anchor(b"crossing"),
        lambda: log.keep_instruction(b"crossing"),
    ):
        with refused("OPERATOR_KEY"):
            ask()
    log.close()
    assert (office.ledger.log.size, office.ledger.log.latest_cosigned()) == before


def test_what_holds_nothing_is_neither_published_nor_kept(office: Office) -> None:
    log = HttpLog(office.url, KEY)
    note = office.ledger.log.make_checkpoint()
    before = log.state()
    for code, ask in (
        ("QUORUM_MISSING", lambda: log.publish(note)),
        ("NOTE_FORMAT", lambda: log.publish(b"nonsense")),
        ("STAMP_UNEXPECTED", lambda: log.keep_stamp(note, b"stamp")),
        ("LOG_SIZES", lambda: log.consistency(0, 1)),
        ("LOG_SIZES", lambda: log.consistency(1, 10**9)),
    ):
        with refused(code):
            ask()
    for keep in (log.keep_anchor, log.keep_instruction):
        for raw in (b"", b"\xa0", b"nonsense"):
            with pytest.raises(Exception, match=r"BUNDLE_|CBOR") as caught:
                keep(raw)
            assert caught.type.__name__ == "Refused"
    assert log.missing([bytes(32)]) == [bytes(32)]
    assert log.state() == before
    log.close()


def test_a_ledger_that_is_away_is_said_to_be() -> None:
    log = HttpLog("http://127.0.0.1:9", KEY)
    with refused("LEDGER_UNREACHABLE"):
        log.state()
    log.close()
