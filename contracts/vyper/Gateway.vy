# pragma version 0.4.3
"""
@title Gateway: where messages leave this chain and arrive on it, each committed once
@license Apache-2.0
@notice ERC-7786 on both sides: `sendMessage` gives a message its identity, `commit` proves and delivers it through
        `receiveMessage`. A message is delivered only on a lane that the recipient's owner opened. An application call
        that reverts does not undo the commit: it is stored and may be retried with exactly the same payload until the
        message expires.
"""

import message
import attestation
import merkle
import interoperable_address
import IGateway
import ICommittee
import IOwned

implements: IGateway

# Verification policies a lane can ask for; this contract serves the first, the lane refuses the others.
NOTARY: constant(uint8) = 1

DEFAULT_LIFETIME: constant(uint64) = 7 * 24 * 3600  # seconds
DEFAULT_GAS_LIMIT: constant(uint64) = 400_000
MAX_GAS_LIMIT: constant(uint64) = 5_000_000
GAS_RESERVE: constant(uint256) = 60_000  # what this contract needs after the application's call
MAX_OUTCOME_BYTES: constant(uint256) = 64

KIND: constant(bytes4) = method_id("kind(uint8)", output_type=bytes4)
GENERATION: constant(bytes4) = method_id("generation(uint32)", output_type=bytes4)
SEQUENCE: constant(bytes4) = method_id("sequence(uint64)", output_type=bytes4)
EXPIRY: constant(bytes4) = method_id("expiry(uint64)", output_type=bytes4)
GAS_LIMIT: constant(bytes4) = method_id("gasLimit(uint64)", output_type=bytes4)
RECEIVE: constant(bytes4) = method_id("receiveMessage(bytes32,bytes,bytes)", output_type=bytes4)

event MessageSent:
    sendId: indexed(bytes32)
    sender: Bytes[58]
    recipient: Bytes[58]
    payload: Bytes[4096]
    value: uint256
    attributes: DynArray[Bytes[36], 5]

event MessageCommitted:
    id: indexed(bytes32)
    lane: indexed(bytes32)
    generation: uint32
    sequence: uint64
    executed: bool
    outcome: bytes32

event LaneOpened:
    lane: indexed(bytes32)
    origin_chain: uint256
    sender: address
    recipient: address
    generation: uint32
    policy: uint8

event PeerRegistered:
    chain_id: indexed(uint256)
    genesis: bytes32
    gateway: address

event Sealed:
    peers: uint256

struct Lane:
    generation: uint32
    policy: uint8

GENESIS: public(immutable(bytes32))
COMMITTEE: public(immutable(address))
DEPLOYER: immutable(address)

is_sealed: public(bool)
peer_count: uint256
peers: public(HashMap[uint256, message.Chain])
lanes: public(HashMap[bytes32, Lane])
sequences: public(HashMap[bytes32, uint64])
failed: public(HashMap[bytes32, bool])
# keccak(lane, generation) -> word -> bits: one bit per sequence, set once and never cleared.
replay: HashMap[bytes32, HashMap[uint256, uint256]]
delivering: transient(bool)


@deploy
def __init__(genesis: bytes32, committee: address):
    """
    @notice Binds the gateway to its chain and its notaries
    @param genesis This chain's genesis block hash (not readable on chain; verified from outside)
    @param committee The committee contract on this chain
    """
    assert genesis != empty(bytes32), "Gateway: no genesis"
    assert committee.is_contract, "Gateway: no committee"
    GENESIS = genesis
    COMMITTEE = committee
    DEPLOYER = msg.sender


@external
def register_peer(peer: message.Chain):
    """
    @notice Names the gateway of another chain; possible only while the deployment is being set up
    @param peer The other chain: id, genesis hash and gateway
    """
    assert msg.sender == DEPLOYER and not self.is_sealed, "Gateway: peers are sealed"
    assert peer.chain_id != chain.id and peer.chain_id != 0, "Gateway: peer chain id"
    assert peer.gateway != empty(address) and peer.genesis != empty(bytes32), "Gateway: incomplete peer"
    assert self.peers[peer.chain_id].chain_id == 0, "Gateway: peer exists"
    self.peers[peer.chain_id] = peer
    self.peer_count += 1
    log PeerRegistered(chain_id=peer.chain_id, genesis=peer.genesis, gateway=peer.gateway)


@external
def seal():
    """
    @notice Ends the set-up: from now on nobody can add or change a peer
    """
    assert msg.sender == DEPLOYER and not self.is_sealed, "Gateway: peers are sealed"
    self.is_sealed = True
    log Sealed(peers=self.peer_count)


