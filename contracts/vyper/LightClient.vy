# pragma version 0.4.3
"""
@title Light client of a QBFT chain in header-validator mode: headers that the chain's own validators sealed
@license Apache-2.0
@notice No notary is trusted: a header counts because a quorum of the validators in its own list sealed it, ceil(2n/3),
        and that list is trusted. A new list is trusted only from a header which a quorum of the new **and** a quorum
        of the trusted one sealed, so that nobody forges a list who could not have forged a block before. Heights may be
        skipped, and older ones filled in later; a list that was replaced goes on vouching for heights up to its
        replacement while its last header is within the trust period, which is what makes a fork at that point evidence.

        The client expires when the latest header is older than the trust period: validators who left long ago, and
        their leaked keys, must not be able to speak. Relays refresh it each third of the period. Two sealed headers at
        one height freeze it, whoever submits them. Expiry and freeze are cured by an order of the notaries' quorum, with
        its delay, and by nothing else; liens and whatever else stands in other contracts are not touched by either.

        It does not protect against a quorum of the chain's validators that seals what is false, nor against validators
        who use the same keys on a second chain: a seal names no chain.
"""

import held_headers
import order
import qbft_header
import IHeaders

implements: IHeaders

initializes: held_headers
initializes: order

exports: (
    held_headers.chain_id,
    held_headers.genesis,
    held_headers.held,
    held_headers.status,
    held_headers.MAX_DRIFT,
    held_headers.BLOCK_PERIOD,
    order.announce,
    order.order_due,
    order.order_delay,
)

CURE: constant(bytes32) = keccak256("pledgetrail/order/LightClient.cure")
SEAL_BYTES: constant(uint256) = 66  # index (1) | r (32) | s (32) | v (1, 27 or 28)
# Half the order of secp256k1: a larger s is the malleable twin of an accepted signature (EIP-2).
HALF_ORDER: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168
CURRENT: constant(uint256) = max_value(uint256)

event ValidatorsTrusted:
    height: indexed(uint64)
    digest: bytes32
    validators: Bytes[qbft_header.MAX_SET_BYTES]

TRUST_PERIOD: public(immutable(uint256))  # seconds of the foreign chain's time after the latest header

# Keccak-256 of the trusted list as it stands in a header: one RLP item (0x94 and the address) for each validator.
validators: public(bytes32)
# Digest of a list -> CURRENT, or for one that was replaced the height (64 bits) | time (64) of its replacement.
vouching: HashMap[bytes32, uint256]


@deploy
def __init__(
    chain_id: uint256,
    genesis: bytes32,
    header: Bytes[qbft_header.MAX_HEADER_BYTES],
    trust_period: uint64,
    max_drift: uint64,
    block_period: uint64,
    committee: address,
    delay: uint256,
):
    """
    @notice Trusts a first header and the validators it names; everybody compares both with the manifest
    @param chain_id The foreign chain's EIP-155 chain id
    @param genesis The foreign chain's genesis block hash
    @param header RLP of a header of it with an empty list of seals
    @param trust_period How long a list of validators can be trusted after its last header, in seconds
    @param max_drift How far ahead of this chain's time a header may be, in seconds
    @param block_period Least number of seconds between two blocks; 0 where the chain makes several within one second
    @param committee The notaries' committee, which orders a cure
    @param delay Seconds between the announcement of a cure and its effect
    """
    held_headers.__init__(chain_id, genesis, max_drift, block_period)
    order.__init__(committee, delay)
    assert trust_period != 0 and max_drift < trust_period, "LightClient: trust period"
    TRUST_PERIOD = convert(trust_period, uint256)
    self._trust(held_headers._status(), header)


