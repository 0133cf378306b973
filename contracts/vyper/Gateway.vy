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
import replay
import seat
import transfer_count
import IAdministered
import IGateway
import IObserver

implements: IGateway
implements: IAdministered

initializes: replay
initializes: seat
initializes: transfer_count

exports: (seat.seats, transfer_count.units_sent, transfer_count.units_received)

DEFAULT_LIFETIME: constant(uint64) = 7 * 24 * 3600  # seconds
DEFAULT_GAS_LIMIT: constant(uint64) = 400_000
MAX_GAS_LIMIT: constant(uint64) = 5_000_000
GAS_RESERVE: constant(uint256) = 60_000  # what this contract needs after the application's call
MAX_OUTCOME_BYTES: constant(uint256) = 64
ITEM_HEAD: constant(uint256) = 32  # bytes before an item's payload
MAX_ITEM: constant(uint256) = 288  # bytes: payloads of up to 256 can be committed together
MAX_MULTIPROOF: constant(uint256) = 512  # hashes
MASK_160: constant(uint256) = 2**160 - 1

# A message's terms in one word: where each begins, and those that messages of one run do not share.
KIND_AT: constant(uint256) = 224
GENERATION_AT: constant(uint256) = 192
SEQUENCE_AT: constant(uint256) = 128
EXPIRY_AT: constant(uint256) = 64
MASK_OWN: constant(uint256) = 2**192 - 1
TRANSFER: constant(uint256) = 4
ACKNOWLEDGEMENT: constant(uint256) = 3

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

GENESIS: public(immutable(bytes32))
COMMITTEE: public(immutable(address))
ADMINISTRATION: public(immutable(address))

peers: public(HashMap[uint256, message.Chain])
# chain id -> policy -> who proves what happened there
observers: public(HashMap[uint256, HashMap[uint8, address]])
# A lane's key -> the lane's word; and where the lane's present word stands. The key is keccak256 of lane, origin chain,
# sender, recipient and code hash of the recipient: whoever names a lane with another of them finds nothing.
inbound: HashMap[bytes32, uint256]
inbound_key: HashMap[bytes32, bytes32]
# A lane's key -> what a lane that carries value has let through
passed: HashMap[bytes32, uint256]
# lane -> limits, as they were set
limit_words: HashMap[bytes32, uint256]
outbound: HashMap[bytes32, uint256]
# root -> whether a quorum certified it for this gateway
certified: public(HashMap[bytes32, bool])
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
def certify(root: bytes32, epoch: uint64, signatures: Bytes[seat.MAX_PACKED_BYTES]):
    """
    @notice Checks a certificate once for all the messages under its root
    @param root RFC 9162 root over message ids
    @param epoch The certificate's signing epoch
    @param signatures The certificate's packed signatures
    """
    seat._check(epoch, attestation._attestation(chain.id, self, root, epoch), signatures)
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
    signatures: Bytes[seat.MAX_PACKED_BYTES],
):
    """
    @notice Commits a message that a certificate proves, once, and calls the application
    @param d The message
    @param payload Its payload
    @param index Position of the message's id among the certificate's leaves
    @param size Number of leaves
    @param inclusion RFC 9162 inclusion proof of the id under the certificate's root
    @param epoch The certificate's signing epoch
    @param signatures The certificate's packed signatures
    """
    key: bytes32 = self._key(d)
    word: uint256 = self._enter(d.terms, key, lane_word.NOTARY_ONLY)
    id: bytes32 = self._identify(d.lane, d.terms, keccak256(payload))
    root: bytes32 = merkle._root(merkle._leaf_hash(id), index, size, inclusion)
    seat._check(epoch, attestation._attestation(chain.id, self, root, epoch), signatures)
    self._carry_out(key, word, id, d, payload)


