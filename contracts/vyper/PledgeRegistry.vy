# pragma version 0.4.3
"""
@title Pledge registry (destination chain): loans that wait for their security
@license Apache-2.0
@notice A loan is `opening` until the goods key is reserved on the transaction chain and the receipt is frozen on the
        origin chain, each acknowledged from a closed credential. With the first leg that is refused, expired or void
        the loan is refused; whatever was secured, or turns out to be secured later, is released. The lender may cancel
        a loan as long as it is opening. After the due date the lender of a loan that is not repaid may enforce it: the
        receipt passes to whom the lender names, and the goods key stays reserved until the lender lets go of it.
        No amount, no person and no term but the due date stands here, only a digest of the terms.
        It does not move money, and it trusts the registry whose acknowledgements it admits.
"""

import application
import instruction
import message
import outcome

initializes: application

exports: (application.owner, application.gateway, application.admit)

# Loan states
OPENING: constant(uint8) = 1
ACTIVE: constant(uint8) = 2
REFUSED: constant(uint8) = 3
REPAID: constant(uint8) = 4
RELEASED: constant(uint8) = 5
ENFORCED: constant(uint8) = 6

# Legs of a loan, and what is known of each
GOODS: constant(uint8) = 1
RECEIPT: constant(uint8) = 2
SECURED: constant(uint8) = 1
DENIED: constant(uint8) = 2
RELEASING: constant(uint8) = 3  # a release or an enforcement is under way
FREE: constant(uint8) = 4

# Openings for which the lender has not shown, by a freeze to which the holder consented, that there is a paper. Goods
# are reserved meanwhile, so a lender has no more of them; one that the receipts refuse is used up until the owner
# enrols the lender again.
MAX_UNPROVEN: constant(uint256) = 16

# A loan's id binds who lends on which terms against what: the holder who consents to it consents to no other lender.
LOAN_TAG: constant(bytes32) = keccak256("pledgetrail/loan/v2")

event LenderEnrolled:
    lender: indexed(address)

event LoanOpening:
    loan_id: indexed(bytes32)
    lender: indexed(address)
    goods_key: indexed(bytes32)
    receipt_id: bytes32
    terms_digest: bytes32
    due: uint64
    goods_message: bytes32
    receipt_message: bytes32

event LegAnswered:
    loan_id: indexed(bytes32)
    leg: uint8
    outcome: bytes32

event LoanActive:
    loan_id: indexed(bytes32)

event LoanRefused:
    loan_id: indexed(bytes32)
    outcome: bytes32

event LoanRepaid:
    loan_id: indexed(bytes32)

event LoanEnforced:
    loan_id: indexed(bytes32)
    recipient: indexed(address)

event LoanReleased:
    loan_id: indexed(bytes32)

struct Loan:
    lender: address
    receipt_id: bytes32
    goods_key: bytes32
    terms_digest: bytes32
    state: uint8
    goods: uint8
    receipt: uint8
    due: uint64  # seconds of this chain's time
    refusal: bytes32

struct Request:
    loan_id: bytes32
    leg: uint8
    action: uint256

GOODS_REGISTRY: immutable(Bytes[58])
RECEIPT_REGISTRY: immutable(Bytes[58])

lenders: public(HashMap[address, bool])
# Openings of a lender for which no paper was shown; at most MAX_UNPROVEN.
unproven: public(HashMap[address, uint256])
loans: public(HashMap[bytes32, Loan])
requests: HashMap[bytes32, Request]


@deploy
def __init__(gateway: address, goods_registry: Bytes[58], receipt_registry: Bytes[58]):
    """
    @notice Binds the registry to its gateway and to the two registries that secure its loans
    @param gateway The destination chain's gateway
    @param goods_registry Interoperable address of the goods registry on the transaction chain
    @param receipt_registry Interoperable address of the warehouse receipts on the origin chain
    """
    application.__init__(gateway)
    GOODS_REGISTRY = goods_registry
    RECEIPT_REGISTRY = receipt_registry


