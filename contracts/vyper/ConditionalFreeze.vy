# pragma version 0.4.3
"""
@title Freezes on a condition: a title stays its holder's to take back until another chain's state freezes it
@license Apache-2.0
@notice A holder hands a title here under terms. It may have it back, after a notice that everybody sees; until then
        anyone may prove what freezes the title: a write-once slot of a known contract on a foreign chain is set, or is
        still unset under a header at or after a date of that chain's time, as the terms say. A frozen title goes back
        to its holder, and to nobody else, when a second slot of the same contract is proven set, when the beneficiary
        lets it go, or when the freeze has lasted until its end. Who shall get the title when a condition is not met
        wants a `ConditionalLien`. Nobody administers this contract.
        It does not know whether a slot is really write-once, nor whether a title's registry is honest. What happened
        there and was not proven here before the notice is over freezes nothing: somebody has to watch.
"""

import IRemoteReader
import ITitle

ID_TAG: constant(bytes32) = keccak256("pledgetrail/conditional-freeze/v1")

# What freezes the title.
WHEN_SET: constant(uint8) = 1
WHEN_UNSET: constant(uint8) = 2

AGREED: constant(uint256) = 1
GUARDED: constant(uint256) = 2  # here, and its holder may give notice
FROZEN: constant(uint256) = 3
RETURNED: constant(uint256) = 4

# Why a title went back.
NOTICE: constant(uint256) = 1
RELEASE_PROVEN: constant(uint256) = 2
LET_GO: constant(uint256) = 3
FREEZE_OVER: constant(uint256) = 4

MIN_NOTICE: constant(uint64) = 3600  # seconds
MAX_NOTICE: constant(uint64) = 90 * 24 * 3600
MAX_AHEAD: constant(uint64) = 20 * 365 * 24 * 3600  # seconds from the agreement to the end of a freeze

event FreezeAgreed:
    id: indexed(bytes32)
    title: indexed(address)
    subject: indexed(bytes32)
    terms: Terms

event TitleGuarded:
    id: indexed(bytes32)

event NoticeGiven:
    id: indexed(bytes32)
    due: uint256

event TitleFrozen:
    id: indexed(bytes32)
    height: uint64

event TitleReturned:
    id: indexed(bytes32)
    reason: uint256

struct Terms:
    title: address  # the registry of the title
    subject: bytes32  # the title's id there
    holder: address
    beneficiary: address  # in whose interest it is frozen
    reader: address  # an IRemoteReader, which names the foreign chain's headers
    account: address  # the foreign contract
    code_hash: bytes32
    freeze_slot: bytes32
    freezes_when: uint8
    date: uint64  # seconds of the foreign chain's time; 0 where the slot being set freezes
    release_slot: bytes32
    notice: uint64  # seconds
    until: uint64  # seconds of this chain's time, when a freeze ends at the latest
    salt: bytes32

# One word for each: state (8 bits) | when a notice is due (64) << 8, seconds of this chain's time, 0 where none is given.
words: HashMap[bytes32, uint256]
# keccak256(abi_encode(registry, title)) -> the agreement under which the title is taken up once it is handed over.
agreed: public(HashMap[bytes32, bytes32])


@external
def agree(terms: Terms) -> bytes32:
    """
    @notice The title's holder agrees that it may be frozen; handing the title to this contract then lets `take_up` guard
            it. A later agreement about the same title replaces one that has not been followed. Hand a title over only
            after agreeing.
    @param terms The terms, `holder` being the caller
    @return The freeze's id
    """
    assert terms.holder == msg.sender, "ConditionalFreeze: not the holder"
    assert terms.beneficiary not in [empty(address), terms.holder], "ConditionalFreeze: beneficiary"
    assert terms.freezes_when in [WHEN_SET, WHEN_UNSET], "ConditionalFreeze: condition"
    assert (terms.date != 0) == (terms.freezes_when == WHEN_UNSET), "ConditionalFreeze: date"
    assert terms.reader.is_contract, "ConditionalFreeze: no reader"
    assert terms.account != empty(address) and terms.code_hash != empty(bytes32), "ConditionalFreeze: no contract"
    # Else what freezes a title would release it too.
    assert terms.freeze_slot != terms.release_slot, "ConditionalFreeze: one slot"
    assert terms.notice >= MIN_NOTICE and terms.notice <= MAX_NOTICE, "ConditionalFreeze: notice"
    now: uint256 = block.timestamp
    until: uint256 = convert(terms.until, uint256)
    assert until > now and until <= now + convert(MAX_AHEAD, uint256), "ConditionalFreeze: end"
    id: bytes32 = self._id(terms)
    assert self.words[id] == 0, "ConditionalFreeze: agreed before"
    self.words[id] = AGREED
    self.agreed[self._key(terms)] = id
    # Nothing is guarded under another agreement: this contract would be its holder.
    assert staticcall ITitle(terms.title).holder_of(terms.subject) == terms.holder, "ConditionalFreeze: not the holder"
    log FreezeAgreed(id=id, title=terms.title, subject=terms.subject, terms=terms)
    return id


@external
def take_up(terms: Terms):
    """
    @notice Guards a title that its holder has handed to this contract after agreeing; anyone may
    @param terms The terms agreed last
    """
    id: bytes32 = self._id(terms)
    key: bytes32 = self._key(terms)
    assert self.words[id] == AGREED and self.agreed[key] == id, "ConditionalFreeze: not agreed"
    self.words[id] = GUARDED
    self.agreed[key] = empty(bytes32)
    assert staticcall ITitle(terms.title).holder_of(terms.subject) == self, "ConditionalFreeze: title not handed over"
    log TitleGuarded(id=id)


