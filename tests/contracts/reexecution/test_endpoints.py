"""Several nodes of one chain: a liar among them costs time and changes no verdict. And what a node hides is fetched
another way.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from contracts.reexecution import BlockChecker, Verdict, evidence, replay
from contracts.reexecution.claims import decode_withdrawal
from contracts.reexecution.replay_file import WitnessFile, decode_replay
from ledger.errors import BadInput, Unavailable
from ledger.ethereum import rlp_strict
from ledger.ethereum.trie import ordered_root
from tests.contracts.reexecution.chains import Chain, Lie, LyingNode, anvil, require
from tests.contracts.reexecution.conftest import Told
from tests.contracts.reexecution.test_false_chains import Watch, rewrite, slot_of
from tests.contracts.reexecution.test_liars import changed, in_block, in_receipt


def without_proofs(method: str, params: Sequence[Any], result: Any) -> Any:
    if method == "eth_getProof":
        result["accountProof"] = []
        result["storageProof"] = [entry | {"proof": []} for entry in result["storageProof"]]
    return result


def silent(method: str, params: Sequence[Any], result: Any) -> Any:
    raise Unavailable("NODE_UNREACHABLE", "the node did not answer")


LIARS: dict[str, Lie] = {
    "no proofs": without_proofs,
    "a false header": in_block(stateRoot=changed),
    "a false tx_receipt": in_receipt(status=lambda _: "0x0"),
    "silence": silent,
}


def checker_of(chain: Chain, *lies: Lie | None) -> BlockChecker:
    nodes = [chain.node if lie is None else LyingNode(chain.node, lie) for lie in lies]
    return BlockChecker(nodes[0], chain.rules, nodes[1:])


@pytest.mark.parametrize("liar", LIARS)
def test_one_honest_node_among_liars_shows_the_block_wherever_it_stands(told: Told, liar: str) -> None:
    number = told.blocks["sets forty slots"]
    parent = told.chain.header(number - 1)
    for lies in set(permutations([LIARS[liar], LIARS["no proofs"], None])):
        require(checker_of(told.chain, *lies).check(parent, number), Verdict.SAME)


def test_a_pre_state_that_proves_from_no_endpoint_differs_and_from_a_silent_one_nothing_is_known(told: Told) -> None:
    number = told.blocks["sets forty slots"]
    parent = told.chain.header(number - 1)
    none = checker_of(told.chain, without_proofs, without_proofs)
    require(none.check(parent, number), Verdict.DIFFERS, "does not prove")
    raw = evidence(none, parent, number)
    assert raw is not None
    assert (replay(raw).verdict, replay(raw).proves_itself) == (Verdict.DIFFERS, False)
    for lies in permutations([without_proofs, silent]):
        require(checker_of(told.chain, *lies).check(parent, number), Verdict.UNKNOWN, "NODE_UNREACHABLE")
    require(checker_of(told.chain, without_proofs, None).check(parent, number), Verdict.SAME)


def test_a_block_that_differs_by_its_own_parts_differs_whatever_other_nodes_say() -> None:
    with anvil() as chain:
        chain.deploy()
        slot, watch = slot_of(chain, 3), Watch(chain)
        watch.checker = checker_of(chain, None, silent)
        require(watch.check(chain.call("store(uint256,uint256)", 4, 6)), Verdict.SAME)
        rewrite(chain, slot)
        require(watch.check(chain.call("store(uint256,uint256)", 4, 7)), Verdict.DIFFERS, "another storage root")


def hiding(told: Told, number: int) -> Callable[[str, Sequence[Any], Any], Any]:
    """Proofs at the block itself hold nothing: the neighbours of removed keys cannot be found in them."""

    def lie(method: str, params: Sequence[Any], result: Any) -> Any:
        return without_proofs(method, params, result) if params[-1:] == [hex(number)] else result

    return lie


# Half of forty slots are cleared: some of the slots that stay must be joined with what is above them.
CLEARING = ("clears half of forty slots", "clears the other half", "shrinks them")


@pytest.mark.parametrize("deed", CLEARING)
@pytest.mark.parametrize("told", ["embedded"], indirect=True)  # nothing is removed where zero leaves are kept
def test_a_removed_key_s_hidden_neighbour_is_fetched_by_another_key(told: Told, deed: str) -> None:
    number = told.blocks[deed]
    check = told.chain.check(number, LyingNode(told.chain.node, hiding(told, number)))
    require(check, Verdict.SAME)


@pytest.mark.parametrize("told", ["embedded"], indirect=True)
def test_without_that_search_the_hidden_neighbour_would_make_an_honest_block_differ(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contracts.reexecution.post_state.MAX_TRIED_KEYS", 0)
    found = []
    for deed in CLEARING:
        number = told.blocks[deed]
        node = LyingNode(told.chain.node, hiding(told, number))
        checker = BlockChecker(node, told.chain.rules)
        check = checker.check(told.chain.header(number - 1), number)
        found.append(check.verdict)
        if check.verdict is Verdict.DIFFERS:
            assert "state root" in check.reason
            assert not checker.shows_itself()  # so that nobody is accused by a file that rests on a guess
    assert Verdict.DIFFERS in found


@pytest.mark.parametrize("told", ["anvil"], indirect=True)
def test_a_hidden_presence_of_a_zero_leaf_does_not_pass(told: Told) -> None:
    number = told.blocks["clears a slot"]
    check = told.chain.check(number, LyingNode(told.chain.node, hiding(told, number)))
    require(check, Verdict.DIFFERS, "does not prove")
    require(told.chain.check(number), Verdict.SAME)


def test_withdrawals_on_a_chain_that_has_none_differ(told: Told) -> None:
    checker = BlockChecker(told.chain.node, told.chain.rules)
    number = told.blocks["transfers"]
    require(checker.check(told.chain.header(number - 1), number), Verdict.SAME)
    raw = checker.witness()
    assert raw is not None
    file = decode_replay(raw)
    assert isinstance(file, WitnessFile)
    encoded = rlp_strict.encode((b"\x01", b"\x02", b"\x77" * 20, b"\x03"))
    header = replace(file.block.header, withdrawals_root=ordered_root([encoded]))
    block = replace(file.block, header=header, withdrawals=(decode_withdrawal(encoded),))
    found = replay(replace(file, block=block, nodes={}, codes={}).encode())
    assert (found.verdict, "withdrawals" in found.reason) == (Verdict.DIFFERS, True)
    with pytest.raises(BadInput) as refusal:  # where they are permitted, it is executed
        replay(replace(file, block=block, nodes={}, codes={}, rules=replace(file.rules, withdrawals=True)).encode())
    assert refusal.value.code == "REPLAY_INCOMPLETE"
