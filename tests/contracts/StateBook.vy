# pragma version 0.4.3
"""
@title Test only: a reader of a foreign chain whose slot was set at one height, and that can fall silent
@license Apache-2.0
@notice Stands for a proven reading: heights below `set_at` show the slot unset, the others show it set.
"""

import IRemoteReader

implements: IRemoteReader

set_at: public(uint64)
is_silent: public(bool)
account: address
code_hash: bytes32
slot: bytes32
others_set_at: HashMap[bytes32, uint64]  # 0: not a slot of this book


@deploy
def __init__(account: address, code_hash: bytes32, slot: bytes32):
    self.account = account
    self.code_hash = code_hash
    self.slot = slot
    self.set_at = max_value(uint64)


@external
def set_from(height: uint64):
    """
    @notice From which height on the slot is set
    """
    self.set_at = height


@external
def other_set_from(slot: bytes32, height: uint64):
    """
    @notice From which height on another slot is set
    """
    self.others_set_at[slot] = height


@external
def silence(is_silent: bool):
    """
    @notice Whether the headers' holder is frozen or expired
    """
    self.is_silent = is_silent


@external
@view
def read_slot(
    header: IRemoteReader.Header, account: address, code_hash: bytes32, slot: bytes32, proof: Bytes[8192]
) -> (bool, uint256):
    """
    @notice What the slot held
    """
    assert not self.is_silent, "StateBook: frozen"
    set_at: uint64 = self.set_at if slot == self.slot else self.others_set_at[slot]
    assert account == self.account and code_hash == self.code_hash and set_at != 0, "StateBook: other slot"
    if header.height < set_at:
        return False, 0
    return True, 7
