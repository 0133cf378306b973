# pragma version 0.4.3
"""
@title Warehouse receipts with lien (origin chain)
@license Apache-2.0
@notice A keeper issues a receipt for goods to a holder. The holder consents to one loan; only that loan's instruction,
        carried by a proven message, freezes the receipt. A frozen receipt is neither transferred nor redeemed, split
        or merged. Splitting and merging conserve the quantity and keep the goods key: a goods key is reserved once, so
        of the parts of one pile only one is pledged at a time.
        A receipt is also a leg of two-phase commits (`participant.vy`): the holder consents to the leg's key; the
        prepare holds the receipt as a loan would, the commit hands it to the receiver, the abort lets it go. And it is
        a title (`ITitle`): only its holder hands it on, and without its holder no keeper ends it.
        It does not know whether the goods are in the warehouse: evidence off chain does.
"""

import application
import instruction
import order
import outcome
import participant
import two_phase
import ITitle

implements: ITitle

initializes: application
initializes: instruction
initializes: order
initializes: participant[application := application, order := order]

exports: (application.owner, application.gateway, application.admit)
exports: (order.announce, order.order_due, order.order_delay)
exports: (participant.leg_key, participant.report, participant.leg_states, participant.refusals)


event KeeperEnrolled:
    keeper: indexed(address)

event ReceiptIssued:
    receipt_id: indexed(bytes32)
    goods_key: indexed(bytes32)
    keeper: address
    holder: address
    quantity: uint256

event PledgeConsented:
    receipt_id: indexed(bytes32)
    loan_id: indexed(bytes32)

event ReceiptFrozen:
    receipt_id: indexed(bytes32)
    loan_id: indexed(bytes32)

event ReceiptReleased:
    receipt_id: indexed(bytes32)
    loan_id: indexed(bytes32)

event ReceiptEnforced:
    receipt_id: indexed(bytes32)
    loan_id: indexed(bytes32)
    holder: address

event ReceiptSplit:
    receipt_id: indexed(bytes32)
    first: bytes32
    second: bytes32
    first_quantity: uint256

event ReceiptsMerged:
    receipt_id: indexed(bytes32)
    first: bytes32
    second: bytes32
    quantity: uint256

event ReceiptTransferred:
    receipt_id: indexed(bytes32)
    holder: address

event ReceiptPresented:
    receipt_id: indexed(bytes32)

event ReceiptRedeemed:
    receipt_id: indexed(bytes32)

event LegConsented:
    receipt_id: indexed(bytes32)
    key: indexed(bytes32)

event ReceiptHeld:
    receipt_id: indexed(bytes32)
    key: indexed(bytes32)

event ReceiptDelivered:
    receipt_id: indexed(bytes32)
    key: indexed(bytes32)
    holder: address

event ReceiptLetGo:
    receipt_id: indexed(bytes32)
    key: indexed(bytes32)

# Parts get ids that nobody chooses, so that no number can be taken away from a keeper.
SPLIT_TAG: constant(bytes32) = keccak256("pledgetrail/receipt/split/v1")
MERGE_TAG: constant(bytes32) = keccak256("pledgetrail/receipt/merge/v1")

# What a receipt consents to when its holder has presented it to the keeper: no loan and no leg has this id.
REDEMPTION: constant(bytes32) = keccak256("pledgetrail/receipt/redemption/v1")

# A leg's terms, one word each: receipt, keeper, goods key, quantity, receiver.
TERMS_BYTES: constant(uint256) = 160
MAX_ACCOUNT: constant(uint256) = 2**160 - 1

struct Receipt:
    keeper: address
    holder: address
    goods_key: bytes32
    quantity: uint256  # in the goods' smallest unit, which the receipt's document names
    consented_to: bytes32  # the loan's id or the leg's key, or that it may be redeemed
    lien: bytes32  # what froze it: a loan, bound to its pledge registry, or the key of a leg; empty when free

# What a prepared leg holds, and for whom.
struct Hold:
    receipt_id: bytes32
    receiver: address

keepers: public(HashMap[address, bool])
receipts: public(HashMap[bytes32, Receipt])
holds: public(HashMap[bytes32, Hold])


@deploy
def __init__(gateway: address, committee: address, delay: uint256):
    """
    @notice Binds the registry to its gateway, and to whose orders can force a leg that waits in vain
    @param gateway The origin chain's gateway
    @param committee The committee contract of this chain
    @param delay Seconds between an order's announcement and its effect
    """
    application.__init__(gateway)
    order.__init__(committee, delay)


