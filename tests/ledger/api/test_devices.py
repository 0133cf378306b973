"""Operators enrol, revoke and ask with their key, over HTTP and at the command line; nobody else does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.testclient import TestClient
from typer.testing import CliRunner, Result

from ledger.api.app import create_app
from ledger.cli import build
from ledger.errors import Problem
from ledger.evidence import Code, SoftwareKey
from ledger.evidence.fields import write_time
from ledger.evidence.request import REQUEST_DOMAIN, EnrolmentRequest, write_request
from ledger.evidence.terms import Limits, Terms, check_measured, read_terms
from ledger.store.ledger import MAKERS_FILE, OPERATOR_KEY_FILE
from tests.acceptance.loaded import loaded
from tests.acceptance.program import Ran
from tests.ledger.evidence.test_maker import MAKER, STRANGER, public
from tests.ledger.intake.speaking import NOON, Listening, Voice, listening
from tests.ledger.refusals import refused

KEY = "k" * 43
OPERATOR = {"Authorization": f"Bearer {KEY}"}
NEW = SoftwareKey(bytes([31]) * 32)
PERIOD = {"valid_from": write_time(NOON - timedelta(days=1)), "valid_until": write_time(NOON + timedelta(days=90))}


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Listening]:
    with listening(tmp_path) as found:
        (tmp_path / "ledger" / OPERATOR_KEY_FILE).write_text(KEY + "\n")
        yield found


@pytest.fixture
def client(at: Listening) -> TestClient:
    return TestClient(create_app(at.ledger))


def asking(name: str = "urn:example:camera/9", maker: Any = None) -> bytes:
    chain = () if maker is None else (maker.issue(name, public("Ed25519", NEW.secret)).public_bytes(Encoding.DER),)
    return write_request(EnrolmentRequest(name, "Ed25519", NEW.public_key, "Yard camera", NOON, chain), NEW)


def enrol(client: TestClient, raw: bytes, **changes: Any) -> Any:
    body = {"request": json.loads(raw), **PERIOD, **changes}
    return client.post("/api/v1/devices", json=body, headers=OPERATOR)


def test_a_device_is_enrolled_as_it_asked_and_its_request_is_logged(client: TestClient, at: Listening) -> None:
    raw = asking()
    answer = enrol(client, raw)
    assert (answer.status_code, answer.json()["attestedBy"]) == (201, None)
    assert "No maker's certificate" in answer.json()["selfStatedBecause"]
    (logged,) = at.ledger.statements.of_domain(REQUEST_DOMAIN)
    assert logged.canonical == raw
    voice = Voice("urn:example:camera/9", NEW)
    assert at.hear(voice.reading()).added
    listed = client.get("/api/v1/devices", headers=OPERATOR).json()["devices"]
    assert [(each["device"], each["lastNumber"]) for each in listed] == [("scale-1", 0), ("urn:example:camera/9", 1)]


@pytest.mark.parametrize(("maker", "by"), [(MAKER, "CN=Fair Cameras"), (STRANGER, None)])
def test_OD10_only_a_configured_maker_makes_a_key_attested(
    client: TestClient, tmp_path: Path, maker: Any, by: str | None
) -> None:
    (tmp_path / "ledger" / MAKERS_FILE).write_bytes(MAKER.certificate.public_bytes(Encoding.PEM))
    assert enrol(client, asking(maker=maker)).json()["attestedBy"] == by


def test_a_request_that_its_key_did_not_sign_enrols_nobody(client: TestClient, at: Listening) -> None:
    forged = json.loads(asking())
    forged["request"]["device"] = "camera-10"
    answer = client.post("/api/v1/devices", json={"request": forged, **PERIOD}, headers=OPERATOR)
    assert (answer.status_code, answer.json()["code"]) == (409, "REQUEST_SIGNATURE")
    assert len(at.ledger.evidence.devices()) == 1
    assert enrol(client, asking()).status_code == 201
    assert enrol(client, asking("camera-11")).json()["code"] == "KEY_KNOWN"
    later = {"valid_until": write_time(NOON + timedelta(days=91))}
    assert enrol(client, asking(), **later).json()["code"] == "DEVICE_KNOWN"


DOORS = {
    "no key": {},
    "another key": {"Authorization": "Bearer " + "x" * 43},
    "another scheme": {"Authorization": "Basic " + KEY},
    "a key and more": {"Authorization": f"Bearer {KEY}x"},
}


@pytest.mark.parametrize("headers", DOORS.values(), ids=DOORS)
def test_nobody_else_enrols_revokes_or_reads(client: TestClient, at: Listening, headers: dict[str, str]) -> None:
    size = at.ledger.log.size
    asked = [
        client.get("/api/v1/devices", headers=headers),
        client.post("/api/v1/devices", json={}, headers=headers),
        client.post("/api/v1/devices/scale-1/revocation", json={"reason": "x"}, headers=headers),
        client.post("/api/v1/devices/scale-1/release", json={"reason": "x"}, headers=headers),
        client.put("/api/v1/devices/scale-1/terms", json={}, headers=headers),
        client.get("/api/v1/devices/scale-1/findings", headers=headers),
        client.get("/api/v1/devices/scale-1/absence", headers=headers),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in asked} == {(401, "OPERATOR_KEY")}
    assert at.ledger.log.size == size
    assert client.get("/api/v1/devices", headers=OPERATOR).status_code == 200


@pytest.mark.parametrize("content", [None, "", "short"], ids=["no file", "empty", "too short"])
def test_without_a_key_of_some_length_nobody_is_the_operator(
    client: TestClient, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "ledger" / OPERATOR_KEY_FILE
    path.unlink()
    if content is not None:
        path.write_text(content)
    for offered in ("", content or "", KEY):
        answer = client.get("/api/v1/devices", headers={"Authorization": f"Bearer {offered}"})
        assert answer.json()["code"] == "OPERATOR_KEY"


def test_OD10_a_revocation_counts_from_the_very_next_statement(client: TestClient, at: Listening) -> None:
    voice = Voice()
    send = {"Content-Type": "application/json"}
    path = "/api/v1/devices/scale-1/statements"
    assert client.post(path, content=voice.reading().envelope(), headers=send).status_code == 201
    revoked = client.post("/api/v1/devices/scale-1/revocation", json={"reason": "stolen"}, headers=OPERATOR)
    assert revoked.json()["revokedAt"] == NOON.isoformat()
    answer = client.post(path, content=voice.reading().envelope(), headers=send)
    assert (answer.status_code, answer.json()["code"], at.held()) == (403, "DEVICE_REVOKED", 1)


def test_terms_are_agreed_on_and_silence_is_proven(client: TestClient, at: Listening) -> None:
    terms = {"every_seconds": 60, "grace_seconds": 30, "place": "", "steps": [], "limits": {}, "speed_kmh": 150}
    assert client.put("/api/v1/devices/scale-1/terms", json=terms, headers=OPERATOR).status_code == 200
    voice, minute = Voice(), timedelta(minutes=1)
    for spoken in (1, 2, 5, 6):
        at.ledger.clock = lambda spoken=spoken: NOON + spoken * minute  # type: ignore[misc]
        at.hear(voice.reading(NOON + spoken * minute), NOON + spoken * minute)
    at.ledger.clock = lambda: NOON + 10 * minute
    asked = f"since={quote(write_time(NOON))}&until={quote(write_time(NOON + 20 * minute))}"
    found = client.get(f"/api/v1/devices/scale-1/absence?{asked}", headers=OPERATOR).json()
    assert found["expected"] and found["judgedUntil"] == (NOON + 9.5 * minute).isoformat()
    assert found["silent"] == [
        {"since": (NOON + 2 * minute).isoformat(), "until": (NOON + 5 * minute).isoformat()},
        {"since": (NOON + 6 * minute).isoformat(), "until": (NOON + 9.5 * minute).isoformat()},
    ]
    assert found["log"] == {"size": at.ledger.log.size, "root": at.ledger.log.root().hex()}


@pytest.mark.parametrize(
    "changes",
    [
        {"every_seconds": -1},
        {"every_seconds": True},
        {"limits": {"weight": {"least": "2", "most": "1"}}},
        {"more": 1},
        {"limits": {"wieght": {"least": "0", "most": "9"}}},
    ],
)
def test_terms_that_make_no_sense_change_nothing(client: TestClient, at: Listening, changes: dict[str, Any]) -> None:
    terms = {"every_seconds": 60, "grace_seconds": 30, "place": "", "steps": [], "limits": {}, "speed_kmh": 150}
    size = at.ledger.log.size
    answer = client.put("/api/v1/devices/scale-1/terms", json=terms | changes, headers=OPERATOR)
    assert answer.status_code == 422, answer.text
    assert at.ledger.log.size == size
    assert client.put("/api/v1/devices/scale-1/terms", json=terms, headers=OPERATOR).status_code == 200


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Callable[..., Ran]]:
    """`pledgetrail device`, each time in a process of its own."""
    with loaded(("ledger.data_folder", "ledger.intake.enrolling", "ledger.history.devices")) as program:
        yield lambda *arguments: program.run(["device", *arguments], home=tmp_path)


def test_the_command_line_does_the_same_beside_a_running_ledger(
    at: Listening, tmp_path: Path, device: Callable[..., Ran]
) -> None:
    data = str(tmp_path / "ledger")
    (tmp_path / "request.json").write_bytes(asking("camera-9"))
    period = ("--valid-from", PERIOD["valid_from"], "--valid-until", "2099-01-01T00:00:00.000Z")
    done = device("enrol", str(tmp_path / "request.json"), "--data", data, *period)
    assert done.status == 0 and "self-stated" in done.out, done.err
    refused = device("enrol", str(tmp_path / "request.json"), "--data", data, *period, "--attested")
    assert (refused.status, "ATTESTATION_NONE" in refused.err) == (1, True)
    agreed = device("terms", "camera-9", "--data", data, "--every", "10", "--limit", "weight=0:1200")
    assert json.loads(agreed.out)["limits"] == {"weight": {"least": "0", "most": "1200"}}, agreed.err
    assert device("release", "camera-9", "--data", data, "--reason", "spool lost").out.endswith("number 0\n")
    assert device("revoke", "camera-9", "--data", data, "--reason", "stolen").status == 0
    assert at.ledger.evidence.device("camera-9").revoked_at is not None
    at.hear(replace(Voice(), name="scale-1").gap())
    shown = json.loads(device("show", "scale-1", "--data", data).out)
    assert [finding["code"] for finding in shown["findings"]] == [Code.GAP]
    listed = json.loads(device("list", "--data", data, "--json").out)
    assert [each["device"] for each in listed] == ["camera-9", "scale-1"]
    assert "scale-1" in device("list", "--data", data).out
    assert device("operator-key", "--data", data).out.strip() == str(tmp_path / "ledger" / OPERATOR_KEY_FILE)
    assert at.ledger.operator_key() not in (None, KEY.encode())
    assert device("list", "--data", str(tmp_path)).status == 2


def at_terminal(*arguments: str, columns: int = 80) -> Result:
    return CliRunner().invoke(build(), ["device", *arguments], env={"COLUMNS": str(columns)})


@pytest.mark.parametrize("option", [("--limit", "wieght=0:1200"), ("--watch", "wieght=1:60")])
def test_a_bound_of_what_no_device_measures_is_refused(at: Listening, tmp_path: Path, option: tuple[str, str]) -> None:
    size, data = at.ledger.log.size, str(tmp_path / "ledger")
    answer = at_terminal("terms", "scale-1", "--data", data, *option)
    assert isinstance(answer.exception, Problem) and answer.exception.code == "DEVICE_QUANTITY"
    assert "weight" in answer.exception.cure and at.ledger.log.size == size
    spelt = option[1].replace("wieght", "weight")
    assert at_terminal("terms", "scale-1", "--data", data, option[0], spelt).exit_code == 0


def test_terms_that_were_agreed_on_before_stay_readable() -> None:
    older = Terms("scale-1", NOON, limits={"wieght": Limits(Decimal(0), Decimal(9))})
    assert read_terms(older.canonical()) == older
    with refused("DEVICE_QUANTITY"):
        check_measured(older)


@pytest.mark.parametrize("until", ["2099-01-01", "2099-01-01T00:00:00Z", "2099-01-01T00:00:00.000Z"])
def test_a_period_is_given_in_days_or_times_and_told_as_it_was_understood(
    at: Listening, tmp_path: Path, until: str
) -> None:
    request, data = tmp_path / "request.json", str(tmp_path / "ledger")
    request.write_bytes(asking("camera-9"))
    done = at_terminal("enrol", str(request), "--data", data, "--valid-from", "2026-03-01", "--valid-until", until)
    assert "from 2026-03-01T00:00:00Z until 2099-01-01T00:00:00Z" in done.output, done.exception
    assert at.ledger.evidence.device("camera-9").valid_until == datetime(2099, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("until", ["", "tomorrow", "2099-13-01", "2099-01-01T00:00:00+01:00", "2099-01-01T00:00Z"])
def test_a_period_in_another_form_names_the_option(at: Listening, tmp_path: Path, until: str) -> None:
    size, request = at.ledger.log.size, tmp_path / "request.json"
    request.write_bytes(asking("camera-9"))
    period = ("--valid-from", "2026-03-01", "--valid-until", until)
    answer = at_terminal("enrol", str(request), "--data", str(tmp_path / "ledger"), *period)
    assert isinstance(answer.exception, Problem) and answer.exception.code == "DEVICE_PERIOD"
    assert "--valid-until" in answer.exception.where and at.ledger.log.size == size


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_list_cuts_no_name_off_however_narrow_the_terminal(at: Listening, tmp_path: Path, columns: int) -> None:
    name = "urn:example:estate-of-the-eastern-slope/camera-17"
    (tmp_path / "request.json").write_bytes(asking(name))
    data = str(tmp_path / "ledger")
    period = ("--valid-from", "2026-03-01", "--valid-until", "2099-01-01")
    assert at_terminal("enrol", str(tmp_path / "request.json"), "--data", data, *period).exit_code == 0
    shown = at_terminal("list", "--data", data, columns=columns).output
    rows = [line.split("│")[1].strip() for line in shown.splitlines() if line.startswith("│")]
    assert name in "".join(rows) and "…" not in shown


@pytest.mark.parametrize("name", ["camera [/] 17", "camera [conceal]17", "camera [bold red]17[/bold red]"])
def test_the_list_obeys_nothing_that_a_device_calls_itself(at: Listening, tmp_path: Path, name: str) -> None:
    """A name in brackets is none of the table's own orders: it would end the list in an error, or stand unseen."""
    data = str(tmp_path / "ledger")
    (tmp_path / "request.json").write_bytes(asking(name))
    period = ("--valid-from", "2026-03-01", "--valid-until", "2099-01-01")
    assert at_terminal("enrol", str(tmp_path / "request.json"), "--data", data, *period).exit_code == 0
    shown = at_terminal("list", "--data", data, columns=200)
    assert (shown.exit_code, shown.exception) == (0, None)
    assert name in shown.output and "scale-1" in shown.output
