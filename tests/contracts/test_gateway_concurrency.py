"""G09: several accounts send the same message's commit at one moment, past every simulation: the replay bit decides."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from contracts.manifest import Role
from contracts.transactor import Call, Transactor, sign
from ledger.errors import Problem
from tests.contracts.world import CHAIN_IDS, HOLDER, LENDER, OWNER, STRANGER, World, as_abi
from tests.crowd import DONE, SECONDS

GAS, MAX_FEE = 2_000_000, 100 * 10**9  # a transaction; wei per gas


def test_G09_of_many_commits_of_one_message_one_has_an_effect(served_world: World) -> None:
    world = served_world
    size, root = 5, b"\x05" * 32
    world.send(Role.ORIGIN, "AnchorRegistry", "anchor", size, root)
    mirror = world.address(Role.DESTINATION, "AnchorMirror")
    carried = world.send(Role.ORIGIN, "AnchorRegistry", "carry", mirror, size, root)
    (proposal,) = world.sent(Role.ORIGIN, carried)
    gateway, certificate = world.contract(Role.DESTINATION, "Gateway"), world.certify(proposal.message)
    arguments = (proposal.message.as_delivery(), proposal.payload, *as_abi(certificate))
    call = Call(CHAIN_IDS[Role.DESTINATION], gateway.address, gateway.encode_call("commit", *arguments), GAS)
    accounts = [OWNER, STRANGER, HOLDER, LENDER]
    begin = threading.Barrier(2 * len(accounts))

    carriers = [world.transactor(Role.DESTINATION, account) for account in accounts]
    nonces = [next_nonce(carrier) for carrier in carriers]

    def commit(number: int) -> str:
        """Each account twice, with consecutive nonces: whichever order the node takes them in."""
        begin.wait(SECONDS)
        return outcome(carriers[number // 2], call, nonces[number // 2] + number % 2)

    with ThreadPoolExecutor(2 * len(accounts)) as threads:
        outcomes = list(threads.map(commit, range(2 * len(accounts))))
    assert sorted(outcomes) == ["TX_FAILED"] * (2 * len(accounts) - 1) + [DONE]
    assert world.read(Role.DESTINATION, "Gateway", "status", proposal.message.id) == 0
    found = {"address": f"0x{gateway.address.hex()}", "fromBlock": "0x0", "toBlock": "latest"}
    logs = world.nodes[Role.DESTINATION].request("eth_getLogs", found)
    assert sum(f"0x{proposal.message.id.hex()}" in log["topics"] for log in logs) == 1
    # The honest twin: the next message of the lane.
    world.send(Role.ORIGIN, "AnchorRegistry", "anchor", size + 1, root)
    (other,) = world.sent(Role.ORIGIN, world.send(Role.ORIGIN, "AnchorRegistry", "carry", mirror, size + 1, root))
    world.commit(other)


def next_nonce(carrier: Transactor) -> int:
    return int(carrier.node.request("eth_getTransactionCount", f"0x{carrier.address.hex()}", "latest"), 16)


def outcome(carrier: Transactor, call: Call, nonce: int) -> str:
    """Broadcast without asking whether it would go through, and say what the receipt says."""
    signed = sign(carrier.key, call, nonce=nonce, max_fee=MAX_FEE, tip=1)
    carrier.node.request("eth_sendRawTransaction", f"0x{signed.raw.hex()}")
    try:
        carrier.wait((signed.transaction, 0.0))
    except Problem as problem:
        return problem.code
    return DONE
