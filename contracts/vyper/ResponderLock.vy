# pragma version 0.4.3
"""
@title The responder's side of a hash lock: funded second, claimed first
@license Apache-2.0
@notice The responder locks second and shortest: at most S from now. The initiator may be asked for a bond beforehand:
        who lets a funded leg run out, having had the choice for nothing, leaves the bond to the responder.
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

event Bonded:
    id: indexed(bytes32)
    hashlock: indexed(bytes32)
    account: indexed(address)
    amount: uint256


@deploy
def __init__(genesis: bytes32, token: address, mirror: hash_lock.End, bounds: hash_lock.Bounds):
    """
    @notice Binds the contract to its token, its counterpart and the bounds of the manifest
    @param genesis This chain's genesis block hash
    @param token The only token this contract holds
    @param mirror The `InitiatorLock` on the other chain
    @param bounds The same for both contracts of the pair
    """
    hash_lock.__init__(False, genesis, token, mirror, bounds)


@external
@nonreentrant
def bond(terms: hash_lock.Terms) -> bytes32:
    """
    @notice The initiator posts the bond of a swap; it comes back with the claim, or when nobody funds the leg
    @param terms Both legs
    @return The swap's id
    """
    self._check_refund_time(terms)
    assert msg.sender == terms.responder.receiver, "ResponderLock: not the initiator"
    assert terms.bond != 0, "ResponderLock: no bond"
    hash_lock._check_terms(terms)
    id: bytes32 = hash_lock._id(terms)
    assert hash_lock.records[id] == 0, "HashLock: another state"
    hash_lock.records[id] = hash_lock._record(hash_lock.BONDED, terms.responder.refund_time)
    log Bonded(id=id, hashlock=terms.hashlock, account=msg.sender, amount=terms.bond)
    hash_lock._take(msg.sender, terms.bond)
    return id


@external
@nonreentrant
def fund(terms: hash_lock.Terms) -> bytes32:
    """
    @notice The responder locks the second leg, after the bond where there is one
    @dev Before calling it the responder has seen the first leg funded, at finality, under the same id
    @param terms Both legs
    @return The swap's id
    """
    self._check_refund_time(terms)
    expected: uint256 = hash_lock.UNKNOWN if terms.bond == 0 else hash_lock.BONDED
    return hash_lock._fund(terms, terms.responder, expected)


@internal
@view
def _check_refund_time(terms: hash_lock.Terms):
    """
    @notice Reverts unless the responder's leg is locked at most S, and long enough for an honest claim
    @dev Without the lower bound a responder could fund at the last moment and collect the bond of an initiator who
         can no longer claim safely
    @param terms Both legs
    """
    bounds: hash_lock.Bounds = hash_lock.BOUNDS
    refund_time: uint256 = convert(terms.responder.refund_time, uint256)
    least: uint256 = convert(hash_lock._least_open(bounds), uint256)
    assert refund_time <= block.timestamp + convert(bounds.responder_most, uint256), "ResponderLock: locked beyond S"
    assert refund_time > block.timestamp + least, "ResponderLock: no time to claim"
