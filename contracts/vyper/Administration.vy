# pragma version 0.4.3
"""
@title Administration of a gateway: who may do what with its peers, lanes, limits and held messages
@license Apache-2.0
@notice The deployer names peers and observers until `seal`. A lane is opened by the recipient's owner, who pins the
        least policy it accepts. Any one member pauses one direction of a lane for 24 hours, once an epoch. Everything
        else is an order of the quorum after its delay: another peer or observer, a lane's next generation, higher
        limits, a longer or an earlier lifted pause, a message that shall never be delivered. Only a held message is
        released without a delay, by a quorum's approval. Nobody alone can do anything else, and nothing is upgraded.

        An observer proves what happened on a peer without the notaries' word about the message: policy *relay* asks
        one over headers that the peer's own validators sealed, *certified* one over headers the committee certified.
"""

import message
import attestation
import lane_word
import order
import IAdministered
import ICommittee
import IHeaders
import IObserver
import IOwned

initializes: order

exports: (order.announce, order.order_due, order.order_delay)

MEMBER_PAUSE: constant(uint256) = 24 * 3600  # seconds; the quorum's pause lasts as long as the quorum says

ADD_PEER: constant(bytes32) = keccak256("pledgetrail/order/Administration.order_peer")
ADD_OBSERVER: constant(bytes32) = keccak256("pledgetrail/order/Administration.order_observer")
CHANGE: constant(bytes32) = keccak256("pledgetrail/order/Administration.order_lane")
ADVANCE: constant(bytes32) = keccak256("pledgetrail/order/Administration.order_outbound")
LIMIT: constant(bytes32) = keccak256("pledgetrail/order/Administration.order_limits")
PAUSE: constant(bytes32) = keccak256("pledgetrail/order/Administration.order_pause")
VOID: constant(bytes32) = keccak256("pledgetrail/order/Administration.order_void")
RELEASE: constant(bytes32) = keccak256("pledgetrail/order/Administration.approve")

event PeerRegistered:
    chain_id: indexed(uint256)
    genesis: bytes32
    gateway: address

event ObserverRegistered:
    chain_id: indexed(uint256)
    policy: uint8
    observer: address

event Sealed:
    peers: uint256

event LaneOpened:
    lane: indexed(bytes32)
    origin_chain: uint256
    sender: address
    recipient: address
    generation: uint32
    policy: uint8
    carries_value: bool

event OutboundAdvanced:
    lane: indexed(bytes32)
    generation: uint32

event LaneLimited:
    lane: indexed(bytes32)
    per_message: uint256
    per_window: uint256
    window: uint256

event LanePaused:
    lane: indexed(bytes32)
    is_inbound: bool
    until: uint256

event MessageVoided:
    id: indexed(bytes32)

event MessageApproved:
    id: indexed(bytes32)

COMMITTEE: public(immutable(address))
DEPLOYER: immutable(address)

gateway: public(address)
is_sealed: public(bool)
peer_count: public(uint256)
# epoch -> one bit for each member that has used its pause
paused_by: public(HashMap[uint64, uint256])


@deploy
def __init__(committee: address, delay: uint256):
    """
    @notice Binds the administration to the notaries of its chain
    @param committee The committee contract on this chain
    @param delay Seconds between the announcement of an order and its effect
    """
    order.__init__(committee, delay)
    COMMITTEE = committee
    DEPLOYER = msg.sender


# -- set-up ----------------------------------------------------------------------------------------------------------


@external
def attach(gateway: address):
    """
    @notice Names the gateway, which was created for this administration; once
    @param gateway The gateway
    """
    assert msg.sender == DEPLOYER, "Administration: not the deployer"
    assert self.gateway == empty(address), "Administration: attached"
    assert staticcall IAdministered(gateway).ADMINISTRATION() == self, "Administration: another's gateway"
    self.gateway = gateway


@external
def register_peer(peer: message.Chain):
    """
    @notice Names the gateway of another chain, while the deployment is being set up
    @param peer The other chain: id, genesis hash and gateway
    """
    self._set_up()
    self._add_peer(peer)


@external
def register_observer(chain_id: uint256, policy: uint8, observer: address):
    """
    @notice Names who proves what happened on a peer, while the deployment is being set up
    @param chain_id A registered peer
    @param policy The policy it serves
    @param observer The observer
    """
    self._set_up()
    self._name_observer(chain_id, policy, observer)


@external
def seal():
    """
    @notice Ends the set-up
    """
    self._set_up()
    self.is_sealed = True
    log Sealed(peers=self.peer_count)