@external
def prove_freeze(terms: Terms, header: IRemoteReader.Header, proof: Bytes[8192]):
    """
    @notice Freezes a guarded title by what the foreign chain says; also while a notice runs
    @param terms The terms
    @param header A header that the reader's chain is held to have
    @param proof The account's and the slot's nodes
    """
    id: bytes32 = self._id(terms)
    assert self._state(id) == GUARDED, "ConditionalFreeze: not guarded"
    assert block.timestamp < convert(terms.until, uint256), "ConditionalFreeze: freeze is over"
    # Where the slot being set freezes, the date is 0 and any header will do.
    assert header.timestamp >= terms.date, "ConditionalFreeze: header before the date"
    is_set: bool = self._is_set(terms, terms.freeze_slot, header, proof)
    assert is_set == (terms.freezes_when == WHEN_SET), "ConditionalFreeze: condition is not met"
    self.words[id] = FROZEN
    log TitleFrozen(id=id, height=header.height)


@external
def give_notice(terms: Terms):
    """
    @notice The holder wants a title back that is not frozen; a notice that was not followed for as long as it ran is void
            and may be given again, so that none is kept in store
    @param terms The terms
    """
    id: bytes32 = self._id(terms)
    assert terms.holder == msg.sender, "ConditionalFreeze: not the holder"
    assert self._state(id) == GUARDED, "ConditionalFreeze: not guarded"
    notice: uint256 = convert(terms.notice, uint256)
    given: uint256 = self.words[id] >> 8
    assert given == 0 or block.timestamp >= given + notice, "ConditionalFreeze: notice was given"
    due: uint256 = block.timestamp + notice
    self.words[id] = GUARDED | (due << 8)
    log NoticeGiven(id=id, due=due)


@external
def take_back(terms: Terms):
    """
    @notice Returns a title that nothing froze while its holder's notice ran; anyone may
    @param terms The terms
    """
    id: bytes32 = self._id(terms)
    word: uint256 = self.words[id]
    assert word & 255 == GUARDED and word >> 8 != 0, "ConditionalFreeze: no notice"
    due: uint256 = word >> 8
    assert block.timestamp >= due, "ConditionalFreeze: notice is not over"
    assert block.timestamp < due + convert(terms.notice, uint256), "ConditionalFreeze: notice is void"
    self._return(id, terms, NOTICE)


@external
def prove_release(terms: Terms, header: IRemoteReader.Header, proof: Bytes[8192]):
    """
    @notice Returns a title by proof that the second slot is set; anyone may, and it need not have been frozen
    @param terms The terms
    @param header A header that the reader's chain is held to have
    @param proof The account's and the slot's nodes
    """
    id: bytes32 = self._id(terms)
    assert self._state(id) in [GUARDED, FROZEN], "ConditionalFreeze: nothing to release"
    assert self._is_set(terms, terms.release_slot, header, proof), "ConditionalFreeze: slot is unset"
    self._return(id, terms, RELEASE_PROVEN)


@external
def let_go(terms: Terms):
    """
    @notice The beneficiary gives up its interest
    @param terms The terms
    """
    id: bytes32 = self._id(terms)
    assert terms.beneficiary == msg.sender, "ConditionalFreeze: not the beneficiary"
    assert self._state(id) in [GUARDED, FROZEN], "ConditionalFreeze: nothing to release"
    self._return(id, terms, LET_GO)


@external
def lapse(terms: Terms):
    """
    @notice Returns a title when the time for which it may be frozen is over; anyone may
    @param terms The terms
    """
    id: bytes32 = self._id(terms)
    assert self._state(id) in [GUARDED, FROZEN], "ConditionalFreeze: nothing to release"
    assert block.timestamp >= convert(terms.until, uint256), "ConditionalFreeze: freeze is not over"
    self._return(id, terms, FREEZE_OVER)


@external
@view
def freeze_state(id: bytes32) -> (uint256, uint256):
    """
    @notice Where a freeze stands
    @param id The freeze
    @return Its state: 1 agreed, 2 guarded, 3 frozen, 4 returned; and when a notice is due, seconds of this chain's time
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
def _is_set(terms: Terms, slot: bytes32, header: IRemoteReader.Header, proof: Bytes[8192]) -> bool:
    """
    @dev What the foreign chain says of a slot under a header; the reader reverts unless it is proven
    """
    is_set: bool = False
    value: uint256 = 0
    is_set, value = staticcall IRemoteReader(terms.reader).read_slot(
        header, terms.account, terms.code_hash, slot, proof
    )
    return is_set


@internal
def _return(id: bytes32, terms: Terms, reason: uint256):
    """
    @dev Ends it, once, and hands the title to its holder
    """
    self.words[id] = RETURNED
    log TitleReturned(id=id, reason=reason)
    extcall ITitle(terms.title).transfer(terms.subject, terms.holder)


@internal
@view
def _state(id: bytes32) -> uint256:
    """
    @dev The state, 0 if there is none
    """
    return self.words[id] & 255


@internal
@view
def _id(terms: Terms) -> bytes32:
    """
    @dev The freeze's identity
    """
    return keccak256(abi_encode(ID_TAG, chain.id, self, terms))


@internal
@pure
def _key(terms: Terms) -> bytes32:
    """
    @dev Where a title is kept
    """
    return keccak256(abi_encode(terms.title, terms.subject))
