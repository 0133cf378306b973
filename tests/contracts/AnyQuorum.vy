# pragma version 0.4.3
"""
@title Test only: a committee whose quorum is the word "quorum"
@license Apache-2.0
@notice For tests of what an order does; who may sign one is `Committee`'s to say, and tested there.
"""

import ISeated

# As `Committee` writes a table: code that answers every call with what follows it.
LOADER: constant(Bytes[11]) = x"600b380380600b5f395ff3"
FOR_EVER: constant(uint256) = (2**64 - 1) << 168

epoch: public(uint64)
gateway: address
seat: uint256


@deploy
def __init__():
    self.epoch = 1


@external
def seat_at(gateway: address, members: DynArray[uint256, 100]):
    """
    @notice Has a gateway count the signatures of these members: it is no order, and asks for real ones
    @param gateway The gateway
    @param members Their addresses as words
    """
    table: address = raw_create(concat(LOADER, LOADER, abi_encode(members)))
    self.gateway = gateway
    self.seat = FOR_EVER | len(members) << 160 | convert(table, uint256)
    extcall ISeated(gateway).set_seat(self.epoch, self.seat)


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
    if self.gateway != empty(address):
        extcall ISeated(self.gateway).set_seat(self.epoch, 0)
        extcall ISeated(self.gateway).set_seat(self.epoch + 1, self.seat)
    self.epoch += 1
