"""Bundles of sealed origins: who sealed the block, linked to the validators that the trust root pins; or why not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ledger.bundle import Bundle, SealedHeader, TrustRoot, Validators, cbor, crossing_of, verify
from ledger.bundle.assemble import assemble_crossed
from ledger.bundle.format import MAGIC, SEAL_BYTES, Attested, dump, load
from ledger.ethereum.header import header_from_rlp
from ledger.ethereum.qbft import EMPTY_OMMERS, MIX_HASH, ExtraData, QbftHeader
from ledger.headers.seals import pack_seals
from ledger.proposal import Message
from ledger.secp256k1 import ORDER, SigningKey
from tests.ledger.bundle.estate import TRUST_ROOT, Estate, _block
from tests.ledger.refusals import refused
from tests.simulator.qbft import ascending, changed, keys, seal

FIRST = ascending(keys(4, first=50))
SECOND = ascending((*FIRST[1:], *keys(1, first=60)))  # one left, one came
STRANGERS = ascending(keys(4, first=70))
PINNED = Validators(TRUST_ROOT.origin.chain_id, 40, tuple(key.address for key in FIRST))
ROOT = replace(TRUST_ROOT, sealed=(PINNED,))
LATER = replace(TRUST_ROOT, sealed=(replace(PINNED, height=42),))
RELAY, BOTH = {"policy": 3}, {"policy": 4}


def sealed(header: QbftHeader, signers: Sequence[SigningKey]) -> SealedHeader:
    """A header with these seals, as a bundle carries it."""
    return SealedHeader(header.unsealed, pack_seals(seal(header, signers)))


def as_qbft(raw: bytes, validators: Sequence[SigningKey], **changes: Any) -> QbftHeader:
    """A block's header as a chain with these validators would have it."""
    plain = header_from_rlp(raw)
    fields = {name: getattr(plain, name) for name in plain.__dataclass_fields__}
    extra = ExtraData(bytes(32), tuple(key.address for key in validators), round=2)
    shape = {"ommers_hash": EMPTY_OMMERS, "difficulty": 1, "prev_randao": MIX_HASH, "nonce": bytes(8)}
    return QbftHeader(**{**fields, **shape, "extra_data": extra.rlp(), **changes})


@dataclass
class Sealed(Estate):
    """An estate whose origin is sealed by `validators`. `certified`: whether a certificate was recorded."""

    trust_root: TrustRoot = ROOT
    validators: Sequence[SigningKey] = FIRST
    certified: bool = False
    verdict: dict[str, Any] = field(default_factory=lambda: dict(RELAY))
    header: QbftHeader | None = None

    def carry(self, message: Message, payload: bytes) -> dict[str, Any]:
        """As `Estate`, from a sealed block; and with no certificate where none was recorded."""
        sent = _block(41, self._sent_log(message, payload))
        self.header = as_qbft(sent.header, self.validators)
        sent = replace(sent, header=self.header.hashed)
        committed = _block(57, self._committed_log(message))
        verdict = self._judge(message, sent, committed)
        return {
            "sent": sent,
            "certificate": self._certificate(message) if self.certified else None,
            "committed": committed,
            "verdict": verdict,
            "signatures": self._sign_verdict(verdict),
        }

    def bundle(self, *between: SealedHeader, shown: bool = True) -> bytes:
        """Its file, with what leads from the pinned validators to the block."""
        parts = self.parts()
        assert self.header is not None
        seals = (*between, sealed(self.header, self.validators[:3])) if shown else ()
        names = ("sent", "certificate", "committed", "verdict", "signatures")
        anchor = crossing_of(self.trust_root, **{name: parts[name] for name in names}, seals=seals)
        told = {"subject": parts["subject"], "objects": parts["objects"], "note": parts["note"]}
        root = self.trust_root
        return assemble_crossed(**told, trust_root=root, link=None, anchor=anchor, pledge=None, stamp=None)


def made(**changes: Any) -> Sealed:
    estate = Sealed(**changes)
    estate.with_entries()
    return estate


def step_between(number: int, validators: Sequence[SigningKey], signers: Sequence[SigningKey]) -> SealedHeader:
    """A block of this number with these validators, sealed by these keys."""
    return sealed(as_qbft(load(HONEST).sent.header, validators, number=number), signers)


HONEST = made().bundle()


def said(raw: bytes, root: TrustRoot = ROOT) -> dict[str, str]:
    return {step.step: step.what for step in verify(raw, trust_root=root).proven}


def test_the_validators_that_the_trust_root_pins_sealed_the_block() -> None:
    told = said(HONEST)
    assert told["sealed_origin"] == "3 of 4 validators of eip155:7101 sealed block 41."
    assert told["observed"].startswith("The lane's policy is relay: eip155:7102 let the message in by a light client")
    assert "attested" not in told
    assert dump(load(HONEST)) == HONEST