@external
def enrol_keeper(keeper: address):
    """
    @notice Lets a warehouse keeper issue receipts
    @param keeper The keeper's account
    """
    assert msg.sender == application.owner, "WarehouseReceipt: not the owner"
    assert keeper != empty(address), "WarehouseReceipt: no keeper"
    self.keepers[keeper] = True
    log KeeperEnrolled(keeper=keeper)


@external
def issue(receipt_id: bytes32, goods_key: bytes32, holder: address, quantity: uint256):
    """
    @notice Issues a receipt
    @param receipt_id The receipt's number, as a digest
    @param goods_key Identity of the goods
    @param holder Who owns the receipt
    @param quantity How much, in the goods' smallest unit
    """
    assert self.keepers[msg.sender], "WarehouseReceipt: not a keeper"
    assert self.receipts[receipt_id].keeper == empty(address), "WarehouseReceipt: receipt exists"
    assert holder != empty(address) and goods_key != empty(bytes32), "WarehouseReceipt: incomplete"
    assert quantity != 0, "WarehouseReceipt: no quantity"
    self.receipts[receipt_id] = Receipt(
        keeper=msg.sender,
        holder=holder,
        goods_key=goods_key,
        quantity=quantity,
        consented_to=empty(bytes32),
        lien=empty(bytes32),
    )
    log ReceiptIssued(
        receipt_id=receipt_id, goods_key=goods_key, keeper=msg.sender, holder=holder, quantity=quantity
    )


@external
def consent(receipt_id: bytes32, loan_id: bytes32):
    """
    @notice The holder agrees that this loan may freeze the receipt; a later consent replaces an earlier one
    @param receipt_id The receipt
    @param loan_id The loan; zero withdraws a consent
    """
    receipt: Receipt = self.receipts[receipt_id]
    assert receipt.holder == msg.sender, "WarehouseReceipt: not the holder"
    assert receipt.lien == empty(bytes32), "WarehouseReceipt: frozen"
    self.receipts[receipt_id].consented_to = loan_id
    log PledgeConsented(receipt_id=receipt_id, loan_id=loan_id)


@external
def consent_to_leg(receipt_id: bytes32, key: bytes32):
    """
    @notice The holder agrees that this leg of a two-phase commit may take the receipt, instead of whatever was
            consented to before
    @param receipt_id The receipt
    @param key The leg's key, which binds the whole transaction; zero withdraws a consent
    """
    self._agree(receipt_id, key)
    log LegConsented(receipt_id=receipt_id, key=key)


@external
def present(receipt_id: bytes32):
    """
    @notice The holder hands the receipt in for the goods, instead of whatever was consented to before
    @param receipt_id The receipt
    """
    self._agree(receipt_id, REDEMPTION)
    log ReceiptPresented(receipt_id=receipt_id)


@external
def transfer(receipt_id: bytes32, holder: address):
    """
    @notice Hands a free receipt to another holder; a consent does not travel with it
    @param receipt_id The receipt
    @param holder The new holder
    """
    receipt: Receipt = self.receipts[receipt_id]
    assert receipt.holder == msg.sender, "WarehouseReceipt: not the holder"
    assert receipt.lien == empty(bytes32), "WarehouseReceipt: frozen"
    assert holder != empty(address), "WarehouseReceipt: no holder"
    self.receipts[receipt_id].holder = holder
    self.receipts[receipt_id].consented_to = empty(bytes32)
    log ReceiptTransferred(receipt_id=receipt_id, holder=holder)


@external
def redeem(receipt_id: bytes32):
    """
    @notice The keeper has handed out the goods for a receipt that its holder presented; the receipt is spent and its
            number stays used
    @param receipt_id The receipt
    """
    receipt: Receipt = self.receipts[receipt_id]
    assert receipt.keeper == msg.sender, "WarehouseReceipt: not the keeper"
    assert receipt.holder != empty(address), "WarehouseReceipt: redeemed"
    assert receipt.lien == empty(bytes32), "WarehouseReceipt: frozen"
    assert receipt.consented_to == REDEMPTION, "WarehouseReceipt: not presented"
    self._spend(receipt_id)
    log ReceiptRedeemed(receipt_id=receipt_id)