@external
def enrol_lender(lender: address):
    """
    @notice Lets a lender open loans, or again as many as at first. A reservation costs others the goods for a while,
            so not everybody may ask for one, and nobody for many without a paper
    @param lender The lender's account
    """
    assert msg.sender == application.owner, "PledgeRegistry: not the owner"
    assert lender != empty(address), "PledgeRegistry: no lender"
    self.lenders[lender] = True
    self.unproven[lender] = 0
    log LenderEnrolled(lender=lender)


@external
@view
def loan_id(
    lender: address, number: bytes32, receipt_id: bytes32, goods_key: bytes32, terms_digest: bytes32, due: uint64
) -> bytes32:
    """
    @notice The id under which a lender's loan will stand, for the receipt's holder to consent to
    @param lender Who lends
    @param number The loan's number, as a digest
    @param receipt_id The warehouse receipt to be frozen
    @param goods_key The goods it stands for
    @param terms_digest Digest of the terms
    @param due From when the lender may enforce, seconds of this chain's time
    @return The loan's id
    """
    return self._loan_id(lender, number, receipt_id, goods_key, terms_digest, due)


@external
def open_loan(
    number: bytes32, receipt_id: bytes32, goods_key: bytes32, terms_digest: bytes32, due: uint64
) -> bytes32:
    """
    @notice An enrolled lender opens a loan; it asks for both securities at once
    @param number The loan's number, as a digest
    @param receipt_id The warehouse receipt to be frozen
    @param goods_key The goods it stands for
    @param terms_digest Digest of the terms, which stay off chain
    @param due From when the lender may enforce, seconds of this chain's time
    @return The loan's id, to which the receipt's holder has consented
    """
    assert self.lenders[msg.sender], "PledgeRegistry: not a lender"
    assert number != empty(bytes32) and goods_key != empty(bytes32) and due != 0, "PledgeRegistry: incomplete"
    loan_id: bytes32 = self._loan_id(msg.sender, number, receipt_id, goods_key, terms_digest, due)
    assert self.loans[loan_id].state == 0, "PledgeRegistry: loan exists"
    unproven: uint256 = self.unproven[msg.sender]
    assert unproven < MAX_UNPROVEN, "PledgeRegistry: too many openings without a paper"
    self.unproven[msg.sender] = unproven + 1
    self.loans[loan_id] = Loan(
        lender=msg.sender,
        receipt_id=receipt_id,
        goods_key=goods_key,
        terms_digest=terms_digest,
        state=OPENING,
        goods=0,
        receipt=0,
        due=due,
        refusal=empty(bytes32),
    )
    goods_message: bytes32 = self._instruct(loan_id, GOODS, instruction.SECURE, empty(address))
    receipt_message: bytes32 = self._instruct(loan_id, RECEIPT, instruction.SECURE, empty(address))
    log LoanOpening(
        loan_id=loan_id,
        lender=msg.sender,
        goods_key=goods_key,
        receipt_id=receipt_id,
        terms_digest=terms_digest,
        due=due,
        goods_message=goods_message,
        receipt_message=receipt_message,
    )
    return loan_id


@external
def cancel(loan_id: bytes32):
    """
    @notice The lender gives up a loan that is still opening, for instance because a chain has gone. A leg that turns
            out to be secured after all is released when its acknowledgement arrives
    @param loan_id An opening loan
    """
    loan: Loan = self.loans[loan_id]
    assert loan.lender == msg.sender, "PledgeRegistry: not the lender"
    assert loan.state == OPENING, "PledgeRegistry: loan is not opening"
    self._refuse(loan_id, outcome.CANCELLED)


@external
def repay(loan_id: bytes32):
    """
    @notice The lender confirms repayment; both securities are released
    @param loan_id An active loan
    """
    loan: Loan = self.loans[loan_id]
    assert loan.lender == msg.sender, "PledgeRegistry: not the lender"
    assert loan.state == ACTIVE, "PledgeRegistry: loan is not active"
    self.loans[loan_id].state = REPAID
    log LoanRepaid(loan_id=loan_id)
    self._release_secured(loan_id)


