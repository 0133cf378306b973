"""Merkle-Patricia proofs: presence and absence are different answers, and a proof has one form. Rows D05
to D09, D14.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trie import HexaryTrie

from ledger.errors import BadInput, Problem
from ledger.ethereum import rlp_strict
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.partial_trie import EMPTY_TRIE_ROOT, PartialTrie
from ledger.ethereum.trie import (
    EMPTY_ACCOUNT,
    Absent,
    Account,
    Present,
    account_key,
    decode_account,
    index_key,
    ordered_proof,
    ordered_root,
    prove,
    slot_key,
    trie_of,
)
from tests.ledger.ethereum import vectors

WORDS = {
    b"do": b"verb",
    b"dog": b"puppy",
    b"doge": b"coin" * 9,
    b"horse": b"stallion" * 5,
    b"dot": b"point" * 7,
}


def library_trie(values: Mapping[bytes, bytes]) -> Any:
    oracle = HexaryTrie({})
    for key, value in values.items():
        oracle[key] = value
    return oracle


def code_of(root: bytes, key: bytes, nodes: list[bytes]) -> str:
    with pytest.raises(Problem) as refusal:
        prove(root, key, nodes)
    return refusal.value.code


def big(prefix: str = "") -> dict[bytes, bytes]:
    """Two hundred hashed keys with values of forty bytes: three levels of branches."""
    return {keccak256(f"{prefix}{n}".encode()): b"%040d" % n for n in range(200)}


# The public roots


def test_the_25_public_tries_have_their_roots() -> None:
    counted = 0
    for name, expected in (
        ("trietest", 5),
        ("trieanyorder", 7),
        ("trietest_secureTrie", 3),
        ("hex_encoded_securetrie_test", 3),
        ("trieanyorder_secureTrie", 7),
    ):
        cases = vectors.load(f"TrieTests/{name}.json")
        assert len(cases) == expected
        for case in cases.values():
            steps = case["in"].items() if isinstance(case["in"], dict) else case["in"]
            trie = PartialTrie(EMPTY_TRIE_ROOT, {})
            for key_text, value in steps:
                key = vectors.text(key_text)
                key = keccak256(key) if "secure" in name.lower() else key
                if value is None:
                    trie.remove(key)
                else:
                    trie.set(key, vectors.text(value))
            assert trie.root == vectors.text(case["root"])
            counted += 1
    assert counted == 25


# What is proven


def test_every_key_of_a_trie_is_proven_present_with_its_value() -> None:
    values = big()
    trie = trie_of(values)
    for key, value in values.items():
        assert prove(trie.root, key, trie.proof(key)) == Present(value)


def test_d07_an_absent_key_is_proven_absent_and_that_is_another_type() -> None:
    trie = trie_of(big())
    absent = keccak256(b"nobody")
    answer = prove(trie.root, absent, trie.proof(absent))
    assert answer == Absent()
    assert not isinstance(answer, Present)


def test_d07_the_empty_trie_proves_absence_with_no_node_and_with_nothing_else() -> None:
    assert prove(EMPTY_TRIE_ROOT, keccak256(b"any"), []) == Absent()
    assert code_of(EMPTY_TRIE_ROOT, keccak256(b"any"), [b"\x80"]) == "PROOF_SUPERFLUOUS"
    assert code_of(EMPTY_TRIE_ROOT, keccak256(b"any"), [b"junk"]) == "PROOF_SUPERFLUOUS"
    assert EMPTY_TRIE_ROOT.hex() == "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"


def test_d07_an_empty_proof_proves_nothing_under_a_real_root() -> None:
    trie = trie_of(WORDS)
    assert code_of(trie.root, b"dog", []) == "PROOF_INVALID"
    assert code_of(trie.root, b"nobody", []) == "PROOF_INVALID"
    assert code_of(trie.root, b"dog", [b"\x80"]) == "PROOF_INVALID"


def test_d07_a_proof_of_absence_does_not_prove_another_key_absent() -> None:
    values = big()
    trie = trie_of(values)
    present = next(iter(values))
    absent = next(key for key in map(keccak256, (b"no %d" % n for n in range(99))) if key[0] != present[0])
    assert prove(trie.root, absent, trie.proof(absent)) == Absent()
    assert code_of(trie.root, present, trie.proof(absent)) in ("PROOF_INVALID", "PROOF_SUPERFLUOUS")


@pytest.mark.parametrize("size", [31, 32, 33])
def test_d05_nodes_at_the_inline_border_are_accepted(size: int) -> None:
    # Under the root's branch a leaf of 3 nibbles: list prefix, 3 bytes of path, string prefix, then the
    # value.
    value = b"v" * (size - 5)
    values = {b"\x11\x22": value, b"\x31\x22": value, b"\x52\x77": b"w" * 40}
    trie = trie_of(values)
    proof = trie.proof(b"\x11\x22")
    leaf_stands_inline = len(proof) == 1
    assert leaf_stands_inline == (size < 32)
    assert trie.root == library_trie(values).root_hash
    assert prove(trie.root, b"\x11\x22", proof) == Present(value)
    assert prove(trie.root, b"\x11\x23", trie.proof(b"\x11\x23")) == Absent()


def test_d08_repeated_reordered_and_added_nodes_are_refused() -> None:
    values = big()
    trie = trie_of(values)
    key = next(key for key in values if len(trie.proof(key)) >= 3)
    proof = trie.proof(key)
    junk = rlp_strict.encode((b"\x20junk", b"junk" * 12))
    spoilt = [
        [proof[1], proof[0], *proof[2:]],
        [proof[0], *proof],
        [*proof, proof[-1]],
        [*proof, junk],
        [junk, *proof],
        [proof[0], junk, *proof[1:]],
        [*proof, b""],
        [*proof, *[junk] * 100],
    ]
    assert [code_of(trie.root, key, nodes) for nodes in spoilt] == ["PROOF_SUPERFLUOUS"] * len(spoilt)
    assert prove(trie.root, key, proof) == Present(values[key])


def test_an_inline_node_listed_a_second_time_is_superfluous() -> None:
    trie = trie_of({b"\x11\x22": b"v", b"\x31\x22": b"v"})
    inline = rlp_strict.encode((b"\x20\x22", b"v"))
    assert prove(trie.root, b"\x11\x22", trie.proof(b"\x11\x22")) == Present(b"v")
    assert code_of(trie.root, b"\x11\x22", [*trie.proof(b"\x11\x22"), inline]) == "PROOF_SUPERFLUOUS"


def test_d09_a_key_that_is_the_prefix_of_others_has_its_value_in_a_branch() -> None:
    trie = trie_of(WORDS)
    assert trie.root == library_trie(WORDS).root_hash
    for key in (
        b"",
        b"d",
        b"do",
        b"dog",
        b"doge",
        b"doges",
        b"dot",
        b"dots",
        b"hors",
        b"horse",
        b"horses",
        b"x",
    ):
        expected = Present(WORDS[key]) if key in WORDS else Absent()
        assert prove(trie.root, key, trie.proof(key)) == expected, key


def test_d09_a_path_that_ends_inside_an_extension_is_absent() -> None:
    trie = trie_of({b"\x12\x34\x56": b"a" * 40, b"\x12\x34\x57": b"b" * 40})
    assert len(trie.proof(b"\x12")) == 1
    assert prove(trie.root, b"\x12", trie.proof(b"\x12")) == Absent()
    assert prove(trie.root, b"\x12\x35", trie.proof(b"\x12\x35")) == Absent()


# What is no node


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (b"", "not a list"),
        ((b"\x20",), "one item"),
        ((b"\x20a", b"v", b"w"), "three items"),
        ((b"", b"v" * 40), "no hex prefix"),
        ((b"\x40", b"v" * 40), "unknown flag"),
        ((b"\x31", b""), "empty leaf"),
        ((b"\x2fa", b"v" * 40), "even path padded with ones"),
        ((b"\x00", b"h" * 32), "extension without a path"),
        ((b"\x11", b""), "extension to nothing"),
        ((b"\x11", b"h" * 31), "reference of 31 bytes"),
        ((b"\x11", (b"\x20", b"v" * 40)), "long child inline"),
        ((b"\x31", (b"v",)), "list as a value"),
        ((*(b"",) * 16, (b"v",)), "list as a branch's value"),
        ((*(b"",) * 15, b"h" * 5, b"v"), "short reference in a branch"),
        (((b"\x20", b"v"), b"v"), "list as a path"),
        ((b"", (), *(b"",) * 14, b""), "empty list as a child"),
        ((b"\x11", ()), "extension to an empty list"),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_a_malformed_node_is_refused_even_where_the_root_commits_to_it(item: rlp_strict.Rlp, why: str) -> None:
    raw = rlp_strict.encode(item)
    if raw == b"\x80":
        raw = b"\x83dog"
    assert code_of(keccak256(raw), b"\x1f", [raw]) == "PROOF_NODE", why


def test_a_short_node_named_by_its_hash_is_refused() -> None:
    leaf = rlp_strict.encode((b"\x20", b"v"))
    branch = rlp_strict.encode((*(b"",) * 15, keccak256(leaf), b""))
    assert code_of(keccak256(branch), b"\xf0", [branch, leaf]) == "PROOF_NODE"


@pytest.mark.parametrize("root", [b"", b"r" * 31, b"r" * 33])
def test_a_root_that_is_no_hash_is_refused(root: bytes) -> None:
    assert code_of(root, b"k", []) == "PROOF_INVALID"


# Differential


@given(
    st.dictionaries(st.binary(max_size=4), st.binary(min_size=1, max_size=40), min_size=1, max_size=24),
    st.binary(max_size=4),
    st.lists(st.tuples(st.sampled_from(["flip", "drop", "repeat", "swap"]), st.integers(0, 10**6)), max_size=3),
)
def test_d14_mutated_proofs_are_accepted_only_with_the_value_the_library_reads(
    values: dict[bytes, bytes], key: bytes, mutations: list[tuple[str, int]]
) -> None:
    # py-trie is sound in reading a whole trie; its proof check is not (it accepts junk, see D08), so the
    # oracle is what the honest trie holds.
    oracle = library_trie(values)
    trie = trie_of(values)
    assert trie.root == oracle.root_hash
    honest = trie.proof(key)
    expected = Present(oracle[key]) if key in oracle else Absent()
    assert prove(trie.root, key, honest) == expected
    mutated = list(honest)
    for kind, seed in mutations:
        mutated = mutate(mutated, kind, seed)
    if mutated != honest:
        assert code_of(trie.root, key, mutated) in ("PROOF_INVALID", "PROOF_SUPERFLUOUS", "PROOF_NODE")


def mutate(nodes: list[bytes], kind: str, seed: int) -> list[bytes]:
    place = seed % len(nodes) if nodes else 0
    if not nodes:
        return [b"\x80"]
    if kind == "drop":
        return nodes[:place] + nodes[place + 1 :]
    if kind == "repeat":
        return [*nodes[: place + 1], *nodes[place:]]
    if kind == "swap":
        return [*nodes[place:], *nodes[:place]]
    raw = bytearray(nodes[place])
    raw[seed % len(raw)] ^= 1 << (seed % 8)
    return [*nodes[:place], bytes(raw), *nodes[place + 1 :]]


# Keys and accounts


def test_an_account_is_read_as_it_is_written() -> None:
    account = Account(7, 10**21, b"r" * 32, b"c" * 32)
    assert decode_account(account.rlp()) == account
    assert decode_account(EMPTY_ACCOUNT.rlp()) == EMPTY_ACCOUNT


@pytest.mark.parametrize(
    "items",
    [
        (b"\x07", b"\x01", b"r" * 32),
        (b"\x07", b"\x01", b"r" * 31, b"c" * 32),
        (b"\x07", b"\x01", b"r" * 32, (b"c" * 32,)),
        (b"\x00", b"\x01", b"r" * 32, b"c" * 32),
        (b"\x07", b"\x00\x01", b"r" * 32, b"c" * 32),
        (b"\x01" * 9, b"\x01", b"r" * 32, b"c" * 32),
        (b"\x07", b"\x01" * 33, b"r" * 32, b"c" * 32),
    ],
    ids=["three items", "short root", "list", "zero nonce", "padded balance", "wide nonce", "wide balance"],
)
def test_what_is_no_account_is_refused(items: rlp_strict.Rlp) -> None:
    with pytest.raises(BadInput) as refusal:
        decode_account(rlp_strict.encode(items))
    assert refusal.value.code in ("ACCOUNT_INVALID", "RLP_INVALID")


def test_keys_of_secure_tries_are_hashes_of_whole_addresses_and_slots() -> None:
    assert account_key(b"\x11" * 20) == keccak256(b"\x11" * 20)
    assert slot_key(1) == keccak256(b"\x00" * 31 + b"\x01")
    for bad in (b"\x11" * 19, b"\x11" * 21, b""):
        with pytest.raises(BadInput):
            account_key(bad)
    for slot in (-1, 2**256):
        with pytest.raises(BadInput):
            slot_key(slot)


# Lists


@pytest.mark.parametrize("length", [1, 31, 32, 700])
@pytest.mark.parametrize("count", [*range(18), 55, 56, 128, 129, 255, 256, 257, 1000])
def test_the_root_of_a_list_is_that_of_the_trie_that_is_built_value_by_value(count: int, length: int) -> None:
    values = [bytes([1 + n % 127]) * (1 + (n * length) % 33 if n % 3 else length) for n in range(count)]
    assert ordered_root(values) == trie_of({index_key(n): value for n, value in enumerate(values)}).root


def test_a_list_with_an_empty_value_has_no_root() -> None:
    with pytest.raises(BadInput) as refusal:
        ordered_root([b"a", b"", b"c"])
    assert refusal.value.code == "PROOF_INVALID"


@pytest.mark.parametrize("count", [0, 1, 2, 127, 128, 129, 300])
def test_each_value_of_a_list_is_proven_at_its_index_and_the_next_index_is_absent(count: int) -> None:
    values = [b"receipt %d " % n + b"x" * (n % 50) for n in range(count)]
    root = ordered_root(values)
    keys = {rlp_strict.encode(rlp_strict.encode_int(n)): value for n, value in enumerate(values)}
    assert root == library_trie(keys).root_hash
    for index in {0, 1, count // 2, count - 1} & set(range(count)):
        key = rlp_strict.encode(rlp_strict.encode_int(index))
        assert prove(root, key, ordered_proof(values, index)) == Present(values[index])
    beyond = rlp_strict.encode(rlp_strict.encode_int(count))
    assert prove(root, beyond, ordered_proof(values, count)) == Absent()
