# pragma version 0.4.3
"""
@title Coordinator of two-phase commits (transaction chain): one decision for all legs
@license Apache-2.0
@notice Asks each leg to prepare, hears what it answers, and decides once: commit as soon as every leg is proven
        prepared before the deadline; abort when a leg refuses, or when the deadline has passed with one missing. The
        decision is one write and nothing changes it. The deadline is this chain's block time and bounds prepare only.
        Whatever has been said can be said again by anyone, as often as needed: messages expire, decisions do not.
        It moves no asset. A leg moves what its owner consented to, for this very transaction, and nothing else.
"""

import application
import interoperable_address
import message
import two_phase

initializes: application

exports: (application.owner, application.gateway, application.admit)

PREPARING: constant(uint256) = 1
COMMITTED: constant(uint256) = 2
ABORTED: constant(uint256) = 3

MAX_PREPARE: constant(uint64) = 30 * 24 * 3600  # seconds from begin to the deadline

# With the messages that ask to prepare, which carry the terms, this is the whole plan: `tell` needs no other source.
event Begun:
    id: indexed(bytes32)
    initiator: indexed(address)
    salt: bytes32
    prepare_by: uint64
    legs: uint256

event Told:
    id: indexed(bytes32)
    leg: uint256
    action: uint256
    message: bytes32

event LegPrepared:
    id: indexed(bytes32)
    leg: uint256

event LegRefused:
    id: indexed(bytes32)
    leg: uint256
    reason: bytes32

event Decided:
    id: indexed(bytes32)
    state: uint256

struct Leg:
    chain_id: uint256
    participant: address
    terms: Bytes[512]

struct Plan:
    initiator: address
    salt: bytes32
    prepare_by: uint64  # seconds of this chain's time
    legs: DynArray[Leg, two_phase.MAX_LEGS]

struct Progress:
    state: uint256  # 0 unknown, 1 preparing, 2 committed, 3 aborted
    legs: uint256
    prepared: uint256  # bit k: leg k is prepared
    prepare_by: uint64
    decided_at: uint64

# One word, so that the last proof and the decision are one write:
# state (8 bits) | legs (8) << 8 | prepared (8) << 16 | prepare_by (64) << 32 | decided_at (64) << 96.
words: public(HashMap[bytes32, uint256])
# What a report must match: keccak256(abi_encode(keccak256(interoperable address of the participant), terms digest)).
expected: HashMap[bytes32, HashMap[uint256, bytes32]]


@deploy
def __init__(gateway: address):
    """
    @notice Binds the coordinator to its gateway
    @param gateway The transaction chain's gateway
    """
    application.__init__(gateway)


@external
def begin(salt: bytes32, prepare_by: uint64, legs: DynArray[Leg, two_phase.MAX_LEGS]) -> bytes32:
    """
    @notice Begins a transaction and asks every leg to prepare; anyone may, at the cost of the gas
    @param salt What tells it apart from the same terms begun before
    @param prepare_by End of the prepare phase, seconds of this chain's time, at most 30 days ahead
    @param legs Two to eight, each an admitted participant on another chain with the terms it is asked to prepare
    @return The transaction's id
    """
    now: uint64 = convert(block.timestamp, uint64)
    assert prepare_by > now, "Coordinator: deadline is past"
    assert prepare_by <= now + MAX_PREPARE, "Coordinator: deadline too far"
    assert len(legs) >= 2, "Coordinator: fewer than two legs"
    plan: Plan = Plan(initiator=msg.sender, salt=salt, prepare_by=prepare_by, legs=legs)
    id: bytes32 = self._id(plan)
    assert self.words[id] == 0, "Coordinator: already begun"
    self.words[id] = self._packed(PREPARING, len(legs), 0, prepare_by, 0)
    for k: uint256 in range(len(legs), bound=8):
        participant: bytes32 = keccak256(interoperable_address._encode(legs[k].chain_id, legs[k].participant))
        assert application.admitted[participant], "Coordinator: leg not admitted"
        self.expected[id][k] = keccak256(abi_encode(participant, keccak256(legs[k].terms)))
    log Begun(id=id, initiator=msg.sender, salt=salt, prepare_by=prepare_by, legs=len(legs))
    for k: uint256 in range(len(legs), bound=8):
        self._tell(id, k, legs[k], two_phase.PREPARE)
    return id


@external
def tell(plan: Plan, leg: uint256) -> bytes32:
    """
    @notice Says to a leg again what stands now: prepare while the prepare phase lasts, the decision once there is one
    @param plan The transaction as it was begun
    @param leg Which leg
    @return The transaction's id
    """
    id: bytes32 = self._id(plan)
    word: uint256 = self.words[id]
    state: uint256 = word & 255
    assert state != 0, "Coordinator: unknown transaction"
    assert leg < len(plan.legs), "Coordinator: no such leg"
    action: uint256 = two_phase.PREPARE
    if state == COMMITTED:
        action = two_phase.COMMIT
    elif state == ABORTED:
        action = two_phase.ABORT
    else:
        assert not self._is_over(word), "Coordinator: prepare phase is over"
    self._tell(id, leg, plan.legs[leg], action)
    return id


