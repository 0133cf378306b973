"""Headers of QBFT chains: what validators seal, and what the block's hash leaves out (EEA QBFT, as Besu writes it).

Extra data is the RLP of [vanity (32 bytes), [validators], vote, round, [commit seals]]. A vote is an empty list, or
[address, 0xff] to add and [address, ""] to drop a validator. The block's validators stand in ascending order;
each that commits signs the Keccak-256 of the header whose list of seals is empty. The block's hash is
that of the same header with round 0, so that it does not depend on who sealed, nor on how long agreement took.

A header says who its validators are, not whether they may be: that is a light client's business (`ledger.headers`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NoReturn

from ledger.errors import Problem, Refused
from ledger.ethereum import rlp_strict
from ledger.ethereum.header import Header, header_from_rlp, header_from_rpc
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.rlp_strict import Rlp
from ledger.ethereum.rpc_values import RpcObject
from ledger.once import once

MIX_HASH = bytes.fromhex("63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365")
EMPTY_OMMERS = keccak256(rlp_strict.encode(()))
VANITY_BYTES = 32
SEAL_BYTES = 65  # r (32) | s (32) | recovery id (0 or 1)
ITEM_BYTES = 21  # an address in RLP

# What `contracts/vyper/qbft_header.vy` takes.
MIN_VALIDATORS, MAX_VALIDATORS = 4, 100
MAX_UNSEALED_BYTES = 3072
MAX_ROUND = 127
_MAX_INTEGER = 2**64 - 1

_ADD = b"\xff"


@dataclass(frozen=True, slots=True)
class Vote:
    """A proposer's vote to add or drop a validator (20-byte address)."""

    recipient: bytes
    add: bool


@dataclass(frozen=True, slots=True)
class ExtraData:
    """The extra data of a header, decoded. `seals`: 65 bytes each, in the order they arrived in."""

    vanity: bytes
    validators: tuple[bytes, ...]
    vote: Vote | None = None
    round: int = 0
    seals: tuple[bytes, ...] = ()

    def rlp(self) -> bytes:
        """The bytes that stand in the header."""
        vote: Rlp = () if self.vote is None else (self.vote.recipient, _ADD if self.vote.add else b"")
        number = rlp_strict.encode_int(self.round)
        return rlp_strict.encode((self.vanity, self.validators, vote, number, self.seals))


@dataclass(frozen=True)
class QbftHeader(Header):
    """A header whose hash leaves the seals and the round out. Errors of the properties: `Refused` HEADER_HASH."""

    @once
    def extra(self) -> ExtraData:
        """The extra data, decoded."""
        return read_extra(self.extra_data)

    @once
    def hash(self) -> bytes:
        """The block's 32-byte hash; for the genesis block, which nobody sealed, the hash of its encoding."""
        return keccak256(self.hashed)

    @once
    def hashed(self) -> bytes:
        """The encoding under the block's hash: one for a block, whoever sealed it and however long that took."""
        return self.rlp() if self.number == 0 else self._with(replace(self.extra, round=0, seals=()))

    @once
    def unsealed(self) -> bytes:
        """The encoding with an empty list of seals: what validators sign, and what a light client contract takes."""
        return self._with(replace(self.extra, seals=()))

    @once
    def seal_digest(self) -> bytes:
        """The 32-byte digest under each commit seal."""
        return keccak256(self.unsealed)

    def _with(self, extra: ExtraData) -> bytes:
        return Header.rlp(replace(self, extra_data=extra.rlp()))


def read_extra(raw: bytes) -> ExtraData:
    """Decode extra data; `Refused` HEADER_HASH when it is not the one encoding of it."""
    try:
        items = rlp_strict.decode(raw, max_depth=2)
        match items:
            case (bytes(vanity), tuple(validators), tuple(vote), bytes(number), tuple(seals)):
                extra = ExtraData(
                    _sized(vanity, VANITY_BYTES),
                    tuple(_sized(item, 20) for item in validators),
                    _vote(vote),
                    rlp_strict.decode_int(number, max_bytes=4),
                    tuple(_sized(item, SEAL_BYTES) for item in seals),
                )
            case _:
                _refuse("extra data is not vanity, validators, vote, round and seals")
    except Problem as error:
        _refuse(error.what)
    return extra


