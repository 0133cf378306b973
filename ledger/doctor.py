"""`pledgetrail doctor`: what this machine has, what is reachable, what is missing, and how to cure it.

The rooms above know what they need: each registers its own checks in the entry-point group `pledgetrail.checks`, and
this module gathers them. It only looks: no file is left behind, nothing is downloaded, and a node is asked for nothing
but its chain id.
May never happen here: a check that raises; whatever goes wrong is a row with its cure.
"""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import cast

import httpx
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ledger.canonical import parse_json
from ledger.cid import cid_of
from ledger.errors import Problem, WrongUse
from ledger.intake.media_config import open_remote
from ledger.interoperable import caip2, parse_caip2

MIN_PYTHON = (3, 11)
MIN_FREE_BYTES = 1024**3  # a demo keeps about a tenth of this
NODE_SECONDS = 5.0
MAX_REPLY_BYTES = 64 * 1024
ENCODER = "libx264"
CHECKS_GROUP = "pledgetrail.checks"


class State(StrEnum):
    """How a check came out. Only `MISSING` makes the exit status 1."""

    OK = "ok"
    NOTE = "note"  # works without it, or only for some
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Check:
    """One row: what was looked at, how it is, and what to do where it is not well."""

    name: str
    state: State
    found: str
    cure: str = ""


Checks = Callable[[Path | None], Sequence[Check]]
"""What a room registers: from the data folder that was named, if any, to its rows."""


def report(*, data: Path | None, port: int | None, nodes: Sequence[str]) -> None:
    """Print every check as a table; exit 1 when something needed is missing. `WrongUse` NODE_OPTION, CHAIN_NAME."""
    named = [_named_node(text) for text in nodes]
    checks = [check_python(sys.version_info[:3]), check_encoder(ENCODER)]
    if data is not None:
        checks += [*check_folder(data), *check_media(data)]
    checks += gathered(data, entry_points(group=CHECKS_GROUP))
    if port is not None:
        checks.append(check_port(port))
    checks += [check_node(chain_id, url) for chain_id, url in named]
    checks.append(check_browser(shutil.which("chromium")))
    _show(checks, Console(highlight=False))
    if any(check.state is State.MISSING for check in checks):
        raise typer.Exit(1)


def check_python(version: Sequence[int]) -> Check:
    """Whether this Python is new enough."""
    found = ".".join(str(part) for part in version)
    if tuple(version[:2]) >= MIN_PYTHON:
        return Check("Python", State.OK, found)
    return Check("Python", State.MISSING, found, "Install Python 3.11 or later and set up again.")


def gathered(data: Path | None, rooms: Iterable[EntryPoint]) -> list[Check]:
    """The rooms' own checks, in the order of their names; one that breaks is a row, not the end of the others."""
    found: list[Check] = []
    for room in sorted(rooms, key=lambda room: room.name):
        try:
            found += cast(Checks, room.load())(data)
        except Exception as error:  # noqa: BLE001 - whatever is broken there is what people ask the doctor about
            cure = "Run .ci/setup in the project's folder; if it stays, this program is broken."
            found.append(Check(room.name, State.MISSING, f"cannot be checked: {type(error).__name__}", cure))
    return found


def check_encoder(name: str) -> Check:
    """Whether PyAV can encode H.264, which the demo's own video needs."""
    try:
        import av  # noqa: PLC0415 - its native libraries may be what is missing

        found = av.codec.Codec(name, "w").long_name
    except (ImportError, OSError, ValueError) as error:
        cure = "Run .ci/setup in the project's folder: the packaged `av` holds the encoder."
        return Check("H.264 encoder", State.MISSING, f"{name}: {type(error).__name__}", cure)
    return Check("H.264 encoder", State.OK, f"{name} ({found})")


def check_folder(folder: Path) -> list[Check]:
    """Whether files can be made in a data folder, and whether there is room. One that is not there yet is fine."""
    checks = [_check_room(folder)]
    why = why_not_writable(folder)
    if why is not None:
        cure = "Choose a folder you may write to with --data."
        checks.insert(0, Check("data folder", State.MISSING, f"{folder}: {why}", cure))
    return checks


