"""Everything that runs during the demo, opened in order and closed in reverse: chains, notaries, relay, ledger.

One process here; each part would run by itself with the same configuration on a machine of its own.
"""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from contracts.deploy import ChainPlan, Deployment, LogIdentity
from contracts.manifest import Cosigner, Manifest, Role, Rules, Trie
from contracts.submitter import Submitter
from examples.demo.accounts import own_accounts
from examples.demo.chains import NAMES, Chains, open_chains
from examples.demo.folder import DataFolder
from ledger.api.app import create_app
from ledger.bundle import TrustRoot
from ledger.checkpoint import CosignerKey
from ledger.durable_file import write_new, write_whole
from ledger.membership import Possession, operator_digest
from ledger.quorum import Committee
from ledger.secp256k1 import SigningKey
from ledger.serve import RunningServer, serve_on
from ledger.store import Cosigners, Ledger, utc_now
from ledger.store.ledger import OPERATOR_KEY_FILE
from notary.config import NotaryConfig
from notary.service import start as start_notary
from notary.signer import create_keys, open_signer
from relay.anchor_chain import AnchorChain, NodeAnchors
from relay.bundling import trust_root_of
from relay.committees import Committees
from relay.cosigning import Cosigning
from relay.handing import Handing
from relay.indexer import Indexer
from relay.log_memory import LogMemory
from relay.log_port import HttpLog
from relay.notaries import HttpNotary
from relay.panel import NotaryPanel
from relay.publisher import Publisher
from relay.relay import Relay

NOTARIES = 4
LOG_ORIGIN = "pledgetrail.example/tea"
MANIFEST_FILE = "manifest.json"
TRUST_ROOT_FILE = "trust-root.json"


@dataclass(frozen=True, slots=True)
class Outside:
    """What a user brings instead of the embedded default: nodes by role, funded accounts, their trie rule."""

    nodes: Mapping[Role, str]
    accounts: Mapping[str, SigningKey] | None
    trie: Trie


@dataclass(slots=True)
class House:
    """The running parts. `manifest` is what everyone agreed on at deployment."""

    folder: DataFolder
    accounts: dict[str, SigningKey]
    chains: Chains
    manifest: Manifest
    trust_root: TrustRoot
    ledger: Ledger
    relay: Relay
    publisher: Publisher
    anchors: AnchorChain
    pages: RunningServer

    def publish_on(self) -> Callable[[], None]:
        """Let the publisher run by itself from now on; what is answered stops it."""
        thread = threading.Thread(target=self.publisher.run, name="publisher", daemon=True)
        thread.start()

        def stop() -> None:
            self.publisher.stop()
            thread.join()

        return stop