@external
def split(receipt_id: bytes32, first_quantity: uint256) -> (bytes32, bytes32):
    """
    @notice The holder divides a free receipt in two, which together are as much; the receipt is spent
    @param receipt_id The receipt
    @param first_quantity How much the first part has; the second has the rest, and neither is empty
    @return Ids of the two parts
    """
    whole: Receipt = self._free(receipt_id)
    assert first_quantity != 0 and first_quantity < whole.quantity, "WarehouseReceipt: no quantity"
    first: bytes32 = keccak256(abi_encode(SPLIT_TAG, receipt_id, first_quantity, convert(1, uint256)))
    second: bytes32 = keccak256(abi_encode(SPLIT_TAG, receipt_id, first_quantity, convert(2, uint256)))
    self._spend(receipt_id)
    self._create(first, whole, first_quantity)
    self._create(second, whole, whole.quantity - first_quantity)
    log ReceiptSplit(receipt_id=receipt_id, first=first, second=second, first_quantity=first_quantity)
    return first, second


@external
def merge(first: bytes32, second: bytes32) -> bytes32:
    """
    @notice The holder joins two free receipts of one keeper for the same goods; both are spent
    @param first A receipt
    @param second Another one
    @return Id of the receipt over both
    """
    one: Receipt = self._free(first)
    other: Receipt = self._free(second)
    assert first != second, "WarehouseReceipt: one receipt"
    assert one.keeper == other.keeper, "WarehouseReceipt: different keepers"
    assert one.goods_key == other.goods_key, "WarehouseReceipt: different goods"
    quantity: uint256 = one.quantity + other.quantity
    merged: bytes32 = keccak256(abi_encode(MERGE_TAG, first, second))
    self._spend(first)
    self._spend(second)
    self._create(merged, one, quantity)
    log ReceiptsMerged(receipt_id=merged, first=first, second=second, quantity=quantity)
    return merged


@external
def receiveMessage(id: bytes32, sender: Bytes[58], payload: Bytes[1024]) -> (bytes4, bytes32):
    """
    @notice Freezes, releases or enforces a receipt for a loan, or takes part in a two-phase commit (ERC-7786 recipient)
    @param id The message's id
    @param sender Interoperable address of the pledge registry or the coordinator
    @param payload An instruction, or what a coordinator asks
    @return The ERC-7786 magic value, and the outcome as text
    """
    application._authenticate(sender)
    if two_phase._asks_a_leg(payload):
        return application.RECEIVE, self._take_turn(sender, payload)
    wanted: instruction.Instruction = instruction._take(sender, payload)
    lien: bytes32 = keccak256(concat(keccak256(sender), wanted.loan_id))
    if wanted.action == instruction.SECURE:
        return application.RECEIVE, self._freeze(wanted, lien)
    return application.RECEIVE, self._let_go(wanted, lien)


@external
def force(key: bytes32, decision: uint256, salt: bytes32):
    """
    @notice Carries out the quorum's order on a leg that waits for its decision in vain; anyone may, after the delay
    @param key The leg's key
    @param decision 18 commits, 19 aborts
    @param salt The order's salt
    """
    participant._force(key, decision, salt)
    self._end_hold(key, decision)


@external
@view
def holder_of(id: bytes32) -> address:
    """
    @notice Who holds a receipt, pledged or not (`ITitle`)
    @param id The receipt
    @return The holder; the zero address where there is none, or none any more
    """
    return self.receipts[id].holder


@internal
def _agree(receipt_id: bytes32, to: bytes32):
    """
    @dev The one thing a holder agrees to, as in `consent`: a later one replaces an earlier one, and a frozen receipt
         agrees to nothing
    """
    receipt: Receipt = self.receipts[receipt_id]
    assert receipt.holder == msg.sender, "WarehouseReceipt: not the holder"
    assert receipt.lien == empty(bytes32), "WarehouseReceipt: frozen"
    self.receipts[receipt_id].consented_to = to


@internal
def _take_turn(sender: Bytes[58], payload: Bytes[1024]) -> bytes32:
    """
    @dev What a coordinator asks of a receipt; the outcome
    """
    turn: participant.Turn = participant._take(sender, payload)
    if turn.action == two_phase.PREPARE:
        return participant._answer(sender, turn, self._hold(turn))
    if turn.action != participant.NOTHING:
        self._end_hold(turn.key, turn.action)
    return turn.outcome