@external
def update(
    header: Bytes[qbft_header.MAX_HEADER_BYTES], seals: Bytes[6600], trusted: Bytes[qbft_header.MAX_SET_BYTES]
):
    """
    @notice Holds a sealed header, at any height; anyone may. A second header at a height freezes the client. A header
            that is held already changes nothing.
    @param header RLP of the header with an empty list of seals
    @param seals Its commit seals, 66 bytes each: index in the header's list (1) | r (32) | s (32) | v (1), strictly by
           index
    @param trusted Empty if the header's own list is trusted; else the list that vouches for it, 21 bytes for each
    """
    parsed: qbft_header.Header = qbft_header._read(header)
    s: held_headers.Status = held_headers._status()
    assert block.timestamp < s.timestamp + TRUST_PERIOD, "LightClient: expired"
    items: Bytes[qbft_header.MAX_SET_BYTES] = convert(
        slice(header, parsed.set_at, parsed.set_bytes), Bytes[qbft_header.MAX_SET_BYTES]
    )
    own: bytes32 = keccak256(items)
    voucher: bytes32 = own
    if len(trusted) != 0:
        voucher = keccak256(trusted)
        assert voucher != own, "LightClient: the header's own list"
        qbft_header._check_set(items)
    self._require_vouching(voucher, parsed.height, parsed.timestamp)
    self._require_sealed(header, parsed, seals, trusted)
    is_latest: bool = held_headers._hold(
        s, parsed.height, parsed.block_hash, parsed.state_root, parsed.receipts_root, parsed.timestamp
    )
    # A list that was replaced vouches for no height above its replacement: here the voucher is the trusted one.
    if is_latest and voucher != own:
        self._replace(parsed, own, items)


@external
def cure(header: Bytes[qbft_header.MAX_HEADER_BYTES], doubt_from: uint64, salt: bytes32):
    """
    @notice Trusts another header by order of the notaries' quorum, after a freeze or when the client has expired
    @param header RLP of the header with an empty list of seals; above every header held so far
    @param doubt_from After a freeze the first height that stays in doubt, at most the contradicted one; else 0
    @param salt The order's salt; its action is keccak256(abi_encode(CURE, keccak256(header), doubt_from))
    """
    order._take(keccak256(abi_encode(CURE, keccak256(header), doubt_from)), salt)
    s: held_headers.Status = held_headers._status()
    if held_headers._is_frozen(s):
        parsed: qbft_header.Header = qbft_header._read(header)
        s = held_headers._resume(s, convert(doubt_from, uint256), parsed.height)
    else:
        assert block.timestamp >= s.timestamp + TRUST_PERIOD, "LightClient: nothing to cure"
        assert doubt_from == 0, "LightClient: nothing is in doubt"
    self._trust(s, header)


@external
@view
def holds(
    height: uint64, block_hash: bytes32, state_root: bytes32, receipts_root: bytes32, timestamp: uint64
) -> bool:
    """
    @notice Whether exactly this header is held; reverts unless it is and the client is live
    @param height The block's number
    @param block_hash Its hash
    @param state_root Root of the state after it
    @param receipts_root Root of its transaction receipts
    @param timestamp Its time in seconds
    @return True; it never answers False
    """
    s: held_headers.Status = held_headers._status()
    assert block.timestamp < s.timestamp + TRUST_PERIOD, "LightClient: expired"
    held_headers._require_held(s, height, block_hash, state_root, receipts_root, timestamp)
    return True


@external
@view
def sealed() -> bool:
    """
    @notice Whether the chain's own validators vouch for the headers
    @return True
    """
    return True


@external
@view
def vouches_until(digest: bytes32) -> (uint64, uint64):
    """
    @notice For which heights a list of validators still vouches
    @param digest Keccak-256 of the list
    @return Last height and the time of its header: 2**64 - 1 both for the trusted list, 0 for one never trusted
    """
    until: uint256 = self.vouching[digest]
    if until == CURRENT:
        return max_value(uint64), max_value(uint64)
    return convert(until >> 64, uint64), convert(until & held_headers.MAX_HEIGHT, uint64)


@internal
@view
def _require_vouching(digest: bytes32, height: uint256, timestamp: uint256):
    """
    @dev Reverts unless a list is trusted for a height and time
    """
    until: uint256 = self.vouching[digest]
    assert until != 0, "LightClient: validators not trusted"
    if until != CURRENT:
        time: uint256 = until & held_headers.MAX_HEIGHT
        assert height <= until >> 64 and timestamp <= time, "LightClient: validators replaced"
        assert block.timestamp < time + TRUST_PERIOD, "LightClient: validators replaced too long ago"


