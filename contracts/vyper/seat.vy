# pragma version 0.4.3
"""
@title Seats: whose signatures a gateway counts, as its committee told it, and whether enough of them signed
@license Apache-2.0
@notice A seat of an epoch is one word: valid until (64 bits, seconds, exclusive) | n (8) | address of the table (160).
        The committee writes it when an epoch begins and ends and when a member is barred, in the same transaction, so
        that a gateway never counts what its committee does not. A certificate is checked where it arrives: asking the
        committee would cost every message another cold account and another copy of the signatures.
        One check as `Committee.check` has it, with the same reasons; packed signatures are described there.
"""

import strict_signature

# A table answers every call with its members' words.
interface ITable:
    def members() -> DynArray[uint256, 100]: view

MAX_MEMBERS: constant(uint256) = 100
BITS: constant(uint256) = 104  # signers, and as many parities below them
MAX_PACKED_BYTES: constant(uint256) = 26 + 64 * 100
HEAD_BYTES: constant(uint256) = 26
PAIR_BYTES: constant(uint256) = 64
FIRST_SIGNER: constant(uint256) = 1 << 104
UNTIL: constant(uint256) = 168
COUNT: constant(uint256) = 160
MASK_160: constant(uint256) = 2**160 - 1

# epoch -> seat. Only the current and the previous epoch have one.
seats: public(HashMap[uint64, uint256])


@internal
@view
def _check(epoch: uint64, digest: bytes32, signatures: Bytes[MAX_PACKED_BYTES]):
    """
    @notice Reverts unless a quorum of the epoch signed the digest; the epoch is the current one, or the previous one
            within its grace period
    @param epoch The epoch the certificate names
    @param digest The EIP-712 digest
    @param signatures Packed signatures
    """
    seat: uint256 = self.seats[epoch]
    if block.timestamp >= seat >> UNTIL:
        assert seat == 0, "Committee: grace is over"
        raise "Committee: wrong epoch"
    n: uint256 = (seat >> COUNT) & 255
    # The count comes before any cryptography: a flood of signatures costs its sender only.
    assert len(signatures) >= HEAD_BYTES + PAIR_BYTES, "Committee: signature length"
    bits: uint256 = convert(extract32(signatures, 0), uint256) >> (256 - 2 * BITS)
    signers: uint256 = bits >> BITS
    assert signers >> n == 0, "Committee: unknown member"
    assert bits & (FIRST_SIGNER - 1) & ~signers == 0, "Committee: recovery id of nobody"
    # How many bits are set: sums of 2, 4 and 8 neighbouring bits, then all bytes at once.
    count: uint256 = unsafe_sub(signers, (signers >> 1) & (max_value(uint256) // 3))
    count = unsafe_add(count & (max_value(uint256) // 5), (count >> 2) & (max_value(uint256) // 5))
    count = unsafe_mul(unsafe_add(count, count >> 4) & (max_value(uint256) // 17), max_value(uint256) // 255) >> 248
    assert len(signatures) == unsafe_add(HEAD_BYTES, unsafe_mul(PAIR_BYTES, count)), "Committee: signature length"
    assert count > unsafe_mul(2, n) // 3, "Committee: below quorum"
    # What stands in the loop is paid by every signature: plain loads, unchecked sums, and one check at the end of all the
    # bits in which a recovered address differs from the member's word.
    at: uint256 = HEAD_BYTES
    differing: uint256 = 0
    words: DynArray[uint256, MAX_MEMBERS] = staticcall ITable(convert(seat & MASK_160, address)).members(
        skip_contract_check=True
    )
    for held: uint256 in words:
        if bits & FIRST_SIGNER != 0:
            s: uint256 = convert(extract32(signatures, unsafe_add(at, 32)), uint256)
            assert s <= strict_signature.HALF_ORDER, "Committee: malleable signature"
            differing |= held ^ convert(
                ecrecover(digest, unsafe_add(27, bits & 1), convert(extract32(signatures, at), uint256), s), uint256
            )
            at = unsafe_add(at, PAIR_BYTES)
        # Both halves move down: the next member's bits come to the places just looked at.
        bits = bits >> 1
    # ecrecover answers the zero address for what it cannot recover, and no member is zero.
    assert differing == 0, "Committee: not this member's signature"
