# pragma version 0.4.3
"""
@title What every holder of foreign headers shares: one word per height, and what happens when two of them contradict
@license Apache-2.0
@notice Whoever vouches for a header, it is held only if it is not from the future and fits the latest one: a chain
        makes no more than one block per block period, so neither height nor time can jump. Two different headers at
        one height freeze everything. A cure leaves a range of heights in doubt for ever: from the first contradicted
        one up to where the cure resumes. What is held below stays, what is above is held anew, and evidence that was
        settled cannot be played again.
        `ledger.headers.held` is this module's Python twin.
"""

MAX_HEIGHT: constant(uint256) = 2**64 - 1

event HeaderHeld:
    height: indexed(uint64)
    block_hash: bytes32

event HeadersFrozen:
    height: indexed(uint64)
    held: bytes32
    offered: bytes32
    offered_block_hash: bytes32

event HeadersCured:
    doubt_from: uint64
    resumed_at: uint64

struct Status:
    height: uint256  # the latest header's
    timestamp: uint256  # the latest header's, seconds of the foreign chain's time
    doubt_from: uint256  # heights from here ...
    doubt_to: uint256  # ... up to before here are in doubt; MAX_HEIGHT: frozen; 0: none ever was

CHAIN_ID: immutable(uint256)
GENESIS: immutable(bytes32)
MAX_DRIFT: public(immutable(uint256))  # seconds a header may be ahead of this chain's time
BLOCK_PERIOD: public(immutable(uint256))  # least seconds between two blocks of the foreign chain; 0: sub-second blocks

# height -> keccak256(abi_encode(block_hash, state_root, receipts_root, timestamp)), empty where none is held
held: public(HashMap[uint256, bytes32])
# Status in one word: doubt_to | doubt_from | timestamp | height, 64 bits each
packed: uint256


@deploy
def __init__(chain_id: uint256, genesis: bytes32, max_drift: uint64, block_period: uint64):
    """
    @notice Names the foreign chain
    @param chain_id Its EIP-155 chain id
    @param genesis Its genesis block's hash
    @param max_drift How far ahead of this chain's time a header may be, in seconds
    @param block_period Least number of seconds between two blocks; 0 where it makes several within one second
    """
    assert chain_id != 0 and chain_id != chain.id, "held_headers: chain id"
    assert genesis != empty(bytes32), "held_headers: no genesis"
    CHAIN_ID = chain_id
    GENESIS = genesis
    MAX_DRIFT = convert(max_drift, uint256)
    BLOCK_PERIOD = convert(block_period, uint256)


@external
@view
def chain_id() -> uint256:
    """
    @notice Which chain the headers are of
    @return Its EIP-155 chain id
    """
    return CHAIN_ID


@external
@view
def genesis() -> bytes32:
    """
    @notice Which chain the headers are of
    @return Its genesis block's hash
    """
    return GENESIS


@external
@view
def status() -> Status:
    """
    @notice The latest header and the heights in doubt
    @return Height, time in seconds, first height in doubt, first height after the doubt: 2**64 - 1 while frozen
    """
    return self._status()


@internal
@view
def _status() -> Status:
    """
    @dev The packed word's four numbers
    """
    word: uint256 = self.packed
    return Status(
        height=word & MAX_HEIGHT,
        timestamp=(word >> 64) & MAX_HEIGHT,
        doubt_from=(word >> 128) & MAX_HEIGHT,
        doubt_to=word >> 192,
    )


@internal
def _write(s: Status):
    """
    @dev Keeps the status
    """
    self.packed = s.doubt_to << 192 | s.doubt_from << 128 | s.timestamp << 64 | s.height


@internal
@pure
def _is_frozen(s: Status) -> bool:
    """
    @dev Whether a contradiction waits for its cure
    """
    return s.doubt_to == MAX_HEIGHT


@internal
@pure
def _word(block_hash: bytes32, state_root: bytes32, receipts_root: bytes32, timestamp: uint256) -> bytes32:
    """
    @dev What is kept of a header
    """
    return keccak256(abi_encode(block_hash, state_root, receipts_root, timestamp))


