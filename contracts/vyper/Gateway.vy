# pragma version 0.4.3
"""
@title Gateway: where messages leave this chain and arrive on it, each committed once
@license Apache-2.0
@notice ERC-7786 on both sides: `sendMessage` gives a message its identity, a commit proves it and delivers it through
        `receiveMessage`. A message is delivered only on a lane that the recipient's owner opened, by the proof that
        the lane's policy asks for. An application call that reverts does not undo the commit: it is stored and may be
        retried with exactly the same payload until the message expires. A transfer beyond the lane's limits is
        committed and held until a quorum approves it.
        It does not protect against a quorum that signs what is false on a lane of policy *notary* or *certified*.
"""

import message
import attestation
import merkle
import interoperable_address
import lane_word
import transfer_count
import IAdministered
import IGateway
import ICommittee
import IObserver

implements: IGateway
implements: IAdministered

initializes: transfer_count

exports: (transfer_count.units_sent, transfer_count.units_received)

DEFAULT_LIFETIME: constant(uint64) = 7 * 24 * 3600  # seconds
DEFAULT_GAS_LIMIT: constant(uint64) = 400_000
MAX_GAS_LIMIT: constant(uint64) = 5_000_000
GAS_RESERVE: constant(uint256) = 60_000  # what this contract needs after the application's call
MAX_OUTCOME_BYTES: constant(uint256) = 64
ITEM_HEAD: constant(uint256) = 32  # bytes before an item's payload
MAX_ITEM: constant(uint256) = 288  # bytes: payloads of up to 256 can be committed together
MAX_MULTIPROOF: constant(uint256) = 512  # hashes

KIND: constant(bytes4) = method_id("kind(uint8)", output_type=bytes4)
GENERATION: constant(bytes4) = method_id("generation(uint32)", output_type=bytes4)
SEQUENCE: constant(bytes4) = method_id("sequence(uint64)", output_type=bytes4)
EXPIRY: constant(bytes4) = method_id("expiry(uint64)", output_type=bytes4)
GAS_LIMIT: constant(bytes4) = method_id("gasLimit(uint64)", output_type=bytes4)
RECEIVE: constant(bytes4) = method_id("receiveMessage(bytes32,bytes,bytes)", output_type=bytes4)

# What became of a committed message whose application was not called, or refused by a revert.
FAILED: constant(uint8) = 1
HELD: constant(uint8) = 2
APPROVED: constant(uint8) = 3
VOIDED: constant(uint8) = 4
DELIVERING: constant(uint256) = 256

event MessageSent:
    sendId: indexed(bytes32)
    sender: Bytes[58]
    recipient: Bytes[58]
    payload: Bytes[message.MAX_PAYLOAD]
    value: uint256
    attributes: DynArray[Bytes[36], 5]

event MessageCommitted:
    id: indexed(bytes32)
    lane: indexed(bytes32)
    generation: uint32
    sequence: uint64
    executed: bool
    outcome: bytes32

event MessageHeld:
    id: indexed(bytes32)
    lane: indexed(bytes32)
    generation: uint32
    sequence: uint64

event MessageVoided:
    id: indexed(bytes32)
    lane: indexed(bytes32)
    generation: uint32
    sequence: uint64

event RootCertified:
    root: indexed(bytes32)
    epoch: uint64

# What messages of one lane have in common when they are committed together.
struct Run:
    kind: uint8
    origin: message.Chain
    generation: uint32
    sender: address
    recipient: address

GENESIS: public(immutable(bytes32))
COMMITTEE: public(immutable(address))
ADMINISTRATION: public(immutable(address))

peers: public(HashMap[uint256, message.Chain])
# chain id -> policy -> who proves what happened there
observers: public(HashMap[uint256, HashMap[uint8, address]])
# keccak256(lane, code hash of the recipient) -> the lane's word; and where the lane's present word stands
inbound: HashMap[bytes32, uint256]
inbound_key: HashMap[bytes32, bytes32]
limit_words: HashMap[bytes32, uint256]
outbound: HashMap[bytes32, uint256]
# root -> whether a quorum certified it for this gateway
certified: public(HashMap[bytes32, bool])
# keccak256(lane, generation, sequence / 256) -> one bit per sequence, set once and never cleared
replay: HashMap[bytes32, uint256]
status: public(HashMap[bytes32, uint8])
# DELIVERING | the kind of the message that is being delivered; 0 outside of a delivery
delivering: transient(uint256)


