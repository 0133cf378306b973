"""Messages for tests, and strategies that draw any of them."""

from __future__ import annotations

from hypothesis import strategies as st

from ledger.attestation import Verdict
from ledger.proposal import Chain, Kind, Message

ORIGIN = Chain(7101, b"\x01" * 32, b"\x11" * 20)
DESTINATION = Chain(7102, b"\x02" * 32, b"\x22" * 20)
MESSAGE = Message(
    Kind.CALL, ORIGIN, DESTINATION, 1, 5, b"\x33" * 20, b"\x44" * 20, 1_800_000_000, 400_000, b"\x55" * 32
)
VERDICT = Verdict(MESSAGE.id, 1, b"\x66" * 32, b"\x77" * 32, b"\x88" * 32, 12, 1, True, b"\x99" * 32, 1, 2 << 32, 3)

_words, _accounts = st.binary(min_size=32, max_size=32), st.binary(min_size=20, max_size=20)
# Few different bytes in few places, so that two drawn values often differ in one field only.
_near = st.sampled_from([bytes(32), bytes(31) + b"\x01", b"\x01" + bytes(31)])


def _uint(bits: int) -> st.SearchStrategy[int]:
    return st.one_of(st.integers(0, 2**bits - 1), st.sampled_from([0, 1, 2**bits - 1]))


_hash = st.one_of(_words, _near)
_account = st.one_of(_accounts, _near.map(lambda word: word[:20]))
chains = st.builds(Chain, _uint(256), _hash, _account)
messages = st.builds(
    Message,
    st.sampled_from(list(Kind)),
    chains,
    chains,
    _uint(32),
    _uint(64),
    _account,
    _account,
    _uint(64),
    _uint(64),
    _hash,
    _uint(8),
)
verdicts = st.builds(
    Verdict,
    *(_hash, _uint(64), _hash, _hash, _hash, _uint(64), _uint(8), st.booleans(), _hash),
    *(_uint(8), _uint(64), _uint(64)),
)
