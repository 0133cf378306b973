"""Every rule that is written twice, in Python and in Vyper, gives the same answer, and refuses the same things."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import astuple
from typing import Any

import pytest

from ledger import interoperable, merkle, multiproof
from ledger.attestation import Verdict, attestation_digest, pause_digest, signed, verdict_digest
from ledger.errors import BadInput, Refused
from ledger.ethereum.keccak import keccak256
from ledger.proposal import Chain, Kind, Message
from tests.contracts.twins import Twins, deployed_twins
from tests.vectors import make_messages

CASES = 200
MAX_DEPTH = 32


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    with deployed_twins(tmp_path_factory.mktemp("twins")) as deployed:
        yield deployed


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """The same random values for a test every time."""
    return random.Random(request.node.name)


# -- shared vectors -------------------------------------------------------------------------------------------------


def vectors() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(make_messages.FILE.read_text())
    assert (len(found["messages"]), len(found["addresses"])) == (8, 8)
    return found


def raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def chain_of(shown: dict[str, str]) -> Chain:
    return Chain(int(shown["chain_id"]), raw(shown["genesis"]), raw(shown["gateway"]))


def message_of(shown: dict[str, Any]) -> Message:
    ends = {name: chain_of(shown[name]) for name in ("origin", "destination")}
    numbers = {name: int(shown[name]) for name in ("generation", "sequence", "expiry", "gas_limit", "version")}
    hexes = {name: raw(shown[name]) for name in ("sender", "recipient", "payload_digest")}
    return Message(kind=Kind(int(shown["kind"])), **ends, **numbers, **hexes)  # type: ignore[arg-type]


NUMBERS = ("epoch", "checked_from", "verdict", "policy", "origin_log", "commit_log")


def verdict_of(shown: dict[str, Any]) -> Verdict:
    numbers = {name: int(shown[name]) for name in NUMBERS}
    hexes = {n: raw(shown[n]) for n in ("id", "origin_block", "commit_block", "commit_transaction", "outcome")}
    return Verdict(executed=shown["executed"], **numbers, **hexes)  # type: ignore[arg-type]


def test_the_vectors_are_what_the_script_writes() -> None:
    assert make_messages.FILE.read_text() == make_messages.written()


def test_both_agree_with_the_shared_messages(twins: Twins) -> None:
    for shown in vectors()["messages"]:
        message, verdict, attested = message_of(shown["fields"]), verdict_of(shown["verdict"]), shown["attestation"]
        end, root, epoch = message.destination, raw(attested["root"]), int(attested["epoch"])
        by_python = [
            message.id,
            message.lane,
            attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=root, epoch=epoch),
            verdict_digest(chain_id=end.chain_id, registry=end.gateway, verdict=verdict),
        ]
        by_vyper = twins.ask(
            ("id", (message.as_abi(),)),
            ("lane", (message.as_abi(),)),
            ("attested", (end.chain_id, end.gateway, root, epoch)),
            ("judged", (end.chain_id, end.gateway, astuple(verdict))),
        )
        expected = [raw(shown["id"]), raw(shown["lane"]), raw(attested["digest"]), raw(shown["verdict"]["digest"])]
        assert by_python == by_vyper == expected


def test_both_agree_with_the_shared_addresses(twins: Twins) -> None:
    for shown in vectors()["addresses"]:
        chain_id, account, encoded = int(shown["chain_id"]), raw(shown["account"]), raw(shown["encoded"])
        assert interoperable.encode(chain_id, account) == encoded
        assert interoperable.decode(encoded) == (chain_id, account)
        assert twins.ask(("encode", (chain_id, account)), ("decode", (encoded,))) == [
            encoded,
            (chain_id, f"0x{account.hex()}"),
        ]


def test_both_agree_with_the_shared_tree(twins: Twins) -> None:
    found = vectors()
    root, size = raw(found["tree"]["root"]), len(found["messages"])
    for index, (shown, path) in enumerate(zip(found["messages"], found["tree"]["inclusion"], strict=True)):
        entry, proof = raw(shown["id"]), [raw(node) for node in path]
        merkle.verify_inclusion(leaf=merkle.leaf_hash(entry), index=index, size=size, proof=proof, root=root)
        assert twins.accepts("root", entry, index, size, proof) == root


# -- random values --------------------------------------------------------------------------------------------------


def uint(chance: random.Random, bits: int) -> int:
    return int(chance.choice([0, 1, 2**bits - 1, chance.getrandbits(bits), chance.getrandbits(bits)]))


def drawn_message(chance: random.Random) -> Message:
    def end() -> Chain:
        return Chain(uint(chance, 256), chance.randbytes(32), chance.randbytes(20))

    small = chance.choice(list(Kind)), end(), end(), uint(chance, 32), uint(chance, 64)
    accounts = chance.randbytes(20), chance.randbytes(20)
    return Message(*small, *accounts, uint(chance, 64), uint(chance, 64), chance.randbytes(32), uint(chance, 8))


def test_ids_and_lanes_agree(twins: Twins, chance: random.Random) -> None:
    drawn = [drawn_message(chance) for _ in range(CASES)]
    calls = [(name, (message.as_abi(),)) for message in drawn for name in ("id", "lane")]
    assert twins.ask(*calls) == [value for message in drawn for value in (message.id, message.lane)]


def test_digests_agree(twins: Twins, chance: random.Random) -> None:
    calls: list[tuple[str, tuple[Any, ...]]] = []
    expected = []
    for _ in range(CASES):
        chain_id, contract, root = uint(chance, 256), chance.randbytes(20), chance.randbytes(32)
        epoch, (about, origin, commit, transaction, outcome) = (
            uint(chance, 64),
            [chance.randbytes(32) for _ in range(5)],
        )
        counted = uint(chance, 64), uint(chance, 8), chance.random() < 0.5
        places = uint(chance, 8), uint(chance, 64), uint(chance, 64)
        verdict = Verdict(about, epoch, origin, commit, transaction, *counted, outcome, *places)
        calls += [("attested", (chain_id, contract, root, epoch)), ("judged", (chain_id, contract, astuple(verdict)))]
        expected += [
            attestation_digest(chain_id=chain_id, gateway=contract, root=root, epoch=epoch),
            verdict_digest(chain_id=chain_id, registry=contract, verdict=verdict),
        ]
        inbound = chance.random() < 0.5
        calls.append(("paused", (chain_id, contract, root, inbound, epoch)))
        paused = pause_digest(chain_id=chain_id, administration=contract, lane=root, is_inbound=inbound, epoch=epoch)
        expected.append(paused)
    assert twins.ask(*calls) == expected


def test_signed_digests_and_roots_agree(twins: Twins, chance: random.Random) -> None:
    calls: list[tuple[str, tuple[Any, ...]]] = []
    expected = []
    for size in range(1, 65):
        digest, signatures = chance.randbytes(32), chance.randbytes(66 * chance.randint(0, 100))
        entries = [chance.randbytes(32) for _ in range(size)]
        calls += [("signed", (digest, signatures)), ("root_of", (entries,))]
        expected += [signed(digest, signatures), merkle.root_of([merkle.leaf_hash(entry) for entry in entries])]
    assert twins.ask(*calls) == expected
    assert twins.accepts("root_of", []) is None


def test_several_leaves_lead_to_one_root(twins: Twins, chance: random.Random) -> None:
    calls: list[tuple[str, tuple[Any, ...]]] = []
    expected = []
    for size in (1, 2, 3, 5, 8, 13, 64, 100):
        entries = [chance.randbytes(32) for _ in range(size)]
        leaves = [merkle.leaf_hash(entry) for entry in entries]
        for count in {1, min(2, size), min(size, 7), min(size, 64)}:
            places = sorted(chance.sample(range(size), count))
            proof = multiproof.multiproof(leaves, places)
            calls.append(("root_of_several", ([entries[place] for place in places], places, size, proof)))
            assert multiproof.root_from({p: leaves[p] for p in places}, size=size, proof=proof) == merkle.root_of(
                leaves
            )
            expected.append(merkle.root_of(leaves))
    assert twins.ask(*calls) == expected


def test_C04_a_proof_of_several_leaves_is_used_up_exactly(twins: Twins, chance: random.Random) -> None:
    entries = [chance.randbytes(32) for _ in range(13)]
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    places = [0, 1, 6, 12]
    good = multiproof.multiproof(leaves, places)
    chosen = [entries[place] for place in places]
    root = merkle.root_of(leaves)
    assert twins.accepts("root_of_several", chosen, places, 13, good) == root
    for change in range(200):
        size, proof, at = 13, list(good), list(places)
        match change % 5:
            case 0:
                proof.insert(chance.randint(0, len(proof)), chance.choice([chance.randbytes(32), *good]))
            case 1:
                del proof[chance.randrange(len(proof))]
            case 2:
                one = chance.randrange(len(proof))
                proof[one] = bytes([proof[one][0] ^ 1]) + proof[one][1:]
            case 3:
                at[chance.randrange(4)] = chance.randrange(15)
            case _:
                size = chance.choice([1, 2, 7, 12, 14, 16, 2**32, 2**32 + 1])
        pairs = {place: leaves[p] for place, p in zip(at, places, strict=True)}
        mine = several(pairs, at, size, proof)
        theirs = twins.accepts("root_of_several", chosen, at, size, proof)
        assert mine == theirs
        assert mine != root or (size, proof, at) == (13, good, places)


def several(leaves: dict[int, bytes], places: list[int], size: int, proof: list[bytes]) -> bytes | None:
    if list(leaves) != sorted(leaves) or len(leaves) != len(places):
        return None  # the mapping cannot say what the contract refuses: positions out of order or repeated
    try:
        return multiproof.root_from(leaves, size=size, proof=proof)
    except (Refused, BadInput):
        return None


def test_addresses_agree(twins: Twins, chance: random.Random) -> None:
    pairs = [(chance.getrandbits(chance.randint(1, 256)) or 1, chance.randbytes(20)) for _ in range(CASES)]
    assert twins.ask(*(("encode", pair) for pair in pairs)) == [interoperable.encode(*pair) for pair in pairs]


def by_python(encoded: bytes) -> tuple[int, str] | None:
    try:
        chain_id, account = interoperable.decode(encoded)
    except BadInput as error:
        assert error.code == "ADDRESS_FORM"
        return None
    return chain_id, f"0x{account.hex()}"


def mutated(chance: random.Random, encoded: bytes) -> bytes:
    """One of: a changed byte, a byte less, a byte more, another size, a leading zero, something else entirely."""
    at = chance.randrange(len(encoded))
    return chance.choice(
        [
            encoded[:at] + bytes([encoded[at] ^ chance.randint(1, 255)]) + encoded[at + 1 :],
            encoded[:at] + encoded[at + 1 :],
            encoded[:at] + chance.randbytes(1) + encoded[at:],
            encoded[:4] + bytes([chance.randint(0, 255)]) + encoded[5:],
            encoded[:4] + bytes([encoded[4] + 1, 0]) + encoded[5:],
            chance.randbytes(chance.randint(0, 58)),
            encoded,
        ]
    )[:58]


def test_both_refuse_the_same_addresses(twins: Twins, chance: random.Random) -> None:
    accepted = 0
    for _ in range(CASES):
        honest = interoperable.encode(chance.getrandbits(chance.randint(1, 256)) or 1, chance.randbytes(20))
        form = mutated(chance, honest)
        expected = by_python(form)
        assert twins.accepts("decode", form) == expected, form.hex()
        accepted += expected is not None
    assert 20 < accepted < CASES - 20, "the mutations must be of both kinds"


def is_included(entry: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    try:
        merkle.verify_inclusion(leaf=merkle.leaf_hash(entry), index=index, size=size, proof=proof, root=root)
    except Refused as error:
        assert error.code == "PROOF_INVALID"
        return False
    return True


def test_both_refuse_the_same_inclusion_proofs(twins: Twins, chance: random.Random) -> None:
    verdicts = []
    for case in range(CASES):
        size = chance.choice([1, 2, 3, 4, 5, 7, 8, 9, 16, 33, 64])
        entries = [keccak256(b"%d %d" % (case, leaf)) for leaf in range(size)]
        leaves = [merkle.leaf_hash(entry) for entry in entries]
        index = chance.randrange(size)
        proof, root = list(merkle.inclusion_proof(leaves, index)), merkle.root_of(leaves)
        claimed = (entries[index], index, size, proof)
        match chance.randrange(7):
            case 0:
                claimed = (entries[index], chance.randrange(size + 2), size, proof)
            case 1:
                claimed = (entries[index], index, chance.randint(0, 70), proof)
            case 2 if proof:
                claimed = (entries[index], index, size, proof[:-1])
            case 3:
                claimed = (entries[index], index, size, [*proof, bytes(32)])
            case 4 if proof:
                claimed = (entries[index], index, size, proof[::-1])
            case 5:
                claimed = (entries[chance.randrange(size)], index, size, proof)
            case _:
                pass
        expected = is_included(*claimed, root)
        assert (twins.accepts("root", *claimed) == root) == expected, (case, claimed)
        verdicts.append(expected)
    assert 40 < sum(verdicts) < CASES - 40, "the proofs must be of both kinds"


def test_neither_takes_a_proof_deeper_than_any_certificate(twins: Twins) -> None:
    # 2^32 messages need 32 hashes; the contract's array ends there.
    entry, proof = b"\x01" * 32, [bytes([level]) * 32 for level in range(MAX_DEPTH)]
    assert twins.accepts("root", entry, 0, 2**32, proof) is not None
    assert twins.accepts("root", entry, 0, 2**33, [*proof, b"\x77" * 32]) is None
    # The last leaf of a lopsided tree: its level jumps by more than one.
    size = 2**31 + 1
    node = merkle.node_hash(b"\x77" * 32, merkle.leaf_hash(entry))
    assert twins.accepts("root", entry, size - 1, size, [b"\x77" * 32]) == node
    assert is_included(entry, size - 1, size, [b"\x77" * 32], node)
