"""`trie_proof.vy` and its Python twin say the same of a proof, and refuse the same. Rows D05, D07, D08, D09."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ledger.errors import Problem
from ledger.ethereum import rlp_strict
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.partial_trie import EMPTY_TRIE_ROOT, PartialTrie
from ledger.ethereum.rlp_strict import Rlp
from ledger.ethereum.trie import Absent, Present, index_key, prove, trie_of
from tests.contracts.evm import Reverted
from tests.contracts.proofs import Proofs, deployed_proofs
from tests.ledger.ethereum import vectors
from tests.ledger.ethereum.test_trie import WORDS, big

NOT_NAMED = "trie_proof: not the node its parent names"
CUT_SHORT = "trie_proof: ends before the path does"
LEFT_OVER = "nodes left over"
NO_NODE = "trie_proof: neither a branch nor a pair"


@pytest.fixture(scope="module")
def proofs() -> Proofs:
    return deployed_proofs()


def both_say(proofs: Proofs, root: bytes, key: bytes, nodes: list[bytes], expected: Present | Absent) -> None:
    assert prove(root, key, nodes) == expected
    assert proofs.prove(root, key, nodes) == expected


def both_refuse(proofs: Proofs, root: bytes, key: bytes, nodes: list[bytes], code: str, reason: str) -> None:
    with pytest.raises(Problem) as refused:
        prove(root, key, nodes)
    assert refused.value.code in code.split("|")
    with pytest.raises(Reverted) as reverted:
        proofs.prove(root, key, nodes)
    assert reverted.value.reason in reason.split("|")


# The public tries


def test_every_key_of_the_25_public_tries_is_proven_by_both(proofs: Proofs) -> None:
    tries = keys = 0
    for name in (
        "trietest",
        "trieanyorder",
        "trietest_secureTrie",
        "hex_encoded_securetrie_test",
        "trieanyorder_secureTrie",
    ):
        for case in vectors.load(f"TrieTests/{name}.json").values():
            values: dict[bytes, bytes | None] = {}
            for key_text, value in case["in"].items() if isinstance(case["in"], dict) else case["in"]:
                key = vectors.text(key_text)
                values[keccak256(key) if "secure" in name.lower() else key] = value and vectors.text(value)
            root = vectors.text(case["root"])
            present = {key: value for key, value in values.items() if value}
            trie = trie_of(present)
            assert trie.root == root
            for key in [
                *values,
                b"",
                b"nobody",
                *(key[:-1] for key in values),
                *(key[:31] + b"\x00" for key in values),
            ]:
                answer = Present(present[key]) if key in present else Absent()
                both_say(proofs, root, key, trie.proof(key), answer)
                keys += 1
            tries += 1
    assert tries == 25
    assert keys > 200


# Honest proofs of every shape


def test_D05_nodes_at_the_inline_border_are_accepted_by_both(proofs: Proofs) -> None:
    for size in (31, 32, 33):
        value = b"v" * (size - 5)
        trie = trie_of({b"\x11\x22": value, b"\x31\x22": value, b"\x52\x77": b"w" * 40})
        assert len(trie.proof(b"\x11\x22")) == (1 if size < 32 else 2)
        both_say(proofs, trie.root, b"\x11\x22", trie.proof(b"\x11\x22"), Present(value))
        both_say(proofs, trie.root, b"\x11\x23", trie.proof(b"\x11\x23"), Absent())


def test_D05_nodes_inside_nodes_inside_nodes_are_walked(proofs: Proofs) -> None:
    values = {b"\x11\x11\x11": b"a", b"\x11\x11\x12": b"b", b"\x11\x21": b"c", b"\x12": b"d", b"\x12\x34": b"e"}
    trie = trie_of(values)
    for key, value in values.items():
        assert len(trie.proof(key)) <= 3
        both_say(proofs, trie.root, key, trie.proof(key), Present(value))
    for key in (b"\x11", b"\x11\x11", b"\x11\x11\x13", b"\x13", b"\x12\x34\x56", b"\x12\x35"):
        both_say(proofs, trie.root, key, trie.proof(key), Absent())


def test_D09_prefix_keys_and_values_in_branches_are_read_alike(proofs: Proofs) -> None:
    trie = trie_of(WORDS)
    for key in (b"", b"d", b"do", b"dog", b"doge", b"doges", b"dot", b"dots", b"hors", b"horse", b"horses", b"x"):
        answer = Present(WORDS[key]) if key in WORDS else Absent()
        both_say(proofs, trie.root, key, trie.proof(key), answer)


def test_D09_a_path_that_ends_inside_an_extension_is_absent(proofs: Proofs) -> None:
    trie = trie_of({b"\x12\x34\x56": b"a" * 40, b"\x12\x34\x57": b"b" * 40})
    for key in (b"\x12", b"\x12\x35", b"\x12\x34"):
        both_say(proofs, trie.root, key, trie.proof(key), Absent())


def test_D09_a_key_that_ends_at_a_full_branch_is_absent(proofs: Proofs) -> None:
    trie = trie_of({bytes((0x10 + nibble, 0x22)): b"v" * 40 for nibble in range(16)})
    assert len(trie.proof(b"\x10\x22")[1]) == 532
    both_say(proofs, trie.root, b"\x10\x22", trie.proof(b"\x10\x22"), Present(b"v" * 40))
    nodes = trie_of({bytes((nibble << 4,)): b"v" * 40 for nibble in range(16)})
    both_say(proofs, nodes.root, b"", nodes.proof(b""), Absent())


def test_a_full_branch_with_a_value_is_read_item_by_item(proofs: Proofs) -> None:
    values = {bytes((nibble << 4,)): b"v" * 40 for nibble in range(16)} | {b"": b"here"}
    trie = trie_of(values)
    for key, value in values.items():
        both_say(proofs, trie.root, key, trie.proof(key), Present(value))


def test_every_key_of_a_larger_trie_is_proven_and_others_are_absent(proofs: Proofs) -> None:
    values = big()
    trie = trie_of(values)
    for key, value in values.items():
        both_say(proofs, trie.root, key, trie.proof(key), Present(value))
    for key in (keccak256(b"absent %d" % number) for number in range(60)):
        both_say(proofs, trie.root, key, trie.proof(key), Absent())


@pytest.mark.parametrize("index", [0, 1, 127, 128, 255, 256, 299])
def test_the_lists_of_a_block_are_keyed_alike(proofs: Proofs, index: int) -> None:
    trie = trie_of({index_key(place): b"receipt %d" % place + b"x" * 50 for place in range(300)})
    key = index_key(index)
    both_say(proofs, trie.root, key, trie.proof(key), Present(b"receipt %d" % index + b"x" * 50))


# What proves nothing


def test_D07_the_empty_trie_proves_absence_with_no_node_and_with_nothing_else(proofs: Proofs) -> None:
    both_say(proofs, EMPTY_TRIE_ROOT, keccak256(b"any"), [], Absent())
    for nodes in ([b"\x80"], [b"junk"], [b""]):
        both_refuse(proofs, EMPTY_TRIE_ROOT, keccak256(b"any"), nodes, "PROOF_SUPERFLUOUS", LEFT_OVER)


def test_D07_an_empty_proof_proves_nothing_under_a_real_root(proofs: Proofs) -> None:
    trie = trie_of(WORDS)
    for key in (b"dog", b"nobody"):
        # Where the proof ends the contract reads zeros: a node without bytes, which is not the one that is named.
        both_refuse(proofs, trie.root, key, [], "PROOF_INVALID", NOT_NAMED)
        both_refuse(proofs, trie.root, key, [b"\x80"], "PROOF_INVALID", NOT_NAMED)
        both_say(proofs, trie.root, b"dog", trie.proof(b"dog"), Present(b"puppy"))


def test_D07_a_root_over_the_empty_string_is_no_empty_trie(proofs: Proofs) -> None:
    both_refuse(proofs, keccak256(b""), b"k", [b""], "PROOF_NODE", "rlp: not one list")
    both_refuse(proofs, bytes(32), b"k", [b""], "PROOF_INVALID", NOT_NAMED)


def test_D07_a_proof_of_absence_does_not_prove_another_key_absent(proofs: Proofs) -> None:
    values = big()
    trie = trie_of(values)
    for present in list(values)[:20]:
        absent = next(key for key in map(keccak256, (b"no %d" % n for n in range(99))) if key[0] != present[0])
        both_say(proofs, trie.root, absent, trie.proof(absent), Absent())
        both_refuse(
            proofs,
            trie.root,
            present,
            trie.proof(absent),
            "PROOF_INVALID|PROOF_SUPERFLUOUS",
            f"{NOT_NAMED}|{LEFT_OVER}|{CUT_SHORT}",
        )
        both_say(proofs, trie.root, present, trie.proof(present), Present(values[present]))


@pytest.mark.parametrize("count", [1, 3, 24, 200], ids=["a_leaf", "a_branch", "a_wide_branch", "a_full_branch"])
def test_D07_a_whole_proof_of_another_trie_proves_nothing(proofs: Proofs, count: int) -> None:
    keys = list(big())[:count]
    honest, forged = trie_of(dict.fromkeys(keys, b"honest" * 8)), trie_of(dict.fromkeys(keys, b"forged" * 8))
    assert (len(forged.proof(keys[0])[0]) == 532) == (count == 200)
    both_refuse(proofs, honest.root, keys[0], forged.proof(keys[0]), "PROOF_INVALID", NOT_NAMED)
    for place in range(1, len(forged.proof(keys[0]))):
        nodes = honest.proof(keys[0])[:place] + forged.proof(keys[0])[place:]
        both_refuse(proofs, honest.root, keys[0], nodes, "PROOF_INVALID", NOT_NAMED)
    both_say(proofs, honest.root, keys[0], honest.proof(keys[0]), Present(b"honest" * 8))


def test_D08_repeated_reordered_and_added_nodes_are_refused_by_both(proofs: Proofs) -> None:
    values = big()
    trie = trie_of(values)
    key = next(key for key in values if len(trie.proof(key)) >= 3)
    proof = trie.proof(key)
    junk = rlp_strict.encode((b"\x20junk", b"junk" * 12))
    for nodes, reason in (
        ([proof[1], proof[0], *proof[2:]], NOT_NAMED),
        ([proof[0], *proof], NOT_NAMED),
        ([*proof, proof[-1]], LEFT_OVER),
        ([*proof, junk], LEFT_OVER),
        ([junk, *proof], NOT_NAMED),
        ([proof[0], junk, *proof[1:]], NOT_NAMED),
        ([*proof, b""], LEFT_OVER),
        ([*proof, *[junk] * 100], LEFT_OVER),
    ):
        both_refuse(proofs, trie.root, key, nodes, "PROOF_SUPERFLUOUS", reason)
    both_refuse(proofs, trie.root, key, proof[:-1], "PROOF_INVALID", NOT_NAMED)
    both_say(proofs, trie.root, key, proof, Present(values[key]))


def test_D08_an_inline_node_listed_a_second_time_is_superfluous(proofs: Proofs) -> None:
    trie = trie_of({b"\x11\x22": b"v", b"\x31\x22": b"v"})
    inline = rlp_strict.encode((b"\x20\x22", b"v"))
    nodes = trie.proof(b"\x11\x22")
    both_say(proofs, trie.root, b"\x11\x22", nodes, Present(b"v"))
    both_refuse(proofs, trie.root, b"\x11\x22", [*nodes, inline], "PROOF_SUPERFLUOUS", LEFT_OVER)


def test_a_node_that_goes_on_beyond_the_proof_is_refused(proofs: Proofs) -> None:
    trie = trie_of(big())
    key = next(iter(big()))
    packed = b"".join(len(node).to_bytes(2, "big") + node for node in trie.proof(key))
    arguments = (trie.root, key, 64)
    for cut in (1, 2, 31, 32, 40):
        with pytest.raises(Reverted, match=CUT_SHORT):
            proofs.contract.call("walk", *arguments, packed[:-cut], 0)
    with pytest.raises(Reverted, match="trie_proof: too short"):
        proofs.contract.call("walk", *arguments, packed[:31], 0)
    assert proofs.contract.call("walk", *arguments, packed, 0)[2] == len(packed)
    assert proofs.contract.call("walk", *arguments, b"before" + packed + b"behind", 6)[2] == 6 + len(packed)


# What is no node, though the root commits to it


FULL = (*(bytes((0xE0 + place,)) * 32 for place in range(16)), b"")


def full_branch(place: int, byte: int) -> bytes:
    """A full branch with one byte changed."""
    raw = bytearray(rlp_strict.encode(FULL))
    raw[place] = byte
    return bytes(raw)


MALFORMED: dict[str, tuple[Rlp | bytearray, str]] = {
    "no_list": (bytearray(b"\x83dog"), "rlp: not one list"),
    "an_empty_list": ((), "rlp: not a list that can stand inline"),
    "one_item": ((b"\x20",), "rlp: not a list that can stand inline"),
    "three_items": ((b"\x20a", b"v", b"w"), "rlp: not a list that can stand inline"),
    "sixteen_items": ((b"",) * 16, NO_NODE),
    "eighteen_items": ((b"",) * 18, NO_NODE),
    "sixteen_hashes": ((b"h" * 32,) * 16, NO_NODE),
    "no_hex_prefix": ((b"", b"v" * 40), "rlp: not a list that can stand inline"),
    "an_unknown_flag": ((b"\x40", b"v" * 40), "trie_proof: path without hex prefix"),
    "an_empty_leaf": ((b"\x31", b""), "trie_proof: leaf without a value"),
    "a_leaf_padded_with_ones": ((b"\x2fa", b"v" * 40), "trie_proof: path padded with something else than zero"),
    "an_extension_padded_with_ones": ((b"\x01a", b"h" * 32), "trie_proof: path padded with something else than zero"),
    "an_extension_without_a_path": ((b"\x00", b"h" * 32), "trie_proof: extension without a path"),
    "an_extension_to_nothing": ((b"\x11", b""), "trie_proof: extension leads nowhere"),
    "an_extension_to_31_bytes": ((b"\x11", b"h" * 31), "trie_proof: extension leads nowhere"),
    "a_long_child_inline": ((b"\x11", (b"\x20", b"v" * 40)), "rlp: not a list that can stand inline"),
    "a_list_as_a_value": ((b"\x31", (b"v",)), "trie_proof: leaf without a value"),
    "a_list_as_a_branch's_value": ((*(b"",) * 16, (b"v",)), "trie_proof: list as a branch's value"),
    "a_short_reference": ((*(b"",) * 15, b"h" * 5, b"v"), "rlp: not a list that can stand inline"),
    "a_byte_as_a_reference": ((*(b"",) * 15, b"h", b"v"), "rlp: not a list that can stand inline"),
    "an_empty_list_as_a_child": ((b"", (), *(b"",) * 14, b""), "rlp: not a list that can stand inline"),
    "an_empty_list_as_another_child": ((*(b"",) * 14, (), b"", b""), "rlp: not a list that can stand inline"),
    "an_extension_to_an_empty_list": ((b"\x11", ()), "rlp: not a list that can stand inline"),
    "a_list_as_a_path": (((b"\x20", b"v"), b"v"), "rlp: not a list that can stand inline"),
    "a_list_of_56_bytes_with_a_long_prefix": (
        bytearray(b"\xf8\x37\x82\x20\x61\xb3" + b"v" * 51),
        "rlp: not one list",
    ),
    "a_list_of_255_bytes_with_a_longer_prefix": (
        bytearray(b"\xf9\x00\xff\x82\x20\x61\xb8\xfa" + b"v" * 250),
        "rlp: not one list",
    ),
    "a_value_that_ends_before_the_node": (
        bytearray(b"\xc6\x82\x20\x61\x81\xff\x01"),
        "rlp: not a list that can stand inline",
    ),
    "a_value_that_ends_behind_the_node": (
        bytearray(b"\xc5\x82\x20\x61\x83\xff"),
        "rlp: not a list that can stand inline",
    ),
    "a_full_branch_with_another_list_prefix": (bytearray(full_branch(2, 0x10)), "rlp: not one list"),
    "a_full_branch_with_a_value_prefix": (
        bytearray(full_branch(531, 0x81)),
        "rlp: byte spelled as a string",
    ),
    "a_full_branch_with_a_list_as_value": (bytearray(full_branch(531, 0xC0)), "trie_proof: list as a branch's value"),
}
for _place in range(16):
    MALFORMED[f"a_full_branch_with_a_string_of_33_bytes_at_{_place}"] = (
        bytearray(full_branch(3 + 33 * _place, 0xA1)),
        "rlp: not a list that can stand inline",
    )


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_node_is_refused_by_both(proofs: Proofs, name: str) -> None:
    item, reason = MALFORMED[name]
    raw = bytes(item) if isinstance(item, bytearray) else rlp_strict.encode(item)
    both_refuse(proofs, keccak256(raw), b"\x1f\x61", [raw], "PROOF_NODE", reason)


def test_a_malformed_node_is_refused_also_where_the_path_ends_or_another_child_is_malformed(proofs: Proofs) -> None:
    inline = (b"\x31", b"v")
    honest = (inline, *(b"",) * 15, b"")
    for key, item, reason in (
        (b"", (*(b"",) * 16, (b"v",)), "trie_proof: list as a branch's value"),
        (b"\x01", (inline, *(b"",) * 14, b"h" * 31, b""), "rlp: not a list that can stand inline"),
        (b"\xf0", (inline, b"h" * 31, *(b"",) * 14, b""), "rlp: not a list that can stand inline"),
    ):
        raw = rlp_strict.encode(item)
        both_refuse(proofs, keccak256(raw), key, [raw], "PROOF_NODE", reason)
    raw = rlp_strict.encode(honest)
    both_say(proofs, keccak256(raw), b"\x01", [raw], Present(b"v"))
    both_say(proofs, keccak256(raw), b"\xf0", [raw], Absent())


@pytest.mark.parametrize("size", [20, 56, 58, 100, 257, 259, 532])
def test_D03_a_list_that_says_one_byte_more_or_less_than_the_node_has_is_refused(proofs: Proofs, size: int) -> None:
    raw = next(found for n in range(size) if len(found := rlp_strict.encode((b"\x20\x1f", b"v" * n))) == size and n > 1)
    both_say(proofs, keccak256(raw), b"\x1f", [raw], prove(keccak256(raw), b"\x1f", [raw]))
    place = 0 if size < 57 else 1 if size < 258 else 2
    for step in (-1, 1):
        spoilt = raw[:place] + bytes((raw[place] + step & 255,)) + raw[place + 1 :]
        both_refuse(proofs, keccak256(spoilt), b"\x1f", [spoilt], "PROOF_NODE", "rlp: not one list")


def test_a_short_node_named_by_its_hash_is_refused_by_both(proofs: Proofs) -> None:
    leaf = rlp_strict.encode((b"\x20", b"v"))
    for parent, key in (((*(b"",) * 15, keccak256(leaf), b""), b"\xf0"), ((b"\x1f", keccak256(leaf)), b"\xf0")):
        raw = rlp_strict.encode(parent)
        reason = "trie_proof: inline node named by its hash"
        both_refuse(proofs, keccak256(raw), key, [raw, leaf], "PROOF_NODE", reason)
    both_say(proofs, keccak256(leaf), b"", [leaf], Present(b"v"))


def test_a_child_named_by_a_hash_of_zeros_is_not_the_end(proofs: Proofs) -> None:
    raw = rlp_strict.encode((*(b"",) * 15, bytes(32), b""))
    both_refuse(proofs, keccak256(raw), b"\xf0", [raw], "PROOF_INVALID", NOT_NAMED)


def test_a_removed_key_is_absent_for_both(proofs: Proofs) -> None:
    values: Mapping[bytes, bytes] = big()
    trie: PartialTrie = trie_of(values)
    gone = list(values)[:50]
    for key in gone:
        trie.remove(key)
    for key in gone:
        both_say(proofs, trie.root, key, trie.proof(key), Absent())
