"""Three real chains with a whole deployment on them, for tests: anvil nodes, or the embedded chains.

anvil's native binary is started directly and ended by its process id: a wrapper would leave it orphaned when killed.
Ports are chosen by the system. Keys are derived from fixed bytes and worth nothing anywhere.
"""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from contracts.chain_rules import Finality
from contracts.deploy import ChainPlan, Deployment, LogIdentity
from contracts.embedded.genesis import Genesis
from contracts.embedded.server import EmbeddedNode
from contracts.manifest import NOTARY_POLICY, Cosigner, Manifest, Role, Rules, Trie
from contracts.node import RpcNode
from contracts.plan import PLEDGE_LANES, LanePlan
from contracts.transactor import Mined, Transactor
from ledger.attestation import attestation_digest
from ledger.checkpoint import Cosigner as CosigningKey
from ledger.checkpoint import LogSigner
from ledger.interoperable import encode
from ledger.membership import Possession, operator_digest
from ledger.proposal import MESSAGE_SENT, Message, Proposal, read_proposal
from ledger.quorum import Certificate, Committee, pack, root_over
from ledger.secp256k1 import SigningKey

BINARY = Path(__file__).parent / "acceptance/anvil/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
CHAIN_IDS = {Role.ORIGIN: 7101, Role.DESTINATION: 7102, Role.TRANSACTION: 7103}
NAMES = {Role.ORIGIN: "estate", Role.DESTINATION: "lender", Role.TRANSACTION: "transactions"}
LOG_ORIGIN = "pledgetrail.example/evidence"
DEPLOYER = SigningKey.from_secret(b"\x11" * 32)
NOTARY_KEYS = tuple(SigningKey.from_secret(bytes([0x21 + index]) * 32) for index in range(4))
COSIGNING_KEYS = tuple(CosigningKey(f"notary{index}.example", bytes([0x41 + index]) * 32) for index in range(4))
NOTARIES = tuple(zip(NOTARY_KEYS, COSIGNING_KEYS, strict=True))
LOG_SIGNER = LogSigner(LOG_ORIGIN, b"\x51" * 32)

BaseFee = Literal["eip1559", "free"]
NotaryKeys = tuple[SigningKey, CosigningKey]  # what one notary attests and cosigns with

_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Anvil:
    """A running anvil node."""

    chain_id: int
    url: str