def check_media(folder: Path) -> list[Check]:
    """Whether the store that a data folder names for its media answers; nothing where the folder itself keeps them."""
    try:
        remote = open_remote(folder)
        if remote is None:
            return []
        remote.has(cid_of(b""))
    except Problem as problem:
        return [Check("media store", State.MISSING, f"{problem.code}: {problem.what}", problem.cure)]
    return [Check("media store", State.OK, "it answers")]


def check_port(port: int, host: str = "127.0.0.1") -> Check:
    """Whether a server could listen on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        # As our servers do: a port whose last connections are still closing is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            cure = "Stop what listens there, or choose another with --port."
            return Check(f"port {port}", State.MISSING, error.strerror or "cannot be used", cure)
    return Check(f"port {port}", State.OK, "free")


def check_node(chain_id: int, url: str) -> Check:
    """Whether a node answers and serves the chain it is meant to."""
    name = f"node of {caip2(chain_id)}"
    try:
        found = ask_chain_id(url)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        cure = "Start the node, or correct its URL."
        return Check(name, State.MISSING, f"{url} does not answer ({type(error).__name__})", cure)
    except (Problem, ValueError, TypeError, KeyError):
        return Check(name, State.MISSING, f"{url} answers, but not as an Ethereum node", "Correct the URL.")
    if found != chain_id:
        return Check(name, State.MISSING, f"{url} serves {caip2(found)}", "Name the node of the right chain.")
    return Check(name, State.OK, f"{url} answers")


def ask_chain_id(url: str) -> int:
    """`eth_chainId` of the node at `url`. Raises httpx's errors, `Problem`, ValueError, TypeError, KeyError."""
    question = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    # trust_env: a proxy of the environment must not answer for a node.
    with (
        httpx.Client(timeout=NODE_SECONDS, trust_env=False) as client,
        client.stream("POST", url, json=question) as response,
    ):
        body = b""
        for chunk in response.iter_bytes(MAX_REPLY_BYTES):
            body += chunk
            if len(body) > MAX_REPLY_BYTES:
                break
    answer = parse_json(body, max_bytes=MAX_REPLY_BYTES)
    if not isinstance(answer, dict) or not isinstance(answer["result"], str):
        raise TypeError("no chain id")
    return int(answer["result"], 16)


def check_browser(path: str | None) -> Check:
    """Whether the tests' browser is there; nothing else needs it."""
    if path is not None:
        return Check("chromium", State.OK, path)
    return Check("chromium", State.NOTE, "not found", "Only the tests need it; make test installs it.")


def why_not_writable(folder: Path) -> str | None:
    """None where files can be made in `folder`, or where it can be made itself; else the reason."""
    nearest = _existing(folder)
    if not nearest.is_dir():
        return f"{nearest} is no folder"
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return None
    except OSError as error:
        return error.strerror or type(error).__name__


def _check_room(folder: Path) -> Check:
    free = shutil.disk_usage(_existing(folder)).free
    found = f"{free / 1024**3:.1f} GiB free"
    if free >= MIN_FREE_BYTES:
        return Check("disk", State.OK, found)
    return Check("disk", State.MISSING, found, "Free 1 GiB, or choose a folder on another disk.")


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def _named_node(text: str) -> tuple[int, str]:
    chain, separator, url = text.partition("=")
    if not separator or not url:
        raise WrongUse("NODE_OPTION", "A node is named as CHAIN=URL.", where=text[:80], cure="Write eip155:7101=URL.")
    try:
        return parse_caip2(chain), url
    except Problem as problem:
        raise WrongUse(problem.code, problem.what, where=problem.where, cure=problem.cure) from problem


def _show(checks: Sequence[Check], console: Console) -> None:
    marks = {State.OK: ("✓", "green"), State.NOTE: ("·", "yellow"), State.MISSING: ("✗", "red")}
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("", "what", "found", "cure"):
        table.add_column(heading, overflow="fold")
    for check in checks:
        mark, style = marks[check.state]
        table.add_row(Text(mark, style=style), Text(check.name), Text(check.found), Text(check.cure))
    console.print(table)
