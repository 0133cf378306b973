"""A loan in the bundle of its goods: what it asked of the registries, what they answered, and nothing made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ledger.attestation import word
from ledger.bundle import (
    CREDENTIAL_DOMAIN,
    Bundle,
    Crossing,
    Lending,
    Pledge,
    TrustRoot,
    credential_record,
    crossing_of,
    verify,
)
from ledger.bundle.sealed import read_credential_record
from ledger.ethereum.keccak import keccak256
from ledger.gs1 import goods_key
from ledger.proposal import Chain, Kind, Message
from tests.ledger.bundle.estate import LEAVES, TEA, TRUST_ROOT, Entry, Estate, address
from tests.ledger.bundle.rotated import RENEWED, Rotated
from tests.ledger.refusals import refused

LENDING = Lending(loans=address(0xC1), receipts=address(0xC2), goods=address(0xC3))
LENT = replace(TRUST_ROOT, lending=LENDING)
LOAN, RECEIPT = bytes([0x11]) * 32, bytes([0x22]) * 32


def outcome(text: str) -> bytes:
    """An application's answer in one word."""
    return text.encode().ljust(32, b"\0")


def of_the_lot(entries: Sequence[Entry]) -> list[Entry]:
    """Without what was filmed of one unit, and without its commissioning and packing."""
    return [entry for entry in entries[:-2] if b"packing/1" not in entry[1]]


@dataclass
class Secured(Estate):
    """An estate whose loan asked both registries for security. Change a field, then build.

    `words`, `message`: what to change in every instruction and its message.
    """

    subject: Any = TEA
    trust_root: TrustRoot = LENT
    words: dict[int, bytes] = field(default_factory=dict)
    asked: dict[str, Any] = field(default_factory=dict)
    answers: tuple[bytes, bytes] = (outcome("frozen"), outcome("reserved"))
    executed: int = 1

    def with_entries(self) -> Secured:
        """As `Estate`, without what belongs to the units alone and not to their lot."""
        super().with_entries()
        self.entries = of_the_lot(self.entries)
        return self

    def told(self) -> Pledge:
        """The receipt's freeze, then the goods' reservation: the counter is one, and the origin's chain id is lower."""
        ends = ((TRUST_ROOT.origin, LENDING.receipts), (TRUST_ROOT.transaction, LENDING.goods))
        cases = zip(ends, self.answers, strict=True)
        return Pledge(LOAN, tuple(self._cross(end, registry, answer) for (end, registry), answer in cases))

    def lent(self, change: Callable[[Pledge], Pledge] = lambda pledge: pledge) -> bytes:
        """The file of a forger: nobody verified the loan, `change`d at will."""

        def with_loan(bundle: Bundle) -> Bundle:
            return replace(bundle, pledge=change(self.told()))

        return self.forge(with_loan)

    def _cross(self, end: Chain, registry: bytes, answer: bytes) -> Crossing:
        words = {0: word(1), 1: LOAN, 2: word(1), 3: RECEIPT, 4: goods_key(TEA), 5: word(0), **self.words}
        payload = b"".join(words[at] for at in sorted(words))
        fields: dict[str, Any] = {
            "kind": Kind.CALL,
            "origin": TRUST_ROOT.destination,
            "destination": end,
            "generation": 1,
            "sequence": 9,
            "sender": LENDING.loans,
            "recipient": registry,
            "expiry": 2_000_000_000,
            "gas_limit": 400_000,
            "payload_digest": keccak256(payload),
        }
        message = Message(**{**fields, **self.asked})
        estate = Estate(
            commit={"outcome": answer, "executed": self.executed},
            verdict={"outcome": answer, "executed": self.executed == 1},
            gateways=(message.origin.gateway, end.gateway),
            notaries=self.notaries,
            attesting=self.attesting,
        )
        return crossing_of(LENT, **estate.carry(message, payload), destination=end)


def built(**changes: Any) -> bytes:
    """As `assemble` makes it, which refuses what `verify` would refuse."""
    from ledger.bundle import assemble

    estate = Secured(**changes).with_entries()
    return assemble(**estate.parts(), pledge=estate.told())


def sentences(raw: bytes) -> list[str]:
    """What is told of the loan."""
    return [each.what for each in verify(raw, trust_root=LENT).proven if each.step == "pledge"]


PLEDGED = built()


