# pragma version 0.4.3
"""
@title Benchmarks only: an application that does what the peers' receivers do, one log over the payload
@license Apache-2.0
"""

event Received:
    payload_hash: bytes32

GATEWAY: immutable(address)
owner: public(address)


@deploy
def __init__(gateway: address):
    """
    @notice Binds the application to its gateway; the deployer owns it
    @param gateway The gateway
    """
    GATEWAY = gateway
    self.owner = msg.sender


@external
def receiveMessage(id: bytes32, sender: Bytes[58], payload: Bytes[1024]) -> bytes4:
    """
    @notice Takes a message (ERC-7786)
    @param id The message
    @param sender Interoperable address of the sender
    @param payload What it carries
    @return The magic value
    """
    assert msg.sender == GATEWAY, "Receiver: not the gateway"
    log Received(payload_hash=keccak256(payload))
    return method_id("receiveMessage(bytes32,bytes,bytes)", output_type=bytes4)
