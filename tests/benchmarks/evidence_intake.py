"""What other devices notice while one floods the intake, and while very many come back at once.

A ledger in a process of its own; quiet devices send one reading after another and note how long each answer takes,
first alone, then beside the attack. The flood runs in a third process and takes no heed of 429; so do the devices that
come back (`evidence_herd`), each on a connection of its own, and they wait as long as they are told to.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from ledger.evidence import Device
from ledger.store import Ledger
from ledger.uplink_protocol import STATEMENTS_PATH
from tests.benchmarks.evidence_herd import key_of, names
from tests.benchmarks.relay_figures import Figure
from tests.ledger.intake.speaking import NOON, Voice, scale

ROOT = Path(__file__).parents[2]
JSON = {"Content-Type": "application/json"}
QUIET, READINGS, TURNS = 5, 10, 6
SETTLES_SECONDS = 0.5
HERD = 10_000
FLOOD = "flood"


def intake(herd: int = HERD) -> Sequence[Figure]:
    """How long quiet devices wait for answers beside a flood and beside `herd` devices that return, against alone."""
    with tempfile.TemporaryDirectory() as home, _server(Path(home), herd) as url:
        voices = [Voice(f"quiet-{number}", key_of(f"quiet-{number}")) for number in range(QUIET)]
        asyncio.run(_quiet(url, voices))  # warms up
        flood = [sys.executable, "-m", "tests.benchmarks.evidence_intake", url]
        with subprocess.Popen(flood, cwd=ROOT) as process:
            flooded = _in_turns(url, voices, process)
            process.kill()
        returning, told = _beside_herd(url, voices, herd)
    answers = ", ".join(f"{count} x {what}" for what, count in sorted(told["told"].items()))
    return [
        *_compared("while one floods", flooded),
        *_compared(f"while {herd} return", returning),
        Figure(f"{herd} devices return with a reading each: all held", round(herd / told["seconds"], 1), "a second"),
        Figure(f"they were told {answers}; the last is held after", round(told["last"], 1), "s"),
    ]


def _compared(when: str, found: tuple[list[float], list[float]]) -> list[Figure]:
    """Median and 99th percentile of the quiet devices' answer times, beside and alone."""
    beside, alone = (sorted(each) for each in found)
    return [
        Figure.against(f"{name} of quiet devices {when}, against alone", 1e3 * beside[at], "ms", 1e3 * alone[at])
        for name, at in (("median", len(alone) // 2), ("p99", len(alone) * 99 // 100))
    ]


def _in_turns(url: str, voices: Sequence[Voice], process: subprocess.Popen[Any]) -> tuple[list[float], list[float]]:
    """Answer times (seconds) beside a process that runs, and while it is stopped, in turns: so that whatever else

    the machine does is in both.
    """
    beside, alone = list[float](), list[float]()
    for _ in range(TURNS):
        beside += asyncio.run(_quiet(url, voices))
        process.send_signal(signal.SIGSTOP)
        time.sleep(SETTLES_SECONDS)  # the server still works on what it was sent
        alone += asyncio.run(_quiet(url, voices))
        process.send_signal(signal.SIGCONT)
    return beside, alone


def _beside_herd(
    url: str, voices: Sequence[Voice], herd: int
) -> tuple[tuple[list[float], list[float]], dict[str, Any]]:
    """The quiet devices' answer times from the moment a herd comes, and what the herd's process tells of it."""
    command = [sys.executable, "-m", "tests.benchmarks.evidence_herd", url, str(herd)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("no pipes")
        process.stdout.readline()  # all readings are signed
        process.stdin.write("go\n")
        process.stdin.flush()
        found = _in_turns(url, voices, process)
        told: dict[str, Any] = json.loads(process.stdout.readline())
    return found, told


async def _quiet(url: str, voices: Sequence[Voice]) -> list[float]:
    """The answer times (seconds) of readings that are all taken."""
    found: list[float] = []

    async def one(voice: Voice) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            for _ in range(READINGS):
                envelope = voice.reading().envelope()
                begun = time.perf_counter()
                answer = await client.post(url + STATEMENTS_PATH, content=envelope, headers=JSON)
                found.append(time.perf_counter() - begun)
                if answer.status_code != 201:
                    raise AssertionError(answer.text)
                await asyncio.sleep(random.uniform(0.02, 0.06))

    await asyncio.gather(*(one(voice) for voice in voices))
    return found


def _flood(url: str) -> None:
    """Send as fast as there are answers, from four connections, whatever they say."""
    voice = Voice(FLOOD, key_of(FLOOD))

    async def forever() -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:

            async def send() -> None:
                while True:
                    await client.post(url + STATEMENTS_PATH, content=voice.reading().envelope(), headers=JSON)

            await asyncio.gather(*(send() for _ in range(4)))

    asyncio.run(forever())


@contextmanager
def _server(home: Path, herd: int) -> Iterator[str]:
    ledger = Ledger.open(home / "ledger", origin="ledger.example/log", clock=lambda: NOON)
    for name in (FLOOD, *(f"quiet-{number}" for number in range(QUIET)), *names(herd)):
        ledger.evidence.enrol(_device(name))
    ledger.close()
    command = [sys.executable, "-m", "tests.ledger.intake.dying", "http", str(home / "ledger"), "never", "1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        if server.stdout is None:
            raise AssertionError("no output")
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def _device(name: str) -> Device:
    return scale(name, key_of(name))


if __name__ == "__main__":
    _flood(sys.argv[1])
