"""Vyper and Python read the same QBFT headers, and refuse the same bytes: vectors, a header of Besu's, mutations."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Refused
from ledger.ethereum import rlp_strict
from ledger.ethereum.qbft import ITEM_BYTES, QbftHeader, Vote, read_unsealed, validator_items
from ledger.headers.held import Became
from ledger.headers.light_client import LightClient, digest_of
from ledger.headers.seals import check_seals, pack_seals
from tests.contracts.evm import Deployed, Evm, Reverted
from tests.contracts.header_bed import DELAY, DRIFT, GENESIS, PERIOD, TRUST_PERIOD, Bed, code_of, deploy_committee
from tests.ledger.ethereum.test_qbft import BESU
from tests.simulator.qbft import CHAIN_ID, FORKS, QbftChain, changed, keys, seal
from tests.vectors import make_qbft_headers

MUTATIONS = 10_000


@pytest.fixture(scope="module")
def probe() -> Deployed:
    return Evm().deploy(Path(__file__).parent / "QbftProbe.vy")


def by_vyper(probe: Deployed, raw: bytes) -> tuple[Any, ...] | str:
    """What the contract reads, its validators checked too; or the code of its refusal."""
    try:
        height, time, state, receipts, digest, block, at, size = probe.call("read", raw)
        items = raw[at : at + size]
        probe.call("check_set", items)
    except Reverted as reverted:
        # A length that reaches beyond the longest header fails in a copy, without words.
        return code_of(reverted.reason) if reverted.reason else "HEADER_HASH"
    return height, time, state, receipts, digest, block, items


def by_python(raw: bytes) -> tuple[Any, ...] | str:
    try:
        header = read_unsealed(raw)
        validators = header.extra.validators
        if any(low >= high for low, high in zip((bytes(20), *validators), validators, strict=False)):
            return "CONFIG_SET"
    except Refused as refused:
        return refused.code
    roots = header.state_root, header.receipts_root, header.seal_digest, header.hash
    return header.number, header.timestamp, *roots, validator_items(validators)


# -- shared vectors ----------------------------------------------------------------------------------------------------


def test_the_vectors_are_what_the_script_writes() -> None:
    assert make_qbft_headers.FILE.read_text() == make_qbft_headers.written()


def test_both_read_the_shared_headers(probe: Deployed) -> None:
    vectors = json.loads(make_qbft_headers.FILE.read_text())
    assert len(vectors) == 13
    for vector in vectors:
        raw = bytes.fromhex(vector["unsealed"])
        read = by_vyper(probe, raw)
        assert read == by_python(raw)
        assert isinstance(read, tuple)
        names = ("state_root", "receipts_root", "seal_digest", "block_hash")
        assert read[:6] == (vector["height"], vector["timestamp"], *(bytes.fromhex(vector[name]) for name in names))
        assert digest_of(read_unsealed(raw).extra.validators).hex() == vector["validators"]
        assert check_seals(read_unsealed(raw), bytes.fromhex(vector["seals"]))


def test_a_light_client_follows_what_besu_sealed() -> None:
    first = changed(replace(BESU, number=BESU.number - 1, timestamp=BESU.timestamp - 5), seals=(), round=0)
    evm = Evm(timestamp=BESU.timestamp + 1)
    committee = deploy_committee(evm)
    periods = (TRUST_PERIOD, DRIFT, 1)
    client = evm.deploy("LightClient", CHAIN_ID, GENESIS, first.unsealed, *periods, committee.address, DELAY)
    twin = LightClient.start(first.unsealed, trust_period=TRUST_PERIOD, max_drift=DRIFT, block_period=1, now=evm.time)
    client.send("update", BESU.unsealed, pack_seals(BESU), b"")
    assert twin.update(BESU.unsealed, pack_seals(BESU), now=evm.time) is Became.LATEST
    assert client.call("holds", BESU.number, BESU.hash, BESU.state_root, BESU.receipts_root, BESU.timestamp)


# -- D12: one header, one spelling -------------------------------------------------------------------------------------

HONEST = seal(QbftChain(keys(4)).propose(skip=2, decided_in=3), keys(4))
Fields = list[rlp_strict.Rlp]


def fields_of(header: QbftHeader = HONEST) -> Fields:
    items = rlp_strict.decode(header.unsealed)
    assert isinstance(items, tuple)
    return list(items)


def without(place: int) -> bytes:
    items = fields_of()
    return rlp_strict.encode(tuple(items[:place] + items[place + 1 :]))


def placed(place: int, item: rlp_strict.Rlp) -> bytes:
    items = fields_of()
    items[place] = item
    return rlp_strict.encode(tuple(items))


def exchanged(one: int, other: int) -> bytes:
    items = fields_of()
    items[one], items[other] = items[other], items[one]
    return rlp_strict.encode(tuple(items))


def respelled(old: bytes, new: bytes) -> bytes:
    """The header with one place of its bytes spelled otherwise, and every length around it made right again."""
    extra = (
        HONEST.extra_data if old not in changed(HONEST, seals=()).extra_data else changed(HONEST, seals=()).extra_data
    )
    assert extra.count(old) == 1
    inner = extra[2:].replace(old, new)
    return placed(12, bytes([0xF8, len(inner)]) + inner)


def spelled(place: int, raw: bytes) -> bytes:
    """The header with a field's bytes on the wire given verbatim."""
    items = fields_of()
    body = b"".join(raw if k == place else rlp_strict.encode(item) for k, item in enumerate(items))
    return b"\xf9" + len(body).to_bytes(2, "big") + body