def test_a_lane_that_asks_for_both_shows_both() -> None:
    told = said(made(verdict=dict(BOTH), certified=True).bundle())
    assert {"attested", "sealed_origin"} <= told.keys()


def test_a_certificate_that_somebody_recorded_all_the_same_is_part_of_the_credential() -> None:
    assert {"attested", "sealed_origin"} <= said(made(certified=True).bundle()).keys()


def test_a_lane_of_notaries_on_a_sealed_chain_may_show_the_seals_or_not() -> None:
    estate = made(verdict={"policy": 1}, certified=True)
    assert "sealed_origin" in said(estate.bundle())
    findings = verify(estate.bundle(shown=False), trust_root=ROOT)
    assert not any("validators" in each for each in findings.not_proven)


def test_later_validators_are_followed_from_the_pinned_ones() -> None:
    raw, root = later_validators()
    told = verify(raw, trust_root=root).proven
    (found,) = [step for step in told if step.step == "sealed_origin"]
    assert (
        found.who
        == "their seals, from the validators that the trust root pins at block 30, 1 changes of validators later"
    )


@pytest.mark.parametrize(
    ("root", "why"),
    [
        (TRUST_ROOT, "the trust root names none of them"),
        (LATER, "they are pinned from block 42 on only"),
    ],
)
def test_seals_that_cannot_be_linked_are_left_out_and_it_says_why(root: TrustRoot, why: str) -> None:
    findings = verify(made(trust_root=root).bundle(shown=False), trust_root=root)
    assert any(why in each for each in findings.not_proven)
    assert "sealed_origin" not in {step.step for step in findings.proven}


def later_validators() -> tuple[bytes, TrustRoot]:
    """A bundle whose seals lead from pinned validators over a change of them, and the trust root that pins those."""
    estate = made(validators=SECOND, trust_root=replace(TRUST_ROOT, sealed=(replace(PINNED, height=30),)))
    return estate.bundle(step_between(35, SECOND, SECOND[:3])), estate.trust_root


def seals(*steps: SealedHeader) -> Callable[[Bundle], Bundle]:
    return lambda bundle: replace(bundle, seals=steps)


def last(**changes: Any) -> Callable[[Bundle], Bundle]:
    return lambda bundle: replace(bundle, seals=(*bundle.seals[:-1], replace(bundle.seals[-1], **changes)))


def resealed(validators: Sequence[SigningKey], signers: Sequence[SigningKey], **changes: Any) -> SealedHeader:
    """The block's header with other validators or fields, sealed."""
    return sealed(as_qbft(load(HONEST).sent.header, validators, **changes), signers)


def resealed_in(number: int) -> SealedHeader:
    """The block's header as agreed on in this round."""
    return sealed(changed(as_qbft(load(HONEST).sent.header, FIRST), round=number), FIRST)


def other_s(packed: bytes) -> bytes:
    """The first seal in its second form, which a strict reader refuses."""
    s = ORDER - int.from_bytes(packed[33:65], "big")
    return packed[:33] + s.to_bytes(32, "big") + bytes([55 - packed[65]]) + packed[66:]


