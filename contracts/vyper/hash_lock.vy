# pragma version 0.4.3
"""
@title What both contracts of a hash lock share: the swap's identity, its states, and who is owed what
@license Apache-2.0
@notice A value lane is a pair of contracts on two chains, one token on each side, and bounds that both were given. A
        swap has two legs. The initiator, who made the secret, funds the first (`InitiatorLock`); the responder funds
        the second (`ResponderLock`). Claiming the second reveals the secret, and with it the responder claims the
        first. Before its refund time a leg can only be claimed, from then on only refunded; both are final, and both
        only credit: `withdraw` pays, so that no token and no receiver stands in the way of a claim.
        Nobody owns these contracts, nothing pauses or changes them: whoever could delay a claim could take the money.
        They carry value and nothing else: no calls, no messages. `ledger.hash_lock` is the Python twin.
        They do not protect against a chain that halts, or refuses a party's transactions, for longer than the claim
        window; nor against a token whose own balances change by themselves or whose issuer blocks it.
"""

from ethereum.ercs import IERC20

LANE_TAG: constant(bytes32) = keccak256("pledgetrail/value-lane/v1")
ID_TAG: constant(bytes32) = keccak256("pledgetrail/swap/v1")

# States of a leg; the last two are terminal.
UNKNOWN: constant(uint256) = 0
BONDED: constant(uint256) = 1  # the initiator's bond is here, the responder has not funded
OPEN: constant(uint256) = 2  # funded: can be claimed, later refunded
CLAIMED: constant(uint256) = 3
REFUNDED: constant(uint256) = 4

MAX_SECONDS: constant(uint64) = 30 * 24 * 3600  # no bound, and so no lock, is longer
MAX_QUANTITY: constant(uint256) = 2**128 - 1  # units of the token
PPM: constant(uint256) = 1_000_000
KNOWN_SECRETS: constant(uint256) = 32  # 0 to 31 and all ones count as revealed from the beginning
CLAIM_BYTES: constant(uint256) = 4 + 11 * 32  # selector, the terms' ten words, the preimage

event Funded:
    id: indexed(bytes32)
    hashlock: indexed(bytes32)
    funder: indexed(address)
    terms: Terms

event Claimed:
    id: indexed(bytes32)
    hashlock: indexed(bytes32)
    receiver: indexed(address)
    amount: uint256
    preimage: bytes32

event Refunded:
    id: indexed(bytes32)
    hashlock: indexed(bytes32)
    account: indexed(address)
    amount: uint256

event Revealed:
    hashlock: indexed(bytes32)
    preimage: bytes32

event Withdrawn:
    account: indexed(address)
    amount: uint256

struct End:
    chain_id: uint256
    genesis: bytes32
    lock: address  # InitiatorLock or ResponderLock
    token: address

# Seconds of block time, except the last two.
struct Bounds:
    initiator_least: uint64  # L: the initiator's leg is locked at least so long
    initiator_most: uint64  # and at most so long
    responder_most: uint64  # S: the responder's leg is locked at most so long
    finality_initiator: uint64  # a block of the initiator's chain this old is never reorganised
    finality_responder: uint64  # and one of the responder's chain
    claim_window: uint64  # a transaction that was sent is in a block this soon, whatever the chain suffers
    clock_drift: uint64  # how far the times of two blocks made at one moment are apart at most, on whichever chains
    open_swaps: uint64  # how many swaps an account has money in at once, per contract
    bond_ppm: uint64  # the initiator's bond, in millionths of the responder's quantity

struct Leg:
    quantity: uint256  # units of the leg's token
    funder: address
    receiver: address
    refund_time: uint64  # block time of the leg's chain, in seconds

struct Terms:
    hashlock: bytes32  # SHA-256 of 32 bytes
    bond: uint256  # units of the responder's token, from the initiator
    initiator: Leg
    responder: Leg

IS_INITIATOR: immutable(bool)
CHAIN_ID: immutable(uint256)
TOKEN: public(immutable(address))
BOUNDS: immutable(Bounds)
MARGIN: immutable(uint64)
LANE: public(immutable(bytes32))