ITEMS = validator_items(HONEST.extra.validators)

BROKEN: dict[str, Callable[[], bytes]] = {
    **{f"without_field_{place}": partial(without, place) for place in range(21)},
    **{f"field_{place}_is_a_list": partial(placed, place, ()) for place in range(21)},
    **{
        f"fields_{place}_and_the_next_exchanged": partial(exchanged, place, place + 1)
        for place in (6, 7, 11, 12, 13, 14)
    },
    "a_field_more": lambda: rlp_strict.encode((*fields_of(), bytes(32))),
    "nothing": lambda: b"",
    "one_byte": lambda: b"\xf9",
    "an_empty_list": lambda: b"\xc0",
    "a_byte_less": lambda: HONEST.unsealed[:-1],
    "a_byte_more": lambda: HONEST.unsealed + b"\x00",
    "a_block_around_it": lambda: rlp_strict.encode((tuple(fields_of()), (), ())),
    "with_its_seals": HONEST.rlp,
    "a_short_parent_hash": lambda: placed(0, bytes(31)),
    "a_long_beneficiary": lambda: placed(2, bytes(21)),
    "a_short_bloom": lambda: placed(6, bytes(255)),
    "a_difficulty_of_two": lambda: placed(7, b"\x02"),
    "a_difficulty_of_zero": lambda: placed(7, b""),
    "a_height_with_a_leading_zero": lambda: placed(8, b"\x00\x01"),
    "a_height_of_one_zero_byte": lambda: spelled(8, b"\x00"),
    "a_height_spelled_as_a_string": lambda: spelled(8, b"\x81\x01"),
    "a_height_of_nine_bytes": lambda: placed(8, b"\x01" * 9),
    "a_time_in_a_long_string": lambda: spelled(11, b"\xb8\x04\x6b\x49\xd2\x02"),
    "another_mix_hash": lambda: placed(13, bytes(32)),
    "another_last_byte_of_the_mix_hash": lambda: placed(13, HONEST.prev_randao[:-1] + b"f"),
    "a_nonce": lambda: placed(14, b"\x00" * 7 + b"\x01"),
    "a_short_nonce": lambda: placed(14, bytes(7)),
    "a_base_fee_of_nine_bytes": lambda: placed(15, b"\x01" * 9),
    "a_short_requests_hash": lambda: placed(20, bytes(31)),
    "extra_data_of_another_chain": lambda: placed(12, b"geth"),
    "extra_data_as_long_as_a_header": lambda: placed(12, b"\xf9\x0b\x00" + bytes(2816)),
    "extra_data_with_a_byte_after_its_list": lambda: placed(12, changed(HONEST, seals=()).extra_data + b"\x00"),
    "a_vanity_of_31_bytes": lambda: respelled(b"\xa0" + bytes(32), b"\x9f" + bytes(31)),
    "validators_one_byte_short": lambda: respelled(b"\xf8\x54" + ITEMS, b"\xf8\x53" + ITEMS[:-1]),
    "validators_in_a_longer_length": lambda: respelled(b"\xf8\x54" + ITEMS, b"\xf9\x00\x54" + ITEMS),
    "one_validator_in_a_longer_length": lambda: respelled(b"\xf8\x54" + ITEMS, b"\xf8\x15" + ITEMS[:ITEM_BYTES]),
    "validators_in_a_string": lambda: respelled(b"\xf8\x54" + ITEMS, b"\xb8\x54" + ITEMS),
    "a_validator_of_another_length": lambda: respelled(ITEMS[-ITEM_BYTES:], b"\x93" + ITEMS[-ITEM_BYTES:-1]),
    "a_validator_in_another_spelling": lambda: respelled(ITEMS[-ITEM_BYTES:], b"\x95" + ITEMS[-ITEM_BYTES + 1 :]),
    "no_vote_as_an_empty_string": lambda: respelled(b"\xc0\x03\xc0", b"\x80\x03\xc0"),
    "a_vote_of_another_kind": lambda: respelled(b"\xc0\x03\xc0", b"\xd6\x94" + bytes(20) + b"\x01\x03\xc0"),
    "a_vote_to_add_with_another_byte": lambda: respelled(
        b"\xc0\x03\xc0", b"\xd7\x94" + bytes(20) + b"\x81\xfe\x03\xc0"
    ),
    "a_vote_for_nobody": lambda: respelled(b"\xc0\x03\xc0", b"\xc2\x80\x80\x03\xc0"),
    "a_round_of_one_zero_byte": lambda: respelled(b"\xc0\x03\xc0", b"\xc0\x00\xc0"),
    "a_round_spelled_as_a_string": lambda: respelled(b"\xc0\x03\xc0", b"\xc0\x81\x03\xc0"),
    "round_128": lambda: respelled(b"\xc0\x03\xc0", b"\xc0\x81\x80\xc0"),
    "no_list_of_seals": lambda: respelled(b"\xc0\x03\xc0", b"\xc0\x03"),
    "a_string_for_the_seals": lambda: respelled(b"\xc0\x03\xc0", b"\xc0\x03\x80"),
    "an_item_after_the_seals": lambda: respelled(b"\xc0\x03\xc0", b"\xc0\x03\xc0\x80"),
    "an_empty_seal": lambda: respelled(b"\xc0\x03\xc0", b"\xc0\x03\xc1\x80"),
}
# Fields that forks appended: what is left is a shorter header that some fork has.
SHORTER_FORKS = {"without_field_19", "without_field_20"}


