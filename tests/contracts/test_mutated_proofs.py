"""A hundred thousand mutated proofs, judged alike by Vyper, Python and, where it accepts, py-trie. Row D14.

Half of the mutations leave the root as it is: nearly all of them must be refused for a hash. The other half change a
node and name it anew all the way up, so that the root commits to what is malformed: there the form alone decides. What
is accepted must be the value that py-trie reads from the same nodes. py-trie is sound in what it reads, not in what it
lets pass: it takes nodes that are repeated, out of order or left over (row D08) and answers nothing for an absent key,
so its acceptance is no evidence and is not compared.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyrevm
import pytest
from eth_abi.abi import encode
from trie import HexaryTrie
from trie.exceptions import ValidationError

from contracts.compiler import artifact_at
from ledger.errors import Problem
from ledger.ethereum import rlp_strict
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.packed_nodes import pack_nodes
from ledger.ethereum.trie import Absent, Present, index_key, prove, trie_of
from tests.contracts.engines import GAS_LIMIT

MUTATIONS = 100_000
PARTS = 4  # so that two cores share the work
SELECTOR = keccak256(b"walk(bytes32,bytes32,uint256,bytes,uint256)")[:4]
CALLER = "0x" + "0e" * 20


@dataclass(frozen=True, slots=True)
class Case:
    """A claim: these nodes prove what stands under this key of this root."""

    root: bytes
    key: bytes
    nodes: tuple[bytes, ...]


class Judge:
    """`trie_proof.vy` on one EVM, without the comforts of `Evm`: a tenth of a millisecond a proof."""

    def __init__(self) -> None:
        self._evm = pyrevm.EVM(spec_id="CANCUN", gas_limit=GAS_LIMIT)
        self._evm.set_balance(CALLER, 10**24)
        code = artifact_at(Path(__file__).parent / "Proofs.vy").bytecode
        self._address = self._evm.deploy(CALLER, code)

    def judge(self, case: Case) -> Present | Absent | None:
        """What is proven; None where the contract reverts or nodes are left over."""
        packed = pack_nodes(case.nodes)
        key = case.key.ljust(32, b"\x00")
        head = case.root + key + (2 * len(case.key)).to_bytes(32, "big") + (160).to_bytes(32, "big") + bytes(32)
        # A word of zeros stands behind the nodes: the smallest tries are shorter than one.
        body = (len(packed) + 32).to_bytes(32, "big") + packed + bytes(32 + -len(packed) % 32)
        try:
            output = self._evm.message_call(CALLER, self._address, calldata=SELECTOR + head + body, gas=GAS_LIMIT)
        except RuntimeError as failure:
            if not str(failure).startswith("Revert "):
                raise
            return None
        at, length, end = (int.from_bytes(output[place : place + 32], "big") for place in (0, 32, 64))
        if end != len(packed):
            return None
        return Present(packed[at : at + length]) if length else Absent()


def by_twin(case: Case) -> Present | Absent | None:
    try:
        return prove(case.root, case.key, case.nodes)
    except Problem:
        return None


def by_library(case: Case) -> Present | Absent:
    """What py-trie reads from these nodes."""
    try:
        found = HexaryTrie(dict(zip(map(keccak256, case.nodes), case.nodes, strict=True)), case.root)[case.key]
    except ValidationError as failure:
        # Where a path ends inside an extension it stumbles over its own check; nothing is there.
        assert "never return an extension node" in str(failure)
        found = b""
    return Present(found) if found else Absent()


# -- honest proofs of many shapes -----------------------------------------------------------------------------------


def honest_cases(chance: random.Random) -> list[Case]:
    """Hashed keys, short keys that are prefixes of one another, lists of a block; present and absent keys of each."""
    tries: list[dict[bytes, bytes]] = [
        {keccak256(b"%d" % n): rlp_strict.encode(chance.randbytes(chance.choice((1, 20, 32)))) for n in range(300)},
        {index_key(n): chance.randbytes(chance.choice((40, 60, 300))) for n in range(140)},
        {index_key(n): chance.randbytes(3) for n in range(3)},
    ]
    for size in (1, 2, 5, 12, 30, 60):
        lengths, values = (0, 1, 1, 2, 2, 3, 4), (1, 2, 5, 27, 28, 29, 30, 31, 32, 33, 56)
        few = bytes((0x00, 0x01, 0x10, 0x11, 0x12, 0xF1, 0xFF))
        tries.append(
            {
                bytes(chance.choice(few) for _ in range(chance.choice(lengths))): chance.randbytes(
                    chance.choice(values)
                )
                for _ in range(size)
            }
        )
    cases = []
    for values_of in tries:
        trie = trie_of(values_of)
        present = chance.sample(sorted(values_of), min(12, len(values_of)))
        absent = [chance.randbytes(len(key)) for key in present] + [key[:-1] for key in present] + [b""]
        cases += [Case(trie.root, key, tuple(trie.proof(key))) for key in (*present, *absent)]
    return [case for case in cases if case.nodes]


# -- mutations --------------------------------------------------------------------------------------------------------


def flip(chance: random.Random, raw: bytes) -> bytes:
    place = chance.randrange(len(raw))
    return raw[:place] + bytes((raw[place] ^ 1 << chance.randrange(8),)) + raw[place + 1 :]


def prefix(chance: random.Random, raw: bytes) -> bytes:
    """Another byte where RLP's prefixes mostly stand."""
    places = [place for place, byte in enumerate(raw) if place < 4 or byte in (0x80, 0xA0, 0xC0)]
    place = chance.choice(places)
    new = chance.choice((0x00, 0x7F, 0x80, 0x81, 0x9F, 0xA0, 0xA1, 0xB8, 0xC0, 0xC1, 0xDF, 0xF8, 0xF9))
    return raw[:place] + bytes((new,)) + raw[place + 1 :]


