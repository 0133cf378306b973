"""Sealed keys: opened by their password alone, by other people's tools too, and never shown (K01)."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account

from ledger.secp256k1 import SigningKey
from notary import keystore
from notary.keystore import PASSWORD_VARIABLE, read_password, seal, unseal
from notary.notary import Notary
from notary.service import start
from notary.signer import ATTESTING_FILE, COSIGNING_FILE, create_keys, open_signer
from tests.chains import COSIGNING_KEYS, NOTARY_KEYS, Deployed
from tests.notary.subject import Subject, locator, refusal

PASSWORD = b"correct horse battery staple"
CANARY = bytes.fromhex("c0ffee11" * 8)
COSIGNING_CANARY = bytes.fromhex("c0ffee22" * 8)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little work for each derivation: what is tested is not scrypt."""
    monkeypatch.setattr(keystore, "SCRYPT_N", 2**8)
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "word"
    path.write_bytes(PASSWORD + b"\n")
    path.chmod(0o600)
    return path


def test_sealed_keys_are_made_once_for_their_owner_alone_and_open_with_the_password(
    tmp_path: Path, password_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "notary"
    public = create_keys(folder, sealed=True, password_file=password_file)
    files = sorted(path.name for path in folder.iterdir())
    assert files == ["attesting.json", "cosigning.json"], "nothing plain, nothing left over"
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600, 0o600]
    signer = open_signer(folder, password_file=password_file)
    assert (signer.public, signer.kept) == (public, "sealed")
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD.decode())
    assert open_signer(folder).public == public
    assert create_keys(folder, sealed=True) == public
    assert create_keys(folder) == public, "a plain key never stands beside a sealed one"


def test_the_attesting_key_s_file_is_what_other_tools_write_and_read(tmp_path: Path) -> None:
    address = SigningKey.from_secret(CANARY).address
    ours = seal(CANARY, PASSWORD, purpose="attesting", public=address)
    assert bytes(Account.decrypt(json.loads(ours), PASSWORD.decode())) == CANARY
    theirs = json.dumps(Account.encrypt(CANARY, PASSWORD.decode(), iterations=2**8)).encode()
    assert unseal(theirs, PASSWORD, where="") == CANARY


@pytest.mark.parametrize("word", [b"", b"correct horse battery stapl", PASSWORD + b" ", b"\0", PASSWORD.upper()])
def test_a_wrong_password_is_refused_and_nothing_of_it_or_the_key_is_said(word: bytes) -> None:
    raw = seal(CANARY, PASSWORD, purpose="attesting", public=b"")
    problem = refusal(lambda: unseal(raw, word, where="the file"))
    assert problem.code == "KEY_PASSWORD"
    assert unseal(raw, PASSWORD, where="") == CANARY
    said = "".join(traceback.format_exception(problem))
    assert CANARY.hex() not in said
    assert PASSWORD.decode() not in said


def _crypto(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda fields: fields | {"crypto": fields["crypto"] | changes}


def _work(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda fields: _crypto(kdfparams=fields["crypto"]["kdfparams"] | changes)(fields)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda fields: [], "KEYSTORE_FORMAT"),
        (lambda fields: {}, "KEYSTORE_FORMAT"),
        (lambda fields: fields | {"version": 4}, "KEYSTORE_FORMAT"),
        (_crypto(cipher="aes-256-gcm"), "KEYSTORE_FORMAT"),
        (_crypto(kdf="pbkdf2"), "KEYSTORE_FORMAT"),
        (_crypto(ciphertext="00" * 31), "KEYSTORE_FORMAT"),
        (_crypto(ciphertext="zz"), "KEYSTORE_FORMAT"),
        (_crypto(mac=""), "KEYSTORE_FORMAT"),
        (_crypto(cipherparams={"iv": "00"}), "KEYSTORE_FORMAT"),
        (_crypto(mac="00" * 32), "KEY_PASSWORD"),
        (_crypto(ciphertext="00" * 32), "KEY_PASSWORD"),
        (_work(n=2**40), "KEYSTORE_FORMAT"),
        (_work(n=3), "KEYSTORE_FORMAT"),
        (_work(n=1), "KEYSTORE_FORMAT"),
        (_work(n=-2), "KEYSTORE_FORMAT"),
        (_work(r=2**30), "KEYSTORE_FORMAT"),
        (_work(p=10_000), "KEYSTORE_FORMAT"),
        (_work(n=True), "KEYSTORE_FORMAT"),
        (_work(dklen=64), "KEYSTORE_FORMAT"),
        (_work(salt="00"), "KEY_PASSWORD"),
    ],
)
def test_a_file_that_is_not_right_is_refused_before_it_makes_work(
    change: Callable[[dict[str, Any]], Any], code: str
) -> None:
    fields = json.loads(seal(CANARY, PASSWORD, purpose="attesting", public=b""))
    assert refusal(lambda: unseal(json.dumps(change(fields)).encode(), PASSWORD, where="")).code == code


