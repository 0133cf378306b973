"""`Twins.vy` compiled beside the real modules and deployed on an embedded chain, called as plain functions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode
from vyper.compiler import compile_from_file_input
from vyper.compiler.input_bundle import FilesystemInputBundle
from vyper.compiler.settings import OptimizationLevel, Settings

from contracts.compiler import EVM_VERSION, SOURCES
from contracts.embedded.genesis import Genesis
from contracts.embedded.server import EmbeddedNode
from contracts.node import Node, RpcNode, data
from contracts.transactor import Transactor
from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256
from ledger.secp256k1 import SigningKey

CHAIN = "(uint256,bytes32,address)"
MESSAGE = f"(uint8,uint8,{CHAIN},{CHAIN},uint32,uint64,address,address,uint64,uint64,bytes32)"
VERDICT = "(bytes32,uint64,bytes32,bytes32,bytes32,uint64,uint8,bool,bytes32,uint8,uint64,uint64)"
FUNCTIONS = {
    "id": ([MESSAGE], ["bytes32"]),
    "lane": ([MESSAGE], ["bytes32"]),
    "attested": (["uint256", "address", "bytes32", "uint64"], ["bytes32"]),
    "judged": (["uint256", "address", VERDICT], ["bytes32"]),
    "encode": (["uint256", "address"], ["bytes"]),
    "decode": (["bytes"], ["uint256", "address"]),
    "root_of": (["bytes32[]"], ["bytes32"]),
    "signed": (["bytes32", "bytes"], ["bytes32"]),
    "paused": (["uint256", "address", "bytes32", "bool", "uint64"], ["bytes32"]),
    "root_of_several": (["bytes32[]", "uint256[]", "uint256", "bytes32[]"], ["bytes32"]),
    "root": (["bytes32", "uint256", "uint256", "bytes32[]"], ["bytes32"]),
}
DEPLOYER = SigningKey.from_secret(b"\x31" * 32)


@dataclass(frozen=True, slots=True)
class Twins:
    """The Vyper side of every rule that is written twice."""

    node: Node
    address: bytes

    def ask(self, *calls: tuple[str, tuple[Any, ...]]) -> list[Any]:
        """Results of several calls, in one exchange; errors as `Node.batch`, as soon as one call reverts."""
        requests = []
        for function, arguments in calls:
            inputs, _ = FUNCTIONS[function]
            selector = keccak256(f"{function}({','.join(inputs)})".encode())[:4]
            call = {"to": f"0x{self.address.hex()}", "data": f"0x{(selector + encode(inputs, arguments)).hex()}"}
            requests.append(("eth_call", [call, "latest"]))
        replies = self.node.batch(requests)
        decoded = [decode(FUNCTIONS[name][1], data(reply)) for (name, _), reply in zip(calls, replies, strict=True)]
        return [values[0] if len(values) == 1 else values for values in decoded]

    def accepts(self, function: str, *arguments: Any) -> Any:
        """The result, or None where the contract reverts."""
        try:
            return self.ask((function, arguments))[0]
        except Refused as refused:
            assert refused.code == "NODE_ERROR", refused
            return None


@contextmanager
def deployed_twins(folder: Path) -> Iterator[Twins]:
    """Compile, deploy on a fresh embedded chain, and stop it at the end."""
    bundle = FilesystemInputBundle([SOURCES, Path(__file__).parent])
    compiled = compile_from_file_input(
        bundle.load_file("Twins.vy"),
        input_bundle=bundle,
        settings=Settings(evm_version=EVM_VERSION, optimize=OptimizationLevel.GAS),
        output_formats=["bytecode"],
    )
    genesis = Genesis(7109, {f"0x{DEPLOYER.address.hex()}": 10**24})
    with EmbeddedNode.start(folder, genesis) as running:
        node = RpcNode(running.url)
        code = bytes.fromhex(compiled["bytecode"].removeprefix("0x"))
        mined = Transactor(node, DEPLOYER, chain_id=7109).send(None, code)
        assert mined.contract is not None
        yield Twins(node, mined.contract)
        node.close()
