# pragma version 0.4.3
"""
@title Orders of the quorum: announced first, carried out after a delay, once
@license Apache-2.0
@notice How a contract is administered: a quorum of the current committee signs what shall be done, anyone announces
        it, everybody has the delay to see it coming, and then anyone carries it out. An order lapses when its window
        is over or when another epoch has begun, and is never taken twice; to repeat it the quorum signs another salt.
        An approval has no delay: it is only for releasing what the contract itself held back.
        It does not protect against a quorum that orders what is harmful: the delay shows it, nothing here stops it.
"""

import attestation
import ICommittee

ORDER_TYPE: constant(bytes32) = keccak256("Order(bytes32 action,bytes32 salt,uint64 epoch)")
# A type of its own: what was signed to be carried out at once can be neither announced nor the other way round.
APPROVAL_TYPE: constant(bytes32) = keccak256("Approval(bytes32 action,bytes32 salt,uint64 epoch)")

WINDOW: constant(uint256) = 7 * 24 * 3600  # seconds in which a due order can be taken
MAX_DELAY: constant(uint256) = 90 * 24 * 3600  # seconds
TAKEN: constant(uint256) = max_value(uint256)

event OrderAnnounced:
    action: indexed(bytes32)
    salt: bytes32
    epoch: uint64
    due: uint256

event OrderTaken:
    action: indexed(bytes32)
    salt: bytes32
    epoch: uint64

ORDERS: immutable(address)
DELAY: immutable(uint256)

# keccak256(action, salt) -> epoch (64 bits) | due (64 bits, seconds), or TAKEN. Never cleared.
orders: HashMap[bytes32, uint256]


@deploy
def __init__(committee: address, delay: uint256):
    """
    @notice Names whose orders count, and how long they are visible before they take effect
    @param committee The committee contract; the contract itself where it is the committee
    @param delay Seconds between announcement and effect, 1 to 90 days
    """
    assert committee == self or committee.is_contract, "order: no committee"
    assert delay != 0 and delay <= MAX_DELAY, "order: delay"
    ORDERS = committee
    DELAY = delay


@external
def announce(action: bytes32, salt: bytes32, epoch: uint64, signatures: Bytes[6600]):
    """
    @notice Announces an order that a quorum of the current committee signed for this contract; anyone may
    @param action keccak256(abi_encode(keccak256("pledgetrail/order/<Contract>.<function>"), arguments...))
    @param salt Whatever makes this order another one than the same action before
    @param epoch The signing epoch, which must be the current one
    @param signatures Packed signatures over `Order`
    """
    key: bytes32 = self._key(action, salt)
    assert self.orders[key] == 0, "order: announced before"
    due: uint256 = block.timestamp + DELAY
    self.orders[key] = convert(epoch, uint256) << 64 | due
    self._require_quorum(ORDER_TYPE, action, salt, epoch, signatures)
    log OrderAnnounced(action=action, salt=salt, epoch=epoch, due=due)


@external
@view
def order_due(action: bytes32, salt: bytes32) -> uint256:
    """
    @notice From when an announced order can be taken
    @param action The action
    @param salt The order's salt
    @return Seconds of this chain's time; 0 when it was never announced, 2**256 - 1 when it was taken or approved
    """
    order: uint256 = self.orders[self._key(action, salt)]
    return order if order == TAKEN else order & convert(max_value(uint64), uint256)


@external
@view
def order_delay() -> uint256:
    """
    @notice How long an order is visible before it takes effect
    @return Seconds
    """
    return DELAY


@internal
def _take(action: bytes32, salt: bytes32):
    """
    @dev Consumes a due order; reverts unless it was announced, its delay is over, it has not lapsed, and the epoch it
         was signed in is still the current one
    """
    key: bytes32 = self._key(action, salt)
    order: uint256 = self.orders[key]
    assert order != 0, "order: not announced"
    assert order != TAKEN, "order: taken before"
    due: uint256 = order & convert(max_value(uint64), uint256)
    assert block.timestamp >= due, "order: not due"
    assert block.timestamp < due + WINDOW, "order: lapsed"
    epoch: uint64 = convert(order >> 64, uint64)
    self.orders[key] = TAKEN
    assert staticcall ICommittee(ORDERS).epoch() == epoch, "order: of an earlier epoch"
    log OrderTaken(action=action, salt=salt, epoch=epoch)


@internal
def _approve(action: bytes32, salt: bytes32, epoch: uint64, signatures: Bytes[6600]):
    """
    @dev Consumes a quorum's approval, which has no delay; for the release of what was held back, and nothing else
    """
    key: bytes32 = self._key(action, salt)
    assert self.orders[key] == 0, "order: announced or approved before"
    self.orders[key] = TAKEN
    self._require_quorum(APPROVAL_TYPE, action, salt, epoch, signatures)
    log OrderTaken(action=action, salt=salt, epoch=epoch)


@internal
@view
def _require_quorum(type_hash: bytes32, action: bytes32, salt: bytes32, epoch: uint64, signatures: Bytes[6600]):
    """
    @dev Reverts unless a quorum of the current epoch signed this for this contract on its live chain
    """
    struct_hash: bytes32 = keccak256(abi_encode(type_hash, action, salt, epoch))
    digest: bytes32 = attestation._digest(chain.id, self, struct_hash)
    assert staticcall ICommittee(ORDERS).check_current(epoch, digest, signatures)


@internal
@pure
def _key(action: bytes32, salt: bytes32) -> bytes32:
    """
    @dev Where an order is kept
    """
    return keccak256(concat(action, salt))
