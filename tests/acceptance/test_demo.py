"""The main job as its user runs it: every step held, kept, continued, killed, and proven without any service."""

from __future__ import annotations

import json
import random
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from contracts.node import quantity
from examples.demo import story
from examples.demo.brought import begin
from examples.demo.folder import DataFolder
from examples.demo.house import LOG_ORIGIN, House, Outside, open_house
from examples.demo.journal import STEPS, Journal
from examples.demo.run import _journey
from examples.demo.show import Screen
from ledger.api.app import create_app
from ledger.bundle import load, verify
from ledger.errors import Problem
from ledger.evidence import Code
from ledger.history import history_of
from ledger.http.addresses import page_path
from ledger.media_signing import Authenticity, Provenance
from ledger.serve import take_port
from ledger.store import Ledger
from tests.acceptance.program import Ran, read_json, run, start, until

ON_CHAIN = {
    "anchor": "eip155:7101",
    "propose": "eip155:7103",
    "attest": "eip155:7103",
    "commit": "eip155:7102",
    "credential": "eip155:7103",
    "receipt_issued": "eip155:7101",
    "goods_reserved": "eip155:7103",
    "pledged": "eip155:7102",
    "frozen": "eip155:7101",
    "second_pledge_refused": "eip155:7102",
    "repaid": "eip155:7102",
    "released": "eip155:7102",
}
MOST_MEBIBYTES = 1536


@dataclass(frozen=True)
class Journey:
    """One finished run: its home and data folder, what it printed, and the table it wrote."""

    home: Path
    data: Path
    ran: Ran
    table: dict[str, Any]

    def step(self, name: str) -> dict[str, Any]:
        return next(step for step in self.table["steps"] if step["step"] == name)


def travel(home: Path, *arguments: str) -> Journey:
    data, table = home / "data", home / "out.json"
    ran = run(["demo", "--exit", "--json", str(table), "--data", str(data), "--port", "0", *arguments], home=home)
    assert ran.status == 0, ran.out + ran.err
    return Journey(home, data, ran, read_json(table))


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    yield travel(tmp_path_factory.mktemp("home"))


def test_every_step_holds_with_real_ids(journey: Journey) -> None:
    assert journey.table["held"] is True
    assert [step["step"] for step in journey.table["steps"]] == list(STEPS)
    assert all(step["held"] and step["id"] for step in journey.table["steps"])
    for name, chain in ON_CHAIN.items():
        step = journey.step(name)
        assert (step["chain"], len(step["tx"])) == (chain, 66), step
        assert step["block"] > 0
        assert step["gas"] > 21_000
    # Each step on the chains is a transaction of its own.
    transactions = [step["tx"] for step in journey.table["steps"] if step["tx"]]
    assert len(set(transactions)) == len(transactions) == len(ON_CHAIN)


def test_the_second_pledge_was_refused_for_its_reason_and_the_tampered_bundle_for_its_own(journey: Journey) -> None:
    assert "goods already reserved" in journey.ran.out
    assert "its bytes do not match its seal" in " ".join(journey.ran.out.split())
    assert journey.step("tampered_bundle_refused")["id"] == "BUNDLE_CORRUPT"


def test_it_stays_within_its_memory(journey: Journey) -> None:
    assert journey.ran.mebibytes < MOST_MEBIBYTES


def test_it_prints_the_addresses_and_the_code(journey: Journey) -> None:
    assert journey.table["urls"]["unit"] in journey.ran.out
    assert journey.table["urls"]["portal"] in journey.ran.out
    assert "▄▄▄▄▄" in journey.ran.out