def test_a_pledge_is_told_with_what_was_asked_and_answered() -> None:
    asked = "The loan's registry asked {} to secure; the answer in block 57: {}."
    assert sentences(PLEDGED) == [
        asked.format(TRUST_ROOT.origin, "frozen"),
        asked.format(TRUST_ROOT.transaction, "reserved"),
    ]
    vouching = [each.who for each in verify(PLEDGED, trust_root=LENT).proven if each.step == "pledge"]
    assert all(who.startswith("3 of 4 notaries") for who in vouching)


def test_a_refusal_is_told_as_a_refusal() -> None:
    told = sentences(built(answers=(outcome("frozen"), outcome("already reserved"))))
    assert told[1].endswith(": already reserved.")


def test_a_call_that_failed_is_no_security() -> None:
    assert all(each.endswith(": the call failed.") for each in sentences(built(executed=0)))


def test_an_answer_that_is_no_text_is_shown_as_its_bytes() -> None:
    assert sentences(built(answers=(bytes([0xFF]) * 32, bytes(32))))[0].endswith(f": 0x{'ff' * 32}.")


FALSE: dict[str, tuple[dict[str, Any], str]] = {
    "the instructions are another loan's": ({"words": {1: bytes(32)}}, "PLEDGE_MISMATCH"),
    "the goods are not the subject": ({"words": {4: goods_key(LEAVES)}}, "PLEDGE_MISMATCH"),
    "they ask for nothing known": ({"words": {0: word(9)}}, "PLEDGE_FORMAT"),
    "the payload is too short": ({"words": {5: b""}}, "PLEDGE_FORMAT"),
    "the payload is too long": ({"words": {6: word(0)}}, "PLEDGE_FORMAT"),
    "somebody else sent them": ({"asked": {"sender": address(0x0E)}}, "PLEDGE_MISMATCH"),
    "somebody else was asked": ({"asked": {"recipient": address(0x0E)}}, "PLEDGE_MISMATCH"),
    "one registry was asked in the other's place": ({"asked": {"recipient": LENDING.goods}}, "PLEDGE_MISMATCH"),
    "one notary too few judged": ({"notaries": (0, 1)}, "QUORUM"),
    "one notary too few attested": ({"attesting": (0, 1)}, "QUORUM"),
    "nobody lends in this deployment": ({"trust_root": TRUST_ROOT}, "PLEDGE_MISMATCH"),
}


@pytest.mark.parametrize("case", FALSE)
def test_a_pledge_is_refused_when(case: str) -> None:
    changes, code = FALSE[case]
    estate = Secured(**changes).with_entries()
    told = Secured(**{name: value for name, value in changes.items() if name in ("words", "asked")})
    told.notaries, told.attesting = estate.notaries, estate.attesting
    estate.notaries, estate.attesting = (0, 1, 3), (0, 1, 2)
    with refused(code):
        verify(estate.lent(lambda _: told.told()), trust_root=None)
    assert verify(PLEDGED, trust_root=LENT)


CHANGED: dict[str, tuple[Callable[[Pledge], Pledge], str]] = {
    "it names another loan": (lambda told: replace(told, loan=bytes(32)), "PLEDGE_MISMATCH"),
    "it tells nothing": (lambda told: replace(told, crossings=()), "PLEDGE_EMPTY"),
    "the order is another": (lambda told: replace(told, crossings=told.crossings[::-1]), "PLEDGE_ORDER"),
    "one is told twice": (lambda told: replace(told, crossings=(told.crossings[0], *told.crossings)), "PLEDGE_ORDER"),
    "a credential is not the computed one": (
        lambda told: replace(told, crossings=(_with_credential(told.crossings[0], bytes(32)), told.crossings[1])),
        "CREDENTIAL_MISMATCH",
    ),
    "two instructions are about different goods": (
        lambda told: replace(
            told, crossings=(told.crossings[0], Secured(words={4: goods_key(LEAVES)}).told().crossings[1])
        ),
        "PLEDGE_MISMATCH",
    ),
}


@pytest.mark.parametrize("case", CHANGED)
def test_a_pledge_is_refused_when_changed_so_that(case: str) -> None:
    change, code = CHANGED[case]
    with refused(code):
        verify(Secured().with_entries().lent(change), trust_root=LENT)
    assert verify(PLEDGED, trust_root=LENT)


