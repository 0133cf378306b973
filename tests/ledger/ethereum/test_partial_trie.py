"""A trie known only in part: it computes the right new root, or names the node it lacks, and never
guesses.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trie import HexaryTrie

from ledger.errors import BadInput
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.nodes import Branch, Node
from ledger.ethereum.partial_trie import EMPTY_TRIE_ROOT, MissingNode, PartialTrie, known_nodes, unjoined
from ledger.ethereum.trie import trie_of

VALUES = st.dictionaries(st.binary(min_size=2, max_size=2), st.binary(min_size=1, max_size=40), max_size=30)


def whole(count: int) -> dict[bytes, bytes]:
    return {keccak256(b"%d" % n): b"%040d" % n for n in range(count)}


def partial(trie: PartialTrie, keys: list[bytes]) -> tuple[PartialTrie, dict[bytes, Node]]:
    nodes: dict[bytes, Node] = {}
    for key in keys:
        nodes |= known_nodes(trie.proof(key))
    return PartialTrie(trie.root, nodes), nodes


@given(VALUES, VALUES, st.lists(st.binary(min_size=2, max_size=2), max_size=10))
def test_any_sequence_of_changes_gives_the_library_s_root(
    first: dict[bytes, bytes], then: dict[bytes, bytes], gone: list[bytes]
) -> None:
    trie, oracle = trie_of(first), HexaryTrie({})
    for key, value in (first | then).items():
        oracle[key] = value
    for key, value in then.items():
        trie.set(key, value)
    for key in [*gone, *list(first)[::2]]:
        trie.remove(key)
        del oracle[key]
    assert trie.root == oracle.root_hash


def test_changes_in_the_known_part_give_the_root_of_the_whole() -> None:
    values = whole(300)
    keys, new = list(values)[:3], keccak256(b"new")
    trie, _ = partial(trie_of(values), [*keys, new])
    trie.set(keys[0], b"changed" * 9)
    trie.set(new, b"added" * 9)
    assert trie.root == trie_of(values | {keys[0]: b"changed" * 9, new: b"added" * 9}).root


def test_the_unknown_is_said_and_never_taken_for_absent() -> None:
    values = whole(300)
    known, other = list(values)[:2]
    trie, _ = partial(trie_of(values), [known])
    root = trie.root
    assert trie.get(known) == values[known]
    with pytest.raises(MissingNode):
        trie.get(other)
    with pytest.raises(MissingNode):
        trie.set(other, b"value")
    with pytest.raises(MissingNode):
        trie.remove(other)
    assert trie.root == root


def test_absence_is_read_where_the_proof_shows_it() -> None:
    trie, _ = partial(trie_of(whole(300)), [keccak256(b"nobody")])
    assert trie.get(keccak256(b"nobody")) is None
    assert PartialTrie(EMPTY_TRIE_ROOT, {}).get(b"k") is None


def test_removing_what_is_absent_and_adding_it_back_change_nothing() -> None:
    values = whole(50)
    trie = trie_of(values)
    root, key = trie.root, next(iter(values))
    trie.remove(keccak256(b"nobody"))
    assert trie.root == root
    trie.remove(key)
    assert trie.root != root
    trie.set(key, values[key])
    assert trie.root == root
    for each in values:
        trie.remove(each)
    assert trie.root == EMPTY_TRIE_ROOT


def test_an_empty_value_is_refused() -> None:
    with pytest.raises(BadInput):
        PartialTrie(EMPTY_TRIE_ROOT, {}).set(b"k", b"")


def removed_with_help(values: dict[bytes, bytes], gone: list[bytes]) -> bytes:
    """Remove keys knowing only their proofs before and, for what joins, their proofs of absence after."""
    trie, nodes = partial(trie_of(values), gone)
    after = trie_of({key: value for key, value in values.items() if key not in gone})
    later = [node for key in gone for node in known_nodes(after.proof(key)).values()]
    for key in gone:
        while True:
            try:
                trie.remove(key)
                break
            except MissingNode as missing:
                found = unjoined(missing.node_hash, later)
                if found is None:
                    trie.assume_branch(missing.node_hash)
                else:
                    nodes[missing.node_hash] = found
    assert trie.root == after.root
    return trie.root


def test_a_sibling_leaf_is_found_inside_the_joined_leaf_of_the_later_proof() -> None:
    values = {b"\x11\x11": b"a" * 40, b"\x12\x22": b"b" * 40, b"\x99\x99": b"c" * 40}
    trie, _ = partial(trie_of(values), [b"\x11\x11"])
    with pytest.raises(MissingNode):
        trie.remove(b"\x11\x11")
    removed_with_help(values, [b"\x11\x11"])


def test_a_sibling_extension_and_a_sibling_branch_are_told_apart() -> None:
    extension = {
        b"\x11\x11": b"a" * 40,
        b"\x12\x22\x21": b"b" * 40,
        b"\x12\x22\x22": b"c" * 40,
        b"\x99": b"d" * 40,
    }
    branch = {b"\x11\x11": b"a" * 40, b"\x12\x22": b"b" * 40, b"\x12\x32": b"c" * 40, b"\x99": b"d" * 40}
    removed_with_help(extension, [b"\x11\x11"])
    removed_with_help(branch, [b"\x11\x11"])


@given(
    st.dictionaries(st.binary(min_size=3, max_size=3), st.binary(min_size=1, max_size=40), min_size=2, max_size=30),
    st.data(),
)
def test_keys_removed_from_a_partly_known_trie_give_the_root_of_the_rest(
    values: dict[bytes, bytes], data: st.DataObject
) -> None:
    gone = data.draw(st.lists(st.sampled_from(sorted(values)), min_size=1, max_size=8, unique=True))
    removed_with_help(values, gone)


def test_a_wrong_guess_about_a_sibling_yields_another_root() -> None:
    values = {b"\x11\x11": b"a" * 40, b"\x12\x22": b"b" * 40, b"\x99\x99": b"c" * 40}
    trie, _ = partial(trie_of(values), [b"\x11\x11"])
    with pytest.raises(MissingNode) as missing:
        trie.remove(b"\x11\x11")
    trie.assume_branch(missing.value.node_hash)
    trie.remove(b"\x11\x11")
    del values[b"\x11\x11"]
    assert trie.root != trie_of(values).root


def test_nothing_is_found_in_nodes_that_do_not_contain_it() -> None:
    later = known_nodes(trie_of(whole(40)).proof(keccak256(b"1"))).values()
    assert unjoined(b"h" * 32, [*later, Branch((b"",) * 16, b"")]) is None
