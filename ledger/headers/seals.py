"""Commit seals beside a header: as a light client contract takes them, and whether enough validators sealed.

A seal in a real header carries no index and stands in the order in which it arrived; nobody signed that order, nor
which seals were kept. So a relay may gather the seals of one block from several nodes, and packs them by index.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.errors import Refused
from ledger.ethereum.qbft import SEAL_BYTES, QbftHeader, quorum
from ledger.secp256k1 import ORDER, Signature, recover

PACKED_BYTES = 66  # index (1) | r (32) | s (32) | v (1, 27 or 28)


def pack_seals(*copies: QbftHeader) -> bytes:
    """The seals of one block from any number of nodes' copies of its header, once each, by validator index.

    A high s, which Besu would accept, is normalised. Errors: `Refused` HEADER_HASH (copies of different headers),
    SIG_UNKNOWN (a seal that is no validator's) and those of `Signature`.
    """
    first = copies[0]
    if any(copy.unsealed != first.unsealed for copy in copies):
        raise Refused("HEADER_HASH", "the copies are of different headers, or of different rounds")
    validators, found = first.extra.validators, dict[int, Signature]()
    for signature in (_signature(seal) for copy in copies for seal in copy.extra.seals):
        signer = recover(first.seal_digest, signature)
        if signer not in validators:
            raise Refused("SIG_UNKNOWN", "a seal is no validator's", where=f"0x{signer.hex()}")
        found[validators.index(signer)] = signature
    return b"".join(bytes([index]) + found[index].pack() for index in sorted(found))


def check_seals(header: QbftHeader, packed: bytes, trusted: tuple[bytes, ...] = ()) -> tuple[int, ...]:
    """Return who sealed; refuse less than a quorum of the header's own validators, and of `trusted` where given.

    Errors, in the contract's order: `Refused` SIG_LENGTH, QUORUM, SIG_ORDER, SIG_UNKNOWN, those of `Signature`, and
    SET_OVERLAP when too few of `trusted` sealed.
    """
    validators = header.extra.validators
    count, rest = divmod(len(packed), PACKED_BYTES)
    if rest or count > len(validators):
        raise Refused("SIG_LENGTH", f"{len(packed)} bytes are not one seal of {PACKED_BYTES} per validator")
    if count < quorum(len(validators)):
        raise Refused("QUORUM", f"{count} of {quorum(len(validators))} seals")
    indices: list[int] = []
    for start in range(0, len(packed), PACKED_BYTES):
        index, seal = packed[start], packed[start + 1 : start + PACKED_BYTES]
        if indices and index <= indices[-1]:
            raise Refused("SIG_ORDER", "seals are ordered by validator index, once each", where=f"validator {index}")
        if index >= len(validators) or recover(header.seal_digest, Signature.parse(seal)) != validators[index]:
            raise Refused("SIG_UNKNOWN", "not this validator's seal", where=f"validator {index}")
        indices.append(index)
    if trusted and _overlap((validators[index] for index in indices), trusted) < quorum(len(trusted)):
        raise Refused("SET_OVERLAP", "fewer than a quorum of the trusted validators sealed the change")
    return tuple(indices)


def _overlap(signers: Iterable[bytes], trusted: tuple[bytes, ...]) -> int:
    return len(set(signers) & set(trusted))


def _signature(seal: bytes) -> Signature:
    if len(seal) != SEAL_BYTES or seal[64] > 1:
        raise Refused("SIG_BAD_V", "a seal ends in a recovery id of 0 or 1", where=seal[64:].hex())
    r, s, v = int.from_bytes(seal[:32], "big"), int.from_bytes(seal[32:64], "big"), seal[64] + 27
    return Signature(r, ORDER - s, 55 - v) if ORDER // 2 < s < ORDER else Signature(r, s, v)
