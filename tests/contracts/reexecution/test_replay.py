"""A replay file shows again, with no node, what a check found; whoever alters it is refused or alters nothing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from contracts import verbs
from contracts.reexecution import BlockChecker, Verdict, evidence, replay
from contracts.reexecution.replay_file import MAX_FILE_BYTES, decode_replay
from ledger.bundle.cbor import decode, encode
from ledger.errors import BadInput, Problem
from tests.contracts.reexecution.chains import Chain, LyingNode, anvil, require
from tests.contracts.reexecution.conftest import Told
from tests.contracts.reexecution.story import STORY
from tests.contracts.reexecution.test_false_chains import Watch, rewrite, slot_of

pytestmark = pytest.mark.filterwarnings("ignore:SELFDESTRUCT opcode")

PARTS = ("transactions", "receipts", "nodes", "codes", "ancestors")


def witness_of(chain: Chain, number: int) -> bytes:
    checker = BlockChecker(chain.node, chain.rules)
    require(checker.check(chain.header(number - 1), number), Verdict.SAME)
    raw = checker.witness()
    assert raw is not None
    return raw


@pytest.mark.parametrize("deed", STORY)
def test_an_honest_block_replays_as_the_same(told: Told, deed: str) -> None:
    number = told.blocks[deed]
    raw = witness_of(told.chain, number)
    found = replay(raw, rules=told.chain.rules)
    assert (found.verdict, found.reason, found.proves_itself) == (Verdict.SAME, "", True)
    assert (found.number, found.block_hash) == (number, told.chain.header(number).hash)
    assert {"state root", "gas used", "logs bloom", "requests hash"} <= {each.what for each in found.comparisons}
    assert decode_replay(raw).encode() == raw == witness_of(told.chain, number)


def test_a_checker_that_knows_more_writes_no_more(told: Told) -> None:
    checker = BlockChecker(told.chain.node, told.chain.rules)
    numbers = sorted(told.blocks.values())
    for number in numbers:
        require(checker.check(told.chain.header(number - 1), number), Verdict.SAME)
    number = told.blocks["calls itself"]
    require(checker.check(told.chain.header(number - 1), number), Verdict.SAME)
    assert checker.witness() == witness_of(told.chain, number)


def flipped(part: bytes, place: int) -> bytes:
    return part[:place] + bytes([part[place] ^ 1]) + part[place + 1 :]


def altered(fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every part with a byte changed at its start, middle and end; every part taken away, doubled or out of order."""
    for name in ("parent", "header"):
        for place in (0, 40, len(fields[name]) // 2, len(fields[name]) - 1):
            yield fields | {name: flipped(fields[name], place)}
    for name in PARTS:
        parts = fields[name]
        for index, part in enumerate(parts):
            for place in {0, len(part) // 2, len(part) - 1}:
                yield fields | {name: [*parts[:index], flipped(part, place), *parts[index + 1 :]]}
            yield fields | {name: [*parts[:index], *parts[index + 1 :]]}
        if parts:
            yield fields | {name: [*parts, parts[0]]}
        if len(parts) > 1:
            yield fields | {name: parts[::-1]}
    yield fields | {"withdrawals": [b"\xc0"]}


@pytest.mark.parametrize("deed", ["clears half of forty slots", "reads an ancestor's hash", "transfers"])
def test_whatever_is_altered_in_an_honest_file_it_never_shows_a_difference(told: Told, deed: str) -> None:
    raw = witness_of(told.chain, told.blocks[deed])
    fields: Any = decode(raw)
    known = told.chain.header(told.blocks[deed]).hash
    tried = 0
    for forged in altered(fields):
        with pytest.raises(Problem) as refusal:
            replay(encode(forged), rules=told.chain.rules, block_hash=known)
        assert refusal.value.code.startswith("REPLAY_"), refusal.value
        tried += 1
    assert tried > 20
    assert replay(raw, rules=told.chain.rules, block_hash=known).verdict is Verdict.SAME


@pytest.mark.parametrize(
    "change",
    [
        {"trie": "standard"},
        {"trie": "keeps_zero_leaves"},
        {"system_writes": False},
        {"chain_id": 1},
        {"base_fee": "free"},
    ],
    ids=str,
)
def test_other_rules_than_the_manifest_s_are_refused(told: Told, change: dict[str, Any]) -> None:
    raw = witness_of(told.chain, told.blocks["sets a slot"])
    other = replace(told.chain.rules, **change)
    if other == told.chain.rules:
        assert replay(raw, rules=other).verdict is Verdict.SAME
        return
    with pytest.raises(BadInput) as refusal:
        replay(raw, rules=other)
    assert refusal.value.code == "REPLAY_RULES"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"format": "pledgetrail-replay/2"}, "REPLAY_FORMAT"),
        ({"kind": "answers"}, "REPLAY_FORMAT"),
        ({"kind": 3}, "REPLAY_FORMAT"),
        ({"extra": 1}, "REPLAY_FORMAT"),
        ({"nodes": b""}, "REPLAY_FORMAT"),
        ({"nodes": [1]}, "REPLAY_FORMAT"),
        ({"parent": b""}, "REPLAY_BINDING"),
        ({"chain": {}}, "REPLAY_FORMAT"),
        ({"chain": {"chain_id": True}}, "REPLAY_FORMAT"),
    ],
    ids=str,
)
def test_a_malformed_file_is_refused(told: Told, change: dict[str, Any], code: str) -> None:
    fields: Any = decode(witness_of(told.chain, told.blocks["transfers"]))
    if change.get("chain"):
        change = {"chain": fields["chain"] | change["chain"]}
    with pytest.raises(BadInput) as refusal:
        decode_replay(encode(fields | change))
    assert refusal.value.code == code


