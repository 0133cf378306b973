# pragma version 0.4.3
"""
@title Vault: where value waits while its vouchers are on another chain
@license Apache-2.0
@notice Locks tokens and non-fungible items, and has its gateway send as much to its `Voucher`. It releases only what
        a transfer from that voucher brings back, never more of an asset than it holds locked, and gives back what was
        locked for a transfer that was refused, expired or void. Releasing and giving back only credit; `withdraw`
        pays, so that no token and no receiver stands in the way of a message or of another account.
        A fungible token's asset is its address; an item is an asset of its own, of quantity one.
        The owner opens lanes and lists tokens, and can do nothing else; nobody can move what is locked.
        It does not protect against a listed token that changes balances by itself or whose issuer blocks the vault.
"""

from ethereum.ercs import IERC20
from ethereum.ercs import IERC721

import application
import outcome
import value_end

initializes: application
initializes: value_end[application := application]

exports: (application.owner, application.gateway)
exports: (value_end.PEER_CHAIN, value_end.PEER, value_end.LANE, value_end.deposit_state)

ITEM_TAG: constant(bytes32) = keccak256("pledgetrail/item/v1")

# Kinds of listed tokens.
FUNGIBLE: constant(uint8) = 1
COLLECTION: constant(uint8) = 2

event TokenListed:
    token: indexed(address)
    is_collection: bool

event ValueReleased:
    id: indexed(bytes32)
    asset: indexed(bytes32)
    account: indexed(address)
    quantity: uint256

event Withdrawn:
    account: indexed(address)
    asset: indexed(bytes32)
    quantity: uint256

struct Item:
    collection: address
    token_id: uint256

listed: public(HashMap[address, uint8])
items: public(HashMap[bytes32, Item])
# asset -> units ever locked 128 | units ever released or given back 128
counts: HashMap[bytes32, uint256]
# account -> asset -> units that `withdraw` pays
owed: public(HashMap[address, HashMap[bytes32, uint256]])


@deploy
def __init__(gateway: address, voucher_chain: uint256, voucher: address, registry_chain: uint256, registry: address):
    """
    @notice Binds the vault to its gateway, its voucher and the transaction registry
    @param gateway The gateway of this chain
    @param voucher_chain Chain id of the voucher
    @param voucher The voucher's address
    @param registry_chain Chain id of the transaction chain
    @param registry The transaction registry
    """
    application.__init__(gateway)
    value_end.__init__(voucher_chain, voucher, registry_chain, registry)


@external
def list_token(token: address, is_collection: bool):
    """
    @notice Lists a token, for good
    @param token An ERC-20 token, or an ERC-721 collection
    @param is_collection Whether it is a collection
    """
    assert msg.sender == application.owner, "Vault: not the owner"
    assert token.is_contract, "Vault: no token"
    assert self.listed[token] == 0, "Vault: listed before"
    self.listed[token] = COLLECTION if is_collection else FUNGIBLE
    log TokenListed(token=token, is_collection=is_collection)


@external
@nonreentrant
def lock(token: address, quantity: uint256, beneficiary: address) -> bytes32:
    """
    @notice Locks tokens of the caller, who has approved the vault, and sends as many vouchers
    @param token A listed fungible token
    @param quantity How many, in the token's smallest unit
    @param beneficiary Who gets the vouchers
    @return The transfer's message id
    """
    assert self.listed[token] == FUNGIBLE, "Vault: token not listed"
    assert quantity != 0, "Vault: no quantity"
    asset: bytes32 = convert(token, bytes32)
    self.counts[asset] = value_end._added(self.counts[asset], quantity, 0)
    before: uint256 = staticcall IERC20(token).balanceOf(self)
    assert extcall IERC20(token).transferFrom(
        msg.sender, self, quantity, default_return_value=True
    ), "Vault: token refused"
    assert staticcall IERC20(token).balanceOf(self) == before + quantity, "Vault: token moved another amount"
    return value_end._send(msg.sender, asset, quantity, beneficiary)


