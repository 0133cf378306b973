# pragma version 0.4.3
"""
@title Liens on a condition: a title is frozen here until another chain's state says whose it is
@license Apache-2.0
@notice The condition is a write-once slot of a known contract on a foreign chain, and a date of that chain's time. Set
        by the date, the title goes one way; unset at the date, the other way: the terms say which. Proven is

        - *set*, under a header before the date, at once;
        - *unset*, under a header at or after the date, at once: a write-once slot that is unset then was unset at it;
        - *set*, under a header at or after the date, only when a period has passed in which nobody proved that the slot
          was still unset at or after the date.

        So a slot that was set too late never wins against somebody who watches, and one that was set in time always
        wins. If no header ever comes, the arbiter whom the terms name decides, not before a period after the date.
        A lien may live for years: nothing here expires. Nobody administers this contract.
        It does not know whether the slot is really write-once, what the title is worth, nor whether a title's registry
        is honest; who agrees to the terms judges that.
"""

import IRemoteReader
import ITitle

ID_TAG: constant(bytes32) = keccak256("pledgetrail/conditional-lien/v1")

# What a slot that was set by the date means; unset means the other.
RELEASES: constant(uint8) = 1
FORFEITS: constant(uint8) = 2

AGREED: constant(uint256) = 1
FROZEN: constant(uint256) = 2
CLAIMED: constant(uint256) = 3  # proven set, but only under a header at or after the date
RELEASED: constant(uint256) = 4  # to the holder
FORFEITED: constant(uint256) = 5  # to the beneficiary
HANDED_OVER: constant(uint256) = 6

# Why a lien ended.
SET_IN_TIME: constant(uint256) = 1
UNSET_AT_DATE: constant(uint256) = 2
UNCONTESTED: constant(uint256) = 3
ARBITER: constant(uint256) = 4

MAX_AHEAD: constant(uint64) = 20 * 365 * 24 * 3600  # seconds from the agreement to the date
MIN_CONTEST: constant(uint64) = 3600  # seconds
MAX_CONTEST: constant(uint64) = 90 * 24 * 3600
MIN_PATIENCE: constant(uint64) = 24 * 3600  # seconds
MAX_PATIENCE: constant(uint64) = 2 * 365 * 24 * 3600

event LienAgreed:
    id: indexed(bytes32)
    title: indexed(address)
    subject: indexed(bytes32)
    terms: Terms

event TitleFrozen:
    id: indexed(bytes32)

event SetClaimed:
    id: indexed(bytes32)
    height: uint64
    contestable_until: uint256

event LienEnded:
    id: indexed(bytes32)
    state: uint256
    reason: uint256

event TitleHandedOver:
    id: indexed(bytes32)
    to: indexed(address)

struct Terms:
    title: address  # the registry of the title
    subject: bytes32  # the title's id there
    holder: address
    beneficiary: address
    arbiter: address
    reader: address  # an IRemoteReader, which names the foreign chain's headers
    account: address  # the foreign contract
    code_hash: bytes32
    slot: bytes32
    set_means: uint8
    date: uint64  # seconds of the foreign chain's time
    contest: uint64  # seconds in which a late proof of *set* can be contested
    patience: uint64  # seconds of this chain's time after the date before the arbiter may decide
    salt: bytes32

# One word for each lien: state (8 bits) | end of the contest (64) << 8, seconds of this chain's time.
words: HashMap[bytes32, uint256]
# keccak256(abi_encode(registry, title)) -> the agreement that freezes the title once it is handed to this contract.
agreed: public(HashMap[bytes32, bytes32])
# keccak256(abi_encode(registry, title)) -> the lien whose title this contract holds.
custody: public(HashMap[bytes32, bytes32])