@external
def expire(id: bytes32):
    """
    @notice Decides to abort because the deadline has passed with a leg missing
    @param id The transaction
    """
    word: uint256 = self.words[id]
    assert word & 255 == PREPARING, "Coordinator: not preparing"
    assert self._is_over(word), "Coordinator: prepare phase lasts"
    self._decide(id, word, ABORTED)


@external
def receiveMessage(id: bytes32, sender: Bytes[58], payload: Bytes[1024]) -> (bytes4, bytes32):
    """
    @notice Hears a leg's report, and decides if that leaves nothing open (ERC-7786 recipient)
    @param id The message's id
    @param sender Interoperable address of the participant
    @param payload A report
    @return The ERC-7786 magic value, and what stands now: waiting for other legs, committed or aborted
    """
    application._authenticate(sender)
    assert len(payload) == two_phase.REPORT_BYTES, "Coordinator: length"
    action: uint256 = convert(extract32(payload, 0), uint256)
    transaction: bytes32 = extract32(payload, 32)
    leg: uint256 = convert(extract32(payload, 64), uint256)
    reason: bytes32 = extract32(payload, 128)
    assert action == (
        two_phase.PREPARED if reason == empty(bytes32) else two_phase.REFUSED
    ), "Coordinator: not a report"
    # Only the participant this leg was planned with speaks for it, and only about these terms.
    terms_digest: bytes32 = extract32(payload, 96)
    said_by: bytes32 = keccak256(abi_encode(keccak256(sender), terms_digest))
    assert self.expected[transaction][leg] == said_by, "Coordinator: not this leg's report"
    return application.RECEIVE, self._hear(transaction, leg, reason)


@external
@view
def progress(id: bytes32) -> Progress:
    """
    @notice Where a transaction stands
    @param id The transaction
    @return State, number of legs, which are prepared, deadline, and when it was decided, seconds of this chain's time
    """
    word: uint256 = self.words[id]
    return Progress(
        state=word & 255,
        legs=(word >> 8) & 255,
        prepared=(word >> 16) & 255,
        prepare_by=convert((word >> 32) & convert(max_value(uint64), uint256), uint64),
        decided_at=convert(word >> 96, uint64),
    )


@external
@view
def id_of(plan: Plan) -> bytes32:
    """
    @notice The id a plan has, begun or not: what owners consent to at each leg
    @param plan The transaction
    @return Its id
    """
    return self._id(plan)


@internal
def _hear(id: bytes32, leg: uint256, reason: bytes32) -> bytes32:
    """
    @dev A refusal aborts; so does a proof that comes at or after the deadline. The last proof in time commits. After
         the decision reports change nothing.
    """
    word: uint256 = self.words[id]
    state: uint256 = word & 255
    if state == COMMITTED:
        return two_phase.COMMITTED
    if state == ABORTED:
        return two_phase.ABORTED
    if reason != empty(bytes32):
        log LegRefused(id=id, leg=leg, reason=reason)
        self._decide(id, word, ABORTED)
        return two_phase.ABORTED
    if self._is_over(word):
        self._decide(id, word, ABORTED)
        return two_phase.ABORTED
    word |= 1 << (16 + leg)
    log LegPrepared(id=id, leg=leg)
    if (word >> 16) & 255 == (1 << ((word >> 8) & 255)) - 1:
        self._decide(id, word, COMMITTED)
        return two_phase.COMMITTED
    self.words[id] = word
    return two_phase.WAITING


@internal
def _decide(id: bytes32, word: uint256, state: uint256):
    """
    @dev The decision: one write, from preparing to its end
    """
    self.words[id] = (word & ~convert(255, uint256)) | state | (block.timestamp << 96)
    log Decided(id=id, state=state)


@internal
def _tell(id: bytes32, leg: uint256, to: Leg, action: uint256):
    """
    @dev Sends one leg what is asked of it or what was decided, as a notice: nothing here waits for an acknowledgement
    """
    head: Bytes[96] = concat(convert(action, bytes32), id, convert(leg, bytes32))
    payload: Bytes[608] = b""
    if action == two_phase.PREPARE:
        payload = concat(head, to.terms)
    else:
        payload = concat(head, keccak256(to.terms))
    recipient: Bytes[58] = interoperable_address._encode(to.chain_id, to.participant)
    sent: bytes32 = application._send(recipient, message.NOTICE, payload)
    log Told(id=id, leg=leg, action=action, message=sent)


@internal
@view
def _id(plan: Plan) -> bytes32:
    """
    @dev The plan's identity, `two_phase` says of what
    """
    id: bytes32 = two_phase._id(
        chain.id, self, plan.initiator, plan.salt, plan.prepare_by, len(plan.legs)
    )
    for leg: Leg in plan.legs:
        id = two_phase._with_leg(id, leg.chain_id, leg.participant, keccak256(leg.terms))
    return id


@internal
@view
def _is_over(word: uint256) -> bool:
    """
    @dev Whether the prepare phase of a transaction's word has ended: at the deadline it has
    """
    return block.timestamp >= (word >> 32) & convert(max_value(uint64), uint256)


@internal
@pure
def _packed(state: uint256, legs: uint256, prepared: uint256, prepare_by: uint64, decided_at: uint256) -> uint256:
    """
    @dev A transaction's word
    """
    return state | (legs << 8) | (prepared << 16) | (convert(prepare_by, uint256) << 32) | (decided_at << 96)
