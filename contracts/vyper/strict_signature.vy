# pragma version 0.4.3
"""
@title One secp256k1 signature in strict form, and who made it
@license Apache-2.0
@notice 65 bytes: r (32) | s (32) | v (1). One signature has one form: v is 27 or 28 and s is low (EIP-2), so that
        nobody can make a second signature out of a first one. `ledger.secp256k1` is the Python twin.
"""

# Half the order of secp256k1: a larger s is the malleable twin of an accepted signature.
HALF_ORDER: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168


@internal
@view
def _signer(digest: bytes32, signature: Bytes[65]) -> address:
    """
    @notice Who signed a digest; reverts rather than answer the zero address
    @param digest What was signed
    @param signature r | s | v
    @return The signer
    """
    assert len(signature) == 65, "strict_signature: length"
    s: uint256 = convert(extract32(signature, 32), uint256)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    assert v == 27 or v == 28, "strict_signature: recovery id"
    assert s <= HALF_ORDER, "strict_signature: malleable"
    # ecrecover answers the zero address for r or s outside 1..order-1 and for what is on no point of the curve.
    signer: address = ecrecover(digest, v, convert(extract32(signature, 0), uint256), s)
    assert signer != empty(address), "strict_signature: nobody's"
    return signer
