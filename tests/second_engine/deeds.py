"""Blocks of every kind that execution knows, most of which no chain of ours would make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eth.vm.forks.prague.constants import (
    CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    DEPOSIT_CONTRACT_ADDRESS,
    DEPOSIT_EVENT_SIGNATURE_HASH,
    WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
)

from ledger.ethereum import rlp_strict
from tests.second_engine.bed import ETHER, KEYS, Bed, Transfer, account, authorization
from tests.second_engine.engine import Executed

Both = tuple[Executed, Executed]

STORE, FORWARD, DIE, DEPOSIT, RETURN_BLOBS, SPIN, LOG, CLEAR = (bytes([0xC0 + n]) * 20 for n in range(8))
NEW = b"\x99" * 20
G1 = bytes(128)  # the point at infinity, EIP-2537
G2 = bytes(256)
_P = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
_X = 0x17F1D3A73197D7942695638C4FA9AC0FC3688C4F9774B905A14E3A3F171BAC586C55E83FF97A1AEFFB3AF00ADB22C6BB
_Y = 0x08B3F481E3AAA0F1A09E30ED741D8AE4FCF5E095D5D00AF600DB18CB2C04B3EDD03CC744A2888AE40CAA232946C5E7E1
GENERATOR = _X.to_bytes(64, "big") + _Y.to_bytes(64, "big")
OPPOSITE = _X.to_bytes(64, "big") + (_P - _Y).to_bytes(64, "big")

CODES = {
    STORE: "6020355f3555",  # slot[word 0] = word 1
    # Calls the precompile or account in word 0 with the rest, keeps success, size and digest of what came back.
    FORWARD: "6020360360205f375f5f602036035f5f5f355af15f553d6001553d5f5f3e3d5f20600255",
    DIE: "33ff",
    # The deposit contract's log, with the caller's data in it.
    DEPOSIT: "365f5f37" + "7f" + DEPOSIT_EVENT_SIGNATURE_HASH.hex() + "365fa1",
    RETURN_BLOBS: "5f495f556001496001554a600255",  # two blob hashes and the blob base fee, kept
    SPIN: "5b5f56",
    CLEAR: "5f6001555f6002555f600355",
    LOG: "365f5f3760015f5260025f5260036002600136" + "5fa3",
}  # fmt: skip


def start(*, queues: bool = False) -> dict[bytes, Any]:
    """The state before every deed. `queues`: with contracts in the places of EIP-7002 and EIP-7251."""
    accounts = {address: account(ETHER, nonce=1, code=bytes.fromhex(code)) for address, code in CODES.items()}
    accounts[bytes(DEPOSIT_CONTRACT_ADDRESS)] = accounts[DEPOSIT]
    for address in (STORE, CLEAR):
        accounts[address]["storage"] = {1: 1, 2: 2, 3: 3}
    if not queues:
        return accounts
    # They only stand in for the queues: they hand out their slot 0 as a request and count it up.
    queue = bytes.fromhex("5f546001015f555f545f5260205ff3")
    for place in (WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS):
        accounts[bytes(place)] = account(nonce=1, code=queue)
    return accounts


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in values)


def one(**fields: Any) -> Callable[[Bed], Both]:
    """A block of one transaction."""
    return lambda bed: bed.run(Transfer(0, **fields).signed())


def forward(place: int, payload: bytes = b"", gas: int = 3_000_000) -> Callable[[Bed], Both]:
    """A block in which a contract calls a precompile and keeps what came back."""
    return one(to=FORWARD, data=words(place) + payload, gas=gas)


def _withdrawal(index: int, address: bytes, gwei: int) -> bytes:
    n = rlp_strict.encode_int
    return rlp_strict.encode((n(index), n(index), address, n(gwei)))


def _delegated_then_called(bed: Bed) -> Both:
    bed.run(Transfer(0, kind=4, authorizations=(authorization(KEYS[1], STORE, 0),)).signed())
    return bed.run(Transfer(1, to=KEYS[1].address, data=words(7, 9)).signed(), Transfer(1, value=1).signed(KEYS[1]))


def _delegation_taken_back(bed: Bed) -> Both:
    bed.run(Transfer(0, kind=4, authorizations=(authorization(KEYS[1], STORE, 0),)).signed())
    return bed.run(Transfer(1, kind=4, authorizations=(authorization(KEYS[1], bytes(20), 1),)).signed())


def _odd_authorizations(bed: Bed) -> Both:
    listed = (
        authorization(KEYS[1], STORE, 5),  # not its nonce
        authorization(KEYS[1], STORE, 0, chain_id=1),  # another chain's
        authorization(KEYS[2], STORE, 0, chain_id=0),  # any chain's
        authorization(KEYS[0], STORE, 1),  # the sender's own, after its nonce
        (b"\x01", STORE, b"", b"\x05", b"\x01", b"\x01"),  # no signature
    )
    return bed.run(Transfer(0, kind=4, to=KEYS[2].address, data=words(8, 8), authorizations=listed).signed())


def _deposit(index: int) -> bytes:
    """The deposit contract's log data: five byte strings at the offsets of the ABI."""
    parts = (b"k" * 48, b"w" * 32, b"a" * 8, b"s" * 96, index.to_bytes(8, "little"))
    head, tail = b"", b""
    for part in parts:
        head += words(32 * len(parts) + len(tail))
        tail += words(len(part)) + part.ljust((len(part) + 31) // 32 * 32, b"\x00")
    return head + tail


BLOCKS: dict[str, Callable[[Bed], Both]] = {
    "is empty": lambda bed: bed.run(),
    "pays a new account": one(to=NEW, value=5),
    "pays nothing to nobody": one(to=NEW),
    "pays the fee recipient": one(to=b"\xfe" * 20, value=1),
    "pays its own sender": one(to=KEYS[0].address, value=1),
    "is signed as before EIP-155": one(kind=0, chain_id=0, value=1),
    "names accounts and slots beforehand": one(
        kind=1, to=STORE, data=words(1, 5), access=((STORE, (words(1), words(9))), (NEW, ()))
    ),
    "pays the calldata floor": one(data=b"x" * 3_000),
    "pays the floor for zeros": one(data=bytes(3_000)),
    "sets, changes, clears and sets again": lambda bed: bed.run(
        *(
            Transfer(n, to=STORE, data=words(*pair)).signed()
            for n, pair in enumerate([(1, 0), (1, 7), (2, 0), (9, 0), (9, 9)])
        )
    ),
    "clears slots, for a refund above its cap": one(to=CLEAR),
    "runs until the gas ends": one(to=SPIN, gas=100_000),
    "creates a contract": one(to=b"", data=bytes.fromhex("6133ff6000526002601ef3"), value=3),
    "creates a contract whose code may not be": one(to=b"", data=bytes.fromhex("60ef60005360016000f3")),
    "creates a contract too large": one(to=b"", data=bytes.fromhex("6160015ff3"), gas=6_000_000),
    "creates from more bytes than are allowed to": one(to=b"", data=bytes.fromhex("60006000f3"), gas=200_000),
    "creates what destroys itself": one(to=b"", data=bytes.fromhex("600160005533ff"), value=9),
    "asks an older contract to destroy itself": one(to=DIE),
    "logs with topics": one(to=LOG, data=b"words in a log"),
    "ends inside": forward(int.from_bytes(SPIN, "big"), gas=200_000),
    "names blobs": one(kind=3, to=RETURN_BLOBS, hashes=(b"\x01" + b"h" * 31, b"\x01" + b"i" * 31)),
    "credits withdrawals": lambda bed: bed.run(
        withdrawals=[
            _withdrawal(n, *paid) for n, paid in enumerate([(NEW, 7), (NEW, 8), (STORE, 0), (b"\x98" * 20, 0)])
        ]
    ),
    "deposits to validators": lambda bed: bed.run(
        *(Transfer(n, to=bytes(DEPOSIT_CONTRACT_ADDRESS), data=_deposit(n)).signed() for n in range(2))
    ),
    "delegates an account": one(kind=4, authorizations=(authorization(KEYS[1], STORE, 0),)),
    "delegates, calls and sends from what was delegated": _delegated_then_called,
    "takes a delegation back": _delegation_taken_back,
    "lists authorizations that do not hold": _odd_authorizations,
    "recovers a signer": forward(1, words(7, 27, 5, 6)),
    "hashes": forward(2, b"abc"),
    "hashes otherwise": forward(3, b"abc"),
    "copies": forward(4, b"abc"),
    "raises to a power": forward(5, words(1, 1, 1) + b"\x03\x05\x07"),
    "raises to a power of much": forward(5, words(200, 40, 200) + b"\xaa" * 440),
    "adds points": forward(6, words(1, 2, 1, 2)),
    "adds what is no point": forward(6, words(1, 1, 1, 2), gas=300_000),
    "multiplies a point": forward(7, words(1, 2, 9)),
    "pairs nothing": forward(8),
    "compresses": forward(9, (12).to_bytes(4, "big") + bytes(208) + b"\x01"),
    "checks a blob's proof that is none": forward(10, bytes(192), gas=300_000),
    "adds on the other curve": forward(11, GENERATOR + GENERATOR),
    "adds opposite points on the other curve": forward(11, GENERATOR + OPPOSITE),
    "adds on the other curve what is no point": forward(11, GENERATOR + words(0, 1, 0, 1), gas=300_000),
    "multiplies and sums on the other curve": forward(12, (GENERATOR + words(3) + OPPOSITE + words(2)) * 3),
    "adds on its twin": forward(13, G2 + G2),
    "multiplies on its twin": forward(14, G2 + words(5)),
    "pairs with its twin": forward(15, G1 + G2 + GENERATOR + G2),
    "maps a field element": forward(16, words(0, 12345)),
    "maps a field element of the twin": forward(17, words(0, 12345, 0, 6789)),
    "calls beyond the last precompile": forward(18, b"x"),
    "asks for an ancestor's hash of EIP-2935": forward(int("0000f90827f1c53a10cb7a02335b175320002935", 16), words(0)),
    "asks for a beacon root of EIP-4788": forward(
        int("000f3df6d732807ef1319fb7b8bb8522d0beac02", 16), words(1_800_000_012)
    ),
    "holds transactions of three senders": lambda bed: bed.run(
        *(
            Transfer(n, to=STORE, data=words(n, sender), value=n).signed(KEYS[sender])
            for n in range(3)
            for sender in range(3)
        )
    ),
}  # fmt: skip
