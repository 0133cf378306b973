"""Exchanges on chains behind nodes: the people begin them, and whoever carries messages brings them to their end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from contracts.manifest import Role
from ledger.two_phase import Plan
from tests.contracts.exchange_world import Exchange
from tests.contracts.two_phase_world import legs_abi
from tests.contracts.world import OWNER
from tests.simulator.network import log_of

EMPTY = bytes(19) + b"\x01"


@dataclass(slots=True)
class Market(Exchange):
    """`skip`: lets a chain's clock go on by so many seconds."""

    skip: Callable[[Role, int], None] = field(default=lambda _role, _seconds: None)

    @property
    def now(self) -> int:
        """Seconds of the transaction chain's newest block."""
        block = self.world.nodes[Role.TRANSACTION].request("eth_getBlockByNumber", "latest", False)
        return int(block["timestamp"], 16)

    def trade(self, *willing: int, prepare_in: int = 3600) -> Plan:
        """Whoever is willing consents or funds, and it begins; nobody carries anything."""
        plan = self.plan(prepare_in=prepare_in)
        self.agree(plan, willing)
        self.call("begin", plan.salt, plan.prepare_by, legs_abi(plan))
        return plan

    def pass_time(self, seconds: int, *roles: Role) -> None:
        """Let the clocks go on, each to a new block; all of them where none is named."""
        for role in roles or tuple(Role):
            self.skip(role, seconds)
        for role in roles or tuple(Role):
            self.world.transactor(role, OWNER).send(EMPTY, b"")

    def said(self, plan: Plan) -> Counter[str]:
        """How often each of the coordinator's logs about a transaction stands; `Told` by action and leg."""
        chain = self.world.manifest.chain(Role.TRANSACTION)
        coordinator = chain.contract("Coordinator")
        query = {"fromBlock": "0x0", "toBlock": "latest", "address": f"0x{coordinator.address.hex()}"}
        found: Counter[str] = Counter()
        for reported in self.world.nodes[Role.TRANSACTION].request(
            "eth_getLogs", query | {"topics": [None, f"0x{plan.id.hex()}"]}
        ):
            decoded = coordinator.decode_log(log_of(reported))
            assert decoded is not None
            fields = decoded.fields
            found[f"{fields['action']} to {fields['leg']}" if decoded.name == "Told" else decoded.name] += 1
        return found