def open_house(
    opened: ExitStack, folder: DataFolder, *, listener: socket.socket, outside: Outside, say: Callable[[str], None]
) -> House:
    """Open every part; `opened` closes them. `say` hears of each, for a progress display.

    `listener`: the port of the pages, taken before anything was written. Errors: those of each part.
    """
    accounts = dict(outside.accounts) if outside.accounts else own_accounts(folder / "accounts.json")
    say("starting three chains")
    chains = open_chains(folder / "chains", outside.nodes, accounts.values())
    opened.callback(chains.stop)
    public_keys = [create_keys(folder.notary(index)) for index in range(NOTARIES)]
    names = [f"notary-{index + 1}.pledgetrail.example" for index in range(NOTARIES)]
    cosigners = tuple(Cosigner(name, keys.cosigning) for name, keys in zip(names, public_keys, strict=True))
    committee = Committee(1, tuple(keys.address for keys in public_keys))
    counted = Cosigners(tuple(CosignerKey(c.name, c.public_key) for c in cosigners), committee.quorum)
    ledger = Ledger.open(folder.path, origin=LOG_ORIGIN, cosigners=counted)
    opened.callback(ledger.close)
    log = LogIdentity(LOG_ORIGIN, ledger.log.key.public_key, accounts["anchorer"].address)
    signers = (open_signer(folder.notary(index)) for index in range(NOTARIES))
    possessions = [signer.prove(operator_digest(name)) for signer, name in zip(signers, names, strict=True)]
    manifest = _manifest(
        folder / MANIFEST_FILE, chains, accounts, committee, cosigners, log, possessions, outside.trie, say
    )
    say(f"starting {NOTARIES} notaries ({committee.quorum} must agree)")
    notaries: list[HttpNotary] = []
    for index in range(NOTARIES):
        running = start_notary(NotaryConfig(index, manifest, chains.urls, folder.notary(index)), port=0)
        opened.callback(running.stop)
        notaries.append(HttpNotary(f"notary {index + 1}", running.url))
        opened.callback(notaries[-1].close)
    committees = Committees(manifest, {chains.ids[role]: chains.nodes[role] for role in Role})
    panel = NotaryPanel(notaries, committee, committees=committees.of)
    opened.callback(panel.close)
    say("starting the relay, the ledger's API and its pages")
    payers = {
        chains.ids[role]: Submitter(chains.nodes[role], accounts["relay"], chain_id=chains.ids[role]) for role in Role
    }
    relay = Relay(manifest, payers, panel, [committees, Indexer(ledger.chains)])
    opened.callback(relay.stop)
    pages = serve_on(listener, create_app(ledger))
    opened.callback(pages.stop)
    ledger.public_url = pages.url
    ledger.chain_names = {chain.chain_id: chain.name for chain in manifest.chains}
    trust_root = _trust_root(folder / TRUST_ROOT_FILE, manifest)
    publisher, anchors = _publisher(opened, folder, accounts, chains, trust_root, pages.url, relay)
    relay.start()
    return House(folder, accounts, chains, manifest, trust_root, ledger, relay, publisher, anchors, pages)


def _publisher(
    opened: ExitStack,
    folder: DataFolder,
    accounts: Mapping[str, SigningKey],
    chains: Chains,
    root: TrustRoot,
    url: str,
    relay: Relay,
) -> tuple[Publisher, AnchorChain]:
    """The log's publisher, which steps when it is told to, and the chain that it anchors on.

    It speaks to the ledger as it would from another machine: over HTTP, with the operator's key.
    """
    write_new(folder / OPERATOR_KEY_FILE, f"{secrets.token_urlsafe(32)}\n".encode())
    log = HttpLog(url, (folder / OPERATOR_KEY_FILE).read_text().strip())
    opened.callback(log.close)
    node = chains.nodes[Role.ORIGIN]
    anchors = NodeAnchors(relay.manifest, Submitter(node, accounts["anchorer"], chain_id=chains.ids[Role.ORIGIN]))
    handing = Handing(relay.manifest, root, relay.nodes, relay.look, clock=time.monotonic)
    relay.hear(handing)
    publisher = Publisher(
        log,
        anchors,
        Cosigning(root, relay.panel),
        LogMemory(folder / "publisher", root.log),
        handing,
        log_name=root.log.name,
        look=relay.look,
        clock=time.monotonic,
    )
    return publisher, anchors


def _trust_root(path: Path, manifest: Manifest) -> TrustRoot:
    """The trust root that was published, dated the day of the first run."""
    if path.exists():
        return TrustRoot.load(path.read_bytes())
    made = trust_root_of(manifest, utc_now().date())
    write_whole(path, made.dump())
    return made


def _manifest(
    path: Path,
    chains: Chains,
    accounts: Mapping[str, SigningKey],
    committee: Committee,
    cosigners: tuple[Cosigner, ...],
    log: LogIdentity,
    possessions: Sequence[Possession],
    trie: Trie,
    say: Callable[[str], None],
) -> Manifest:
    """The deployment this folder has made, or a new one; written whole or not at all."""
    if path.exists():
        return Manifest.load(path.read_bytes())
    rules = Rules(trie=trie)
    plans = {role: ChainPlan(NAMES[role], chains.transactor(role, accounts["deployer"]), rules) for role in Role}

    def told(step: str) -> None:
        say(f"deploying {step}")

    manifest = Deployment(plans, committee, cosigners, log, possessions, on_step=told).run()
    write_whole(path, manifest.dump())
    return manifest