def test_bytes_that_are_no_file_are_refused(told: Told) -> None:
    raw = witness_of(told.chain, told.blocks["transfers"])
    for junk in (b"", b"\x00", raw[:-1], raw + b"\x00", b"[" * 1_000):
        with pytest.raises(BadInput):
            decode_replay(junk)
    with pytest.raises(BadInput) as refusal:
        decode_replay(bytes(MAX_FILE_BYTES + 1))
    assert refusal.value.code == "REPLAY_SIZE"


@pytest.fixture(name="rewritten", scope="module")
def _rewritten() -> Iterator[tuple[Chain, bytes]]:
    """A chain on which a slot was rewritten without a transaction, and the file of the block that seals it."""
    with anvil() as chain:
        chain.deploy()
        slot, watch = slot_of(chain, 3), Watch(chain)
        require(watch.check(chain.call("store(uint256,uint256)", 4, 6)), Verdict.SAME)
        rewrite(chain, slot)
        number = chain.call("store(uint256,uint256)", 4, 7)
        require(watch.check(number), Verdict.DIFFERS, "another storage root")
        raw = evidence(watch.checker, chain.header(number - 1), number)
        assert raw is not None
        yield chain, raw


def test_a_rewritten_slot_is_shown_again_and_the_file_proves_itself(rewritten: tuple[Chain, bytes]) -> None:
    chain, raw = rewritten
    found = replay(raw, rules=chain.rules)
    assert (found.verdict, found.proves_itself) == (Verdict.DIFFERS, True)
    assert f"0x{chain.contract.hex()} has another storage root" in found.reason
    assert [each.what for each in found.comparisons if each.reason] == ["state root"]


def test_no_alteration_of_a_differing_file_makes_it_the_same(rewritten: tuple[Chain, bytes]) -> None:
    chain, raw = rewritten
    fields: Any = decode(raw)
    known = replay(raw).block_hash
    refused = 0
    for forged in altered(fields):
        try:
            # What only names the account that differs may be missing: the difference stands.
            assert replay(encode(forged), rules=chain.rules, block_hash=known).verdict is Verdict.DIFFERS
        except Problem as problem:
            assert problem.code.startswith("REPLAY_"), problem
            refused += 1
    assert refused > 20


def test_answers_that_do_not_prove_themselves_are_shown_as_what_they_are(told: Told) -> None:
    def lie(method: str, params: Any, result: Any) -> Any:
        if method == "eth_getBlockByNumber" and params[1]:
            result["gasUsed"] = hex(int(result["gasUsed"], 16) + 1)
        return result

    number = told.blocks["sets a slot"]
    parent = told.chain.header(number - 1)
    checker = BlockChecker(LyingNode(told.chain.node, lie), told.chain.rules)
    require(checker.check(parent, number), Verdict.DIFFERS, "HEADER_HASH")
    raw = evidence(checker, parent, number)
    assert raw is not None
    found = replay(raw)
    assert (found.verdict, found.proves_itself, found.block_hash) == (Verdict.DIFFERS, False, None)
    assert "HEADER_HASH" in found.reason
    fields: Any = decode(raw)
    with pytest.raises(BadInput) as refusal:
        replay(encode(fields | {"answers": fields["answers"][:-1]}))
    assert refusal.value.code == "REPLAY_INCOMPLETE"
    with pytest.raises(BadInput) as refusal:
        replay(encode(fields | {"answers": fields["answers"][::-1]}))
    assert refusal.value.code == "REPLAY_FORMAT"


def test_a_node_that_tells_the_truth_the_second_time_leaves_no_evidence(told: Told) -> None:
    number = told.blocks["sets a slot"]
    parent = told.chain.header(number - 1)
    checker = BlockChecker(told.chain.node, told.chain.rules)
    require(checker.check(parent, number), Verdict.SAME)
    assert evidence(checker, parent, number) is None


def run(*arguments: str) -> tuple[int, str]:
    app = typer.Typer(pretty_exceptions_enable=False)
    verbs.register(app)
    ran = CliRunner().invoke(app, ["replay", *arguments])
    return ran.exit_code, ran.output


def test_the_command_says_same_differs_or_malformed_by_its_status(
    told: Told, rewritten: tuple[Chain, bytes], tmp_path: Path
) -> None:
    same, differs, broken = (tmp_path / name for name in ("same", "differs", "broken"))
    number = told.blocks["holds five transactions of two senders"]
    same.write_bytes(witness_of(told.chain, number))
    differs.write_bytes(rewritten[1])
    broken.write_bytes(rewritten[1][:-1])
    status, shown = run(str(same))
    assert (status, shown.count("="), "≠" in shown) == (0, 11, False), shown
    assert f"block {number}" in shown
    status, shown = run(str(differs))
    assert (status, shown.count("≠")) == (1, 1)
    assert "another storage root" in shown.replace("\n", " ")
    status, shown = run(str(differs), "--json")
    told_json = json.loads(shown)
    assert (status, told_json["verdict"], told_json["proves_itself"]) == (1, "differs", True)
    assert run(str(differs), "--block-hash", told_json["block_hash"])[0] == 1
    assert run(str(differs), "--block-hash", f"0x{'ab' * 32}")[0] == 2
    assert run(str(differs), "--block-hash", "ab")[0] == 2
    for wrong, code in ((broken, "NON_CANONICAL"), (tmp_path / "nowhere", "REPLAY_UNREADABLE")):
        status, shown = run(str(wrong))
        assert (status, code in shown) == (2, True), shown
