# pragma version 0.4.3
"""
@title A lane in one word, as the gateway keeps it and its administration writes it
@license Apache-2.0
@notice A lane into a chain, from the lowest bit:
          generation 32 | policy 8 | carries value 8 | paused until 40, and then
          of a lane that carries value: seconds of the window 32 | units a message 68 | units a window 68
          of another one: nothing 64 | replay page 104
        what a lane that carries value has let through:
          window began 40 | used in the window 112 | replay page 104
        its limits, as they were set:
          units a message 112 | units a window 112 | seconds of the window 32
        and a lane out of a chain:
          generations begun before this one 32 | next sequence 64 | paused until 40
        A commit reads the first word, and writes the one that holds the page: the storage it takes is what it costs.
        68 bits of units are 60 bits below an exponent of 8: a limit is kept to 60 binary digits, rounded down, but for
        the highest of all.
        A replay page is 64 bits, one for each sequence that was used, below 40 bits with the page's number.
"""

NOTARY: constant(uint8) = 1
CERTIFIED: constant(uint8) = 2
RELAY: constant(uint8) = 3
NOTARY_AND_RELAY: constant(uint8) = 4

# A bit for each policy that asks for a certificate alone, and for each that asks an observer.
NOTARY_ONLY: constant(uint256) = 1 << 1
OBSERVED: constant(uint256) = 1 << 2 | 1 << 3 | 1 << 4

MASK_32: constant(uint256) = 2**32 - 1
MASK_64: constant(uint256) = 2**64 - 1
MAX_TIME: constant(uint256) = 2**40 - 1  # seconds since 1970
MAX_UNITS: constant(uint256) = 2**112 - 1
CARRIES_VALUE: constant(uint256) = 1 << 40
PAUSE: constant(uint256) = 48  # where it begins
LIMITS: constant(uint256) = 88
DIGITS: constant(uint256) = 60
MASK_60: constant(uint256) = 2**60 - 1
PAGE: constant(uint256) = 152  # where the page begins
PAGE_NUMBER: constant(uint256) = 216
MAX_PAGE: constant(uint256) = 2**40 - 1
MASK_PAGE: constant(uint256) = 2**104 - 1


struct Lane:
    generation: uint32
    policy: uint8
    carries_value: bool
    paused_until: uint256  # seconds since 1970
    used: uint256  # units in the present window


struct Limits:
    per_message: uint256  # units
    per_window: uint256  # units
    window: uint256  # seconds


struct Outbound:
    generation: uint256
    sequence: uint256  # the next one
    paused_until: uint256  # seconds since 1970


@internal
@pure
def _new(generation: uint32, policy: uint8, carries_value: bool, paused_until: uint256) -> uint256:
    """
    @notice The first word of a lane's generation
    @param generation The generation
    @param policy The verification policy
    @param carries_value Whether transfers are accepted, and nothing else
    @param paused_until Seconds since 1970
    @return The word, without limits and without a page
    """
    word: uint256 = convert(generation, uint256) | (convert(policy, uint256) << 32) | (paused_until << PAUSE)
    return word | CARRIES_VALUE if carries_value else word


@internal
@pure
def _lane(word: uint256, passed: uint256) -> Lane:
    """
    @notice A lane into a chain, unpacked
    @param word The word
    @param passed What it has let through; 0 for a lane without value
    @return Its fields; generation 0 when it is not open
    """
    return Lane(
        generation=convert(word & MASK_32, uint32),
        policy=convert((word >> 32) & 255, uint8),
        carries_value=word & CARRIES_VALUE != 0,
        paused_until=(word >> PAUSE) & MAX_TIME,
        used=(passed >> 40) & MAX_UNITS,
    )


@internal
@pure
def _limits(word: uint256) -> Limits:
    """
    @notice A lane's limits, unpacked
    @param word The word
    @return Its fields, all 0 when none are set
    """
    return Limits(per_message=word & MAX_UNITS, per_window=(word >> 112) & MAX_UNITS, window=word >> 224)


@internal
@pure
def _limited(word: uint256, limit: uint256) -> uint256:
    """
    @notice The word of a lane that carries value, with other limits
    @param word The word before
    @param limit The limits, as they were set
    @return The word after
    """
    limits: uint256 = limit >> 224 | self._short(limit & MAX_UNITS) << 32 | self._short((limit >> 112) & MAX_UNITS) << 100
    return (word & (2**LIMITS - 1)) | limits << LIMITS


@internal
@pure
def _short(units: uint256) -> uint256:
    """
    @dev Units as 60 binary digits below the exponent, rounded down; what is no limit at all stays none
    """
    if units == MAX_UNITS:
        return 2**68 - 1
    exponent: uint256 = 0
    for i: uint256 in range(52):  # 112 - 60
        if units >> exponent <= MASK_60:
            break
        exponent += 1
    return units >> exponent | exponent << DIGITS


@internal
@pure
def _outbound(word: uint256) -> Outbound:
    """
    @notice A lane out of a chain, unpacked. The first generation is 1 and stands as 0: nobody opens such a lane here
    @param word The word
    @return Its fields
    """
    return Outbound(
        generation=(word & MASK_32) + 1, sequence=(word >> 32) & MASK_64, paused_until=word >> 96
    )


@internal
@pure
def _paused(word: uint256, until: uint256) -> uint256:
    """
    @notice A lane into a chain with another pause
    @param word The word before
    @param until Seconds since 1970
    @return The word after
    """
    return (word & ~(MAX_TIME << PAUSE)) | (until << PAUSE)


@internal
@pure
def _outbound_paused(word: uint256, until: uint256) -> uint256:
    """
    @notice A lane out of a chain with another pause
    @param word The word before
    @param until Seconds since 1970
    @return The word after
    """
    return (word & (2**96 - 1)) | (until << 96)


@internal
@view
def _counted(passed: uint256, word: uint256, quantity: uint256) -> uint256:
    """
    @notice What a lane has let through after a transfer that keeps within the limits. A window begins with the first
            transfer after the last one's end, so that twice the limit can pass around a border, never more.
    @param passed What it had let through before
    @param word The lane's word, with its limits
    @param quantity Units
    @return What it has let through then; max_value(uint256) when the transfer does not keep within the limits
    """
    window: uint256 = (word >> LIMITS) & MASK_32
    if window == 0 or quantity > ((word >> 120) & MASK_60) << ((word >> 180) & 255):
        return max_value(uint256)
    began: uint256 = passed & MAX_TIME
    used: uint256 = (passed >> 40) & MAX_UNITS
    if block.timestamp >= began + window:
        began = block.timestamp
        used = 0
    used = unsafe_add(used, quantity)
    # The highest limit is none, but more than fits does not stay within it.
    if used > ((word >> 188) & MASK_60) << (word >> 248) or used > MAX_UNITS:
        return max_value(uint256)
    return (passed >> PAGE << PAGE) | began | (used << 40)
