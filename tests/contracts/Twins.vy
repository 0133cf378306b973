# pragma version 0.4.3
"""
@title Test only: the internal functions that have a Python twin, made callable
@license Apache-2.0
"""

import attestation
import interoperable_address
import merkle
import merkle_root
import message


@external
@pure
def id(m: message.Message) -> bytes32:
    return message._id(m)


@external
@pure
def lane(m: message.Message) -> bytes32:
    return message._lane_of(m)


@external
@pure
def attested(chain_id: uint256, gateway: address, root: bytes32, epoch: uint64) -> bytes32:
    return attestation._attestation(chain_id, gateway, root, epoch)


@external
@pure
def judged(chain_id: uint256, registry: address, v: attestation.Verdict) -> bytes32:
    return attestation._verdict(chain_id, registry, v)


@external
@pure
def encode(chain_id: uint256, account: address) -> Bytes[58]:
    return interoperable_address._encode(chain_id, account)


@external
@pure
def decode(encoded: Bytes[58]) -> (uint256, address):
    return interoperable_address._decode(encoded)


@external
@pure
def paused(chain_id: uint256, gateway: address, lane: bytes32, is_inbound: bool, epoch: uint64) -> bytes32:
    return attestation._pause(chain_id, gateway, lane, is_inbound, epoch)


@external
@view
def root_of_several(
    entries: DynArray[bytes32, 64], indices: DynArray[uint256, 64], size: uint256, proof: DynArray[bytes32, 512]
) -> bytes32:
    leaves: DynArray[bytes32, 64] = []
    for entry: bytes32 in entries:
        leaves.append(merkle._leaf_hash(entry))
    return merkle._root_of_several(leaves, indices, size, proof)


@external
@view
def root(entry: bytes32, index: uint256, size: uint256, proof: DynArray[bytes32, 32]) -> bytes32:
    return merkle._root(merkle._leaf_hash(entry), index, size, proof)


@external
@view
def root_of(entries: DynArray[bytes32, 64]) -> bytes32:
    return merkle_root._root_of(entries)


@external
@pure
def signed(digest: bytes32, signatures: Bytes[6600]) -> bytes32:
    return attestation._signed(digest, signatures)
