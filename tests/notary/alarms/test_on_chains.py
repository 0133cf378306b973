"""The same on real chains, through proofs (K08): what a stolen quorum, a rewritten slot or a lying node does is seen.

The chains are shared and only ever added to: each watch reads them from their beginning, and its test asks what is new.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.manifest import NOTARY_POLICY, Role
from contracts.proven_storage import slot_of
from contracts.transactor import Mined
from ledger.attestation import DIFFERS, SAME, Verdict, attestation_digest, verdict_digest
from ledger.conservation import Transfer
from ledger.equivocation import Attested
from ledger.errors import Problem
from ledger.ethereum.keccak import keccak256
from ledger.proposal import Message, Proposal, read_proposal
from ledger.quorum import pack, root_over
from notary.alarms.alarm import Label
from notary.alarms.facts import Word
from notary.alarms.floor import Terms
from notary.alarms.memory import Memory
from notary.alarms.sight import ProvenSight
from notary.alarms.watch import Turn, Watch
from tests.chains import CHAIN_IDS, NOTARY_KEYS, Deployed, Sent, deployed_on_anvil, deployed_on_embedded
from tests.notary.alarms.model import ModelNotaries
from tests.notary.subject import Lie, LyingNode, honest
from tests.notary.test_backing import Value, laid
from tests.rotations import announce, carry_out, pass_time

SECONDS = 10


class Estate:
    """A watch over chains, its clock a second further with each look; `told` since the last `settle`."""

    def __init__(self, chains: Deployed, folder: Path, **terms: Any) -> None:
        self.chains, self.folder = chains, folder
        self.liars = {each.chain_id: LyingNode(chains.node(each.role)) for each in chains.manifest.chains}
        self.notaries = ModelNotaries({f"notary{index}": Word(f"notary{index}", 10**9, {}) for index in range(4)})
        self.terms = Terms(chains.manifest, **{"patience": 3, **terms})
        self.told: list[dict[str, Any]] = []
        self.hinted: list[dict[str, Any]] = []
        self.now = self._head()
        self._open()
        self.settle()

    def _open(self) -> None:
        manifest = self.chains.manifest
        self.memory = Memory(self.folder, owner=b"\x0f" * 20)
        sights = [ProvenSight(manifest, chain, self.liars[chain.chain_id]) for chain in manifest.chains]
        self.watch = Watch(
            self.terms,
            self.memory,
            sights,
            self.notaries,
            clock=lambda: self.now,
            tell=self.told.append,
            hint=self.hinted.append,
        )

    def restart(self) -> None:
        self.memory.close()
        self._open()

    def settle(self) -> None:
        """Read everything that other tests left behind."""
        self.look(SECONDS)
        self.told.clear()

    def look(self, seconds: int = SECONDS) -> list[str]:
        """So many seconds, and the labels of what was told in them."""
        before = len(self.told)
        for _ in range(seconds):
            self.now = max(self.now + 1, self._head())
            while self.watch.step() is Turn.CONTINUE:
                pass
        return sorted(str(alarm["label"]) for alarm in self.told[before:])

    def _head(self) -> int:
        heads = [self.chains.node(role).request("eth_getBlockByNumber", "latest", False) for role in Role]
        return max(int(head["timestamp"], 16) for head in heads)


@pytest.fixture(scope="module")
def value() -> Iterator[Value]:
    with deployed_on_anvil() as chains:
        yield answered(chains)


def answered(chains: Deployed) -> Value:
    """A vault and its voucher, which hear from the registry what became of their transfers."""
    found = laid(chains)
    registry = found.chains.manifest.chain(Role.TRANSACTION).contracts["TransactionRegistry"]
    for role in (Role.ORIGIN, Role.DESTINATION):
        administration = found.contract(role, "Administration")
        lane = (CHAIN_IDS[Role.TRANSACTION], registry, found.contract(role).address, NOTARY_POLICY, False)
        chains.transactors[role].send(administration.address, administration.encode_call("open_lane", *lane))
    return found


@pytest.fixture
def estate(value: Value, tmp_path: Path) -> Iterator[Estate]:
    found = Estate(value.chains, tmp_path / "watch")
    yield found
    found.memory.close()


def forged(sent: Sent, payload: bytes) -> Sent:
    """A message beside a true one, which nobody sent; whoever holds a quorum's keys can certify it."""
    message = replace(sent.message, sequence=sent.message.sequence + 1_000, payload_digest=keccak256(payload))
    return replace(sent, proposal=Proposal(message, payload))


