"""`pledgetrail verify` in Chinese: every sentence there is, with its values unchanged, and the same yes or no."""

# ruff: noqa: RUF001  Chinese has punctuation of its own

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from typer.testing import CliRunner

import ledger
from ledger.bundle import Findings, verify, verify_statement
from ledger.bundle.verify import NOT_PROVEN
from ledger.cli import build, show
from ledger.errors import Problem, Refused
from ledger.evidence import Code
from ledger.verify_words import LOCALE_FOLDER, words_for
from tests.ledger.bundle.estate import TRUST_ROOT, Estate
from tests.ledger.bundle.rotated import RENEWED, Rotated
from tests.ledger.bundle.test_device_word import FILMED, TOO_LATE, finding, revocation, with_camera
from tests.ledger.bundle.test_erased import PACKING, SEGMENT, erased
from tests.ledger.bundle.test_pledge import LENT, PLEDGED
from tests.ledger.bundle.test_transparent import HONEST as STATEMENT
from tests.ledger.refusals import refused

ROOM = Path(ledger.__file__).parent
ZH = words_for("zh", {})
HONEST = Estate().with_entries().build()
_PLACE = re.compile(r"\{(\w+)\}")
_RAISED = re.compile(r"(?:Refused|BadInput|WrongUse)\(\s*\"([A-Z][A-Z0-9_]+)\"")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
JUDGING = (
    "bundle/*.py",
    "checkpoint.py",
    "note.py",
    "quorum.py",
    "timestamp.py",
    "merkle.py",
    "evidence/verification.py",
)


def findings() -> Iterator[Findings]:
    """What is found about every kind of file."""
    yield verify(HONEST, trust_root=TRUST_ROOT)
    yield verify(HONEST, trust_root=None)
    yield verify(Rotated().with_entries().build(), trust_root=RENEWED)
    yield verify(PLEDGED, trust_root=LENT)
    yield verify(erased(PACKING), trust_root=TRUST_ROOT)
    yield verify(erased(SEGMENT), trust_root=TRUST_ROOT)
    yield verify_statement(STATEMENT, trust_root=TRUST_ROOT)


def test_every_sentence_of_every_kind_of_file_is_there() -> None:
    for found in findings():
        said = [step.what for step in found.proven] + list(found.not_proven)
        said += [gone.text for gone in found.erased] + [step.when for step in found.proven if " by " in step.when]
        said += [line for line in found.contradictions if line.startswith("EVIDENCE_ERASED")]
        for sentence in said:
            assert _CHINESE.search(ZH.say(sentence)), sentence
    assert all(_CHINESE.search(ZH.say(sentence)) for sentence in NOT_PROVEN)


def test_values_are_set_in_as_they_are() -> None:
    for found in findings():
        for step in found.proven:
            said = ZH.say(step.what)
            assert sorted(re.findall(r"[0-9a-f]{4,}|\d+", said)) == sorted(re.findall(r"[0-9a-f]{4,}|\d+", step.what))


def test_what_vouches_for_a_step_is_said_and_names_stay() -> None:
    (step,) = [step for step in verify(PLEDGED, trust_root=LENT).proven if step.step == "pledge"][:1]
    assert ZH.say(step.who) == "4 名公证人中的 3 名（成员 0, 1, 3；第 1 届）；该块的收据，第 2 笔交易"
    assert ZH.say("bank-0.example/tea; bank-1.example/tea") == "bank-0.example/tea; bank-1.example/tea"


def test_a_value_out_of_a_file_is_never_translated() -> None:
    assert ZH.say("Proven about given by you") == "关于 given by you 已证明"
    assert (
        ZH.say("The checkpoint's anchor left release in block frozen.")
        == "检查点的锚定消息在 release 的第 frozen 块发出。"
    )


def test_every_finding_has_its_meaning_and_keeps_what_the_log_says() -> None:
    of_events = re.findall(r'Finding\("([A-Z_]+)"', (ROOM / "trace" / "findings.py").read_text("utf-8"))
    assert len(of_events) == 6
    for code in [*Code, *of_events, "DEVICE_REVOKED"]:
        said = ZH.contradiction(f"{code}: it says 12.5 at noon (camera-1 number 3)")
        assert said.startswith(f"{code}: "), said
        assert said.endswith("(camera-1 第 3 号; it says 12.5 at noon)"), said
        assert _CHINESE.search(said.partition("(")[0]), said


def test_a_finding_that_nobody_knows_stays_as_it_is() -> None:
    for text in ("NEW_FINDING: it says so (camera-1)", "no code at all", "GAP: cut short (camera-1"):
        assert ZH.contradiction(text) == text
    english = words_for("en", {})
    assert english.contradiction("GAP: it says so (camera-1 number 3)") == "GAP: it says so (camera-1 number 3)"


