# pragma version 0.4.3
"""
@title The notaries' committee: who they are, whether enough of them signed, and how one epoch follows another
@license Apache-2.0
@notice Members are counted, not weighed. A certificate needs floor(2n/3)+1 signatures of different members, packed as
        signers (13 bytes, one bit per member index) | parities (13, v = 27 + bit) | r (32) | s (32) of each signer in
        order of index. One certificate has one packed form; order and repetition cannot even be written.
        The current committee orders the next one, an epoch at a time; certificates of the previous epoch are taken
        until its grace period is over. Two conflicting attestations of one member are evidence from anyone: the
        member's signature stops counting at once, while n and the quorum stay.
        It does not protect against a quorum that signs what is false: policy `relay` and the re-execution do.
"""

import attestation
import member
import merkle
import message
import order
import strict_signature
import ISeated

initializes: member
initializes: order

exports: (order.announce, order.order_due, order.order_delay)

# What the contract asks itself: the loop over signatures exists once, in an external function, because a copy of the
# signatures into an internal one would cost every certificate a thousand gas.
interface Checks:
    def check(epoch: uint64, digest: bytes32, signatures: Bytes[6600], least: uint256) -> bool: view

# A table answers every call with its members' words.
interface Table:
    def members() -> DynArray[uint256, 100]: view

MAX_MEMBERS: constant(uint256) = 100
MIN_MEMBERS: constant(uint256) = 4  # fewer tolerate no fault
PROOF_BYTES: constant(uint256) = 65
MAX_PROOF_BYTES: constant(uint256) = 2 * 65 * 100
MAX_GRACE: constant(uint256) = 30 * 24 * 3600  # seconds
ROTATE: constant(bytes32) = keccak256("pledgetrail/order/Committee.rotate")

# The packed form, in bytes and bits.
BITS: constant(uint256) = 104  # signers, and as many parities below them
HEAD_BYTES: constant(uint256) = 26
PAIR_BYTES: constant(uint256) = 64
MAX_PACKED_BYTES: constant(uint256) = 26 + 64 * 100
FIRST_SIGNER: constant(uint256) = 1 << 104

# A table is a contract whose code answers every call with the ABI encoding of uint256[]: members' addresses in order.
# Its 11 bytes of code return what follows them; the same 11 bytes, run at creation, leave what follows as its code.
LOADER: constant(Bytes[11]) = x"600b380380600b5f395ff3"
MAX_TABLE_BYTES: constant(uint256) = 64 + 32 * 100
# Set in a barred member's word: no recovered address is equal to it.
BARRED: constant(uint256) = 1 << 160

# A seat is one word: valid until (64 bits, seconds, exclusive) | n (8) | address of the table (160).
UNTIL: constant(uint256) = 168
COUNT: constant(uint256) = 160
FOR_EVER: constant(uint256) = (2**64 - 1) << 168

event EpochStarted:
    epoch: indexed(uint64)
    records: bytes32
    members: DynArray[member.Member, MAX_MEMBERS]

event MemberBarred:
    signer: indexed(address)
    lane: indexed(bytes32)
    generation: uint32
    sequence: uint64
    first_root: bytes32
    second_root: bytes32

# One of two conflicting attestations: a message, its place under a root, and who signed that root.
struct Attested:
    message: message.Message
    index: uint256
    size: uint256
    inclusion: DynArray[bytes32, 32]
    epoch: uint64
    signature: Bytes[65]

DEPLOYER: immutable(address)
GRACE: public(immutable(uint256))
DEVELOPMENT: public(immutable(bool))

# The gateway of this chain, which checks certificates by itself and is told every change at once.
gateway: public(address)
epoch: public(uint64)
# epoch -> seat. Only the current and the previous epoch have one.
seats: HashMap[uint64, uint256]
# epoch -> keccak256(abi_encode(members)), kept for ever.
records: public(HashMap[uint64, bytes32])


@deploy
def __init__(
    members: DynArray[member.Member, MAX_MEMBERS],
    proofs: Bytes[MAX_PROOF_BYTES],
    delay: uint256,
    grace: uint256,
    development: bool,
):
    """
    @notice Starts epoch 1
    @param members Records by member index
    @param proofs Possession, 65 bytes each: of each member's attesting key, then of its validator key if it has one
    @param delay Seconds between the announcement of a rotation and its effect
    @param grace Seconds for which certificates of an epoch count after the next has begun, at most 30 days
    @param development Permits small sets and several members of one operator; for ever, and for everyone to see
    """
    assert grace <= MAX_GRACE, "Committee: grace period"
    order.__init__(self, delay)
    DEPLOYER = msg.sender
    GRACE = grace
    DEVELOPMENT = development
    self._start(1, members, proofs, development)


