# pragma version 0.4.3
"""
@title Participant in two-phase commits: what an application on a leg's chain needs to prepare, wait and obey
@license Apache-2.0
@notice A leg is prepared at most once, and refused once and for all. A prepared leg waits: it knows no deadline and
        never decides alone. It carries out the decision exactly once; the same decision again changes nothing. An
        abort that comes before its prepare is remembered, so that the late prepare is refused. Only an order of the
        quorum, after its delay, forces a prepared leg, and that is logged as disputed.
        A leg is keyed by coordinator, transaction, place and terms: whatever comes late can only ever touch its own.
        The application reserves, carries out and lets go; this module says which of them, and when.
        It trusts the coordinator's decision as far as the transaction chain's validators and the lane's policy go.
"""

import application
import message
import order
import two_phase

uses: application
uses: order

UNKNOWN: constant(uint8) = 0
IS_PREPARED: constant(uint8) = 1
IS_REFUSED: constant(uint8) = 2  # by the application; final
IS_COMMITTED: constant(uint8) = 3
IS_ABORTED: constant(uint8) = 4
FORCED_COMMIT: constant(uint8) = 5  # by order; the decision is still awaited, for the record only
FORCED_ABORT: constant(uint8) = 6
IS_CONTRADICTED: constant(uint8) = 7  # forced one way, decided the other

NOTHING: constant(uint256) = 0  # the turn asks nothing of the application

FORCE: constant(bytes32) = keccak256("pledgetrail/order/participant.force")

event LegAnswered:
    key: indexed(bytes32)
    transaction: indexed(bytes32)
    leg: uint256
    refusal: bytes32

event LegDecided:
    key: indexed(bytes32)
    decision: uint256

event LegDisputed:
    key: indexed(bytes32)
    forced: uint256

event DecisionContradicted:
    key: indexed(bytes32)
    state: uint8
    decision: uint256

# What a message means for the application: PREPARE (reserve, then `_answer`), COMMIT or ABORT of what it holds under
# the key, or NOTHING, where `outcome` is already the answer.
struct Turn:
    action: uint256
    key: bytes32
    id: bytes32  # the transaction
    leg: uint256
    terms: Bytes[1024]  # at most 512 bytes
    outcome: bytes32

leg_states: public(HashMap[bytes32, uint8])
refusals: public(HashMap[bytes32, bytes32])


@external
@view
def leg_key(coordinator: Bytes[58], id: bytes32, leg: uint256, terms_digest: bytes32) -> bytes32:
    """
    @notice Where a leg is kept
    @param coordinator Interoperable address of the coordinator
    @param id The transaction
    @param leg The leg's place in it
    @param terms_digest Keccak-256 of its terms
    @return The key
    """
    return self._key(coordinator, id, leg, terms_digest)


@external
def report(coordinator: Bytes[58], id: bytes32, leg: uint256, terms_digest: bytes32) -> bytes32:
    """
    @notice Says again what this leg answered; anyone may, as often as needed
    @param coordinator Interoperable address of the coordinator
    @param id The transaction
    @param leg The leg's place in it
    @param terms_digest Keccak-256 of its terms
    @return The message's id
    """
    key: bytes32 = self._key(coordinator, id, leg, terms_digest)
    state: uint8 = self.leg_states[key]
    if state in [IS_PREPARED, FORCED_COMMIT]:
        return self._send(coordinator, id, leg, terms_digest, empty(bytes32))
    # A leg that was forced to abort says that it refuses: an undecided transaction then aborts and agrees with it.
    assert state in [IS_REFUSED, FORCED_ABORT], "participant: nothing to report"
    return self._send(coordinator, id, leg, terms_digest, self.refusals[key])


@internal
def _take(sender: Bytes[58], payload: Bytes[1024]) -> Turn:
    """
    @dev Decodes a coordinator's message and takes its turn; a malformed one reverts, one that comes again or contradicts
         what this leg has done asks nothing of the application
    """
    assert len(payload) >= two_phase.HEAD_BYTES, "participant: length"
    turn: Turn = Turn(
        action=convert(extract32(payload, 0), uint256),
        key=empty(bytes32),
        id=extract32(payload, 32),
        leg=convert(extract32(payload, 64), uint256),
        terms=b"",
        outcome=empty(bytes32),
    )
    if turn.action == two_phase.PREPARE:
        assert len(payload) <= two_phase.HEAD_BYTES + two_phase.MAX_TERMS, "participant: terms too long"
        turn.terms = slice(payload, two_phase.HEAD_BYTES, len(payload) - two_phase.HEAD_BYTES)
        turn.key = self._key(sender, turn.id, turn.leg, keccak256(turn.terms))
        return self._prepared_before(turn)
    assert turn.action in [two_phase.COMMIT, two_phase.ABORT], "participant: unknown action"
    assert len(payload) == two_phase.DECISION_BYTES, "participant: length"
    turn.key = self._key(sender, turn.id, turn.leg, extract32(payload, 96))
    return self._decided(turn)


