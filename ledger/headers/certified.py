"""Headers that a committee certifies, for chains whose validators seal nothing. Twin of `CertifiedHeaders.vy`.

Worth no more than the committee's word: never a second opinion beside that committee.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.attestation import domain_separator, word
from ledger.ethereum.keccak import keccak256
from ledger.headers.held import Became, HeldHeader, HeldHeaders
from ledger.quorum import Committee

_HEADER_TYPE = keccak256(
    b"CertifiedHeader(uint256 chainId,uint64 height,bytes32 blockHash,bytes32 stateRoot,bytes32 receiptsRoot,"
    b"uint64 timestamp,uint64 epoch)"
)


@dataclass(frozen=True, slots=True)
class HeaderDomain:
    """The contract a certificate is for, on its live chain, and the foreign chain it speaks of (EIP-155 ids)."""

    chain_id: int
    contract: bytes
    foreign_chain_id: int

    def digest(self, header: HeldHeader, epoch: int) -> bytes:
        """The 32-byte EIP-712 digest that notaries of an epoch sign."""
        numbers = word(self.foreign_chain_id) + word(header.height)
        roots = header.block_hash + header.state_root + header.receipts_root
        struct_hash = keccak256(_HEADER_TYPE + numbers + roots + word(header.timestamp) + word(epoch))
        return keccak256(b"\x19\x01" + domain_separator(self.chain_id, self.contract) + struct_hash)


@dataclass(slots=True)
class CertifiedHeaders:
    """The headers of one foreign chain, as its notaries certified them."""

    domain: HeaderDomain
    held: HeldHeaders

    def certify(self, header: HeldHeader, epoch: int, signatures: bytes, *, committee: Committee, now: int) -> Became:
        """Hold a certified header, or freeze. Errors: those of `Committee.check` and `HeldHeaders.hold`."""
        committee.check(epoch, self.domain.digest(header, epoch), signatures)
        return self.held.hold(header, now=now)
