# pragma version 0.4.3
"""
@title The notaries of an epoch, and whether enough of them signed
@license Apache-2.0
@notice Members are counted, not weighed. A certificate needs floor(2n/3)+1 signatures of different members, ordered
        by member index. Signatures are packed, 66 bytes each: index (1) | r (32) | s (32) | v (1, 27 or 28).
        It does not protect against a quorum that signs what is false: policy `relay` and the re-execution do.
"""

MAX_MEMBERS: constant(uint256) = 100
SIGNATURE_BYTES: constant(uint256) = 66
# Half the order of secp256k1: a larger s is the malleable twin of an accepted signature (EIP-2).
HALF_ORDER: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168

event EpochStarted:
    epoch: indexed(uint64)
    members: DynArray[address, MAX_MEMBERS]
    cosigners: DynArray[bytes32, MAX_MEMBERS]

epoch: public(uint64)
members: public(DynArray[address, MAX_MEMBERS])
cosigners: public(DynArray[bytes32, MAX_MEMBERS])
quorum: public(uint256)


@deploy
def __init__(members: DynArray[address, MAX_MEMBERS], cosigners: DynArray[bytes32, MAX_MEMBERS]):
    """
    @notice Starts epoch 1
    @param members Attesting accounts (secp256k1) by member index
    @param cosigners Ed25519 cosigning keys by member index, for readers of checkpoints
    """
    n: uint256 = len(members)
    assert n >= 4, "Committee: fewer than four members tolerate no fault"
    assert len(cosigners) == n, "Committee: one cosigning key per member"
    for i: uint256 in range(n, bound=MAX_MEMBERS):
        assert members[i] != empty(address), "Committee: zero member"
        assert cosigners[i] != empty(bytes32), "Committee: zero cosigning key"
        for j: uint256 in range(i, bound=MAX_MEMBERS):
            assert members[j] != members[i], "Committee: duplicate member"
            assert cosigners[j] != cosigners[i], "Committee: duplicate cosigning key"
    self.epoch = 1
    self.members = members
    self.cosigners = cosigners
    self.quorum = 2 * n // 3 + 1
    log EpochStarted(epoch=1, members=members, cosigners=cosigners)


@external
@view
def size() -> uint256:
    """
    @notice How many members the epoch has
    @return n
    """
    return len(self.members)


@external
@view
def check(epoch: uint64, digest: bytes32, signatures: Bytes[6600]) -> bool:
    """
    @notice Reverts unless a quorum of the epoch signed the digest
    @param epoch The epoch the certificate names
    @param digest The EIP-712 digest
    @param signatures Packed signatures, strictly ordered by member index
    @return True; it never answers False
    """
    self._check(epoch, digest, signatures, self.quorum)
    return True


@external
@view
def check_blocking(epoch: uint64, digest: bytes32, signatures: Bytes[6600]) -> bool:
    """
    @notice Reverts unless so many signed that the others are no quorum: n - t + 1
    @param epoch The epoch the signatures are of
    @param digest The EIP-712 digest
    @param signatures Packed signatures, strictly ordered by member index
    @return True; it never answers False
    """
    self._check(epoch, digest, signatures, len(self.members) - self.quorum + 1)
    return True


@external
@view
def check_current(epoch: uint64, digest: bytes32, signatures: Bytes[6600]) -> bool:
    """
    @notice Reverts unless a quorum of the current epoch signed the digest
    @param epoch The epoch the signatures are of
    @param digest The EIP-712 digest
    @param signatures Packed signatures, strictly ordered by member index
    @return True; it never answers False
    """
    self._check(epoch, digest, signatures, self.quorum)
    return True


@external
@view
def check_member(epoch: uint64, digest: bytes32, signature: Bytes[66]) -> uint256:
    """
    @notice Reverts unless one member of the current epoch signed the digest
    @param epoch The epoch the signature is of
    @param digest The EIP-712 digest
    @param signature One packed signature
    @return The member's index
    """
    assert len(signature) == SIGNATURE_BYTES, "Committee: signature length"
    self._check(epoch, digest, signature, 1)
    return convert(slice(signature, 0, 1), uint256)


@internal
@view
def _check(epoch: uint64, digest: bytes32, signatures: Bytes[6600], needed: uint256):
    """
    @dev Different members of the epoch, in order, at least `needed` of them, each signature in strict form
    """
    assert epoch == self.epoch, "Committee: wrong epoch"
    count: uint256 = len(signatures) // SIGNATURE_BYTES
    assert len(signatures) == count * SIGNATURE_BYTES, "Committee: signature length"
    assert count >= needed, "Committee: below quorum"
    next_index: uint256 = 0
    for i: uint256 in range(count, bound=MAX_MEMBERS):
        at: uint256 = i * SIGNATURE_BYTES
        index: uint256 = convert(slice(signatures, at, 1), uint256)
        assert index >= next_index, "Committee: signatures out of order"
        assert index < len(self.members), "Committee: unknown member"
        next_index = index + 1
        r: bytes32 = extract32(signatures, at + 1)
        s: bytes32 = extract32(signatures, at + 33)
        v: uint256 = convert(slice(signatures, at + 65, 1), uint256)
        assert v == 27 or v == 28, "Committee: recovery id"
        assert convert(s, uint256) <= HALF_ORDER, "Committee: malleable signature"
        # ecrecover answers the zero address for what it cannot recover, and no member is zero.
        assert ecrecover(digest, v, r, s) == self.members[index], "Committee: not this member's signature"
