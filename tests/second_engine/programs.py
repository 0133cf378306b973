"""Code drawn at random that runs far enough to matter: operands are pushed first, jumps lead on, memory is small."""

from __future__ import annotations

from random import Random

# Opcode: how many words it takes. Those that need more care are below.
_PLAIN = {
    **dict.fromkeys((0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0A, 0x0B), 2),  # arithmetic
    **dict.fromkeys((0x10, 0x11, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1A, 0x1B, 0x1C, 0x1D), 2),  # comparison, bits
    **dict.fromkeys((0x15, 0x19), 1),
    **dict.fromkeys((0x08, 0x09), 3),
    **dict.fromkeys((0x30, 0x32, 0x33, 0x34, 0x36, 0x38, 0x3A, 0x3D), 0),  # environment
    **dict.fromkeys((0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x4A, 0x58, 0x59, 0x5A), 0),  # block, pc, gas
    **dict.fromkeys((0x35, 0x49), 1),
}
_SMALL = (0x20, 0x51, 0x52, 0x53, 0x54, 0x55, 0x5C, 0x5D, 0x5E, 0x37, 0x39, 0x40, 0xF3, 0xFD, 0xA0, 0xA1, 0xA2, 0xA4)
_SMALL_WORDS = {0x20: 2, 0x51: 1, 0x52: 2, 0x53: 2, 0x54: 1, 0x55: 2, 0x5C: 1, 0x5D: 2, 0x5E: 3, 0x37: 3, 0x39: 3,
                0x40: 1, 0xF3: 2, 0xFD: 2, 0xA0: 2, 0xA1: 3, 0xA2: 4, 0xA4: 6}  # fmt: skip
_ON_ACCOUNTS = {0x31: 1, 0x3B: 1, 0x3F: 1}
_EDGES = (0, 1, 2, 31, 32, 255, 256, 2**64, 2**128, 2**255, 2**255 - 1, 2**256 - 1)


def program(random: Random, accounts: tuple[bytes, ...], steps: int = 40) -> bytes:
    """Runtime code of about `steps` operations that reads, calls and pays `accounts` among others."""
    code = bytearray()
    for _ in range(steps):
        code += _step(random, accounts)
    return bytes(code)


def _step(random: Random, accounts: tuple[bytes, ...]) -> bytes:
    draw = random.random()
    if draw < 0.35:
        op = random.choice(list(_PLAIN))
        return b"".join(_push(_word(random)) for _ in range(_PLAIN[op])) + bytes([op])
    if draw < 0.75:
        op = random.choices(_SMALL, [0.1 if each in (0xF3, 0xFD) else 1 for each in _SMALL])[0]
        return b"".join(
            _push(random.randrange(12) * random.choice((1, 1, 8))) for _ in range(_SMALL_WORDS[op])
        ) + bytes([op])
    if draw < 0.80:
        op = random.choice(list(_ON_ACCOUNTS))
        return _push_account(random, accounts) + bytes([op])
    if draw < 0.90:
        return _call(random, accounts)
    if draw < 0.93:
        return _create(random)
    if draw < 0.95:
        return _jump(random)
    if draw < 0.99:
        words = b"".join(_push(_word(random)) for _ in range(3))
        return words + bytes([random.choice((0x80, 0x90, 0x50, 0x5F, 0x81, 0x91))])
    if random.random() < 0.5:
        return b""
    return random.choice((_push_account(random, accounts) + b"\xff", b"\xfe", b"\x0c", b"\x00"))


def _word(random: Random) -> int:
    return random.choice((random.choice(_EDGES), random.randrange(300), random.getrandbits(256)))


def _push(value: int) -> bytes:
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([0x5F + len(raw)]) + raw


def _push_account(random: Random, accounts: tuple[bytes, ...]) -> bytes:
    if random.random() < 0.2:
        return _push(random.randrange(0x15))  # precompiles, and just above them
    return _push(int.from_bytes(random.choice(accounts), "big"))


def _call(random: Random, accounts: tuple[bytes, ...]) -> bytes:
    op = random.choice((0xF1, 0xF2, 0xF4, 0xFA))
    windows = b"".join(_push(random.randrange(0, 200)) for _ in range(4))  # out size and place, in size and place
    value = _push(random.choice((0, 0, 1))) if op in (0xF1, 0xF2) else b""
    gas = random.choice((b"\x5a", *(_push(random.randrange(limit)) for limit in (3_000, 30_000, 60_000))))
    return windows + value + _push_account(random, accounts) + gas + bytes([op])


def _create(random: Random) -> bytes:
    """A creation from memory: most often of a contract with one byte of code, else of whatever stands there."""
    init = bytes.fromhex("60fe60005360016000f3" if random.random() < 0.3 else "600060005360016000f3")
    store = _push(int.from_bytes(init.ljust(32, b"\x00"), "big")) + bytes.fromhex("5f52")
    size, place, value = _push(random.choice((len(init), len(init), 40))), b"\x5f", _push(random.choice((0, 0, 1)))
    if random.random() < 0.5:
        return store + size + place + value + b"\xf0"
    return store + _push(random.randrange(3)) + size + place + value + b"\xf5"


def _jump(random: Random) -> bytes:
    """Over one byte, where a word says so: a condition, the place after that byte, JUMPI."""
    return _push(random.randrange(2)) + bytes.fromhex("6004580157") + random.choice((b"\x5b", b"\x5a")) + b"\x5b"