# id -> refund time and state: see `_record`.
records: HashMap[bytes32, uint256]
# keccak256(funder, hashlock): set when funded, never cleared.
used: public(HashMap[bytes32, bool])
# Hash locks whose preimage this contract has seen.
revealed: public(HashMap[bytes32, bool])
open_swaps: public(HashMap[address, uint256])
owed: public(HashMap[address, uint256])
# Everything in open swaps, bonds and credits: never more than this contract's balance of an honest token.
held: public(uint256)


@deploy
def __init__(is_initiator: bool, genesis: bytes32, token: address, mirror: End, bounds: Bounds):
    """
    @notice Binds the contract to its role, its token, its counterpart and the bounds of the manifest
    @dev The counterpart's address is known beforehand: a deployer's account and nonce decide it
    @param is_initiator Whether this is the initiator's side
    @param genesis This chain's genesis block hash (not readable on chain; verified from outside)
    @param token The only token this contract holds
    @param mirror The other contract of the pair: chain id, genesis hash, address, token
    @param bounds The same for both contracts of the pair
    """
    assert genesis != empty(bytes32) and mirror.genesis != empty(bytes32), "HashLock: no genesis"
    assert mirror.chain_id != 0 and mirror.chain_id != chain.id, "HashLock: mirror chain id"
    assert mirror.lock != empty(address) and mirror.token != empty(address), "HashLock: incomplete mirror"
    assert token.is_contract, "HashLock: no token"
    MARGIN = self._margin(bounds)
    IS_INITIATOR = is_initiator
    CHAIN_ID = chain.id
    TOKEN = token
    BOUNDS = bounds
    own: End = End(chain_id=chain.id, genesis=genesis, lock=self, token=token)
    first: End = own if is_initiator else mirror
    second: End = mirror if is_initiator else own
    LANE = keccak256(abi_encode(LANE_TAG, first, second, bounds))
    for number: uint256 in range(KNOWN_SECRETS):
        self.revealed[sha256(convert(number, bytes32))] = True
    self.revealed[sha256(convert(max_value(uint256), bytes32))] = True


@external
@view
def bounds() -> Bounds:
    """
    @notice The bounds of the lane, as the manifest names them
    @return Seconds, and the last two a count and millionths
    """
    return BOUNDS


@external
@view
def margin() -> uint64:
    """
    @notice How much later the initiator's leg must be refundable than the responder's
    @return Seconds: both finalities, the claim window and the clock drift
    """
    return MARGIN


@external
@view
def swap(id: bytes32) -> (uint256, uint64):
    """
    @notice This contract's leg of a swap
    @param id The swap's id
    @return State (0 none, 1 bonded, 2 open, 3 claimed, 4 refunded) and refund time in seconds of block time
    """
    record: uint256 = self.records[id]
    return record & 255, convert(record >> 8, uint64)


@external
@view
def swap_id(terms: Terms) -> bytes32:
    """
    @notice The id of a swap on this lane: the same at both contracts of the pair
    @param terms Both legs
    @return keccak256 of tag, lane and terms
    """
    return self._id(terms)


@external
@nonreentrant
def claim(terms: Terms, preimage: bytes32):
    """
    @notice Credits an open leg to its receiver, whoever submits the preimage; possible before the refund time
    @param terms Both legs
    @param preimage The secret
    """
    assert len(msg.data) == CLAIM_BYTES, "HashLock: preimage length"
    id: bytes32 = self._id(terms)
    record: uint256 = self.records[id]
    self._check_live(record)
    assert record & 255 == OPEN, "HashLock: not funded"
    assert block.timestamp < record >> 8, "HashLock: too late to claim"
    assert sha256(preimage) == terms.hashlock, "HashLock: not the preimage"
    leg: Leg = self._leg(terms)
    bond: uint256 = self._bond(terms)
    self.records[id] = self._record(CLAIMED, leg.refund_time)
    self.revealed[terms.hashlock] = True
    self.open_swaps[leg.funder] -= 1
    if bond != 0:
        self.open_swaps[leg.receiver] -= 1
    self.owed[leg.receiver] += leg.quantity + bond
    log Claimed(
        id=id, hashlock=terms.hashlock, receiver=leg.receiver, amount=leg.quantity + bond, preimage=preimage
    )


