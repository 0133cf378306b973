"""The watch as a program: its configuration, what notaries answer it, where its alarms go, and a whole run."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import notary
from contracts.node import RpcNode
from ledger.errors import Problem, Unavailable
from ledger.serve import serve
from notary.alarms import outlet
from notary.alarms.alarm import Alarm, Label
from notary.alarms.config import WatchConfig
from notary.alarms.floor import Terms
from notary.alarms.memory import Memory
from notary.alarms.notaries import HttpNotaries, read_word
from notary.alarms.outlet import FILE, Outlet, read_alarms, row_of
from notary.alarms.service import BEAT_FILE, start
from notary.alarms.sight import ProvenSight
from notary.config import NotaryConfig
from notary.service import start as start_notary
from tests.chains import Deployed
from tests.notary.alarms.clean import Desk
from tests.notary.alarms.model import a_manifest
from tests.notary.alarms.test_on_chains import forged
from tests.notary.alarms.traffic import Traffic
from tests.notary.subject import write_keys

BOUND = 60  # seconds that a condition may take on a busy machine
OWNER = b"\x0f" * 20
README = (Path(notary.__file__).parent / "README.md").read_text("utf-8")
ALARM = Alarm(Label.LANE_SILENT, "lane 1", "nothing arrives", 1_800_000_000, {"chain": "eip155:7101", "lane": "0x01"})


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + BOUND
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


# -- configuration ---------------------------------------------------------------------------------------------------


def written(place: Path, **changed: Any) -> Path:
    (place / "manifest.json").write_bytes(a_manifest().dump())
    nodes = {f"eip155:{chain_id}": f"http://127.0.0.1:{chain_id}" for chain_id in (7101, 7102, 7103)}
    whole = {"manifest": "manifest.json", "nodes": nodes, "folder": "watch", **changed}
    path = place / "watch.json"
    path.write_text(json.dumps({name: value for name, value in whole.items() if value is not None}))
    return path


def test_a_configuration_says_what_is_looked_at_and_what_is_measured_by(tmp_path: Path) -> None:
    config = WatchConfig.load(written(tmp_path, notaries=["http://n1", "http://n2"], silence=60, pace_percent=50))
    assert config.notaries == ("http://n1", "http://n2")
    assert (config.terms.silence, config.terms.pace_percent, config.terms.patience) == (60, 50, 5)
    assert config.folder == tmp_path / "watch"
    other = replace(config, terms=Terms(replace(a_manifest(), log_origin="another.example/log")))
    assert len(config.owner) == 20
    assert config.owner != other.owner


@pytest.mark.parametrize(
    "changed",
    [
        {"manifest": None},
        {"nodes": None},
        {"folder": None},
        {"nodes": {"eip155:7101": "http://one"}},
        {"nodes": ["http://one"]},
        {"notaries": "http://one"},
        {"notaries": ["http://one", "http://one"]},
        {"notaries": [f"http://n{index}" for index in range(101)]},
        {"silence": 0},
        {"silence": "60"},
        {"silence": True},
        {"pace_percent": 101},
        {"unheard_of": 1},
    ],
)
def test_a_configuration_that_says_less_or_nonsense_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    with pytest.raises(Problem) as caught:
        WatchConfig.load(written(tmp_path, **changed))
    assert caught.value.code == "CONFIG_FORMAT"
    assert WatchConfig.load(written(tmp_path)).notaries == ()


def test_the_configuration_in_the_readme_is_one(tmp_path: Path) -> None:
    section = README.partition("## Watch")[2].partition("\n## ")[0]
    found = re.search(r"```json\n(.+?)```", section, re.DOTALL)
    assert found is not None
    written(tmp_path)
    (tmp_path / "watch.json").write_text(found[1])
    config = WatchConfig.load(tmp_path / "watch.json")
    assert (config.folder, len(config.notaries)) == (tmp_path / "watch", 2)
    for each in fields(Terms):
        if each.name != "manifest":
            assert f"`{each.name}` ({each.default})" in section


def test_every_label_stands_in_the_operators_table() -> None:
    rows = re.findall(r"^\| ([A-Z_]+) \| .+ \| .+ \| .+ \|$", README.partition("## Watch")[2], re.MULTILINE)
    assert {label.value for label in Label} <= set(rows)


# -- what notaries answer --------------------------------------------------------------------------------------------


def test_a_notarys_word_is_read_from_its_two_answers() -> None:
    chains = {
        "eip155:7101": {"verdict": "same", "problem": ""},
        "eip155:7102": {"verdict": "differs", "problem": "state root"},
    }
    doubts = {"doubts": [{"kind": "SPLIT_VIEW", "offered": "a", "held": "b"}]}
    word = read_word("http://n", {"log_size": 5, "chains": chains}, doubts)
    assert (word.log_size, dict(word.differs)) == (5, {"eip155:7102": "state root"})
    assert (word.doubts[0].offered, word.doubts[0].held) == (b"a", b"b")


@pytest.mark.parametrize(
    ("status", "doubts"),
    [
        (None, {"doubts": []}),
        ([], {"doubts": []}),
        ({"log_size": -1, "chains": {}}, {"doubts": []}),
        ({"log_size": True, "chains": {}}, {"doubts": []}),
        ({"log_size": 1, "chains": []}, {"doubts": []}),
        ({"log_size": 1, "chains": {"a": 1}}, {"doubts": []}),
        ({"log_size": 1, "chains": {}}, {}),
        ({"log_size": 1, "chains": {}}, {"doubts": [1]}),
        ({"log_size": 1, "chains": {}}, {"doubts": [{"offered": "\ud800", "held": ""}]}),
    ],
)
def test_K08_a_notary_that_answers_nonsense_has_said_nothing(status: Any, doubts: Any) -> None:
    with pytest.raises(Unavailable) as caught:
        read_word("http://n", status, doubts)
    assert caught.value.code == "NOTARY_GARBAGE"


def test_a_notary_that_is_not_there_holds_up_nobody() -> None:
    notaries = HttpNotaries(["http://127.0.0.1:9", "http://127.0.0.1:9/other"])
    assert notaries.ask() == []
    notaries.close()


@pytest.mark.parametrize("status", [200, 203, 404, 503])
def test_K08_what_stands_in_an_answer_that_is_none_has_not_been_said(status: int) -> None:
    """Such as a page of a proxy, which keeps what the notary said yesterday."""

    def answer(request: Request) -> JSONResponse:
        said = {"log_size": 5, "chains": {}} if request.url.path == "/status" else {"doubts": []}
        return JSONResponse(said, status_code=status)

    server = serve(Starlette(routes=[Route("/status", answer), Route("/log-doubts", answer)]), port=0)
    notaries = HttpNotaries([server.url])
    try:
        assert [word.log_size for word in notaries.ask()] == ([5] if status == 200 else [])
    finally:
        notaries.close()
        server.stop()


def test_a_chain_that_was_not_looked_at_tells_no_block(chains: Deployed) -> None:
    manifest = chains.manifest
    chain = manifest.chains[0]
    node = RpcNode(chains.urls[chain.chain_id])
    sight = ProvenSight(manifest, chain, node)
    for ask in (lambda: sight.block(chain.first_block), sight.state, lambda: sight.books([])):
        with pytest.raises(Unavailable) as caught:
            ask()
        assert caught.value.code == "NOT_FINAL"
    sight.look(None)
    assert sight.block(chain.first_block).number == chain.first_block
    node.close()


def test_K08_a_doubt_that_the_log_did_not_sign_convicts_nobody(tmp_path: Path) -> None:
    traffic = Traffic(seed=3, transfers=1, calm=True)
    desk = Desk(traffic, tmp_path / "watch")
    word = read_word(
        "http://n",
        {"log_size": 0, "chains": {}},
        {"doubts": [{"offered": "one\n", "held": "two\n"}, {"offered": "", "held": ""}]},
    )
    traffic.notaries.words["http://notary0.example"] = word
    for _ in range(10):
        traffic.tick()
        desk.look()
    assert desk.told == []
    desk.close()


# -- where alarms go -------------------------------------------------------------------------------------------------


def test_K08_an_alarm_that_cannot_be_written_down_is_told_as_soon_as_it_can(tmp_path: Path) -> None:
    """K10: the disk is full, and the alarm is neither lost nor taken for told."""
    traffic = Traffic(seed=3, transfers=1, calm=True)
    desk = Desk(traffic, tmp_path / "watch")
    told: list[dict[str, Any]] = []
    full = [True]

    def tell(alarm: dict[str, Any]) -> None:
        if full[0]:
            raise Unavailable("ALARMS_WRITE", "no room")
        told.append(alarm)

    desk.watch._tell = tell
    desk.memory.commit([ALARM])
    for _ in range(2):
        with pytest.raises(Unavailable):
            desk.watch.step()
    full[0] = False
    desk.look()
    desk.look()
    assert [alarm["id"] for alarm in told] == [ALARM.id]
    desk.close()


def test_each_alarm_is_one_line_however_often_the_watch_dies(tmp_path: Path) -> None:
    rows: list[str] = []
    alarm = {**ALARM.as_json(), "told_at": 1}
    Outlet(tmp_path, show=rows.append)(alarm)
    Outlet(tmp_path, show=rows.append)(alarm)  # killed before it was noted as told
    assert [each["id"] for each in read_alarms(tmp_path / FILE)] == [ALARM.id]
    assert "LANE_SILENT" in rows[0]


def test_half_a_line_is_cut_off_and_written_again(tmp_path: Path) -> None:
    alarm = {**ALARM.as_json(), "told_at": 1}
    (tmp_path / FILE).write_bytes(b'{"id": "0", "whole": 1}\n{"id": "' + ALARM.id.encode()[:9])
    Outlet(tmp_path, show=lambda _row: None)(alarm)
    assert [each["id"] for each in read_alarms(tmp_path / FILE)] == ["0", ALARM.id]


@pytest.mark.parametrize("half", [b"", b"{", b"x" * 15, b"x" * 16, b"x" * 17, b"x" * 100])
@pytest.mark.parametrize("whole", [b"", b'{"id": "0", "whole": 1}\n'])
def test_half_a_line_of_any_length_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bytes, whole: bytes
) -> None:
    monkeypatch.setattr(outlet, "_AT_ONCE", 16)
    (tmp_path / FILE).write_bytes(whole + half)
    Outlet(tmp_path, show=lambda _row: None)
    assert (tmp_path / FILE).read_bytes() == whole


def test_of_a_long_file_only_the_end_is_read_and_its_last_alarm_is_not_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarm = {**ALARM.as_json(), "told_at": 1}
    Outlet(tmp_path, show=lambda _row: None)(alarm)
    last = (tmp_path / FILE).read_bytes()
    before = b"".join(b"not read %d\n" % number for number in range(1000))  # reading it would fail
    for end in (len(last), len(last) + 1, len(last) + 5, len(last) + 8):
        monkeypatch.setattr(outlet, "END_BYTES", end)
        (tmp_path / FILE).write_bytes(before + b'{"id":"0"}\n' + last)
        held = (tmp_path / FILE).read_bytes()
        Outlet(tmp_path, show=lambda _row: None)(alarm)
        assert (tmp_path / FILE).read_bytes() == held


def test_no_more_ids_are_held_than_are_of_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "KNOWN", 2)
    tell = Outlet(tmp_path, show=lambda _row: None)
    for named in ("1", "2", "3", "3", "2", "1"):
        tell({**ALARM.as_json(), "id": named, "told_at": 1})
    assert [each["id"] for each in read_alarms(tmp_path / FILE)] == ["1", "2", "3", "1"]


@pytest.mark.parametrize("stands", ["nothing", "half of it", "all of it"])
def test_K08_a_disk_that_fails_while_an_alarm_is_written_leaves_it_to_be_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stands: str
) -> None:
    rows: list[str] = []
    tell = Outlet(tmp_path, show=rows.append)
    before, alarm, after = ({**ALARM.as_json(), "id": named, "told_at": 1} for named in ("a", "b", "c"))
    tell(before)
    with monkeypatch.context() as patch:

        def full(outlet: Outlet, line: bytes) -> None:
            with (tmp_path / FILE).open("ab") as file:
                file.write({"nothing": b"", "half of it": line[: len(line) // 2], "all of it": line}[stands])
            raise OSError(28, "No space left on device")

        patch.setattr(Outlet, "_append", full)
        for _ in range(2):
            with pytest.raises(Unavailable) as caught:
                tell(alarm)
            assert caught.value.code == "ALARMS_WRITE"
            if stands == "all of it":
                break
    assert len(rows) == 1
    tell(alarm)
    tell(after)
    assert [each["id"] for each in read_alarms(tmp_path / FILE)] == ["a", "b", "c"]
    assert len(rows) == 3


def test_a_place_where_nothing_can_be_written_is_a_problem_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(Unavailable) as caught:
        Outlet(tmp_path, show=lambda _row: None)
    assert caught.value.code == "ALARMS_WRITE"


def test_a_row_says_since_when_how_bad_what_where_and_who_acts() -> None:
    row = row_of(ALARM.as_json())
    assert row.startswith("2027-01-15 08:00:00 | WARNING | LANE_SILENT | eip155:7101 0x01 | nothing arrives | next: ")


def test_an_alarm_that_stands_is_not_raised_again(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "watch", owner=OWNER)
    assert memory.commit([ALARM, ALARM]) == [ALARM]
    memory.put("cursor", b"1", (5, b"hash"))
    memory.forget()
    assert memory.get("cursor", b"1") is None
    assert memory.commit([ALARM]) == []
    memory.close()
    again = Memory(tmp_path / "watch", owner=OWNER)
    assert again.commit([ALARM]) == []
    assert len(again.all_alarms()) == 1
    again.close()


def test_a_step_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "watch", owner=OWNER)
    memory.put("a", b"1", (1,), due=5)
    memory.commit([])
    memory.put("a", b"1", (2,), due=9)
    memory.put("a", b"2", (3,), due=1)
    memory.drop("a", b"3")
    assert memory.due("a", 5, 10) == [(b"2", (3,))]
    memory.undo()
    assert memory.get("a", b"1") == (1,)
    assert memory.due("a", 5, 10) == [(b"1", (1,))]
    memory.close()


# -- a whole run -----------------------------------------------------------------------------------------------------


def test_K08_a_running_watch_writes_an_alarm_down_and_shows_that_it_lives(chains: Deployed, tmp_path: Path) -> None:
    write_keys(tmp_path / "notary0", 0)
    running = start_notary(NotaryConfig(0, chains.manifest, dict(chains.urls), tmp_path / "notary0"))
    rows: list[str] = []
    config = WatchConfig(Terms(chains.manifest, patience=1), dict(chains.urls), tmp_path / "watch", (running.url,))
    watch = start(config, show=rows.append, warn=rows.append)
    try:
        wait_until((config.folder / BEAT_FILE).exists)
        true = chains.send()
        false = forged(true, true.proposal.payload)
        chains.commit(false)
        wanted = f"commit 0x{false.message.id.hex()}"
        wait_until(lambda: wanted in [each["subject"] for each in read_alarms(config.folder / FILE)])
        wait_until(lambda: any("PROPOSAL_MISSING" in row for row in rows))
        with pytest.raises(Problem) as caught:
            start(config)
        assert caught.value.code == "FOLDER_IN_USE"
    finally:
        watch.stop()
        running.stop()