@external
def attach(gateway: address):
    """
    @notice Names the gateway, which was created for this committee; once. Until then it counts nobody's signature
    @param gateway The gateway
    """
    assert msg.sender == DEPLOYER, "Committee: not the deployer"
    assert self.gateway == empty(address), "Committee: attached"
    assert staticcall ISeated(gateway).COMMITTEE() == self, "Committee: another's gateway"
    self.gateway = gateway
    self._seat(self.epoch, self.seats[self.epoch])
    self._seat(self.epoch - 1, self.seats[self.epoch - 1])


@external
def rotate(members: DynArray[member.Member, MAX_MEMBERS], proofs: Bytes[MAX_PROOF_BYTES], salt: bytes32):
    """
    @notice Begins the next epoch, as the current committee ordered it. Anyone may, once the order is due
    @dev The order's action is keccak256(abi_encode(ROTATE, next epoch, keccak256(abi_encode(members))))
    @param members The next epoch's records by member index
    @param proofs Possession, 65 bytes each: of each member's attesting key, then of its validator key if it has one
    @param salt The order's salt
    """
    ending: uint64 = self.epoch
    beginning: uint64 = ending + 1
    order._take(keccak256(abi_encode(ROTATE, beginning, keccak256(abi_encode(members)))), salt)
    self._seat(ending - 1, 0)
    self._seat(ending, self.seats[ending] & ((1 << UNTIL) - 1) | (block.timestamp + GRACE) << UNTIL)
    self._start(beginning, members, proofs, DEVELOPMENT)


@external
def report(first: Attested, second: Attested):
    """
    @notice Bars a member that attested two different messages of one lane, generation and sequence. Anyone may, on
            any chain, wherever the messages were meant to go: the signatures say so themselves
    @dev One message attested under two roots or in two epochs is no conflict: it can be committed only once
    @param first One message with the attestation
    @param second The other message with the attestation
    """
    # The lane binds both ends whole: chain, genesis and gateway.
    lane: bytes32 = message._lane_of(first.message)
    assert (
        lane == message._lane_of(second.message)
        and first.message.generation == second.message.generation
        and first.message.sequence == second.message.sequence
    ), "Committee: different sequences"
    assert message._id(first.message) != message._id(second.message), "Committee: one message"
    signer: address = empty(address)
    first_root: bytes32 = empty(bytes32)
    other: address = empty(address)
    second_root: bytes32 = empty(bytes32)
    signer, first_root = self._attester(first)
    other, second_root = self._attester(second)
    assert signer == other, "Committee: different signers"
    assert member._suspend(signer), "Committee: barred before"
    self._bar(self.epoch, signer)
    self._bar(self.epoch - 1, signer)
    log MemberBarred(
        signer=signer,
        lane=lane,
        generation=first.message.generation,
        sequence=first.message.sequence,
        first_root=first_root,
        second_root=second_root,
    )