@external
def order_peer(peer: message.Chain, salt: bytes32):
    """
    @notice Carries out the quorum's order to add a peer. A peer is never changed: a chain that gets another gateway
            would be another end, with lanes of its own
    @param peer The other chain: id, genesis hash and gateway
    @param salt The order's salt
    """
    order._take(keccak256(abi_encode(ADD_PEER, peer)), salt)
    self._add_peer(peer)


@external
def order_observer(chain_id: uint256, policy: uint8, observer: address, salt: bytes32):
    """
    @notice Carries out the quorum's order to name an observer, also in place of another
    @param chain_id A registered peer
    @param policy The policy it serves
    @param observer The observer
    @param salt The order's salt
    """
    order._take(keccak256(abi_encode(ADD_OBSERVER, chain_id, policy, observer)), salt)
    self._name_observer(chain_id, policy, observer)


# -- lanes -----------------------------------------------------------------------------------------------------------


@external
def open_lane(origin_chain: uint256, sender: address, recipient: address, policy: uint8, carries_value: bool):
    """
    @notice Opens a lane towards a recipient, by the recipient's owner, with the least policy it accepts
    @param origin_chain Chain id the messages come from
    @param sender The only account whose messages the lane carries
    @param recipient The application on this chain
    @param policy The verification policy: 1 notary, 2 certified, 3 relay, 4 notary and relay
    @param carries_value Whether it carries transfers, and then nothing else; until limits are set, each is held
    """
    assert staticcall IOwned(recipient).owner() == msg.sender, "Administration: not the recipient's owner"
    lane: bytes32 = self._inbound(origin_chain, sender, recipient)
    assert self._words(lane)[0] == 0, "Administration: lane exists"
    self._open(lane, origin_chain, sender, recipient, 1, policy, carries_value, 0)


@external
def order_lane(
    origin_chain: uint256,
    sender: address,
    recipient: address,
    generation: uint32,
    policy: uint8,
    carries_value: bool,
    salt: bytes32,
):
    """
    @notice Carries out the quorum's order to begin a lane's next generation, also for the recipient's new code. Only
            the recipient's owner can let it accept a weaker policy than before.
    @param origin_chain Chain id the messages come from
    @param sender The lane's sender
    @param recipient The application on this chain
    @param generation The generation to begin: the last one plus one
    @param policy The verification policy
    @param carries_value Whether it carries transfers, and then nothing else
    @param salt The order's salt
    """
    order._take(
        keccak256(abi_encode(CHANGE, origin_chain, sender, recipient, generation, policy, carries_value)), salt
    )
    lane: bytes32 = self._inbound(origin_chain, sender, recipient)
    last: lane_word.Lane = lane_word._lane(self._words(lane)[0], 0)
    assert last.generation != 0, "Administration: lane not open"
    assert generation == last.generation + 1, "Administration: not the next generation"
    if policy < last.policy:
        assert staticcall IOwned(recipient).owner() == msg.sender, "Administration: not the recipient's owner"
    self._open(lane, origin_chain, sender, recipient, generation, policy, carries_value, last.paused_until)


@external
def order_outbound(destination_chain: uint256, sender: address, recipient: address, generation: uint32, salt: bytes32):
    """
    @notice Carries out the quorum's order to begin the next generation of a lane out of this chain, as after a
            reorganisation deeper than finality: no sequence is ever signed twice
    @param destination_chain Chain id the messages go to
    @param sender The lane's sender, on this chain
    @param recipient The application on the other chain
    @param generation The generation to begin: the last one plus one
    @param salt The order's salt
    """
    order._take(keccak256(abi_encode(ADVANCE, destination_chain, sender, recipient, generation)), salt)
    lane: bytes32 = message._lane(self._here(), self._peer(destination_chain), sender, recipient)
    last: lane_word.Outbound = lane_word._outbound(self._words(lane)[2])
    assert convert(generation, uint256) == last.generation + 1, "Administration: not the next generation"
    word: uint256 = lane_word._outbound_paused(last.generation, last.paused_until)
    extcall IAdministered(self.gateway).set_outbound(lane, word)
    log OutboundAdvanced(lane=lane, generation=generation)


@external
def limit_lane(origin_chain: uint256, sender: address, recipient: address, limits: lane_word.Limits):
    """
    @notice Sets the limits of a lane that carries value, by the recipient's owner: the first ones, and later only
            lower ones over the same window
    @param origin_chain Chain id the transfers come from
    @param sender The lane's sender
    @param recipient The application on this chain
    @param limits Units a message, units a window, seconds of the window
    """
    assert staticcall IOwned(recipient).owner() == msg.sender, "Administration: not the recipient's owner"
    lane: bytes32 = self._inbound(origin_chain, sender, recipient)
    held: lane_word.Limits = lane_word._limits(self._words(lane)[1])
    if held.window != 0:
        assert limits.window == held.window, "Administration: another window"
        assert (
            limits.per_message <= held.per_message and limits.per_window <= held.per_window
        ), "Administration: higher limit"
    self._limit(lane, limits)


