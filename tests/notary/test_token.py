"""A key in a PKCS#11 token (Debian's SoftHSM): it signs as any other, and nobody gets it out (K03)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import coincurve
import pkcs11
import pytest
from pkcs11 import Attribute, KeyType, ObjectClass
from pkcs11.exceptions import PKCS11Error
from pkcs11.util.ec import encode_named_curve_parameters

from contracts.node import RpcNode
from ledger import ed25519
from ledger.checkpoint import Checkpoint, CosignerKey, add_cosignatures, open_cosigned, sign_checkpoint
from ledger.errors import Problem
from ledger.ethereum.keccak import keccak256
from ledger.membership import Member, Purpose, check_cosigning_possession, check_possession, operator_digest
from ledger.secp256k1 import HALF_ORDER, recover
from notary import token
from notary.config import NotaryConfig, TokenPlace
from notary.notary import Notary
from notary.signer import ATTESTING_FILE, COSIGNING_FILE, open_signer
from notary.token import TokenKey
from tests.chains import LOG_ORIGIN, LOG_SIGNER, Deployed
from tests.notary.subject import refusal, write_keys

LIBRARY = "/usr/lib/softhsm/libsofthsm2.so"
PIN = b"1234"
PLACE = TokenPlace(LIBRARY, "notary0", "attesting")
ED25519 = bytes.fromhex("06032b6570")
COSIGNING = replace(PLACE, cosigning="cosigning")
# Brought into the token, so that a test knows what to look for; an operator makes keys inside it.
KNOWN = (b"\x07attest" * 4 + b"\x01\x02\x03\x04", b"\x08cosign" * 4 + b"\x01\x02\x03\x04")
DIGESTS = [bytes([number]) * 32 for number in range(1, 25)]


@pytest.fixture(scope="module", autouse=True)
def _token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A fresh token with one pair for each label; the library reads its configuration once in a process."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "conf")
    command = ["softhsm2-util", "--init-token", "--free", "--label", "notary0", "--pin", "1234", "--so-pin", "5678"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    pkcs11.lib(LIBRARY).reinitialize()  # other tests of this process may have brought a configuration of their own
    with pkcs11.lib(LIBRARY).get_token(token_label="notary0").open(user_pin="1234", rw=True) as session:
        for label, curve, private in (
            ("attesting", "secp256k1", {}),
            ("another", "secp256k1", {}),
            ("twice", "secp256k1", {}),
            ("twice", "secp256k1", {}),
            ("of another curve", "secp256r1", {}),
            ("open", "secp256k1", {Attribute.EXTRACTABLE: True}),
            ("shown", "secp256k1", {Attribute.SENSITIVE: False}),
        ):
            made = {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
            parameters = session.create_domain_parameters(KeyType.EC, made, local=True)
            parameters.generate_keypair(store=True, label=label, private_template=private)
        edwards = session.create_domain_parameters(KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: ED25519}, local=True)
        for label, private in (
            ("cosigning", {}),
            ("two", {}),
            ("two", {}),
            ("open cosigning", {Attribute.EXTRACTABLE: True}),
        ):
            edwards.generate_keypair(store=True, label=label, private_template=private)
        _bring_in(session, "known", KeyType.EC, encode_named_curve_parameters("secp256k1"), KNOWN[0])
        _bring_in(session, "known cosigning", KeyType.EC_EDWARDS, ED25519, KNOWN[1])
    yield
    del os.environ["SOFTHSM2_CONF"]


def _bring_in(session: Any, label: str, kind: KeyType, curve: bytes, secret: bytes) -> None:
    if kind is KeyType.EC:
        point = b"\x04\x41" + coincurve.PrivateKey(secret).public_key.format(compressed=False)
    else:
        point = b"\x04\x20" + ed25519.public_key(secret)
    fields = {Attribute.KEY_TYPE: kind, Attribute.EC_PARAMS: curve, Attribute.LABEL: label, Attribute.TOKEN: True}
    kept = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True, Attribute.SIGN: True}
    session.create_object(fields | kept | {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.VALUE: secret})
    session.create_object(fields | {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.EC_POINT: point})


@pytest.fixture
def key() -> Iterator[TokenKey]:
    opened = TokenKey(PLACE, PIN)
    yield opened
    opened.close()


def test_what_it_signs_is_low_and_recovers_to_its_address(key: TokenKey) -> None:
    signatures = [key.sign(digest) for digest in DIGESTS]
    assert [recover(digest, each) for digest, each in zip(DIGESTS, signatures, strict=True)] == [key.address] * len(
        DIGESTS
    )
    assert all(each.s <= HALF_ORDER for each in signatures)
    assert {each.v for each in signatures} == {27, 28}


def test_the_token_itself_gives_high_s_too(key: TokenKey) -> None:
    """So that the test above would fail without the guard: one half of what a token signs is high."""
    raw = [key._key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA) for digest in DIGESTS * 4]
    assert any(int.from_bytes(each[32:], "big") > HALF_ORDER for each in raw)


def test_k03_the_key_cannot_be_read_out(key: TokenKey) -> None:
    for attribute in (Attribute.VALUE, Attribute.PRIVATE_EXPONENT):
        with pytest.raises(PKCS11Error):
            key._key[attribute]
    assert key._key[Attribute.EXTRACTABLE] is False
    assert key._key[Attribute.SENSITIVE] is True
    assert not hasattr(key, "secret")
    assert repr(key) == f"TokenKey(0x{key.address.hex()})"


@pytest.mark.parametrize(
    ("change", "pin", "code"),
    [
        ({}, b"4321", "TOKEN_PIN"),
        ({}, b"\xff\xff\xff\xff", "TOKEN_PIN"),
        ({"library": "/nowhere.so"}, PIN, "TOKEN_MISSING"),
        ({"library": "/etc/hostname"}, PIN, "TOKEN_MISSING"),
        ({"label": "notary1"}, PIN, "TOKEN_MISSING"),
        ({"key": "none"}, PIN, "TOKEN_KEY"),
        ({"key": "twice"}, PIN, "TOKEN_KEY"),
        ({"key": "of another curve"}, PIN, "TOKEN_KEY"),
        ({"key": "open"}, PIN, "TOKEN_EXTRACTABLE"),
        ({"key": "shown"}, PIN, "TOKEN_EXTRACTABLE"),
        ({"cosigning": "none"}, PIN, "TOKEN_KEY"),
        ({"cosigning": "two"}, PIN, "TOKEN_KEY"),
        ({"cosigning": "attesting"}, PIN, "TOKEN_KEY"),
        ({"cosigning": "open cosigning"}, PIN, "TOKEN_EXTRACTABLE"),
    ],
)
def test_another_token_pin_or_key_is_refused_without_saying_the_pin(
    change: dict[str, str], pin: bytes, code: str
) -> None:
    problem = refusal(lambda: TokenKey(replace(PLACE, **change), pin))
    assert problem.code == code
    assert "4321" not in f"{problem!r} {problem.__cause__!r}"
    TokenKey(COSIGNING, PIN).close()


def test_a_token_without_eddsa_is_refused_where_a_cosigning_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Older(token._Token):
        def __init__(self, place: TokenPlace, pin: bytes) -> None:
            super().__init__(place, pin)
            self.mechanisms -= {pkcs11.Mechanism.EDDSA}

    monkeypatch.setattr(token, "_Token", Older)
    problem = refusal(lambda: TokenKey(COSIGNING, PIN))
    assert (problem.code, "folder" in problem.cure) == ("TOKEN_MECHANISM", True)
    TokenKey(PLACE, PIN).close()


def test_a_cosignature_of_another_key_than_the_one_opened_is_refused() -> None:
    with closing(TokenKey(COSIGNING, PIN)) as opened:
        cosigning = opened.cosigning
        other = opened._session.get_key(label="known cosigning", object_class=ObjectClass.PRIVATE_KEY)
        cosigning._key, kept = other, cosigning._key
        assert refusal(lambda: cosigning.sign(b"a checkpoint")).code == "TOKEN_KEY"
        cosigning._key = kept
        ed25519.verify(cosigning.public_key, b"a checkpoint", cosigning.sign(b"a checkpoint"))


def test_a_signature_of_another_key_than_the_one_opened_is_refused(key: TokenKey) -> None:
    other = key._session.get_key(label="another", object_class=pkcs11.ObjectClass.PRIVATE_KEY)
    key._key, kept = other, key._key
    try:
        assert refusal(lambda: key.sign(DIGESTS[0])).code == "TOKEN_KEY"
    finally:
        key._key = kept
    assert recover(DIGESTS[0], key.sign(DIGESTS[0])) == key.address


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A notary's folder with a cosigning key and no attesting one, and the PIN beside it."""
    write_keys(tmp_path / "notary0", 0)
    (tmp_path / "notary0" / "attesting.key").unlink()
    (tmp_path / "pin").write_bytes(PIN)
    (tmp_path / "pin").chmod(0o600)
    return tmp_path / "notary0"


