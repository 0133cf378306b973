# pragma version 0.4.3
"""
@title Test only: a contract whose slot 0 is written once, and whose slot 1 comes and goes
@license Apache-2.0
"""

once: public(bytes32)
other: public(bytes32)


@external
def write(word: bytes32):
    """
    @notice Writes the slot, once
    """
    assert self.once == empty(bytes32) and word != empty(bytes32), "WriteOnce: written"
    self.once = word


@external
def change(word: bytes32):
    """
    @notice Writes or clears the other slot
    """
    self.other = word