def decode_header(raw: bytes) -> Header:
    """A header of any chain, in the form that its own fields name: difficulty 1 beside QBFT's mix hash stands in no
    header of a chain without seals after the merge, nor before it. Errors: `Refused` HEADER_HASH.
    """
    header = header_from_rlp(raw)
    is_sealed = (header.difficulty, header.prev_randao) == (1, MIX_HASH)
    return header_from_rlp(raw, QbftHeader) if is_sealed else header


def read_rpc_header(block: RpcObject) -> Header:
    """A node's block in the form that its own fields name, as `decode_header`. Errors: `Refused` HEADER_HASH."""
    is_sealed = (block.get("difficulty"), block.get("mixHash")) == ("0x1", f"0x{MIX_HASH.hex()}")
    return header_from_rpc(block, QbftHeader if is_sealed else Header)


def read_unsealed(raw: bytes) -> QbftHeader:
    """Decode what `LightClient.vy` takes: a header with an empty list of seals.

    Errors: `Refused` HEADER_HASH for every other shape, SEAL_MODE where a contract chooses the validators, CONFIG_SET
    for fewer than four of them, or more than 100.
    """
    if len(raw) > MAX_UNSEALED_BYTES:
        _refuse(f"{len(raw)} bytes are more than {MAX_UNSEALED_BYTES}")
    header = header_from_rlp(raw, QbftHeader)
    integers = (
        *(header.number, header.gas_limit, header.gas_used, header.timestamp),
        *(header.base_fee_per_gas, header.blob_gas_used, header.excess_blob_gas),
    )
    if any(value is not None and value > _MAX_INTEGER for value in integers):
        _refuse("an integer has more than 8 bytes")
    sealed_fields = (header.ommers_hash, header.difficulty, header.prev_randao, header.nonce)
    if sealed_fields != (EMPTY_OMMERS, 1, MIX_HASH, bytes(8)):
        _refuse("ommers, difficulty, mix hash and nonce are not those of a QBFT header")
    extra = header.extra
    if not extra.validators:
        raise Refused("SEAL_MODE", "a contract chooses the validators", cure="Use policy certified or notary.")
    if not MIN_VALIDATORS <= len(extra.validators) <= MAX_VALIDATORS:
        raise Refused("CONFIG_SET", f"{MIN_VALIDATORS} to {MAX_VALIDATORS} validators, not {len(extra.validators)}")
    if extra.round > MAX_ROUND:
        _refuse(f"round {extra.round} is above {MAX_ROUND}")
    if extra.seals:
        _refuse("seals stand beside the header")
    return header


def quorum(validators: int) -> int:
    """How many seals decide a block: ceil(2n/3), as the specification and Besu count them. 4 → 3, 6 → 4, 7 → 5."""
    return (2 * validators + 2) // 3


def validator_items(validators: tuple[bytes, ...]) -> bytes:
    """A list of validators as it stands in a header, without the list's own length; its Keccak-256 is its digest."""
    return b"".join(rlp_strict.encode(validator) for validator in validators)


def _vote(items: tuple[Rlp, ...]) -> Vote | None:
    match items:
        case ():
            return None
        case (bytes(recipient), bytes(kind)) if kind in (_ADD, b""):
            return Vote(_sized(recipient, 20), kind == _ADD)
    raise Refused("HEADER_HASH", "the vote is not an address to add or to drop")


def _sized(item: Rlp, size: int) -> bytes:
    if not isinstance(item, bytes) or len(item) != size:
        _refuse(f"extra data holds an item that is not {size} bytes")
    return item


def _refuse(what: str) -> NoReturn:
    raise Refused("HEADER_HASH", what)
