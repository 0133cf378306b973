# pragma version 0.4.3
"""
@title Headers of QBFT chains (EEA QBFT specification, as Hyperledger Besu seals them), read strictly
@license Apache-2.0
@notice A header is taken without its commit seals: the RLP of the header whose extra data ends in an empty list. That
        is exactly what validators sign, so its Keccak-256 is the seal digest; the seals travel beside it. The block's
        hash is that of the same bytes with round 0. `ledger.ethereum.qbft` is this module's Python twin.

        Layout: f9 and length (2) | parent hash | ommers hash | beneficiary | state root | transactions root | receipts
        root | bloom | difficulty 1 | number | gas limit | gas used | timestamp | extra data | mix hash | nonce 0, and
        then all or none of a fork's fields at once: London base fee; Shanghai withdrawals root; Cancun blob gas used,
        excess blob gas, parent beacon block root; Prague requests hash. Everything before the number stands at a fixed
        place. Extra data: [vanity (32), [validators], vote, round, []].

        Refused beyond another shape: validators that a contract chooses (their list is empty), fewer than four of
        them, and rounds above 127, which a timeout that doubles each round never reaches.
"""

MIN_VALIDATORS: constant(uint256) = 4
MAX_VALIDATORS: constant(uint256) = 100
ITEM_BYTES: constant(uint256) = 21  # a validator as an RLP item: 0x94 and the address
MAX_SET_BYTES: constant(uint256) = 2100  # MAX_VALIDATORS * ITEM_BYTES
MAX_HEADER_BYTES: constant(uint256) = 3072
ADDRESS_MASK: constant(uint256) = 2**160 - 1
SCALAR_BYTES: constant(uint256) = 8  # heights, times and gas

# Two constants of every QBFT header, cut where a word that starts at their length byte ends: the hash of an empty list
# of ommers, and the digest that marks the consensus.
OMMERS_HEAD: constant(bytes32) = 0xa01dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d493
OMMERS_TAIL: constant(uint256) = 18324  # 0x4794: its last byte, and the length byte of the beneficiary
DIGEST_HEAD: constant(bytes32) = 0xa063746963616c2062797a616e74696e65206661756c7420746f6c6572616e63
DIGEST_TAIL: constant(uint256) = 25992  # 0x6588: its last byte, and the length byte of the nonce

# RLP. Vyper reads hexadecimal literals as bytes, so numbers that are bytes stand here in decimal.
STRING: constant(uint256) = 128  # 0x80: the empty string, and what is added to the length of a short one
ADDRESS: constant(uint256) = 148  # 0x94: 20 bytes follow
HASH: constant(uint256) = 160  # 0xa0: 32 bytes follow
LONG_STRING: constant(uint256) = 184  # 0xb8: one byte of length follows
EMPTY_LIST: constant(uint256) = 192  # 0xc0
LONG_LIST: constant(uint256) = 248  # 0xf8: one byte of length follows
HEADER_LIST: constant(uint256) = 249  # 0xf9: two bytes of length follow
BLOOM: constant(uint256) = 12124416  # 0xb90100: 256 bytes follow
CONTRACT_MODE: constant(uint256) = 10937760  # 0xa6e5a0: extra data so short that it lists nobody and votes on nobody
DROP: constant(uint256) = 54932  # 0xd694: a list of an address ...
DROPPED: constant(uint256) = 128  # 0x80: ... and nothing
ADD: constant(uint256) = 55188  # 0xd794: a list of an address ...
ADDED: constant(uint256) = 33279  # 0x81ff: ... and one byte of ones

# Where the items of a fixed place begin, with their length bytes.
OMMERS_AT: constant(uint256) = 36
BENEFICIARY_AT: constant(uint256) = 69
STATE_AT: constant(uint256) = 90
TRANSACTIONS_AT: constant(uint256) = 123
RECEIPTS_AT: constant(uint256) = 156
BLOOM_AT: constant(uint256) = 189
DIFFICULTY_AT: constant(uint256) = 448
NUMBER_AT: constant(uint256) = 449
SEAL_FIELDS_BYTES: constant(uint256) = 42  # mix hash and nonce, with their length bytes


struct Header:
    height: uint256
    timestamp: uint256  # seconds
    state_root: bytes32
    receipts_root: bytes32
    seal_digest: bytes32  # what validators sign
    block_hash: bytes32
    set_at: uint256  # byte offset of the first validator's item
    set_bytes: uint256  # ITEM_BYTES for each validator