@deploy
def __init__(genesis: bytes32, committee: address, administration: address):
    """
    @notice Binds the gateway to its chain, its notaries and its administration
    @param genesis This chain's genesis block hash (not readable on chain; verified from outside)
    @param committee The committee contract on this chain
    @param administration Who may change peers, lanes, limits and held messages, by its own rules
    """
    assert genesis != empty(bytes32), "Gateway: no genesis"
    assert committee.is_contract, "Gateway: no committee"
    assert administration.is_contract, "Gateway: no administration"
    GENESIS = genesis
    COMMITTEE = committee
    ADMINISTRATION = administration


# -- leaving ---------------------------------------------------------------------------------------------------------


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
    recipient: Bytes[58], payload: Bytes[message.MAX_PAYLOAD], attributes: DynArray[Bytes[36], 3]
) -> bytes32:
    """
    @notice Sends a message to an application on another chain (ERC-7786)
    @param recipient Interoperable address of the application
    @param payload What it receives; that of a transfer begins with asset, quantity and total
    @param attributes Each at most once: kind(uint8), expiry(uint64) in seconds, gasLimit(uint64)
    @return The message's id
    """
    assert msg.value == 0, "Gateway: carries no native value"
    chain_id: uint256 = 0
    account: address = empty(address)
    chain_id, account = interoperable_address._decode(recipient)
    kind: uint8 = message.NOTICE
    expiry: uint64 = 0
    gas_limit: uint64 = 0
    kind, expiry, gas_limit = self._terms(attributes)
    destination: message.Chain = self.peers[chain_id]
    assert destination.chain_id != 0, "Gateway: unknown chain"
    lane: bytes32 = message._lane(self._here(), destination, msg.sender, account)
    word: uint256 = self.outbound[lane]
    self.outbound[lane] = word + (1 << 32)
    place: lane_word.Outbound = lane_word._outbound(word)
    # An acknowledgement goes on through a pause: refunds hang on it.
    assert kind == message.ACKNOWLEDGEMENT or place.paused_until <= block.timestamp, "Gateway: lane paused"
    generation: uint32 = convert(place.generation, uint32)
    sequence: uint64 = convert(place.sequence, uint64)
    if kind == message.TRANSFER:
        transfer_count._count_out(lane, generation, payload)
    id: bytes32 = message._id_on(
        lane, message.VERSION, kind, generation, sequence, expiry, gas_limit, keccak256(payload)
    )
    words: uint256[5] = [
        convert(kind, uint256), place.generation, place.sequence, convert(expiry, uint256), convert(gas_limit, uint256)
    ]
    selectors: bytes4[5] = [KIND, GENERATION, SEQUENCE, EXPIRY, GAS_LIMIT]
    said: DynArray[Bytes[36], 5] = []
    for i: uint256 in range(5):
        said.append(concat(selectors[i], convert(words[i], bytes32)))
    log MessageSent(
        sendId=id,
        sender=interoperable_address._encode(chain.id, msg.sender),
        recipient=recipient,
        payload=payload,
        value=0,
        attributes=said,
    )
    return id


@internal
@view
def _terms(attributes: DynArray[Bytes[36], 3]) -> (uint8, uint64, uint64):
    """
    @dev Kind, expiry and gas limit as the sender asks for them; an unknown, repeated or malformed attribute refuses
         the message
    """
    kind: uint8 = message.NOTICE
    expiry: uint64 = convert(block.timestamp, uint64) + DEFAULT_LIFETIME
    gas_limit: uint64 = DEFAULT_GAS_LIMIT
    seen: uint256 = 0
    for attribute: Bytes[36] in attributes:
        assert len(attribute) == 36, "Gateway: attribute length"
        selector: bytes4 = convert(slice(attribute, 0, 4), bytes4)
        word: uint256 = convert(extract32(attribute, 4), uint256)
        bit: uint256 = 0
        if selector == KIND:
            assert word >= 1 and word <= 4, "Gateway: unknown kind"
            kind = convert(word, uint8)
            bit = 1
        elif selector == EXPIRY:
            assert word > block.timestamp, "Gateway: expiry is past"
            expiry = convert(word, uint64)
            bit = 2
        elif selector == GAS_LIMIT:
            assert word <= convert(MAX_GAS_LIMIT, uint256), "Gateway: gas limit too high"
            gas_limit = convert(word, uint64)
            bit = 4
        assert bit != 0, "Gateway: unsupported attribute"
        assert seen & bit == 0, "Gateway: repeated attribute"
        seen |= bit
    return kind, expiry, gas_limit