@internal
def _hold(turn: participant.Turn) -> bytes32:
    """
    @dev Holds the receipt for a leg if it is the one the terms describe and its holder consented to this very leg; the
         refusal, or nothing. Whoever gets the receipt knows from the plan alone for what it is.
    """
    if len(turn.terms) != TERMS_BYTES:
        return outcome.BAD_TERMS
    receiver: uint256 = convert(extract32(turn.terms, 128), uint256)
    if receiver == 0 or receiver > MAX_ACCOUNT or receiver == convert(self, uint256):
        return outcome.NO_BENEFICIARY
    receipt_id: bytes32 = extract32(turn.terms, 0)
    receipt: Receipt = self.receipts[receipt_id]
    if receipt.holder == empty(address):
        return outcome.NO_RECEIPT
    described: bytes32 = keccak256(slice(turn.terms, 32, 96))
    if described != keccak256(abi_encode(receipt.keeper, receipt.goods_key, receipt.quantity)):
        return outcome.OTHER_GOODS
    if receipt.lien != empty(bytes32):
        return outcome.ALREADY_FROZEN
    if receipt.consented_to != turn.key:
        return outcome.NO_CONSENT
    self.receipts[receipt_id].lien = turn.key
    self.receipts[receipt_id].consented_to = empty(bytes32)
    self.holds[turn.key] = Hold(receipt_id=receipt_id, receiver=convert(receiver, address))
    log ReceiptHeld(receipt_id=receipt_id, key=turn.key)
    return empty(bytes32)


@internal
def _end_hold(key: bytes32, decision: uint256):
    """
    @dev Hands over what a leg holds, or lets it go. Nothing else takes a leg's lien off a receipt, so it is still there.
    """
    hold: Hold = self.holds[key]
    self.holds[key] = empty(Hold)
    self.receipts[hold.receipt_id].lien = empty(bytes32)
    if decision == two_phase.COMMIT:
        self.receipts[hold.receipt_id].holder = hold.receiver
        log ReceiptDelivered(receipt_id=hold.receipt_id, key=key, holder=hold.receiver)
    else:
        log ReceiptLetGo(receipt_id=hold.receipt_id, key=key)


@internal
def _freeze(wanted: instruction.Instruction, lien: bytes32) -> bytes32:
    """
    @dev Freezes the receipt if its holder consented to this very loan; the outcome says what stood in the way
    """
    receipt: Receipt = self.receipts[wanted.receipt_id]
    if receipt.holder == empty(address):
        return outcome.NO_RECEIPT
    if receipt.goods_key != wanted.goods_key:
        return outcome.OTHER_GOODS
    if receipt.lien != empty(bytes32):
        return outcome.ALREADY_FROZEN
    if receipt.consented_to != wanted.loan_id:
        return outcome.NO_CONSENT
    self.receipts[wanted.receipt_id].lien = lien
    self.receipts[wanted.receipt_id].consented_to = empty(bytes32)
    log ReceiptFrozen(receipt_id=wanted.receipt_id, loan_id=wanted.loan_id)
    return outcome.FROZEN


@internal
def _let_go(wanted: instruction.Instruction, lien: bytes32) -> bytes32:
    """
    @dev Takes the lien off the receipt if this loan froze it: released to its holder, or enforced and handed over
    """
    if self.receipts[wanted.receipt_id].lien != lien:
        return outcome.NOT_HELD
    self.receipts[wanted.receipt_id].lien = empty(bytes32)
    if wanted.action == instruction.ENFORCE:
        self.receipts[wanted.receipt_id].holder = wanted.recipient
        log ReceiptEnforced(receipt_id=wanted.receipt_id, loan_id=wanted.loan_id, holder=wanted.recipient)
        return outcome.ENFORCED
    log ReceiptReleased(receipt_id=wanted.receipt_id, loan_id=wanted.loan_id)
    return outcome.RELEASED


@internal
@view
def _free(receipt_id: bytes32) -> Receipt:
    """
    @dev A receipt of the caller's that no loan holds or may take
    """
    receipt: Receipt = self.receipts[receipt_id]
    assert receipt.holder == msg.sender, "WarehouseReceipt: not the holder"
    assert receipt.lien == empty(bytes32), "WarehouseReceipt: frozen"
    assert receipt.consented_to == empty(bytes32), "WarehouseReceipt: consented to a loan"
    return receipt


@internal
def _spend(receipt_id: bytes32):
    """
    @dev Ends a receipt; its number stays used
    """
    self.receipts[receipt_id].holder = empty(address)
    self.receipts[receipt_id].consented_to = empty(bytes32)


@internal
def _create(receipt_id: bytes32, whole: Receipt, quantity: uint256):
    """
    @dev A receipt for some of what another one was for
    """
    assert self.receipts[receipt_id].keeper == empty(address), "WarehouseReceipt: receipt exists"
    self.receipts[receipt_id] = Receipt(
        keeper=whole.keeper,
        holder=whole.holder,
        goods_key=whole.goods_key,
        quantity=quantity,
        consented_to=empty(bytes32),
        lien=empty(bytes32),
    )
