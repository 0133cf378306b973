"""Members of a committee: their records, what each key is for, and who may never come back with it.

Twin of `contracts/vyper/member.vy`. A key serves one purpose of one operator, for ever. Suspending an operator takes
all the keys that served beside the reported one; it may come back with keys never seen before. What the contract
cannot check is checked here: that somebody holds a cosigning key (Ed25519), and that it is not a weak one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from types import MappingProxyType

from ledger import ed25519
from ledger.attestation import address_word, word
from ledger.errors import BadInput, Refused
from ledger.ethereum.keccak import keccak256 as keccak
from ledger.secp256k1 import DigestSigner, Signature, recover

MAX_MEMBERS = 100
MIN_MEMBERS = 4
PROOF_BYTES = 65
NO_KEY = bytes(32)
NO_ADDRESS = bytes(20)

_DOMAIN = keccak(keccak(b"EIP712Domain(string name,string version)") + keccak(b"Pledgetrail") + keccak(b"1"))
_POSSESSION_TYPE = keccak(b"Possession(bytes32 operator,string purpose,address key)")


class Purpose(IntEnum):
    """What a key is for. Its lower-case name stands in proofs of possession."""

    ATTESTING = 1
    COSIGNING = 2
    OPRF = 3
    VALIDATOR = 4


@dataclass(frozen=True, slots=True)
class Member:
    """One operator and its keys; the index is its place in the committee.

    `operator`: Keccak-256 of the operator's name; `attesting`, `validator`: addresses (20 bytes), `cosigning`: Ed25519,
    `oprf`: 32 bytes. `oprf` and `validator` may be all zero: none. Errors: `BadInput` MEMBER_FORMAT for a wrong length.
    """

    operator: bytes
    attesting: bytes
    cosigning: bytes
    oprf: bytes = NO_KEY
    validator: bytes = NO_ADDRESS

    def __post_init__(self) -> None:
        if any(len(each) != 32 for each in (self.operator, self.cosigning, self.oprf)) or any(
            len(each) != 20 for each in (self.attesting, self.validator)
        ):
            raise BadInput("MEMBER_FORMAT", "a field of the member's record has another length")

    @property
    def keys(self) -> dict[Purpose, bytes]:
        """Its keys by purpose, one word each; those it does not have are left out."""
        found = {
            Purpose.ATTESTING: address_word(self.attesting),
            Purpose.COSIGNING: self.cosigning,
            Purpose.OPRF: self.oprf,
            Purpose.VALIDATOR: address_word(self.validator),
        }
        return {purpose: key for purpose, key in found.items() if key != NO_KEY}

    def as_abi(self) -> tuple[bytes, ...]:
        """The contract's `Member` struct, for an ABI encoder."""
        return (self.operator, self.attesting, self.cosigning, self.oprf, self.validator)

    def words(self) -> bytes:
        """The record as ABI words."""
        return self.operator + address_word(self.attesting) + self.cosigning + self.oprf + address_word(self.validator)


def operator_digest(name: str) -> bytes:
    """How a record names an operator: Keccak-256 of its UTF-8 name."""
    return keccak(name.encode())


def records_digest(members: Sequence[Member]) -> bytes:
    """The digest by which the contract keeps an epoch's records: Keccak-256 of their ABI encoding."""
    return keccak(word(32) + word(len(members)) + b"".join(member.words() for member in members))


def possession_digest(operator: bytes, purpose: Purpose, key: bytes) -> bytes:
    """What an attesting or validator key (20-byte address) signs to prove that it is held (EIP-712)."""
    statement = keccak(_POSSESSION_TYPE + operator + keccak(purpose.name.lower().encode()) + address_word(key))
    return keccak(b"\x19\x01" + _DOMAIN + statement)


def prove_possession(key: DigestSigner, operator: bytes, purpose: Purpose = Purpose.ATTESTING) -> bytes:
    """The proof (65 bytes) for a record that names this key."""
    return key.sign(possession_digest(operator, purpose, key.address)).pack()


def check_possession(operator: bytes, purpose: Purpose, key: bytes, proof: bytes) -> None:
    """Refuse a proof that is not this key's. Errors: `Refused` KEY_POSSESSION, those of `Signature` and `recover`."""
    if recover(possession_digest(operator, purpose, key), Signature.parse(proof)) != key:
        raise Refused("KEY_POSSESSION", "the proof of possession is not this key's", where=f"0x{key.hex()}")


@dataclass(frozen=True, slots=True)
class Possession:
    """A member's proofs that it holds its attesting key (65 bytes) and its cosigning key (Ed25519, 64 bytes)."""

    attesting: bytes
    cosigning: bytes

    @classmethod
    def prove(cls, operator: bytes, attesting: DigestSigner, cosigning: bytes) -> Possession:
        """By both private keys."""
        statement = cosigning_statement(operator, ed25519.public_key(cosigning))
        return cls(prove_possession(attesting, operator), ed25519.sign(cosigning, statement))