@pytest.mark.parametrize("name", BROKEN)
def test_D12_both_refuse(probe: Deployed, name: str) -> None:
    raw = BROKEN[name]()
    assert raw != HONEST.unsealed
    expected = by_python(raw)
    assert by_vyper(probe, raw) == expected
    assert isinstance(expected, tuple) == (name in SHORTER_FORKS)
    assert by_vyper(probe, HONEST.unsealed) == by_python(HONEST.unsealed)


def cut(count: int, size: int = 0) -> bytes:
    """The first fields of the header, then so many bytes of the next one, under a length that fits."""
    items = [rlp_strict.encode(item) for item in fields_of()]
    body = b"".join(items[:count]) + items[count][:size]
    return b"\xf9" + len(body).to_bytes(2, "big") + body


# Lengths that reach beyond the header: refused in words, before anything is read there.
OVERRUNS: dict[str, tuple[Callable[[], bytes], str]] = {
    "extra data": (lambda: spelled(12, b"\xb9\xff\xff" + bytes(200)), "qbft_header: length"),
    "the list of validators": (
        lambda: respelled(b"\xf8\x54" + ITEMS, b"\xf9\x08\x34" + ITEMS),
        "qbft_header: extra data",
    ),
    "a withdrawals root cut short": (lambda: cut(16, 20), "qbft_header: fields of no fork"),
    "blob gas used and nothing after it": (lambda: cut(18), "qbft_header: fields of no fork"),
    "excess blob gas and nothing after it": (lambda: cut(19), "qbft_header: fields of no fork"),
    "a requests hash cut short": (lambda: cut(20, 32), "qbft_header: fields of no fork"),
}