@external
def commit_certified(
    d: message.Delivery,
    payload: Bytes[message.MAX_PAYLOAD],
    index: uint256,
    size: uint256,
    inclusion: DynArray[bytes32, 32],
):
    """
    @notice Commits a message under a root that `certify` has taken before, once, and calls the application
    @param d The message
    @param payload Its payload
    @param index Position of the message's id among the certificate's leaves
    @param size Number of leaves
    @param inclusion RFC 9162 inclusion proof of the id under the certified root
    """
    key: bytes32 = self._key(d)
    word: uint256 = self._enter(d.terms, key, lane_word.NOTARY_ONLY)
    id: bytes32 = self._identify(d.lane, d.terms, keccak256(payload))
    assert self.certified[merkle._root(merkle._leaf_hash(id), index, size, inclusion)], "Gateway: root not certified"
    self._carry_out(key, word, id, d, payload)


@external
def commit_together(
    run: message.Delivery,
    items: DynArray[Bytes[MAX_ITEM], merkle.MAX_SEVERAL],
    size: uint256,
    multiproof: DynArray[bytes32, MAX_MULTIPROOF],
    epoch: uint64,
    signatures: Bytes[seat.MAX_PACKED_BYTES],
):
    """
    @notice Commits several messages of one lane under one root, all or none
    @param run What they have in common; sequence, expiry and gas limit are zero in it
    @param items What each has of its own, in strictly ascending order of their positions:
           position among the leaves (8 bytes) | sequence (8) | expiry (8) | gas limit (8) | payload
    @param size Number of leaves
    @param multiproof The hashes that lead from all of them to the root
    @param epoch The certificate's signing epoch
    @param signatures The certificate's packed signatures; none when `certify` has taken them before
    """
    assert run.terms & MASK_OWN == 0, "Gateway: one message's terms"
    key: bytes32 = self._key(run)
    word: uint256 = self._enter(run.terms, key, lane_word.NOTARY_ONLY)
    ids: DynArray[bytes32, merkle.MAX_SEVERAL] = []
    places: DynArray[uint256, merkle.MAX_SEVERAL] = []
    leaves: DynArray[bytes32, merkle.MAX_SEVERAL] = []
    for item: Bytes[MAX_ITEM] in items:
        assert len(item) >= ITEM_HEAD, "Gateway: item too short"
        head: uint256 = convert(extract32(item, 0), uint256)
        id: bytes32 = self._identify(
            run.lane, run.terms | (head & MASK_OWN), keccak256(slice(item, ITEM_HEAD, unsafe_sub(len(item), ITEM_HEAD)))
        )
        ids.append(id)
        places.append(head >> 192)
        leaves.append(merkle._leaf_hash(id))
    root: bytes32 = merkle._root_of_several(leaves, places, size, multiproof)
    if len(signatures) == 0:
        assert self.certified[root], "Gateway: root not certified"
    else:
        seat._check(epoch, attestation._attestation(chain.id, self, root, epoch), signatures)
    # Everything is used up and counted before the first application is called.
    held: uint256 = self._paged(key, word)
    stays: uint256 = 0  # a bit for each item that is held
    for i: uint256 in range(len(items), bound=merkle.MAX_SEVERAL):
        sequence: uint256 = (convert(extract32(items[i], 0), uint256) >> SEQUENCE_AT) & lane_word.MASK_64
        held = replay._use(held, run.lane, word & lane_word.MASK_32, sequence)
        if word & lane_word.CARRIES_VALUE != 0:
            payload: Bytes[MAX_ITEM] = slice(items[i], ITEM_HEAD, unsafe_sub(len(items[i]), ITEM_HEAD))
            held, stays = self._count_in(held, word, run.lane, payload, stays, i)
    self._keep(key, word, held)
    d: message.Delivery = run
    for i: uint256 in range(len(items), bound=merkle.MAX_SEVERAL):
        d.terms = run.terms | (convert(extract32(items[i], 0), uint256) & MASK_OWN)
        if (stays >> i) & 1 != 0:
            self._hold(d.lane, ids[i], d.terms)
        else:
            self._deliver(ids[i], d, slice(items[i], ITEM_HEAD, unsafe_sub(len(items[i]), ITEM_HEAD)))


