# pragma version 0.4.3
"""
@title A token that can be told to misbehave
@license Apache-2.0
"""

HONEST: constant(uint256) = 0
KEEPS_A_FEE: constant(uint256) = 1
ANSWERS_FALSE: constant(uint256) = 2
REVERTS: constant(uint256) = 3
MOVES_NOTHING: constant(uint256) = 4
MOVES_ONE_MORE: constant(uint256) = 5
CALLS_BACK: constant(uint256) = 6

balanceOf: public(HashMap[address, uint256])
blocked: public(HashMap[address, bool])
mode: uint256
target: address
call_back: Bytes[1024]
answered: public(bool)


@external
def mint(account: address, amount: uint256):
    """
    @notice Makes tokens
    @param account Who gets them
    @param amount How many
    """
    self.balanceOf[account] += amount


@external
def misbehave(mode: uint256, target: address, call_back: Bytes[1024]):
    """
    @notice Chooses what a transfer does from now on
    @param mode One of the constants
    @param target Whom to call back
    @param call_back The call data
    """
    self.mode = mode
    self.target = target
    self.call_back = call_back


@external
def block_account(account: address):
    """
    @notice The issuer refuses to pay an account
    @param account The account
    """
    self.blocked[account] = True


@external
def transfer(receiver: address, amount: uint256) -> bool:
    """
    @notice Moves tokens as the mode says
    @param receiver Who gets them
    @param amount How many
    @return Whether it worked, it claims
    """
    return self._move(msg.sender, receiver, amount)


@external
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    """
    @notice Moves tokens as the mode says, without asking for an allowance
    @param sender Who pays
    @param receiver Who gets them
    @param amount How many
    @return Whether it worked, it claims
    """
    return self._move(sender, receiver, amount)


@internal
def _move(sender: address, receiver: address, amount: uint256) -> bool:
    """
    @dev Does what the mode says
    """
    assert not self.blocked[receiver], "TestToken: blocked"
    assert self.mode != REVERTS, "TestToken: paused"
    if self.mode == ANSWERS_FALSE:
        return False
    if self.mode == MOVES_NOTHING:
        return True
    if self.mode == CALLS_BACK:
        self.answered = raw_call(self.target, self.call_back, revert_on_failure=False)
    delivered: uint256 = amount
    if self.mode == KEEPS_A_FEE:
        delivered -= 1
    if self.mode == MOVES_ONE_MORE:
        delivered += 1
    self.balanceOf[sender] -= delivered if self.mode == MOVES_ONE_MORE else amount
    self.balanceOf[receiver] += delivered
    return True
