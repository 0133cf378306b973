"""The operations that are done at once leave what py-evm's own leave: stack, memory, gas, place in the code, error."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from eth.exceptions import VMError
from eth.vm import opcode_values as codes
from eth.vm.code_stream import CodeStream
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.gas_meter import GasMeter
from eth.vm.memory import Memory
from eth.vm.stack import Stack
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.embedded.operations import STACK_LIMIT, hastened
from contracts.embedded.rules import EmbeddedComputation

PLAIN = PragueComputation.opcodes
HASTENED = hastened(PLAIN)
OURS = sorted(code for code, operation in HASTENED.items() if operation is not PLAIN[code])
MOST = 2**256 - 1


@dataclass(frozen=True)
class Scene:
    """What an operation finds."""

    stack: list[int | bytes]
    gas: int = 100
    memory: bytes = bytes(64)
    code: bytes = b"\x00"
    place: int = 0
    data: bytes = b""


def left_by(operation: Any, scene: Scene) -> tuple[object, ...]:
    """What is there afterwards; where it is refused, by which error, in which words."""
    found = EmbeddedComputation.__new__(EmbeddedComputation)
    found.code, found._gas_meter, found._stack, found._memory = (
        CodeStream(scene.code),
        GasMeter(scene.gas),
        Stack(),
        Memory(),
    )
    found.code.program_counter = scene.place
    found._stack.values.extend(scene.stack)
    found._memory._bytes.extend(scene.memory)
    found.msg = SimpleNamespace(data=memoryview(scene.data), data_as_bytes=scene.data)
    try:
        operation(computation=found)
    except VMError as refusal:
        return type(refusal), str(refusal)  # whoever is refused has lost everything: nothing else is asked about
    stack = [item if isinstance(item, int) else int.from_bytes(item, "big") for item in found._stack.values]
    return stack, bytes(found._memory._bytes), found._gas_meter.gas_remaining, found.code.program_counter


def same(code: int, scene: Scene) -> tuple[object, ...]:
    """What both leave, which must be one."""
    plain, ours = left_by(PLAIN[code], scene), left_by(HASTENED[code], scene)
    assert ours == plain, (hex(code), scene)
    return ours


numbers = st.one_of(
    st.integers(0, 70),
    st.sampled_from([2**255, 2**255 - 1, MOST, MOST - 31, 2**64, 255, 256, 257]),
    st.integers(0, MOST),
)
items: st.SearchStrategy[int | bytes] = st.one_of(numbers, st.binary(max_size=32))
stacks = st.one_of(
    st.lists(items, max_size=19),
    st.sampled_from([STACK_LIMIT - 1, STACK_LIMIT]).map(lambda depth: [7] * depth),
)
scenes = st.builds(
    Scene,
    stack=stacks,
    gas=st.one_of(st.integers(0, 12), st.just(10**6)),
    memory=st.sampled_from([b"", bytes(32), bytes(range(96))]),
    code=st.one_of(
        st.binary(max_size=40),
        st.lists(st.sampled_from([codes.JUMPDEST, codes.PUSH1, codes.PUSH1 + 3, codes.STOP]), max_size=40).map(bytes),
    ),
    place=st.integers(0, 41),
    data=st.binary(max_size=70),
)


EDGES: list[int | bytes] = [
    *(0, 1, 2, 3, 31, 32, 33, 63, 64, 65, 255, 256, 257, 2**64, 2**255 - 1, 2**255, MOST - 31, MOST),
    *(b"", b"\x00", b"\x00\x05", b"\x00" * 31 + b"\x40", b"\xff" * 32),
]
# Places to jump to, places that look so and are pushed, and operations that are none.
CODE = bytes.fromhex("5b605b5b615b5b5b7f") + b"\x5b" * 32 + b"\x5b\x00\xfe" + b"\x5b\x60" * 10 + b"\x62\x5b"


@pytest.mark.parametrize("code", OURS, ids=[PLAIN[code].mnemonic for code in OURS])
def test_at_the_edges_each_leaves_what_py_evms_leaves(code: int) -> None:
    one, other = (EDGES[:3], EDGES[:3]) if codes.PUSH1 <= code <= codes.SWAP16 else (EDGES, EDGES)
    for top in one:
        for below in other:
            same(code, Scene([9, below, top], memory=bytes(range(96)), code=CODE, place=4, data=bytes(range(1, 71))))


@pytest.mark.parametrize("depth", [0, 1, 2, 15, 16, 17, STACK_LIMIT - 1, STACK_LIMIT])
def test_with_too_little_or_too_much_on_the_stack_each_is_refused_alike(depth: int) -> None:
    for code in OURS:
        same(code, Scene([1] * depth, code=CODE, place=4))


@settings(max_examples=500)
@given(code=st.sampled_from(OURS), scene=scenes)
@example(code=codes.JUMP, scene=Scene([3], code=b"\x00\x60\x5b\x5b"))
@example(code=codes.JUMP, scene=Scene([2], code=b"\x00\x60\x5b\x5b"))
@example(code=codes.JUMPI, scene=Scene([1, 3], code=b"\x00\x60\x5b\x5b"))
@example(code=codes.JUMPI, scene=Scene([b"\x00\x00", 9], code=b"\x00"))
@example(code=codes.MSTORE, scene=Scene([MOST, 32], memory=bytes(64)))
@example(code=codes.MSTORE, scene=Scene([1, 33], memory=bytes(64)))
@example(code=codes.MLOAD, scene=Scene([MOST]))
@example(code=codes.CALLDATALOAD, scene=Scene([MOST], data=b"ab"))
@example(code=codes.PUSH32, scene=Scene([], code=b"\x01" * 31))
def test_every_operation_leaves_what_py_evms_leaves(code: int, scene: Scene) -> None:
    same(code, scene)


@pytest.mark.parametrize("code", OURS, ids=[PLAIN[code].mnemonic for code in OURS])
def test_each_is_reached_and_refused_alike(code: int) -> None:
    stack: list[int | bytes] = [5, *(number.to_bytes(2, "big") for number in range(1, 16)), 1, 1]
    scene = Scene(stack, code=b"\x00\x5b" + bytes(40), place=2)
    assert isinstance(same(code, scene)[0], list)
    cost = PLAIN[code].gas_cost
    assert isinstance(same(code, Scene(stack, gas=cost, code=scene.code, place=2))[0], list)
    assert isinstance(same(code, Scene(stack, gas=cost - 1, code=scene.code, place=2))[0], type), "out of gas"


def test_the_chain_runs_them_and_leaves_alone_what_py_evm_wrapped() -> None:
    assert len(OURS) > 80
    assert {code: EmbeddedComputation.opcodes[code] for code in OURS}.keys() == set(OURS)
    assert all(EmbeddedComputation.opcodes[code] is not PLAIN[code] for code in OURS)
    assert HASTENED[codes.SSTORE] is PLAIN[codes.SSTORE]
    wrapped = dict(PLAIN) | {codes.ADD: object()}
    assert hastened(wrapped)[codes.ADD] is wrapped[codes.ADD]
