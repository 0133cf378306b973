# pragma version 0.4.3
"""
@title The message between chains: its fields, its id, its lane
@license Apache-2.0
@notice Every field is one static ABI word under a tag, so that two different messages can never share an id.
        The id holds no epoch and no signature: who attests a message does not change which message it is.
        `ledger.proposal` is this module's Python twin; `tests/vectors/messages.json` keeps them equal.
"""

VERSION: constant(uint8) = 1

# A notice is final when committed; a call is acknowledged from the transaction chain once its credential is
# closed; an acknowledgement is never acknowledged.
NOTICE: constant(uint8) = 1
CALL: constant(uint8) = 2
ACKNOWLEDGEMENT: constant(uint8) = 3

ID_TAG: constant(bytes32) = keccak256("pledgetrail/message/v1")
LANE_TAG: constant(bytes32) = keccak256("pledgetrail/lane/v1")

MAX_PAYLOAD: constant(uint256) = 4096


struct Chain:
    chain_id: uint256
    genesis: bytes32
    gateway: address


struct Message:
    version: uint8
    kind: uint8
    origin: Chain
    destination: Chain
    generation: uint32
    sequence: uint64
    sender: address
    recipient: address
    expiry: uint64
    gas_limit: uint64
    payload_digest: bytes32


@internal
@pure
def _id(m: Message) -> bytes32:
    """
    @notice The message's identity
    @param m The message
    @return keccak256 of the tag and all fields, one ABI word each
    """
    return keccak256(abi_encode(ID_TAG, m))


@internal
@pure
def _lane(m: Message) -> bytes32:
    """
    @notice The lane a message travels on, without its generation
    @param m The message
    @return keccak256 of tag, both chain ids, sender and recipient
    """
    return keccak256(abi_encode(LANE_TAG, m.origin.chain_id, m.destination.chain_id, m.sender, m.recipient))