@external
def enforce(loan_id: bytes32, recipient: address):
    """
    @notice After the due date the lender declares default: the receipt passes to whom the lender names. Again, where
            the instruction expired or was voided before it acted
    @param loan_id An active loan, or one whose enforcement did not act
    @param recipient The receipt's next holder, on the origin chain
    """
    loan: Loan = self.loans[loan_id]
    assert loan.lender == msg.sender, "PledgeRegistry: not the lender"
    assert loan.state == ACTIVE or loan.state == ENFORCED, "PledgeRegistry: loan is not active"
    assert loan.receipt == SECURED, "PledgeRegistry: receipt is not held"
    assert block.timestamp >= convert(loan.due, uint256), "PledgeRegistry: not due"
    assert recipient != empty(address), "PledgeRegistry: no recipient"
    self.loans[loan_id].state = ENFORCED
    self.loans[loan_id].receipt = RELEASING
    log LoanEnforced(loan_id=loan_id, recipient=recipient)
    self._instruct(loan_id, RECEIPT, instruction.ENFORCE, recipient)


@external
def release(loan_id: bytes32):
    """
    @notice The lender lets go of what an ended loan still holds: the goods of an enforced one, once the receipt has
            passed; what a release that expired or was voided left behind
    @param loan_id A refused, repaid or enforced loan
    """
    loan: Loan = self.loans[loan_id]
    assert loan.lender == msg.sender, "PledgeRegistry: not the lender"
    assert loan.state in [REFUSED, REPAID, ENFORCED], "PledgeRegistry: loan is not over"
    assert loan.state != ENFORCED or loan.receipt == FREE, "PledgeRegistry: receipt has not passed"
    assert loan.goods == SECURED or loan.receipt == SECURED, "PledgeRegistry: nothing to release"
    self._release_secured(loan_id)


@external
def receiveMessage(id: bytes32, sender: Bytes[58], payload: Bytes[1024]) -> (bytes4, bytes32):
    """
    @notice Takes the acknowledgement of an instruction whose credential is final (ERC-7786 recipient)
    @param id The acknowledgement's own id
    @param sender Interoperable address of the transaction registry
    @param payload Instruction message id and outcome, one word each
    @return The ERC-7786 magic value, and an empty outcome
    """
    application._authenticate(sender)
    assert len(payload) == 64, "PledgeRegistry: acknowledgement length"
    instructed: bytes32 = empty(bytes32)
    answered: bytes32 = empty(bytes32)
    instructed, answered = abi_decode(payload, (bytes32, bytes32))
    request: Request = self.requests[instructed]
    assert request.leg != 0, "PledgeRegistry: nothing asked by this message"
    self.requests[instructed].leg = 0
    log LegAnswered(loan_id=request.loan_id, leg=request.leg, outcome=answered)
    if request.action == instruction.SECURE:
        self._secured(request, answered)
    else:
        self._released(request, answered)
    return application.RECEIVE, empty(bytes32)


@internal
@view
def _loan_id(
    lender: address, number: bytes32, receipt_id: bytes32, goods_key: bytes32, terms_digest: bytes32, due: uint64
) -> bytes32:
    """
    @dev One ABI word each, under a tag, with this registry's own place: no two loans share an id
    """
    return keccak256(
        abi_encode(LOAN_TAG, chain.id, self, lender, number, receipt_id, goods_key, terms_digest, due)
    )