@internal
@view
def _prepared_before(turn: Turn) -> Turn:
    """
    @dev A prepare acts only on a leg of which nothing is known
    """
    taken: Turn = turn
    state: uint8 = self.leg_states[turn.key]
    if state == UNKNOWN:
        return taken
    taken.action = NOTHING
    if state == IS_PREPARED:
        taken.outcome = two_phase.IS_PREPARED
    elif state == IS_COMMITTED:
        taken.outcome = two_phase.COMMITTED
    elif state == IS_ABORTED:
        taken.outcome = two_phase.ABORTED
    elif state == IS_REFUSED:
        taken.outcome = self.refusals[turn.key]
    else:
        taken.outcome = two_phase.FORCED
    return taken


@internal
def _decided(turn: Turn) -> Turn:
    """
    @dev A decision acts only on a prepared leg; an abort also closes a leg of which nothing is known
    """
    taken: Turn = turn
    state: uint8 = self.leg_states[turn.key]
    commits: bool = turn.action == two_phase.COMMIT
    end: uint8 = IS_COMMITTED if commits else IS_ABORTED
    forced: uint8 = FORCED_COMMIT if commits else FORCED_ABORT
    taken.outcome = two_phase.COMMITTED if commits else two_phase.ABORTED
    if state == IS_PREPARED:
        self.leg_states[turn.key] = end
        log LegDecided(key=turn.key, decision=turn.action)
        return taken
    taken.action = NOTHING
    if state == end or (state == IS_REFUSED and not commits):
        return taken
    if state == forced or (state == UNKNOWN and not commits):
        self.leg_states[turn.key] = end
        log LegDecided(key=turn.key, decision=turn.action)
        return taken
    if state == UNKNOWN:
        taken.outcome = two_phase.NOT_PREPARED
        return taken
    if state in [FORCED_COMMIT, FORCED_ABORT]:
        self.leg_states[turn.key] = IS_CONTRADICTED
    log DecisionContradicted(key=turn.key, state=state, decision=turn.action)
    taken.outcome = two_phase.CONTRADICTED
    return taken


@internal
def _answer(sender: Bytes[58], turn: Turn, refusal: bytes32) -> bytes32:
    """
    @dev The application's answer to a prepare: it holds what the terms say, or it refuses and says why (not empty).
         Reported at once; `report` says it again.
    """
    assert self.leg_states[turn.key] == UNKNOWN, "participant: answered before"
    if refusal == empty(bytes32):
        self.leg_states[turn.key] = IS_PREPARED
    else:
        self.leg_states[turn.key] = IS_REFUSED
        self.refusals[turn.key] = refusal
    log LegAnswered(key=turn.key, transaction=turn.id, leg=turn.leg, refusal=refusal)
    self._send(sender, turn.id, turn.leg, keccak256(turn.terms), refusal)
    return refusal if refusal != empty(bytes32) else two_phase.IS_PREPARED


@internal
def _force(key: bytes32, decision: uint256, salt: bytes32):
    """
    @dev Carries out an order of the quorum on a prepared leg, after its delay; the application then commits or aborts
         what it holds under the key. Visible for ever: the decision, should it still come, confirms or contradicts it.
    """
    assert decision in [two_phase.COMMIT, two_phase.ABORT], "participant: not a decision"
    assert self.leg_states[key] == IS_PREPARED, "participant: not prepared"
    order._take(keccak256(abi_encode(FORCE, key, decision)), salt)
    if decision == two_phase.COMMIT:
        self.leg_states[key] = FORCED_COMMIT
    else:
        self.leg_states[key] = FORCED_ABORT
        self.refusals[key] = two_phase.FORCED
    log LegDisputed(key=key, forced=decision)


@internal
def _send(
    coordinator: Bytes[58], id: bytes32, leg: uint256, terms_digest: bytes32, refusal: bytes32
) -> bytes32:
    """
    @dev Reports prepared, or refused with the reason, as a notice
    """
    action: uint256 = two_phase.PREPARED if refusal == empty(bytes32) else two_phase.REFUSED
    payload: Bytes[160] = concat(
        convert(action, bytes32), id, convert(leg, bytes32), terms_digest, refusal
    )
    return application._send(coordinator, message.NOTICE, payload)


@internal
@pure
def _key(coordinator: Bytes[58], id: bytes32, leg: uint256, terms_digest: bytes32) -> bytes32:
    """
    @dev keccak256 of the hashed coordinator, transaction, place and digest of the terms, one ABI word each
    """
    return keccak256(abi_encode(keccak256(coordinator), id, leg, terms_digest))
