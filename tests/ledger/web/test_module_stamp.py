"""Timestamps in the browser and in Python: believed, refused or left open alike, whatever key an authority has."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ledger.timestamp import MAX_STAMP_BYTES, ask_for_stamp, verify_stamp
from tests.ledger.authority import make_authority
from tests.ledger.stamps import STAMPED_AT, Office, authority, certify, der, key, many, octets, oid
from tests.ledger.web.javascript import Rules
from tests.ledger.web.parity import code_of

NOTE = b"a note\n"
ROOT = certify("Root", key("p256"))
STRANGER = certify("Stranger", key("p256", 9))
OFFICE = Office(authority(ROOT))
HONEST = OFFICE.stamp(NOTE)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


@dataclass(frozen=True)
class Case:
    """A stamp, what it should be of, and who may vouch for it; `code`: what both must say."""

    stamp: bytes
    code: str
    roots: tuple[bytes, ...] = (ROOT.der,)
    message: bytes = NOTE


def _kinds() -> dict[str, Case]:
    made = {}
    for kind, digest in (
        ("rsa", "sha256"),
        ("rsa", "sha512"),
        ("p256", "sha256"),
        ("p384", "sha384"),
        ("p521", "sha512"),
    ):
        root = certify("Root", key(kind), digest=digest)
        made[f"{kind} with {digest}"] = Case(Office(authority(root, kind), digest=digest).stamp(NOTE), "", (root.der,))
    root = certify("Root", key("rsa"), pss=True)
    pss = authority(root, "rsa", pss=True)
    return {**made, "certificates signed with PSS": Case(Office(pss).stamp(NOTE), "", (root.der,))}


def _chained(*, below: int | None = None, until: timedelta = 9 * DAY, ca: bool = True) -> Office:
    """An authority under an issuer under the root."""
    middle = certify("Middle", key("p384"), ROOT, below=below, ca=ca, until=STAMPED_AT + until)
    return Office(authority(middle), (middle,))


def _longer(below: int) -> Office:
    """An authority under two issuers, of which the upper one allows so many below."""
    upper = certify("Upper", key("p384"), ROOT, below=below)
    lower = certify("Lower", key("p384", 3), upper)
    return Office(authority(lower), (lower, upper))


def _usage(**bits: bool) -> x509.KeyUsage:
    names = "digital_signature content_commitment key_encipherment data_encipherment key_agreement crl_sign"
    every = dict.fromkeys([*names.split(), "key_cert_sign", "encipher_only", "decipher_only"], False)
    return x509.KeyUsage(**{**every, **bits})


def _odd(extension: x509.ExtensionType, *, critical: bool = True) -> bytes:
    return Office(authority(ROOT, extensions=[(extension, critical)])).stamp(NOTE)


def _valid(**period: datetime) -> bytes:
    return Office(authority(ROOT, **period)).stamp(NOTE)  # type: ignore[arg-type]


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
SIGNING, STAMPING = ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.TIME_STAMPING
HONEST_CASES: dict[str, Case] = {
    **_kinds(),
    "under an issuer beside it": Case(_chained(below=0).stamp(NOTE), ""),
    "under two issuers": Case(_longer(1).stamp(NOTE), ""),
    "one of two roots": Case(HONEST, "", (STRANGER.der, ROOT.der)),
    "certificates that nobody needs": Case(replace(OFFICE, issuers=(STRANGER,)).stamp(NOTE), ""),
    "a key for signing": Case(_odd(_usage(digital_signature=True)), ""),
    "an extension that need not be heeded": Case(_odd(UNKNOWN, critical=False), ""),
    "valid for a second more": Case(Office(authority(ROOT, until=STAMPED_AT + SECOND)).stamp(NOTE), ""),
    "from the first second": Case(Office(authority(ROOT, begins=STAMPED_AT)).stamp(NOTE), ""),
    "a root that names the key": Case(
        Office(authority(ROOT, extensions=[(x509.AuthorityKeyIdentifier(b"any", None, None), False)])).stamp(NOTE), ""
    ),
}
KEYED = certify("Root", key("p256"), extensions=[(x509.SubjectKeyIdentifier(b"own"), False)])
NAMES_ANOTHER = authority(KEYED, extensions=[(x509.AuthorityKeyIdentifier(b"other", None, None), False)])
FALSE: dict[str, Case] = {
    "another message": Case(HONEST, "STAMP_INVALID", message=NOTE + b" "),
    "not granted": Case(replace(OFFICE, status=2).stamp(NOTE), "STAMP_INVALID"),
    "granted with changes": Case(replace(OFFICE, status=1).stamp(NOTE), "STAMP_INVALID"),
    "a root that nobody named": Case(HONEST, "STAMP_UNTRUSTED", (STRANGER.der,)),
    "a root of the same name": Case(HONEST, "STAMP_UNTRUSTED", (certify("Root", key("p256", 8)).der,)),
    "no root": Case(HONEST, "STAMP_UNEXPECTED", ()),
    "a root that is no certificate": Case(HONEST, "STAMP_AUTHORITY", (b"no certificate",)),
    "a root that does not stand for itself": Case(
        _chained().stamp(NOTE), "STAMP_UNTRUSTED", (_chained().issuers[0].der,)
    ),
    "an authority that had ended": Case(_valid(until=STAMPED_AT - DAY), "STAMP_UNTRUSTED"),
    "an authority that ended in that second": Case(_valid(until=STAMPED_AT), "STAMP_UNTRUSTED"),
    "an authority that began later": Case(_valid(begins=STAMPED_AT + DAY), "STAMP_UNTRUSTED"),
    "an issuer that ended before": Case(_chained(until=-DAY).stamp(NOTE), "STAMP_UNTRUSTED"),
    "a root that ended before": Case(
        HONEST, "STAMP_UNTRUSTED", (certify("Root", key("p256"), until=STAMPED_AT - DAY).der,)
    ),
    "an issuer left out": Case(replace(_chained(), issuers=()).stamp(NOTE), "STAMP_UNTRUSTED"),
    "an issuer that may issue nothing": Case(_chained(ca=False).stamp(NOTE), "STAMP_UNTRUSTED"),
    "more issuers than are allowed": Case(_longer(0).stamp(NOTE), "STAMP_UNTRUSTED"),
    "a certificate that the root's key did not sign": Case(
        Office(authority(ROOT, signer=key("p256", 7))).stamp(NOTE), "STAMP_UNTRUSTED"
    ),
    "a certificate that names another key of its issuer": Case(
        Office(NAMES_ANOTHER).stamp(NOTE), "STAMP_UNTRUSTED", (KEYED.der,)
    ),
    "a certificate for code": Case(Office(authority(ROOT, purposes=[SIGNING])).stamp(NOTE), "STAMP_UNTRUSTED"),
    "a certificate for two things": Case(
        Office(authority(ROOT, purposes=[STAMPING, SIGNING])).stamp(NOTE), "STAMP_UNTRUSTED"
    ),
    "a certificate for no purpose": Case(Office(authority(ROOT, purposes=None)).stamp(NOTE), "STAMP_UNTRUSTED"),
    "a purpose that need not be heeded": Case(Office(authority(ROOT, critical=False)).stamp(NOTE), "STAMP_UNTRUSTED"),
    "a key for encryption": Case(_odd(_usage(digital_signature=True, key_encipherment=True)), "STAMP_UNTRUSTED"),
    "a key for nothing": Case(_odd(_usage(crl_sign=True)), "STAMP_UNTRUSTED"),
    "an extension that nobody knows": Case(_odd(UNKNOWN), "STAMP_UNTRUSTED"),
    "another key's signature": Case(replace(OFFICE, signing=key("p256", 6)).stamp(NOTE), "STAMP_INVALID"),
    "a time changed after it was signed": Case(
        replace(OFFICE, info=lambda content: content.replace(b"20260403", b"20260402")).stamp(NOTE), "STAMP_INVALID"
    ),
    "no digest of the content": Case(
        replace(OFFICE, attributes=lambda listed: listed[:1]).stamp(NOTE), "STAMP_INVALID"
    ),
    "another digest of the content": Case(
        replace(
            OFFICE,
            attributes=lambda listed: [listed[0], der(0x30, oid("1.2.840.113549.1.9.4"), many(octets(bytes(32))))],
        ).stamp(NOTE),
        "STAMP_INVALID",
    ),
    "no signer": Case(replace(OFFICE, signers=0).stamp(NOTE), "STAMP_INVALID"),
    "two signers": Case(replace(OFFICE, signers=2).stamp(NOTE), "STAMP_INVALID"),
    "the signer's certificate left out": Case(
        replace(OFFICE, hidden=True, issuers=(STRANGER,)).stamp(NOTE), "STAMP_INVALID"
    ),
    "empty": Case(b"", "STAMP_FORMAT"),
    "cut short": Case(HONEST[:-1], "STAMP_FORMAT"),
    "a byte behind": Case(HONEST + b"\x00", "STAMP_FORMAT"),
    "too large": Case(bytes(MAX_STAMP_BYTES + 1), "STAMP_FORMAT"),
    "an endless length": Case(b"\x30\x80" + HONEST[4:] + bytes(2), "STAMP_FORMAT"),
    "a length of its own spelling": Case(b"\x30\x83\x00" + HONEST[2:], "STAMP_FORMAT"),
    "a length beyond everything": Case(b"\x30\x84\xff\xff\xff\xff" + HONEST[4:], "STAMP_FORMAT"),
    "no token": Case(der(0x30, der(0x30, b"\x02\x01\x00")), "STAMP_FORMAT"),
    "nested without end": Case(b"\x30\x80" * 3000, "STAMP_FORMAT"),
}


def ours(case: Case) -> str:
    """What Python says."""
    return code_of(lambda: verify_stamp(case.stamp, case.message, authorities=case.roots))


def theirs(rules: Rules, *cases: Case) -> list[str]:
    """What both engines say."""
    return rules.codes([("verifyStamp", case.stamp, case.message, list(case.roots)) for case in cases])


@pytest.mark.parametrize("cases", [HONEST_CASES, FALSE], ids=["honest", "false"])
def test_every_stamp_gets_the_same_answer(rules: Rules, cases: dict[str, Case]) -> None:
    expected = {name: case.code for name, case in cases.items()}
    assert {name: ours(case) for name, case in cases.items()} == expected
    assert dict(zip(cases, theirs(rules, *cases.values()), strict=True)) == expected


def test_what_openssl_stamps_holds_in_both(rules: Rules, tmp_path: Path) -> None:
    office = make_authority(tmp_path / "office")
    stamp = office.reply(ask_for_stamp(NOTE))
    cases = [Case(stamp, "", (office.root,)), Case(stamp, "STAMP_UNTRUSTED")]
    assert [ours(case) for case in cases] == theirs(rules, *cases) == [case.code for case in cases]


LEFT_OPEN: dict[str, Case] = {
    "SHA-1": Case(Office(authority(certify("Root", key("rsa")), "rsa"), digest="sha1").stamp(NOTE), ""),
    "a curve that browsers do not know": Case(Office(authority(ROOT, "k256")).stamp(NOTE), ""),
    "an algorithm that nobody knows": Case(replace(OFFICE, named="1.2.3.4").stamp(NOTE), ""),
    "names that an issuer confines": Case(_odd(x509.NameConstraints([x509.DNSName("example")], None)), ""),
}


def test_what_a_browser_does_not_know_is_left_open_and_never_false(rules: Rules) -> None:
    assert theirs(rules, *LEFT_OPEN.values()) == ["unavailable STAMP_ALGORITHM"] * len(LEFT_OPEN)


@pytest.mark.parametrize("kind", ["p256", "rsa"])
def test_a_changed_byte_never_holds_in_a_browser_alone(rules: Rules, kind: str) -> None:
    """Some bytes of CMS are signed by nobody. What holds here holds in Python, and says the same time."""
    root = certify("Root", key(kind))
    honest, dice = Office(authority(root, kind)).stamp(NOTE), random.Random(20260403)
    changed = [
        honest[:at] + bytes([honest[at] ^ 1 << dice.randrange(8)]) + honest[at + 1 :] for at in range(0, len(honest), 2)
    ]
    cases = [Case(raw, ours(Case(raw, "", (root.der,))), (root.der,)) for raw in changed]
    found = theirs(rules, *cases)
    both = {(bool(case.code), code.partition(" ")[0]) for case, code in zip(cases, found, strict=True)}
    held = {here for refused, here in both if not refused}
    assert held <= {"", "unavailable"}, "what Python takes is never red here"
    assert "" not in {here for refused, here in both if refused}, "what Python refuses is never green here"
    assert sum(bool(case.code) for case in cases) > 0.9 * len(cases)


def test_every_truncation_is_refused_in_both(rules: Rules) -> None:
    cases = [Case(HONEST[:length], "STAMP_FORMAT") for length in range(0, len(HONEST), 13)]
    assert {ours(case) for case in cases} == {"STAMP_FORMAT"}
    assert set(theirs(rules, *cases)) == {"STAMP_FORMAT"}


def test_a_browser_tells_the_time_and_the_root_s_name(rules: Rules) -> None:
    (answer,) = rules.answers([("stamped", HONEST, NOTE, [STRANGER.der, ROOT.der])])
    told = verify_stamp(HONEST, NOTE, authorities=[STRANGER.der, ROOT.der])
    assert answer == ["", f"{told.authority} at {told.time.timestamp():.0f}"]
    assert told.time == STAMPED_AT
