"""What goes wrong while messages are under way, with separate notary and relay processes on three anvil nodes that may
be reorganised two blocks deep: nothing is lost, nothing happens twice, and nothing false is signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from contracts.binding import log_topic
from contracts.manifest import Role
from ledger.secp256k1 import SigningKey
from relay.retry import REFUSALS_BEFORE_FATAL
from tests.acceptance.processes import Staff
from tests.acceptance.program import until
from tests.chains import (
    CHAIN_IDS,
    COSIGNING_KEYS,
    NOTARY_KEYS,
    Deployed,
    Sent,
    anchor_payload,
    deployed_on_anvil,
)
from tests.contracts.committees import attested
from tests.contracts.test_committee_evidence import FIRST, SECOND
from tests.rotations import announce, carry_out, joiner, pass_time
from tests.simulator.nodes import FaultyNode
from tests.simulator.proxy import proxied

FINALITY = 2
SECONDS = 200.0
# The first account that anvil funds on every chain it starts; everybody knows its key.
PAYER = SigningKey.from_secret(bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))


_COMMITTED = f"0x{log_topic('Gateway', 'MessageCommitted').hex()}"


@dataclass
class Estate:
    """Running chains, their staff, and nodes of the origin that may be made to lie: two of the notaries' three."""

    chains: Deployed
    staff: Staff
    taps: dict[Role, list[FaultyNode]]

    def send(self, size: int) -> Sent:
        return self.chains.send(anchor_payload(size))

    def effects(self, sent: Sent) -> int:
        """How often the message was committed."""
        gateway = self.chains.manifest.chain(Role.DESTINATION).contract("Gateway")
        wanted = {"fromBlock": "0x0", "toBlock": "latest", "address": f"0x{gateway.address.hex()}"}
        named = f"0x{sent.message.id.hex()}"
        found = self.chains.node(Role.DESTINATION).request("eth_getLogs", wanted | {"topics": [_COMMITTED, named]})
        return len(found)

    def explained(self, sent: Sent, words: str) -> None:
        """Wait until the relay says so of a message."""
        until(
            lambda: words in self.staff.message(sent.message.id).get("explain", "") or None,
            seconds=SECONDS,
            what=f"the relay says {words!r}",
        )

    def apart(self, sent: Sent) -> Any:
        """What the relay explains, once epochs were apart more often than a contract's no is taken for one."""
        told = self.staff.ask("relay", f"/messages/0x{sent.message.id.hex()}/explain")
        tried = [each["step"] for each in told["tried"] if each["code"] == "EPOCH_APART"] if told else []
        return told if tried.count("attest") > REFUSALS_BEFORE_FATAL else None


# anvil does not take its base fee back with the blocks it leaves behind: a rule of its own, which the manifest names.
@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    with ExitStack() as stack:
        chains = stack.enter_context(deployed_on_anvil(finality_blocks=FINALITY, base_fee="free"))
        for role in Role:
            chains.node(role).request("evm_setIntervalMining", 1)
        origin = CHAIN_IDS[Role.ORIGIN]
        taps = [FaultyNode(chains.node(Role.ORIGIN)) for _ in range(2)]
        nodes: dict[int, str | list[str]] = dict(chains.urls)
        nodes[origin] = [chains.urls[origin], *(stack.enter_context(proxied(tap)) for tap in taps)]
        keys = list(zip(NOTARY_KEYS, COSIGNING_KEYS, strict=True))
        folder = tmp_path_factory.mktemp("staff")
        staff = Staff(folder, chains.manifest, keys, PAYER, notary_nodes=nodes, relay_nodes=chains.urls)
        yield Estate(chains, stack.enter_context(staff), {Role.ORIGIN: taps})


def test_E06_a_reorganisation_within_finality_leaves_one_commit_or_none(estate: Estate) -> None:
    node = estate.chains.node(Role.ORIGIN)
    lost = estate.send(1)
    node.request("anvil_reorg", 1, [])
    kept = estate.send(2)
    estate.staff.becomes(kept.message.id, "closed")
    # Both were the first of the lane: what vanished has left its sequence to the other.
    assert lost.message.sequence == kept.message.sequence
    assert lost.message.id != kept.message.id
    assert (estate.effects(kept), estate.effects(lost)) == (1, 0)


