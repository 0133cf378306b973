"""The same program against nodes of the user's own: the whole journey on three anvil nodes, by URL."""

from __future__ import annotations

import json
from pathlib import Path

from contracts.manifest import Role
from contracts.node import RpcNode
from examples.demo.accounts import ROLES
from examples.demo.journal import STEPS
from ledger.secp256k1 import SigningKey
from tests.acceptance.program import read_json, run
from tests.chains import CHAIN_IDS, three_anvils


def test_the_whole_journey_on_three_anvil_nodes(tmp_path: Path) -> None:
    keys = {role: SigningKey.from_secret(bytes([0x31 + number]) * 32) for number, role in enumerate(ROLES)}
    accounts = tmp_path / "accounts.json"
    accounts.write_text(json.dumps({role: f"0x{key.secret.hex()}" for role, key in keys.items()}))
    table = tmp_path / "out.json"
    with three_anvils() as nodes:
        for node in nodes.values():
            fund(node.url, keys)
        arguments = ["demo", "--exit", "--json", str(table), "--data", str(tmp_path / "data"), "--port", "0"]
        arguments += ["--accounts", str(accounts), "--trie", "keeps_zero_leaves"]
        for role in Role:
            arguments += ["--node", f"{role}={nodes[role].url}"]
        ran = run(arguments, home=tmp_path)
        assert ran.status == 0, ran.out + ran.err
        written = read_json(table)
        assert [step["step"] for step in written["steps"] if step["held"]] == list(STEPS)
        # The ids are the anvil nodes' own transactions, and no embedded chain was started beside them.
        for step in written["steps"]:
            if step["tx"]:
                role = next(role for role, chain_id in CHAIN_IDS.items() if step["chain"] == f"eip155:{chain_id}")
                assert mined_in(nodes[role].url, step["tx"]) == step["block"]
        assert not (tmp_path / "data" / "chains").exists()


def fund(url: str, keys: dict[str, SigningKey]) -> None:
    node = RpcNode(url)
    for key in keys.values():
        node.request("anvil_setBalance", f"0x{key.address.hex()}", hex(10**21))
    # A cheat code changes the last state in place: the block mined now is the one that proves.
    node.request("anvil_mine", "0x2")
    node.close()


def mined_in(url: str, transaction: str) -> int:
    node = RpcNode(url)
    receipt = node.request("eth_getTransactionReceipt", transaction)
    node.close()
    return int(receipt["blockNumber"], 16)
