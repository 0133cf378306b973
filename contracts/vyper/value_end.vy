# pragma version 0.4.3
"""
@title What both ends of a value lane share: the other end, what is in flight, and what comes back
@license Apache-2.0
@notice A `Vault` and a `Voucher` on two chains are a pair; each was created for the other and for one transaction
        registry, and none of that ever changes. A transfer's payload is four words: asset | quantity | total |
        beneficiary, where the total is what the gateway has counted on this lane and generation; it tells equal
        transfers apart. What leaves is kept by its digest until the registry acknowledges it: done, then it is over;
        refused, expired or void, then whoever sent it takes it back, once.
        Only a message of kind *transfer* moves value: no other kind passes the gateway's count and the lane's limits.
        It does not protect against a quorum of notaries that attests what was never sent, or calls expired what was
        delivered: the gateway's count and the vault's books bound what that can take.
"""

import application
import interoperable_address
import lane_word
import message
import outcome
import IValueGateway

uses: application

# A sum of quantities shares a word with another one.
MAX_TOTAL: constant(uint256) = 2**128 - 1
MAX_ACCOUNT: constant(uint256) = 2**160 - 1
PAYLOAD: constant(uint256) = 128  # bytes

# States of a deposit.
IN_FLIGHT: constant(uint256) = 1
COMES_BACK: constant(uint256) = 2  # it was refused, expired or void: its account takes it back
ENDED: constant(uint256) = 3

event ValueSent:
    id: indexed(bytes32)
    asset: indexed(bytes32)
    account: indexed(address)
    quantity: uint256
    beneficiary: address

event ValueAnswered:
    id: indexed(bytes32)
    outcome: bytes32
    comes_back: bool

event ValueReturned:
    id: indexed(bytes32)
    asset: indexed(bytes32)
    account: indexed(address)
    quantity: uint256

# What left: whose it was, and how much of what.
struct Deposit:
    account: address
    asset: bytes32
    quantity: uint256  # in the asset's smallest unit

struct Arrival:
    asset: bytes32
    quantity: uint256
    beneficiary: address  # zero when the payload names none

PEER_CHAIN: public(immutable(uint256))
PEER: public(immutable(address))
LANE: public(immutable(bytes32))  # from here to the other end
PEER_KEY: immutable(bytes32)  # keccak256 of the interoperable address
REGISTRY_KEY: immutable(bytes32)

# message id -> the first 31 bytes of the deposit's digest | its state (1 byte)
deposits: HashMap[bytes32, uint256]


@deploy
def __init__(peer_chain: uint256, peer: address, registry_chain: uint256, registry: address):
    """
    @notice Binds this end to the other one, whose address its deployer's account and nonce decide beforehand, and to
            the registry that acknowledges transfers
    @dev The gateway must know the peer's chain already: the lane is fixed here
    @param peer_chain Chain id of the other end
    @param peer The other end
    @param registry_chain Chain id of the transaction chain
    @param registry The transaction registry
    """
    assert peer != empty(address) and registry != empty(address), "ValueEnd: incomplete"
    assert registry_chain != chain.id, "ValueEnd: the transaction chain acknowledges none of its own"
    gateway: IValueGateway = IValueGateway(application.GATEWAY)
    there: message.Chain = staticcall gateway.peers(peer_chain)
    assert there.chain_id != 0, "ValueEnd: unknown chain"
    here: message.Chain = message.Chain(
        chain_id=chain.id, genesis=staticcall gateway.GENESIS(), gateway=application.GATEWAY
    )
    PEER_CHAIN = peer_chain
    PEER = peer
    LANE = message._lane(here, there, self, peer)
    PEER_KEY = keccak256(interoperable_address._encode(peer_chain, peer))
    REGISTRY_KEY = keccak256(interoperable_address._encode(registry_chain, registry))
    assert PEER_KEY != REGISTRY_KEY, "ValueEnd: the registry is no end"


@external
@view
def deposit_state(id: bytes32) -> uint256:
    """
    @notice What became of a transfer from here
    @param id The transfer's message id
    @return 0 never sent, 1 in flight, 2 comes back, 3 ended
    """
    return self.deposits[id] & 255


