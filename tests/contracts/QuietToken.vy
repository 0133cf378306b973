# pragma version 0.4.3
"""
@title A token whose transfers answer nothing, as some old ones do
@license Apache-2.0
"""

balanceOf: public(HashMap[address, uint256])


@external
def mint(account: address, amount: uint256):
    """
    @notice Makes tokens
    @param account Who gets them
    @param amount How many
    """
    self.balanceOf[account] += amount


@external
def transfer(receiver: address, amount: uint256):
    """
    @notice Moves tokens
    @param receiver Who gets them
    @param amount How many
    """
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[receiver] += amount


@external
def transferFrom(sender: address, receiver: address, amount: uint256):
    """
    @notice Moves tokens without asking for an allowance
    @param sender Who pays
    @param receiver Who gets them
    @param amount How many
    """
    self.balanceOf[sender] -= amount
    self.balanceOf[receiver] += amount
