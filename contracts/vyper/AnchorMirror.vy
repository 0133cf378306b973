# pragma version 0.4.3
"""
@title Anchor mirror (destination chain): anchors of foreign logs, as proven messages brought them
@license Apache-2.0
@notice Messages may arrive in any order: a mirror keeps the largest size and refuses two roots for one size.
"""

import application
import outcome

initializes: application

exports: (application.owner, application.gateway, application.admit)


event AnchorMirrored:
    log_origin: indexed(bytes32)
    size: indexed(uint64)
    root: bytes32

struct Anchor:
    size: uint64
    root: bytes32

anchors: public(HashMap[bytes32, Anchor])


@deploy
def __init__(gateway: address):
    """
    @notice Binds the mirror to its gateway
    @param gateway The destination chain's gateway
    """
    application.__init__(gateway)


@external
def receiveMessage(id: bytes32, sender: Bytes[58], payload: Bytes[1024]) -> (bytes4, bytes32):
    """
    @notice Takes an anchor from an admitted anchor registry (ERC-7786 recipient)
    @param id The message's id
    @param sender Interoperable address of the anchor registry
    @param payload Log, size and root, one word each
    @return The ERC-7786 magic value, and the outcome as text
    """
    application._authenticate(sender)
    assert len(payload) == 96, "AnchorMirror: length"
    log_origin: bytes32 = empty(bytes32)
    size: uint64 = 0
    root: bytes32 = empty(bytes32)
    log_origin, size, root = abi_decode(payload, (bytes32, uint64, bytes32))
    # Keyed by sender too: a second registry can never overwrite the first one's log.
    key: bytes32 = keccak256(concat(keccak256(sender), log_origin))
    held: Anchor = self.anchors[key]
    if size < held.size:
        return application.RECEIVE, outcome.OLDER
    assert size > held.size or root == held.root, "AnchorMirror: two roots for one size"
    self.anchors[key] = Anchor(size=size, root=root)
    log AnchorMirrored(log_origin=log_origin, size=size, root=root)
    return application.RECEIVE, outcome.MIRRORED
