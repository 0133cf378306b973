"""`pledgetrail doctor`: what this machine has, what is reachable, what is missing, and how to cure it.

It only looks: no file is left behind, nothing is downloaded, and a node is asked for nothing but its chain id.
May never happen here: a check that raises; whatever goes wrong is a row with its cure.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import httpx
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ledger.canonical import parse_json
from ledger.errors import Problem, WrongUse
from ledger.interoperable import caip2, parse_caip2

MIN_PYTHON = (3, 11)
MIN_FREE_BYTES = 1024**3  # a demo keeps about a tenth of this
NODE_SECONDS = 5.0
MAX_REPLY_BYTES = 64 * 1024
ENCODER = "libx264"
DATA_VERSION = "pledgetrail-data/1"


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


def report(*, data: Path | None, port: int | None, nodes: Sequence[str]) -> None:
    """Print every check as a table; exit 1 when something needed is missing. `WrongUse` NODE_OPTION, CHAIN_NAME."""
    named = [_named_node(text) for text in nodes]
    checks = [check_python(sys.version_info[:3]), check_cache(cache_folder()), check_encoder(ENCODER)]
    if data is not None:
        checks += check_data(data)
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


def cache_folder() -> Path:
    """Where compiled contracts are kept; the same rule as in the contracts room."""
    own = os.environ.get("PLEDGETRAIL_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pledgetrail"


def check_cache(folder: Path) -> Check:
    """Whether compiled contracts can be kept in `folder`."""
    why = _why_not_writable(folder)
    if why is None:
        return Check("compiled contracts", State.OK, f"{folder} is writable")
    return Check("compiled contracts", State.MISSING, f"{folder}: {why}", "Set PLEDGETRAIL_CACHE to a writable folder.")


def check_encoder(name: str) -> Check:
    """Whether PyAV can encode H.264, which the demo's own video needs."""
    try:
        import av  # noqa: PLC0415 - its native libraries may be what is missing

        found = av.codec.Codec(name, "w").long_name
    except (ImportError, OSError, ValueError) as error:
        cure = "Run make setup again: the packaged `av` holds the encoder."
        return Check("H.264 encoder", State.MISSING, f"{name}: {type(error).__name__}", cure)
    return Check("H.264 encoder", State.OK, f"{name} ({found})")


def check_data(folder: Path) -> list[Check]:
    """Whether a data folder is ours, of this version, free and roomy. A folder that is not there yet is fine."""
    checks = [_check_version(folder), _check_room(folder)]
    why = _why_not_writable(folder)
    if why is not None:
        cure = "Choose a folder you may write to with --data."
        checks.insert(0, Check("data folder", State.MISSING, f"{folder}: {why}", cure))
    if _is_locked(folder / "lock"):
        found = "in use by another process"
        checks.append(Check("data lock", State.NOTE, found, "Stop it before starting here, or choose another folder."))
    return checks


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


def _check_version(folder: Path) -> Check:
    try:
        found = (folder / "VERSION").read_bytes()[:64].decode("utf-8", "replace").strip()
    except FileNotFoundError:
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return Check("data folder", State.OK, f"{folder} will be new")
        found = "no version"
    except OSError as error:
        found = error.strerror or "unreadable"
    if found == DATA_VERSION:
        return Check("data folder", State.OK, f"{folder}, version {found}")
    cure = "Choose another folder with --data, or the program version that wrote this one."
    return Check("data folder", State.MISSING, f"{folder} holds {found!r}, not {DATA_VERSION!r}", cure)


def _check_room(folder: Path) -> Check:
    free = shutil.disk_usage(_existing(folder)).free
    found = f"{free / 1024**3:.1f} GiB free"
    if free >= MIN_FREE_BYTES:
        return Check("disk", State.OK, found)
    return Check("disk", State.MISSING, found, "Free 1 GiB, or choose a folder on another disk.")


def _why_not_writable(folder: Path) -> str | None:
    """None where files can be made in `folder`, or where it can be made itself; else the reason."""
    nearest = _existing(folder)
    if not nearest.is_dir():
        return f"{nearest} is no folder"
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return None
    except OSError as error:
        return error.strerror or type(error).__name__


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def _is_locked(path: Path) -> bool:
    try:
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


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