def test_a_trust_root_names_all_three_contracts_of_lending_or_none() -> None:
    assert TrustRoot.load(LENT.dump()) == LENT
    for name in (b'"goods":', b'"receipts":', b'"loans":'):
        partial = LENT.dump().replace(name, b'"other":')
        with refused("TRUST_ROOT_FORMAT"):
            TrustRoot.load(partial)
    with refused("TRUST_ROOT_FORMAT"):
        replace(TRUST_ROOT, lending=replace(LENDING, goods=b""))


def test_what_retired_keys_say_of_a_loan_counts_for_nothing() -> None:
    """A link seals the anchor's crossing; a loan's instruction of that epoch is sealed by nothing."""
    renewed = replace(RENEWED, lending=LENDING, past=(LENT.pinned,))
    estate = Rotated(subject=TEA, renewed=renewed).with_entries()
    estate.entries = of_the_lot(estate.entries)
    with refused("EPOCH_UNLINKED"):
        verify(estate.forge(lambda bundle: replace(bundle, pledge=Secured().told())), trust_root=renewed)
    assert verify(estate.build(), trust_root=renewed)


def _with_credential(crossing: Crossing, credential: bytes) -> Crossing:
    return replace(crossing, judged=replace(crossing.judged, credential=credential))


# -- after the notaries were replaced ------------------------------------------------------------------------------

AFTER = replace(RENEWED, lending=LENDING, past=(LENT.pinned,))


def sealing(*credentials: bytes) -> Rotated:
    """The estate after the rotation, with the records of these credentials under the later notaries' checkpoint."""
    records = [(CREDENTIAL_DOMAIN, credential_record(each)) for each in credentials]
    estate = Rotated(subject=TEA, renewed=AFTER, inserted=records)
    estate.with_entries()
    estate.entries = of_the_lot(estate.entries)
    return estate


def told_by(pledge: Pledge, *credentials: bytes) -> bytes:
    """A file that tells this, and seals that."""
    return sealing(*credentials).forge(lambda bundle: replace(bundle, pledge=pledge))


TOLD = Secured().told()
CREDENTIALS = [crossing.judged.credential for crossing in TOLD.crossings]


def test_a_loans_sealed_instructions_hold_after_the_notaries_were_replaced() -> None:
    from ledger.bundle import assemble

    estate = sealing(*CREDENTIALS)
    raw = assemble(**estate.parts(), pledge=TOLD)
    told = [each for each in verify(raw, trust_root=AFTER).proven if each.step == "pledge"]
    assert [each.what.rpartition(": ")[2] for each in told] == ["frozen.", "reserved."]
    assert all("epoch 1" in each.who for each in told)
    with refused("TRUST_ROOT"):
        verify(raw, trust_root=LENT)


OTHERS = Secured(answers=(outcome("frozen"), outcome("already reserved"))).told()
UNSEALED: dict[str, tuple[Pledge, list[bytes], str]] = {
    "one of two is not sealed": (TOLD, CREDENTIALS[:1], "EPOCH_UNLINKED"),
    "retired keys give another answer": (OTHERS, CREDENTIALS, "EPOCH_UNLINKED"),
    "retired keys' other answer takes the sealed credential": (
        replace(OTHERS, crossings=(OTHERS.crossings[0], _with_credential(OTHERS.crossings[1], CREDENTIALS[1]))),
        CREDENTIALS,
        "CREDENTIAL_MISMATCH",
    ),
    "the records are of other messages": (TOLD, [bytes([1]) * 32, bytes([2]) * 32], "EPOCH_UNLINKED"),
    "a record is there that nothing needs": (TOLD, [*CREDENTIALS, bytes(32)], "SUPERFLUOUS"),
}


@pytest.mark.parametrize("case", UNSEALED)
def test_what_retired_keys_say_of_a_loan_is_refused_when(case: str) -> None:
    pledge, credentials, code = UNSEALED[case]
    with refused(code):
        verify(told_by(pledge, *credentials), trust_root=AFTER)
    assert verify(told_by(TOLD, *CREDENTIALS), trust_root=AFTER)


def test_records_without_a_loan_are_refused() -> None:
    with refused("SUPERFLUOUS"):
        verify(sealing(CREDENTIALS[0]).forge(), trust_root=AFTER)


@pytest.mark.parametrize("raw", [b"{}", b'{"credential":"00"}', b'{"credential":5}', b'{"credential":"AA"}', b"[]"])
def test_what_is_no_record_of_a_credential_is_refused(raw: bytes) -> None:
    with refused("CROSSING_FORMAT"):
        read_credential_record(raw)
    assert read_credential_record(credential_record(CREDENTIALS[0])) == CREDENTIALS[0]
