"""A light client contract and its Python twin on one bed: everything is asked of both, and both must say the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from ledger.attestation import domain_separator, word
from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.qbft import QbftHeader, validator_items
from ledger.headers.held import Became, HeldHeader
from ledger.headers.light_client import LightClient, digest_of, summary
from ledger.headers.seals import pack_seals
from ledger.quorum import pack
from tests.contracts.committees import constructor
from tests.contracts.evm import OWNER, STRANGER, Deployed, Evm, Outcome, Reverted
from tests.contracts.world import NOTARIES
from tests.simulator.qbft import CHAIN_ID, PERIOD, START, QbftChain, keys

GENESIS = b"\x6e" * 32
DAY = 24 * 3600
TRUST_PERIOD = 14 * DAY  # seconds
DRIFT = 30  # seconds
DELAY = 2 * DAY  # seconds

# The contract's words -> the twin's code. Both must name the same guard.
CODES = {
    "LightClient: expired": "CLIENT_EXPIRED",
    "LightClient: trust period": "CONFIG_TRUST",
    "LightClient: the header's own list": "SET_UNKNOWN",
    "LightClient: validators not trusted": "SET_UNKNOWN",
    "LightClient: validators replaced": "SET_REPLACED",
    "LightClient: validators replaced too long ago": "SET_REPLACED",
    "LightClient: length of the seals": "SIG_LENGTH",
    "LightClient: below quorum": "QUORUM",
    "LightClient: seals out of order": "SIG_ORDER",
    "LightClient: unknown validator": "SIG_UNKNOWN",
    "LightClient: recovery id": "SIG_BAD_V",
    "LightClient: malleable seal": "SIG_MALLEABLE",
    "LightClient: not this validator's seal": "SIG_UNKNOWN",
    "LightClient: below quorum of the trusted validators": "SET_OVERLAP",
    "LightClient: nothing to cure": "NOTHING_TO_CURE",
    "LightClient: nothing is in doubt": "NOTHING_TO_CURE",
    "held_headers: frozen": "CLIENT_FROZEN",
    "held_headers: height in doubt": "HEADER_DOUBT",
    "held_headers: below a cure": "HEADER_DOUBT",
    "held_headers: not held": "HEADER_UNKNOWN",
    "held_headers: height": "HEADER_FUTURE",
    "held_headers: from the future": "HEADER_FUTURE",
    "held_headers: time goes backwards": "HEADER_FUTURE",
    "held_headers: height jumps": "HEADER_FUTURE",
    "held_headers: not above the latest header": "HEADER_ANCHOR",
    "held_headers: doubt begins at the contradiction or before": "CURE",
    "held_headers: resume above the latest header": "CURE",
    "qbft_header: a contract chooses the validators": "SEAL_MODE",
    "qbft_header: fewer than four validators tolerate no fault": "CONFIG_SET",
    "qbft_header: too many validators": "CONFIG_SET",
    "qbft_header: validators out of order": "CONFIG_SET",
}


def code_of(reason: str) -> str:
    """The twin's code for a revert string; everything else the reader refuses is one code."""
    if reason in CODES:
        return CODES[reason]
    assert reason.startswith("qbft_header: "), reason
    return "HEADER_HASH"


def deploy_committee(evm: Evm, *, by: bytes = OWNER) -> Deployed:
    """The four notaries of `world`."""
    return evm.deploy("Committee", *constructor(NOTARIES), by=by)


def announce(contract: Deployed, action: bytes, salt: bytes = bytes(32)) -> Outcome:
    """Announce an order that three notaries signed."""
    order_type = keccak256(b"Order(bytes32 action,bytes32 salt,uint64 epoch)")
    struct_hash = keccak256(order_type + action + salt + word(1))
    digest = keccak256(b"\x19\x01" + domain_separator(contract.evm.chain_id, contract.address) + struct_hash)
    signatures = pack({index: NOTARIES[index].sign(digest) for index in range(3)})
    return contract.send("announce", action, salt, 1, signatures, by=STRANGER)


