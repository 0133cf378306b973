# pragma version 0.4.3
"""
@title What every application behind a gateway shares: its owner, its gateway, whom it listens to
@license Apache-2.0
@notice A message counts only if this chain's gateway delivers it and its sender is admitted. Senders are admitted by
        the owner, on exactly one chain each; the lane that carries them is opened separately, at the gateway.
"""

import IGateway
import interoperable_address

RECEIVE: constant(bytes4) = method_id("receiveMessage(bytes32,bytes,bytes)", output_type=bytes4)
KIND: constant(bytes4) = method_id("kind(uint8)", output_type=bytes4)

event SenderAdmitted:
    chain_id: indexed(uint256)
    sender: indexed(address)

GATEWAY: immutable(address)
owner: public(address)
admitted: HashMap[bytes32, bool]


@deploy
def __init__(gateway: address):
    """
    @notice Binds the application to its chain's gateway; the deployer is the owner
    @param gateway The gateway
    """
    assert gateway.is_contract, "application: no gateway"
    GATEWAY = gateway
    self.owner = msg.sender


@external
@view
def gateway() -> address:
    """
    @notice The only account whose deliveries count
    @return The gateway of this chain
    """
    return GATEWAY


@external
def admit(chain_id: uint256, sender: address):
    """
    @notice Admits a sender
    @param chain_id The chain the sender lives on
    @param sender The sender
    """
    assert msg.sender == self.owner, "application: not the owner"
    assert sender != empty(address), "application: no sender"
    self.admitted[keccak256(interoperable_address._encode(chain_id, sender))] = True
    log SenderAdmitted(chain_id=chain_id, sender=sender)


@internal
@view
def _authenticate(sender: Bytes[58]):
    """
    @dev Reverts unless this is a delivery by the gateway of a message from an admitted sender
    """
    assert msg.sender == GATEWAY, "application: not the gateway"
    assert self.admitted[keccak256(sender)], "application: sender not admitted"


@internal
def _send(recipient: Bytes[58], kind: uint8, payload: Bytes[1024]) -> bytes32:
    """
    @dev Sends a message of a kind through the gateway, with the gateway's default lifetime and gas
    """
    attributes: DynArray[Bytes[36], 3] = [concat(KIND, convert(convert(kind, uint256), bytes32))]
    return extcall IGateway(GATEWAY).sendMessage(recipient, payload, attributes)
