"""Headers that notaries certify: the same interface as a light client, and never more than the notaries' word."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from ledger.attestation import word
from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256
from ledger.headers.certified import CertifiedHeaders, HeaderDomain
from ledger.headers.held import Became, HeldHeader, HeldHeaders
from ledger.quorum import pack
from tests.contracts.evm import STRANGER, Deployed, Evm, Outcome, Reverted
from tests.contracts.header_bed import DELAY, DRIFT, GENESIS, announce, code_of, deploy_committee, fields
from tests.contracts.world import COMMITTEE, NOTARIES

FOREIGN = 31337
NOW = 1_800_000_000


@dataclass
class Desk:
    """The contract and its twin, asked together."""

    evm: Evm
    contract: Deployed
    twin: CertifiedHeaders

    def sign(self, header: HeldHeader, signers: tuple[int, ...] = (0, 1, 2), *, epoch: int = 1, **domain: Any) -> bytes:
        digest = replace(self.twin.domain, **domain).digest(header, epoch)
        return pack({index: NOTARIES[index].sign(digest) for index in signers})

    def certify(self, header: HeldHeader, signatures: bytes | None = None, *, epoch: int = 1) -> Became:
        """Offer a certificate to both; they must agree."""
        signatures = self.sign(header) if signatures is None else signatures
        before = self.evm.fingerprint(self.contract)
        try:
            self.contract.send("certify", *fields(header), epoch, signatures, by=STRANGER)
        except Reverted as reverted:
            assert self.evm.fingerprint(self.contract) == before
            with pytest.raises(Refused) as refused:
                self._twin(header, signatures, epoch)
            if not reverted.reason.startswith("Committee: "):
                assert refused.value.code == code_of(reverted.reason)
            raise
        became = self._twin(header, signatures, epoch)
        self.agree()
        return became

    def refuses(self, reason: str, header: HeldHeader, signatures: bytes | None = None, *, epoch: int = 1) -> None:
        with pytest.raises(Reverted) as reverted:
            self.certify(header, signatures, epoch=epoch)
        assert reverted.value.reason == reason

    def why_not(self, header: HeldHeader) -> str:
        try:
            self.contract.call("holds", *fields(header))
        except Reverted as reverted:
            with pytest.raises(Refused) as refused:
                self.twin.held.require(header)
            assert refused.value.code == code_of(reverted.reason)
            return reverted.reason
        self.twin.held.require(header)
        return ""

    def cure(self, doubt_from: int, resume: int) -> Outcome:
        action = keccak256(keccak256(b"pledgetrail/order/CertifiedHeaders.cure") + word(doubt_from) + word(resume))
        announce(self.contract, action)
        self.evm.time += DELAY
        return self.contract.send("cure", doubt_from, resume, bytes(32), by=STRANGER)

    def agree(self) -> None:
        status = self.twin.held.status
        assert self.contract.call("status") == (status.height, status.timestamp, status.doubt_from, status.doubt_to)

    def _twin(self, header: HeldHeader, signatures: bytes, epoch: int) -> Became:
        return self.twin.certify(header, epoch, signatures, committee=COMMITTEE, now=self.evm.time)


@pytest.fixture
def desk() -> Desk:
    evm = Evm(timestamp=NOW)
    committee = deploy_committee(evm)
    contract = evm.deploy("CertifiedHeaders", FOREIGN, GENESIS, DRIFT, 0, committee.address, DELAY)
    domain = HeaderDomain(evm.chain_id, contract.address, FOREIGN)
    return Desk(evm, contract, CertifiedHeaders(domain, HeldHeaders(DRIFT, 0)))


def header(height: int, **changed: Any) -> HeldHeader:
    block, state, receipts = (keccak256(b"%s %d" % (name, height)) for name in (b"block", b"state", b"receipts"))
    return replace(HeldHeader(height, block, state, receipts, NOW - 1000 + height), **changed)


def test_a_certified_header_is_held_and_never_sold_as_sealed(desk: Desk) -> None:
    assert desk.why_not(header(7)) == "held_headers: not held"
    assert desk.certify(header(7)) is Became.LATEST
    assert desk.why_not(header(7)) == ""
    assert desk.contract.call("held", 7) == header(7).word
    assert (desk.contract.call("sealed"), desk.contract.call("chain_id"), desk.contract.call("genesis")) == (
        False,
        FOREIGN,
        GENESIS,
    )


def test_heights_in_any_order_and_again(desk: Desk) -> None:
    assert desk.certify(header(9)) is Became.LATEST
    assert desk.certify(header(5)) is Became.HELD
    assert desk.certify(header(5), desk.sign(header(5), (1, 2, 3))) is Became.KNOWN


SIGNED_OTHERWISE: dict[str, dict[str, Any]] = {
    "A10_another_chain": {"chain_id": 1},
    "A10_another_contract": {"contract": b"\x66" * 20},
    "A10_headers_of_another_chain": {"foreign_chain_id": FOREIGN + 1},
    "A18_another_epoch": {"epoch": 2},
}


@pytest.mark.parametrize("name", SIGNED_OTHERWISE)
def test_a_certificate_is_refused_that_was_signed_for(desk: Desk, name: str) -> None:
    desk.refuses("Committee: not this member's signature", header(7), desk.sign(header(7), **SIGNED_OTHERWISE[name]))
    assert desk.certify(header(7)) is Became.LATEST


@pytest.mark.parametrize("name", ["height", "block_hash", "state_root", "receipts_root", "timestamp"])
def test_A18_a_certificate_binds_every_field(desk: Desk, name: str) -> None:
    value = getattr(header(7), name)
    changes: dict[str, Any] = {name: value - 1 if isinstance(value, int) else b"\x01" * 32}
    other = replace(header(7), **changes)
    desk.refuses("Committee: not this member's signature", header(7), desk.sign(other))
    assert desk.certify(header(7)) is Became.LATEST


def test_A07_less_than_a_quorum_certifies_nothing(desk: Desk) -> None:
    desk.refuses("Committee: below quorum", header(7), desk.sign(header(7), (0, 1)))
    assert desk.certify(header(7)) is Became.LATEST


def test_B01_an_epoch_that_is_not_the_committees_certifies_nothing(desk: Desk) -> None:
    with pytest.raises(Reverted, match="Committee: "):
        desk.certify(header(7), desk.sign(header(7), epoch=2), epoch=2)
    assert desk.certify(header(7)) is Became.LATEST


def test_E03_a_header_from_the_future_or_out_of_time_is_refused(desk: Desk) -> None:
    desk.refuses("held_headers: from the future", header(7, timestamp=NOW + DRIFT + 1))
    assert desk.certify(header(7, timestamp=NOW + DRIFT)) is Became.LATEST
    desk.refuses("held_headers: time goes backwards", header(8))
    desk.evm.time += 10
    desk.refuses("held_headers: time goes backwards", header(6, timestamp=NOW + DRIFT + 1))
    assert desk.certify(header(6)) is Became.HELD


def test_E02_two_certified_headers_at_one_height_freeze(desk: Desk) -> None:
    desk.certify(header(7))
    desk.certify(header(8))
    assert desk.certify(header(7, state_root=b"\x66" * 32)) is Became.FROZEN
    assert desk.why_not(header(8)) == "held_headers: frozen"
    desk.refuses("held_headers: frozen", header(9))


def test_E02_a_cure_resumes_above_and_settles_the_evidence(desk: Desk) -> None:
    for height in (6, 7, 8):
        desk.certify(header(height))
    forged = header(7, state_root=b"\x66" * 32)
    desk.certify(forged)
    for doubt_from, resume, reason in (
        (8, 20, "held_headers: doubt begins at the contradiction or before"),
        (7, 8, "held_headers: resume above the latest header"),
    ):
        with pytest.raises(Reverted) as reverted:
            desk.cure(doubt_from, resume)
        assert reverted.value.reason == reason
    assert desk.cure(7, 20).log("HeadersCured") == {"doubt_from": 7, "resumed_at": 20}
    desk.twin.held.resume(7, 20)
    desk.agree()
    assert desk.why_not(header(6)) == ""
    for doubted in (header(7), forged, header(8)):
        desk.refuses("held_headers: height in doubt", doubted)
        assert desk.why_not(doubted) == "held_headers: height in doubt"
    desk.refuses("held_headers: below a cure", header(5))
    assert desk.certify(header(20)) is Became.LATEST


def test_a_cure_without_freeze_or_order_is_refused(desk: Desk) -> None:
    desk.certify(header(7))
    with pytest.raises(Reverted, match="held_headers: nothing to cure"):
        desk.cure(7, 20)
    with pytest.raises(Reverted, match="order: not announced"):
        desk.contract.send("cure", 7, 21, bytes(32))
    assert desk.why_not(header(7)) == ""