def registry(chains: Deployed, function: str, *arguments: Any) -> Mined:
    contract = chains.manifest.chain(Role.TRANSACTION).contract("TransactionRegistry")
    return chains.transactors[Role.TRANSACTION].send(contract.address, contract.encode_call(function, *arguments))


def signatures(message: Message, signers: Sequence[int]) -> bytes:
    end = message.destination
    digest = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=root_over([message]), epoch=1)
    return pack({index: NOTARY_KEYS[index].sign(digest) for index in signers})


def attest(chains: Deployed, message: Message) -> None:
    registry(chains, "attest", message.destination.chain_id, [message.id], 1, signatures(message, (0, 1, 2)))


def judge(chains: Deployed, message: Message, commit: Mined, verdict: int, signers: Sequence[int]) -> Mined:
    where = (b"\x0b" * 32, commit.block_hash, commit.transaction, commit.block)
    executed, outcome = verdict == SAME, b"minted".ljust(32, b"\x00")
    said = Verdict(message.id, 1, *where, verdict, executed, outcome, policy=1, origin_log=0, commit_log=0)
    chain = chains.manifest.chain(Role.TRANSACTION)
    address = chain.contracts["TransactionRegistry"]
    digest = verdict_digest(chain_id=chain.chain_id, registry=address, verdict=said)
    packed = pack({index: NOTARY_KEYS[index].sign(digest) for index in signers})
    return registry(chains, "judge", tuple(getattr(said, name) for name in said.__slots__), packed)


def honest_traffic(value: Value) -> None:
    """A transfer, carried, recorded, closed and acknowledged; and an anchor's message."""
    chains = value.chains
    sent = value.lock(5)
    commit, _ = chains.commit(sent)
    registry(chains, "propose", [sent.message.as_abi()])
    attest(chains, sent.message)
    closed = judge(chains, sent.message, commit, SAME, (0, 1, 2))
    end = chains.manifest.chain(Role.TRANSACTION).end
    (answer,) = (log for log in closed.logs if log.address == end.gateway)
    chains.commit(Sent(read_proposal(answer, origin=end, destinations=chains.manifest.ends), 0, 0, 0))
    chains.commit(chains.send())


def test_K08_honest_traffic_with_a_rotation_is_silent_also_after_a_restart(tmp_path: Path) -> None:
    with deployed_on_anvil() as own:
        found = answered(own)
        estate = Estate(found.chains, tmp_path / "watch")
        honest_traffic(found)
        transactor = own.transactors[Role.DESTINATION]
        committee = own.manifest.chain(Role.DESTINATION).contract("Committee")
        announce(transactor, committee, NOTARY_KEYS[::-1], by=dict(enumerate(NOTARY_KEYS)), epoch=1)
        assert estate.look() == []
        pass_time(transactor.node, own.manifest.rotation.delay)
        carry_out(transactor, committee, NOTARY_KEYS[::-1])
        estate.now = estate._head()
        estate.restart()
        # The other chains stand still for the two days that only this one has lived.
        assert set(estate.look()) <= {Label.CHAIN_STALLED}
        assert estate.memory.count("epoch") == 4
        estate.memory.close()


def test_K08_a_stolen_quorum_that_commits_what_nobody_sent_is_seen(value: Value, estate: Estate) -> None:
    honest_traffic(value)
    assert estate.look() == []
    true = value.chains.send()
    value.chains.commit(forged(true, true.proposal.payload + b""))
    assert estate.look() == [Label.PROPOSAL_MISSING]
    alarm = estate.told[-1]
    assert (alarm["where"]["chain"], alarm["severity"]) == ("eip155:7102", "critical")
    assert alarm["evidence"]["message"] == f"0x{forged(true, true.proposal.payload).message.id.hex()}"
    estate.restart()
    assert estate.look() == []


def test_K08_a_mint_that_nothing_was_locked_for_is_seen(value: Value, estate: Estate) -> None:
    value.lock(1_000)
    true = value.lock(1)
    stolen = replace(Transfer.read(true.proposal.payload), quantity=900, beneficiary=b"\x66" * 20).encode()
    value.chains.commit(forged(true, stolen))
    assert estate.look() == [Label.PROPOSAL_MISSING, Label.VALUE_UNBACKED]
    assert estate.told[-1]["evidence"].get("quantity", "900") == "900"


