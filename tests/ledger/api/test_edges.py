"""The edges of every answer: whose name the server answers to, what a browser may do, and what a defect shows."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from ledger.api.app import create_app
from ledger.store import Ledger

SECRETS = ("Traceback", "sqlite", "SELECT", ".py", "/ledger")


@pytest.mark.parametrize("path", ["/", "/healthz", "/portal", "/api/v1/pledges", "/nothing", "/01/1", "/media/x"])
def test_every_answer_ties_the_browsers_hands(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert "server" not in headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.nip.example", "user@evil.example", ""])
def test_oq03_refuses_a_name_that_is_not_ours(client: TestClient, host: str) -> None:
    for path in ("/portal", "/api/v1/pledges"):
        answer = client.get(path, headers={"Host": host})
        assert (answer.status_code, answer.json()["code"]) == (421, "HOST_UNKNOWN")


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost", "[::1]:80", "LOCALHOST:1", "tea.example"])
def test_answers_to_its_own_names(client: TestClient, story: Ledger, host: str) -> None:
    story.public_url = "https://tea.example"
    try:
        assert client.get("/healthz", headers={"Host": host}).status_code == 200
    finally:
        story.public_url = None


def test_oa10_a_defect_shows_nothing_of_the_inside_and_keeps_the_connection(
    story: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("/secret/place sqlite SELECT")

    monkeypatch.setattr("ledger.api.pledge_routes.find_loan", broken)
    answer = TestClient(create_app(story)).get("/api/v1/pledges/0x00")
    assert (answer.status_code, answer.json()["code"]) == (500, "DEFECT")
    assert not any(secret in answer.text for secret in SECRETS)


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/log/entries/x/proof", "/media/x", "/api/v1/pledges/x"])
def test_oa10_a_refusal_says_code_place_and_cure_and_nothing_else(client: TestClient, path: str) -> None:
    problem = client.get(path).json()
    assert set(problem) == {"type", "title", "status", "code", "where", "cure"}
    assert not any(secret in str(problem) for secret in SECRETS)


def test_no_documentation_from_a_third_partys_server(client: TestClient) -> None:
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404
    described = client.get("/api/v1/openapi.json").json()
    assert "/api/v1/evidence/segments" in described["paths"]
    assert "/portal" not in described["paths"]
