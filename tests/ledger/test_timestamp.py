"""RFC 3161 timestamps: believed where a configured root vouches for them at the time they state, else refused."""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from ledger.bundle import TrustRoot, assemble, verify
from ledger.errors import Problem
from ledger.timestamp import MAX_STAMP_BYTES, ask_for_stamp, read_authority, verify_stamp
from tests.ledger.authority import Authority, make_authority
from tests.ledger.bundle.estate import TRUST_ROOT, Estate
from tests.ledger.refusals import refused

NOTE = b"a note\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority") / "one")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority") / "other", name="Stranger")


@pytest.fixture(scope="module")
def stamp(authority: Authority) -> bytes:
    return authority.reply(ask_for_stamp(NOTE))


def test_it_says_when_and_who(authority: Authority, stranger: Authority, stamp: bytes) -> None:
    found = verify_stamp(stamp, NOTE, authorities=[stranger.root, authority.root])
    assert abs(found.time - datetime.now(UTC)) < timedelta(hours=1)
    assert found.authority == "CN=Test TSA root"


def test_another_message_is_refused(authority: Authority, stranger: Authority, stamp: bytes) -> None:
    with refused("STAMP_INVALID"):
        verify_stamp(stamp, NOTE + b" ", authorities=[authority.root])
    with refused("STAMP_INVALID"):
        verify_stamp(stamp, NOTE + b" ", authorities=[authority.root, stranger.root])
    assert verify_stamp(stamp, NOTE, authorities=[authority.root])


def test_an_authority_that_nobody_named_is_refused(stranger: Authority, stamp: bytes) -> None:
    with refused("STAMP_UNTRUSTED"):
        verify_stamp(stamp, NOTE, authorities=[stranger.root])
    with refused("STAMP_UNEXPECTED"):
        verify_stamp(stamp, NOTE, authorities=[])
    with refused("STAMP_AUTHORITY"):
        verify_stamp(stamp, NOTE, authorities=[b"no certificate"])


def test_a_certificate_for_something_else_is_refused(tmp_path: Path) -> None:
    """openssl itself refuses to stamp with it, so the certificate is exchanged after it made its key."""
    honest = make_authority(tmp_path / "honest")
    reply = honest.reply(ask_for_stamp(NOTE))
    assert verify_stamp(reply, NOTE, authorities=[honest.root])
    server = make_authority(tmp_path / "server", usage=ExtendedKeyUsageOID.SERVER_AUTH)
    with pytest.raises(Exception, match="returned non-zero"):
        server.reply(ask_for_stamp(NOTE))


def test_a_certificate_that_expired_since_does_not_undo_the_stamp(tmp_path: Path) -> None:
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    short = make_authority(tmp_path / "short", until=until)
    stamp = short.reply(ask_for_stamp(NOTE))
    while datetime.now(UTC) <= until:  # three seconds at most
        threading.Event().wait(0.05)
    assert verify_stamp(stamp, NOTE, authorities=[short.root]).time <= until


def test_a_stamp_of_a_time_after_the_certificate_is_refused(tmp_path: Path) -> None:
    ended = make_authority(tmp_path / "ended", until=datetime.now(UTC) - timedelta(hours=1))
    stamp = ended.reply(ask_for_stamp(NOTE))
    with refused("STAMP_UNTRUSTED"):
        verify_stamp(stamp, NOTE, authorities=[ended.root])


def test_a_request_that_was_not_granted_is_refused(authority: Authority) -> None:
    sha256, sha384 = bytes.fromhex("608648016503040201"), bytes.fromhex("608648016503040202")
    rejected = authority.reply(ask_for_stamp(NOTE).replace(sha256, sha384))
    with pytest.raises(Problem) as caught:
        verify_stamp(rejected, NOTE, authorities=[authority.root])
    assert caught.value.code in {"STAMP_INVALID", "STAMP_FORMAT"}


def test_a_changed_byte_is_refused_or_says_the_same_and_every_truncation_is_refused(
    authority: Authority, stamp: bytes
) -> None:
    """CMS has a few bytes that nothing signs; what they may never do is say something else."""
    dice, told, refusals = random.Random(20260402), verify_stamp(stamp, NOTE, authorities=[authority.root]), 0
    for at in range(0, len(stamp), 3):
        changed = stamp[:at] + bytes([stamp[at] ^ dice.randrange(1, 256)]) + stamp[at + 1 :]
        try:
            assert verify_stamp(changed, NOTE, authorities=[authority.root]) == told
        except Problem:
            refusals += 1
    assert refusals > 0.9 * len(stamp) / 3
    for length in range(0, len(stamp), 17):
        with refused("STAMP_FORMAT"):
            verify_stamp(stamp[:length], NOTE, authorities=[authority.root])
    with refused("STAMP_FORMAT"):
        verify_stamp(stamp + b"\x00", NOTE, authorities=[authority.root])
    with refused("STAMP_FORMAT"):
        verify_stamp(bytes(MAX_STAMP_BYTES + 1), NOTE, authorities=[authority.root])


def test_a_bundle_carries_a_stamp_over_its_note(authority: Authority, stranger: Authority) -> None:
    root = replace(TRUST_ROOT, timestamping=(authority.root,))
    parts = Estate(trust_root=root).with_entries().parts()
    raw = assemble(**parts, stamp=authority.reply(ask_for_stamp(parts["note"])))
    (told,) = [each for each in verify(raw, trust_root=root).proven if each.step == "stamped"]
    assert told.who == "RFC 3161 timestamp, CN=Test TSA root"
    assert verify(assemble(**parts), trust_root=root), "without a stamp it is as good"
    with refused("STAMP_INVALID"):
        assemble(**parts, stamp=authority.reply(ask_for_stamp(NOTE)))
    with refused("STAMP_UNTRUSTED"):
        assemble(**parts, stamp=stranger.reply(ask_for_stamp(parts["note"])))


def test_a_bundle_under_a_trust_root_without_authorities_takes_no_stamp(authority: Authority) -> None:
    parts = Estate().with_entries().parts()
    with refused("STAMP_UNEXPECTED"):
        assemble(**parts, stamp=authority.reply(ask_for_stamp(parts["note"])))


def test_a_trust_root_names_its_authorities(authority: Authority) -> None:
    root = replace(TRUST_ROOT, timestamping=(authority.root,))
    assert TrustRoot.load(root.dump()) == root
    assert root.fingerprint != TRUST_ROOT.fingerprint
    with refused("STAMP_AUTHORITY"):
        replace(TRUST_ROOT, timestamping=(b"",))
    assert read_authority(authority.root).subject.rfc4514_string() == "CN=Test TSA root"