# -- arriving --------------------------------------------------------------------------------------------------------


@external
def certify(root: bytes32, epoch: uint64, signatures: Bytes[6600]):
    """
    @notice Checks a certificate once for all the messages under its root
    @param root RFC 9162 root over message ids
    @param epoch The certificate's signing epoch
    @param signatures The certificate's packed signatures
    """
    digest: bytes32 = attestation._attestation(chain.id, self, root, epoch)
    assert staticcall ICommittee(COMMITTEE).check(epoch, digest, signatures)
    # It stays certified when the committee changes: it was checked in time. What must not arrive is paused or voided.
    self.certified[root] = True
    log RootCertified(root=root, epoch=epoch)


@external
def commit(
    d: message.Delivery,
    payload: Bytes[message.MAX_PAYLOAD],
    index: uint256,
    size: uint256,
    inclusion: DynArray[bytes32, 32],
    epoch: uint64,
    signatures: Bytes[6600],
):
    """
    @notice Commits a message that a certificate proves, once, and calls the application
    @param d The message
    @param payload Its payload
    @param index Position of the message's id among the certificate's leaves
    @param size Number of leaves
    @param inclusion RFC 9162 inclusion proof of the id under the certificate's root
    @param epoch The certificate's signing epoch
    @param signatures The certificate's packed signatures; none when `certify` has taken them before
    """
    lane: bytes32 = empty(bytes32)
    id: bytes32 = empty(bytes32)
    word: uint256 = 0
    lane, id, word = self._admit(d, keccak256(payload))
    assert (word >> 32) & 255 == convert(lane_word.NOTARY, uint256), "Gateway: lane asks for another proof"
    root: bytes32 = merkle._root(merkle._leaf_hash(id), index, size, inclusion)
    if len(signatures) == 0:
        assert self.certified[root], "Gateway: root not certified"
    else:
        digest: bytes32 = attestation._attestation(chain.id, self, root, epoch)
        assert staticcall ICommittee(COMMITTEE).check(epoch, digest, signatures)
    self._carry_out(lane, id, d, payload)


@external
def commit_together(
    run: Run,
    items: DynArray[Bytes[MAX_ITEM], merkle.MAX_SEVERAL],
    size: uint256,
    multiproof: DynArray[bytes32, MAX_MULTIPROOF],
    epoch: uint64,
    signatures: Bytes[6600],
):
    """
    @notice Commits several messages of one lane under one root, all or none
    @param run What they have in common
    @param items What each has of its own, in strictly ascending order of their positions:
           position among the leaves (8 bytes) | sequence (8) | expiry (8) | gas limit (8) | payload
    @param size Number of leaves
    @param multiproof The hashes that lead from all of them to the root
    @param epoch The certificate's signing epoch
    @param signatures The certificate's packed signatures; none when `certify` has taken them before
    """
    d: message.Delivery = message.Delivery(
        kind=run.kind,
        origin=run.origin,
        generation=run.generation,
        sequence=0,
        sender=run.sender,
        recipient=run.recipient,
        expiry=0,
        gas_limit=0,
    )
    lane: bytes32 = empty(bytes32)
    word: uint256 = 0
    lane, word = self._enter(d)
    assert (word >> 32) & 255 == convert(lane_word.NOTARY, uint256), "Gateway: lane asks for another proof"
    ids: DynArray[bytes32, merkle.MAX_SEVERAL] = []
    places: DynArray[uint256, merkle.MAX_SEVERAL] = []
    leaves: DynArray[bytes32, merkle.MAX_SEVERAL] = []
    for item: Bytes[MAX_ITEM] in items:
        assert len(item) >= ITEM_HEAD, "Gateway: item too short"
        head: uint256 = convert(extract32(item, 0), uint256)
        d.sequence = convert((head >> 128) & lane_word.MASK_64, uint64)
        d.expiry = convert((head >> 64) & lane_word.MASK_64, uint64)
        d.gas_limit = convert(head & lane_word.MASK_64, uint64)
        id: bytes32 = self._identify(lane, d, keccak256(slice(item, ITEM_HEAD, len(item) - ITEM_HEAD)))
        ids.append(id)
        places.append(head >> 192)
        leaves.append(merkle._leaf_hash(id))
    root: bytes32 = merkle._root_of_several(leaves, places, size, multiproof)
    if len(signatures) == 0:
        assert self.certified[root], "Gateway: root not certified"
    else:
        digest: bytes32 = attestation._attestation(chain.id, self, root, epoch)
        assert staticcall ICommittee(COMMITTEE).check(epoch, digest, signatures)
    at: uint256 = 0
    for item: Bytes[MAX_ITEM] in items:
        head: uint256 = convert(extract32(item, 0), uint256)
        d.sequence = convert((head >> 128) & lane_word.MASK_64, uint64)
        d.expiry = convert((head >> 64) & lane_word.MASK_64, uint64)
        d.gas_limit = convert(head & lane_word.MASK_64, uint64)
        self._carry_out(lane, ids[at], d, slice(item, ITEM_HEAD, len(item) - ITEM_HEAD))
        at += 1