def cosigning_statement(operator: bytes, key: bytes) -> bytes:
    """What a cosigning key (Ed25519) signs to prove that it is held. No checkpoint begins like this."""
    return b"pledgetrail/possession/v1\ncosigning\n" + operator.hex().encode() + b"\n" + key.hex().encode() + b"\n"


def check_cosigning_possession(member: Member, proof: bytes) -> None:
    """Refuse a member whose cosigning key nobody has shown to hold; no contract can check it.

    Errors: `Refused` SIG_INVALID; `BadInput` KEY_WEAK.
    """
    ed25519.verify(member.cosigning, cosigning_statement(member.operator, member.cosigning), proof)


@dataclass(frozen=True, slots=True)
class _Use:
    operator: bytes
    purpose: Purpose
    first: int
    latest: int


@dataclass(frozen=True, slots=True)
class _Standing:
    latest: int = 0
    suspended: int = 0


@dataclass(frozen=True, slots=True)
class Roster:
    """Every key and operator a committee contract has ever seen. A value: each change gives a new one."""

    _keys: Mapping[bytes, _Use] = field(default_factory=lambda: MappingProxyType({}))
    _operators: Mapping[bytes, _Standing] = field(default_factory=lambda: MappingProxyType({}))

    def admit(self, members: Sequence[Member], proofs: bytes, *, epoch: int, development: bool = False) -> Roster:
        """Take an epoch's members in.

        `proofs`: 65 bytes each, of every member's attesting key, then of its validator key if it has one.
        Errors: `Refused` CONFIG_SET (too few, too many, no operator or key, two members of one operator), KEY_REUSED
        (another operator's, another purpose, twice), KEY_SUSPENDED, KEY_POSSESSION and those of `Signature`.
        """
        if not (MIN_MEMBERS <= len(members) <= MAX_MEMBERS or (development and 0 < len(members) <= MAX_MEMBERS)):
            raise Refused("CONFIG_SET", f"{len(members)} members: a committee has {MIN_MEMBERS} to {MAX_MEMBERS}")
        keys, operators = dict(self._keys), dict(self._operators)
        at = 0
        for place, member in enumerate(members):
            where = f"member {place}"
            standing = _enter(member, operators, epoch, development=development, where=where)
            for purpose, key in member.keys.items():
                keys[key] = _use(keys.get(key), member.operator, purpose, epoch, standing.suspended, where)
            for purpose, address in _addresses(member):
                check_possession(member.operator, purpose, address, proofs[at : at + PROOF_BYTES])
                at += PROOF_BYTES
        if at != len(proofs):
            raise Refused("KEY_POSSESSION", f"{len(proofs)} bytes are not one proof of {PROOF_BYTES} per key")
        return Roster(MappingProxyType(keys), MappingProxyType(operators))

    def suspend(self, attesting: bytes) -> Roster:
        """Take all keys that served beside an attesting key (20 bytes).

        Errors: `Refused` SIG_UNKNOWN (no member's), KEY_SUSPENDED (already).
        """
        held = self._keys.get(address_word(attesting))
        if held is None or held.purpose is not Purpose.ATTESTING:
            raise Refused("SIG_UNKNOWN", "not a member's attesting key", where=f"0x{attesting.hex()}")
        standing = self._operators[held.operator]
        if held.first <= standing.suspended:
            raise Refused("KEY_SUSPENDED", "the key was barred before", where=f"0x{attesting.hex()}")
        suspended = replace(standing, suspended=max(standing.suspended, held.latest))
        return Roster(self._keys, MappingProxyType({**self._operators, held.operator: suspended}))


def _enter(
    member: Member, operators: dict[bytes, _Standing], epoch: int, *, development: bool, where: str
) -> _Standing:
    if member.operator == NO_KEY or member.attesting == NO_ADDRESS or member.cosigning == NO_KEY:
        raise Refused("CONFIG_SET", "a member has an operator, an attesting and a cosigning key", where=where)
    standing = operators.get(member.operator, _Standing())
    if standing.latest == epoch and not development:
        raise Refused("CONFIG_SET", "two members of one operator", where=where)
    operators[member.operator] = replace(standing, latest=epoch)
    return standing


def _use(held: _Use | None, operator: bytes, purpose: Purpose, epoch: int, suspended: int, where: str) -> _Use:
    use = held or _Use(operator, purpose, epoch, 0)
    if use.operator != operator or use.purpose is not purpose or use.latest == epoch:
        raise Refused("KEY_REUSED", "a key serves one purpose of one member", where=f"{where}, {purpose.name.lower()}")
    if use.first <= suspended:
        raise Refused("KEY_SUSPENDED", "the key was suspended", where=f"{where}, {purpose.name.lower()}")
    return replace(use, latest=epoch)


def _addresses(member: Member) -> list[tuple[Purpose, bytes]]:
    found = [(Purpose.ATTESTING, member.attesting), (Purpose.VALIDATOR, member.validator)]
    return [(purpose, address) for purpose, address in found if address != NO_ADDRESS]