def test_a_notary_signs_with_it_and_proves_that_it_holds_it(folder: Path) -> None:
    digest = operator_digest("a bank")
    with closing(open_signer(folder, password_file=folder.parent / "pin", token=PLACE)) as signer:
        assert signer.kept == "token"
        check_possession(digest, Purpose.ATTESTING, signer.public.address, signer.prove(digest).attesting)
    (folder / COSIGNING_FILE).unlink()
    assert refusal(lambda: open_signer(folder, password_file=folder.parent / "pin", token=PLACE)).code == "KEYS_MISSING"


def test_a_notary_cosigns_with_a_key_in_it_and_needs_no_key_file(folder: Path) -> None:
    (folder / COSIGNING_FILE).unlink()
    operator, note = operator_digest("a bank"), sign_checkpoint(Checkpoint(LOG_ORIGIN, 3, b"\x03" * 32), LOG_SIGNER)
    with closing(open_signer(folder, password_file=folder.parent / "pin", token=COSIGNING)) as signer:
        member = Member(operator, signer.public.address, signer.public.cosigning)
        check_cosigning_possession(member, signer.prove(operator).cosigning)
        line = signer.cosign(note, log_key=LOG_SIGNER.key, name="bank.test", time=1_800_000_000)
        keys = [CosignerKey("bank.test", signer.public.cosigning)]
        open_cosigned(add_cosignatures(note, [line]), log_key=LOG_SIGNER.key, cosigners=keys, quorum=1)
    assert list(folder.glob("*.key")) == []