@internal
@pure
def _read(raw: Bytes[MAX_HEADER_BYTES]) -> Header:
    """
    @notice Reads a header; reverts unless these bytes are the one encoding of a QBFT header
    @dev The validators' items are not looked at here: a known list is recognised by its hash, `_check_set` reads a new
         one.
    @param raw The header's RLP with an empty list of seals
    @return Its fields and hashes
    """
    size: uint256 = len(raw)
    # Padding lets a whole word be read wherever an item begins; zeros are no item that is looked for.
    padded: Bytes[3136] = concat(raw, empty(bytes32), empty(bytes32))
    head: uint256 = extract32(padded, 0, output_type=uint256) >> 224
    assert size > DIFFICULTY_AT and head == HEADER_LIST << 24 | (size - 3) << 8 | HASH, "qbft_header: length"
    assert extract32(padded, OMMERS_AT) == OMMERS_HEAD, "qbft_header: ommers"
    assert extract32(padded, BENEFICIARY_AT - 1, output_type=uint256) >> 240 == OMMERS_TAIL, "qbft_header: ommers"
    assert extract32(padded, STATE_AT, output_type=uint256) >> 248 == HASH, "qbft_header: shape"
    assert extract32(padded, TRANSACTIONS_AT, output_type=uint256) >> 248 == HASH, "qbft_header: shape"
    assert extract32(padded, RECEIPTS_AT, output_type=uint256) >> 248 == HASH, "qbft_header: shape"
    assert extract32(padded, BLOOM_AT, output_type=uint256) >> 232 == BLOOM, "qbft_header: shape"
    assert extract32(padded, DIFFICULTY_AT, output_type=uint256) >> 248 == 1, "qbft_header: difficulty"

    scalars: uint256[4] = empty(uint256[4])  # number, gas limit, gas used, timestamp
    at: uint256 = NUMBER_AT
    width: uint256 = 0
    for i: uint256 in range(4):
        scalars[i], width = self._scalar(extract32(padded, at, output_type=uint256))
        at += width

    # Extra data: a string that holds one list and nothing else.
    word: uint256 = extract32(padded, at, output_type=uint256)
    assert word >> 232 != CONTRACT_MODE, "qbft_header: a contract chooses the validators"
    extra: uint256 = 0
    extra, width = self._long(word, LONG_STRING)
    at += width
    end: uint256 = at + extra
    assert end + SEAL_FIELDS_BYTES <= size, "qbft_header: length"
    length: uint256 = 0
    length, width = self._long(extract32(padded, at, output_type=uint256), LONG_LIST)
    at += width
    assert at + length == end, "qbft_header: extra data"
    assert extract32(padded, at, output_type=uint256) >> 248 == HASH, "qbft_header: vanity"
    at += 33

    word = extract32(padded, at, output_type=uint256)
    assert word >> 248 >= EMPTY_LIST, "qbft_header: validators"
    assert word >> 248 != EMPTY_LIST, "qbft_header: a contract chooses the validators"
    assert word >> 248 >= LONG_LIST, "qbft_header: fewer than four validators tolerate no fault"
    set_bytes: uint256 = 0
    set_bytes, width = self._long(word, LONG_LIST)
    set_at: uint256 = at + width
    assert set_bytes % ITEM_BYTES == 0, "qbft_header: validators"
    assert set_bytes >= MIN_VALIDATORS * ITEM_BYTES, "qbft_header: fewer than four validators tolerate no fault"
    assert set_bytes <= MAX_SET_BYTES, "qbft_header: too many validators"
    at = set_at + set_bytes
    assert at < end, "qbft_header: extra data"

    at += self._vote(extract32(padded, at, output_type=uint256))
    assert at + 2 == end, "qbft_header: extra data"
    word = extract32(padded, at, output_type=uint256) >> 240
    assert word & 255 == EMPTY_LIST, "qbft_header: seals stand beside the header"
    round: uint256 = word >> 8
    assert round != 0 and round <= STRING, "qbft_header: round"
    seal_digest: bytes32 = keccak256(raw)
    block_hash: bytes32 = seal_digest
    if round != STRING:
        block_hash = keccak256(concat(slice(raw, 0, at), b"\x80", slice(raw, at + 1, size - at - 1)))

    assert extract32(padded, end) == DIGEST_HEAD, "qbft_header: mix hash"
    # The nonce, eight bytes, is zero.
    assert extract32(padded, end + 32, output_type=uint256) >> 176 == DIGEST_TAIL << 64, "qbft_header: mix hash or nonce"
    at = end + SEAL_FIELDS_BYTES
    if at != size:
        self._check_forks(slice(padded, at, size - at + 64))
    return Header(
        height=scalars[0],
        timestamp=scalars[3],
        state_root=extract32(padded, STATE_AT + 1),
        receipts_root=extract32(padded, RECEIPTS_AT + 1),
        seal_digest=seal_digest,
        block_hash=block_hash,
        set_at=set_at,
        set_bytes=set_bytes,
    )


