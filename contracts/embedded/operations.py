"""The commonest operations of the EVM, done at once where nothing is out of the ordinary; py-evm decides all else.

Each one here looks first and changes nothing until it knows that the operation succeeds: enough gas, enough on the
stack, room for what comes, memory that is there already, a jump to where one may go. Otherwise it hands over to
py-evm's own operation, which finds everything as it was, and refuses in its own words or does what is rare. What may
never happen here: a result that py-evm's operation would not have left, in stack, memory, gas or program counter; a
test holds each of these equal to it. py-evm's spend most of their time on calls of calls, and on checks of what they
have checked before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import and_, or_, xor
from typing import Any, Final, TypeAlias

from eth.vm import opcode_values as codes
from eth.vm.opcode import _FastOpcode

Operation: TypeAlias = Callable[[Any], None]

STACK_LIMIT: Final = 1024
WORD_BYTES: Final = 32
_MASK: Final = 2**256 - 1


def hastened(opcodes: Mapping[int, Any]) -> dict[int, Any]:
    """py-evm's table of operations with the common ones done at once."""
    makers: dict[int, Callable[[Any], Operation]] = {
        codes.POP: _pop,
        codes.MLOAD: _mload,
        codes.MSTORE: _mstore,
        codes.JUMP: _jump,
        codes.JUMPI: _jumpi,
        codes.JUMPDEST: _jumpdest,
        codes.CALLDATALOAD: _calldataload,
        codes.ISZERO: lambda plain: _unary(plain, lambda value: int(value == 0)),
        codes.NOT: lambda plain: _unary(plain, lambda value: _MASK - value),
        codes.ADD: lambda plain: _binary(plain, lambda left, right: (left + right) & _MASK),
        codes.SUB: lambda plain: _binary(plain, lambda left, right: (left - right) & _MASK),
        codes.MUL: lambda plain: _binary(plain, lambda left, right: (left * right) & _MASK),
        codes.LT: lambda plain: _binary(plain, lambda left, right: int(left < right)),
        codes.GT: lambda plain: _binary(plain, lambda left, right: int(left > right)),
        codes.EQ: lambda plain: _binary(plain, lambda left, right: int(left == right)),
        codes.AND: lambda plain: _binary(plain, and_),
        codes.OR: lambda plain: _binary(plain, or_),
        codes.XOR: lambda plain: _binary(plain, xor),
        codes.SHL: lambda plain: _binary(plain, lambda by, value: (value << by) & _MASK if by < 256 else 0),
        codes.SHR: lambda plain: _binary(plain, lambda by, value: value >> by if by < 256 else 0),
    }
    makers |= {codes.PUSH1 + size - 1: _pushing(size) for size in range(1, WORD_BYTES + 1)}
    makers |= {codes.DUP1 + place - 1: _duplicating(place) for place in range(1, 17)}
    makers |= {codes.SWAP1 + place - 1: _swapping(place) for place in range(1, 17)}
    # Only what py-evm itself does in its plain way: an operation that a fork has wrapped keeps its wrapping.
    return {
        code: makers[code](plain) if code in makers and type(plain) is _FastOpcode else plain
        for code, plain in opcodes.items()
    }


def _int(item: int | bytes) -> int:
    """A stack item, which py-evm keeps as whichever of the two it was pushed."""
    return item if type(item) is int else int.from_bytes(item, "big")  # type: ignore[arg-type]


def _pushing(size: int) -> Callable[[Any], Operation]:
    def make(plain: Any) -> Operation:
        cost = plain.gas_cost

        def push(computation: Any) -> None:
            meter, values, code = computation._gas_meter, computation._stack.values, computation.code
            start = code.program_counter
            raw = code._raw_code_bytes[start : start + size]
            if meter.gas_remaining < cost or len(values) >= STACK_LIMIT or len(raw) != size:
                plain(computation)
                return
            meter.gas_remaining -= cost
            code.program_counter = start + size
            values.append(raw)

        return push

    return make


def _duplicating(place: int) -> Callable[[Any], Operation]:
    def make(plain: Any) -> Operation:
        cost = plain.gas_cost

        def dup(computation: Any) -> None:
            meter, values = computation._gas_meter, computation._stack.values
            if meter.gas_remaining < cost or not place <= len(values) < STACK_LIMIT:
                plain(computation)
                return
            meter.gas_remaining -= cost
            values.append(values[-place])

        return dup

    return make


def _swapping(place: int) -> Callable[[Any], Operation]:
    other = -place - 1

    def make(plain: Any) -> Operation:
        cost = plain.gas_cost

        def swap(computation: Any) -> None:
            meter, values = computation._gas_meter, computation._stack.values
            if meter.gas_remaining < cost or len(values) <= place:
                plain(computation)
                return
            meter.gas_remaining -= cost
            values[-1], values[other] = values[other], values[-1]

        return swap

    return make