def test_K08_a_certificate_over_nothing_is_seen_before_it_is_used(value: Value, estate: Estate) -> None:
    attest(value.chains, forged(value.chains.send(), b"never sent").message)
    assert estate.look() == [Label.PROPOSAL_MISSING]
    assert str(estate.told[-1]["subject"]).startswith("certificate ")


def test_K08_two_attestations_of_one_place_are_seen(value: Value, estate: Estate) -> None:
    chains, first = value.chains, value.chains.send().message
    pair = (first, replace(first, payload_digest=keccak256(b"another")))
    evidence = []
    for message in pair:
        end = message.destination
        digest = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=root_over([message]), epoch=1)
        evidence.append(Attested(message, 0, 1, (), 1, NOTARY_KEYS[3].sign(digest).pack()).as_abi())
    committee = chains.manifest.chain(Role.ORIGIN).contract("Committee")
    chains.transactors[Role.ORIGIN].send(committee.address, committee.encode_call("report", *evidence))
    assert estate.look() == [Label.EQUIVOCATION]
    assert estate.told[-1]["evidence"]["signer"] == f"0x{NOTARY_KEYS[3].address.hex()}"


def test_K08_a_dispute_is_seen(value: Value, estate: Estate) -> None:
    sent = value.lock(3)
    commit, _ = value.chains.commit(sent)
    registry(value.chains, "propose", [sent.message.as_abi()])
    assert estate.look() == []
    judge(value.chains, sent.message, commit, DIFFERS, (0, 1))
    assert estate.look() == [Label.VERDICT_DIFFERS]


def test_K08_a_slot_that_no_transaction_changed_is_seen(value: Value, estate: Estate) -> None:
    """By the books where value moves, and by the storage of a contract that nobody spoke to."""
    vault, anchors = value.contract(Role.ORIGIN), value.contract(Role.ORIGIN, "AnchorRegistry")
    held = value.chains.node(Role.ORIGIN).request(
        "eth_getStorageAt", f"0x{vault.address.hex()}", f"0x{slot_of('Vault', 'counts', value.asset):064x}", "latest"
    )
    more = int(held, 16) + (10**6 << 128)
    with value.tampered(Role.ORIGIN, vault, slot_of("Vault", "counts", value.asset), more):
        value.lock(2)
        assert estate.look() == [Label.STATE_REWRITTEN]
        assert estate.told[-1]["where"]["contract"] == "Vault"
    estate.look()
    with value.tampered(Role.ORIGIN, anchors, slot_of("AnchorRegistry", "anchored"), 77):
        assert estate.look() == [Label.STATE_REWRITTEN]
        assert estate.told[-1]["where"]["contract"] == "AnchorRegistry"


def test_K08_an_anchor_that_notaries_never_saw_is_seen(value: Value, estate: Estate) -> None:
    anchors = value.contract(Role.ORIGIN, "AnchorRegistry")
    origin = value.chains.transactors[Role.ORIGIN]
    node = value.chains.node(Role.ORIGIN)
    size = int(anchors.read(node, "latest_size")) + 10
    origin.send(anchors.address, anchors.encode_call("anchor", size, b"\x07" * 32))
    assert estate.look() == []
    for named, word in list(estate.notaries.words.items())[:2]:
        estate.notaries.words[named] = replace(word, log_size=size)
    origin.send(anchors.address, anchors.encode_call("anchor", size + 5, b"\x08" * 32))
    assert estate.look() == [Label.ANCHOR_UNCOSIGNED]


def test_K08_withdrawals_that_use_up_a_window_are_told(tmp_path: Path) -> None:
    with deployed_on_anvil() as own:
        found = laid(own)
        estate = Estate(found.chains, tmp_path / "watch")
        ends = {role: found.contract(role).address for role in (Role.ORIGIN, Role.DESTINATION)}
        administration = found.contract(Role.DESTINATION, "Administration")
        lane = (CHAIN_IDS[Role.ORIGIN], ends[Role.ORIGIN], ends[Role.DESTINATION])
        limited = administration.encode_call("limit_lane", *lane, (100, 100, 3_600))
        own.transactors[Role.DESTINATION].send(administration.address, limited)
        for quantity in (40, 39):
            found.chains.commit(found.lock(quantity))
        assert estate.look() == []
        found.chains.commit(found.lock(1))
        assert estate.look() == [Label.CAP_NEARLY_SPENT]
        estate.memory.close()