@external
def commit_observed(
    d: message.Delivery,
    payload: Bytes[message.MAX_PAYLOAD],
    index: uint256,
    size: uint256,
    inclusion: DynArray[bytes32, 32],
    epoch: uint64,
    signatures: Bytes[6600],
    observation: Bytes[16384],
):
    """
    @notice Commits a message on a lane that asks for what an observer proves, alone or beside the notaries
    @param d The message
    @param payload Its payload
    @param index As for `commit`; unused without the notaries
    @param size As for `commit`; unused without the notaries
    @param inclusion As for `commit`; unused without the notaries
    @param epoch As for `commit`; unused without the notaries
    @param signatures As for `commit`; unused without the notaries
    @param observation What the origin chain's observer takes as proof
    """
    lane: bytes32 = empty(bytes32)
    id: bytes32 = empty(bytes32)
    word: uint256 = 0
    lane, id, word = self._admit(d, keccak256(payload))
    policy: uint256 = (word >> 32) & 255
    assert policy != convert(lane_word.NOTARY, uint256), "Gateway: lane asks for another proof"
    if policy == convert(lane_word.NOTARY_AND_RELAY, uint256):
        root: bytes32 = merkle._root(merkle._leaf_hash(id), index, size, inclusion)
        digest: bytes32 = attestation._attestation(chain.id, self, root, epoch)
        assert staticcall ICommittee(COMMITTEE).check(epoch, digest, signatures)
    observed_under: uint8 = lane_word.CERTIFIED if policy == convert(lane_word.CERTIFIED, uint256) else lane_word.RELAY
    observer: address = self.observers[d.origin.chain_id][observed_under]
    assert staticcall IObserver(observer).observed(d.origin.chain_id, d.origin.gateway, id, observation)
    self._carry_out(lane, id, d, payload)


@external
def retry(d: message.Delivery, payload: Bytes[message.MAX_PAYLOAD]):
    """
    @notice Calls the application for a committed message whose call failed, or that was held and is approved
    @param d The message
    @param payload Exactly the payload it was sent with
    """
    lane: bytes32 = empty(bytes32)
    id: bytes32 = empty(bytes32)
    word: uint256 = 0
    lane, id, word = self._admit(d, keccak256(payload))
    status: uint8 = self.status[id]
    assert status == FAILED or status == APPROVED, "Gateway: nothing to retry"
    # What failed was counted in its window; the limit of a single message may have been lowered since.
    if status == FAILED and d.kind == message.TRANSFER:
        limits: lane_word.Limits = lane_word._limits(self.limit_words[lane])
        if transfer_count._read(payload).quantity > limits.per_message:
            self._hold(lane, id, d)
            return
    self.status[id] = 0
    self._deliver(id, lane, d, payload)
    # A quorum approves a message once: that lasts until it is delivered.
    if status == APPROVED and self.status[id] == FAILED:
        self.status[id] = APPROVED


# -- what the administration may do ----------------------------------------------------------------------------------


@external
def set_peer(peer: message.Chain):
    """
    @notice Adds a peer
    @param peer The other chain: id, genesis hash and gateway
    """
    self._administered()
    self.peers[peer.chain_id] = peer


@external
def set_observer(chain_id: uint256, policy: uint8, observer: address):
    """
    @notice Names who proves what happened on a peer
    @param chain_id The peer
    @param policy The policy it serves
    @param observer The observer
    """
    self._administered()
    self.observers[chain_id][policy] = observer


@external
def set_lane(lane: bytes32, recipient: address, word: uint256):
    """
    @notice Begins a generation of a lane, for the recipient's present code
    @param lane The lane
    @param recipient Its recipient
    @param word The lane's word
    """
    self._administered()
    self.inbound[self.inbound_key[lane]] = 0
    key: bytes32 = keccak256(concat(lane, recipient.codehash))
    self.inbound_key[lane] = key
    self.inbound[key] = word


