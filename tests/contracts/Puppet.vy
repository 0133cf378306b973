# pragma version 0.4.3
"""
@title Test only: a contract that calls whatever it is told, as itself
@license Apache-2.0
"""


@external
def play(target: address, data: Bytes[8192]):
    """
    @notice Calls; a refusal is passed on
    @param target Whom
    @param data What
    """
    raw_call(target, data)
