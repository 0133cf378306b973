# pragma version 0.4.3
"""
@title Warehouse receipts with lien (origin chain)
@license Apache-2.0
@notice A keeper issues a receipt for goods to a holder. The holder consents to one loan; only that loan's instruction,
        carried by a proven message, freezes the receipt. A frozen receipt is neither transferred nor redeemed.
        It does not know whether the goods are in the warehouse: evidence off chain does.
"""

import application
import outcome
import instruction

initializes: application
initializes: instruction

exports: (application.owner, application.gateway, application.admit)


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

event ReceiptTransferred:
    receipt_id: indexed(bytes32)
    holder: address

event ReceiptRedeemed:
    receipt_id: indexed(bytes32)

struct Receipt:
    keeper: address
    holder: address
    goods_key: bytes32
    quantity: uint256  # in the goods' smallest unit, which the receipt's document names
    consented_to: bytes32  # loan id
    lien: bytes32  # the loan that froze it, bound to its pledge registry; empty when free

keepers: public(HashMap[address, bool])
receipts: public(HashMap[bytes32, Receipt])


@deploy
def __init__(gateway: address):
    """
    @notice Binds the registry to its gateway
    @param gateway The origin chain's gateway
    """
    application.__init__(gateway)


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
    @notice The keeper has handed out the goods; the receipt is spent and its number stays used
    @param receipt_id The receipt
    """
    receipt: Receipt = self.receipts[receipt_id]
    assert receipt.keeper == msg.sender, "WarehouseReceipt: not the keeper"
    assert receipt.holder != empty(address), "WarehouseReceipt: redeemed"
    assert receipt.lien == empty(bytes32), "WarehouseReceipt: frozen"
    self.receipts[receipt_id].holder = empty(address)
    self.receipts[receipt_id].consented_to = empty(bytes32)
    log ReceiptRedeemed(receipt_id=receipt_id)


@external
def receiveMessage(id: bytes32, sender: Bytes[58], payload: Bytes[4096]) -> (bytes4, bytes32):
    """
    @notice Freezes or releases a receipt for a loan (ERC-7786 recipient)
    @param id The message's id
    @param sender Interoperable address of the pledge registry
    @param payload An instruction
    @return The ERC-7786 magic value, and the outcome as text
    """
    application._authenticate(sender)
    wanted: instruction.Instruction = instruction._take(sender, payload)
    lien: bytes32 = keccak256(concat(keccak256(sender), wanted.loan_id))
    if wanted.action == instruction.RELEASE:
        return application.RECEIVE, self._release(wanted, lien)
    return application.RECEIVE, self._freeze(wanted, lien)


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
def _release(wanted: instruction.Instruction, lien: bytes32) -> bytes32:
    """
    @dev Releases the receipt if this loan froze it
    """
    if self.receipts[wanted.receipt_id].lien != lien:
        return outcome.NOT_HELD
    self.receipts[wanted.receipt_id].lien = empty(bytes32)
    log ReceiptReleased(receipt_id=wanted.receipt_id, loan_id=wanted.loan_id)
    return outcome.RELEASED