@contextmanager
def anvil(chain_id: int, *arguments: str) -> Iterator[Anvil]:
    """Start one node on a free port; it is gone when the block ends. Fails when the binary is not installed."""
    if not BINARY.exists():
        raise AssertionError("anvil is not installed: run .ci/setup-anvil")
    command = [str(BINARY), "--port", "0", "--chain-id", str(chain_id), "--hardfork", "prague", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    watchdog = threading.Timer(_START_SECONDS, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        address = next((found[1] for line in process.stdout if (found := re.search(r"Listening on (\S+)", line))), None)
        watchdog.cancel()
        assert address is not None, "anvil ended before it listened"
        # Nobody reads its log; but a full pipe would stop it.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield Anvil(chain_id, f"http://{address}")
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()


@contextmanager
def three_anvils(*arguments: str) -> Iterator[dict[Role, Anvil]]:
    """One node per role, started together."""
    with ExitStack() as stack:
        yield {role: stack.enter_context(anvil(chain_id, *arguments)) for role, chain_id in CHAIN_IDS.items()}


@dataclass(frozen=True, slots=True)
class Sent:
    """A message on its origin chain: the proposal and where its log stands (indices from 0)."""

    proposal: Proposal
    block: int
    transaction_index: int
    log_index: int

    @property
    def message(self) -> Message:
        return self.proposal.message


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployment on running chains, with everything a test needs to act on it."""

    manifest: Manifest
    urls: dict[int, str]
    transactors: dict[Role, Transactor]

    def node(self, role: Role) -> RpcNode:
        """A client of a chain's node."""
        node = self.transactors[role].node
        assert isinstance(node, RpcNode)
        return node

    def close(self) -> None:
        """Close the clients of the nodes."""
        for role in self.transactors:
            self.node(role).close()

    def send(self, payload: bytes = b"", *, recipient: bytes | None = None, attributes: Sequence[bytes] = ()) -> Sent:
        """Send a message from the origin to the lender's anchor mirror, as the deployer, over a lane open to it."""
        origin, destination = self.manifest.chain(Role.ORIGIN), self.manifest.chain(Role.DESTINATION)
        to = encode(destination.chain_id, recipient or destination.contracts["AnchorMirror"])
        gateway = origin.contract("Gateway")
        call = gateway.encode_call("sendMessage", to, payload or anchor_payload(1), list(attributes))
        return self.sent(self.transactors[Role.ORIGIN].send(gateway.address, call))

    def sent(self, mined: Mined) -> Sent:
        """The first message that a transaction on the origin sent."""
        origin = self.manifest.chain(Role.ORIGIN).end
        index = next(
            place
            for place, log in enumerate(mined.logs)
            if log.address == origin.gateway and log.topics[0] == MESSAGE_SENT
        )
        proposal = read_proposal(mined.logs[index], origin=origin, destinations=self.manifest.ends)
        return Sent(proposal, mined.block, self._position(Role.ORIGIN, mined), index)

    def commit(self, sent: Sent) -> tuple[Mined, dict[str, Any]]:
        """Commit a message on its destination with signatures of all four notaries; and the log's locator."""
        message = sent.message
        root = root_over([message])
        epoch = self.manifest.committee.epoch
        end = message.destination
        digest = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=root, epoch=epoch)
        signatures = pack({index: key.sign(digest) for index, key in enumerate(NOTARY_KEYS)})
        certificate = Certificate(root, 0, 1, (), epoch, signatures)
        chain = self.manifest.by_id(end.chain_id)
        assert chain is not None
        gateway = chain.contract("Gateway")
        call = gateway.encode_call(
            "commit", message.as_delivery(), sent.proposal.payload, 0, 1, [], certificate.epoch, certificate.signatures
        )
        mined = self.transactors[chain.role].send(gateway.address, call)
        names = [found.name if (found := gateway.decode_log(log)) else "" for log in mined.logs]
        return mined, {
            "chain": chain.caip2,
            "block": mined.block,
            "transaction_index": self._position(chain.role, mined),
            "log_index": names.index("MessageCommitted"),
        }

    def certify_root(self, role: Role, root: bytes) -> Mined:
        """Have a root certified at a gateway, by all four notaries: a log of the gateway that is about no message."""
        chain, epoch = self.manifest.chain(role), self.manifest.committee.epoch
        gateway = chain.contract("Gateway")
        digest = attestation_digest(chain_id=chain.chain_id, gateway=gateway.address, root=root, epoch=epoch)
        signatures = pack({index: key.sign(digest) for index, key in enumerate(NOTARY_KEYS)})
        return self.transactors[role].send(gateway.address, gateway.encode_call("certify", root, epoch, signatures))

    def open_lane(self, sender: bytes) -> None:
        """Open a lane from an account on the origin to the lender's anchor mirror, which then listens to it."""
        origin, destination = self.manifest.chain(Role.ORIGIN), self.manifest.chain(Role.DESTINATION)
        mirror, administration = destination.contract("AnchorMirror"), destination.contract("Administration")
        transactor = self.transactors[Role.DESTINATION]
        transactor.send(mirror.address, mirror.encode_call("admit", origin.chain_id, sender))
        lane = (origin.chain_id, sender, mirror.address, NOTARY_POLICY, False)
        transactor.send(administration.address, administration.encode_call("open_lane", *lane))

    def _position(self, role: Role, mined: Mined) -> int:
        receipt = self.node(role).request("eth_getTransactionReceipt", f"0x{mined.transaction.hex()}")
        return int(receipt["transactionIndex"], 16)


def anchor_payload(size: int) -> bytes:
    """A payload that the anchor mirror takes: log, size, root."""
    return b"\x01" * 32 + size.to_bytes(32, "big") + size.to_bytes(32, "big")


def fund(node: RpcNode, account: bytes) -> None:
    """Give an account 1,000 ether; a block follows, so that every block's state is what its header says.

    No transaction does it: a notary that re-executes this block finds that it differs.
    """
    node.request("anvil_setBalance", f"0x{account.hex()}", hex(10**21))
    node.request("anvil_mine", "0x1")


def deploy(
    urls: Mapping[Role, str],
    *,
    trie: Trie,
    finality_blocks: int = 0,
    finality: Finality = Finality.DEPTH,
    lanes: Sequence[LanePlan] = PLEDGE_LANES,
    base_fee: BaseFee = "eip1559",
    notaries: Sequence[NotaryKeys] = NOTARIES,
) -> Deployed:
    """Deploy everything on three nodes where the deployer has funds, and open a lane from it to the anchor mirror."""
    plans, rules = {}, Rules(trie=trie, finality_blocks=finality_blocks, finality=finality, base_fee=base_fee)
    for role, url in urls.items():
        transactor = Transactor(RpcNode(url), DEPLOYER, chain_id=CHAIN_IDS[role])
        plans[role] = ChainPlan(NAMES[role], transactor, rules)
    committee = Committee(1, tuple(key.address for key, _ in notaries))
    cosigners = tuple(Cosigner(key.name, key.key.public_key) for _, key in notaries)
    log = LogIdentity(LOG_ORIGIN, LOG_SIGNER.key.public_key, DEPLOYER.address)
    possessions = [Possession.prove(operator_digest(key.name), notary, key.private_key) for notary, key in notaries]
    manifest = Deployment(plans, committee, cosigners, log, possessions, lanes=lanes).run()
    transactors = {role: plan.transactor for role, plan in plans.items()}
    by_id = {CHAIN_IDS[role]: url for role, url in urls.items()}
    deployed = Deployed(manifest, by_id, transactors)
    deployed.open_lane(DEPLOYER.address)
    return deployed


@contextmanager
def deployed_on_anvil(
    *arguments: str,
    finality_blocks: int = 0,
    finality: Finality = Finality.DEPTH,
    lanes: Sequence[LanePlan] = PLEDGE_LANES,
    base_fee: BaseFee = "eip1559",
    notaries: Sequence[NotaryKeys] = NOTARIES,
) -> Iterator[Deployed]:
    """Three fresh anvil nodes, started with these arguments, with a deployment; ended with the block."""
    with three_anvils(*arguments) as nodes:
        for node in nodes.values():
            client = RpcNode(node.url)
            fund(client, DEPLOYER.address)
            client.close()
        urls = {role: node.url for role, node in nodes.items()}
        chains = deploy(
            urls,
            trie="keeps_zero_leaves",
            finality_blocks=finality_blocks,
            finality=finality,
            lanes=lanes,
            base_fee=base_fee,
            notaries=notaries,
        )
        try:
            yield chains
        finally:
            chains.close()


@contextmanager
def deployed_on_embedded(folder: Path) -> Iterator[Deployed]:
    """Three embedded chains in `folder` with a deployment; ended with the block."""
    with ExitStack() as stack:
        urls = {}
        for role, chain_id in CHAIN_IDS.items():
            genesis = Genesis(chain_id, accounts={f"0x{DEPLOYER.address.hex()}": 10**21})
            urls[role] = stack.enter_context(EmbeddedNode.start(folder / NAMES[role], genesis)).url
        chains = deploy(urls, trie="standard")
        stack.callback(chains.close)
        yield chains
