# pragma version 0.4.3
"""
@title Items that can be told to misbehave
@license Apache-2.0
"""

HONEST: constant(uint256) = 0
REVERTS: constant(uint256) = 1
MOVES_NOTHING: constant(uint256) = 2
NAMES_ANOTHER: constant(uint256) = 3

owners: HashMap[uint256, address]
mode: uint256
named: address


@external
def mint(account: address, token_id: uint256):
    """
    @notice Makes an item
    @param account Who gets it
    @param token_id The item
    """
    self.owners[token_id] = account


@external
def misbehave(mode: uint256, named: address):
    """
    @notice Chooses what happens from now on
    @param mode One of the constants
    @param named Who is said to own everything
    """
    self.mode = mode
    self.named = named


@external
@view
def ownerOf(token_id: uint256) -> address:
    """
    @notice Who owns an item, it claims
    @param token_id The item
    @return The owner
    """
    return self.named if self.mode == NAMES_ANOTHER else self.owners[token_id]


@external
@view
def balanceOf(account: address) -> uint256:
    """
    @notice As if everybody owned one, so that the item could pass for a token
    @param account Anybody
    @return One
    """
    return 1


@external
def transferFrom(sender: address, receiver: address, token_id: uint256):
    """
    @notice Moves an item as the mode says, without asking for an approval
    @param sender Whose it is
    @param receiver Who gets it
    @param token_id The item
    """
    assert self.mode != REVERTS, "TestCollection: paused"
    if self.mode == MOVES_NOTHING:
        return
    assert self.owners[token_id] == sender, "TestCollection: not the owner"
    self.owners[token_id] = receiver
    if self.mode == NAMES_ANOTHER:
        self.named = receiver
