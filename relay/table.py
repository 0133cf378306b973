"""What the relay answers, as tables for people. Takes the API's JSON, so that any relay can be asked from anywhere.

An answer may come from a program that is no relay, or one of another version: what is missing shows as a dash.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

DASH = "-"


def print_explanation(answer: Mapping[str, Any], console: Console) -> None:
    """One message, every message of a transaction, or a freeze."""
    if "freeze" in answer:
        console.print(_freeze(answer))
        return
    if "two_phase" in answer:
        console.print(_two_phase(answer))
    for message in [answer] if "next" in answer and "two_phase" not in answer else _rows(answer, "messages"):
        console.print(Group(_message(message), *_details(message)))
    if answer.get("messages") == [] and "two_phase" not in answer:
        console.print(f"{_cell(answer.get('transaction'))}: {_cell(answer.get('what'))}", markup=False, highlight=False)


def print_status(answer: Mapping[str, Any], under_way: Iterable[Mapping[str, Any]], console: Console) -> None:
    """How far each chain is read, how many messages are where, and of each that is under way who acts next."""
    chains = _table("chain", "name", "role", "next block", "trouble")
    for chain in _rows(answer, "chains"):
        trouble = _object(chain, "trouble")
        words = f"{trouble.get('code')}: {trouble.get('what')}" if trouble else DASH
        chains.add_row(*_cells(chain, "chain", "name", "role", "next_block"), Text(words))
    counted = _table("state", "messages")
    for state, number in _object(answer, "messages").items():
        counted.add_row(_cell(state), _cell(number))
    log = _object(answer, "publishing")
    published = _table("log", "entries", "published", "anchored", "crossed", "in the way")
    if log:
        stopped = _object(log, "problem")
        words = f"{stopped.get('code')}: {_text(stopped.get('what'))}" if stopped else DASH
        published.add_row(*_cells(log, "doing", "size", "published", "anchored", "crossed"), Text(words))
    waiting = _table("message", "state", "who acts next", "what", "why")
    for message in under_way:
        turn = _object(message, "next")
        waiting.add_row(*_cells(message, "id", "state"), *_cells(turn, "who", "does", "why"))
    memory = _object(answer, "memory")
    short = [Text(f"memory: {memory.get('code')}: {_text(memory.get('what'))}")] if memory else []
    console.print(Group(chains, counted, *short, *([published] if log else []), waiting))


def _message(message: Mapping[str, Any]) -> RenderableType:
    turn, by = _object(message, "next"), _object(message, "by")
    facts = Table(box=SIMPLE_HEAD, show_header=False, padding=(0, 1))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for label, value in (
        ("message", message.get("id")),
        ("from", message.get("from")),
        ("to", message.get("to")),
        ("where", message.get("where")),
        ("next", f"{_text(turn.get('who'))}: {_text(turn.get('does'))}"),
        ("why", f"{turn['code']}: {_text(turn.get('why'))}" if turn.get("code") else turn.get("why")),
        ("cure", turn.get("cure")),
        ("by", _when(by)),
        ("tried", f"{_text(message.get('attempts'))} times"),
    ):
        facts.add_row(label, _cell(value))
    return facts


def _details(message: Mapping[str, Any]) -> Iterator[RenderableType]:
    tried = _table("tried", "at (UTC)", "ms", "answer")
    for attempt in _rows(message, "tried"):
        said = f"{attempt['code']}: {_text(attempt.get('what'))}" if attempt.get("code") else "sent"
        tried.add_row(
            _cell(attempt.get("step")), _time(attempt.get("at")), _cell(attempt.get("milliseconds")), Text(said)
        )
    if tried.row_count:
        yield tried
    cost = _object(message, "cost")
    paid = _table("step", "chain", "transaction", "gas", "fee in wei")
    for step in _rows(cost, "steps"):
        paid.add_row(*_cells(step, "step", "chain", "transaction", "gas", "fee_wei"))
    for total in _rows(cost, "total"):
        paid.add_row(Text("total"), *_cells(total, "chain"), Text(""), *_cells(total, "gas", "fee_wei"))
    yield paid


def _two_phase(answer: Mapping[str, Any]) -> RenderableType:
    turn = _object(answer, "next")
    facts = _table("two-phase transaction", "state", "who acts next", "what", "by")
    facts.add_row(
        *_cells(answer, "two_phase", "state"), *_cells(turn, "who", "does"), _cell(_when(_object(answer, "by")))
    )
    legs = _table("leg", "prepared", "refused", "told", "reports")
    for leg in _rows(answer, "legs"):
        told = ", ".join(str(each.get("action")) for each in _rows(leg, "told"))
        legs.add_row(
            *_cells(leg, "leg", "prepared", "refused"),
            _cell(told),
            _cell(", ".join(map(str, reports)) if isinstance(reports := leg.get("reports"), list) else None),
        )
    return Group(facts, legs)


def _freeze(answer: Mapping[str, Any]) -> RenderableType:
    problem = _object(answer, "problem")
    facts = _table("freeze", "chain", "state", "until", "why nothing happens")
    words = f"{problem['code']}: {_text(problem.get('what'))}" if problem.get("code") else DASH
    facts.add_row(*_cells(answer, "freeze", "chain", "state"), _time(answer.get("until")), Text(words))
    return facts


def _when(by: Mapping[str, Any]) -> str:
    if not by:
        return DASH
    left = by.get("seconds_left")
    spare = "" if left is None else f", {left} s left by its clock"
    return f"{_text(_time(by.get('time')))} on {by.get('chain')}{spare}; then {by.get('then')}"


def _time(seconds: Any) -> Text:
    try:
        return Text(datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S"))
    except (TypeError, ValueError, OverflowError, OSError):
        return _cell(seconds)  # beyond the calendar: chains may say such times


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _rows(answer: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = answer.get(name)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _object(answer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = answer.get(name)
    return found if isinstance(found, dict) else {}


def _cells(row: Mapping[str, Any], *names: str) -> list[Text]:
    return [_cell(row.get(name)) for name in names]


def _cell(value: Any) -> Text:
    return Text(_text(value))


def _text(value: Any) -> str:
    # Whatever a relay says is shown as text: no markup, no terminal's control codes.
    shown = DASH if value is None or value == "" else str(value)
    return "".join(char if char.isprintable() else "?" for char in shown)