@dataclass
class Bed:
    """Both sides of one client, and the chain it follows."""

    evm: Evm
    chain: QbftChain
    client: Deployed
    twin: LightClient
    copies: dict[bytes, bytes] = field(default_factory=dict)

    @classmethod
    def lay(cls, validators: int = 4, *, fork: str = "prague", exact: bool = False, blocks: int = 1) -> Bed:
        """A client that trusts the chain's latest header, and a chain time just after it."""
        chain = QbftChain(keys(validators), fork=fork)
        for _ in range(blocks):
            chain.mine()
        evm = Evm(exact=exact, timestamp=chain.head.timestamp + 5)
        return cls(evm, chain, *_clients(evm, deploy_committee(evm), chain.head))

    def update(
        self, header: QbftHeader, seals: bytes | None = None, trusted: tuple[bytes, ...] = (), *, by: bytes = STRANGER
    ) -> Became:
        """Offer a header to both; they must agree on what becomes of it, and on the state after it."""
        return self.offer(header.unsealed, pack_seals(header) if seals is None else seals, trusted, by=by)

    def offer(self, unsealed: bytes, seals: bytes, trusted: tuple[bytes, ...] = (), *, by: bytes = STRANGER) -> Became:
        """As `update`, for bytes that may be no header at all."""
        before = self.evm.fingerprint(self.client)
        try:
            outcome = self.client.send("update", unsealed, seals, validator_items(trusted), by=by)
        except Reverted as reverted:
            with pytest.raises(Refused) as refused:
                self.twin.update(unsealed, seals, trusted, now=self.evm.time)
            assert (reverted.reason, refused.value.code) == (reverted.reason, code_of(reverted.reason))
            assert self.evm.fingerprint(self.client) == before
            self.agree()
            raise reverted from None
        became = self.twin.update(unsealed, seals, trusted, now=self.evm.time)
        told = {log.name for log in outcome.logs}
        assert ("HeadersFrozen" in told, "HeaderHeld" in told) == (
            became is Became.FROZEN,
            became in (Became.LATEST, Became.HELD),
        )
        self.agree()
        return became

    def refuses(self, reason: str, header: QbftHeader, seals: bytes | None = None, *trusted: bytes) -> None:
        """Both refuse, for this reason, with nothing changed."""
        with pytest.raises(Reverted) as reverted:
            self.update(header, seals, trusted)
        assert reverted.value.reason == reason

    def holds(self, header: QbftHeader | HeldHeader) -> bool:
        """Whether both hold it; they must refuse for the same reason."""
        held = summary(header) if isinstance(header, QbftHeader) else header
        return self.why_not(held) == ""

    def why_not(self, held: HeldHeader) -> str:
        """The contract's reason not to hold a header, or nothing."""
        try:
            self.client.call("holds", *fields(held))
        except Reverted as reverted:
            with pytest.raises(Refused) as refused:
                self.twin.require(held, now=self.evm.time)
            assert refused.value.code == code_of(reverted.reason)
            return reverted.reason
        self.twin.require(held, now=self.evm.time)
        return ""

    def cure(self, header: QbftHeader, doubt_from: int = 0, *, salt: bytes = bytes(32)) -> Outcome:
        """Order a cure, wait until it is due, and carry it out on both sides."""
        self.order(header, doubt_from, salt=salt)
        outcome = self.client.send("cure", header.unsealed, doubt_from, salt, by=STRANGER)
        self.twin.cure(header.unsealed, doubt_from, now=self.evm.time)
        self.agree()
        return outcome

    def order(self, header: QbftHeader, doubt_from: int = 0, *, salt: bytes = bytes(32)) -> None:
        """Announce a cure and let its delay pass."""
        announce(self.client, cure_action(header, doubt_from), salt)
        self.evm.time += DELAY

    def agree(self) -> None:
        """The contract's state is the twin's."""
        status = self.twin.held.status
        assert self.client.call("status") == (status.height, status.timestamp, status.doubt_from, status.doubt_to)
        assert self.client.call("validators") == digest_of(self.twin.validators)


def cure_action(header: QbftHeader, doubt_from: int = 0) -> bytes:
    """What an order to cure a light client signs."""
    return keccak256(keccak256(b"pledgetrail/order/LightClient.cure") + keccak256(header.unsealed) + word(doubt_from))


def fields(held: HeldHeader) -> tuple[Any, ...]:
    """As `IHeaders.holds` takes them."""
    return held.height, held.block_hash, held.state_root, held.receipts_root, held.timestamp


def _clients(evm: Evm, committee: Deployed, first: QbftHeader, **changed: Any) -> tuple[Deployed, LightClient]:
    periods = {"trust_period": TRUST_PERIOD, "max_drift": DRIFT, "block_period": PERIOD} | changed
    arguments = (CHAIN_ID, GENESIS, first.unsealed, *periods.values(), committee.address, DELAY)
    client = evm.deploy("LightClient", *arguments)
    return client, LightClient.start(first.unsealed, **periods, now=evm.time)


__all__ = ["DAY", "DELAY", "DRIFT", "PERIOD", "START", "TRUST_PERIOD", "Bed", "announce", "cure_action", "fields"]
