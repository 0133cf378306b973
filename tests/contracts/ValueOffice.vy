# pragma version 0.4.3
"""
@title Test only: a gateway that counts and carries nothing; the test delivers what it likes, as whatever kind it likes
@license Apache-2.0
"""

interface Recipient:
    def receiveMessage(id: bytes32, sender: Bytes[58], payload: Bytes[1024]) -> (bytes4, bytes32): nonpayable

struct Chain:
    chain_id: uint256
    genesis: bytes32
    gateway: address

GENESIS: public(constant(bytes32)) = keccak256("genesis")
delivered_kind: public(uint8)
posted: public(uint256)


@external
@view
def peers(chain_id: uint256) -> Chain:
    """
    @notice Every chain is known
    @param chain_id The chain
    @return A chain
    """
    return Chain(chain_id=chain_id, genesis=GENESIS, gateway=self)


@external
@view
def words(lane: bytes32) -> (uint256, uint256, uint256):
    """
    @notice Every lane is new
    @param lane The lane
    @return Nothing
    """
    return 0, 0, 0


@external
@view
def units_sent(lane: bytes32, generation: uint32, asset: bytes32) -> uint256:
    """
    @notice Nothing was sent
    @param lane The lane
    @param generation Its generation
    @param asset The asset
    @return Nothing
    """
    return 0


@external
@payable
def sendMessage(recipient: Bytes[58], payload: Bytes[1024], attributes: DynArray[Bytes[36], 3]) -> bytes32:
    """
    @notice Gives a message an id
    @param recipient To whom
    @param payload What
    @param attributes How
    @return 1, 2, and so on
    """
    self.posted += 1
    return convert(self.posted, bytes32)


@external
def deliver(recipient: address, sender: Bytes[58], payload: Bytes[1024], kind: uint8) -> bytes32:
    """
    @notice Delivers
    @param recipient The application
    @param sender From whom, as the test claims
    @param payload What
    @param kind As what
    @return The outcome
    """
    self.delivered_kind = kind
    magic: bytes4 = empty(bytes4)
    outcome: bytes32 = empty(bytes32)
    magic, outcome = extcall Recipient(recipient).receiveMessage(empty(bytes32), sender, payload)
    assert magic == method_id("receiveMessage(bytes32,bytes,bytes)", output_type=bytes4), "ValueOffice: magic"
    self.delivered_kind = 0
    return outcome
