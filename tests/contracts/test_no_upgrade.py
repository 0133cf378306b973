"""H06: no contract can be upgraded, and what stands somewhere else is another deployment that inherits nothing.

Bridges were emptied by an upgrade that left a root at zero, or a threshold unset. Here no code can replace its own: no
bytecode holds an instruction that runs foreign code over its storage or ends it, and only the committee creates
contracts (tables of members, which hold nothing). What changes in operation is who signs: an epoch leaves every replay
bit, certified root, stored failure and limit as they were. A gateway at another address starts from nothing, nothing
that was signed for the first one counts there, and no chain takes it for the first one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import pytest

from contracts.compiler import CONTRACTS, SOURCES, Artifact, artifact, artifact_at
from contracts.proven_storage import slot_of
from ledger.attestation import attestation_digest
from ledger.membership import Member
from ledger.proposal import Proposal
from ledger.quorum import Certificate, pack, root_over
from ledger.rotation import rotation
from tests.contracts.committees import DELAY, GRACE, key, members, proofs
from tests.contracts.gateway_bed import FAILED, PEER, REVERTS, Bed
from tests.contracts.header_bed import announce, deploy_committee

PUSH1, PUSH32 = 0x60, 0x7F
RUNS_FOREIGN_CODE = {0xF2: "CALLCODE", 0xF4: "DELEGATECALL"}
ENDS = {0xFF: "SELFDESTRUCT"}
CREATES = {0xF0: "CREATE", 0xF5: "CREATE2"}
NEW: tuple[Member, ...] = members(4, 5, 6, 7)


def instructions(code: bytes) -> Iterator[int]:
    """The opcodes of code, without the data that instructions push."""
    at = 0
    while at < len(code):
        yield code[at]
        at += code[at] - PUSH1 + 2 if PUSH1 <= code[at] <= PUSH32 else 1


def parts(compiled: Artifact) -> tuple[bytes, bytes]:
    """The instructions that create a contract and those that it consists of, without the tables behind them.

    The compiler states at the end of its output how long each table is: [digest, runtime, [tables], immutables, …].
    """
    length = int.from_bytes(compiled.bytecode[-2:], "big")
    _digest, size, tables, *_ = cbor2.loads(compiled.bytecode[-length:-2])
    assert size == len(compiled.runtime)
    begin = compiled.bytecode.index(compiled.runtime)
    return compiled.bytecode[:begin], compiled.runtime[: size - sum(tables)]


def forbidden(compiled: Artifact) -> set[str]:
    found = {code for part in parts(compiled) for code in instructions(part)}
    return {name for code, name in (RUNS_FOREIGN_CODE | ENDS).items() if code in found}


@pytest.mark.parametrize("name", CONTRACTS)
def test_H06_no_contract_can_run_other_code_as_its_own_or_end_itself(name: str) -> None:
    compiled = artifact(name)
    assert forbidden(compiled) == set()
    creates = {code for part in parts(compiled) for code in instructions(part)} & set(CREATES)
    assert {CREATES[code] for code in creates} == ({"CREATE"} if name == "Committee" else set())


PROXIES = {
    "DELEGATECALL": "    raw_call(self.to, data, is_delegate_call=True)\n",
    "SELFDESTRUCT": "    selfdestruct(self.to)\n",
}


@pytest.mark.filterwarnings("ignore:.*selfdestruct")
@pytest.mark.parametrize("instruction", PROXIES)
def test_H06_a_contract_that_could_would_be_found(tmp_path: Path, instruction: str) -> None:
    source = "# pragma version 0.4.3\nto: address\n\n@external\ndef run(data: Bytes[100]):\n" + PROXIES[instruction]
    (tmp_path / "Proxy.vy").write_text(source)
    assert forbidden(artifact_at(tmp_path / "Proxy.vy", cache=tmp_path)) == {instruction}


def test_H06_no_source_asks_for_it_either() -> None:
    words = ("is_delegate_call", "selfdestruct", "create_minimal_proxy_to", "create_from_blueprint", "create_copy_of")
    sources = sorted(SOURCES.glob("*.vy*"))
    assert len(sources) > 30
    assert {(path.name, word) for path in sources for word in words if word in path.read_text()} == set()
    assert {path.name for path in sources if "raw_create" in path.read_text()} == {"Committee.vy"}


def test_H06_nothing_in_python_puts_another_contract_in_a_manifests_place() -> None:
    """An address is written into a manifest by a deployment alone; an "upgrade" is another manifest, to be verified."""
    writers = set()
    for path in sorted(SOURCES.parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Store):
                continue
            if isinstance(node.value, ast.Attribute) and node.value.attr == "contracts":
                writers.add(path.name)
    assert writers == {"deploy.py"}


# -- another epoch ----------------------------------------------------------------------------------------------------


def by_new(bed: Bed, proposal: Proposal, *, signers: tuple[int, ...] = (0, 1, 2)) -> Certificate:
    """What the second epoch's committee says of a message."""
    root = root_over([proposal.message])
    digest = attestation_digest(chain_id=bed.evm.chain_id, gateway=bed.gateway.address, root=root, epoch=2)
    return Certificate(root, 0, 1, (), 2, pack({place: key(4 + place).sign(digest) for place in signers}))


def rotated(bed: Bed) -> None:
    announce(bed.committee, rotation(2, NEW))
    bed.evm.time += DELAY
    bed.committee.send("rotate", [each.as_abi() for each in NEW], proofs(NEW), bytes(32))


