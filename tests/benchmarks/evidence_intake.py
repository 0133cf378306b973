"""What other devices notice while one floods the intake, and while very many come back at once.

A ledger in a process of its own; quiet devices send one reading after another, each on the connection that it has, and
one of them on a new one each time. They note how long each answer takes, beside the attack and, in turns, while it is
stopped: so that whatever else the machine does is in both. The flood runs in a third process and takes no heed of 429;
so do the devices that come back (`evidence_herd`), each on a connection of its own, and they wait as long as they are
told to. All three share this machine's cores. `HERD=1000` in the environment: so many come back.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from ledger.store import Ledger
from ledger.store.database import Database
from ledger.store.ledger import DATABASE_FILE
from ledger.store.tables import DeviceRow
from ledger.uplink_protocol import STATEMENTS_PATH
from tests.benchmarks.evidence_herd import key_of, names
from tests.benchmarks.peak import peak_mebibytes, processor_seconds
from tests.benchmarks.relay_figures import Figure
from tests.ledger.intake.speaking import NOON, Voice, scale

ROOT = Path(__file__).parents[2]
JSON = {"Content-Type": "application/json"}
QUIET, TURNS = 5, 6
BESIDE_FLOOD_SECONDS, BESIDE_HERD_SECONDS, ALONE_SECONDS = 1.5, 4.0, 1.5
PAUSE_SECONDS = 0.1, 0.3  # between a quiet device's readings
SETTLES_SECONDS = 0.5
HERD = 10_000
FLOOD, ANEW = "flood", "quiet-anew"


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer to a quiet device. `at`: monotonic seconds when it came; `took`: seconds; `anew`: its connection."""

    at: float
    took: float
    anew: bool


def intake() -> Sequence[Figure]:
    """How long quiet devices wait for answers beside a flood and beside a herd that returns, against alone."""
    return asyncio.run(_intake(int(os.environ.get("HERD", HERD))))


async def _intake(herd: int) -> Sequence[Figure]:
    with tempfile.TemporaryDirectory() as home, _server(Path(home), herd) as (url, server):
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            quiet = _Quiet(url, client)
            await quiet.speak(1.0)  # warms up
            flood = [sys.executable, "-m", "tests.benchmarks.evidence_intake", url]
            with subprocess.Popen(flood, cwd=ROOT) as process:
                turns = iter(range(TURNS))
                found = await _in_turns(quiet, process, lambda: next(turns, None) is None, BESIDE_FLOOD_SECONDS)
                process.kill()
            figures = _compared("while one floods", *found)
            return [*figures, *await _beside_herd(quiet, server, herd)]


async def _beside_herd(quiet: _Quiet, server: subprocess.Popen[str], herd: int) -> Sequence[Figure]:
    command = [sys.executable, "-m", "tests.benchmarks.evidence_herd", quiet.url, str(herd)]
    used = processor_seconds(server.pid)
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("no pipes")
        await asyncio.to_thread(process.stdout.readline)  # all readings are signed
        process.stdin.write("go\n")
        process.stdin.flush()
        ends = asyncio.create_task(asyncio.to_thread(process.stdout.readline))
        beside, alone = await _in_turns(quiet, process, ends.done, BESIDE_HERD_SECONDS)
        told: dict[str, Any] = json.loads(await ends)
    used = processor_seconds(server.pid) - used
    answered, over = told["begun"] + told["first"], told["begun"] + told["seconds"]
    answers = ", ".join(f"{count} x {what}" for what, count in sorted(told["told"].items()))
    return [
        *_compared(f"while {herd} arrive", [each for each in beside if each.at <= answered], alone),
        *_compared(f"while {herd} take turns", [each for each in beside if answered < each.at <= over], alone),
        Figure(f"{herd} devices return with a reading each: all held", round(herd / told["seconds"], 1), "a second"),
        Figure("each has its first answer after", round(told["first"], 1), "s"),
        Figure(f"they were told {answers}; the last is held after", round(told["last"], 1), "s"),
        Figure("of CPU in the ledger's process for each of them", round(1e3 * used / herd, 2), "ms"),
        Figure("of CPU in the devices' process for each of them", round(1e3 * told["cpu"] / herd, 2), "ms"),
        Figure("memory of the ledger's process at most", round(peak_mebibytes(server.pid)), "MiB"),
    ]