def test_K08_a_lane_on_which_nothing_arrives_is_told_after_its_patience(tmp_path: Path) -> None:
    with deployed_on_anvil() as own:
        estate = Estate(own, tmp_path / "watch", silence=50)
        own.send()
        assert estate.look(35) == []
        assert estate.look(20) == [Label.LANE_SILENT]
        assert estate.look(30) == []
        estate.memory.close()


def test_K08_a_chain_that_stands_still_is_told(value: Value, tmp_path: Path) -> None:
    for role in Role:  # so that all are equally old
        value.chains.node(role).request("anvil_mine", "0x1")
    estate = Estate(value.chains, tmp_path / "watch", stalled=100)
    assert estate.look(50) == []
    assert set(estate.look(80)) == {Label.CHAIN_STALLED}
    estate.memory.close()


def _without_receipts(method: str, _params: Sequence[Any], result: Any) -> Any:
    return [] if method == "eth_getBlockReceipts" else result


def _of_another_chain(method: str, _params: Sequence[Any], result: Any) -> Any:
    return "0x1" if method == "eth_chainId" else result


@pytest.mark.parametrize("lie", [_without_receipts, _of_another_chain])
def test_K08_a_node_that_lies_is_told_and_hides_nothing(value: Value, estate: Estate, lie: Lie) -> None:
    """Nothing is raised of what was not read, and everything of it once the node is honest again."""
    true = value.chains.send()
    estate.liars[7102].lie = lie
    value.chains.commit(forged(true, true.proposal.payload))
    assert estate.look() == [Label.NODES_DISAGREE]
    estate.liars[7102].lie = honest
    assert estate.look() == [Label.PROPOSAL_MISSING]


def test_K08_a_chain_that_takes_back_what_was_final_is_told_once(tmp_path: Path) -> None:
    with deployed_on_anvil() as own:
        found = laid(own)
        estate = Estate(found.chains, tmp_path / "watch")
        found.chains.commit(found.lock(4))
        assert estate.look() == []
        found.chains.node(Role.ORIGIN).request("anvil_mine", "0x3")
        assert estate.look() == []
        found.chains.node(Role.ORIGIN).request("anvil_reorg", 2, [])
        assert estate.look() == [Label.CHAIN_REWRITTEN]
        estate.restart()
        assert estate.look() == []
        estate.memory.close()


def test_K08_what_is_not_final_yet_is_hinted(tmp_path: Path) -> None:
    with deployed_on_anvil(finality_blocks=8) as own:
        for role in Role:
            own.node(role).request("anvil_mine", "0x8")
        estate = Estate(own, tmp_path / "watch")
        true = own.send()
        own.commit(true)
        assert (estate.look(), estate.hinted) == ([], [])
        own.commit(forged(true, true.proposal.payload))
        assert estate.look() == []
        assert [hint["label"] for hint in estate.hinted] == [Label.PROPOSAL_MISSING]
        for role in Role:
            own.node(role).request("anvil_mine", "0x8")
        assert estate.look() == [Label.PROPOSAL_MISSING]
        assert estate.hinted[0]["id"] == estate.told[-1]["id"]
        estate.memory.close()


def test_K08_embedded_chains_are_watched_alike(tmp_path: Path) -> None:
    with deployed_on_embedded(tmp_path / "chains") as chains:
        estate = Estate(chains, tmp_path / "watch")
        chains.commit(chains.send())
        chains.certify_root(Role.DESTINATION, b"\x05" * 32)
        assert estate.look() == []
        true = chains.send()
        chains.commit(forged(true, true.proposal.payload))
        assert estate.look() == [Label.PROPOSAL_MISSING]
        estate.memory.close()


def test_a_folder_of_another_deployment_is_refused(value: Value, estate: Estate) -> None:
    estate.memory.close()
    with pytest.raises(Problem) as caught:
        Memory(estate.folder, owner=b"\x0e" * 20)
    assert caught.value.code == "JOURNAL_OWNER"
