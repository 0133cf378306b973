"""The house itself: the README says what the program does, locks are portable, names say something."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from typer.testing import CliRunner

from examples.demo.journal import STEPS
from ledger import panels
from ledger.cli import build
from tests.acceptance.program import run

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
ROOMS = ("ledger", "contracts", "notary", "relay", "examples")
LOCKS = (
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-eels.txt",
    "requirements-s3.txt",
    "requirements-setup.txt",
    "tests/acceptance/anvil/package-lock.json",
    "tests/ledger/intake/ipfs/package-lock.json",
)
TOP_LEVEL = {
    "pyproject.toml",
    "README.md",
    "Makefile",
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-eels.txt",
    "requirements-s3.txt",
    "requirements-setup.txt",
    "tests",
    *ROOMS,
}


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def test_the_two_commands_exist_and_ci_calls_the_second() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for command in ("make demo", "make test"):
        assert command in README
        assert f"\n{command.split()[1]}:" in makefile
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("make test")


def test_the_output_shown_is_of_the_program_as_it_is() -> None:
    shown = README.split("<!-- output of: pledgetrail demo --exit -->")[1].split("```")[1]
    rows = re.findall(r"^│ ✓ │ (\S+)", shown, re.MULTILINE)
    assert tuple(rows) == STEPS


def test_help_shows_every_verb_of_the_readme_under_who_uses_it() -> None:
    shown = CliRunner().invoke(build(), ["--help"], env={"COLUMNS": "100"}).output
    boxes = [title for title in vars(panels).values() if isinstance(title, str) and f"─ {title} ─" in shown]
    verbs = set(re.findall(r"^\| `pledgetrail ([a-z]+)", README, re.MULTILINE))
    assert len(boxes) == 5 and "─ Commands ─" not in shown and len(verbs) > 15
    assert verbs == set(re.findall(r"^│ ([a-z]+) ", shown, re.MULTILINE))


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert {f"{room}/README.md" for room in ROOMS} <= set(links)
    assert all((ROOT / link).exists() for link in links)


def test_every_cure_that_names_a_section_leads_to_one() -> None:
    headings = {
        path: [line.strip("# ") for line in (ROOT / path).read_text().splitlines() if line.startswith("#")]
        for path in tracked()
        if path.endswith(".md")
    }
    named = [
        (path, readme, section)
        for path in tracked()
        if path.startswith(ROOMS) and path.endswith(".py")
        for readme, section in re.findall(r"([\w/]+\.md), section ([A-Z][\w ,]*)\.", (ROOT / path).read_text())
    ]
    assert len(named) > 10
    assert [each for each in named if each[2] not in headings[each[1]]] == []


def test_every_option_named_in_the_readme_is_one(tmp_path: Path) -> None:
    named = re.findall(r"pledgetrail ((?:[a-z]+ )*[a-z]+)((?: [^`\n|]*)?)", README)
    verbs = {verb for verb, _ in named if verb.split()[0] in ("demo", "verify", "doctor", "notary", "relay", "chain")}
    assert {"demo", "verify", "doctor", "notary run", "relay run", "chain run"} <= verbs
    for verb in sorted(verbs):
        options = {option for found, rest in named if found == verb for option in re.findall(r"--[a-z-]+", rest)}
        helped = run([*verb.split(), "--help"], home=tmp_path)
        assert helped.status == 0, verb
        assert all(option in helped.out for option in options), (verb, options)


def test_the_settings_are_those_that_the_program_reads() -> None:
    read = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            read |= set(re.findall(r"""["'](PLEDGETRAIL_[A-Z_]+)["']""", path.read_text()))
    assert read == set(re.findall(r"^\| `(PLEDGETRAIL_[A-Z_]+)`", README, re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host(lock: str) -> None:
    content = (ROOT / lock).read_text()
    assert "://" not in content
    assert "sha256:" in content or "sha512-" in content


def test_every_dependency_has_a_reason_beside_it() -> None:
    project = (ROOT / "pyproject.toml").read_text().split("[project.scripts]")[0]
    listed = re.findall(r'^  "[a-z].*$', project, re.MULTILINE)
    assert len(listed) > 10
    assert all("#" in line for line in listed)


def test_every_dependency_is_still_imported_by_a_room() -> None:
    project = (ROOT / "pyproject.toml").read_text().split("[project.scripts]")[0]
    wanted = {name.lower() for name in re.findall(r'^  "([A-Za-z0-9_.-]+?)[>=<~]', project, re.MULTILINE)}
    sources = [(ROOT / path).read_text() for path in tracked() if path.startswith(ROOMS) and path.endswith(".py")]
    imported = {name for each in sources for name in re.findall(r"^\s*(?:from|import) (\w+)", each, re.MULTILINE)}
    provides = packages_distributions()
    used = {found.lower().replace("_", "-") for module in imported for found in provides.get(module, ())}
    assert len(wanted) > 20
    assert wanted - used == set()


def test_the_top_level_holds_what_the_design_lists() -> None:
    assert {path.split("/")[0] for path in tracked() if not path.startswith(".")} <= TOP_LEVEL


def test_no_name_says_nothing() -> None:
    vague = re.compile(r"(^|/)(utils?|helpers?|common|misc|manager)(\.py|/)")
    assert [path for path in tracked() if vague.search(path)] == []
    # `batch` is no word for a lot; for JSON-RPC it is the standard's own.
    assert [path for path in tracked() if "batch" in path.lower()] == []


def test_no_tracked_file_names_a_place_of_one_machine() -> None:
    home = str(Path.home())
    for path in tracked():
        raw = (ROOT / path).read_bytes()
        assert str(ROOT).encode() not in raw, path
        assert home == "/" or f"{home}/".encode() not in raw, path
