# pragma version 0.4.3
"""
@title The message between chains: its fields, its id, its lane
@license Apache-2.0
@notice Every field is one static ABI word under a tag, so that two different messages can never share an id. The lane
        binds both ends whole (chain id, genesis, gateway) with sender and recipient; the id binds the lane and the
        rest. The id holds no epoch and no signature: who attests a message does not change which message it is.
        `ledger.proposal` is this module's Python twin; `tests/vectors/messages.json` keeps them equal.
"""

VERSION: constant(uint8) = 1

# A notice is final when committed; a call and a transfer are acknowledged from the transaction chain once their
# credential is closed; an acknowledgement is never acknowledged. Only a transfer carries value.
NOTICE: constant(uint8) = 1
CALL: constant(uint8) = 2
ACKNOWLEDGEMENT: constant(uint8) = 3
TRANSFER: constant(uint8) = 4

ID_TAG: constant(bytes32) = keccak256("pledgetrail/message/v1")
LANE_TAG: constant(bytes32) = keccak256("pledgetrail/lane/v1")

# What is larger travels as its digest.
MAX_PAYLOAD: constant(uint256) = 1024


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


# What a destination gateway has to be told of a message: the rest it knows itself. Words, which are read where they
# stand in the call, and the lane instead of what it is made of: a gateway that opened it knows the rest.
struct Delivery:
    terms: uint256  # kind 32 bits (highest) | generation 32 | sequence 64 | expiry 64 | gas limit 64
    lane: bytes32
    origin_chain: uint256
    sender: uint256  # an address as a word
    recipient: uint256  # likewise


@internal
@pure
def _lane(origin: Chain, destination: Chain, sender: address, recipient: address) -> bytes32:
    """
    @notice The lane between two applications, without its generation
    @param origin The end the messages leave from
    @param destination The end they reach
    @param sender The only account whose messages the lane carries
    @param recipient The application they are for
    @return keccak256 of tag, both ends, sender and recipient, one ABI word each
    """
    return keccak256(abi_encode(LANE_TAG, origin, destination, sender, recipient))


@internal
@pure
def _lane_of(m: Message) -> bytes32:
    """
    @notice The lane a message travels on
    @param m The message
    @return The lane
    """
    return self._lane(m.origin, m.destination, m.sender, m.recipient)


@internal
@pure
def _id(m: Message) -> bytes32:
    """
    @notice The message's identity
    @param m The message
    @return keccak256 of the tag, the lane and the other fields, one ABI word each
    """
    return self._id_on(
        self._lane_of(m),
        m.version,
        m.kind,
        m.generation,
        m.sequence,
        m.expiry,
        m.gas_limit,
        m.payload_digest,
    )


@internal
@pure
def _id_on(
    lane: bytes32,
    version: uint8,
    kind: uint8,
    generation: uint32,
    sequence: uint64,
    expiry: uint64,
    gas_limit: uint64,
    payload_digest: bytes32,
) -> bytes32:
    """
    @notice The identity of a message on a lane that is already known
    @param lane The lane
    @param version Protocol version
    @param kind Kind of message
    @param generation The lane's generation
    @param sequence Position on the lane
    @param expiry Seconds of the destination's block time
    @param gas_limit Gas for the application's call
    @param payload_digest keccak256 of the payload
    @return The message's id
    """
    return keccak256(
        abi_encode(ID_TAG, version, kind, lane, generation, sequence, expiry, gas_limit, payload_digest)
    )