def shorten(chance: random.Random, raw: bytes) -> bytes:
    return raw[: chance.randrange(len(raw))]


def insert(chance: random.Random, raw: bytes) -> bytes:
    place = chance.randrange(len(raw) + 1)
    return raw[:place] + chance.choice((b"\x00", b"\x80", chance.randbytes(1), b"\x81")) + raw[place:]


def item(chance: random.Random, raw: bytes) -> bytes:
    """Another item in the node's list, spelled canonically: what is left to refuse is its meaning."""
    decoded = rlp_strict.decode(raw)
    if not isinstance(decoded, tuple):
        return raw
    odd: tuple[rlp_strict.Rlp, ...] = (
        b"",
        b"\x20",
        b"\x31",
        b"\x00",
        b"\x11",
        chance.randbytes(31),
        chance.randbytes(32),
    )
    new = chance.choice((*odd, chance.randbytes(33), (), (b"\x31", b"v"), (b"\x20", b""), ((b"",), b"")))
    items = list(decoded)
    place = chance.randrange(len(items))
    items[place : place + chance.choice((0, 1, 1, 1, 1))] = [new] * chance.choice((0, 1, 1, 1, 1))
    return rlp_strict.encode(tuple(items))


BYTES: tuple[Callable[[random.Random, bytes], bytes], ...] = (flip, prefix, shorten, insert, item)


def rooted(chance: random.Random, case: Case) -> Case:
    """One node changed, and each above it given the new name: the root commits to the change."""
    nodes = list(case.nodes)
    place = chance.randrange(len(nodes))
    old = nodes[place]
    nodes[place] = chance.choice(BYTES)(chance, old)
    for above in range(place - 1, -1, -1):
        renamed = nodes[above].replace(keccak256(old), keccak256(nodes[above + 1]))
        old, nodes[above] = nodes[above], renamed
    return Case(keccak256(nodes[0]), case.key, tuple(nodes))


def unrooted(chance: random.Random, case: Case) -> Case:
    """Something changed that the root does not know of."""
    nodes = list(case.nodes)
    kind, place = chance.randrange(9), chance.randrange(len(nodes))
    if kind == 0:
        nodes[place] = chance.choice(BYTES)(chance, nodes[place])
    elif kind == 1:
        del nodes[place]
    elif kind == 2:
        nodes.insert(chance.randrange(len(nodes) + 1), nodes[place])
    elif kind == 3:
        chance.shuffle(nodes)
    elif kind == 4:
        nodes.insert(place, chance.choice((b"", b"\x80", b"\xc0", chance.randbytes(40))))
    elif kind == 5:
        nodes = nodes[: place + 1]
    elif kind == 6:
        return Case(flip(chance, case.root), case.key, tuple(nodes))
    elif kind == 7 and case.key:
        return Case(case.root, flip(chance, case.key), tuple(nodes))
    else:
        return Case(case.root, case.key[: len(case.key) // 2], tuple(nodes))
    return Case(case.root, case.key, tuple(nodes))


@pytest.mark.parametrize("part", range(PARTS))
def test_D14_mutated_proofs_are_judged_alike(part: int) -> None:
    chance = random.Random(f"mutated proofs {part}")
    judge, told = Judge(), Counter[str]()
    honest = honest_cases(chance)
    for case in honest:
        expected = by_twin(case)
        assert expected is not None
        assert expected == judge.judge(case) == by_library(case), case
    for number in range(MUTATIONS // PARTS):
        mutate = rooted if number % 2 else unrooted
        case = mutate(chance, chance.choice(honest))
        answer = by_twin(case)
        assert judge.judge(case) == answer, case
        if answer is not None:
            assert by_library(case) == answer, case
        told[f"{mutate.__name__} {type(answer).__name__}"] += 1
    assert sum(told.values()) == MUTATIONS // PARTS
    # Each kind of answer is met often enough to mean something.
    assert told["rooted NoneType"] > 4_000
    assert told["rooted Present"] > 400
    assert told["rooted Absent"] > 400
    assert told["unrooted NoneType"] > 8_000


def test_the_bulk_call_is_encoded_as_the_interface_says() -> None:
    packed = b"\x00\x01\x80" + bytes(32)
    by_hand = (bytes(32) + bytes(32) + (2).to_bytes(32, "big") + (160).to_bytes(32, "big") + bytes(32)) + (
        len(packed).to_bytes(32, "big") + packed + bytes(-len(packed) % 32)
    )
    types = ["bytes32", "bytes32", "uint256", "bytes", "uint256"]
    assert encode(types, [bytes(32), bytes(32), 2, packed, 0]) == by_hand
