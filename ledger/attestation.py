"""What notaries sign (EIP-712): the root of a certificate, and the verdict over a commit.

Twin of `contracts/vyper/attestation.vy`. The domain names the contract the signature is meant for on its live chain:
an attestation for one destination is worthless on another, also after a fork.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ledger.errors import BadInput
from ledger.ethereum.keccak import keccak256 as keccak

SAME, DIFFERS, EXPIRED, VOID = 1, 2, 3, 4

_DOMAIN_TYPE = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_ATTESTATION_TYPE = keccak(b"Attestation(bytes32 root,uint64 epoch)")
_PAUSE_TYPE = keccak(b"Pause(bytes32 lane,bool isInbound,uint64 epoch)")
_VERDICT_TYPE = keccak(
    b"Verdict(bytes32 id,uint64 epoch,bytes32 originBlock,bytes32 commitBlock,bytes32 commitTransaction,"
    b"uint64 checkedFrom,uint8 verdict,bool executed,bytes32 outcome,"
    b"uint8 policy,uint64 originLog,uint64 commitLog)"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A notary's finding about a commit, as the transaction registry takes it.

    `id`, `origin_block`, `commit_block`, `commit_transaction`, `outcome`: 32 bytes each; `checked_from`: the first
    destination block from which this notary has re-executed without gaps; `verdict`: SAME or DIFFERS, or, where there
    is no commit and never will be, EXPIRED (at `commit_block`) or VOID (by `commit_transaction`); `executed`: whether
    the application's call succeeded; `policy`: of the lane's generation at the destination; `origin_log`, `commit_log`:
    `log_place` of the two logs, which with the block hashes fix their inclusion.
    Errors: `BadInput` VERDICT_RANGE for a field outside its ABI type, so that two different verdicts never have the
    same words.
    """

    id: bytes
    epoch: int
    origin_block: bytes
    commit_block: bytes
    commit_transaction: bytes
    checked_from: int
    verdict: int
    executed: bool
    outcome: bytes
    policy: int
    origin_log: int
    commit_log: int

    def __post_init__(self) -> None:
        long = (self.epoch, self.checked_from, self.origin_log, self.commit_log)
        numbers = all(fits(each, 64) for each in long) and fits(self.verdict, 8) and fits(self.policy, 8)
        hashes = (self.id, self.origin_block, self.commit_block, self.commit_transaction, self.outcome)
        if not numbers or type(self.executed) is not bool or any(len(each) != 32 for each in hashes):
            raise BadInput("VERDICT_RANGE", "a field of the verdict is outside its type", where=self.id.hex()[:64])

    def words(self) -> bytes:
        """The fields as ABI words, in the order of the EIP-712 type."""
        return b"".join(
            (
                self.id,
                word(self.epoch),
                self.origin_block,
                self.commit_block,
                self.commit_transaction,
                word(self.checked_from),
                word(self.verdict),
                word(int(self.executed)),
                self.outcome,
                word(self.policy),
                word(self.origin_log),
                word(self.commit_log),
            )
        )


def log_place(transaction_index: int, log_index: int) -> int:
    """A log's place in its block as one number: transaction (32 bits), log within the transaction (32 bits)."""
    return transaction_index << 32 | log_index


def signed(digest: bytes, signatures: bytes) -> bytes:
    """A digest together with the very packed signatures given over it, 32 bytes."""
    return keccak(digest + keccak(signatures))


def credential_of(certificate: bytes, judged: bytes) -> bytes:
    """The credential as the transaction registry computes it from the two `signed` digests.

    `certificate`: over the attestation, 32 zero bytes where none is recorded; `judged`: over the verdict.
    """
    return keccak(certificate + judged)


def fits(value: int, bits: int) -> bool:
    """Whether a value is an unsigned integer of so many bits."""
    return isinstance(value, int) and type(value) is not bool and 0 <= value < 2**bits


def word(value: int) -> bytes:
    """An unsigned integer as one big-endian ABI word."""
    return value.to_bytes(32, "big")


def address_word(address: bytes) -> bytes:
    """A 20-byte address as one ABI word."""
    return address.rjust(32, b"\x00")


@cache
def domain_separator(chain_id: int, verifying_contract: bytes) -> bytes:
    """EIP-712 domain separator (name `Pledgetrail`, version `1`) of a contract on a chain."""
    return keccak(
        _DOMAIN_TYPE + keccak(b"Pledgetrail") + keccak(b"1") + word(chain_id) + address_word(verifying_contract)
    )


def attestation_digest(*, chain_id: int, gateway: bytes, root: bytes, epoch: int) -> bytes:
    """The digest a notary signs to attest a root of message ids for a destination gateway."""
    return _digest(chain_id, gateway, keccak(_ATTESTATION_TYPE + root + word(epoch)))


def verdict_digest(*, chain_id: int, registry: bytes, verdict: Verdict) -> bytes:
    """The digest a notary signs over its verdict, for the transaction registry."""
    return _digest(chain_id, registry, keccak(_VERDICT_TYPE + verdict.words()))


def pause_digest(*, chain_id: int, administration: bytes, lane: bytes, is_inbound: bool, epoch: int) -> bytes:
    """The digest one member signs to pause one direction of a lane for 24 hours, for a gateway's administration."""
    return _digest(chain_id, administration, keccak(_PAUSE_TYPE + lane + word(int(is_inbound)) + word(epoch)))


def _digest(chain_id: int, verifying_contract: bytes, struct_hash: bytes) -> bytes:
    return keccak(b"\x19\x01" + domain_separator(chain_id, verifying_contract) + struct_hash)
