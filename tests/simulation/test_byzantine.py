"""Byzantine members in committees of 4 to 19: up to f are harmless whatever they do; f + 1 are named and barred."""

from __future__ import annotations

from random import Random

import pytest

from ledger.errors import Problem, Refused
from ledger.quorum import pack
from ledger.rotation import Rotating
from tests.contracts.committees import key, members, proofs
from tests.simulation.byzantine import KINDS, Split, place_of

SIZES = [4, 7, 10, 13, 19]
SEEDS = 6


def bound(n: int) -> int:
    """How many faulty members a committee bears."""
    return (n - 1) // 3


def committee_of(n: int, chain_id: int) -> Rotating:
    """The committee contract of one chain, as its twin."""
    records = members(*range(n))
    contract = chain_id.to_bytes(20, "big")
    return Rotating.start(records, proofs(records), chain_id=chain_id, contract=contract, delay=60, grace=60)


@pytest.mark.parametrize("n", SIZES)
def test_B11_up_to_f_byzantine_members_never_make_two_certificates_for_one_sequence(n: int) -> None:
    for seed in range(SEEDS):
        kinds = tuple(Random(seed).choice(KINDS) for _ in range(bound(n)))
        split = Split(n, seed, kinds)
        left, right = (history.message for history in split.histories)
        assert (place_of(left), left.id) != (place_of(right), right.id) and place_of(left) == place_of(right)
        certificates = split.run()
        assert len(certificates) <= 1, (n, seed, kinds)
        honest = set(range(bound(n), n))
        assert not honest & split.evidence().keys(), "an honest member never signs both"
    for kind in KINDS:
        united = Split(n, 99, (kind,) * bound(n), sides=(0,) * n, undisturbed=True)
        assert len(united.run(rounds=1)) == 1, "where the honest ones agree, their message gets its certificate"


@pytest.mark.parametrize("kind", ["twin", "equivocator"])
@pytest.mark.parametrize("n", SIZES)
def test_B12_one_more_than_f_can_make_two_certificates_and_every_committee_bars_exactly_those_keys(
    n: int, kind: str
) -> None:
    faulty = bound(n) + 1
    honest_sides = tuple(index % 2 for index in range(n - faulty))
    split = Split(n, 5, (kind,) * faulty, sides=(*[0] * faulty, *honest_sides), undisturbed=True)
    certificates = split.run(rounds=2)
    assert len(certificates) == 2, "beyond the bound it can happen"
    evidence = split.evidence()
    assert set(evidence) == set(range(faulty)), "and shows exactly who did it"
    for chain_id in split.chains:
        committee = committee_of(n, chain_id)
        for side, certificate in enumerate(certificates):
            committee.check(1, split.digest(side), certificate.signatures, now=0)
        for first, second in evidence.values():
            committee = committee.report(first, second)
        barred = {index for index, signer in enumerate(committee.current.signers) if signer is None}
        assert barred == set(range(faulty))
        for side, given in enumerate(split.given):
            with pytest.raises(Refused) as refused:
                committee.check(1, split.digest(side), pack(given), now=0)
            assert refused.value.code == "SIG_UNKNOWN"
            left = {index: signature for index, signature in given.items() if index not in barred}
            with pytest.raises(Refused, match="QUORUM"):
                committee.check(1, split.digest(side), pack(left), now=0)


@pytest.mark.parametrize("n", SIZES)
def test_B12_evidence_against_an_honest_member_does_not_exist(n: int) -> None:
    split = Split(n, 3, ("equivocator",) * (bound(n) + 1), undisturbed=True)
    split.run(rounds=1)
    honest = set(range(bound(n) + 1, n))
    assert not honest & split.evidence().keys()
    index = min(honest)
    side = 0 if index in split.given[0] else 1
    assert index in split.given[side], "it signed for its own side"
    own = split._attested(side, index)
    committee = committee_of(n, 7001)
    for pair in ((own, own), (own, split._attested(1 - side, 0))):
        with pytest.raises(Problem, match="NO_CONFLICT"):
            committee.report(*pair)
    assert key(index).address in committee.current.signers