def test_every_contradiction_of_a_file_is_told_in_both_languages() -> None:
    doubted = with_camera(FILMED, finding(Code.UNTRUSTED_TIME, 3), revocation(TOO_LATE))
    told = verify(doubted.build(), trust_root=TRUST_ROOT).contradictions
    assert len(told) == 2
    for text in told:
        said = ZH.contradiction(text)
        assert _CHINESE.search(said), said
        assert text.partition(":")[0] == said.partition(":")[0]


def test_who_cosigned_is_a_list_with_its_times() -> None:
    said = ZH.say("a.example/x at 2026-04-03 06:00:00 UTC; b.example/y at 2026-04-03 06:00:01 UTC")
    assert said == "a.example/x（2026-04-03 06:00:00 UTC）；b.example/y（2026-04-03 06:00:01 UTC）"
    assert ZH.say("look at this; look at that") == "look at this; look at that"


def test_place_and_cure_are_labelled_in_the_reader_s_language(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "unit.bundle"
    path.write_bytes(HONEST[:-1])
    for language, label in (("zh", "处理: "), ("en", "cure: ")):
        problem = command(path, "--lang", language)[2]
        assert problem is not None
        show(problem)
        assert label in capsys.readouterr().err
    assert Refused("X", "y").labels["where"] == "where", "what was translated was that one error"


def test_what_the_catalogue_does_not_know_stays_as_it_is() -> None:
    assert ZH.say("Something new.") == "Something new."
    assert ZH.say("") == ""


def test_every_refusal_has_its_meaning() -> None:
    codes = {
        code for pattern in JUDGING for path in ROOM.glob(pattern) for code in _RAISED.findall(path.read_text("utf-8"))
    }
    assert len(codes) > 60
    assert sorted(code for code in codes if f"code.{code}" not in ZH.texts) == []


def test_every_translation_fills_the_same_places() -> None:
    with (LOCALE_FOLDER / "verify.zh.po").open("rb") as file:
        for message in read_po(file, locale="zh"):
            assert sorted(_PLACE.findall(str(message.string))) == sorted(_PLACE.findall(str(message.id))), message.id
            assert str(message.string).strip() or not message.id


def test_a_refusal_keeps_code_and_place_and_what_the_rule_said() -> None:
    problem = Refused("QUORUM", "The notaries' signatures do not hold: 2 of 3.", where="judged.signatures")
    ZH.translate(problem)
    assert (problem.code, problem.where) == ("QUORUM", "judged.signatures")
    assert problem.what == "公证人签名不足法定多数 (The notaries' signatures do not hold: 2 of 3.)"


@pytest.mark.parametrize(
    ("asked", "environment", "code"),
    [
        ("", {}, "en"),
        ("", {"LANG": "zh_CN.UTF-8"}, "zh"),
        ("", {"LANG": "en_GB.UTF-8", "LC_ALL": "zh_TW"}, "zh"),
        ("", {"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ("en", {"LANG": "zh_CN.UTF-8"}, "en"),
        ("zh", {"LANG": "C"}, "zh"),
    ],
)
def test_the_language_is_what_is_asked_for_else_the_terminals(
    asked: str, environment: dict[str, str], code: str
) -> None:
    assert words_for(asked, environment).code == code


def test_a_language_that_is_not_here_is_refused() -> None:
    with refused("LANGUAGE"):
        words_for("fr", {})


def command(path: Path, *options: str, lang: str = "C") -> tuple[int, str, Problem | None]:
    environment = {"COLUMNS": "120", "LC_ALL": lang}
    result = CliRunner().invoke(build(), ["verify", str(path), *options], env=environment)
    found = result.exception if isinstance(result.exception, Problem) else None
    return (found.exit_status if found else result.exit_code), result.stdout, found


def test_the_command_says_the_same_in_both_languages(tmp_path: Path) -> None:
    path = tmp_path / "unit.bundle"
    for raw, status in ((HONEST, 0), (erased(PACKING), 3), (HONEST[:-1], 1)):
        path.write_bytes(raw)
        english, chinese, by_terminal = command(path), command(path, "--lang", "zh"), command(path, lang="zh_CN.UTF-8")
        assert english[0] == chinese[0] == by_terminal[0] == status
        assert chinese[1] == by_terminal[1]
        assert english[1].count("✓") == chinese[1].count("✓")
        if status == 1:
            assert chinese[2] is not None and english[2] is not None
            assert (chinese[2].code, chinese[2].where) == (english[2].code, english[2].where)
            assert chinese[2].what.startswith("文件在写成之后被改动或截断")
        else:
            assert _CHINESE.search(chinese[1]) and not _CHINESE.search(english[1])


def test_as_data_it_is_the_same_in_every_language(tmp_path: Path) -> None:
    path = tmp_path / "unit.bundle"
    path.write_bytes(HONEST)
    assert command(path, "--json", "--lang", "zh")[1] == command(path, "--json")[1]
    path.write_bytes(HONEST[:-1])
    assert json.loads(command(path, "--json", "--lang", "zh")[1]) == json.loads(command(path, "--json")[1])
