"""Rotations on real chains: the next committee's records, the order of the present one, and the delay in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contracts.binding import Contract
from contracts.manifest import ChainManifest
from contracts.node import Node
from contracts.transactor import Mined, Transactor
from ledger import ed25519
from ledger.ethereum.keccak import keccak256
from ledger.membership import Member, operator_digest, prove_possession
from ledger.orders import order_digest
from ledger.quorum import pack
from ledger.rotation import rotation
from ledger.secp256k1 import SigningKey
from tests.chains import COSIGNING_KEYS, NOTARY_KEYS

SALT = b"\x00" * 31 + b"\x01"


def joiner(number: int) -> SigningKey:
    """The attesting key of somebody who was no member of the first committee."""
    return SigningKey.from_secret(keccak256(b"joiner %d" % number))


def record(key: SigningKey) -> Member:
    """A member's record: that of the first committee where the key is one of its, else of an operator of its own."""
    for index, known in enumerate(NOTARY_KEYS):
        if key.address == known.address:
            cosigner = COSIGNING_KEYS[index]
            return Member(operator_digest(cosigner.name), key.address, cosigner.key.public_key)
    return Member(operator_digest(f"0x{key.address.hex()}"), key.address, ed25519.public_key(cosigning_secret(key)))


def cosigning_secret(key: SigningKey) -> bytes:
    """The Ed25519 secret of a joiner (32 bytes)."""
    return keccak256(b"cosigning key of " + key.address)


def possessions(keys: Sequence[SigningKey]) -> bytes:
    """That each key is held, as `Committee.rotate` takes it."""
    return b"".join(prove_possession(key, record(key).operator) for key in keys)


def announce(
    transactor: Transactor,
    committee: Contract,
    following: Sequence[SigningKey],
    *,
    by: Mapping[int, SigningKey],
    epoch: int,
    salt: bytes = SALT,
) -> Mined:
    """Announce the order that makes `following` the committee after `epoch`, signed `by` members of it by index."""
    action = rotation(epoch + 1, [record(key) for key in following])
    digest = order_digest(
        chain_id=transactor.chain_id, contract=committee.address, action=action, salt=salt, epoch=epoch
    )
    packed = pack({index: key.sign(digest) for index, key in by.items()})
    return transactor.send(committee.address, committee.encode_call("announce", action, salt, epoch, packed))


def carry_out(
    transactor: Transactor, committee: Contract, following: Sequence[SigningKey], *, salt: bytes = SALT
) -> Mined:
    """Begin the next epoch, as ordered."""
    records = [record(key).as_abi() for key in following]
    return transactor.send(committee.address, committee.encode_call("rotate", records, possessions(following), salt))


def pass_time(node: Node, seconds: int) -> None:
    """Let so much time go by on an anvil chain, with a block at the end of it."""
    node.request("evm_increaseTime", seconds)
    node.request("anvil_mine", "0x1")


def rotate(
    transactor: Transactor,
    chain: ChainManifest,
    before: Sequence[SigningKey],
    following: Sequence[SigningKey],
    *,
    epoch: int,
    delay: int,
) -> Mined:
    """A whole rotation on an anvil chain, ordered by all of `before`, the committee of `epoch`."""
    committee = chain.contract("Committee")
    announce(transactor, committee, following, by=dict(enumerate(before)), epoch=epoch)
    pass_time(transactor.node, delay)
    return carry_out(transactor, committee, following)