@external
def order_limits(lane: bytes32, limits: lane_word.Limits, salt: bytes32):
    """
    @notice Carries out the quorum's order to set a lane's limits, also to higher ones
    @param lane The lane
    @param limits Units a message, units a window, seconds of the window
    @param salt The order's salt
    """
    order._take(keccak256(abi_encode(LIMIT, lane, limits)), salt)
    self._limit(lane, limits)


# -- pause -----------------------------------------------------------------------------------------------------------


@external
def pause(lane: bytes32, is_inbound: bool, epoch: uint64, signature: Bytes[66]):
    """
    @notice Pauses one direction of a lane for 24 hours, by any one member of the current epoch, once an epoch
    @param lane The lane
    @param is_inbound Whether what arrives here is paused, or what leaves
    @param epoch The current epoch
    @param signature The member's packed signature over Pause(lane, isInbound, epoch)
    """
    digest: bytes32 = attestation._pause(chain.id, self, lane, is_inbound, epoch)
    bit: uint256 = 1 << (staticcall ICommittee(COMMITTEE).check_member(epoch, digest, signature))
    assert self.paused_by[epoch] & bit == 0, "Administration: member has paused in this epoch"
    self.paused_by[epoch] |= bit
    words: uint256[3] = self._words(lane)
    held: uint256 = lane_word._outbound(words[2]).paused_until
    if is_inbound:
        held = lane_word._lane(words[0], 0).paused_until
    until: uint256 = block.timestamp + MEMBER_PAUSE
    # A member can lengthen a pause, never shorten the quorum's.
    assert until > held, "Administration: paused for longer"
    self._pause(lane, is_inbound, until)


@external
def order_pause(lane: bytes32, is_inbound: bool, until: uint256, salt: bytes32):
    """
    @notice Carries out the quorum's order to pause one direction of a lane, or to lift its pause
    @param lane The lane
    @param is_inbound Whether what arrives here is meant, or what leaves
    @param until Seconds since 1970; 0 lifts the pause
    @param salt The order's salt
    """
    order._take(keccak256(abi_encode(PAUSE, lane, is_inbound, until)), salt)
    self._pause(lane, is_inbound, until)


# -- single messages -------------------------------------------------------------------------------------------------


@external
def order_void(d: message.Delivery, payload_digest: bytes32, salt: bytes32):
    """
    @notice Carries out the quorum's order that a message shall never be delivered: one that has not arrived, or one
            that is held or has failed
    @param d The message
    @param payload_digest keccak256 of its payload
    @param salt The order's salt
    """
    order._take(keccak256(abi_encode(VOID, d, payload_digest)), salt)
    log MessageVoided(id=extcall IAdministered(self.gateway).void(d, payload_digest))


@external
def approve(id: bytes32, epoch: uint64, signatures: Bytes[6600]):
    """
    @notice Lets a held transfer be delivered: a quorum's second approval, on its own and without a delay
    @param id The message's id
    @param epoch The current epoch
    @param signatures Packed signatures over Approval(action, salt, epoch), where the salt is the message's id
    """
    order._approve(RELEASE, id, epoch, signatures)
    extcall IAdministered(self.gateway).approve(id)
    log MessageApproved(id=id)


# -- inside ----------------------------------------------------------------------------------------------------------


@internal
@view
def _set_up():
    """
    @dev Reverts unless this is the deployer, before the seal
    """
    assert msg.sender == DEPLOYER, "Administration: not the deployer"
    assert not self.is_sealed, "Administration: sealed"


@internal
def _add_peer(peer: message.Chain):
    """
    @dev Adds a peer, once for each chain
    """
    assert peer.chain_id != chain.id and peer.chain_id != 0, "Administration: peer chain id"
    assert peer.gateway != empty(address) and peer.genesis != empty(bytes32), "Administration: incomplete peer"
    held: message.Chain = staticcall IAdministered(self.gateway).peers(peer.chain_id)
    assert held.chain_id == 0, "Administration: peer exists"
    extcall IAdministered(self.gateway).set_peer(peer)
    self.peer_count += 1
    log PeerRegistered(chain_id=peer.chain_id, genesis=peer.genesis, gateway=peer.gateway)


