# pragma version 0.4.3
"""
@title Which sequences of a lane have been used: each once, in whatever order
@license Apache-2.0
@notice A bit for each sequence of a lane's generation, 256 to a word. Messages mostly arrive in order, so the 64
        sequences about the latest one stand in a word of the lane that a commit touches anyway (`lane_word`, the replay
        page), and are written back when a later page takes their place. A sequence is used if its bit is set in either
        place; bits are set and never cleared, so that neither place can make the other one forget.
"""

import lane_word

# keccak256(lane, generation, sequence / 256) -> one bit per sequence
used: HashMap[bytes32, uint256]


@internal
@pure
def _at(lane: bytes32, generation: uint256, group: uint256) -> bytes32:
    """
    @dev Where the word of 256 sequences stands
    """
    return keccak256(abi_encode(lane, generation, group))


@internal
@view
def _is_used(held: uint256, lane: bytes32, generation: uint256, sequence: uint256) -> bool:
    """
    @notice Whether a sequence has been used
    @param held The word with the page of this generation; 0 where the lane has another one by now
    @param lane The lane
    @param generation Its generation
    @param sequence The sequence
    @return True once it has
    """
    if held >> lane_word.PAGE_NUMBER == sequence >> 6 and (held >> lane_word.PAGE >> (sequence & 63)) & 1 != 0:
        return True
    return (self.used[self._at(lane, generation, sequence >> 8)] >> (sequence & 255)) & 1 != 0


@internal
def _use(held: uint256, lane: bytes32, generation: uint256, sequence: uint256) -> uint256:
    """
    @notice Uses a sequence up; reverts when it is used
    @param held The word with the page of this generation
    @param lane The lane
    @param generation Its generation
    @param sequence The sequence
    @return The word after
    """
    page: uint256 = sequence >> 6
    number: uint256 = held >> lane_word.PAGE_NUMBER
    present: uint256 = held
    if page != number:
        if page < number or page > lane_word.MAX_PAGE:
            self._use_apart(lane, generation, sequence)
            return held
        self._write_back(held, lane, generation)
        present = self._turned(held, lane, generation, page)
    bit: uint256 = 1 << unsafe_add(lane_word.PAGE, sequence & 63)
    assert present & bit == 0, "Gateway: already committed"
    return present | bit


@internal
def _use_apart(lane: bytes32, generation: uint256, sequence: uint256):
    """
    @notice Uses a sequence up that is not on the lane's page; reverts when it is used
    @param lane The lane
    @param generation Its generation
    @param sequence The sequence
    """
    at: bytes32 = self._at(lane, generation, sequence >> 8)
    bit: uint256 = 1 << (sequence & 255)
    bits: uint256 = self.used[at]
    assert bits & bit == 0, "Gateway: already committed"
    self.used[at] = bits | bit


@internal
def _write_back(held: uint256, lane: bytes32, generation: uint256):
    """
    @notice Keeps the page's bits where they stay
    @param held The word with the page
    @param lane The lane
    @param generation Its generation
    """
    bits: uint256 = (held >> lane_word.PAGE) & lane_word.MASK_64
    if bits != 0:
        page: uint256 = held >> lane_word.PAGE_NUMBER
        at: bytes32 = self._at(lane, generation, page >> 2)
        self.used[at] |= bits << ((page & 3) << 6)


@internal
@view
def _turned(held: uint256, lane: bytes32, generation: uint256, page: uint256) -> uint256:
    """
    @notice The word with another page, and what is known of its sequences
    @param held The word before
    @param lane The lane
    @param generation Its generation
    @param page The page's number, at most 2**40 - 1
    @return The word after
    """
    known: uint256 = self.used[self._at(lane, generation, page >> 2)]
    bits: uint256 = (known >> ((page & 3) << 6)) & lane_word.MASK_64
    return (held & (2**152 - 1)) | bits << lane_word.PAGE | page << lane_word.PAGE_NUMBER