@internal
@view
def _require_held(
    s: Status, height: uint64, block_hash: bytes32, state_root: bytes32, receipts_root: bytes32, timestamp: uint64
):
    """
    @dev Reverts unless exactly this header is held, no contradiction is open and the height is not in doubt
    """
    assert not self._is_frozen(s), "held_headers: frozen"
    at: uint256 = convert(height, uint256)
    assert at < s.doubt_from or at >= s.doubt_to, "held_headers: height in doubt"
    word: bytes32 = self._word(block_hash, state_root, receipts_root, convert(timestamp, uint256))
    assert self.held[at] == word, "held_headers: not held"


@internal
def _hold(
    s: Status, height: uint256, block_hash: bytes32, state_root: bytes32, receipts_root: bytes32, timestamp: uint256
) -> bool:
    """
    @dev Holds a header that its voucher has accepted. Freezes instead when another one is held at its height. Answers
         whether the header is the latest one now and was not before.
    """
    assert not self._is_frozen(s), "held_headers: frozen"
    assert height < s.doubt_from or height >= s.doubt_to, "held_headers: height in doubt"
    offered: bytes32 = self._word(block_hash, state_root, receipts_root, timestamp)
    known: bytes32 = self.held[height]
    if known == offered:
        return False
    if known != empty(bytes32):
        self._freeze(s, height, known, offered, block_hash)
        return False
    # Those who contradicted themselves once get no second chance to fill what nobody held before.
    assert height >= s.doubt_to, "held_headers: below a cure"
    self._check_fit(s, height, timestamp)
    self.held[height] = offered
    log HeaderHeld(height=convert(height, uint64), block_hash=block_hash)
    if height <= s.height:
        return False
    self._write(Status(height=height, timestamp=timestamp, doubt_from=s.doubt_from, doubt_to=s.doubt_to))
    return True


@internal
@view
def _check_fit(s: Status, height: uint256, timestamp: uint256):
    """
    @dev Reverts for a header from the future, and for one whose height and time cannot stand beside the latest one's
    """
    assert height < MAX_HEIGHT, "held_headers: height"
    assert timestamp <= block.timestamp + MAX_DRIFT, "held_headers: from the future"
    if height > s.height:
        assert timestamp >= s.timestamp, "held_headers: time goes backwards"
        assert (height - s.height) * BLOCK_PERIOD <= timestamp - s.timestamp, "held_headers: height jumps"
    else:
        assert timestamp <= s.timestamp, "held_headers: time goes backwards"
        assert (s.height - height) * BLOCK_PERIOD <= s.timestamp - timestamp, "held_headers: height jumps"


@internal
def _freeze(s: Status, height: uint256, known: bytes32, offered: bytes32, block_hash: bytes32):
    """
    @dev Stops everything at the lowest contradicted height and keeps the evidence as a log
    """
    doubt_from: uint256 = height
    if s.doubt_to != 0:
        doubt_from = min(height, s.doubt_from)
    self._write(Status(height=s.height, timestamp=s.timestamp, doubt_from=doubt_from, doubt_to=MAX_HEIGHT))
    log HeadersFrozen(
        height=convert(height, uint64), held=known, offered=offered, offered_block_hash=block_hash
    )


@internal
def _anchor(
    s: Status, height: uint256, block_hash: bytes32, state_root: bytes32, receipts_root: bytes32, timestamp: uint256
):
    """
    @dev Holds a header that is trusted by definition, above all others: the first one, or that of a cure
    """
    assert height > s.height and height < MAX_HEIGHT, "held_headers: not above the latest header"
    assert timestamp <= block.timestamp + MAX_DRIFT, "held_headers: from the future"
    self.held[height] = self._word(block_hash, state_root, receipts_root, timestamp)
    self._write(Status(height=height, timestamp=timestamp, doubt_from=s.doubt_from, doubt_to=s.doubt_to))
    log HeaderHeld(height=convert(height, uint64), block_hash=block_hash)


@internal
def _resume(s: Status, doubt_from: uint256, resume: uint256) -> Status:
    """
    @dev Ends a freeze by order: heights from `doubt_from`, at most the contradicted one, up to `resume` stay in doubt
    """
    assert self._is_frozen(s), "held_headers: nothing to cure"
    assert doubt_from <= s.doubt_from, "held_headers: doubt begins at the contradiction or before"
    assert resume > s.height and resume < MAX_HEIGHT, "held_headers: resume above the latest header"
    cured: Status = Status(height=s.height, timestamp=s.timestamp, doubt_from=doubt_from, doubt_to=resume)
    self._write(cured)
    log HeadersCured(doubt_from=convert(doubt_from, uint64), resumed_at=convert(resume, uint64))
    return cured