@external
def open_lane(origin_chain: uint256, sender: address, recipient: address, policy: uint8):
    """
    @notice Opens a lane towards a recipient, by the recipient's owner, with the least policy it accepts
    @param origin_chain Chain id the messages come from
    @param sender The only account whose messages the lane carries
    @param recipient The application on this chain
    @param policy The verification policy
    """
    assert staticcall IOwned(recipient).owner() == msg.sender, "Gateway: not the recipient's owner"
    assert self.peers[origin_chain].chain_id != 0, "Gateway: unknown chain"
    assert policy == NOTARY, "Gateway: policy not offered by this chain"
    assert sender != empty(address), "Gateway: no sender"
    lane: bytes32 = keccak256(abi_encode(message.LANE_TAG, origin_chain, chain.id, sender, recipient))
    assert self.lanes[lane].generation == 0, "Gateway: lane exists"
    self.lanes[lane] = Lane(generation=1, policy=policy)
    log LaneOpened(
        lane=lane, origin_chain=origin_chain, sender=sender, recipient=recipient, generation=1, policy=policy
    )


@external
@view
def supportsAttribute(selector: bytes4) -> bool:
    """
    @notice Which attributes `sendMessage` understands (ERC-7786)
    @param selector First four bytes of an attribute
    @return Whether it is one of kind(uint8), expiry(uint64), gasLimit(uint64)
    """
    return selector in [KIND, EXPIRY, GAS_LIMIT]


@external
@payable
def sendMessage(
    recipient: Bytes[58], payload: Bytes[4096], attributes: DynArray[Bytes[36], 3]
) -> bytes32:
    """
    @notice Sends a message to an application on another chain (ERC-7786)
    @param recipient Interoperable address of the application
    @param payload What it receives
    @param attributes Each at most once: kind(uint8), expiry(uint64) in seconds, gasLimit(uint64)
    @return The message's id
    """
    assert msg.value == 0, "Gateway: carries no native value"
    chain_id: uint256 = 0
    account: address = empty(address)
    chain_id, account = interoperable_address._decode(recipient)
    destination: message.Chain = self.peers[chain_id]
    assert destination.chain_id != 0, "Gateway: unknown chain"
    m: message.Message = message.Message(
        version=message.VERSION,
        kind=message.NOTICE,
        origin=message.Chain(chain_id=chain.id, genesis=GENESIS, gateway=self),
        destination=destination,
        generation=1,
        sequence=0,
        sender=msg.sender,
        recipient=account,
        expiry=convert(block.timestamp, uint64) + DEFAULT_LIFETIME,
        gas_limit=DEFAULT_GAS_LIMIT,
        payload_digest=keccak256(payload),
    )
    m = self._with_attributes(m, attributes)
    lane: bytes32 = message._lane(m)
    m.sequence = self.sequences[lane]
    self.sequences[lane] = m.sequence + 1
    id: bytes32 = message._id(m)
    log MessageSent(
        sendId=id,
        sender=interoperable_address._encode(chain.id, msg.sender),
        recipient=recipient,
        payload=payload,
        value=0,
        attributes=[
            concat(KIND, convert(convert(m.kind, uint256), bytes32)),
            concat(GENERATION, convert(convert(m.generation, uint256), bytes32)),
            concat(SEQUENCE, convert(convert(m.sequence, uint256), bytes32)),
            concat(EXPIRY, convert(convert(m.expiry, uint256), bytes32)),
            concat(GAS_LIMIT, convert(convert(m.gas_limit, uint256), bytes32)),
        ],
    )
    return id


@internal
@view
def _with_attributes(m: message.Message, attributes: DynArray[Bytes[36], 3]) -> message.Message:
    """
    @dev Applies the sender's attributes; an unknown, repeated or malformed one refuses the message
    """
    changed: message.Message = m
    seen: uint256 = 0
    for attribute: Bytes[36] in attributes:
        assert len(attribute) == 36, "Gateway: attribute length"
        selector: bytes4 = convert(slice(attribute, 0, 4), bytes4)
        word: uint256 = convert(extract32(attribute, 4), uint256)
        bit: uint256 = 0
        if selector == KIND:
            assert word >= 1 and word <= 3, "Gateway: unknown kind"
            changed.kind = convert(word, uint8)
            bit = 1
        elif selector == EXPIRY:
            assert word > block.timestamp, "Gateway: expiry is past"
            changed.expiry = convert(word, uint64)
            bit = 2
        elif selector == GAS_LIMIT:
            assert word <= convert(MAX_GAS_LIMIT, uint256), "Gateway: gas limit too high"
            changed.gas_limit = convert(word, uint64)
            bit = 4
        assert bit != 0, "Gateway: unsupported attribute"
        assert seen & bit == 0, "Gateway: repeated attribute"
        seen |= bit
    return changed


