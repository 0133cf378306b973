# pragma version 0.4.3
"""
@title Token leg: the payment in a two-phase commit
@license Apache-2.0
@notice The payer named in a leg's terms funds it: that is the payer's consent, and it names the whole transaction,
        because the leg's key binds it. Until the leg is prepared the payer may take the tokens back; once it is, they
        wait for the decision: the commit owes them to the payee, the abort to the payer. Nothing is paid inside a
        message: `withdraw` pays, so that no token and no account stands in the way of a decision.
        Terms, one word each: token, quantity, payer, payee.
        Its owner admits coordinators and opens lanes, and can move nothing. It does not protect against a token whose
        balances change by themselves, or whose issuer blocks this contract: who agrees to a leg agrees to its token.
"""

from ethereum.ercs import IERC20

import application
import order
import outcome
import participant
import two_phase

initializes: application
initializes: order
initializes: participant[application := application, order := order]

exports: (application.owner, application.gateway, application.admit)
exports: (order.announce, order.order_due, order.order_delay)
exports: (participant.leg_key, participant.report, participant.leg_states, participant.refusals)

TERMS_BYTES: constant(uint256) = 128

event LegFunded:
    key: indexed(bytes32)
    payer: indexed(address)
    token: indexed(address)
    quantity: uint256

event LegSettled:
    key: indexed(bytes32)
    account: indexed(address)
    token: indexed(address)
    quantity: uint256
    is_payment: bool

event Withdrawn:
    account: indexed(address)
    token: indexed(address)
    quantity: uint256

struct Terms:
    token: address
    quantity: uint256  # in the token's smallest unit
    payer: address
    payee: address

# key -> what was funded for the leg and is not settled yet; locked while the leg is prepared.
pots: public(HashMap[bytes32, Terms])
# account -> token -> units that `withdraw` pays
owed: public(HashMap[address, HashMap[address, uint256]])


@deploy
def __init__(gateway: address, committee: address, delay: uint256):
    """
    @notice Binds the leg to its gateway, and to whose orders can force a leg that waits in vain
    @param gateway The gateway of this chain
    @param committee The committee contract of this chain
    @param delay Seconds between an order's announcement and its effect
    """
    application.__init__(gateway)
    order.__init__(committee, delay)


@external
@nonreentrant
def fund(coordinator: Bytes[58], id: bytes32, leg: uint256, terms: Bytes[128]) -> bytes32:
    """
    @notice The payer, who has approved this contract, brings the tokens of a leg and thereby consents to it; before the
            transaction is begun, for a prepare that finds nothing refuses the leg for good
    @param coordinator Interoperable address of the coordinator
    @param id The transaction
    @param leg The leg's place in it
    @param terms The leg's terms
    @return The leg's key
    """
    assert len(terms) == TERMS_BYTES, "TokenLeg: length of terms"
    given: Terms = abi_decode(terms, Terms)
    assert given.payer == msg.sender, "TokenLeg: not the payer"
    assert given.payee not in [empty(address), self], "TokenLeg: no payee"
    assert given.quantity != 0, "TokenLeg: no quantity"
    assert given.token.is_contract, "TokenLeg: no token"
    key: bytes32 = participant._key(coordinator, id, leg, keccak256(terms))
    assert participant.leg_states[key] == participant.UNKNOWN, "TokenLeg: leg has answered"
    assert self.pots[key].quantity == 0, "TokenLeg: funded before"
    self.pots[key] = given
    log LegFunded(key=key, payer=given.payer, token=given.token, quantity=given.quantity)
    token: IERC20 = IERC20(given.token)
    before: uint256 = staticcall token.balanceOf(self)
    assert extcall token.transferFrom(
        msg.sender, self, given.quantity, default_return_value=True
    ), "TokenLeg: token refused"
    assert staticcall token.balanceOf(self) == before + given.quantity, "TokenLeg: token moved another amount"
    return key


@external
def take_back(key: bytes32):
    """
    @notice The payer changes its mind about a leg that is not prepared; `withdraw` then pays the tokens back
    @param key The leg's key
    """
    assert self.pots[key].payer == msg.sender, "TokenLeg: not the payer"
    assert participant.leg_states[key] != participant.IS_PREPARED, "TokenLeg: locked"
    self._settle(key, two_phase.ABORT)


@external
@nonreentrant
def withdraw(account: address, token: address):
    """
    @notice Pays an account what it is owed of a token; anyone may ask, only the account is paid
    @param account Whom to pay
    @param token The token
    """
    quantity: uint256 = self.owed[account][token]
    assert quantity != 0, "TokenLeg: nothing owed"
    self.owed[account][token] = 0
    log Withdrawn(account=account, token=token, quantity=quantity)
    before: uint256 = staticcall IERC20(token).balanceOf(self)
    assert extcall IERC20(token).transfer(account, quantity, default_return_value=True), "TokenLeg: token refused"
    assert staticcall IERC20(token).balanceOf(self) + quantity == before, "TokenLeg: token moved another amount"


# Not guarded against re-entry: it moves no token, and a token that calls back could else make another leg's message fail.
@external
def receiveMessage(id: bytes32, sender: Bytes[58], payload: Bytes[1024]) -> (bytes4, bytes32):
    """
    @notice Takes part in a two-phase commit (ERC-7786 recipient)
    @param id The message's id
    @param sender Interoperable address of the coordinator
    @param payload What it asks
    @return The ERC-7786 magic value, and the outcome as text
    """
    application._authenticate(sender)
    turn: participant.Turn = participant._take(sender, payload)
    if turn.action == two_phase.PREPARE:
        refusal: bytes32 = empty(bytes32)
        if self.pots[turn.key].quantity == 0:
            refusal = outcome.NOT_FUNDED
        return application.RECEIVE, participant._answer(sender, turn, refusal)
    if turn.action != participant.NOTHING:
        self._settle(turn.key, turn.action)
    return application.RECEIVE, turn.outcome


@external
def force(key: bytes32, decision: uint256, salt: bytes32):
    """
    @notice Carries out the quorum's order on a leg that waits for its decision in vain; anyone may, after the delay
    @param key The leg's key
    @param decision 18 commits, 19 aborts
    @param salt The order's salt
    """
    participant._force(key, decision, salt)
    self._settle(key, decision)


@internal
def _settle(key: bytes32, decision: uint256):
    """
    @dev Owes what a leg was funded with to the payee, or to the payer again; once, for the pot is empty then
    """
    pot: Terms = self.pots[key]
    self.pots[key] = empty(Terms)
    is_payment: bool = decision == two_phase.COMMIT
    account: address = pot.payee if is_payment else pot.payer
    self.owed[account][pot.token] += pot.quantity
    log LegSettled(key=key, account=account, token=pot.token, quantity=pot.quantity, is_payment=is_payment)