SIGN_AND_STAY = """
import sys
from pathlib import Path
from ledger.checkpoint import Checkpoint, LogSigner, sign_checkpoint
from notary.config import TokenPlace
from notary.signer import open_signer
folder, label, cosigning = sys.argv[1:]
place = TokenPlace({library!r}, "notary0", label, cosigning) if label else None
signer = open_signer(Path(folder), password_file=Path(folder).parent / "pin", token=place)
log = LogSigner("log.test", bytes(32))
for number in range(1, 9):
    signer.sign(bytes([number]) * 32)
    note = sign_checkpoint(Checkpoint(log.name, number, bytes(32)), log)
    signer.cosign(note, log_key=log.key, name="notary.test", time=number)
print(signer.public.address.hex(), flush=True)
sys.stdin.read()
"""


def memory_holds(folder: Path, label: str, cosigning: str) -> tuple[str, list[bool]]:
    """The address that a process signed for, and whether each known secret stands anywhere in its memory afterwards,
    as bytes in either order or as hex."""
    command = [sys.executable, "-c", SIGN_AND_STAY.format(library=LIBRARY), str(folder), label, cosigning]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            address, memory = process.stdout.readline().strip(), b"".join(_readable(process.pid))
        finally:
            process.kill()
    spellings = [(secret, secret[::-1], secret.hex().encode()) for secret in KNOWN]
    return address, [any(each in memory for each in spelled) for spelled in spellings]


def _readable(pid: int) -> Iterator[bytes]:
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, *_ = line.split()
            first, end = (int(each, 16) for each in span.split("-"))
            if not rights.startswith("r") or line.endswith(("[vvar]", "[vsyscall]", "[vvar_vclock]")):
                continue
            memory.seek(first)
            yield memory.read(end - first) + b"\x00"  # so that nothing is found across a gap


def test_K03_a_notary_s_memory_holds_no_key_that_stands_in_a_token(folder: Path) -> None:
    attesting = coincurve.PrivateKey(KNOWN[0])
    address = keccak256(attesting.public_key.format(compressed=False)[1:])[12:].hex()
    (folder / COSIGNING_FILE).unlink()
    assert memory_holds(folder, "known", "known cosigning") == (address, [False, False])
    # The honest reverse: a key from a file has to be there, and the search finds it.
    for name, secret in zip((ATTESTING_FILE, COSIGNING_FILE), KNOWN, strict=True):
        (folder / name).write_text(secret.hex() + "\n")
        (folder / name).chmod(0o600)
    assert memory_holds(folder, "", "") == (address, [True, True])


def test_a_token_with_another_member_s_key_is_refused(chains: Deployed, folder: Path) -> None:
    pin = folder.parent / "pin"
    config = NotaryConfig(0, chains.manifest, dict(chains.urls), folder, password_file=pin, token=PLACE)
    nodes = {chain_id: RpcNode(url) for chain_id, url in chains.urls.items()}
    try:
        assert refusal(lambda: Notary(config, nodes=nodes)).code == "NOT_A_MEMBER"
    finally:
        for node in nodes.values():
            node.close()


@pytest.mark.parametrize("token", [{}, [], {"library": LIBRARY}, {"library": "", "label": "a", "key": "b"}, 7], ids=str)
def test_a_token_that_is_not_named_whole_is_refused(chains: Deployed, tmp_path: Path, token: Any) -> None:
    (tmp_path / "manifest.json").write_bytes(chains.manifest.dump())
    nodes = {f"eip155:{chain_id}": url for chain_id, url in chains.urls.items()}
    fields = {"index": 0, "manifest": "manifest.json", "nodes": nodes, "folder": "notary0"}
    whole = {"library": LIBRARY, "label": "notary0", "key": "attesting"}
    (tmp_path / "notary.json").write_text(json.dumps(fields | {"token": whole | {"cosigning": "cosigning"}}))
    assert NotaryConfig.load(tmp_path / "notary.json").token == COSIGNING
    (tmp_path / "notary.json").write_text(json.dumps(fields | {"token": whole}))
    assert NotaryConfig.load(tmp_path / "notary.json").token == PLACE
    (tmp_path / "notary.json").write_text(json.dumps(fields | {"token": token}))
    with pytest.raises(Problem) as refused:
        NotaryConfig.load(tmp_path / "notary.json")
    assert refused.value.code == "CONFIG_FORMAT"