@external
def commit(
    m: message.Message,
    payload: Bytes[4096],
    index: uint256,
    size: uint256,
    inclusion: DynArray[bytes32, 32],
    epoch: uint64,
    signatures: Bytes[6600],
):
    """
    @notice Commits a message that a certificate proves, once, and calls the application
    @param m The message
    @param payload Its payload
    @param index Position of the message's id among the certificate's leaves
    @param size Number of leaves
    @param inclusion RFC 9162 inclusion proof of the id under the certificate's root
    @param epoch The certificate's signing epoch
    @param signatures The certificate's packed signatures
    """
    id: bytes32 = self._accept(m, payload)
    root: bytes32 = merkle._root(merkle._leaf_hash(id), index, size, inclusion)
    digest: bytes32 = attestation._attestation(chain.id, self, root, epoch)
    assert staticcall ICommittee(COMMITTEE).check(epoch, digest, signatures)
    lane: bytes32 = message._lane(m)
    slot: bytes32 = keccak256(abi_encode(lane, m.generation))
    word: uint256 = convert(m.sequence, uint256) >> 8
    mask: uint256 = 1 << (convert(m.sequence, uint256) & 255)
    bits: uint256 = self.replay[slot][word]
    assert bits & mask == 0, "Gateway: already committed"
    self.replay[slot][word] = bits | mask
    self._deliver(id, lane, m, payload)


@external
def retry(m: message.Message, payload: Bytes[4096]):
    """
    @notice Calls the application again for a committed message whose call failed
    @param m The message
    @param payload Exactly the payload it was sent with
    """
    id: bytes32 = self._accept(m, payload)
    assert self.failed[id], "Gateway: nothing to retry"
    self.failed[id] = False
    self._deliver(id, message._lane(m), m, payload)


@external
@view
def is_committed(m: message.Message) -> bool:
    """
    @notice Whether a message's sequence has been used on its lane and generation
    @param m The message
    @return True once committed, whatever became of the application's call
    """
    slot: bytes32 = keccak256(abi_encode(message._lane(m), m.generation))
    sequence: uint256 = convert(m.sequence, uint256)
    return self.replay[slot][sequence >> 8] & (1 << (sequence & 255)) != 0


@internal
@view
def _accept(m: message.Message, payload: Bytes[4096]) -> bytes32:
    """
    @dev The checks that commit and retry share: for us, from a registered peer, on an open lane, in time, this payload
    """
    assert not self.delivering, "Gateway: no commit inside a delivery"
    assert m.version == message.VERSION, "Gateway: version"
    assert (
        m.destination.chain_id == chain.id
        and m.destination.gateway == self
        and m.destination.genesis == GENESIS
    ), "Gateway: not for this gateway"
    peer: message.Chain = self.peers[m.origin.chain_id]
    assert (
        peer.chain_id != 0 and peer.genesis == m.origin.genesis and peer.gateway == m.origin.gateway
    ), "Gateway: unknown peer"
    lane: Lane = self.lanes[message._lane(m)]
    assert lane.generation != 0 and lane.generation == m.generation, "Gateway: lane not open"
    assert convert(m.expiry, uint256) > block.timestamp, "Gateway: expired"
    assert keccak256(payload) == m.payload_digest, "Gateway: payload differs"
    return message._id(m)


@internal
def _deliver(id: bytes32, lane: bytes32, m: message.Message, payload: Bytes[4096]):
    """
    @dev Calls the application with bounded gas and return data. It answers the ERC-7786 magic value and may add one
         word, its outcome; anything else counts as failed and can be retried.
    """
    gas_limit: uint256 = convert(m.gas_limit, uint256)
    # EIP-150 keeps back one 64th: without this floor a relay could starve the call and have it stored as failed.
    assert msg.gas >= gas_limit + gas_limit // 63 + GAS_RESERVE, "Gateway: not enough gas"
    sender: Bytes[58] = interoperable_address._encode(m.origin.chain_id, m.sender)
    self.delivering = True
    success: bool = False
    answer: Bytes[64] = b""
    success, answer = raw_call(
        m.recipient,
        abi_encode(id, sender, payload, method_id=RECEIVE),
        max_outsize=MAX_OUTCOME_BYTES,
        gas=gas_limit,
        revert_on_failure=False,
    )
    self.delivering = False
    outcome: bytes32 = empty(bytes32)
    executed: bool = False
    if success and len(answer) >= 32:
        executed = slice(answer, 0, 4) == concat(RECEIVE, b"")
        if len(answer) == 64:
            outcome = extract32(answer, 32)
    if not executed:
        self.failed[id] = True
    log MessageCommitted(
        id=id, lane=lane, generation=m.generation, sequence=m.sequence, executed=executed, outcome=outcome
    )