def test_a_second_run_goes_on_where_the_first_stopped(journey: Journey, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(journey.data, data)
    again = travel(tmp_path)
    for name in set(STEPS) - {"qr"}:
        assert again.step(name) == journey.step(name)


def test_the_bundle_verifies_with_every_service_stopped_and_the_data_gone(journey: Journey, tmp_path: Path) -> None:
    bundle = tmp_path / "elsewhere.bundle"
    shutil.copy(journey.table["bundle"], bundle)
    hidden = journey.data.rename(journey.home / "gone")
    try:
        accepted = run(["verify", str(bundle)], home=tmp_path)
    finally:
        hidden.rename(journey.data)
    assert accepted.status == 0, accepted.err


def test_each_single_changed_byte_of_the_bundle_is_refused(journey: Journey) -> None:
    raw = Path(journey.table["bundle"]).read_bytes()
    verify(raw, trust_root=None)
    picked = random.Random(20260921)
    for position in picked.sample(range(len(raw)), 1_000):
        changed = bytearray(raw)
        changed[position] ^= picked.randrange(1, 256)
        with pytest.raises(Problem):
            verify(bytes(changed), trust_root=None)
    assert load(raw).objects


def test_the_program_refuses_a_changed_bundle_in_its_own_words(journey: Journey, tmp_path: Path) -> None:
    raw = bytearray(Path(journey.table["bundle"]).read_bytes())
    raw[len(raw) // 2] ^= 0x40
    changed = tmp_path / "changed.bundle"
    changed.write_bytes(raw)
    refused = run(["verify", str(changed)], home=tmp_path)
    assert refused.status == 1
    assert refused.err.startswith("BUNDLE_CORRUPT: ")
    assert "Traceback" not in refused.err


def test_sensors_a_signing_camera_and_a_finding_are_in_the_unit_s_account(journey: Journey, tmp_path: Path) -> None:
    """Kept with the cameras' evidence, before the anchor: the story goes on from it without another entry."""
    shutil.copytree(journey.data, tmp_path / "data")
    with closing(Ledger.open(tmp_path / "data", origin=LOG_ORIGIN)) as ledger:
        history = history_of(ledger, story.UNITS[0])
        temperature, weight = sorted(history.readings, key=lambda series: series.quantity)
        assert [series.count for series in (temperature, weight)] == [len(each.readings) for each in story.SENSORS]
        assert (temperature.outside, dict(temperature.findings)) == (1, {Code.IMPOSSIBLE_VALUE: 1})
        assert (weight.outside, dict(weight.findings)) == (0, {})
        (anchor,) = [row for row in _rows(journey.data / "journey.json") if row["step"] == "anchor"]
        anchored = int(anchor["note"].removeprefix("size "))
        assert all(each.reading.entry < anchored for series in history.readings for each in series.told)
        signed = {step.step: step.video for step in history.filmed}
        shown = signed.pop("packing")
        assert shown is not None and (shown.authenticity, shown.provenance) == (
            Authenticity.AUTHENTIC,
            Provenance.TRUSTED,
        )
        assert set(signed.values()) == {None}
        text = TestClient(create_app(ledger)).get(page_path(story.UNITS[0]), params={"lang": "en"}).text
        assert "1 reading is outside the agreed limits." in text and ">38.2<" in text


def test_each_row_that_is_missing_is_found_again_and_nothing_is_done_twice(journey: Journey, tmp_path: Path) -> None:
    """The journal is cut after each of its rows in turn: killed there, the program finds what the chains hold."""
    data = tmp_path / "data"
    shutil.copytree(journey.data, data)
    whole = _rows(data / "journey.json")
    assert [row["step"] for row in whole] == list(STEPS)
    with ExitStack() as opened:
        folder = opened.enter_context(DataFolder(data))
        listener = opened.enter_context(closing(take_port("127.0.0.1", 0)))
        outside = Outside({}, None, "standard")
        house = open_house(opened, folder, listener=listener, outside=outside, say=lambda _words: None)
        before = _lengths(house)
        # Also where a later row of the same group was written first, and where nothing held.
        for kept in (
            *(whole[:count] for count in range(len(whole))),
            *(
                [row for row in whole if row["step"] != step]
                for step in ("recheck", "goods_reserved", "bundle_verified")
            ),
            [{**row, "held": False} for row in whole],
        ):
            (data / "journey.json").write_text(json.dumps(kept))
            journal = Journal(data / "journey.json")
            with Screen() as screen:
                _journey(house, journal, (), begin(folder, None, (), filmed=True), screen)
            assert journal.complete
            assert [_lasting(row) for row in _rows(data / "journey.json")] == [_lasting(row) for row in whole]
            assert _lengths(house) == before


def _lasting(row: dict[str, Any]) -> dict[str, Any]:
    """What a row says on every run: not how long it took, nor at which port the pages were."""
    return {name: value for name, value in row.items() if name != "ms" and (row["step"], name) != ("qr", "id")}


def _lengths(house: House) -> tuple[int, ...]:
    """Blocks of the three chains, which mine a block for each transaction, and entries of the log."""
    blocks = [quantity(node.request("eth_blockNumber")) for node in house.chains.nodes.values()]
    return (*blocks, house.ledger.log.size)


@pytest.mark.parametrize("after", ["capture", "anchor", "pledged"])
def test_killed_after_any_step_it_loses_and_doubles_nothing(tmp_path: Path, after: str) -> None:
    data = tmp_path / "data"
    began = start(["demo", "--data", str(data), "--port", "0"], home=tmp_path, out=tmp_path / "killed.txt")

    def reached() -> list[dict[str, Any]] | None:
        if began.poll() is not None:
            raise AssertionError((tmp_path / "killed.txt").read_text())
        rows = _rows(data / "journey.json")
        return rows if any(row["step"] == after for row in rows) else None

    try:
        before = until(reached, seconds=240, what=f"step {after}")
    finally:
        began.send_signal(signal.SIGKILL)
        began.wait(30)
    done = travel(tmp_path)
    for row in before:
        assert done.step(row["step"])["id"] == row["id"]
        assert done.step(row["step"])["tx"] == row["tx"]


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = json.loads(path.read_text())
    return rows
