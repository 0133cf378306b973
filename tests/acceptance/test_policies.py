"""A loan over lanes of every policy: separate notary and relay processes on three anvil nodes, two of them sealed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from contracts.manifest import Policy, Role
from contracts.plan import PLEDGE_LANES
from tests.acceptance.estate import estate
from tests.acceptance.processes import SECONDS
from tests.acceptance.program import until

POLICIES = (Policy.RELAY, Policy.NOTARY_AND_RELAY, Policy.RELAY, Policy.CERTIFIED)
ACTIVE = 2


def test_a_loan_crosses_lanes_of_every_policy(tmp_path: Path) -> None:
    lanes = [replace(lane, policy=policy) for lane, policy in zip(PLEDGE_LANES, POLICIES, strict=True)]
    with (
        estate(sealed={Role.ORIGIN: 101, Role.DESTINATION: 201}, lanes=lanes) as chains,
        chains.staff(tmp_path) as staff,
    ):
        anchor = chains.network.carry_anchor().message
        loan = chains.network.open_loan(b"loan", goods=b"pile")
        staff.becomes(anchor.id, "closed")

        def active() -> bool | None:
            held = chains.world.read(Role.DESTINATION, "PledgeRegistry", "loans", loan)
            return held[4] == ACTIVE or None

        until(active, seconds=SECONDS, what="the loan is active")

        for journey in staff.ask("relay", "/messages")["messages"]:
            staff.becomes(bytes.fromhex(journey["id"][2:]), "closed")
        for name in staff.names:
            assert {each["verdict"] for each in staff.ask(name, "/status")["chains"].values()} == {"same"}