@internal
def _name_observer(chain_id: uint256, policy: uint8, observer: address):
    """
    @dev Names an observer whose headers are those of the peer, and are sealed by its validators where relay asks it
    """
    peer: message.Chain = self._peer(chain_id)
    assert policy == lane_word.CERTIFIED or policy == lane_word.RELAY, "Administration: policy without an observer"
    headers: address = staticcall IObserver(observer).HEADERS()
    assert (
        staticcall IHeaders(headers).chain_id() == chain_id
        and staticcall IHeaders(headers).genesis() == peer.genesis
    ), "Administration: headers of another chain"
    # Headers that the committee certifies are worth what the committee is worth: never sold as more.
    assert (
        policy == lane_word.CERTIFIED or staticcall IHeaders(headers).sealed()
    ), "Administration: headers without seals"
    extcall IAdministered(self.gateway).set_observer(chain_id, policy, observer)
    log ObserverRegistered(chain_id=chain_id, policy=policy, observer=observer)


@internal
def _open(
    lane: bytes32,
    origin_chain: uint256,
    sender: address,
    recipient: address,
    generation: uint32,
    policy: uint8,
    carries_value: bool,
    paused_until: uint256,
):
    """
    @dev Begins a generation, which keeps the last one's pause; a policy that this chain cannot serve is refused with
         what is missing
    """
    assert policy >= lane_word.NOTARY and policy <= lane_word.NOTARY_AND_RELAY, "Administration: unknown policy"
    if policy != lane_word.NOTARY:
        needed: uint8 = lane_word.CERTIFIED if policy == lane_word.CERTIFIED else lane_word.RELAY
        observer: address = staticcall IAdministered(self.gateway).observers(origin_chain, needed)
        assert observer != empty(address), "Administration: no observer of the origin for this policy"
    word: uint256 = lane_word._new(generation, policy, carries_value, paused_until)
    if carries_value:
        word = lane_word._limited(word, self._words(lane)[1])
    extcall IAdministered(self.gateway).set_lane(lane, origin_chain, sender, recipient, word)
    log LaneOpened(
        lane=lane,
        origin_chain=origin_chain,
        sender=sender,
        recipient=recipient,
        generation=generation,
        policy=policy,
        carries_value=carries_value,
    )


@internal
def _limit(lane: bytes32, limits: lane_word.Limits):
    """
    @dev Writes a lane's limits
    """
    assert (
        limits.per_message <= lane_word.MAX_UNITS and limits.per_window <= lane_word.MAX_UNITS
    ), "Administration: limit too high"
    assert limits.window != 0 and limits.window <= lane_word.MASK_32, "Administration: window"
    word: uint256 = limits.per_message | (limits.per_window << 112) | (limits.window << 224)
    held: uint256 = self._words(lane)[0]
    if held & lane_word.CARRIES_VALUE != 0:
        held = lane_word._limited(held, word)
    extcall IAdministered(self.gateway).set_limits(lane, word, held)
    log LaneLimited(
        lane=lane, per_message=limits.per_message, per_window=limits.per_window, window=limits.window
    )


@internal
def _pause(lane: bytes32, is_inbound: bool, until: uint256):
    """
    @dev Writes until when one direction of a lane is paused
    """
    assert until <= lane_word.MAX_TIME, "Administration: pause too long"
    words: uint256[3] = self._words(lane)
    if is_inbound:
        assert words[0] != 0, "Administration: lane not open"
        extcall IAdministered(self.gateway).set_lane_word(lane, lane_word._paused(words[0], until))
    else:
        extcall IAdministered(self.gateway).set_outbound(lane, lane_word._outbound_paused(words[2], until))
    log LanePaused(lane=lane, is_inbound=is_inbound, until=until)


@internal
@view
def _words(lane: bytes32) -> uint256[3]:
    """
    @dev A lane's words at the gateway: into this chain, its limits, out of this chain
    """
    inbound: uint256 = 0
    limits: uint256 = 0
    outbound: uint256 = 0
    inbound, limits, outbound = staticcall IAdministered(self.gateway).words(lane)
    return [inbound, limits, outbound]


@internal
@view
def _here() -> message.Chain:
    """
    @dev This end of every message
    """
    return message.Chain(
        chain_id=chain.id, genesis=staticcall IAdministered(self.gateway).GENESIS(), gateway=self.gateway
    )


@internal
@view
def _peer(chain_id: uint256) -> message.Chain:
    """
    @dev The registered end on another chain
    """
    peer: message.Chain = staticcall IAdministered(self.gateway).peers(chain_id)
    assert peer.chain_id != 0, "Administration: unknown chain"
    return peer


@internal
@view
def _inbound(origin_chain: uint256, sender: address, recipient: address) -> bytes32:
    """
    @dev The lane from a sender on a registered peer
    """
    assert sender != empty(address), "Administration: no sender"
    return message._lane(self._peer(origin_chain), self._here(), sender, recipient)