def _compared(when: str, beside: Sequence[Heard], alone: Sequence[Heard]) -> list[Figure]:
    """Median and 99th percentile of the quiet devices' answer times, beside and alone."""
    figures = []
    for anew, what in ((False, "quiet devices"), (True, "a quiet device that connects anew")):
        with_it, without = (sorted(each.took for each in found if each.anew is anew) for found in (beside, alone))
        if not with_it:
            continue  # it was over sooner
        for name, share in (("median", 0.5), ("p99", 0.99)):
            value, baseline = (1e3 * found[int(share * len(found))] for found in (with_it, without))
            work = f"{name} of {what} {when} ({len(with_it)}), against alone ({len(without)})"
            figures.append(Figure.against(work, value, "ms", baseline))
    return figures


async def _in_turns(
    quiet: _Quiet, process: subprocess.Popen[Any], is_over: Callable[[], bool], seconds: float
) -> tuple[list[Heard], list[Heard]]:
    """What quiet devices hear beside a process that runs for `seconds` each time, and while it is stopped."""
    beside, alone = list[Heard](), list[Heard]()
    while not is_over():
        beside += await quiet.speak(seconds)
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(SETTLES_SECONDS)  # the server still works on what it was sent
        alone += await quiet.speak(ALONE_SECONDS)
        process.send_signal(signal.SIGCONT)
    return beside, alone


class _Quiet:
    """Devices that speak all along, and one of them on a new connection each time."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self.url, self._client = url, client
        self._voices = [Voice(name, key_of(name)) for name in (ANEW, *(f"quiet-{number}" for number in range(QUIET)))]

    async def speak(self, seconds: float) -> list[Heard]:
        """For so long; readings that are all taken."""
        heard, until = list[Heard](), time.monotonic() + seconds

        async def one(voice: Voice) -> None:
            while time.monotonic() < until:
                heard.append(await self._say(voice))
                await asyncio.sleep(random.uniform(*PAUSE_SECONDS))

        await asyncio.gather(*(one(voice) for voice in self._voices))
        return heard

    async def _say(self, voice: Voice) -> Heard:
        envelope, anew = voice.reading().envelope(), voice.name == ANEW
        headers = {**JSON, "Connection": "close"} if anew else JSON
        begun = time.monotonic()
        answer = await self._client.post(self.url + STATEMENTS_PATH, content=envelope, headers=headers)
        if answer.status_code != 201:
            raise AssertionError(answer.text)
        now = time.monotonic()
        return Heard(now, now - begun, anew)


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
def _server(home: Path, herd: int) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    Ledger.open(home / "ledger", origin="ledger.example/log", clock=lambda: NOON).close()
    _enrol(
        home / "ledger" / DATABASE_FILE, [FLOOD, ANEW, *(f"quiet-{number}" for number in range(QUIET)), *names(herd)]
    )
    command = [sys.executable, "-m", "tests.ledger.intake.dying", "http", str(home / "ledger"), "never", "1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        if server.stdout is None:
            raise AssertionError("no output")
        try:
            yield server.stdout.readline().strip(), server
        finally:
            server.kill()


def _enrol(database: Path, devices: Sequence[str]) -> None:
    """All in one write: one by one and logged it takes longer than their return."""
    found = Database.open(database)
    with found.writing() as session:
        session.add_all(DeviceRow(**asdict(scale(name, key_of(name)))) for name in devices)
    found.close()


if __name__ == "__main__":
    _flood(sys.argv[1])