@external
def set_lane_word(lane: bytes32, word: uint256):
    """
    @notice Changes an open lane's word, for whatever code it was opened
    @param lane The lane
    @param word The lane's word
    """
    self._administered()
    self.inbound[self.inbound_key[lane]] = word


@external
def set_limits(lane: bytes32, word: uint256):
    """
    @notice Sets the limits of a lane
    @param lane The lane
    @param word The limits' word
    """
    self._administered()
    self.limit_words[lane] = word


@external
def set_outbound(lane: bytes32, word: uint256):
    """
    @notice Changes a lane out of this chain
    @param lane The lane
    @param word The lane's word
    """
    self._administered()
    self.outbound[lane] = word


@external
def void(d: message.Delivery, payload_digest: bytes32) -> bytes32:
    """
    @notice Uses up a message without delivering it: one that has not arrived, or that is held or has failed
    @param d The message
    @param payload_digest keccak256 of its payload
    @return The message's id
    """
    self._administered()
    lane: bytes32 = message._lane(d.origin, self._here(), d.sender, d.recipient)
    id: bytes32 = self._id(lane, d, payload_digest)
    if self.status[id] == 0:
        self._use(lane, d.generation, d.sequence)
    assert self.status[id] != VOIDED, "Gateway: voided before"
    self.status[id] = VOIDED
    log MessageVoided(id=id, lane=lane, generation=d.generation, sequence=d.sequence)
    return id


@external
def approve(id: bytes32):
    """
    @notice Lets a held transfer be delivered
    @param id The message's id
    """
    self._administered()
    assert self.status[id] == HELD, "Gateway: not held"
    self.status[id] = APPROVED


# -- views -----------------------------------------------------------------------------------------------------------


@external
@view
def words(lane: bytes32) -> (uint256, uint256, uint256):
    """
    @notice A lane's words, as `lane_word` packs them
    @param lane The lane
    @return Into this chain, its limits, out of this chain
    """
    return self.inbound[self.inbound_key[lane]], self.limit_words[lane], self.outbound[lane]


@external
@view
def lanes(lane: bytes32) -> lane_word.Lane:
    """
    @notice The present state of a lane into this chain
    @param lane The lane
    @return Generation (0: not open), policy, whether it carries value, paused until, units used in the window
    """
    return lane_word._lane(self.inbound[self.inbound_key[lane]])


@external
@view
def delivered_kind() -> uint8:
    """
    @notice What an application that is being called cannot tell from the call: as what kind its message was checked,
            counted and limited
    @return The kind of the message that is being delivered; 0 outside of a delivery
    """
    return convert(self.delivering & 255, uint8)


@external
@view
def is_committed(lane: bytes32, generation: uint32, sequence: uint64) -> bool:
    """
    @notice Whether a sequence has been used on a lane and generation
    @param lane The lane
    @param generation Its generation
    @param sequence The sequence
    @return True once committed or voided, whatever became of the application's call
    """
    at: bytes32 = keccak256(abi_encode(lane, generation, convert(sequence, uint256) >> 8))
    return self.replay[at] & (1 << (convert(sequence, uint256) & 255)) != 0


@internal
@view
def _admit(d: message.Delivery, payload_digest: bytes32) -> (bytes32, bytes32, uint256):
    """
    @dev The checks that every way to the application shares. Answers the lane, the message's id and the lane's word.
    """
    lane: bytes32 = empty(bytes32)
    word: uint256 = 0
    lane, word = self._enter(d)
    return lane, self._identify(lane, d, payload_digest), word


@internal
@view
def _enter(d: message.Delivery) -> (bytes32, uint256):
    """
    @dev What a lane's messages share: it is open, for the recipient's present code, from a registered peer (the lane
         binds it), in this generation, for this kind, and not paused. Answers the lane and its word.
    """
    assert self.delivering == 0, "Gateway: no commit inside a delivery"
    lane: bytes32 = message._lane(d.origin, self._here(), d.sender, d.recipient)
    word: uint256 = self.inbound[keccak256(concat(lane, d.recipient.codehash))]
    assert word != 0 and word & lane_word.MASK_32 == convert(d.generation, uint256), "Gateway: lane not open"
    # An acknowledgement goes on through a pause: refunds hang on it.
    assert (
        d.kind == message.ACKNOWLEDGEMENT or (word >> 48) & lane_word.MAX_TIME <= block.timestamp
    ), "Gateway: lane paused"
    # An application does not see a message's kind: what it would take for a transfer must have been counted as one.
    if d.kind == message.TRANSFER:
        assert (word >> 40) & 255 != 0, "Gateway: lane carries no value"
    else:
        assert (word >> 40) & 255 == 0, "Gateway: lane carries value only"
    return lane, word