OWN = load(HONEST).seals[-1]
CONTRACT_MODE = changed(as_qbft(load(HONEST).sent.header, FIRST), validators=())
CHANGED: dict[str, tuple[Callable[[Bundle], Bundle], str]] = {
    "too few sealed it": (last(seals=OWN.seals[:-66]), "QUORUM"),
    "nobody sealed it": (last(seals=b""), "QUORUM"),
    "a seal is cut short": (last(seals=OWN.seals[:-1]), "SIG_LENGTH"),
    "one sealed twice": (last(seals=OWN.seals[:66] * 3), "SIG_ORDER"),
    "a seal is another validator's": (last(seals=bytes([3]) + OWN.seals[1:66] + OWN.seals[66:]), "SIG_UNKNOWN"),
    "validators that nobody vouched for sealed it": (seals(resealed(STRANGERS, STRANGERS)), "SET_OVERLAP"),
    "strangers are let in by a header of their own": (
        seals(step_between(40, STRANGERS, STRANGERS), resealed(STRANGERS, STRANGERS)),
        "SET_OVERLAP",
    ),
    "a contract chooses the validators": (last(header=CONTRACT_MODE.unsealed), "SEAL_MODE"),
    "a recovery value that there is not": (last(seals=OWN.seals[:65] + b"\x1d" + OWN.seals[66:]), "SIG_BAD_V"),
    "a seal without an s": (last(seals=OWN.seals[:33] + bytes(32) + OWN.seals[65:]), "SIG_RANGE"),
    "a seal with the other s": (last(seals=other_s(OWN.seals)), "SIG_MALLEABLE"),
    "a seal of a validator that there is not": (last(seals=OWN.seals[:132] + b"\x09" + OWN.seals[133:]), "SIG_UNKNOWN"),
    "too few validators": (seals(resealed(FIRST[:3], FIRST[:3])), "CONFIG_SET"),
    "validators in another order": (seals(resealed(FIRST[::-1], FIRST[::-1])), "CONFIG_SET"),
    "a header that ends in the middle": (last(header=OWN.header[:-1]), "HEADER_HASH"),
    "a header of another kind of chain": (seals(resealed(FIRST, FIRST, difficulty=2)), "HEADER_HASH"),
    "a header larger than any": (last(header=bytes(3073)), "HEADER_HASH"),
    "a round beyond all rounds": (seals(resealed_in(128)), "HEADER_HASH"),
    "another block was sealed": (seals(resealed(FIRST, FIRST, gas_used=1)), "HEADER_HASH"),
    "an earlier block was sealed": (seals(resealed(FIRST, FIRST, number=40)), "HEADER_HASH"),
    "a block before the pinned one was sealed": (seals(resealed(FIRST, FIRST, number=39)), "SEALS_ORDER"),
    "the headers do not rise": (
        seals(step_between(45, SECOND, SECOND[:3]), OWN),
        "SEALS_ORDER",
    ),
    "a header leads nowhere": (seals(step_between(40, FIRST, FIRST), OWN), "NON_CANONICAL"),
    "the seals stand in the header": (
        last(header=seal(as_qbft(load(HONEST).sent.header, FIRST), FIRST).rlp()),
        "HEADER_HASH",
    ),
    "they are left out": (seals(), "SEALS_MISSING"),
    "a certificate that is not there has a path": (
        lambda bundle: replace(bundle, attested=Attested(1, (bytes(33),), b"")),
        "NON_CANONICAL",
    ),
    "a certificate that is not there has another epoch": (
        lambda bundle: replace(bundle, attested=Attested(2, (), b"")),
        "NON_CANONICAL",
    ),
    "the credential rests on another certificate": (
        lambda bundle: replace(bundle, judged=replace(bundle.judged, credential=bytes(32))),
        "CREDENTIAL_MISMATCH",
    ),
}


@pytest.mark.parametrize("case", CHANGED)
def test_it_is_refused_when(case: str) -> None:
    change, code = CHANGED[case]
    with refused(code):
        verify(dump(change(load(HONEST))), trust_root=ROOT)
    assert verify(HONEST, trust_root=ROOT)


def test_seals_under_a_trust_root_that_pins_nobody_are_refused() -> None:
    raw = made(trust_root=TRUST_ROOT).bundle(shown=False)
    with refused("SEALS_UNPINNED"):
        verify(dump(seals(OWN)(load(raw))), trust_root=TRUST_ROOT)


def test_a_lane_that_asks_for_a_certificate_is_refused_without_one() -> None:
    for policy in (1, 4):
        with refused("SIG_LENGTH"):
            made(verdict={"policy": policy}).bundle()


def test_an_empty_list_of_seals_is_another_form_and_refused() -> None:
    raw = made(trust_root=TRUST_ROOT).bundle(shown=False)
    body = cbor.decode(raw[len(MAGIC) + SEAL_BYTES :])
    assert isinstance(body, dict)
    again = cbor.encode({**body, "seals": []})
    with refused("BUNDLE_FIELD"):
        load(MAGIC + hashlib.sha256(again).digest() + again)


LISTS: dict[str, tuple[Callable[[], object], str]] = {
    "three validators": (lambda: replace(PINNED, members=PINNED.members[:3]), "CONFIG_SET"),
    "validators in another order": (lambda: replace(PINNED, members=PINNED.members[::-1]), "CONFIG_SET"),
    "one of them twice": (lambda: replace(PINNED, members=(PINNED.members[0], *PINNED.members)), "CONFIG_SET"),
    "the zero address": (lambda: replace(PINNED, members=(bytes(20), *PINNED.members)), "CONFIG_SET"),
    "a short address": (lambda: replace(PINNED, members=(b"", *PINNED.members)), "TRUST_ROOT_FORMAT"),
    "a height below zero": (lambda: replace(PINNED, height=-1), "TRUST_ROOT_FORMAT"),
    "a chain that is not there": (lambda: replace(ROOT, sealed=(replace(PINNED, chain_id=9),)), "CONFIG_SET"),
    "a chain twice": (lambda: replace(ROOT, sealed=(PINNED, PINNED)), "CONFIG_SET"),
}


@pytest.mark.parametrize("case", LISTS)
def test_validators_are_refused_that_no_chain_could_have(case: str) -> None:
    make, code = LISTS[case]
    with refused(code):
        make()
    assert TrustRoot.load(ROOT.dump()).sealed == (PINNED,)


def test_a_trust_root_that_pins_validators_is_read_back() -> None:
    assert TrustRoot.load(ROOT.dump()) == ROOT
    assert ROOT.fingerprint != TRUST_ROOT.fingerprint