@external
def agree(terms: Terms) -> bytes32:
    """
    @notice The title's holder agrees to a lien; handing the title to this contract then freezes it. A later agreement
            about the same title replaces one that has not been followed. Hand a title over only after agreeing: this
            contract freezes it by the last agreement about it, whoever made that.
    @param terms The terms, `holder` being the caller
    @return The lien's id
    """
    assert terms.holder == msg.sender, "ConditionalLien: not the holder"
    assert terms.beneficiary not in [empty(address), terms.holder], "ConditionalLien: beneficiary"
    assert terms.arbiter not in [empty(address), terms.holder, terms.beneficiary], "ConditionalLien: arbiter is a party"
    assert terms.set_means in [RELEASES, FORFEITS], "ConditionalLien: meaning"
    assert terms.reader.is_contract, "ConditionalLien: no reader"
    assert terms.account != empty(address) and terms.code_hash != empty(bytes32), "ConditionalLien: no contract"
    now: uint256 = block.timestamp
    date: uint256 = convert(terms.date, uint256)
    assert date > now and date <= now + convert(MAX_AHEAD, uint256), "ConditionalLien: date"
    assert terms.contest >= MIN_CONTEST and terms.contest <= MAX_CONTEST, "ConditionalLien: contest"
    assert terms.patience >= MIN_PATIENCE and terms.patience <= MAX_PATIENCE, "ConditionalLien: patience"
    id: bytes32 = self._id(terms)
    assert self.words[id] == 0, "ConditionalLien: agreed before"
    key: bytes32 = self._key(terms)
    self.words[id] = AGREED
    self.agreed[key] = id
    # No lien can stand on the title: this contract would be its holder.
    assert staticcall ITitle(terms.title).holder_of(terms.subject) == terms.holder, "ConditionalLien: not the holder"
    log LienAgreed(id=id, title=terms.title, subject=terms.subject, terms=terms)
    return id


@external
def freeze(terms: Terms):
    """
    @notice Freezes a title that its holder has handed to this contract after agreeing; anyone may
    @param terms The terms agreed last
    """
    id: bytes32 = self._id(terms)
    key: bytes32 = self._key(terms)
    assert self.words[id] == AGREED and self.agreed[key] == id, "ConditionalLien: not agreed"
    self.words[id] = FROZEN
    self.agreed[key] = empty(bytes32)
    self.custody[key] = id
    assert staticcall ITitle(terms.title).holder_of(terms.subject) == self, "ConditionalLien: title not handed over"
    log TitleFrozen(id=id)


@external
def prove_set(terms: Terms, header: IRemoteReader.Header, proof: Bytes[8192]):
    """
    @notice Proves that the slot is set: final under a header before the date, contestable under a later one
    @param terms The lien's terms
    @param header A header that the reader's chain is held to have
    @param proof The account's and the slot's nodes
    """
    id: bytes32 = self._id(terms)
    state: uint256 = self._state(id)
    in_time: bool = header.timestamp < terms.date
    assert state == FROZEN or (state == CLAIMED and in_time), "ConditionalLien: not waiting for this"
    assert self._is_set(terms, header, proof), "ConditionalLien: slot is unset"
    if in_time:
        self._end(id, self._meaning(terms, True), SET_IN_TIME)
        return
    until: uint256 = block.timestamp + convert(terms.contest, uint256)
    self.words[id] = CLAIMED | (until << 8)
    log SetClaimed(id=id, height=header.height, contestable_until=until)


@external
def prove_unset(terms: Terms, header: IRemoteReader.Header, proof: Bytes[8192]):
    """
    @notice Proves that the slot is unset under a header at or after the date, in the contract that the terms name
    @param terms The lien's terms
    @param header A header that the reader's chain is held to have
    @param proof The account's and the slot's nodes
    """
    id: bytes32 = self._id(terms)
    state: uint256 = self._state(id)
    assert state in [FROZEN, CLAIMED], "ConditionalLien: not waiting for this"
    assert state == FROZEN or block.timestamp < self.words[id] >> 8, "ConditionalLien: contest is over"
    assert header.timestamp >= terms.date, "ConditionalLien: header before the date"
    assert not self._is_set(terms, header, proof), "ConditionalLien: slot is set"
    self._end(id, self._meaning(terms, False), UNSET_AT_DATE)