@internal
@view
def _identify(lane: bytes32, d: message.Delivery, payload_digest: bytes32) -> bytes32:
    """
    @dev The id of a message that is in time
    """
    assert convert(d.expiry, uint256) > block.timestamp, "Gateway: expired"
    return self._id(lane, d, payload_digest)


@internal
@pure
def _id(lane: bytes32, d: message.Delivery, payload_digest: bytes32) -> bytes32:
    """
    @dev The id of a message on its lane
    """
    return message._id_on(
        lane, message.VERSION, d.kind, d.generation, d.sequence, d.expiry, d.gas_limit, payload_digest
    )


@internal
@view
def _here() -> message.Chain:
    """
    @dev This end of every message
    """
    return message.Chain(chain_id=chain.id, genesis=GENESIS, gateway=self)


@internal
@view
def _administered():
    """
    @dev Reverts unless the administration calls
    """
    assert msg.sender == ADMINISTRATION, "Gateway: not the administration"


@internal
def _carry_out(lane: bytes32, id: bytes32, d: message.Delivery, payload: Bytes[message.MAX_PAYLOAD]):
    """
    @dev Uses the sequence up, counts what a transfer brings, and calls the application unless it has to be held
    """
    self._use(lane, d.generation, d.sequence)
    if d.kind == message.TRANSFER:
        quantity: uint256 = transfer_count._count_in(lane, d.generation, payload)
        key: bytes32 = keccak256(concat(lane, d.recipient.codehash))
        word: uint256 = lane_word._counted(self.inbound[key], self.limit_words[lane], quantity)
        if word == 0:
            self._hold(lane, id, d)
            return
        self.inbound[key] = word
    self._deliver(id, lane, d, payload)


@internal
def _use(lane: bytes32, generation: uint32, sequence: uint64):
    """
    @dev Sets the sequence's bit, once
    """
    at: bytes32 = keccak256(abi_encode(lane, generation, convert(sequence, uint256) >> 8))
    mask: uint256 = 1 << (convert(sequence, uint256) & 255)
    bits: uint256 = self.replay[at]
    assert bits & mask == 0, "Gateway: already committed"
    self.replay[at] = bits | mask


@internal
def _hold(lane: bytes32, id: bytes32, d: message.Delivery):
    """
    @dev Keeps a transfer from its application until a quorum approves or voids it
    """
    self.status[id] = HELD
    log MessageHeld(id=id, lane=lane, generation=d.generation, sequence=d.sequence)


@internal
def _deliver(id: bytes32, lane: bytes32, d: message.Delivery, payload: Bytes[message.MAX_PAYLOAD]):
    """
    @dev Calls the application with bounded gas and return data. It answers the ERC-7786 magic value and may add one
         word, its outcome; anything else counts as failed and can be retried.
    """
    gas_limit: uint256 = convert(d.gas_limit, uint256)
    # EIP-150 keeps back one 64th: without this floor a relay could starve the call and have it stored as failed.
    assert msg.gas >= gas_limit + gas_limit // 63 + GAS_RESERVE, "Gateway: not enough gas"
    sender: Bytes[58] = interoperable_address._encode(d.origin.chain_id, d.sender)
    self.delivering = DELIVERING | convert(d.kind, uint256)
    success: bool = False
    answer: Bytes[64] = b""
    success, answer = raw_call(
        d.recipient,
        abi_encode(id, sender, payload, method_id=RECEIVE),
        max_outsize=MAX_OUTCOME_BYTES,
        gas=gas_limit,
        revert_on_failure=False,
    )
    self.delivering = 0
    outcome: bytes32 = empty(bytes32)
    executed: bool = False
    if success and len(answer) >= 32:
        executed = extract32(answer, 0) == convert(RECEIVE, bytes32)
        if len(answer) == 64:
            outcome = extract32(answer, 32)
    if not executed:
        self.status[id] = FAILED
    log MessageCommitted(
        id=id, lane=lane, generation=d.generation, sequence=d.sequence, executed=executed, outcome=outcome
    )
