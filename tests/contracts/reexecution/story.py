"""One block for each way in which a block touches the state; the same story is told on every kind of
chain.
"""

from collections.abc import Callable
from typing import Any

from eth_account import Account

from tests.contracts.reexecution.chains import ACCOUNTS, CHAIN_ID, KEYS, Chain

WORD = b"w" * 32
NOBODY, SOMEBODY = "0x" + "77" * 20, b"\x55" * 20
SIGNED = Account.unsafe_sign_hash(WORD, KEYS[0])

STORE_AND_DIE = bytes.fromhex("600160005533ff")  # sets slot 0, then self-destructs to its caller, while created
DEPLOY_MORTAL = bytes.fromhex("6133ff6000526002601ef3")  # leaves the code CALLER SELFDESTRUCT


def _kill(chain: Chain) -> int:
    # EIP-6780: a contract of an earlier transaction pays out, and stays.
    block = chain.node.request("eth_getBlockByNumber", "latest", True)
    created = chain.node.request("eth_getTransactionReceipt", block["transactions"][0]["hash"])
    return chain.send({"to": bytes.fromhex(created["contractAddress"][2:])})


def _access_list(chain: Chain) -> int:
    entries = [{"address": "0x" + chain.contract.hex(), "storageKeys": ["0x" + "05" * 32]}]
    return chain.send(chain.calling("store(uint256,uint256)", 1, 2) | {"accessList": entries, "gasPrice": 10**10})


def _delegate(chain: Chain) -> int:
    authorization = {"chainId": CHAIN_ID, "address": chain.contract, "nonce": 0}
    signed: Any = ACCOUNTS[2].sign_authorization(authorization)
    return chain.send(chain.calling("dive(uint256)", 1) | {"authorizationList": [signed]})


def _several(chain: Chain) -> int:
    return chain.send_together(
        [
            (chain.calling("store(uint256,uint256)", 50, 1), 0),
            (chain.calling("store(uint256,uint256)", 50, 2), 1),
            (chain.calling("store_and_fail(uint256,uint256)", 51, 2), 0),
            ({"to": SOMEBODY, "value": 3, "gas": 21_000}, 1),
            (chain.calling("store(uint256,uint256)", 50, 0), 0),
        ]
    )


STORY: dict[str, Callable[[Chain], int]] = {
    "deploys a contract": Chain.deploy,
    "sets a slot": lambda c: c.call("store(uint256,uint256)", 1, 5),
    "sets a zero slot to zero": lambda c: c.call("store(uint256,uint256)", 2, 0),
    "sets forty slots": lambda c: c.call("store_many(uint256,uint256,uint256)", 100, 9, 40),
    "clears a slot": lambda c: c.call("store(uint256,uint256)", 1, 0),
    "clears half of forty slots": lambda c: c.call("store_many(uint256,uint256,uint256)", 100, 0, 20),
    "clears the other half": lambda c: c.call("store_many(uint256,uint256,uint256)", 120, 0, 20),
    "writes mappings, an array and a string": lambda c: c.call("add_book(bytes32,uint256)", WORD, 5),
    "shrinks them": lambda c: c.call("drop_book(bytes32)", WORD),
    "reverts": lambda c: c.call("store_and_fail(uint256,uint256)", 3, 4, fails=True),
    "reverts inside": lambda c: c.call("try_to_store(uint256,uint256)", 3, 4),
    "calls itself": lambda c: c.call("dive(uint256)", 5),
    "calls itself until the gas ends": lambda c: c.call("sink(uint256)", 400),
    "runs out of gas": lambda c: c.send(c.calling("dive(uint256)", 50) | {"gas": 40_000}, fails=True),
    "creates a contract": lambda c: c.call("spawn()"),
    "pays a new account": lambda c: c.call("pay(address,uint256)", NOBODY, 5),
    "pays nothing to nobody": lambda c: c.call("pay(address,uint256)", "0x" + "78" * 20, 0),
    "reads the parent's hash": lambda c: c.call("look(uint256)", 1),
    "reads an ancestor's hash": lambda c: c.call("look(uint256)", 12),
    "asks for a hash that is none": lambda c: c.call("look(uint256)", 0, fails=True),
    "hashes and recovers": lambda c: c.call(
        "hash_and_recover(bytes32,uint256,uint256,uint256)", WORD, SIGNED.v, SIGNED.r, SIGNED.s
    ),
    "looks at an absent account": lambda c: c.call("peek(address)", "0x" + "99" * 20),
    "looks at itself": lambda c: c.call("peek(address)", "0x" + c.contract.hex()),
    "transfers": lambda c: c.send({"to": SOMEBODY, "value": 7, "gas": 21_000}, 1),
    "transfers as before EIP-1559": lambda c: c.send({"to": SOMEBODY, "value": 7, "gasPrice": 10**10}, 1),
    "pays the calldata floor": lambda c: c.send({"to": SOMEBODY, "data": b"x" * 2_000}, 1),
    "names slots in an access list": _access_list,
    "delegates an account to code": _delegate,
    "creates a contract that destroys itself": lambda c: c.send({"data": STORE_AND_DIE, "value": 9}),
    "deploys a contract that can die": lambda c: c.send({"data": DEPLOY_MORTAL, "value": 9}),
    "asks a contract to die": _kill,
    "holds five transactions of two senders": _several,
}


def tell(chain: Chain) -> dict[str, int]:
    """Make every block of the story; their numbers."""
    return {name: make(chain) for name, make in STORY.items()}
