"""`pledgetrail ledger run` as its operator runs it: a process of its own, asked over HTTP, stopped by a signal."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.bundle.succession import ROTATION_DOMAIN, RotationOrder
from ledger.checkpoint import LogKey
from ledger.note_keys import read_log_key
from ledger.serving import start
from ledger.store import Ledger
from tests.acceptance.loaded import Loaded, loaded
from tests.ledger.bundle.estate import TRUST_ROOT
from tests.ledger.bundle.succeeding import HELD, SECOND, order_of
from tests.ledger.intake.mosquitto import wait_for
from tests.ledger.refusals import refused

ORIGIN = "ledger.example/tea"
RUN = ["ledger", "run", "--port", "0", "--origin", ORIGIN]


@pytest.fixture(scope="module")
def program() -> Iterator[Loaded]:
    with loaded(("ledger.serving",)) as program:
        yield program


@contextmanager
def running(program: Loaded, data: Path, *more: str) -> Iterator[dict[str, Any]]:
    """What the ledger printed once it listened, in a process of its own, which a signal ends."""
    begun = program.start([*RUN, "--data", str(data), *more], home=data.parent)
    try:
        wait_for(lambda: begun.said().endswith("\n"), "it listens")
        yield json.loads(begun.said())
    finally:
        with suppress(ProcessLookupError):
            os.kill(begun.pid, signal.SIGTERM)
        ended = begun.wait()
    assert ended.status == 0, ended.err


def test_it_serves_a_new_folder_and_ends_when_it_is_told_to(program: Loaded, tmp_path: Path) -> None:
    with running(program, tmp_path / "data") as said:
        assert httpx.get(f"{said['url']}/healthz", trust_env=False).json()["status"] == "ok"
        assert read_log_key(said["log"]).name == ORIGIN


def test_it_publishes_what_the_trust_roots_cosigners_cosigned_and_logs_the_trust_root_once(
    program: Loaded, tmp_path: Path
) -> None:
    with running(program, tmp_path / "data") as said:
        key = read_log_key(said["log"])
    root = tmp_path / "root.json"
    root.write_bytes(replace(TRUST_ROOT, log=key).dump())
    for _ in range(2):
        with running(program, tmp_path / "data", "--trust-root", str(root)) as said:
            assert httpx.get(f"{said['url']}/healthz", trust_env=False).json()["entries"] == 1


def test_a_trust_root_of_another_log_is_refused_and_nothing_is_logged(program: Loaded, tmp_path: Path) -> None:
    root = tmp_path / "root.json"
    root.write_bytes(TRUST_ROOT.dump())
    ran = program.run([*RUN, "--data", str(tmp_path / "data"), "--trust-root", str(root)], home=tmp_path)
    assert (ran.status, ran.out) == (2, "")
    assert "TRUST_ROOT_LOG" in ran.err
    ledger = Ledger.open(tmp_path / "data", origin=ORIGIN)
    assert ledger.log.size == 0
    assert isinstance(ledger.log.key, LogKey)
    ledger.close()


@pytest.mark.parametrize("has_signed", [False, True])
def test_another_name_for_the_same_log_is_refused(program: Loaded, tmp_path: Path, has_signed: bool) -> None:
    ledger = Ledger.open(tmp_path / "data", origin="other.example/tea")
    if has_signed:
        ledger.log.make_checkpoint()
    ledger.close()
    before = (tmp_path / "data" / "log.vkey").read_bytes()
    ran = program.run([*RUN, "--data", str(tmp_path / "data")], home=tmp_path)
    assert ran.status == 2
    assert "LOG_ORIGIN" in ran.err and "--origin other.example/tea" in ran.err
    assert (tmp_path / "data" / "log.vkey").read_bytes() == before
    Ledger.open(tmp_path / "data", origin="other.example/tea").close()


@pytest.mark.parametrize("left", [None, b"no key\n", b"\xff"])
def test_where_the_public_key_is_lost_the_checkpoints_still_know_the_name(tmp_path: Path, left: bytes | None) -> None:
    ledger = Ledger.open(tmp_path / "data", origin=ORIGIN)
    ledger.log.make_checkpoint()
    ledger.close()
    public = tmp_path / "data" / "log.vkey"
    public.unlink()
    if left is not None:
        public.write_bytes(left)
    with refused("LOG_KEY"):
        Ledger.open(tmp_path / "data", origin="other.example/tea")
    if left is None:
        public.unlink()
    Ledger.open(tmp_path / "data", origin=ORIGIN).close()


@pytest.mark.parametrize(
    "url", ["ledger.example", "ftp://ledger.example", "https://", "https://a.example/?q", "https://["]
)
def test_a_public_address_that_no_code_can_point_at_is_refused_before_anything_is_made(
    tmp_path: Path, url: str
) -> None:
    with refused("PUBLIC_URL"):
        start(tmp_path / "data", origin=ORIGIN, host="127.0.0.1", port=0, trust_root=None, public_url=url)
    assert not (tmp_path / "data").exists()


def test_printed_codes_point_at_the_public_address(tmp_path: Path) -> None:
    url = "https://tea.example/sub/"
    running = start(tmp_path / "data", origin=ORIGIN, host="127.0.0.1", port=0, trust_root=None, public_url=url)
    running.stop()
    assert running.ledger.public_url == "https://tea.example/sub"


def test_orders_of_a_rotation_are_logged_only_where_they_lead_to_the_trust_root(tmp_path: Path) -> None:
    def serving(root: str = "", *orders: RotationOrder) -> int:
        """Serve once with these orders; how many orders the log holds afterwards."""
        files = []
        for number, order in enumerate(orders):
            files.append(tmp_path / f"order-{number}.json")
            files[-1].write_bytes(order.dump() + b"\n")
        given = tmp_path / root if root else None
        running = start(
            tmp_path / "data",
            origin=ORIGIN,
            host="127.0.0.1",
            port=0,
            trust_root=given,
            public_url=None,
            rotations=files,
        )
        try:
            for name, made in (("held", HELD), ("second", SECOND)):
                (tmp_path / name).write_bytes(replace(made, log=running.ledger.log.key).dump())
            return len(running.ledger.statements.of_domain(ROTATION_DOMAIN))
        finally:
            running.stop()

    serving()
    with refused("ROTATION_LOOSE"):
        serving("second", order_of(1))
    assert serving("held") == 0
    with refused("SIG_UNKNOWN"):
        serving("second", order_of(1, by=0))
    assert serving("held") == 0
    assert serving("second", order_of(1)) == 1
    assert serving("second", order_of(1)) == 1