@internal
def _send(account: address, asset: bytes32, quantity: uint256, beneficiary: address) -> bytes32:
    """
    @notice Sends value that this end has taken from an account
    @param account Whose it was, and to whom it would come back
    @param asset What
    @param quantity How much; the gateway bounds it
    @param beneficiary Who gets it at the other end
    @return The transfer's message id
    """
    assert beneficiary != empty(address), "ValueEnd: no beneficiary"
    into: uint256 = 0
    limits: uint256 = 0
    out: uint256 = 0
    into, limits, out = staticcall IValueGateway(application.GATEWAY).words(LANE)
    generation: uint32 = convert(lane_word._outbound(out).generation, uint32)
    sent: uint256 = staticcall IValueGateway(application.GATEWAY).units_sent(LANE, generation, asset)
    id: bytes32 = application._send(
        interoperable_address._encode(PEER_CHAIN, PEER),
        message.TRANSFER,
        abi_encode(asset, quantity, sent + quantity, beneficiary),
    )
    self.deposits[id] = self._record(Deposit(account=account, asset=asset, quantity=quantity), IN_FLIGHT)
    log ValueSent(id=id, asset=asset, account=account, quantity=quantity, beneficiary=beneficiary)
    return id


@internal
def _is_answer(sender: Bytes[58], payload: Bytes[1024]) -> bool:
    """
    @notice Takes an acknowledgement, or says that this is a transfer from the other end; reverts for everything else
    @param sender Interoperable address of the sender
    @param payload What it sent
    @return Whether it was an acknowledgement
    """
    assert msg.sender == application.GATEWAY, "ValueEnd: not the gateway"
    from_key: bytes32 = keccak256(sender)
    if from_key == REGISTRY_KEY:
        self._answer(payload)
        return True
    assert from_key == PEER_KEY, "ValueEnd: not the other end"
    # No other kind was counted by the gateway or held back by its limits, whoever attested it.
    kind: uint8 = staticcall IValueGateway(application.GATEWAY).delivered_kind()
    assert kind == message.TRANSFER, "ValueEnd: not a transfer"
    return False


@internal
def _answer(payload: Bytes[1024]):
    """
    @dev Ends a transfer that was done, lets one come back that was not. Only these words mean either: an answer that
         is neither leaves the value where it is.
    """
    assert len(payload) == 64, "ValueEnd: acknowledgement length"
    id: bytes32 = empty(bytes32)
    answered: bytes32 = empty(bytes32)
    id, answered = abi_decode(payload, (bytes32, bytes32))
    record: uint256 = self.deposits[id]
    assert record != 0, "ValueEnd: nothing sent by this message"
    assert record & 255 == IN_FLIGHT, "ValueEnd: answered before"
    is_done: bool = answered in [outcome.MINTED, outcome.RELEASED]
    is_refused: bool = answered in [outcome.EXPIRED, outcome.VOID, outcome.NO_BENEFICIARY, outcome.NOT_BACKED]
    assert is_done or is_refused, "ValueEnd: unknown outcome"
    self.deposits[id] = (record & ~convert(255, uint256)) | (ENDED if is_done else COMES_BACK)
    log ValueAnswered(id=id, outcome=answered, comes_back=is_refused)


@internal
def _take_back(id: bytes32, deposit: Deposit):
    """
    @notice Ends a deposit that comes back; the caller gives its account what it had sent
    @param id The transfer's message id
    @param deposit What left with it
    """
    assert self.deposits[id] == self._record(deposit, COMES_BACK), "ValueEnd: nothing comes back"
    self.deposits[id] = self._record(deposit, ENDED)
    log ValueReturned(id=id, asset=deposit.asset, account=deposit.account, quantity=deposit.quantity)


@internal
@view
def _read(payload: Bytes[1024]) -> Arrival:
    """
    @notice What a transfer brings; the gateway has checked its quantity and counted it
    @param payload The transfer's payload
    @return Asset, quantity and beneficiary; no beneficiary where the payload names none, or this contract
    """
    arrival: Arrival = Arrival(
        asset=extract32(payload, 0), quantity=convert(extract32(payload, 32), uint256), beneficiary=empty(address)
    )
    if len(payload) == PAYLOAD:
        named: uint256 = convert(extract32(payload, 96), uint256)
        if named <= MAX_ACCOUNT and named != convert(self, uint256):
            arrival.beneficiary = convert(named, address)
    return arrival


@internal
@pure
def _added(books: uint256, left: uint256, right: uint256) -> uint256:
    """
    @notice Two totals in one word, counted on; neither ever wraps
    @param books The word before: the first total 128 bits | the second 128 bits
    @param left Units to add to the first
    @param right Units to add to the second
    @return The word after
    """
    first: uint256 = (books >> 128) + left
    second: uint256 = (books & MAX_TOTAL) + right
    assert first <= MAX_TOTAL and second <= first, "ValueEnd: books"
    return (first << 128) | second


@internal
@pure
def _record(deposit: Deposit, state: uint256) -> uint256:
    """
    @dev A deposit in one word: the first 31 bytes of its digest, then its state
    """
    return (convert(keccak256(abi_encode(deposit)), uint256) & ~convert(255, uint256)) | state
