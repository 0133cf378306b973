"""Keys are made once and never shown; a configuration is exact or refused (attack rows K01, B06)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from contracts.manifest import Rules
from ledger.errors import Problem
from notary.config import NotaryConfig
from notary.notary import Notary
from notary.signer import ATTESTING_FILE, COSIGNING_FILE, create_keys, open_signer
from tests.chains import Deployed
from tests.notary.subject import Subject, locator, refusal, write_keys


def test_keys_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "notary"
    public = create_keys(folder)
    files = [folder / ATTESTING_FILE, folder / COSIGNING_FILE]
    secrets = [file.read_text() for file in files]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]
    assert sorted(file.name for file in folder.iterdir()) == sorted(file.name for file in files), "nothing left over"
    assert create_keys(folder) == public == open_signer(folder).public
    assert [file.read_text() for file in files] == secrets
    assert create_keys(tmp_path / "other") != public


def test_only_the_missing_key_is_made(tmp_path: Path) -> None:
    public = create_keys(tmp_path)
    (tmp_path / COSIGNING_FILE).unlink()
    again = create_keys(tmp_path)
    assert again.address == public.address
    assert again.cosigning != public.cosigning


@pytest.mark.parametrize(
    ("break_it", "code"),
    [
        (lambda file: file.unlink(), "KEYS_MISSING"),
        (lambda file: file.chmod(0o640), "KEY_MODE"),
        (lambda file: file.write_text("zz" * 32), "KEY_FORMAT"),
        (lambda file: file.write_text("ab" * 31), "KEY_FORMAT"),
        (lambda file: file.write_text(""), "KEY_FORMAT"),
        (lambda file: file.write_bytes(b"\xff" * 64), "KEY_FORMAT"),
    ],
    ids=["missing", "readable by others", "not hex", "short", "empty", "not text"],
)
@pytest.mark.parametrize("name", [ATTESTING_FILE, COSIGNING_FILE])
def test_a_key_file_that_is_not_right_is_refused(
    tmp_path: Path, name: str, break_it: Callable[[Path], object], code: str
) -> None:
    create_keys(tmp_path)
    break_it(tmp_path / name)
    assert refusal(lambda: open_signer(tmp_path)).code == code


@pytest.mark.parametrize("secret", ["00" * 32, "ff" * 32])
def test_an_attesting_key_outside_the_curve_is_refused(tmp_path: Path, secret: str) -> None:
    create_keys(tmp_path)
    (tmp_path / ATTESTING_FILE).write_text(secret)
    assert refusal(lambda: open_signer(tmp_path)).code == "KEY_INVALID"


def test_k01_no_secret_in_any_repr_or_error(subject: Subject) -> None:
    secrets = [(subject.folder / name).read_text().strip() for name in (ATTESTING_FILE, COSIGNING_FILE)]
    signer = open_signer(subject.folder)
    shown = [repr(subject.notary), repr(signer), str(signer), repr(subject.notary.status()), repr(subject.config)]
    for name, text in zip((ATTESTING_FILE, COSIGNING_FILE), secrets, strict=True):
        (subject.folder / name).write_text(f"{text}0")
        problem = refusal(lambda: open_signer(subject.folder))
        shown += [str(problem), repr(problem), repr(problem.__cause__), repr(problem.__context__)]
        (subject.folder / name).write_text(text)
    assert not [text for text in shown for secret in secrets if secret in text or secret.upper() in text]


def test_keys_that_are_not_the_members_are_refused(chains: Deployed, tmp_path: Path) -> None:
    write_keys(tmp_path, 1)
    config = NotaryConfig(0, chains.manifest, dict(chains.urls), tmp_path)
    assert refusal(lambda: Notary(config)).code == "NOT_A_MEMBER"
    Notary(replace(config, index=1)).close()


def test_another_members_cosigning_key_is_refused(chains: Deployed, tmp_path: Path) -> None:
    write_keys(tmp_path, 0)
    other = tmp_path / "other"
    write_keys(other, 1)
    (tmp_path / COSIGNING_FILE).write_text((other / COSIGNING_FILE).read_text())
    problem = refusal(lambda: Notary(NotaryConfig(0, chains.manifest, dict(chains.urls), tmp_path)))
    assert (problem.code, "cosigning" in problem.what) == ("NOT_A_MEMBER", True)


def test_nodes_that_are_swapped_are_refused_at_start(chains: Deployed, tmp_path: Path) -> None:
    write_keys(tmp_path, 0)
    swapped = dict(chains.urls) | {7101: chains.urls[7102], 7102: chains.urls[7101]}
    assert refusal(lambda: Notary(NotaryConfig(0, chains.manifest, swapped, tmp_path))).code == "CHAIN_ID"
    Notary(NotaryConfig(0, chains.manifest, dict(chains.urls), tmp_path)).close()


def test_a_chain_whose_rules_cannot_be_executed_is_refused_at_start(chains: Deployed, tmp_path: Path) -> None:
    write_keys(tmp_path, 0)
    unknown = replace(
        chains.manifest, chains=tuple(replace(chain, rules=Rules(fork="shanghai")) for chain in chains.manifest.chains)
    )
    assert refusal(lambda: Notary(NotaryConfig(0, unknown, dict(chains.urls), tmp_path))).code == "RULES_FORK"


@pytest.fixture
def written(chains: Deployed, tmp_path: Path) -> Path:
    """A configuration file with paths relative to itself."""
    (tmp_path / "manifest.json").write_bytes(chains.manifest.dump())
    nodes = {f"eip155:{chain_id}": url for chain_id, url in chains.urls.items()}
    fields = {"index": 0, "manifest": "manifest.json", "nodes": nodes, "folder": "notary0"}
    (tmp_path / "notary.json").write_text(json.dumps(fields))
    return tmp_path / "notary.json"


def test_a_configuration_file_is_read_with_paths_that_start_at_it(chains: Deployed, written: Path) -> None:
    config = NotaryConfig.load(written)
    folder, guard = written.parent / "notary0", written.parent / "notary-guard"
    assert config == NotaryConfig(0, chains.manifest, dict(chains.urls), folder, guard)
    written.write_text(json.dumps(json.loads(written.read_text()) | {"guard": "elsewhere"}))
    assert NotaryConfig.load(written).guard == written.parent / "elsewhere"
    write_keys(config.folder, 0)
    sent = chains.send()
    notary = Notary(config)
    try:
        assert notary.attest([locator(sent)]).ids == (sent.message.id,)
    finally:
        notary.close()


def _without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda fields: {key: value for key, value in fields.items() if key != name}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_without("index"), "CONFIG_FORMAT"),
        (_without("nodes"), "CONFIG_FORMAT"),
        (lambda fields: fields | {"quorum": 0}, "CONFIG_FORMAT"),
        (lambda fields: fields | {"index": 4}, "CONFIG_FORMAT"),
        (lambda fields: fields | {"index": -1}, "CONFIG_FORMAT"),
        (lambda fields: fields | {"index": True}, "CONFIG_FORMAT"),
        (lambda fields: fields | {"index": "0"}, "CONFIG_FORMAT"),
        (lambda fields: fields | {"nodes": {}}, "CONFIG_FORMAT"),
        (lambda fields: fields | {"nodes": fields["nodes"] | {"eip155:1": "http://127.0.0.1"}}, "CONFIG_FORMAT"),
        (lambda fields: fields | {"nodes": {"7101": "http://127.0.0.1"}}, "CHAIN_NAME"),
        (lambda fields: fields | {"folder": ""}, "CONFIG_FORMAT"),
        (lambda fields: fields | {"guard": ""}, "CONFIG_FORMAT"),
        (lambda fields: fields | {"manifest": "nowhere.json"}, "CONFIG_UNREADABLE"),
        (lambda fields: fields | {"manifest": "notary.json"}, "MANIFEST_FORMAT"),
        (lambda _fields: [], "CONFIG_FORMAT"),
    ],
)
def test_a_configuration_that_is_not_exact_is_refused(
    written: Path, change: Callable[[dict[str, Any]], Any], code: str
) -> None:
    written.write_text(json.dumps(change(json.loads(written.read_text()))))
    with pytest.raises(Problem) as caught:
        NotaryConfig.load(written)
    assert caught.value.code == code
    assert caught.value.where


def test_a_configuration_that_is_not_there_or_no_json_is_refused(tmp_path: Path) -> None:
    assert refusal(lambda: NotaryConfig.load(tmp_path / "none.json")).code == "CONFIG_UNREADABLE"
    (tmp_path / "bad.json").write_text('{"index": 0, "index": 1}')
    assert refusal(lambda: NotaryConfig.load(tmp_path / "bad.json")).code == "JSON_DUPLICATE_KEY"


def test_the_name_of_a_later_member_is_one_that_a_cosignature_can_carry(chains: Deployed, tmp_path: Path) -> None:
    config = NotaryConfig(None, chains.manifest, dict(chains.urls), tmp_path, name="bank.test")
    for changed, code in (
        ({"name": "a bank"}, "KEY_NAME"),
        ({"name": ""}, "KEY_NAME"),
        ({"index": 0}, "CONFIG_FORMAT"),
    ):
        assert refusal(partial(replace, config, **changed)).code == code
