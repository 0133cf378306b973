# pragma version 0.4.3
"""
@title Anchor registry (origin chain): the checkpoints of one evidence log, and their way to other chains
@license Apache-2.0
@notice An anchor says that a checkpoint existed by this block. It proves nothing more: a reader asks for the
        notaries' cosignatures, which are made before the anchor and travel beside it.
"""

import application
import message

initializes: application

exports: (application.owner, application.gateway)

event Anchored:
    size: indexed(uint64)
    root: bytes32

struct Anchor:
    size: uint64
    root: bytes32

# SHA-256 of the log's origin line: which log this contract anchors, and no other.
LOG: public(immutable(bytes32))
ANCHORER: public(immutable(address))

latest: public(Anchor)


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
    assert size > self.latest.size, "AnchorRegistry: size not larger"
    assert root != empty(bytes32), "AnchorRegistry: no root"
    self.latest = Anchor(size=size, root=root)
    log Anchored(size=size, root=root)


@external
def carry(recipient: Bytes[58]) -> bytes32:
    """
    @notice Sends the latest anchor to another chain. Anyone may: the content is fixed and the recipient's lane decides
    @param recipient Interoperable address of an anchor mirror
    @return The message's id
    """
    latest: Anchor = self.latest
    assert latest.size != 0, "AnchorRegistry: nothing anchored"
    return application._send(recipient, message.NOTICE, abi_encode(LOG, latest.size, latest.root))