def _binary(plain: Any, result: Callable[[int, int], int]) -> Operation:
    """`result`: of the topmost item and the one below it, of 256 bits."""
    cost = plain.gas_cost

    def operation(computation: Any) -> None:
        meter, values = computation._gas_meter, computation._stack.values
        if meter.gas_remaining < cost or len(values) < 2:
            plain(computation)
            return
        meter.gas_remaining -= cost
        left, right = values.pop(), values[-1]
        if type(left) is not int:
            left = int.from_bytes(left, "big")
        if type(right) is not int:
            right = int.from_bytes(right, "big")
        values[-1] = result(left, right)

    return operation


def _unary(plain: Any, result: Callable[[int], int]) -> Operation:
    cost = plain.gas_cost

    def operation(computation: Any) -> None:
        meter, values = computation._gas_meter, computation._stack.values
        if meter.gas_remaining < cost or not values:
            plain(computation)
            return
        meter.gas_remaining -= cost
        values[-1] = result(_int(values[-1]))

    return operation


def _pop(plain: Any) -> Operation:
    cost = plain.gas_cost

    def pop(computation: Any) -> None:
        meter, values = computation._gas_meter, computation._stack.values
        if meter.gas_remaining < cost or not values:
            plain(computation)
            return
        meter.gas_remaining -= cost
        values.pop()

    return pop


def _mload(plain: Any) -> Operation:
    cost = plain.gas_cost

    def mload(computation: Any) -> None:
        meter, values, memory = computation._gas_meter, computation._stack.values, computation._memory._bytes
        start = _int(values[-1]) if values else 0
        if meter.gas_remaining < cost or not values or start + WORD_BYTES > len(memory):
            plain(computation)
            return
        meter.gas_remaining -= cost
        values[-1] = bytes(memory[start : start + WORD_BYTES])

    return mload


def _mstore(plain: Any) -> Operation:
    cost = plain.gas_cost

    def mstore(computation: Any) -> None:
        meter, values, memory = computation._gas_meter, computation._stack.values, computation._memory._bytes
        start = _int(values[-1]) if len(values) > 1 else 0
        if meter.gas_remaining < cost or len(values) < 2 or start + WORD_BYTES > len(memory):
            plain(computation)
            return
        meter.gas_remaining -= cost
        values.pop()
        memory[start : start + WORD_BYTES] = _int(values.pop()).to_bytes(WORD_BYTES, "big")

    return mstore


def _calldataload(plain: Any) -> Operation:
    cost = plain.gas_cost

    def calldataload(computation: Any) -> None:
        meter, values = computation._gas_meter, computation._stack.values
        if meter.gas_remaining < cost or not values:
            plain(computation)
            return
        meter.gas_remaining -= cost
        start = _int(values[-1])
        values[-1] = bytes(computation.msg.data[start : start + WORD_BYTES]).ljust(WORD_BYTES, b"\x00")

    return calldataload


def _jumpdest(plain: Any) -> Operation:
    cost = plain.gas_cost

    def jumpdest(computation: Any) -> None:
        meter = computation._gas_meter
        if meter.gas_remaining < cost:
            plain(computation)
            return
        meter.gas_remaining -= cost

    return jumpdest


def _jump(plain: Any) -> Operation:
    cost = plain.gas_cost

    def jump(computation: Any) -> None:
        meter, values = computation._gas_meter, computation._stack.values
        if meter.gas_remaining < cost or not values or not _leads(computation.code, _int(values[-1])):
            plain(computation)
            return
        meter.gas_remaining -= cost
        computation.code.program_counter = _int(values.pop())

    return jump


def _jumpi(plain: Any) -> Operation:
    cost = plain.gas_cost

    def jumpi(computation: Any) -> None:
        meter, values = computation._gas_meter, computation._stack.values
        if meter.gas_remaining < cost or len(values) < 2:
            plain(computation)
            return
        jumps = _int(values[-2]) != 0
        if jumps and not _leads(computation.code, _int(values[-1])):
            plain(computation)
            return
        meter.gas_remaining -= cost
        place = values.pop()
        values.pop()
        if jumps:
            computation.code.program_counter = _int(place)

    return jumpi


def _leads(code: Any, place: int) -> bool:
    """Whether one may jump there: a JUMPDEST that is no part of what is pushed."""
    raw = code._raw_code_bytes
    if place >= len(raw) or raw[place] != codes.JUMPDEST:
        return False
    return place in code.valid_positions or code.is_valid_opcode(place)
