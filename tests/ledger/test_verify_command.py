"""`pledgetrail verify` and `pledgetrail doctor` as people and scripts meet them."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from ledger import doctor, verbs
from ledger.bundle import TrustRoot, verify
from ledger.bundle.transparent import write_transparent
from ledger.canonical import entry_digest
from ledger.cli import show
from ledger.doctor import State
from ledger.errors import Problem, Refused
from ledger.evidence import FINDING_DOMAIN, Code, DeviceFinding
from ledger.merkle import Tree, leaf_hash
from ledger.verify_report import show as show_findings
from ledger.verify_words import words_for
from tests.ledger.bundle.estate import DAWN, LOG, TRUST_ROOT, UNIT, Estate
from tests.ledger.bundle.test_device_word import FILMED, with_camera
from tests.ledger.bundle.test_erased import PACKING, erased
from tests.ledger.bundle.test_transparent import HONEST as STATEMENT

HONEST = Estate().with_entries().build()
ROOT = Path(__file__).parents[2]


def run(*arguments: object) -> tuple[int, str, Problem | None]:
    """Exit status, standard output, and the problem that the shell around it would show."""
    app = typer.Typer(pretty_exceptions_enable=False)
    verbs.register(app)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "100"})
    if isinstance(result.exception, Problem):
        return result.exception.exit_status, result.stdout, result.exception
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, None


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "unit.bundle"
    path.write_bytes(HONEST)
    return path


def test_it_says_what_holds_and_what_it_does_not_prove(bundle: Path) -> None:
    status, output, _ = run("verify", bundle)
    assert status == 0
    assert UNIT.normal in output
    assert output.count("✓") == 11
    assert "What this does not prove" in output
    assert "the trust root came with the bundle" in output
    assert TRUST_ROOT.fingerprint in " ".join(output.split())


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("columns", [30, 80, 300])
def test_no_terminal_is_too_narrow_for_what_is_not_proven(language: str, columns: int) -> None:
    told, words = io.StringIO(), words_for(language, {})
    findings = verify(HONEST, trust_root=None)
    show_findings(findings, Console(file=told, width=columns, highlight=False), words)
    shown = "".join(told.getvalue().split())
    for line in (*(step.what for step in findings.proven), *findings.not_proven):
        assert "".join(words.say(line).split()) in shown


def test_with_a_trust_root_of_ones_own_it_says_so(bundle: Path, tmp_path: Path) -> None:
    own = tmp_path / "trust-root.json"
    own.write_bytes(TRUST_ROOT.dump() + b"\n")
    status, output, _ = run("verify", bundle, "--trust-root", own)
    assert status == 0
    assert "given by you" in output
    assert "came with the bundle" not in output


def test_nothing_that_a_file_says_writes_over_what_is_said_about_it(tmp_path: Path) -> None:
    """A terminal obeys escape sequences, and a reader a line that begins with a tick or runs from right to left."""
    said = "lost\x1b[2J\x1b[32m\n✓ Everything is proven.\u202e\r"
    path = tmp_path / "unit.bundle"
    path.write_bytes(
        with_camera(FILMED, (FINDING_DOMAIN, DeviceFinding(Code.GAP, "camera-1", 2, said, DAWN).canonical())).build()
    )
    for language in ("en", "zh"):
        status, output, _ = run("verify", path, "--lang", language)
        assert status == 0
        assert "lost?[2J?[32m?✓ Everything is proven.??" in " ".join(output.split())
        assert not any(line.startswith("✓ Everything") for line in output.splitlines())
        assert all(each.isprintable() or each == "\n" for each in output)


def test_a_statement_of_a_domain_without_parts_is_named_by_it(tmp_path: Path) -> None:
    path, root = tmp_path / "statement", tmp_path / "trust-root.json"
    root.write_bytes(TRUST_ROOT.dump())
    tree = Tree([leaf_hash(entry_digest("word", bytes(32), b"{}"))])
    path.write_bytes(
        write_transparent(
            LOG, domain="word", salt=bytes(32), canonical=b"{}", index=0, size=1, path=tree.inclusion_proof(0)
        )
    )
    status, output, _ = run("verify", path, "--trust-root", root)
    assert status == 0 and f"Entry 0 of the log {LOG.key.name} is this word." in " ".join(output.split())


def test_a_refusal_is_shown_without_obeying_what_it_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    show(Refused("[/bold]\x1b[2J", "whatever a program that was asked calls it"))
    assert capsys.readouterr().err.startswith("[/bold]?[2J: ")
    show(Refused("SOME_CODE", "one\ntwo \x1b[2J\u202e.", where="\x1b]0;title\x07"))
    output = capsys.readouterr().err
    assert output == "SOME_CODE: one\ntwo ?[2J?.\n  where: ?]0;title?\n"


def test_a_bundle_of_which_something_was_erased_is_neither_a_yes_nor_a_no(tmp_path: Path) -> None:
    path = tmp_path / "erased.bundle"
    path.write_bytes(erased(PACKING))
    status, output, problem = run("verify", path)
    assert (status, problem) == (3, None)
    assert "✓" not in output
    assert output.startswith("NOT WHOLE: data about ")
    words = " ".join(output.split())
    assert "Entry 15 of the log held an event, which was erased: somebody whom it was about asked for it." in words
    assert "the log's record in entry 16 · 2026-04-03 12:00:00 UTC" in words
    status, output, _ = run("verify", path, "--json")
    assert (status, json.loads(output)["held"], json.loads(output)["verdict"]) == (3, False, "erased")
    path.write_bytes(erased(PACKING, recorded=()))
    assert run("verify", path)[0] == 1


def test_as_json_it_is_data(bundle: Path) -> None:
    status, output, _ = run("verify", bundle, "--json")
    assert status == 0
    assert json.loads(output)["held"] is True
    bundle.write_bytes(HONEST[:-1])
    status, output, problem = run("verify", bundle, "--json")
    assert status == 1
    assert json.loads(output)["code"] == "BUNDLE_CORRUPT"
    assert problem is not None


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "BUNDLE_FORMAT"), (b"a video", "BUNDLE_FORMAT"), (HONEST[:-1], "BUNDLE_CORRUPT"), (None, "FILE_UNREADABLE")],
)
def test_a_bad_file_is_one_error_and_status_1(tmp_path: Path, content: bytes | None, code: str) -> None:
    path = tmp_path / "unit.bundle"
    if content is not None:
        path.write_bytes(content)
    status, output, problem = run("verify", path)
    assert (status, output) == (1, "")
    assert problem is not None
    assert problem.code == code
    assert problem.what and problem.cure and str(path) in problem.where


def test_a_folder_is_unreadable(tmp_path: Path) -> None:
    status, _, problem = run("verify", tmp_path)
    assert (status, problem and problem.code) == (1, "FILE_UNREADABLE")


def test_a_trust_root_of_somebody_else_refuses(bundle: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(TRUST_ROOT.dump().replace(b'"quorum":3', b'"quorum":4'))
    assert TrustRoot.load(other.read_bytes()).pinned.quorum == 4
    status, _, problem = run("verify", bundle, "--trust-root", other)
    assert (status, problem and problem.code) == (1, "TRUST_ROOT")
    other.write_bytes(b"{}")
    status, _, problem = run("verify", bundle, "--trust-root", other)
    assert (status, problem and problem.code) == (1, "TRUST_ROOT_FORMAT")


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--trust-root"], ["--nonsense"]])
def test_wrong_use_is_status_2(arguments: list[str]) -> None:
    assert run("verify", *arguments)[0] == 2


def test_text_out_of_a_bundle_is_no_markup(tmp_path: Path) -> None:
    path = tmp_path / "[red]x[/red].bundle"
    status, _, problem = run("verify", path)
    assert status == 1
    assert problem is not None
    assert problem.where == str(path)


def test_verifying_imports_no_web_no_database_and_no_chain() -> None:
    # Start-up is most of what an auditor waits for: it stays short, with every room's verbs, and no clock says so.
    heavy = "fastapi sqlmodel sqlalchemy av eth_abi eth_utils eth vyper httpx uvicorn jinja2 pydantic"
    code = (
        "import sys; from importlib.metadata import entry_points; from importlib.util import find_spec;"
        "import ledger.cli, ledger.verify_report;"
        "[e.load() for e in entry_points(group=ledger.cli.VERB_GROUP) if find_spec(e.module)];"
        f"print([name for name in '{heavy}'.split() if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"


# doctor


def test_a_well_machine_is_all_ticks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLEDGETRAIL_CACHE", str(tmp_path / "cache"))
    status, output, _ = run("doctor", "--data", tmp_path / "data")
    assert status == 0
    assert "✗" not in output
    assert list(tmp_path.iterdir()) == []  # it only looks


def test_a_node_that_is_not_there_is_status_1(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody else can have the port, and nobody answers
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        status, output, _ = run("doctor", "--node", f"eip155:7101={url}")
    assert status == 1
    assert "ConnectError" in output


@pytest.mark.parametrize("option", ["eip155:7101", "eip155:7101=", "7101=http://x", "eip155:0=http://x"])
def test_a_node_named_wrongly_is_wrong_use(option: str) -> None:
    assert run("doctor", "--node", option)[0] == 2


def test_a_port_out_of_range_is_wrong_use() -> None:
    assert run("doctor", "--port", 65536)[0] == 2


def test_a_port_in_use_is_missing_and_a_free_one_is_not() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert doctor.check_port(port).state is State.MISSING
    assert doctor.check_port(port).state is State.OK


def test_an_old_python_is_missing() -> None:
    assert doctor.check_python((3, 10, 9)).state is State.MISSING
    assert doctor.check_python((3, 11, 0)).state is State.OK
    assert doctor.check_python((4, 0, 0)).state is State.OK


def test_an_encoder_that_is_not_there_is_missing() -> None:
    assert doctor.check_encoder("no-such-encoder").state is State.MISSING
    assert doctor.check_encoder(doctor.ENCODER).state is State.OK


def test_a_folder_under_a_file_is_missing_and_a_new_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert State.MISSING in {check.state for check in doctor.check_folder(tmp_path / "file" / "data")}
    assert {check.state for check in doctor.check_folder(tmp_path / "new" / "data")} == {State.OK}
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def well(_data: Path | None) -> list[doctor.Check]:
    return [doctor.Check("a room's own", State.OK, "well")]


def test_a_room_whose_checks_break_is_a_row_and_hides_no_other(tmp_path: Path) -> None:
    rooms = [
        EntryPoint("z", f"{__name__}:well", doctor.CHECKS_GROUP),
        EntryPoint("a", "no.such.module:checks", doctor.CHECKS_GROUP),
    ]
    found = doctor.gathered(tmp_path, rooms)
    assert [(check.name, check.state) for check in found] == [("a", State.MISSING), ("a room's own", State.OK)]
    assert "ModuleNotFoundError" in found[0].found


def test_the_rooms_above_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "holiday.jpg").write_bytes(b"")
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("PLEDGETRAIL_CACHE", str(tmp_path / "file" / "cache"))
    status, output, _ = run("doctor", "--data", tmp_path / "data")
    assert status == 1
    assert "compiled contracts" in output
    assert "no version" in output


def test_the_browser_is_needed_by_tests_only() -> None:
    assert doctor.check_browser(None).state is State.NOTE
    assert doctor.check_browser("/usr/bin/chromium").state is State.OK


def test_one_entrys_statement_is_verified_with_the_trust_root_that_is_given(tmp_path: Path) -> None:
    file, root = tmp_path / "entry.cose", tmp_path / "root.json"
    file.write_bytes(STATEMENT)
    root.write_bytes(TRUST_ROOT.dump())
    status, shown, _ = run("verify", file, "--trust-root", root)
    assert status == 0
    assert "Entry 5 of the log log.example/tea is this event." in shown
    assert "The log of 7 entries holds it." in shown
    status, _, problem = run("verify", file)
    assert (status, problem and problem.code) == (2, "TRUST_ROOT_NEEDED")
    file.write_bytes(STATEMENT[:-1])
    status, _, problem = run("verify", file, "--trust-root", root)
    assert (status, problem and problem.code) == (1, "NON_CANONICAL")