@external
def settle(terms: Terms):
    """
    @notice Ends a lien whose late proof of *set* nobody contested in time; anyone may
    @param terms The lien's terms
    """
    id: bytes32 = self._id(terms)
    assert self._state(id) == CLAIMED, "ConditionalLien: nothing claimed"
    assert block.timestamp >= self.words[id] >> 8, "ConditionalLien: still contestable"
    self._end(id, self._meaning(terms, True), UNCONTESTED)


@external
def arbitrate(terms: Terms, releases: bool):
    """
    @notice The arbiter decides because no header came; not before the date and the patience have passed here
    @param terms The lien's terms
    @param releases Whether the title goes back to the holder
    """
    id: bytes32 = self._id(terms)
    assert msg.sender == terms.arbiter, "ConditionalLien: not the arbiter"
    assert self._state(id) == FROZEN, "ConditionalLien: not waiting for this"
    due: uint256 = convert(terms.date, uint256) + convert(terms.patience, uint256)
    assert block.timestamp >= due, "ConditionalLien: too early for the arbiter"
    self._end(id, RELEASED if releases else FORFEITED, ARBITER)


@external
def hand_over(terms: Terms):
    """
    @notice Hands the title to whom the end of the lien gave it; anyone may, once
    @param terms The lien's terms
    """
    id: bytes32 = self._id(terms)
    state: uint256 = self._state(id)
    assert state in [RELEASED, FORFEITED], "ConditionalLien: not ended"
    self.words[id] = HANDED_OVER
    self.custody[self._key(terms)] = empty(bytes32)
    to: address = terms.holder if state == RELEASED else terms.beneficiary
    log TitleHandedOver(id=id, to=to)
    extcall ITitle(terms.title).transfer(terms.subject, to)


@external
@view
def lien(id: bytes32) -> (uint256, uint256):
    """
    @notice Where a lien stands
    @param id The lien
    @return Its state: 1 agreed, 2 frozen, 3 claimed, 4 released, 5 forfeited, 6 handed over; and until when a claim can
            be contested, seconds of this chain's time
    """
    return self._state(id), self.words[id] >> 8


@external
@view
def id_of(terms: Terms) -> bytes32:
    """
    @notice The id that terms have, agreed or not
    @param terms The terms
    @return keccak256 of the tag, this chain, this contract and the terms, one ABI word each
    """
    return self._id(terms)


@internal
@view
def _is_set(terms: Terms, header: IRemoteReader.Header, proof: Bytes[8192]) -> bool:
    """
    @dev What the foreign chain says under a header; the reader reverts unless it is proven
    """
    is_set: bool = False
    value: uint256 = 0
    is_set, value = staticcall IRemoteReader(terms.reader).read_slot(
        header, terms.account, terms.code_hash, terms.slot, proof
    )
    return is_set


@internal
def _end(id: bytes32, state: uint256, reason: uint256):
    """
    @dev The one write that ends a lien
    """
    self.words[id] = state
    log LienEnded(id=id, state=state, reason=reason)


@internal
@view
def _state(id: bytes32) -> uint256:
    """
    @dev A lien's state, 0 if there is none
    """
    return self.words[id] & 255


@internal
@pure
def _meaning(terms: Terms, is_set: bool) -> uint256:
    """
    @dev Whose the title is when the slot was set by the date, or was not
    """
    return RELEASED if (terms.set_means == RELEASES) == is_set else FORFEITED


@internal
@view
def _id(terms: Terms) -> bytes32:
    """
    @dev The lien's identity
    """
    return keccak256(abi_encode(ID_TAG, chain.id, self, terms))


@internal
@pure
def _key(terms: Terms) -> bytes32:
    """
    @dev Where a title is kept
    """
    return keccak256(abi_encode(terms.title, terms.subject))