def decided(bed: Bed) -> list[tuple[int, int]]:
    """Every word the gateway keeps, but for who signs."""
    found: Any = bed.evm.fingerprint(bed.gateway)
    ((slots, _balance),) = found
    seats = {slot_of("Gateway", "seat.seats", epoch) for epoch in range(4)}
    kept = [(slot, value) for slot, value in slots if slot not in seats]
    assert len(kept) > 5
    return kept


def test_H06_an_epoch_changes_who_signs_and_nothing_that_was_decided(bed: Bed) -> None:
    bed.limit(500, 900)
    committed, failing = bed.message(), bed.message(b"fails")
    bed.commit(committed)
    bed.app.send("behave", REVERTS)
    bed.commit(failing)
    bed.app.send("behave", 0)
    root, fresh = b"\x51" * 32, bed.message()
    bed.gateway.send("certify", root, 1, bed.attest(root))
    before = decided(bed), bed.evm.fingerprint(bed.administration, bed.app)
    seats = {epoch: bed.gateway.call("seats", epoch) for epoch in range(4)}
    rules = [bed.committee.call(name) for name in ("size", "quorum", "GRACE", "DEVELOPMENT", "order_delay")]
    rotated(bed)
    assert {epoch for epoch in seats if bed.gateway.call("seats", epoch) != seats[epoch]} == {1, 2}
    assert (decided(bed), bed.evm.fingerprint(bed.administration, bed.app)) == before
    assert [bed.committee.call(name) for name in ("size", "quorum", "GRACE", "DEVELOPMENT", "order_delay")] == rules
    # The same attack before and after: what was committed is committed, whoever certifies it again.
    for certificate in (bed.certificate(committed), by_new(bed, committed)):
        with bed.refused("Gateway: already committed"):
            bed.commit(committed, certificate)
    with bed.refused("Gateway: already committed"):
        bed.commit(failing, by_new(bed, failing))
    with bed.refused("Committee: below quorum"):
        bed.commit(fresh, by_new(bed, fresh, signers=(0, 1)))
    for empty in (bytes(32), root_over([])):
        with bed.refused("Committee: signature length"):
            bed.gateway.send("certify", empty, 2, b"")
    bed.evm.time += GRACE
    with bed.refused("Committee: grace is over"):
        bed.commit(fresh)
    bed.commit(fresh, by_new(bed, fresh))
    assert (bed.taken(committed), bed.taken(fresh)) == (1, 1)
    assert bed.gateway.call("status", failing.message.id) == FAILED
    bed.retry(failing)
    assert bed.taken(failing) == 1


# -- another gateway --------------------------------------------------------------------------------------------------


def moved(bed: Bed) -> Bed:
    """The same notaries and application behind another gateway, its peer and its lane set up as at the first."""
    committee = deploy_committee(bed.evm)
    administration = bed.evm.deploy("Administration", committee.address, 2 * 24 * 3600)
    gateway = bed.evm.deploy("Gateway", bed.here.genesis, committee.address, administration.address)
    committee.send("attach", gateway.address)
    administration.send("attach", gateway.address)
    administration.send("register_peer", PEER.as_abi())
    other = replace(bed, committee=committee, administration=administration, gateway=gateway)
    other.open()
    return other


def meant_for(other: Bed, proposal: Proposal) -> Proposal:
    """The same words with another gateway as their destination."""
    return replace(proposal, message=replace(proposal.message, destination=other.here))


def test_H06_what_was_signed_for_one_gateway_is_nothing_at_another(bed: Bed) -> None:
    committed, waiting = bed.message(), bed.message()
    bed.commit(committed)
    root = root_over([waiting.message])
    bed.gateway.send("certify", root, 1, bed.attest(root))
    first = bed.evm.fingerprint(bed.gateway)
    other = moved(bed)
    for old in (committed, waiting):
        with other.refused("Gateway: lane not open"):
            other.commit(old, bed.certificate(old))
        # Told that it was meant for this gateway, its id and so the root are others than those that were signed; with
        # the id that was signed, the gateway for which it was signed is another.
        for said, certificate in (
            (old, bed.certificate(old)),
            (there := meant_for(other, old), bed.certificate(there)),
        ):
            with other.refused("Committee: not this member's signature"):
                other.commit(meant_for(other, said), certificate)
    with other.refused("Gateway: root not certified"):
        other.commit(meant_for(other, waiting), bed.certificate(waiting), signatures=b"")
    # Its own messages it takes; the application does not, which listens to the first gateway for ever.
    own = other.message()
    other.commit(own)
    assert (other.gateway.call("status", own.message.id), other.taken(own)) == (FAILED, 0)
    assert bed.evm.fingerprint(bed.gateway) == first
    bed.commit(waiting)
    assert bed.taken(waiting) == 1
    with bed.refused("Gateway: already committed"):
        bed.commit(committed)


def test_H06_a_peer_never_moves_not_even_by_order(bed: Bed) -> None:
    """Who replaces a chain's gateway cannot bring its messages here: another one is another chain id, with no lane."""
    there, elsewhere = replace(PEER, gateway=b"\x70" * 20), replace(PEER, chain_id=7_999)
    for end in (there, elsewhere):
        announce(bed.administration, bed.action("order_peer", end.as_abi()))
    bed.evm.time += bed.administration.call("order_delay")
    with bed.refused("Administration: peer exists"):
        bed.administration.send("order_peer", there.as_abi(), bytes(32))
    with bed.refused("Gateway: lane not open"):
        bed.commit(bed.message(origin=there))
    bed.commit(bed.message())
    bed.administration.send("order_peer", elsewhere.as_abi(), bytes(32))  # the honest twin: one more chain
    with bed.refused("Gateway: lane not open"):
        bed.commit(bed.message(origin=elsewhere))
