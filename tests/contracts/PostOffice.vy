# pragma version 0.4.3
"""
@title Test only: a gateway that carries nothing; the test reads what was posted and delivers what it likes
@license Apache-2.0
@notice Stands for a proven lane: who the sender is, is what the test says. Order, loss and repetition are the test's.
"""

interface Recipient:
    def receiveMessage(id: bytes32, sender: Bytes[58], payload: Bytes[1024]) -> (bytes4, bytes32): nonpayable

event Posted:
    sender: address
    recipient: Bytes[58]
    payload: Bytes[1024]
    attributes: DynArray[Bytes[36], 3]

posted: public(uint256)


@external
@payable
def sendMessage(
    recipient: Bytes[58], payload: Bytes[1024], attributes: DynArray[Bytes[36], 3]
) -> bytes32:
    """
    @notice Notes a message
    @param recipient To whom
    @param payload What
    @param attributes How
    @return An id
    """
    self.posted += 1
    log Posted(sender=msg.sender, recipient=recipient, payload=payload, attributes=attributes)
    return keccak256(abi_encode(chain.id, self.posted))


@external
def deliver(recipient: address, sender: Bytes[58], payload: Bytes[1024]) -> bytes32:
    """
    @notice Delivers
    @param recipient The application
    @param sender From whom, as the test claims
    @param payload What
    @return The outcome
    """
    self.posted += 1
    magic: bytes4 = empty(bytes4)
    outcome: bytes32 = empty(bytes32)
    magic, outcome = extcall Recipient(recipient).receiveMessage(
        keccak256(abi_encode(chain.id, self.posted)), sender, payload
    )
    assert magic == method_id("receiveMessage(bytes32,bytes,bytes)", output_type=bytes4), "PostOffice: magic"
    return outcome
