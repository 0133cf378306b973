"""A relay that publishes a ledger's log, killed (SIGKILL) at each named point of it, and started again.

One deployment and one served ledger for each seed. Before every start the log has a new entry, so that there is
something to cosign, anchor, carry and hand over. The last start is left alone: by then every anchor must be a state of
the log that a quorum cosigned, and have crossed in one message, and the ledger must hold the newest one's way.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts.manifest import Role
from contracts.submitter import Submitter
from ledger.api.app import create_app
from ledger.bundle import TRUST_ROOT_DOMAIN
from ledger.bundling import Publishing
from ledger.serve import serve
from ledger.store import Cosigners, Ledger
from ledger.store.ledger import KEY_FILE, OPERATOR_KEY_FILE
from relay.anchor_chain import Anchored, NodeAnchors
from relay.bundling import trust_root_of
from tests.acceptance.kill_points import ONCE, SECONDS, Point, mortal_relay, require_killed
from tests.acceptance.program import until
from tests.contracts.world import CHAIN_IDS, LOG_SIGNER, OWNER, deployed_world
from tests.ledger.bundle.estate import DAWN
from tests.relay.test_publish_config import written
from tests.simulator.network import Network, log_of
from tests.simulator.witnesses import served

# As in `kill_points`. None is let through first: one start has one checkpoint to publish.
PUBLISHER_POINTS: dict[str, Point] = {
    "publisher: before it asks for cosignatures": ("relay.cosigning", "Cosigning.ask", "before", 0),
    "publisher: cosigned, and not published": ("relay.cosigning", "Cosigning.ask", "after", 0),
    "publisher: published": ("relay.log_port", "HttpLog.publish", "after", 0),
    "publisher: before it anchors": ("relay.anchor_chain", "NodeAnchors.anchor", "before", 0),
    "publisher: anchored": ("relay.anchor_chain", "NodeAnchors.anchor", "after", 0),
    "publisher: before it carries an anchor": ("relay.anchor_chain", "NodeAnchors.carry", "before", 0),
    "publisher: carried": ("relay.anchor_chain", "NodeAnchors.carry", "after", 0),
    "publisher: before it hands over what crossed": ("relay.log_port", "HttpLog.keep_anchor", "before", 0),
    "publisher: handed over": ("relay.log_port", "HttpLog.keep_anchor", "after", 0),
}
OPERATOR_KEY = "k" * 43
DOMAIN = "pledgetrail/test/v1/json"


@dataclass
class Office:
    """A served ledger, the chains that its log is anchored on, and the relay's folder."""

    ledger: Ledger
    network: Network
    folder: Path
    entered: int = 0

    def enter(self) -> None:
        """Something new, which is to be published."""
        statement = self.ledger.statements.enter(DOMAIN, json.dumps({"number": self.entered}).encode())
        self.entered = statement.entry + 1

    @property
    def has_crossed(self) -> bool:
        """Whether the newest entry is under an anchor whose way the ledger holds."""
        return Publishing(self.ledger).state().crossed >= self.entered

    def check(self) -> None:
        """Nothing anchored twice or uncosigned, nothing carried twice, nothing stuck."""
        node = self.network.world.nodes[Role.ORIGIN]
        chain = NodeAnchors(self.network.manifest, Submitter(node, OWNER, chain_id=CHAIN_IDS[Role.ORIGIN]))
        anchors = list(self._anchors())
        assert [each.size for each in anchors] == sorted({each.size for each in anchors}), anchors
        for each in anchors:
            assert self.ledger.log.cosigned_note(each.size) is not None, each
            assert self.ledger.log.root(each.size) == each.root, each
            (message_id,) = chain.carried(each)
            assert self.network.effects(message_id) == ONCE, (each, self.network.effects(message_id))
        assert Publishing(self.ledger).state().crossed == anchors[-1].size
        account = f"0x{OWNER.address.hex()}"
        counts = {node.request("eth_getTransactionCount", account, at) for at in ("latest", "pending")}
        assert len(counts) == 1, "a nonce is stuck on the origin"

    def _anchors(self) -> Iterator[Anchored]:
        """Every anchor, in the order of the chain."""
        origin = self.network.manifest.chain(Role.ORIGIN)
        registry = origin.contract("AnchorRegistry")
        query = {"fromBlock": hex(origin.first_block), "toBlock": "latest", "address": f"0x{registry.address.hex()}"}
        for reported in self.network.world.nodes[Role.ORIGIN].request("eth_getLogs", query):
            decoded = registry.decode_log(log_of(reported))
            if decoded is not None and decoded.name == "Anchored":
                block = int(reported["blockNumber"], 16)
                yield Anchored(decoded.fields["size"], decoded.fields["root"], block, is_final=True)


@contextmanager
def office(folder: Path) -> Iterator[Office]:
    """Embedded chains, the simulator's notaries and a ledger behind HTTP, and a relay that publishes its log."""
    with deployed_world(folder / "chains") as world:
        network, data, root = Network(world), folder / "ledger", trust_root_of(world.manifest, DAWN.date())
        data.mkdir()
        (data / KEY_FILE).write_bytes(b"\x71" * 32)
        (data / KEY_FILE).chmod(0o600)
        (data / OPERATOR_KEY_FILE).write_text(OPERATOR_KEY)
        ledger = Ledger.open(data, origin=LOG_SIGNER.name)
        ledger.log.cosigners = Cosigners(root.pinned.cosigners, root.pinned.quorum)
        ledger.statements.enter(TRUST_ROOT_DOMAIN, root.dump())
        server = serve(create_app(ledger), host="127.0.0.1", port=0)
        try:
            with served(network.notaries) as urls:
                nodes = {chain.caip2: world.nodes[chain.role].url for chain in world.manifest.chains}
                path = written(folder, world, root=root, ledger=server.url, every_seconds=1, nodes=nodes)
                notaries = [{"name": name, "url": url} for name, url in urls.items()]
                path.write_text(json.dumps(json.loads(path.read_text()) | {"notaries": notaries}))
                yield Office(ledger, network, folder)
        finally:
            server.stop()
            ledger.close()


def run_publisher(seed: int, folder: Path, *, points: list[str] | None = None) -> list[str]:
    """One publishing relay killed at every point, in the seed's order; the points in that order.

    AssertionError where something is lost, doubled or half done, or a point was not met.
    """
    order = points or random.Random(seed).sample(sorted(PUBLISHER_POINTS), len(PUBLISHER_POINTS))
    with office(folder) as found:
        for point in order:
            found.enter()
            with mortal_relay(folder, PUBLISHER_POINTS[point], 0) as running:
                require_killed(running, folder, f"seed {seed}: {point}")
        with mortal_relay(folder, None, 0):
            until(lambda: found.has_crossed or None, seconds=SECONDS, what=f"seed {seed}: everything has crossed")
        found.check()
    return order
