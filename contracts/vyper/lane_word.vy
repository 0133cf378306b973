# pragma version 0.4.3
"""
@title A lane in one word, as the gateway keeps it and its administration writes it
@license Apache-2.0
@notice A lane into a chain, from the lowest bit:
          generation 32 | policy 8 | carries value 8 | paused until 40 | window began 40 | used in the window 128
        its limits:
          units a message 112 | units a window 112 | seconds of the window 32
        and a lane out of a chain:
          generations begun before this one 32 | next sequence 64 | paused until 40
        One word each, because a commit reads them all.
"""

NOTARY: constant(uint8) = 1
CERTIFIED: constant(uint8) = 2
RELAY: constant(uint8) = 3
NOTARY_AND_RELAY: constant(uint8) = 4

MASK_32: constant(uint256) = 2**32 - 1
MASK_64: constant(uint256) = 2**64 - 1
MAX_TIME: constant(uint256) = 2**40 - 1  # seconds since 1970
MAX_UNITS: constant(uint256) = 2**112 - 1


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
def _new(generation: uint32, policy: uint8, carries_value: bool) -> uint256:
    """
    @notice The first word of a lane's generation
    @param generation The generation
    @param policy The verification policy
    @param carries_value Whether transfers are accepted
    @return The word
    """
    word: uint256 = convert(generation, uint256) | (convert(policy, uint256) << 32)
    return word | (1 << 40) if carries_value else word


@internal
@pure
def _lane(word: uint256) -> Lane:
    """
    @notice A lane into a chain, unpacked
    @param word The word
    @return Its fields; generation 0 when it is not open
    """
    return Lane(
        generation=convert(word & MASK_32, uint32),
        policy=convert((word >> 32) & 255, uint8),
        carries_value=(word >> 40) & 255 != 0,
        paused_until=(word >> 48) & MAX_TIME,
        used=word >> 128,
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
    return (word & ~(MAX_TIME << 48)) | (until << 48)


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
def _counted(word: uint256, limit: uint256, quantity: uint256) -> uint256:
    """
    @notice A lane's word after a transfer that keeps within the limits. A window begins with the first transfer after
            the last one's end, so that twice the limit can pass around a border, never more.
    @param word The word before
    @param limit The lane's limits
    @param quantity Units
    @return The word after, or 0 when the transfer does not keep within them
    """
    window: uint256 = limit >> 224
    if window == 0 or quantity > limit & MAX_UNITS:
        return 0
    began: uint256 = (word >> 88) & MAX_TIME
    used: uint256 = word >> 128
    if block.timestamp >= began + window:
        began = block.timestamp
        used = 0
    used += quantity
    if used > (limit >> 112) & MAX_UNITS:
        return 0
    return (word & (2**88 - 1)) | (began << 88) | (used << 128)