@internal
@pure
def _check_forks(rest: Bytes[3136]):
    """
    @dev The fields that forks appended, padded with two words of zeros: reverts unless they end where a fork ends
    """
    size: uint256 = len(rest) - 64
    assert size <= 192, "qbft_header: fields of no fork"
    value: uint256 = 0
    width: uint256 = 0
    value, width = self._scalar(extract32(rest, 0, output_type=uint256))  # base fee: London
    at: uint256 = width
    if at == size:
        return
    assert extract32(rest, at, output_type=uint256) >> 248 == HASH, "qbft_header: fields of no fork"
    at += 33  # withdrawals root: Shanghai
    if at == size:
        return
    assert at < size, "qbft_header: fields of no fork"
    value, width = self._scalar(extract32(rest, at, output_type=uint256))  # blob gas used
    at += width
    assert at < size, "qbft_header: fields of no fork"
    value, width = self._scalar(extract32(rest, at, output_type=uint256))  # excess blob gas
    at += width
    assert at < size, "qbft_header: fields of no fork"
    assert extract32(rest, at, output_type=uint256) >> 248 == HASH, "qbft_header: fields of no fork"
    at += 33  # parent beacon block root: Cancun
    if at == size:
        return
    assert at < size, "qbft_header: fields of no fork"
    assert extract32(rest, at, output_type=uint256) >> 248 == HASH, "qbft_header: fields of no fork"
    assert at + 33 == size, "qbft_header: fields of no fork"  # requests hash: Prague


@internal
@pure
def _scalar(word: uint256) -> (uint256, uint256):
    """
    @dev The integer that a word begins with, in its one RLP form of at most SCALAR_BYTES, and how many bytes it takes
    """
    first: uint256 = word >> 248
    if first < STRING:
        assert first != 0, "qbft_header: integer"
        return first, 1
    width: uint256 = first - STRING
    if width == 0:
        return 0, 1
    assert width <= SCALAR_BYTES, "qbft_header: integer"
    value: uint256 = (word << 8) >> (256 - 8 * width)
    least: uint256 = STRING
    if width != 1:
        least = 1 << (8 * width - 8)
    assert value >= least, "qbft_header: integer"
    return value, width + 1


@internal
@pure
def _long(word: uint256, prefix: uint256) -> (uint256, uint256):
    """
    @dev The length that a word begins with, of a string (0xb8) or list (0xf8) of 56 to 65,535 bytes in its shortest
         form, and how many bytes the length takes
    """
    first: uint256 = word >> 248
    if first == prefix:
        length: uint256 = (word >> 240) & 255
        assert length >= 56, "qbft_header: length of an item"
        return length, 2
    assert first == prefix + 1, "qbft_header: length of an item"
    length: uint256 = (word >> 232) & 65535
    assert length >= 256, "qbft_header: length of an item"
    return length, 3


@internal
@pure
def _vote(word: uint256) -> uint256:
    """
    @dev How many bytes the vote takes that a word begins with: none, to drop (0x80) or to add (0xff) an address
    """
    head: uint256 = word >> 240
    if head >> 8 == EMPTY_LIST:
        return 1
    if head == DROP:
        assert (word >> 72) & 255 == DROPPED, "qbft_header: vote"
        return 23
    assert head == ADD and (word >> 64) & 65535 == ADDED, "qbft_header: vote"
    return 24


@internal
@pure
def _check_set(items: Bytes[MAX_SET_BYTES]):
    """
    @notice Reverts unless a list of validators is one: addresses, not zero, strictly ascending as QBFT orders them
    @param items The payload of the header's list
    """
    last: uint256 = 0
    for k: uint256 in range(len(items) // ITEM_BYTES, bound=MAX_VALIDATORS):
        word: uint256 = self._item(items, k)
        assert word >> 160 == ADDRESS, "qbft_header: validators"
        validator: uint256 = word & ADDRESS_MASK
        assert validator > last, "qbft_header: validators out of order"
        last = validator


@internal
@pure
def _item(items: Bytes[MAX_SET_BYTES], k: uint256) -> uint256:
    """
    @notice One validator of a list of at least two
    @param items The payload of a header's list
    @param k Index in the list
    @return The length byte and the address, 21 bytes
    """
    if k == 0:
        return extract32(items, 0, output_type=uint256) >> 88
    word: uint256 = extract32(items, ITEM_BYTES * k - 11, output_type=uint256)
    return word & ((1 << 168) - 1)


@internal
@pure
def _quorum(validators: uint256) -> uint256:
    """
    @notice How many seals decide a block: ceil(2n/3), as the specification and Besu count them
    @param validators n
    @return The quorum
    """
    return (2 * validators + 2) // 3