@internal
def _secured(request: Request, answered: bytes32):
    """
    @dev Notes what became of securing a leg; with both secured the loan becomes active
    """
    expected: bytes32 = outcome.FROZEN
    if request.leg == GOODS:
        expected = outcome.RESERVED
    answer: uint8 = DENIED
    if answered == expected:
        answer = SECURED
    self._set_leg(request.loan_id, request.leg, answer)
    loan: Loan = self.loans[request.loan_id]
    # The paper is shown; or the freeze never came to pass, which says nothing about the lender.
    if request.leg == RECEIPT and answered in [outcome.FROZEN, outcome.EXPIRED, outcome.VOID]:
        # Nothing is left to take back where the lender was enrolled again meanwhile.
        if self.unproven[loan.lender] != 0:
            self.unproven[loan.lender] -= 1
    if loan.state != OPENING:
        # Refused or cancelled before this answer came: what it brings is let go of.
        self._release_secured(request.loan_id)
    elif answer == DENIED:
        self._refuse(request.loan_id, answered)
    elif loan.goods == SECURED and loan.receipt == SECURED:
        self.loans[request.loan_id].state = ACTIVE
        log LoanActive(loan_id=request.loan_id)


@internal
def _released(request: Request, answered: bytes32):
    """
    @dev Notes what became of a release or an enforcement; a loan of which nothing is held any more is released. One
         that expired or was voided never acted: the leg is held as before, and the lender may ask again.
    """
    if answered in [outcome.EXPIRED, outcome.VOID]:
        self._set_leg(request.loan_id, request.leg, SECURED)
        return
    expected: bytes32 = outcome.RELEASED
    if request.action == instruction.ENFORCE:
        expected = outcome.ENFORCED
    assert answered == expected, "PledgeRegistry: not released"
    self._set_leg(request.loan_id, request.leg, FREE)
    loan: Loan = self.loans[request.loan_id]
    if loan.state in [REPAID, ENFORCED] and loan.goods == FREE and loan.receipt == FREE:
        self.loans[request.loan_id].state = RELEASED
        log LoanReleased(loan_id=request.loan_id)


@internal
def _refuse(loan_id: bytes32, reason: bytes32):
    """
    @dev Ends an opening loan, and releases what was secured so far
    """
    self.loans[loan_id].state = REFUSED
    self.loans[loan_id].refusal = reason
    log LoanRefused(loan_id=loan_id, outcome=reason)
    self._release_secured(loan_id)


@internal
def _release_secured(loan_id: bytes32):
    """
    @dev Sends a release for each leg that is secured
    """
    loan: Loan = self.loans[loan_id]
    if loan.goods == SECURED:
        self.loans[loan_id].goods = RELEASING
        self._instruct(loan_id, GOODS, instruction.RELEASE, empty(address))
    if loan.receipt == SECURED:
        self.loans[loan_id].receipt = RELEASING
        self._instruct(loan_id, RECEIPT, instruction.RELEASE, empty(address))


@internal
def _set_leg(loan_id: bytes32, leg: uint8, known: uint8):
    """
    @dev Notes what is known of a leg
    """
    if leg == GOODS:
        self.loans[loan_id].goods = known
    else:
        self.loans[loan_id].receipt = known


@internal
def _instruct(loan_id: bytes32, leg: uint8, action: uint256, recipient: address) -> bytes32:
    """
    @dev Sends one instruction and remembers what its acknowledgement will answer. A leg is secured once and let go of
         once, so the subject's counter is 1 and then 2; what never acted took no turn, and is sent again with the same.
    """
    loan: Loan = self.loans[loan_id]
    registry: Bytes[58] = RECEIPT_REGISTRY
    if leg == GOODS:
        registry = GOODS_REGISTRY
    counter: uint256 = 2
    if action == instruction.SECURE:
        counter = 1
    payload: Bytes[192] = abi_encode(
        instruction.Instruction(
            action=action,
            loan_id=loan_id,
            counter=counter,
            receipt_id=loan.receipt_id,
            goods_key=loan.goods_key,
            recipient=recipient,
        )
    )
    id: bytes32 = application._send(registry, message.CALL, payload)
    self.requests[id] = Request(loan_id=loan_id, leg=leg, action=action)
    return id
