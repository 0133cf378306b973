# pragma version 0.4.3
"""
@title The initiator's side of a hash lock: funded first, claimed last
@license Apache-2.0
@notice The initiator made the secret and locks first and longest: at least L from now, so that the responder, who
        learns the secret only when the initiator claims on the other chain, still has the whole margin to claim here.
        See `hash_lock` for the states and for what neither contract protects against.
"""

import hash_lock

initializes: hash_lock

exports: (
    hash_lock.TOKEN,
    hash_lock.LANE,
    hash_lock.bounds,
    hash_lock.margin,
    hash_lock.swap,
    hash_lock.swap_id,
    hash_lock.used,
    hash_lock.revealed,
    hash_lock.open_swaps,
    hash_lock.owed,
    hash_lock.held,
    hash_lock.claim,
    hash_lock.refund,
    hash_lock.withdraw,
    hash_lock.expose,
)


@deploy
def __init__(genesis: bytes32, token: address, mirror: hash_lock.End, bounds: hash_lock.Bounds):
    """
    @notice Binds the contract to its token, its counterpart and the bounds of the manifest
    @param genesis This chain's genesis block hash
    @param token The only token this contract holds
    @param mirror The `ResponderLock` on the other chain
    @param bounds The same for both contracts of the pair
    """
    hash_lock.__init__(True, genesis, token, mirror, bounds)


@external
@nonreentrant
def fund(terms: hash_lock.Terms) -> bytes32:
    """
    @notice The initiator locks the first leg
    @param terms Both legs
    @return The swap's id
    """
    bounds: hash_lock.Bounds = hash_lock.BOUNDS
    refund_time: uint256 = convert(terms.initiator.refund_time, uint256)
    least: uint256 = convert(bounds.initiator_least, uint256)
    most: uint256 = convert(bounds.initiator_most, uint256)
    assert refund_time >= block.timestamp + least, "InitiatorLock: refund time before L"
    assert refund_time <= block.timestamp + most, "InitiatorLock: locked too long"
    return hash_lock._fund(terms, terms.initiator, hash_lock.UNKNOWN)
