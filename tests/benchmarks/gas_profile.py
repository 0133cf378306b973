"""Where a transaction's gas goes: by part (call data, storage, precompiles, memory, …) and by function of the source.

`make bench-gas ARGS='--profile "13 of 19"'` prints it for the lines so named. Every unit is counted once: what a call
hands to the one it calls is counted there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from eth.vm.computation import BaseComputation
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.gas_meter import GasMeter

from contracts.compiler import SOURCES, artifacts
from contracts.embedded.rules import EmbeddedComputation
from tests.benchmarks.gas_figures import Spent

STORAGE: Final = ("SLOAD", "SSTORE", "TLOAD", "TSTORE")
CALLS: Final = ("CALL", "STATICCALL", "DELEGATECALL")
COPIES: Final = ("CALLDATACOPY", "RETURNDATACOPY", "MCOPY", "EXTCODECOPY", "CODECOPY", "MLOAD", "MSTORE", "MSTORE8")
FLOW: Final = ("JUMP", "JUMPI", "JUMPDEST")
OUTER: Final = "outside any function"
MIN_SHARE: Final = 0.01  # smaller functions are summed

Place = tuple[bytes, bytes, int]  # code address, code, program counter


class Profile:
    """Gas of a call frame by part and by place in the code."""

    def __init__(self) -> None:
        self.parts: Counter[str] = Counter()
        self.places: Counter[Place] = Counter()

    @property
    def frame_gas(self) -> int:
        """All of it."""
        return sum(self.parts.values())

    def functions(self) -> Counter[str]:
        """Gas by function of the source; compiles the contracts once more, for their source maps."""
        found: Counter[str] = Counter()
        for place, amount in self.places.items():
            found[_function(place)] += amount
        return found

    def clear(self) -> None:
        """Forget: another transaction begins."""
        self.parts.clear()
        self.places.clear()

    def spend(self, computation: Any, amount: int, reason: str) -> None:
        """Note what an instruction or a precompile took."""
        self.parts[_part(reason)] += amount
        self.places[_place(computation)] += amount

    def hand_on(self, computation: Any, amount: int) -> None:
        """Take back what went to an inner call: it is noted where it is spent."""
        self.parts["calls"] -= amount
        self.places[_place(computation)] -= amount


@contextmanager
def recording() -> Iterator[Profile]:
    """Notes everything that py-evm executes inside; the last transaction's profile is what remains."""
    profile, stack = Profile(), list[Any]()
    consume, begin = GasMeter.consume_gas, BaseComputation.__init__

    def consume_and_note(meter: Any, amount: int, reason: str) -> None:
        consume(meter, amount, reason)
        profile.spend(meter.owner, amount, reason)

    def begin_and_enter(computation: Any, *arguments: Any) -> None:
        begin(computation, *arguments)
        meter = computation.get_gas_meter()
        meter.owner = computation
        if computation.msg.depth == 0:
            profile.clear()
        while stack and stack[-1].msg.depth >= computation.msg.depth:
            stack.pop()
        if stack:
            profile.hand_on(stack[-1], meter.start_gas)
        stack.append(computation)

    with (
        patch.object(GasMeter, "consume_gas", consume_and_note),
        patch.object(BaseComputation, "__init__", begin_and_enter),
        # py-evm's own operations: those that are done at once take their gas without asking the meter.
        patch.object(EmbeddedComputation, "opcodes", PragueComputation.opcodes),
    ):
        yield profile


def report(name: str, measure: Callable[[], Spent]) -> str:
    """The profile of the last transaction that `measure` sends."""
    measure()  # deploys what it needs, which is slow to record
    with recording() as profile:
        spent = measure()
    lines = [f"{name}: {spent.gas:,} gas, {spent.frame_gas:,} in the frame"]
    lines += [f"  {gas:>9,}  {part}" for part, gas in profile.parts.most_common()]
    lines.append("  by function:")
    large = {function: gas for function, gas in profile.functions().items() if gas >= profile.frame_gas * MIN_SHARE}
    lines += [f"  {gas:>9,}  {function}" for function, gas in Counter(large).most_common()]
    return "\n".join([*lines, f"  {profile.frame_gas - sum(large.values()):>9,}  others"])


def _part(reason: str) -> str:
    word = reason.split(maxsplit=1)[0].rstrip(":")
    if "recompile" in reason:
        return f"precompile {word.lower()}"
    for part, words in (("storage", STORAGE), ("calls", CALLS), ("memory access and copies", COPIES), ("jumps", FLOW)):
        if word in words:
            return part
    if word in ("SHA3", "Keccak"):
        return "keccak256"
    if reason.startswith("Expanding memory"):
        return "memory expansion"
    if word.startswith("LOG") or "Log" in reason:
        return "logs"
    if word.startswith(("PUSH", "DUP", "SWAP", "POP")):
        return "stack"
    return "arithmetic and other instructions"


def _place(computation: Any) -> Place:
    return bytes(computation.msg.code_address), bytes(computation.msg.code), computation.code.program_counter - 1


def _function(place: Place) -> str:
    address, code, position = place
    if not code:
        return f"precompile {int.from_bytes(address, 'big')}"
    name = _names().get(_head(code))
    return "an application outside the contracts" if name is None else f"{name}: {_positions(name)[position]}"


@cache
def _names() -> Mapping[bytes, str]:
    return {_head(bytes(_compiled(name).bytecode_runtime)): name for name in artifacts()}


def _head(code: bytes) -> bytes:
    return code[:600]  # immutables stand behind the code; the head is enough to tell the contracts apart


@cache
def _compiled(name: str) -> Any:
    from vyper.compiler.input_bundle import FilesystemInputBundle
    from vyper.compiler.phases import CompilerData
    from vyper.compiler.settings import OptimizationLevel, Settings

    from contracts.compiler import EVM_VERSION

    bundle = FilesystemInputBundle([SOURCES])
    settings = Settings(evm_version=EVM_VERSION, optimize=OptimizationLevel.GAS)
    return CompilerData(bundle.load_file(f"{name}.vy"), input_bundle=bundle, settings=settings)


@cache
def _positions(name: str) -> list[str]:
    from vyper import ast
    from vyper.ir.compile_ir import assembly_to_evm

    code, maps = assembly_to_evm(_compiled(name).assembly_runtime, compiler_metadata=None)
    found, here = [], OUTER
    for position in range(len(code)):
        node = maps["pc_raw_ast_map"].get(position)
        if node is not None:
            function = node if isinstance(node, ast.FunctionDef) else node.get_ancestor(ast.FunctionDef)
            module = Path(node.module_node.path).stem
            here = OUTER if function is None else f"{'' if module == name else f'{module}.'}{function.name}"
        found.append(here)
    return found
