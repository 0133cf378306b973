# pragma version 0.4.3
"""
@title Test only: titles with a holder each
@license Apache-2.0
"""

import ITitle

implements: ITitle

holders: HashMap[bytes32, address]
stuck: public(bool)


@external
def issue(id: bytes32, holder: address):
    """
    @notice Enters a title
    """
    self.holders[id] = holder


@external
def jam(stuck: bool):
    """
    @notice Lets every transfer fail, or not any more
    """
    self.stuck = stuck


@external
@view
def holder_of(id: bytes32) -> address:
    """
    @notice Its holder
    """
    return self.holders[id]


@external
def transfer(id: bytes32, holder: address):
    """
    @notice Hands it on
    """
    assert not self.stuck, "Titles: jammed"
    assert self.holders[id] == msg.sender, "Titles: not the holder"
    self.holders[id] = holder