@external
@view
def check(epoch: uint64, digest: bytes32, signatures: Bytes[MAX_PACKED_BYTES], least: uint256 = 0) -> bool:
    """
    @notice Reverts unless a quorum of the epoch signed the digest; the epoch is the current one, or the previous one
            within its grace period
    @param epoch The epoch the certificate names
    @param digest The EIP-712 digest
    @param signatures Packed signatures
    @param least So many are enough where that is less than a quorum; 0 where only a quorum is
    @return True; it never answers False
    """
    seat: uint256 = self.seats[epoch]
    if block.timestamp >= seat >> UNTIL:
        assert seat == 0, "Committee: grace is over"
        raise "Committee: wrong epoch"
    n: uint256 = (seat >> COUNT) & 255
    # The count comes before any cryptography: a flood of signatures costs its sender only.
    assert len(signatures) >= HEAD_BYTES + PAIR_BYTES, "Committee: signature length"
    bits: uint256 = convert(extract32(signatures, 0), uint256) >> (256 - 2 * BITS)
    signers: uint256 = bits >> BITS
    assert signers >> n == 0, "Committee: unknown member"
    assert bits & (FIRST_SIGNER - 1) & ~signers == 0, "Committee: recovery id of nobody"
    # How many bits are set: sums of 2, 4 and 8 neighbouring bits, then all bytes at once.
    count: uint256 = unsafe_sub(signers, (signers >> 1) & (max_value(uint256) // 3))
    count = unsafe_add(count & (max_value(uint256) // 5), (count >> 2) & (max_value(uint256) // 5))
    count = unsafe_mul(unsafe_add(count, count >> 4) & (max_value(uint256) // 17), max_value(uint256) // 255) >> 248
    assert len(signatures) == unsafe_add(HEAD_BYTES, unsafe_mul(PAIR_BYTES, count)), "Committee: signature length"
    if count < unsafe_add(unsafe_mul(2, n) // 3, 1):
        assert least != 0 and count >= least, "Committee: below quorum"
    words: DynArray[uint256, MAX_MEMBERS] = staticcall Table(convert(seat & (BARRED - 1), address)).members(
        skip_contract_check=True
    )
    # What stands in this loop is paid by every signature: plain loads, unchecked sums, and one check at the end of all
    # the bits in which a recovered address differs from the member's word.
    at: uint256 = HEAD_BYTES
    differing: uint256 = 0
    for held: uint256 in words:
        if bits & FIRST_SIGNER != 0:
            s: uint256 = convert(extract32(signatures, unsafe_add(at, 32)), uint256)
            assert s <= strict_signature.HALF_ORDER, "Committee: malleable signature"
            differing |= held ^ convert(
                ecrecover(digest, unsafe_add(27, bits & 1), convert(extract32(signatures, at), uint256), s), uint256
            )
            at = unsafe_add(at, PAIR_BYTES)
        # Both halves move down: the next member's bits come to the places just looked at.
        bits = bits >> 1
    # ecrecover answers the zero address for what it cannot recover, and no member is zero.
    assert differing == 0, "Committee: not this member's signature"
    return True


@external
@view
def check_blocking(epoch: uint64, digest: bytes32, signatures: Bytes[6600]) -> bool:
    """
    @notice Reverts unless so many signed that the others are no quorum: n - t + 1
    @param epoch The epoch the signatures are of, as for `check`
    @param digest The EIP-712 digest
    @param signatures Packed signatures
    @return True; it never answers False
    """
    n: uint256 = (self.seats[epoch] >> COUNT) & 255
    return staticcall Checks(self).check(epoch, digest, signatures, n - 2 * n // 3)


@external
@view
def check_current(epoch: uint64, digest: bytes32, signatures: Bytes[6600]) -> bool:
    """
    @notice Reverts unless a quorum of the current epoch signed the digest; for orders, which no grace prolongs
    @param epoch The epoch the signatures are of
    @param digest The EIP-712 digest
    @param signatures Packed signatures
    @return True; it never answers False
    """
    assert epoch == self.epoch, "Committee: not the current epoch"
    return staticcall Checks(self).check(epoch, digest, signatures, 0)


@external
@view
def check_member(epoch: uint64, digest: bytes32, signature: Bytes[66]) -> uint256:
    """
    @notice Reverts unless one member of the current epoch signed the digest
    @param epoch The epoch the signature is of
    @param digest The EIP-712 digest
    @param signature index (1) | r (32) | s (32) | v (1, 27 or 28)
    @return The member's index
    """
    assert len(signature) == 66, "Committee: signature length"
    assert epoch == self.epoch, "Committee: not the current epoch"
    index: uint256 = convert(slice(signature, 0, 1), uint256)
    words: DynArray[uint256, MAX_MEMBERS] = self._table(self.seats[epoch])
    assert index < len(words), "Committee: unknown member"
    signer: address = strict_signature._signer(digest, slice(signature, 1, 65))
    assert convert(signer, uint256) == words[index], "Committee: not this member's signature"
    return index


@external
@view
def size() -> uint256:
    """
    @notice How many members the current epoch has, barred ones included
    @return n
    """
    return (self.seats[self.epoch] >> COUNT) & 255


@external
@view
def quorum() -> uint256:
    """
    @notice How many signatures a certificate of the current epoch needs
    @return floor(2n/3)+1
    """
    return 2 * ((self.seats[self.epoch] >> COUNT) & 255) // 3 + 1


@external
@view
def members(epoch: uint64) -> DynArray[uint256, MAX_MEMBERS]:
    """
    @notice Whose signatures count
    @param epoch The current or the previous epoch
    @return Attesting addresses by member index, as numbers; a barred member's has bit 160 set. Empty for other epochs
    """
    seat: uint256 = self.seats[epoch]
    if seat == 0:
        return []
    return self._table(seat)


@external
@view
def valid_until(epoch: uint64) -> uint256:
    """
    @notice Until when certificates of an epoch count
    @param epoch The epoch
    @return Seconds of this chain's time, exclusive; 2**64 - 1 for the current epoch, 0 for one that is not kept
    """
    return self.seats[epoch] >> UNTIL


@internal
def _start(
    epoch: uint64,
    members: DynArray[member.Member, MAX_MEMBERS],
    proofs: Bytes[MAX_PROOF_BYTES],
    development: bool,
):
    """
    @dev Admits every member and makes the epoch the current one
    """
    n: uint256 = len(members)
    assert n >= MIN_MEMBERS or (development and n != 0), "Committee: fewer than four members tolerate no fault"
    words: DynArray[uint256, MAX_MEMBERS] = []
    at: uint256 = 0
    for i: uint256 in range(n, bound=MAX_MEMBERS):
        member._admit(members[i], epoch, development)
        words.append(convert(members[i].attesting, uint256))
        assert len(proofs) >= at + PROOF_BYTES, "Committee: proofs of possession"
        member._require_possession(
            members[i].operator, member.ATTESTING_NAME, members[i].attesting, slice(proofs, at, PROOF_BYTES)
        )
        at += PROOF_BYTES
        if members[i].validator != empty(address):
            assert len(proofs) >= at + PROOF_BYTES, "Committee: proofs of possession"
            member._require_possession(
                members[i].operator, member.VALIDATOR_NAME, members[i].validator, slice(proofs, at, PROOF_BYTES)
            )
            at += PROOF_BYTES
    assert at == len(proofs), "Committee: proofs of possession"
    records: bytes32 = keccak256(abi_encode(members))
    self.epoch = epoch
    self.records[epoch] = records
    self._seat(epoch, FOR_EVER | n << COUNT | self._make_table(words))
    log EpochStarted(epoch=epoch, records=records, members=members)


@internal
@view
def _attester(a: Attested) -> (address, bytes32):
    """
    @dev Who attested a message for its own destination, and under which root
    """
    root: bytes32 = merkle._root(merkle._leaf_hash(message._id(a.message)), a.index, a.size, a.inclusion)
    destination: message.Chain = a.message.destination
    digest: bytes32 = attestation._attestation(destination.chain_id, destination.gateway, root, a.epoch)
    return strict_signature._signer(digest, a.signature), root


@internal
def _bar(epoch: uint64, signer: address):
    """
    @dev Replaces an epoch's table by one in which a member's word equals no address; nothing where it is no member
    """
    seat: uint256 = self.seats[epoch]
    if seat == 0:
        return
    words: DynArray[uint256, MAX_MEMBERS] = self._table(seat)
    for i: uint256 in range(len(words), bound=MAX_MEMBERS):
        if words[i] == convert(signer, uint256):
            words[i] = words[i] | BARRED
            self._seat(epoch, seat >> COUNT << COUNT | self._make_table(words))
            break


@internal
def _seat(epoch: uint64, word: uint256):
    """
    @dev Writes an epoch's seat, here and at the gateway in one step
    """
    self.seats[epoch] = word
    if self.gateway != empty(address):
        extcall ISeated(self.gateway).set_seat(epoch, word)


@internal
def _make_table(words: DynArray[uint256, MAX_MEMBERS]) -> uint256:
    """
    @dev Writes members' words as the code of a new contract
    """
    return convert(raw_create(concat(LOADER, LOADER, abi_encode(words))), uint256)


@internal
@view
def _table(seat: uint256) -> DynArray[uint256, MAX_MEMBERS]:
    """
    @dev Reads members' words from the contract that holds them
    """
    table: address = convert(seat & (BARRED - 1), address)
    return abi_decode(
        raw_call(table, b"", max_outsize=MAX_TABLE_BYTES, is_static_call=True), DynArray[uint256, MAX_MEMBERS]
    )