def test_E08_one_lying_node_of_three_changes_nothing_and_with_two_out_of_reach_nothing_is_signed(
    estate: Estate,
) -> None:
    def forged(_params: list[Any], reply: Any) -> Any:
        """Receipts in which every log says something else."""
        return [each | {"logs": [log | {"data": f"{log['data'][:-2]}ff"} for log in each["logs"]]} for each in reply]

    tap, other = estate.taps[Role.ORIGIN]
    tap.lies["eth_getBlockReceipts"] = forged
    sent = estate.send(3)
    estate.staff.becomes(sent.message.id, "closed")
    assert estate.effects(sent) == 1
    # Fewer answers never lower the bar: one honest node alone is not enough.
    tap.down = other.down = True
    waiting = estate.send(4)
    estate.explained(waiting, "waiting for 3 more attestations")
    assert estate.effects(waiting) == 0
    tap.lies.clear()
    tap.down = other.down = False
    estate.staff.becomes(waiting.message.id, "closed")
    assert estate.effects(waiting) == 1


def test_a_relay_that_is_killed_goes_on_where_the_chains_are(estate: Estate) -> None:
    sent = [estate.send(size) for size in (5, 6)]
    estate.staff.processes.kill("relay")
    sent.append(estate.send(7))
    estate.staff.start_relay()
    for each in sent:
        estate.staff.becomes(each.message.id, "closed")
        assert estate.effects(each) == 1


def test_an_equivocating_notary_is_barred_by_evidence_from_anyone_and_the_others_go_on(estate: Estate) -> None:
    committee = estate.chains.manifest.chain(Role.DESTINATION).contract("Committee")
    evidence = (attested(message, NOTARY_KEYS[3]) for message in (FIRST, SECOND))
    call = committee.encode_call("report", *(each.as_abi() for each in evidence))
    estate.chains.transactors[Role.DESTINATION].send(committee.address, call)
    sent = estate.send(8)
    estate.staff.becomes(sent.message.id, "closed")

    leaf = {"origin": "eip155:7101", "block": sent.block, "transaction_index": 0, "log_index": sent.log_index}
    assert estate.staff.post("notary3", "/attestations", {"leaves": [leaf]})["code"] == "SUSPENDED"
    # With one barred, the other three are the quorum: without one of them nothing goes on.
    estate.staff.processes.kill("notary2")
    waiting = estate.send(9)
    estate.explained(waiting, "waiting for 1 more attestation")
    assert estate.effects(waiting) == 0
    estate.staff.start_notary("notary2")
    estate.staff.becomes(waiting.message.id, "closed")


def test_a_rotation_in_mid_flight_ends_with_the_new_epochs_certificate(estate: Estate) -> None:
    chains, staff = estate.chains, estate.staff
    following = (joiner(1), NOTARY_KEYS[0], NOTARY_KEYS[1], NOTARY_KEYS[2])
    for name in ("notary1", "notary2"):
        staff.processes.kill(name)
    sent = estate.send(10)
    estate.explained(sent, "more attestation")

    def turn(role: Role) -> None:
        transactor, committee = chains.transactors[role], chains.manifest.chain(role).contract("Committee")
        announce(transactor, committee, following, by=dict(enumerate(NOTARY_KEYS[:3])), epoch=1)
        pass_time(transactor.node, chains.manifest.rotation.delay)
        carry_out(transactor, committee, following)

    turn(Role.DESTINATION)
    staff.hire(None, joiner(1), COSIGNING_KEYS[3], name="newcomer")
    staff.processes.kill("relay")
    staff.start_notary("newcomer")
    staff.start_notary("notary1")
    staff.names.append("newcomer")
    staff.processes.urls.setdefault("notary2", staff.processes.urls["notary1"])
    staff.start_relay()
    staff.becomes(sent.message.id, "committed")
    assert estate.effects(sent) == 1
    # The registry takes certificates of its own epoch, and has not begun the new one: that is waited for.
    told = until(lambda: estate.apart(sent), seconds=SECONDS, what="the relay has tried oftener than a no is tried")
    assert (told["next"]["code"], told["next"]["who"]) == ("EPOCH_APART", "the committee's quorum")
    turn(Role.TRANSACTION)
    staff.start_notary("notary2")
    staff.becomes(sent.message.id, "closed")
