"""The relay's HTTP interface: what it shows, and that no request gets more than a typed refusal out of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from contracts.manifest import Role
from ledger.cli import build
from ledger.errors import Problem, Refused, Unavailable
from ledger.serve import serve
from relay.api import create_app
from relay.journey import Step
from relay.relay import Relay
from relay.skips import Skips
from tests.contracts.world import World
from tests.ledger.refusals import refused
from tests.simulator.network import Network, is_over


class Served:
    """A relay with one closed message and one that notaries refuse, behind its API."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.closed = network.carry_anchor().message.id
        self.relay = network.relay()
        network.run(self.relay, until=lambda: is_over(self.relay, self.closed))
        for notary in network.notaries:
            notary.refuses = Refused("LANE", "the lane is not open", where="lane")
        self.aside = network.carry_anchor().message.id
        network.run(self.relay, until=self.is_aside)
        self.server = serve(create_app(self.relay), port=0)
        self.http = httpx.Client(base_url=self.server.url, trust_env=False)

    def is_aside(self) -> bool:
        journey = self.relay.journeys.get(self.aside)
        return journey is not None and {Step.COMMIT, Step.ATTEST} <= set(journey.set_aside)

    def get(self, path: str) -> Any:
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def served(world: World) -> Iterator[Served]:
    made = Served(Network(world))
    yield made
    made.http.close()
    made.server.stop()


def test_the_status_says_how_far_each_chain_is_read(served: Served) -> None:
    shown = served.get("/status")
    assert [(each["chain"], each["role"]) for each in shown["chains"]] == [
        ("eip155:7101", "origin"),
        ("eip155:7102", "destination"),
        ("eip155:7103", "transaction"),
    ]
    assert all(each["trouble"] is None and each["next_block"] > 0 for each in shown["chains"])
    assert shown["messages"] == {"closed": 1, "proposed": 1}


def test_a_chain_out_of_reach_is_shown_with_its_reason(served: Served) -> None:
    served.network.node(Role.TRANSACTION).down = True
    served.network.settle(served.relay, steps=2)
    trouble = served.get("/status")["chains"][2]["trouble"]
    assert (trouble["code"], bool(trouble["cure"] or trouble["where"])) == ("NODE_UNREACHABLE", True)
    served.network.node(Role.TRANSACTION).down = False
    served.network.settle(served.relay, steps=20)
    assert served.get("/status")["chains"][2]["trouble"] is None


