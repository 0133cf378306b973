# pragma version 0.4.3
"""
@title Anchor registry (origin chain): the checkpoints of one evidence log, and their way to other chains
@license Apache-2.0
@notice An anchor says that a checkpoint existed by this block. It proves nothing more: a reader asks for the
        notaries' cosignatures, which are made before the anchor and travel beside it.
        One word is kept, and the log tells the rest: the size (64 bits, highest) and a commitment to size and root
        (192 bits), to which two different checkpoints of a stranger's making never lead; the anchorer itself, who
        would need 2**96 hashes for two roots of one size, is bound by the log and the cosignatures, not by this word.
"""

import application
import message

initializes: application

exports: (application.owner, application.gateway)

COMMITMENT_BITS: constant(uint256) = 192

event Anchored:
    size: indexed(uint64)
    root: bytes32

# SHA-256 of the log's origin line: which log this contract anchors, and no other.
LOG: public(immutable(bytes32))
ANCHORER: public(immutable(address))

anchored: uint256


@deploy
def __init__(gateway: address, log_origin: bytes32, anchorer: address):
    """
    @notice Binds the contract to one log and one anchorer
    @param gateway The origin chain's gateway
    @param log_origin SHA-256 of the log's origin line
    @param anchorer The only account that may anchor
    """
    application.__init__(gateway)
    assert log_origin != empty(bytes32) and anchorer != empty(address), "AnchorRegistry: incomplete"
    LOG = log_origin
    ANCHORER = anchorer


@external
def anchor(size: uint64, root: bytes32):
    """
    @notice Records a checkpoint; the log can only have grown
    @param size Number of entries
    @param root RFC 9162 root
    """
    assert msg.sender == ANCHORER, "AnchorRegistry: not the anchorer"
    assert convert(size, uint256) > self.anchored >> COMMITMENT_BITS, "AnchorRegistry: size not larger"
    assert root != empty(bytes32), "AnchorRegistry: no root"
    self.anchored = self._word(size, root)
    log Anchored(size=size, root=root)


@external
def carry(recipient: Bytes[58], size: uint64, root: bytes32) -> bytes32:
    """
    @notice Sends the latest anchor to another chain. Anyone may: the content is fixed and the recipient's lane decides
    @param recipient Interoperable address of an anchor mirror
    @param size The latest anchor's size, as its log says
    @param root The latest anchor's root, as its log says
    @return The message's id
    """
    assert size != 0 and self.anchored == self._word(size, root), "AnchorRegistry: not the latest anchor"
    return application._send(recipient, message.NOTICE, abi_encode(LOG, size, root))


@external
@view
def latest_size() -> uint64:
    """
    @notice Size of the latest anchor
    @return Number of entries; 0 when nothing is anchored
    """
    return convert(self.anchored >> COMMITMENT_BITS, uint64)


@external
@view
def is_latest(size: uint64, root: bytes32) -> bool:
    """
    @notice Whether this checkpoint is the latest that was anchored
    @param size Number of entries
    @param root RFC 9162 root
    @return True only for the checkpoint that the latest `Anchored` log tells of
    """
    return size != 0 and self.anchored == self._word(size, root)


@internal
@pure
def _word(size: uint64, root: bytes32) -> uint256:
    """
    @dev Size, and the highest 192 bits of keccak256(size, root). The root itself cut short would not do: whoever
         carries an anchor could replace what was cut off.
    """
    commitment: uint256 = convert(keccak256(abi_encode(size, root)), uint256) >> 64
    return convert(size, uint256) << COMMITMENT_BITS | commitment
