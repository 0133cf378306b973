# pragma version 0.4.3
"""
@title Recursive Length Prefix, canonical only (Ethereum Yellow Paper, appendix B)
@license Apache-2.0
@notice Reads one item's head from the 32 bytes that begin with it, so that no caller copies its input: a position in
        the caller's bytes is all there is. A second spelling of a value is refused everywhere. What lies beyond the
        input's end is to be handed in as zeros; that an item ends inside its list or its input is the caller's check.
        `ledger.ethereum.rlp_strict` is this module's Python twin.
"""

STRING: constant(uint256) = 128  # 0x80: a string of 0 bytes; up to 55 bytes in one prefix byte
LIST: constant(uint256) = 192  # 0xc0: a list of 0 bytes
LONGEST_SHORT: constant(uint256) = 55  # bytes; a longer payload has its length spelled out
LONGEST_INLINE: constant(uint256) = 31  # bytes of a list that `_inline_list` reads, its prefix included


@internal
@pure
def _head(word: uint256) -> (bool, uint256, uint256):
    """
    @notice Reads the prefix of one item
    @param word The 32 bytes that begin with the item, zeros beyond the input's end
    @return Whether it is a list, the bytes of its prefix (0 to 9), the bytes of its payload (less than 2**64)
    """
    first: uint256 = word >> 248
    if first < STRING:
        return False, 0, 1
    is_list: bool = first >= LIST
    length: uint256 = unsafe_sub(first, LIST if is_list else STRING)
    if length > LONGEST_SHORT:
        size: uint256 = unsafe_sub(length, LONGEST_SHORT)
        assert (word >> 240) & 255 != 0, "rlp: leading zero in a length"
        length = (word << 8) >> unsafe_sub(256, unsafe_mul(8, size))
        assert length > LONGEST_SHORT, "rlp: length not in its shortest form"
        return is_list, unsafe_add(1, size), length
    if length == 1 and not is_list:
        assert (word >> 240) & 255 >= STRING, "rlp: byte spelled as a string"
    return is_list, 1, length


@internal
@pure
def _list_prefix(word: uint256, size: uint256) -> uint256:
    """
    @notice Reads the prefix of a list whose bytes are known; reverts unless it is a list of exactly so many
    @param word The 32 bytes that begin with the list, zeros beyond the input's end
    @param size The bytes of the whole list, less than 2**16
    @return The bytes of the prefix, 1 to 3
    """
    # Sizes that no canonical list has (0, 57, 258) end at the last assertion: the subtractions wrap.
    if unsafe_sub(size, 1) < 56:
        assert word >> 248 == unsafe_add(size, 191), "rlp: not one list"  # c0 + payload
        return 1
    if unsafe_sub(size, 58) < 200:
        assert word >> 240 == unsafe_add(size, 63486), "rlp: not one list"  # f8, payload in one byte
        return 2
    assert size > 258 and word >> 232 == unsafe_add(size, 16318461), "rlp: not one list"  # f9, payload in two bytes
    return 3


@internal
@pure
def _integer(word: uint256, length: uint256, longest: uint256) -> uint256:
    """
    @notice Reads a scalar: big endian, no leading zero, zero is the empty string
    @param word The 32 bytes that begin with the item's payload
    @param length Bytes of the payload
    @param longest Bytes the scalar may have, at most 32
    @return The number
    """
    assert length <= longest, "rlp: integer too long"
    if length == 0:
        return 0
    assert word >> 248 != 0, "rlp: leading zero in an integer"
    return word >> unsafe_sub(256, unsafe_mul(8, length))


@internal
@pure
def _inline_list(word: uint256) -> uint256:
    """
    @notice Reads a list of 2 to 31 bytes, with all that nests in it, without recursion
    @dev The ends of the lists that are open stand one byte each in `ends`, the innermost lowest: 31 bytes nest at most
         31 lists.
    @param word The 32 bytes that begin with the list
    @return Its bytes, prefix included
    """
    total: uint256 = unsafe_sub(word >> 248, LIST - 1)
    # The subtraction wraps where no list begins. An empty list is refused too: nothing that stands inline is empty.
    assert unsafe_sub(total, 2) < LONGEST_INLINE - 1, "rlp: not a list that can stand inline"
    ends: uint256 = total
    at: uint256 = 1
    for i: uint256 in range(2 * LONGEST_INLINE):
        end: uint256 = ends & 255
        if at == end:
            ends = ends >> 8
            if ends == 0:
                break
            continue
        rest: uint256 = word << unsafe_mul(8, at)
        is_list: bool = False
        prefix: uint256 = 0
        length: uint256 = 0
        is_list, prefix, length = self._head(rest)
        at = unsafe_add(at, prefix)
        assert unsafe_add(at, length) <= end, "rlp: item beyond its list"
        if is_list:
            ends = (ends << 8) | unsafe_add(at, length)
        else:
            at = unsafe_add(at, length)
    return total