def test_messages_that_cannot_be_put_away_are_shown_with_the_reason(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert served.get("/status")["memory"] is None
    full = Unavailable("AWAY_WRITE", "messages cannot be put away", cure="Make room.")

    def put_away(_is_busy: object) -> None:
        raise full

    with monkeypatch.context() as patched:
        patched.setattr(served.relay._docket, "put_away", put_away)
        served.network.settle(served.relay, steps=1)
        assert served.get("/status")["memory"] == {
            "code": "AWAY_WRITE",
            "what": full.what,
            "where": "",
            "cure": full.cure,
        }
        command = ["relay", "status", served.server.url, "--table"]
        table = CliRunner().invoke(build(), command, env={"COLUMNS": "200"})
        assert "memory: AWAY_WRITE: messages cannot be put away" in table.output
    served.network.settle(served.relay, steps=1)
    assert served.get("/status")["memory"] is None
    assert "AWAY_WRITE" not in CliRunner().invoke(build(), command, env={"COLUMNS": "200"}).output


def test_messages_are_listed_newest_first(served: Served) -> None:
    shown = served.get("/messages")
    assert [row["id"] for row in shown["messages"]] == [f"0x{served.aside.hex()}", f"0x{served.closed.hex()}"]
    assert shown["total"] == 2
    newest = shown["messages"][0]
    assert (newest["kind"], newest["state"]) == ("notice", "proposed")
    assert newest["from"].startswith("eip155:7101:0x")
    assert newest["to"].startswith("eip155:7102:0x")
    assert "LANE: the lane is not open" in newest["explain"]
    assert [row["state"] for row in served.get("/messages?state=closed")["messages"]] == ["closed"]
    assert served.get("/messages?state=disputed") == {"messages": [], "total": 0}
    assert len(served.get("/messages?limit=1")["messages"]) == 1
    assert served.get("/messages?limit=0")["messages"] == []


def test_a_message_shows_its_steps_with_block_transaction_gas_and_time(served: Served) -> None:
    shown = served.get(f"/messages/0x{served.closed.hex()}")
    assert [step["step"] for step in shown["steps"]] == ["sent", "proposed", "attested", "committed", "judged"]
    assert [step["chain"][-4:] for step in shown["steps"]] == ["7101", "7103", "7103", "7102", "7103"]
    assert all(step["gas"] > 21_000 and step["block"] > 0 for step in shown["steps"])
    assert all(len(step["transaction"]) == 66 for step in shown["steps"])
    assert shown["steps"][0]["milliseconds"] is None
    assert all(step["milliseconds"] > 0 for step in shown["steps"][1:])
    assert (shown["state"], shown["executed"], shown["open"]) == ("closed", True, [])
    assert shown["credential"] != "0x" + "00" * 32


def test_a_message_under_way_says_what_each_step_waits_for(served: Served) -> None:
    shown = served.get(f"/messages/0x{served.aside.hex()}")
    assert {step["step"]: step["set_aside"]["code"] for step in shown["open"]} == {"attest": "LANE", "commit": "LANE"}


def test_any_message_explains_itself(served: Served) -> None:
    over = served.get(f"/messages/0x{served.closed.hex()}/explain")
    assert (over["state"], over["next"]["who"], over["by"]) == ("closed", "nobody", None)
    assert [step["step"] for step in over["cost"]["steps"]] == ["sent", "proposed", "attested", "committed", "judged"]
    assert all(int(step["fee_wei"]) == step["gas"] * int(step["gas_price_wei"]) > 0 for step in over["cost"]["steps"])
    assert [total["chain"] for total in over["cost"]["total"]] == ["eip155:7101", "eip155:7102", "eip155:7103"]
    assert {attempt["code"] for attempt in over["tried"]} <= {"", "NOT_FINAL", "CALL_REVERTED"}
    aside = served.get(f"/messages/0x{served.aside.hex()}/explain")
    assert (aside["next"]["who"], aside["next"]["code"]) == ("the relay's operator", "LANE")
    assert aside["by"]["seconds_left"] > 0
    assert aside["attempts"] >= len(aside["tried"]) > 0
    assert "LANE" in {attempt["code"] for attempt in aside["tried"]}
    assert served.get(f"/explain/0x{served.aside.hex()}") == aside


def test_any_transaction_of_any_chain_explains_itself(served: Served) -> None:
    steps = served.get(f"/messages/0x{served.closed.hex()}")["steps"]
    for step in steps:
        told = served.get(f"/explain/{step['transaction']}")
        assert told["transaction"] == step["transaction"]
        assert [each["id"] for each in told["messages"]] == [f"0x{served.closed.hex()}"]


def test_a_transaction_that_sent_no_message_is_told_where_it_stands(served: Served) -> None:
    mined = served.network.world.send(Role.DESTINATION, "PledgeRegistry", "enrol_lender", b"\x77" * 20)
    told = served.get(f"/explain/0x{mined.transaction.hex()}")
    assert told["messages"] == []
    assert "it stands on destination (eip155:7102)" in told["what"]
    served.network.node(Role.ORIGIN).down = True
    answer = served.http.get("/explain/0x" + "ab" * 32)
    served.network.node(Role.ORIGIN).down = False
    assert (answer.status_code, answer.json()["code"]) == (404, "MESSAGE_UNKNOWN")
    assert "NODE_UNREACHABLE" in answer.json()["where"]


def test_the_command_explains_for_people_and_for_programs(served: Served) -> None:
    named = f"0x{served.aside.hex()}"
    shown = CliRunner().invoke(build(), ["explain", named, "--url", served.server.url], env={"COLUMNS": "160"})
    assert shown.exit_code == 0, shown.exception
    assert all(words in shown.output for words in (named, "LANE", "the relay's operator", "tried"))
    as_json = CliRunner().invoke(build(), ["explain", named, "--json", "--url", served.server.url])
    assert json.loads(as_json.output) == served.get(f"/explain/{named}")
    for arguments, code in (
        (["explain", "0x12"], "REQUEST_FORMAT"),
        (["explain", "0x" + "ab" * 32, "--url", served.server.url], "MESSAGE_UNKNOWN"),
        (["explain", named, "--url", "http://127.0.0.1:1"], "RELAY_UNREACHABLE"),
    ):
        found = CliRunner().invoke(build(), arguments).exception
        assert isinstance(found, Problem)
        assert (found.code, found.exit_status) == (code, 1)


def test_the_status_for_people_says_who_acts_next(served: Served) -> None:
    shown = CliRunner().invoke(build(), ["relay", "status", served.server.url, "--table"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.exception
    assert all(words in shown.output for words in ("eip155:7101", "the relay's operator", "proposed"))


UNKNOWN = "/messages/0x" + "ab" * 32
REFUSED: dict[str, tuple[str, str, dict[str, Any], int, str]] = {
    "an_unknown_message": ("GET", UNKNOWN, {}, 404, "MESSAGE_UNKNOWN"),
    "a_short_id": ("GET", "/messages/0xab", {}, 422, "REQUEST_FORMAT"),
    "an_id_without_0x": ("GET", "/messages/" + "ab" * 32, {}, 422, "REQUEST_FORMAT"),
    "an_id_in_upper_case": ("GET", "/messages/0x" + "AB" * 32, {}, 422, "REQUEST_FORMAT"),
    "an_id_with_a_path": ("GET", "/messages/..%2fstatus", {}, 404, "PATH_UNKNOWN"),
    "an_unknown_state": ("GET", "/messages?state=lost", {}, 422, "REQUEST_FORMAT"),
    "a_limit_too_large": ("GET", "/messages?limit=1001", {}, 400, "QUERY_VALUE"),
    "a_limit_below_zero": ("GET", "/messages?limit=-1", {}, 400, "QUERY_VALUE"),
    "a_limit_of_2_to_the_64": ("GET", f"/messages?limit={2**64}", {}, 400, "QUERY_VALUE"),
    "OA05_a_misspelt_parameter": ("GET", "/messages?status=closed", {}, 400, "QUERY_UNKNOWN"),
    "OA05_a_parameter_twice": ("GET", "/messages?limit=1&limit=2", {}, 400, "QUERY_REPEATED"),
    "OA07_another_method": ("DELETE", "/messages", {}, 405, "METHOD_REFUSED"),
    "another_path": ("GET", "/admin", {}, 404, "PATH_UNKNOWN"),
    "another_host": ("GET", "/status", {"headers": {"Host": "evil.example"}}, 421, "HOST_UNKNOWN"),
    "an_explanation_of_nothing": ("GET", f"{UNKNOWN}/explain", {}, 404, "MESSAGE_UNKNOWN"),
    "an_explanation_of_half_an_id": ("GET", "/explain/0xabc", {}, 422, "REQUEST_FORMAT"),
    "OA05_an_explanation_with_a_parameter": ("GET", f"{UNKNOWN}/explain?full=1", {}, 400, "QUERY_UNKNOWN"),
    "a_retry_of_nothing": ("POST", f"{UNKNOWN}/retry", {"json": {}}, 404, "MESSAGE_UNKNOWN"),
    "a_skip_of_nothing": ("POST", f"{UNKNOWN}/skip", {"json": {"why": "x"}}, 404, "MESSAGE_UNKNOWN"),
    "a_skip_without_a_reason": ("POST", f"{UNKNOWN}/skip", {"json": {}}, 422, "REQUEST_FORMAT"),
    "OU08_a_skip_from_a_form": ("POST", f"{UNKNOWN}/skip", {"data": {"why": "b"}}, 415, "BODY_TYPE"),
    "OU08_a_retry_from_a_form": ("POST", f"{UNKNOWN}/retry", {"data": {"a": "b"}}, 415, "BODY_TYPE"),
    "OU08_a_retry_without_a_body": ("POST", f"{UNKNOWN}/retry", {}, 415, "BODY_TYPE"),
    "OA05_a_retry_with_fields": ("POST", f"{UNKNOWN}/retry", {"json": {"force": True}}, 422, "REQUEST_FORMAT"),
    "OA02_a_retry_with_a_long_body": ("POST", f"{UNKNOWN}/retry", {"json": {"a": "b" * 2000}}, 413, "BODY_SIZE"),
    "OA03_a_retry_with_NaN": (
        "POST",
        f"{UNKNOWN}/retry",
        {"content": b'{"a": NaN}', "headers": {"Content-Type": "application/json"}},
        400,
        "JSON_NUMBER",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_is_refused(served: Served, name: str) -> None:
    method, path, options, status, code = REFUSED[name]
    answer = served.http.request(method, path, **options)
    assert answer.headers["content-type"] == "application/problem+json"
    shown = answer.json()
    assert (answer.status_code, shown["status"], shown["code"]) == (status, status, code), answer.text
    assert shown["title"]
    assert served.get("/status")


def test_a_message_set_aside_is_taken_up_again(served: Served) -> None:
    for notary in served.network.notaries:
        notary.refuses = None
    answer = served.http.post(f"/messages/0x{served.aside.hex()}/retry", json={})
    assert answer.status_code == 202
    assert all(step["set_aside"] is None for step in answer.json()["open"])
    served.network.run(served.relay, until=lambda: is_over(served.relay, served.aside))
    assert served.get(f"/messages/0x{served.aside.hex()}")["state"] == "closed"


def test_a_skipped_message_is_left_alone_also_after_a_restart_until_a_person_takes_it_up(
    world: World, tmp_path: Path
) -> None:
    network, path = Network(world), tmp_path / "skipped.json"
    for notary in network.notaries:
        notary.silent = True
    named = f"0x{(found := network.carry_anchor().message.id).hex()}"
    relay = network.relay(skips=Skips(path))
    network.settle(relay, steps=3)
    server = serve(create_app(relay), port=0)
    try:
        told = CliRunner().invoke(build(), ["relay", "skip", server.url, named, "--why", "the buyer asked"])
        assert json.loads(told.output)["explain"].endswith("skipped: the buyer asked")
        turn = httpx.get(f"{server.url}/messages/{named}/explain", trust_env=False).json()["next"]
        assert (turn["who"], turn["code"], turn["why"]) == ("the relay's operator", "SKIPPED", "the buyer asked")
    finally:
        server.stop()
    for notary in network.notaries:
        notary.silent = False
    again = network.relay(skips=Skips(path))
    network.settle(again)
    assert network.effects(found)["MessageCommitted"] == 0
    assert again.journeys[found].skipped == "the buyer asked"
    server = serve(create_app(again), port=0)
    try:
        told = CliRunner().invoke(build(), ["relay", "retry", server.url, named])
        assert told.exit_code == 0, told.exception
    finally:
        server.stop()
    network.run(again, until=lambda: is_over(again, found))
    assert Skips(path).reason(found) is None


def test_what_is_skipped_is_refused_where_it_cannot_be_kept_or_read(tmp_path: Path) -> None:
    path, named = tmp_path / "skipped.json", b"\x01" * 32
    for reason in ("", "x" * 201, "two\nlines"):
        with refused("SKIP_REASON"):
            Skips(path).add(named, reason)
    assert not path.exists()
    Skips(path).add(named, "later")
    for damaged in (b"", b"[]", b'{"0x01": "x"}', b'{"0x' + b"01" * 32 + b'": 7}'):
        good = path.read_bytes()
        path.write_bytes(damaged)
        with refused("SKIPS_FORMAT"):
            Skips(path)
        path.write_bytes(good)
    with refused("SKIPS_UNWRITABLE"):
        Skips(tmp_path / "nowhere" / "skipped.json").add(named, "later")
    assert Skips(path).reason(named) == "later"


def test_OA10_what_nobody_foresaw_is_a_problem_without_details(world: World) -> None:
    class Broken(Relay):
        def still(self) -> Any:
            raise RuntimeError("/secret/path")

    network = Network(world)
    relay = network.relay()
    relay.__class__ = Broken
    server = serve(create_app(relay), port=0)
    answer = httpx.get(f"{server.url}/status", trust_env=False)
    server.stop()
    assert (answer.status_code, answer.json()["code"]) == (500, "DEFECT")
    assert "secret" not in answer.text
