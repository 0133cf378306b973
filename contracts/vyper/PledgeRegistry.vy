# pragma version 0.4.3
"""
@title Pledge registry (destination chain): loans that wait for their security
@license Apache-2.0
@notice A loan is `opening` until the goods key is reserved on the transaction chain and the receipt is frozen on the
        origin chain, each acknowledged from a closed credential. If either is refused, the loan is refused and what
        was secured is released. No amount and no person stands here, only a digest of the terms.
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

# Legs of a loan, and what is known of each
GOODS: constant(uint8) = 1
RECEIPT: constant(uint8) = 2
SECURED: constant(uint8) = 1
DENIED: constant(uint8) = 2


# A loan's id binds who lends on which terms against what: the holder who consents to it consents to no other lender.
LOAN_TAG: constant(bytes32) = keccak256("pledgetrail/loan/v1")

event LenderEnrolled:
    lender: indexed(address)

event LoanOpening:
    loan_id: indexed(bytes32)
    lender: indexed(address)
    goods_key: indexed(bytes32)
    receipt_id: bytes32
    terms_digest: bytes32
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
    releasing: uint8  # legs whose release has not been acknowledged yet
    refusal: bytes32

struct Request:
    loan_id: bytes32
    leg: uint8
    action: uint256

GOODS_REGISTRY: immutable(Bytes[58])
RECEIPT_REGISTRY: immutable(Bytes[58])

lenders: public(HashMap[address, bool])
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
    @notice Lets a lender open loans. A reservation costs others the goods for a while, so not everybody may ask for one
    @param lender The lender's account
    """
    assert msg.sender == application.owner, "PledgeRegistry: not the owner"
    assert lender != empty(address), "PledgeRegistry: no lender"
    self.lenders[lender] = True
    log LenderEnrolled(lender=lender)


@external
@view
def loan_id(
    lender: address, number: bytes32, receipt_id: bytes32, goods_key: bytes32, terms_digest: bytes32
) -> bytes32:
    """
    @notice The id under which a lender's loan will stand, for the receipt's holder to consent to
    @param lender Who lends
    @param number The loan's number, as a digest
    @param receipt_id The warehouse receipt to be frozen
    @param goods_key The goods it stands for
    @param terms_digest Digest of the terms
    @return The loan's id
    """
    return self._loan_id(lender, number, receipt_id, goods_key, terms_digest)


@external
def open_loan(number: bytes32, receipt_id: bytes32, goods_key: bytes32, terms_digest: bytes32) -> bytes32:
    """
    @notice An enrolled lender opens a loan; it asks for both securities at once
    @param number The loan's number, as a digest
    @param receipt_id The warehouse receipt to be frozen
    @param goods_key The goods it stands for
    @param terms_digest Digest of the terms, which stay off chain
    @return The loan's id, to which the receipt's holder has consented
    """
    assert self.lenders[msg.sender], "PledgeRegistry: not a lender"
    assert number != empty(bytes32) and goods_key != empty(bytes32), "PledgeRegistry: incomplete"
    loan_id: bytes32 = self._loan_id(msg.sender, number, receipt_id, goods_key, terms_digest)
    assert self.loans[loan_id].state == 0, "PledgeRegistry: loan exists"
    self.loans[loan_id] = Loan(
        lender=msg.sender,
        receipt_id=receipt_id,
        goods_key=goods_key,
        terms_digest=terms_digest,
        state=OPENING,
        goods=0,
        receipt=0,
        releasing=0,
        refusal=empty(bytes32),
    )
    goods_message: bytes32 = self._instruct(loan_id, GOODS, instruction.SECURE)
    receipt_message: bytes32 = self._instruct(loan_id, RECEIPT, instruction.SECURE)
    log LoanOpening(
        loan_id=loan_id,
        lender=msg.sender,
        goods_key=goods_key,
        receipt_id=receipt_id,
        terms_digest=terms_digest,
        goods_message=goods_message,
        receipt_message=receipt_message,
    )
    return loan_id


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
def receiveMessage(id: bytes32, sender: Bytes[58], payload: Bytes[4096]) -> (bytes4, bytes32):
    """
    @notice Takes the acknowledgement of an instruction whose credential is closed (ERC-7786 recipient)
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
    lender: address, number: bytes32, receipt_id: bytes32, goods_key: bytes32, terms_digest: bytes32
) -> bytes32:
    """
    @dev One ABI word each, under a tag, with this registry's own place: no two loans share an id
    """
    return keccak256(
        abi_encode(LOAN_TAG, chain.id, self, lender, number, receipt_id, goods_key, terms_digest)
    )


@internal
def _secured(request: Request, answered: bytes32):
    """
    @dev Notes a leg's answer; with both known the loan becomes active, or is refused and what was secured is released
    """
    expected: bytes32 = outcome.FROZEN
    if request.leg == GOODS:
        expected = outcome.RESERVED
    answer: uint8 = SECURED
    if answered != expected:
        answer = DENIED
        self.loans[request.loan_id].refusal = answered
    if request.leg == GOODS:
        self.loans[request.loan_id].goods = answer
    else:
        self.loans[request.loan_id].receipt = answer
    loan: Loan = self.loans[request.loan_id]
    if loan.goods == 0 or loan.receipt == 0:
        return
    if loan.goods == SECURED and loan.receipt == SECURED:
        self.loans[request.loan_id].state = ACTIVE
        log LoanActive(loan_id=request.loan_id)
        return
    self.loans[request.loan_id].state = REFUSED
    log LoanRefused(loan_id=request.loan_id, outcome=loan.refusal)
    self._release_secured(request.loan_id)


@internal
def _released(request: Request, answered: bytes32):
    """
    @dev Counts a release; a repaid loan is released when no leg is left
    """
    assert answered == outcome.RELEASED, "PledgeRegistry: not released"
    left: uint8 = self.loans[request.loan_id].releasing - 1
    self.loans[request.loan_id].releasing = left
    if left == 0 and self.loans[request.loan_id].state == REPAID:
        self.loans[request.loan_id].state = RELEASED
        log LoanReleased(loan_id=request.loan_id)


@internal
def _release_secured(loan_id: bytes32):
    """
    @dev Sends a release for each leg that was secured
    """
    loan: Loan = self.loans[loan_id]
    releasing: uint8 = 0
    if loan.goods == SECURED:
        self._instruct(loan_id, GOODS, instruction.RELEASE)
        releasing += 1
    if loan.receipt == SECURED:
        self._instruct(loan_id, RECEIPT, instruction.RELEASE)
        releasing += 1
    self.loans[loan_id].releasing = releasing


@internal
def _instruct(loan_id: bytes32, leg: uint8, action: uint256) -> bytes32:
    """
    @dev Sends one instruction and remembers what its acknowledgement will answer. A loan secures once and releases
         once, so the subject's counter equals the action.
    """
    loan: Loan = self.loans[loan_id]
    recipient: Bytes[58] = RECEIPT_REGISTRY
    if leg == GOODS:
        recipient = GOODS_REGISTRY
    payload: Bytes[160] = abi_encode(
        instruction.Instruction(
            action=action,
            loan_id=loan_id,
            counter=action,
            receipt_id=loan.receipt_id,
            goods_key=loan.goods_key,
        )
    )
    id: bytes32 = application._send(recipient, message.CALL, payload)
    self.requests[id] = Request(loan_id=loan_id, leg=leg, action=action)
    return id