@pytest.mark.parametrize("name", OVERRUNS)
def test_D12_a_header_is_refused_in_words_that_ends_within(probe: Deployed, name: str) -> None:
    build, reason = OVERRUNS[name]
    with pytest.raises(Reverted) as reverted:
        probe.call("read", build())
    assert reverted.value.reason == reason
    assert by_python(build()) == "HEADER_HASH"
    assert by_vyper(probe, cut(20)) == by_python(cut(20)) != "HEADER_HASH"


MODES: dict[str, tuple[Callable[[], QbftHeader], str]] = {
    "contract": (lambda: changed(HONEST, validators=()), "qbft_header: a contract chooses the validators"),
    "contract, with a vote": (
        lambda: changed(HONEST, validators=(), vote=Vote(b"\x07" * 20, True)),
        "qbft_header: a contract chooses the validators",
    ),
    "one": (lambda: changed(HONEST, validators=HONEST.extra.validators[:1]), "fewer than four"),
    "two": (lambda: changed(HONEST, validators=HONEST.extra.validators[:2]), "fewer than four"),
    "three": (lambda: changed(HONEST, validators=HONEST.extra.validators[:3]), "fewer than four"),
    "a hundred and one": (
        lambda: changed(HONEST, validators=tuple(k.to_bytes(20, "big") for k in range(1, 102))),
        "too many",
    ),
}


@pytest.mark.parametrize("name", MODES)
def test_a_chain_is_refused_whose_validators_are(probe: Deployed, name: str) -> None:
    build, reason = MODES[name]
    with pytest.raises(Reverted, match=reason):
        probe.call("read", build().unsealed)
    assert by_vyper(probe, build().unsealed) == by_python(build().unsealed)
    hundred = changed(HONEST, validators=tuple(k.to_bytes(20, "big") for k in range(1, 101)))
    assert by_vyper(probe, hundred.unsealed) == by_python(hundred.unsealed)


def test_D12_an_unsealed_change_of_any_byte_is_not_what_was_sealed() -> None:
    bed = Bed.lay()
    header = bed.chain.mine()
    seals = pack_seals(header)
    chance = random.Random("any byte")
    for at in sorted(chance.sample(range(len(header.unsealed)), 60)):
        raw = bytearray(header.unsealed)
        raw[at] ^= 1 << chance.randrange(8)
        with pytest.raises(Reverted):
            bed.client.send("update", bytes(raw), seals, b"")
        with pytest.raises(Refused):
            bed.twin.update(bytes(raw), seals, now=bed.evm.time)
    assert bed.update(header) is Became.LATEST


def test_a_header_of_another_chain_with_other_validators_is_refused() -> None:
    bed = Bed.lay()
    other = QbftChain(keys(4, first=40))
    other.mine()
    bed.refuses("LightClient: validators not trusted", other.mine())
    assert bed.update(bed.chain.mine()) is Became.LATEST