@pytest.mark.parametrize(
    ("break_it", "code"),
    [
        (lambda path: path.unlink(), "PASSWORD_MISSING"),
        (lambda path: path.chmod(0o640), "KEY_MODE"),
        (lambda path: path.write_bytes(b""), "PASSWORD_MISSING"),
        (lambda path: path.write_bytes(b"\n"), "PASSWORD_MISSING"),
        (lambda path: path.write_bytes(b"two\nlines\n"), "PASSWORD_FORMAT"),
        (lambda path: path.write_bytes(b"x" * 1_025), "PASSWORD_FORMAT"),
        (lambda path: path.write_bytes(b"another"), "KEY_PASSWORD"),
    ],
)
def test_a_password_that_is_not_to_be_had_is_refused(
    tmp_path: Path, password_file: Path, break_it: Callable[[Path], object], code: str
) -> None:
    create_keys(tmp_path / "notary", sealed=True, password_file=password_file)
    break_it(password_file)
    assert refusal(lambda: open_signer(tmp_path / "notary", password_file=password_file)).code == code


def test_no_password_at_all_is_refused_and_plain_keys_beside_sealed_ones_too(
    tmp_path: Path, password_file: Path
) -> None:
    folder = tmp_path / "notary"
    create_keys(folder, sealed=True, password_file=password_file)
    assert refusal(lambda: open_signer(folder)).code == "PASSWORD_MISSING"
    assert refusal(lambda: read_password(None)).code == "PASSWORD_MISSING"
    (folder / COSIGNING_FILE).write_text("ab" * 32)
    assert refusal(lambda: open_signer(folder, password_file=password_file)).code == "KEYS_AMBIGUOUS"
    (folder / COSIGNING_FILE).unlink()
    (folder / "attesting.json").chmod(0o644)
    assert refusal(lambda: open_signer(folder, password_file=password_file)).code == "KEY_MODE"


@pytest.fixture
def sealed_subject(chains: Deployed, tmp_path: Path, password_file: Path) -> Subject:
    """Notary 0, whose plain keys were replaced by the same ones sealed. Closed: the test opens what it needs."""
    subject = Subject(chains, tmp_path / "notary0")
    subject.close()
    for name in (ATTESTING_FILE, COSIGNING_FILE):
        path = subject.folder / name
        secret = bytes.fromhex(path.read_text())
        path.unlink()
        path.with_suffix(".json").write_bytes(seal(secret, PASSWORD, purpose=path.stem, public=b""))
        path.with_suffix(".json").chmod(0o600)
    subject.config = replace(subject.config, password_file=password_file)
    return subject


def test_a_sealed_notary_signs_as_the_plain_one_and_its_status_says_which(
    sealed_subject: Subject, chains: Deployed, tmp_path: Path
) -> None:
    plain = Subject(chains, tmp_path / "plain" / "notary0")
    sent = locator(chains.send())
    notary = Notary(sealed_subject.config)
    try:
        assert notary.attest([sent]) == plain.notary.attest([sent])
        assert (notary.status().keys, plain.notary.status().keys) == ("sealed", "plain")
        assert plain.notary.status().address == notary.status().address
    finally:
        notary.close()
        plain.close()
    another = replace(sealed_subject.config, index=1)
    assert refusal(lambda: Notary(another)).code == "NOT_A_MEMBER"


def test_k01_no_canary_in_answers_logs_errors_status_or_exported_journals(
    sealed_subject: Subject,
    chains: Deployed,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    signer = open_signer(sealed_subject.folder, password_file=sealed_subject.config.password_file)
    secrets = [NOTARY_KEYS[0].secret, COSIGNING_KEYS[0].private_key, PASSWORD]
    said: list[str] = [repr(signer), repr(sealed_subject.config)]
    sent = chains.send()
    with caplog.at_level(logging.DEBUG):
        running = start(sealed_subject.config)
        try:
            said += _ask_everything(running.url, locator(sent))
            said += [repr(running.notary), repr(running.notary.status())]
            journal = running.notary._journal.copy()
        finally:
            running.stop()
        for break_it in (b"", b"{}", b"\xff" * 100, json.dumps({"crypto": secrets[0].hex()}).encode()):
            (sealed_subject.folder / "attesting.json").write_bytes(break_it)
            said.append("".join(traceback.format_exception(refusal(lambda: Notary(sealed_subject.config)))))
    said += [record.getMessage() for record in caplog.records]
    said += list(capfd.readouterr())
    whole = "\n".join(said).lower()
    assert len(whole) > 1_000
    for secret in secrets:
        for spelling in (
            secret.hex(),
            repr(secret)[2:-1].lower(),
            secret[::-1].hex(),
            str(int.from_bytes(secret, "big")),
        ):
            assert spelling not in whole
        assert secret not in journal
        assert secret.hex().encode() not in journal


def _ask_everything(url: str, at: Any) -> list[str]:
    leaf = {"origin": f"eip155:{at.chain_id}", "block": at.block, "transaction_index": 0, "log_index": at.log_index}
    requests: list[tuple[str, str, Any]] = [
        ("GET", "/status", None),
        ("POST", "/attestations", {"leaves": [leaf]}),
        ("POST", "/attestations", {"leaves": [leaf | {"block": 10**9}]}),
        ("POST", "/attestations", {"leaves": []}),
        ("POST", "/verdicts", {"origin": leaf}),
        ("POST", "/verdicts", [1]),
        ("GET", "/attestations/0x00", None),
        ("GET", "/attesting.json", None),
        ("GET", "/../notary0/attesting.json", None),
        ("POST", "/add-checkpoint", {"old": 0}),
    ]
    with httpx.Client(trust_env=False, timeout=60) as client:
        answers = [client.request(method, url + path, json=body) for method, path, body in requests]
    assert answers[1].status_code == 200
    return [f"{answer.status_code} {answer.headers} {answer.text}" for answer in answers]