@external
@nonreentrant
def lock_item(collection: address, token_id: uint256, beneficiary: address) -> bytes32:
    """
    @notice Locks a non-fungible item of the caller, who has approved the vault, and sends its voucher
    @param collection A listed collection
    @param token_id The item
    @param beneficiary Who gets the voucher
    @return The transfer's message id
    """
    assert self.listed[collection] == COLLECTION, "Vault: token not listed"
    assert staticcall IERC721(collection).ownerOf(token_id) == msg.sender, "Vault: not the item's owner"
    asset: bytes32 = self._item(collection, token_id)
    books: uint256 = value_end._added(self.counts[asset], 1, 0)
    # A collection that names another owner of what is here would have one item locked twice.
    assert (books >> 128) - (books & value_end.MAX_TOTAL) == 1, "Vault: item is locked"
    self.counts[asset] = books
    self.items[asset] = Item(collection=collection, token_id=token_id)
    extcall IERC721(collection).transferFrom(msg.sender, self, token_id)
    assert staticcall IERC721(collection).ownerOf(token_id) == self, "Vault: item did not arrive"
    return value_end._send(msg.sender, asset, 1, beneficiary)


@external
@nonreentrant
def receiveMessage(id: bytes32, sender: Bytes[58], payload: Bytes[1024]) -> (bytes4, bytes32):
    """
    @notice Releases what its voucher sends back, or takes the acknowledgement of what left (ERC-7786 recipient)
    @param id The message's id
    @param sender Interoperable address of the voucher or the transaction registry
    @param payload A transfer, or a message id and an outcome
    @return The ERC-7786 magic value, and the outcome as text
    """
    if value_end._is_answer(sender, payload):
        return application.RECEIVE, empty(bytes32)
    arrival: value_end.Arrival = value_end._read(payload)
    if arrival.beneficiary == empty(address):
        return application.RECEIVE, outcome.NO_BENEFICIARY
    books: uint256 = self.counts[arrival.asset]
    if arrival.quantity > (books >> 128) - (books & value_end.MAX_TOTAL):
        return application.RECEIVE, outcome.NOT_BACKED
    self._credit(arrival.beneficiary, arrival.asset, arrival.quantity)
    log ValueReleased(
        id=id, asset=arrival.asset, account=arrival.beneficiary, quantity=arrival.quantity
    )
    return application.RECEIVE, outcome.RELEASED


@external
@nonreentrant
def take_back(id: bytes32, deposit: value_end.Deposit):
    """
    @notice Credits a deposit whose transfer was refused, expired or void to the account it came from; anyone may ask
    @param id The transfer's message id
    @param deposit What was locked for it
    """
    value_end._take_back(id, deposit)
    self._credit(deposit.account, deposit.asset, deposit.quantity)


@external
@nonreentrant
def withdraw(account: address, asset: bytes32):
    """
    @notice Pays an account what it is owed of an asset; anyone may ask, only the account is paid
    @param account Whom to pay
    @param asset What
    """
    quantity: uint256 = self.owed[account][asset]
    assert quantity != 0, "Vault: nothing owed"
    self.owed[account][asset] = 0
    log Withdrawn(account=account, asset=asset, quantity=quantity)
    item: Item = self.items[asset]
    if item.collection != empty(address):
        extcall IERC721(item.collection).transferFrom(self, account, item.token_id)
        assert staticcall IERC721(item.collection).ownerOf(item.token_id) == account, "Vault: item did not leave"
        return
    token: IERC20 = IERC20(convert(asset, address))
    before: uint256 = staticcall token.balanceOf(self)
    assert extcall token.transfer(account, quantity, default_return_value=True), "Vault: token refused"
    assert staticcall token.balanceOf(self) + quantity == before, "Vault: token moved another amount"


@external
@view
def books(asset: bytes32) -> (uint256, uint256):
    """
    @notice What the vault has counted of an asset
    @param asset The asset
    @return Units ever locked, and units ever released or given back
    """
    counted: uint256 = self.counts[asset]
    return counted >> 128, counted & value_end.MAX_TOTAL


@external
@pure
def item_asset(collection: address, token_id: uint256) -> bytes32:
    """
    @notice The asset that an item is
    @param collection Its collection
    @param token_id The item
    @return keccak256 of tag, collection and token id, one ABI word each
    """
    return self._item(collection, token_id)


@internal
@pure
def _item(collection: address, token_id: uint256) -> bytes32:
    """
    @dev See `item_asset`
    """
    return keccak256(abi_encode(ITEM_TAG, collection, token_id))


@internal
def _credit(account: address, asset: bytes32, quantity: uint256):
    """
    @dev Counts units out of the lock and owes them to an account
    """
    self.counts[asset] = value_end._added(self.counts[asset], 0, quantity)
    self.owed[account][asset] += quantity