# -- random mutations --------------------------------------------------------------------------------------------------


def drawn(chance: random.Random) -> QbftHeader:
    """An honest header of any fork, number of validators, vote and round."""
    chain = QbftChain(keys(chance.choice([4, 4, 5, 12, 13])), fork=chance.choice(list(FORKS)))
    vote = chance.choice([None, Vote(chance.randbytes(20), True), Vote(chance.randbytes(20), False)])
    changes: dict[str, Any] = {"gas_used": chance.choice([0, 1, 127, 128, 2**40]), "logs_bloom": chance.randbytes(256)}
    return chain.propose(vote=vote, decided_in=chance.choice([0, 1, 127]), **changes)


def mutated(chance: random.Random, raw: bytes) -> bytes:
    """One or two of: a changed bit, a byte less or more, two exchanged spans, a length or prefix set anew."""
    for _ in range(chance.choice([1, 1, 2])):
        at = chance.choice([chance.randrange(len(raw)), chance.randrange(440, min(len(raw), 620))])
        match chance.randrange(6):
            case 0:
                raw = raw[:at] + bytes([raw[at] ^ 1 << chance.randrange(8)]) + raw[at + 1 :]
            case 1:
                raw = raw[:at] + raw[at + 1 :]
            case 2:
                raw = raw[:at] + chance.randbytes(1) + raw[at:]
            case 3:
                raw = (
                    raw[:at]
                    + chance.choice([b"\x80", b"\xc0", b"\xa0", b"\xf8", b"\xf9", b"\xb8", b"\x00"])
                    + raw[at + 1 :]
                )
            case 4:
                raw = raw[:at] + raw[at + 8 : at + 16] + raw[at : at + 8] + raw[at + 16 :]
            case _:
                pass
    # Most of it is only seen once the outermost length fits again.
    if chance.random() < 0.7 and len(raw) > 260:
        raw = b"\xf9" + (len(raw) - 3).to_bytes(2, "big") + raw[3:]
    return raw[:3072]


def test_both_judge_mutated_headers_alike(probe: Deployed) -> None:
    chance = random.Random("mutated headers")
    headers = [drawn(chance).unsealed for _ in range(100)]
    accepted = 0
    for case in range(MUTATIONS):
        raw = mutated(chance, chance.choice(headers))
        expected, found = by_python(raw), by_vyper(probe, raw)
        if isinstance(expected, str) or isinstance(found, str):
            # Which of two faults is named first may differ; whether it is refused may not.
            assert isinstance(expected, str) == isinstance(found, str), (case, raw.hex(), expected, found)
            continue
        assert found == expected, (case, raw.hex())
        accepted += 1
    assert MUTATIONS // 10 < accepted < MUTATIONS * 9 // 10, accepted


def test_both_follow_the_same_random_tale() -> None:
    chance = random.Random("a tale")
    seen: set[str] = set()
    for _ in range(6):
        bed = Bed.lay(chance.choice([4, 5]))
        tip = [bed.chain.mine() for _ in range(12)]
        for _ in range(60):
            header = chance.choice(tip)
            match chance.randrange(8):
                case 0:
                    header = seal(replace(header, state_root=chance.randbytes(32)), bed.chain.validators)
                case 1:
                    header = seal(header, bed.chain.validators[: chance.randrange(5)])
                case 2:
                    header = seal(
                        replace(header, timestamp=header.timestamp + chance.randrange(-9, 9)), bed.chain.validators
                    )
                case 3:
                    bed.evm.time += chance.choice([1, PERIOD, TRUST_PERIOD // 20])
                case _:
                    pass
            try:
                seen.add(bed.update(header).name)
            except Reverted as reverted:
                seen.add(reverted.reason)
            for held in tip[:3]:
                bed.holds(held)
    assert {"LATEST", "HELD", "KNOWN", "FROZEN", "held_headers: frozen", "LightClient: below quorum"} <= seen
