# pragma version 0.4.3
"""
@title Test only: one side of a delivery against payment, a participant over a plain book of holders
@license Apache-2.0
@notice A thing (a warehouse receipt, or a sum of money as one note) has a holder. Its holder consents to one leg of one
        transaction; the prepare reserves it, the commit hands it to the receiver in the terms, the abort frees it.
        Terms: thing, receiver, one word each.
"""

import application
import order
import participant
import two_phase

initializes: application
initializes: order
initializes: participant[application := application, order := order]

exports: (application.owner, application.gateway, application.admit)
exports: (order.announce, order.order_due, order.order_delay)
exports: (participant.leg_key, participant.report, participant.leg_states, participant.refusals)

NO_CONSENT: constant(bytes32) = 0x6e6f20636f6e73656e7400000000000000000000000000000000000000000000  # "no consent"
RESERVED: constant(bytes32) = 0x7265736572766564000000000000000000000000000000000000000000000000  # "reserved"

struct Held:
    thing: bytes32
    receiver: address

holders: public(HashMap[bytes32, address])
consents: public(HashMap[bytes32, bytes32])
reserved_by: public(HashMap[bytes32, bytes32])
held: public(HashMap[bytes32, Held])
handed_over: public(HashMap[bytes32, uint256])
is_careless: public(bool)


@deploy
def __init__(gateway: address, committee: address, delay: uint256):
    application.__init__(gateway)
    order.__init__(committee, delay)


@external
def issue(thing: bytes32, holder: address):
    """
    @notice Enters a thing
    @param thing The thing
    @param holder Its holder
    """
    assert msg.sender == application.owner and self.holders[thing] == empty(address), "DeliveryLeg: issue"
    self.holders[thing] = holder


@external
def forget_care(is_careless: bool):
    """
    @notice Lets this application answer each prepare twice, or not any more
    @param is_careless Whether it does
    """
    self.is_careless = is_careless


@external
def consent(thing: bytes32, key: bytes32):
    """
    @notice The holder agrees that this leg may take the thing
    @param thing The thing
    @param key The leg's key
    """
    assert msg.sender == self.holders[thing], "DeliveryLeg: not the holder"
    self.consents[thing] = key


@external
def transfer(thing: bytes32, holder: address):
    """
    @notice Hands on what is not reserved
    @param thing The thing
    @param holder The new holder
    """
    assert msg.sender == self.holders[thing], "DeliveryLeg: not the holder"
    assert self.reserved_by[thing] == empty(bytes32), "DeliveryLeg: reserved"
    self.holders[thing] = holder
    self.consents[thing] = empty(bytes32)


@external
def receiveMessage(id: bytes32, sender: Bytes[58], payload: Bytes[1024]) -> (bytes4, bytes32):
    """
    @notice Takes the coordinator's messages (ERC-7786 recipient)
    @param id The message's id
    @param sender Interoperable address of the coordinator
    @param payload What it asks
    @return The magic value and the outcome
    """
    application._authenticate(sender)
    turn: participant.Turn = participant._take(sender, payload)
    if turn.action == two_phase.PREPARE:
        if self.is_careless:
            participant._answer(sender, turn, NO_CONSENT)
        return application.RECEIVE, participant._answer(sender, turn, self._reserve(turn))
    self._act(turn.key, turn.action)
    return application.RECEIVE, turn.outcome


@external
def force(key: bytes32, decision: uint256, salt: bytes32):
    """
    @notice Carries out the quorum's order on a leg that waits in vain
    @param key The leg
    @param decision COMMIT or ABORT
    @param salt The order's salt
    """
    participant._force(key, decision, salt)
    self._act(key, decision)


@internal
def _reserve(turn: participant.Turn) -> bytes32:
    """
    @dev Reserves the thing for this leg; the refusal, or nothing
    """
    if len(turn.terms) != 64:
        return NO_CONSENT
    thing: bytes32 = extract32(turn.terms, 0)
    if self.reserved_by[thing] != empty(bytes32):
        return RESERVED
    if self.holders[thing] == empty(address) or self.consents[thing] != turn.key:
        return NO_CONSENT
    self.consents[thing] = empty(bytes32)
    self.reserved_by[thing] = turn.key
    self.held[turn.key] = Held(thing=thing, receiver=extract32(turn.terms, 32, output_type=address))
    return empty(bytes32)


@internal
def _act(key: bytes32, action: uint256):
    """
    @dev Hands over or frees what the leg holds
    """
    if action not in [two_phase.COMMIT, two_phase.ABORT]:
        return
    held: Held = self.held[key]
    assert self.reserved_by[held.thing] == key, "DeliveryLeg: not reserved"
    self.reserved_by[held.thing] = empty(bytes32)
    if action == two_phase.COMMIT:
        self.holders[held.thing] = held.receiver
        self.handed_over[key] += 1
