# pragma version 0.4.3
"""
@title Voucher: what stands on this chain for the value that a vault on another one holds
@license Apache-2.0
@notice Mints what a transfer from its `Vault` brings, and burns what its holder sends back there; what was burned for
        a transfer that was refused, expired or void comes back to its holder. One contract for all of the vault's
        assets, in the assets' own smallest units: nothing is converted, so nothing is rounded.
        Nobody mints or burns but by these transfers; the owner opens lanes and can do nothing else.
        It does not protect against a vault's token that loses its worth, nor against a quorum of notaries that
        attests what was never locked: the vault pays out no more than it holds, whatever was minted here.
"""

import application
import outcome
import value_end

initializes: application
initializes: value_end[application := application]

exports: (application.owner, application.gateway)
exports: (value_end.PEER_CHAIN, value_end.PEER, value_end.LANE, value_end.deposit_state)

event VoucherMinted:
    id: indexed(bytes32)
    asset: indexed(bytes32)
    account: indexed(address)
    quantity: uint256

event VoucherTransferred:
    asset: indexed(bytes32)
    sender: indexed(address)
    receiver: indexed(address)
    quantity: uint256

# asset -> units ever minted or given back 128 | units ever burned 128
counts: HashMap[bytes32, uint256]
# asset -> account -> units
balances: public(HashMap[bytes32, HashMap[address, uint256]])


@deploy
def __init__(gateway: address, vault_chain: uint256, vault: address, registry_chain: uint256, registry: address):
    """
    @notice Binds the voucher to its gateway, its vault and the transaction registry
    @param gateway The gateway of this chain
    @param vault_chain Chain id of the vault
    @param vault The vault's address
    @param registry_chain Chain id of the transaction chain
    @param registry The transaction registry
    """
    application.__init__(gateway)
    value_end.__init__(vault_chain, vault, registry_chain, registry)


@external
def transfer(asset: bytes32, receiver: address, quantity: uint256):
    """
    @notice Hands vouchers of the caller on
    @param asset What
    @param receiver Who gets them
    @param quantity How many
    """
    assert receiver != empty(address) and receiver != self, "Voucher: no receiver"
    self._take(msg.sender, asset, quantity)
    self.balances[asset][receiver] += quantity
    log VoucherTransferred(asset=asset, sender=msg.sender, receiver=receiver, quantity=quantity)


@external
def burn(asset: bytes32, quantity: uint256, beneficiary: address) -> bytes32:
    """
    @notice Burns vouchers of the caller and has the vault release as much
    @param asset What
    @param quantity How much
    @param beneficiary Who is paid at the vault
    @return The transfer's message id
    """
    self._take(msg.sender, asset, quantity)
    self.counts[asset] = value_end._added(self.counts[asset], 0, quantity)
    return value_end._send(msg.sender, asset, quantity, beneficiary)


@external
def receiveMessage(id: bytes32, sender: Bytes[58], payload: Bytes[1024]) -> (bytes4, bytes32):
    """
    @notice Mints what its vault sends, or takes the acknowledgement of what was burned (ERC-7786 recipient)
    @param id The message's id
    @param sender Interoperable address of the vault or the transaction registry
    @param payload A transfer, or a message id and an outcome
    @return The ERC-7786 magic value, and the outcome as text
    """
    if value_end._is_answer(sender, payload):
        return application.RECEIVE, empty(bytes32)
    arrival: value_end.Arrival = value_end._read(payload)
    if arrival.beneficiary == empty(address):
        return application.RECEIVE, outcome.NO_BENEFICIARY
    self._give(arrival.beneficiary, arrival.asset, arrival.quantity)
    log VoucherMinted(id=id, asset=arrival.asset, account=arrival.beneficiary, quantity=arrival.quantity)
    return application.RECEIVE, outcome.MINTED


@external
def take_back(id: bytes32, deposit: value_end.Deposit):
    """
    @notice Gives back what was burned for a transfer that was refused, expired or void; anyone may ask
    @param id The transfer's message id
    @param deposit What was burned for it
    """
    value_end._take_back(id, deposit)
    self._give(deposit.account, deposit.asset, deposit.quantity)


@external
@view
def books(asset: bytes32) -> (uint256, uint256):
    """
    @notice What the voucher has counted of an asset
    @param asset The asset
    @return Units ever minted or given back, and units ever burned
    """
    counted: uint256 = self.counts[asset]
    return counted >> 128, counted & value_end.MAX_TOTAL


@internal
def _take(account: address, asset: bytes32, quantity: uint256):
    """
    @dev Takes vouchers from an account
    """
    assert quantity != 0, "Voucher: no quantity"
    held: uint256 = self.balances[asset][account]
    assert held >= quantity, "Voucher: balance too small"
    self.balances[asset][account] = held - quantity


@internal
def _give(account: address, asset: bytes32, quantity: uint256):
    """
    @dev Counts vouchers as minted and gives them to an account
    """
    self.counts[asset] = value_end._added(self.counts[asset], quantity, 0)
    self.balances[asset][account] += quantity