@external
@nonreentrant
def refund(terms: Terms):
    """
    @notice Ends a leg from its refund time on, whoever asks: an open leg and its bond go to the funder, the bond of a
            leg that was never funded goes back to who posted it
    @param terms Both legs
    """
    id: bytes32 = self._id(terms)
    record: uint256 = self.records[id]
    self._check_live(record)
    assert block.timestamp >= record >> 8, "HashLock: too early to refund"
    leg: Leg = self._leg(terms)
    bond: uint256 = self._bond(terms)
    account: address = leg.receiver
    amount: uint256 = bond
    if record & 255 == OPEN:
        account = leg.funder
        amount += leg.quantity
        self.open_swaps[leg.funder] -= 1
    if bond != 0:
        self.open_swaps[leg.receiver] -= 1
    self.records[id] = self._record(REFUNDED, leg.refund_time)
    self.owed[account] += amount
    log Refunded(id=id, hashlock=terms.hashlock, account=account, amount=amount)


@external
@nonreentrant
def withdraw(account: address):
    """
    @notice Pays an account what it is owed; anyone may ask, only the account is paid
    @param account Whom to pay
    """
    amount: uint256 = self.owed[account]
    assert amount != 0, "HashLock: nothing owed"
    self.owed[account] = 0
    self.held -= amount
    log Withdrawn(account=account, amount=amount)
    before: uint256 = staticcall IERC20(TOKEN).balanceOf(self)
    assert extcall IERC20(TOKEN).transfer(account, amount, default_return_value=True), "HashLock: token refused"
    after: uint256 = staticcall IERC20(TOKEN).balanceOf(self)
    assert after + amount == before, "HashLock: token moved another amount"


@external
def expose(preimage: bytes32):
    """
    @notice Records that a preimage is public, so that nothing is ever locked with its hash here. Anyone may, and loses
            nothing by it: an open leg is not touched
    @param preimage A secret that is none
    """
    hashlock: bytes32 = sha256(preimage)
    self.revealed[hashlock] = True
    log Revealed(hashlock=hashlock, preimage=preimage)


@internal
def _fund(terms: Terms, leg: Leg, expected: uint256) -> bytes32:
    """
    @notice Opens a leg and takes its quantity from the caller, who is its funder
    @dev The deployable contract has checked the refund time against its role
    @param terms Both legs
    @param leg This contract's leg of the terms
    @param expected The state the leg must be in
    @return The swap's id
    """
    assert msg.sender == leg.funder, "HashLock: not the funder"
    self._check_terms(terms)
    id: bytes32 = self._id(terms)
    assert self.records[id] & 255 == expected, "HashLock: another state"
    key: bytes32 = keccak256(abi_encode(leg.funder, terms.hashlock))
    assert not self.used[key], "HashLock: hash lock used before"
    self.used[key] = True
    self.records[id] = self._record(OPEN, leg.refund_time)
    log Funded(id=id, hashlock=terms.hashlock, funder=leg.funder, terms=terms)
    self._take(leg.funder, leg.quantity)
    return id


@internal
def _take(account: address, amount: uint256):
    """
    @notice Counts one more open swap of an account and takes the account's tokens, exactly so many
    @dev A token that keeps a fee, delivers nothing or too much is refused by comparing balances. The last statement of
         whoever calls it: the token is foreign code
    @param account Who pays
    @param amount Units of the token
    """
    count: uint256 = self.open_swaps[account] + 1
    assert count <= convert(BOUNDS.open_swaps, uint256), "HashLock: too many open swaps"
    self.open_swaps[account] = count
    self.held += amount
    before: uint256 = staticcall IERC20(TOKEN).balanceOf(self)
    assert extcall IERC20(TOKEN).transferFrom(
        account, self, amount, default_return_value=True
    ), "HashLock: token refused"
    assert staticcall IERC20(TOKEN).balanceOf(self) == before + amount, "HashLock: token moved another amount"