@external
def commit_observed(
    d: message.Delivery,
    payload: Bytes[message.MAX_PAYLOAD],
    index: uint256,
    size: uint256,
    inclusion: DynArray[bytes32, 32],
    epoch: uint64,
    signatures: Bytes[seat.MAX_PACKED_BYTES],
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
    key: bytes32 = self._key(d)
    word: uint256 = self._enter(d.terms, key, lane_word.OBSERVED)
    policy: uint256 = (word >> 32) & 255
    id: bytes32 = self._identify(d.lane, d.terms, keccak256(payload))
    if policy == convert(lane_word.NOTARY_AND_RELAY, uint256):
        root: bytes32 = merkle._root(merkle._leaf_hash(id), index, size, inclusion)
        seat._check(epoch, attestation._attestation(chain.id, self, root, epoch), signatures)
    observed_under: uint8 = lane_word.CERTIFIED if policy == convert(lane_word.CERTIFIED, uint256) else lane_word.RELAY
    observer: address = self.observers[d.origin_chain][observed_under]
    origin: address = self.peers[d.origin_chain].gateway
    assert staticcall IObserver(observer).observed(d.origin_chain, origin, id, observation)
    self._carry_out(key, word, id, d, payload)


@external
def retry(d: message.Delivery, payload: Bytes[message.MAX_PAYLOAD]):
    """
    @notice Calls the application for a committed message whose call failed, or that was held and is approved
    @param d The message
    @param payload Exactly the payload it was sent with
    """
    self._enter(d.terms, self._key(d), max_value(uint256))
    id: bytes32 = self._identify(d.lane, d.terms, keccak256(payload))
    status: uint8 = self.status[id]
    assert status == FAILED or status == APPROVED, "Gateway: nothing to retry"
    # What failed was counted in its window; the limit of a single message may have been lowered since.
    if status == FAILED and d.terms >> KIND_AT == TRANSFER:
        limits: lane_word.Limits = lane_word._limits(self.limit_words[d.lane])
        if transfer_count._read(payload).quantity > limits.per_message:
            self._hold(d.lane, id, d.terms)
            return
    self.status[id] = 0
    self._deliver(id, d, payload)
    # A quorum approves a message once: that lasts until it is delivered.
    if status == APPROVED and self.status[id] == FAILED:
        self.status[id] = APPROVED


# -- what the committee tells ----------------------------------------------------------------------------------------


@external
def set_seat(epoch: uint64, word: uint256):
    """
    @notice Takes an epoch's seat: who signs for it and until when, as the committee has it from now on
    @param epoch The epoch
    @param word The seat; 0 for an epoch that has none any more
    """
    assert msg.sender == COMMITTEE, "Gateway: not the committee"
    seat.seats[epoch] = word


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
def set_lane(lane: bytes32, origin_chain: uint256, sender: address, recipient: address, word: uint256):
    """
    @notice Begins a generation of a lane, for the recipient's present code
    @param lane The lane
    @param origin_chain Chain id of its origin
    @param sender Its sender
    @param recipient Its recipient
    @param word The lane's word, with its limits where it carries value, and without a replay page
    """
    self._administered()
    ending: bytes32 = self.inbound_key[lane]
    old: uint256 = self.inbound[ending]
    replay._write_back(self._paged(ending, old), lane, old & lane_word.MASK_32)
    self.inbound[ending] = 0
    self.passed[ending] = 0
    key: bytes32 = self._key(
        message.Delivery(
            terms=0,
            lane=lane,
            origin_chain=origin_chain,
            sender=convert(sender, uint256),
            recipient=convert(recipient, uint256),
        )
    )
    self.inbound_key[lane] = key
    # Sequences of this generation may have been voided before it began.
    page: uint256 = replay._turned(0, lane, word & lane_word.MASK_32, 0)
    if word & lane_word.CARRIES_VALUE != 0:
        self.passed[key] = page
        self.inbound[key] = word
    else:
        self.inbound[key] = word | page


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
def set_limits(lane: bytes32, limits: uint256, word: uint256):
    """
    @notice Sets the limits of a lane
    @param lane The lane
    @param limits The limits' word
    @param word The lane's word with them; as it is where the lane carries no value
    """
    self._administered()
    self.limit_words[lane] = limits
    self.inbound[self.inbound_key[lane]] = word


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
    id: bytes32 = self._id(d.lane, d.terms, payload_digest)
    if self.status[id] == 0:
        self._use_up(d.lane, convert(self._generation(d.terms), uint256), convert(self._sequence(d.terms), uint256))
    assert self.status[id] != VOIDED, "Gateway: voided before"
    self.status[id] = VOIDED
    log MessageVoided(
        id=id, lane=d.lane, generation=self._generation(d.terms), sequence=self._sequence(d.terms)
    )
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
    key: bytes32 = self.inbound_key[lane]
    return lane_word._lane(self.inbound[key], self.passed[key])


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
    key: bytes32 = self.inbound_key[lane]
    word: uint256 = self.inbound[key]
    wanted: uint256 = convert(generation, uint256)
    held: uint256 = self._paged(key, word) if word & lane_word.MASK_32 == wanted else 0
    return replay._is_used(held, lane, wanted, convert(sequence, uint256))


@internal
@view
def _key(d: message.Delivery) -> bytes32:
    """
    @dev Where the word of a lane stands, for the recipient's present code
    """
    recipient: address = convert(d.recipient & MASK_160, address)
    return keccak256(abi_encode(d.lane, d.origin_chain, d.sender, d.recipient, recipient.codehash))


@internal
@view
def _enter(terms: uint256, key: bytes32, policies: uint256) -> uint256:
    """
    @dev What a lane's messages share: it is open, for the recipient's present code, from a registered peer (the lane
         binds it), in this generation, for this kind, not paused, and of one of these policies (a bit for each).
         Answers the lane's word.
    """
    assert self.delivering == 0, "Gateway: no commit inside a delivery"
    word: uint256 = self.inbound[key]
    assert (
        word != 0 and word & lane_word.MASK_32 == (terms >> GENERATION_AT) & lane_word.MASK_32
    ), "Gateway: lane not open"
    kind: uint256 = terms >> KIND_AT
    # An acknowledgement goes on through a pause: refunds hang on it.
    assert (
        (word >> lane_word.PAUSE) & lane_word.MAX_TIME <= block.timestamp or kind == ACKNOWLEDGEMENT
    ), "Gateway: lane paused"
    # An application does not see a message's kind: what it would take for a transfer must have been counted as one.
    if kind == TRANSFER:
        assert word & lane_word.CARRIES_VALUE != 0, "Gateway: lane carries no value"
    else:
        assert word & lane_word.CARRIES_VALUE == 0, "Gateway: lane carries value only"
    assert (policies >> ((word >> 32) & 255)) & 1 != 0, "Gateway: lane asks for another proof"
    return word


@internal
@view
def _identify(lane: bytes32, terms: uint256, payload_digest: bytes32) -> bytes32:
    """
    @dev The id of a message that is in time
    """
    assert (terms >> EXPIRY_AT) & lane_word.MASK_64 > block.timestamp, "Gateway: expired"
    return self._id(lane, terms, payload_digest)


@internal
@pure
def _id(lane: bytes32, terms: uint256, payload_digest: bytes32) -> bytes32:
    """
    @dev The id of a message on its lane
    """
    return keccak256(
        abi_encode(
            message.ID_TAG,
            message.VERSION,
            terms >> KIND_AT,
            lane,
            (terms >> GENERATION_AT) & lane_word.MASK_32,
            (terms >> SEQUENCE_AT) & lane_word.MASK_64,
            (terms >> EXPIRY_AT) & lane_word.MASK_64,
            terms & lane_word.MASK_64,
            payload_digest,
        )
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
@view
def _paged(key: bytes32, word: uint256) -> uint256:
    """
    @dev The word of a lane that holds its replay page
    """
    return self.passed[key] if word & lane_word.CARRIES_VALUE != 0 else word


@internal
def _use_up(lane: bytes32, generation: uint256, sequence: uint256):
    """
    @dev Uses a sequence up for a message that is not delivered
    """
    key: bytes32 = self.inbound_key[lane]
    word: uint256 = self.inbound[key]
    if word == 0 or word & lane_word.MASK_32 != generation:
        replay._use_apart(lane, generation, sequence)
    elif word & lane_word.CARRIES_VALUE != 0:
        self.passed[key] = replay._use(self.passed[key], lane, generation, sequence)
    else:
        self.inbound[key] = replay._use(word, lane, generation, sequence)


@internal
def _carry_out(
    key: bytes32, word: uint256, id: bytes32, d: message.Delivery, payload: Bytes[message.MAX_PAYLOAD]
):
    """
    @dev Uses the sequence up, counts what a transfer brings, and calls the application unless it has to be held
    """
    held: uint256 = replay._use(
        self._paged(key, word), d.lane, word & lane_word.MASK_32, (d.terms >> SEQUENCE_AT) & lane_word.MASK_64
    )
    stays: uint256 = 0
    if word & lane_word.CARRIES_VALUE != 0:
        held, stays = self._count_in(held, word, d.lane, payload, 0, 0)
    self._keep(key, word, held)
    if stays != 0:
        self._hold(d.lane, id, d.terms)
    else:
        self._deliver(id, d, payload)


@internal
def _count_in(
    held: uint256, word: uint256, lane: bytes32, payload: Bytes[message.MAX_PAYLOAD], stays: uint256, place: uint256
) -> (uint256, uint256):
    """
    @dev Counts a transfer that arrives. Answers what the lane has let through then, or, beyond the lane's limits, what
         it had before and one bit more of those that have to be held.
    """
    quantity: uint256 = transfer_count._count_in(lane, word & lane_word.MASK_32, payload)
    after: uint256 = lane_word._counted(held, word, quantity)
    if after == max_value(uint256):
        return held, stays | 1 << place
    return after, stays


@internal
def _keep(key: bytes32, word: uint256, held: uint256):
    """
    @dev Writes the word of a lane that holds its replay page
    """
    if word & lane_word.CARRIES_VALUE != 0:
        self.passed[key] = held
    else:
        self.inbound[key] = held


@internal
@pure
def _generation(terms: uint256) -> uint32:
    """
    @dev The generation among a message's terms
    """
    return convert((terms >> GENERATION_AT) & lane_word.MASK_32, uint32)


@internal
@pure
def _sequence(terms: uint256) -> uint64:
    """
    @dev The sequence among a message's terms
    """
    return convert((terms >> SEQUENCE_AT) & lane_word.MASK_64, uint64)


@internal
def _hold(lane: bytes32, id: bytes32, terms: uint256):
    """
    @dev Keeps a transfer from its application until a quorum approves or voids it
    """
    self.status[id] = HELD
    log MessageHeld(id=id, lane=lane, generation=self._generation(terms), sequence=self._sequence(terms))


@internal
def _deliver(id: bytes32, d: message.Delivery, payload: Bytes[message.MAX_PAYLOAD]):
    """
    @dev Calls the application with bounded gas and return data. It answers the ERC-7786 magic value and may add one
         word, its outcome; anything else counts as failed and can be retried.
    """
    gas_limit: uint256 = d.terms & lane_word.MASK_64
    # EIP-150 keeps back one 64th: without this floor a relay could starve the call and have it stored as failed.
    assert (
        msg.gas >= unsafe_add(unsafe_add(gas_limit, gas_limit // 63), GAS_RESERVE)
    ), "Gateway: not enough gas"
    self.delivering = DELIVERING | (d.terms >> KIND_AT)
    success: bool = False
    answer: Bytes[64] = b""
    success, answer = raw_call(
        convert(d.recipient & MASK_160, address),
        abi_encode(
            id,
            interoperable_address._encode(d.origin_chain, convert(d.sender & MASK_160, address)),
            payload,
            method_id=RECEIVE,
        ),
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
    log MessageCommitted(id=id, executed=executed, outcome=outcome)
