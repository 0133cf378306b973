"""What fails on the ledger's machine is told to its operator, bounded, and answers hold no path of the machine."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ledger.api.app import create_app
from ledger.errors import Refused, Unavailable
from ledger.http.failing import CODES, QUIET_SECONDS, Failing
from ledger.store import Ledger
from ledger.store.log import Log


def full(folder: Path, code: str = "LOG_TREE") -> Unavailable:
    return Unavailable(code, "The disk is full.", where=str(folder / "ledger.tree" / "height-00"), cure="Make room.")


def test_a_full_disk_is_told_where_the_ledger_runs_and_answers_name_no_folder(
    story: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def size(_: Log) -> int:
        raise full(tmp_path)

    client = TestClient(create_app(story))
    assert client.get("/healthz").status_code == 200 and caplog.messages == []
    with monkeypatch.context() as patched, caplog.at_level(logging.ERROR):
        patched.setattr(Log, "size", property(size))
        answers = [client.get("/healthz") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503] * 3
    assert answers[0].json()["where"] == "height-00" and str(tmp_path) not in answers[0].text
    assert [str(tmp_path) in line and "LOG_TREE" in line for line in caplog.messages] == [True]
    assert client.get("/healthz").status_code == 200


def test_each_code_is_told_once_a_minute() -> None:
    told, now = list[str](), [0.0]
    failing = Failing(told.append, lambda: now[0])
    for now[0] in (0.0, 1.0, QUIET_SECONDS - 0.1, QUIET_SECONDS, QUIET_SECONDS + 1.0):
        for code in CODES:
            failing.look(full(Path("/data"), code))
    assert len(told) == 2 * len(CODES)


def test_what_is_the_askers_business_is_not_told_and_stays_as_it_is() -> None:
    told = list[str]()
    refusal = Refused("UNIT_UNKNOWN", "Nothing is known of it.", where="/01/09520000001018")
    assert Failing(told.append).look(refusal).where == "/01/09520000001018" and told == []
    elsewhere = Unavailable("MEDIA_UNAVAILABLE", "The store is away.", where="evidence/bafk")
    assert Failing(told.append).look(elsewhere).where == "evidence/bafk" and len(told) == 1
