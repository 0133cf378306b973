# pragma version 0.4.3
"""
@title Test only: a committee whose quorum is the word "quorum"
@license Apache-2.0
@notice For tests of what an order does; who may sign one is `Committee`'s to say, and tested there.
"""

epoch: public(uint64)


@deploy
def __init__():
    self.epoch = 1


@external
@view
def check_current(epoch: uint64, digest: bytes32, signatures: Bytes[6600]) -> bool:
    """
    @notice Whether a quorum signed
    @param epoch The current epoch
    @param digest Anything
    @param signatures The word
    @return True
    """
    assert epoch == self.epoch, "Committee: epoch"
    assert signatures == b"quorum", "Committee: below quorum"
    return True


@external
@view
def check(epoch: uint64, digest: bytes32, signatures: Bytes[6600]) -> bool:
    """
    @notice Whether a quorum signed
    @param epoch The current epoch
    @param digest Anything
    @param signatures The word
    @return True
    """
    assert epoch == self.epoch, "Committee: epoch"
    assert signatures == b"quorum", "Committee: below quorum"
    return True


@external
@view
def check_member(epoch: uint64, digest: bytes32, signature: Bytes[66]) -> uint256:
    """
    @notice Whose signature it is
    @param epoch The current epoch
    @param digest Anything
    @param signature The member's index, one byte
    @return The index
    """
    assert epoch == self.epoch, "Committee: epoch"
    return convert(convert(slice(signature, 0, 1), bytes1), uint256)


@external
def rotate():
    """
    @notice Begins the next epoch
    """
    self.epoch += 1
