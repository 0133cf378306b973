# pragma version 0.4.3
# @license Apache-2.0
"""
@title Exercise
@notice Touches the state in every way that a re-execution must follow. For tests only.
"""

interface Exercise:
    def dive(depth: uint256): nonpayable
    def store_and_fail(key: uint256, amount: uint256): nonpayable

event Noted:
    who: indexed(address)
    key: indexed(uint256)
    amount: uint256

total: public(uint256)
cells: public(HashMap[uint256, uint256])
books: HashMap[address, HashMap[bytes32, uint256]]
names: DynArray[String[48], 16]
child: public(address)
seen: public(bytes32)


@deploy
@payable
def __init__():
    self.total = 1


@external
@payable
def __default__():
    pass


@external
def store(key: uint256, amount: uint256):
    self.cells[key] = amount
    log Noted(who=msg.sender, key=key, amount=amount)


@external
def store_many(first: uint256, amount: uint256, times: uint256):
    for place: uint256 in range(times, bound=64):
        self.cells[first + place] = amount


@external
def add_book(what: bytes32, amount: uint256):
    self.books[msg.sender][what] += amount
    self.total += amount
    self.names.append("a name that is longer than thirty-two bytes")


@external
def drop_book(what: bytes32):
    self.books[msg.sender][what] = 0
    self.names.pop()


@external
def store_and_fail(key: uint256, amount: uint256):
    self.cells[key] = amount
    log Noted(who=msg.sender, key=key, amount=amount)
    raise "refused"


@external
def try_to_store(key: uint256, amount: uint256):
    """
    @notice A reverted inner call: its reads and writes leave nothing but zero leaves, where the node keeps them.
    """
    ok: bool = raw_call(
        self,
        abi_encode(key, amount, method_id=method_id("store_and_fail(uint256,uint256)")),
        revert_on_failure=False,
    )
    assert not ok
    self.total += 1


@external
def dive(depth: uint256):
    self.total += 1
    if depth > 0:
        extcall Exercise(self).dive(depth - 1)


@external
def sink(depth: uint256):
    """
    @notice Calls itself as deep as the EVM allows, keeping what the lowest call could not do.
    """
    self.total += 1
    if depth > 0:
        ok: bool = raw_call(
            self, abi_encode(depth - 1, method_id=method_id("sink(uint256)")), revert_on_failure=False
        )


@external
def spawn() -> address:
    self.child = create_copy_of(self)
    return self.child


@external
@nonreentrant
def pay(to: address, amount: uint256):
    raw_call(to, b"", value=amount)


@external
def look(depth: uint256):
    self.seen = blockhash(block.number - depth)


@external
def hash_and_recover(digest: bytes32, v: uint256, r: uint256, s: uint256):
    self.seen = sha256(digest)
    self.cells[convert(ecrecover(digest, v, r, s), uint256)] = block.timestamp + block.basefee + chain.id


@external
def peek(other: address):
    self.cells[7] = other.balance + other.codesize
    self.seen = other.codehash