@internal
@view
def _require_sealed(
    header: Bytes[qbft_header.MAX_HEADER_BYTES],
    parsed: qbft_header.Header,
    seals: Bytes[6600],
    trusted: Bytes[qbft_header.MAX_SET_BYTES],
):
    """
    @dev Reverts unless a quorum of the header's own list sealed it and, where another list vouches, a quorum of that
    """
    n: uint256 = parsed.set_bytes // qbft_header.ITEM_BYTES
    count: uint256 = len(seals) // SEAL_BYTES
    assert len(seals) == count * SEAL_BYTES, "LightClient: length of the seals"
    assert count >= qbft_header._quorum(n), "LightClient: below quorum"
    trusted_n: uint256 = len(trusted) // qbft_header.ITEM_BYTES
    of_trusted: uint256 = 0  # seals of the vouching list so far
    k: uint256 = 0  # where the two ascending lists are compared
    next_index: uint256 = 0
    for i: uint256 in range(count, bound=qbft_header.MAX_VALIDATORS):
        at: uint256 = i * SEAL_BYTES
        index: uint256 = extract32(seals, at, output_type=uint256) >> 248
        assert index >= next_index, "LightClient: seals out of order"
        assert index < n, "LightClient: unknown validator"
        next_index = index + 1
        s: uint256 = extract32(seals, at + 33, output_type=uint256)
        v: uint256 = extract32(seals, at + 34, output_type=uint256) & 255
        assert v == 27 or v == 28, "LightClient: recovery id"
        assert s <= HALF_ORDER, "LightClient: malleable seal"
        # The word that ends with the address: headers are long enough before their list.
        word: uint256 = extract32(header, parsed.set_at + index * qbft_header.ITEM_BYTES - 11, output_type=uint256)
        validator: uint256 = word & qbft_header.ADDRESS_MASK
        signer: address = ecrecover(parsed.seal_digest, v, extract32(seals, at + 1, output_type=uint256), s)
        # ecrecover answers the zero address for what it cannot recover, and no validator is zero.
        assert convert(signer, uint256) == validator, "LightClient: not this validator's seal"
        if trusted_n != 0:
            known: bool = False
            known, k = self._find(trusted, trusted_n, k, validator)
            if known:
                of_trusted += 1
    if trusted_n != 0:
        assert of_trusted >= qbft_header._quorum(trusted_n), "LightClient: below quorum of the trusted validators"


@internal
@pure
def _find(trusted: Bytes[qbft_header.MAX_SET_BYTES], n: uint256, start: uint256, wanted: uint256) -> (bool, uint256):
    """
    @dev Whether an ascending list holds a validator at or after an index, and where to go on
    """
    k: uint256 = start
    for i: uint256 in range(qbft_header.MAX_VALIDATORS):
        if k >= n:
            break
        validator: uint256 = qbft_header._item(trusted, k) & qbft_header.ADDRESS_MASK
        if validator >= wanted:
            return validator == wanted, k
        k += 1
    return False, k


@internal
def _replace(parsed: qbft_header.Header, digest: bytes32, items: Bytes[qbft_header.MAX_SET_BYTES]):
    """
    @dev Trusts a new list from a header on; the one before goes on vouching for what came before
    """
    if self.validators != empty(bytes32):
        self.vouching[self.validators] = parsed.height << 64 | parsed.timestamp
    self.vouching[digest] = CURRENT
    self.validators = digest
    log ValidatorsTrusted(height=convert(parsed.height, uint64), digest=digest, validators=items)


@internal
def _trust(s: held_headers.Status, header: Bytes[qbft_header.MAX_HEADER_BYTES]):
    """
    @dev Holds a header and trusts its validators without a seal: the first one, or that of a cure
    """
    parsed: qbft_header.Header = qbft_header._read(header)
    assert block.timestamp < parsed.timestamp + TRUST_PERIOD, "LightClient: expired"
    items: Bytes[qbft_header.MAX_SET_BYTES] = convert(
        slice(header, parsed.set_at, parsed.set_bytes), Bytes[qbft_header.MAX_SET_BYTES]
    )
    qbft_header._check_set(items)
    held_headers._anchor(
        s, parsed.height, parsed.block_hash, parsed.state_root, parsed.receipts_root, parsed.timestamp
    )
    self._replace(parsed, keccak256(items), items)