@internal
@view
def _check_terms(terms: Terms):
    """
    @notice Reverts unless the terms are well formed and their refund times keep the margin
    @dev The role's own bounds on its refund time are checked by the deployable contract
    @param terms Both legs
    """
    # After a split of the chain nothing new is locked on the branch that took another id.
    assert chain.id == CHAIN_ID, "HashLock: another chain"
    assert terms.hashlock != empty(bytes32), "HashLock: no hash lock"
    assert not self.revealed[terms.hashlock], "HashLock: the preimage is known"
    self._check_leg(terms.initiator)
    self._check_leg(terms.responder)
    assert terms.bond <= terms.responder.quantity, "HashLock: bond larger than the leg"
    least_bond: uint256 = terms.responder.quantity * convert(BOUNDS.bond_ppm, uint256)
    assert terms.bond * PPM >= least_bond, "HashLock: bond too small"
    earliest: uint256 = convert(terms.responder.refund_time, uint256) + convert(MARGIN, uint256)
    assert convert(terms.initiator.refund_time, uint256) >= earliest, "HashLock: margin"


@internal
@pure
def _check_leg(leg: Leg):
    """
    @notice Reverts unless a leg has a quantity and two parties
    @param leg Either leg
    """
    assert leg.quantity != 0 and leg.quantity <= MAX_QUANTITY, "HashLock: quantity"
    assert leg.funder != empty(address) and leg.receiver != empty(address), "HashLock: no party"
    assert leg.funder != leg.receiver, "HashLock: one party"


@internal
@pure
def _check_live(record: uint256):
    """
    @notice Reverts for a swap this contract does not know, and for one that has ended
    @param record The swap's record
    """
    state: uint256 = record & 255
    assert state != UNKNOWN, "HashLock: no such swap"
    assert state < CLAIMED, "HashLock: ended"


@internal
@view
def _leg(terms: Terms) -> Leg:
    """
    @notice This contract's leg
    @param terms Both legs
    @return The initiator's leg in an `InitiatorLock`, the responder's in a `ResponderLock`
    """
    return terms.initiator if IS_INITIATOR else terms.responder


@internal
@view
def _bond(terms: Terms) -> uint256:
    """
    @notice The bond this contract holds for a swap: it stands with the responder's leg
    @param terms Both legs
    @return Units of the token
    """
    return 0 if IS_INITIATOR else terms.bond


@internal
@view
def _id(terms: Terms) -> bytes32:
    """
    @notice The swap's identity; the lane in it binds both chains, contracts, tokens and the bounds
    @param terms Both legs
    @return keccak256 of tag, lane and the terms' words
    """
    return keccak256(abi_encode(ID_TAG, LANE, terms))


@internal
@pure
def _record(state: uint256, refund_time: uint64) -> uint256:
    """
    @notice A leg in one word: refund time (8 bytes) before state (1 byte), at the word's end
    @param state The state
    @param refund_time Seconds of block time
    @return The word
    """
    return convert(refund_time, uint256) << 8 | state


@internal
@pure
def _margin(bounds: Bounds) -> uint64:
    """
    @notice Reverts unless the bounds leave an honest party the time it needs
    @param bounds The lane's bounds
    @return The margin: finality of both chains, claim window and clock drift, in seconds
    """
    assert bounds.claim_window != 0, "HashLock: no claim window"
    for part: uint64 in [
        bounds.initiator_most,
        bounds.finality_initiator,
        bounds.finality_responder,
        bounds.claim_window,
        bounds.clock_drift,
    ]:
        assert part <= MAX_SECONDS, "HashLock: bound too long"
    margin: uint64 = (
        bounds.finality_initiator + bounds.finality_responder + bounds.claim_window + bounds.clock_drift
    )
    assert bounds.initiator_most >= bounds.initiator_least, "HashLock: initiator bounds"
    assert bounds.initiator_least >= bounds.responder_most, "HashLock: L and S leave no margin"
    assert bounds.initiator_least - bounds.responder_most >= margin, "HashLock: L and S leave no margin"
    assert bounds.responder_most > self._least_open(bounds), "HashLock: S leaves no time to claim"
    assert bounds.open_swaps != 0, "HashLock: no swaps"
    assert convert(bounds.bond_ppm, uint256) <= PPM, "HashLock: bond rate"
    return margin


@internal
@pure
def _least_open(bounds: Bounds) -> uint64:
    """
    @notice How long the responder's leg must be open at least: until the initiator sees it final, and its claim is in
            a block that stays; the clock may jump ahead both times
    @param bounds The lane's bounds
    @return Seconds; the refund time must be later than that from now
    """
    return 2 * (bounds.finality_responder + bounds.clock_drift) + bounds.claim_window
