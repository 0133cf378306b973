"""What other devices notice while one floods the intake, and while very many come back at once.

A ledger in a process of its own; quiet devices send one reading after another and note how long each answer takes,
first alone, then beside the attack. The flood runs in a third process and takes no heed of 429; the devices that
come back wait with jitter where they are told to.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from ledger.evidence import Device, SoftwareKey
from ledger.store import Ledger
from ledger.uplink_protocol import STATEMENTS_PATH
from tests.benchmarks.relay_figures import Figure
from tests.ledger.intake.speaking import NOON, Voice, scale

ROOT = Path(__file__).parents[2]
JSON = {"Content-Type": "application/json"}
QUIET, READINGS = 5, 40
HERD, HERD_CONNECTIONS = 10_000, 200
FLOOD = "flood"
LATER = frozenset({408, 429, 503})


def intake(herd: int = HERD) -> Sequence[Figure]:
    """The quiet devices' p99 beside a flood and beside `herd` devices that come back at once, against p99 alone."""
    with tempfile.TemporaryDirectory() as home, _server(Path(home), herd) as url:
        voices = [Voice(f"quiet-{number}", _key(f"quiet-{number}")) for number in range(QUIET)]
        asyncio.run(_quiet(url, voices))  # warms up
        alone = asyncio.run(_quiet(url, voices))
        with subprocess.Popen([sys.executable, "-m", "tests.benchmarks.evidence_intake", url], cwd=ROOT) as flood:
            beside = asyncio.run(_quiet(url, voices))
            flood.kill()
        beside_herd, seconds = asyncio.run(_both(url, voices, herd))
    return [
        Figure.against("p99 of quiet devices while one floods, against alone", 1e3 * beside, "ms", 1e3 * alone),
        Figure.against(
            f"p99 of quiet devices while {herd} return, against alone", 1e3 * beside_herd, "ms", 1e3 * alone
        ),
        Figure(f"{herd} devices return with a reading each: all held", round(herd / seconds), "a second"),
    ]


async def _quiet(url: str, voices: Sequence[Voice]) -> float:
    """The 99th percentile of the answer times (seconds) of readings that are all taken."""
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
    return sorted(found)[len(found) * 99 // 100]


async def _both(url: str, voices: Sequence[Voice], herd: int) -> tuple[float, float]:
    """The quiet devices' p99 beside the herd, and how long (seconds) it took until all of the herd was held."""
    begun = time.perf_counter()
    quiet = asyncio.create_task(_quiet(url, voices))
    await _herd(url, [f"herd-{number}" for number in range(herd)])
    return await quiet, time.perf_counter() - begun


async def _herd(url: str, names: list[str]) -> None:
    waiting = iter(names)

    async def connection(client: httpx.AsyncClient) -> None:
        for name in waiting:
            envelope, wait = Voice(name, _key(name)).reading().envelope(), 0.5
            while (await client.post(url + STATEMENTS_PATH, content=envelope, headers=JSON)).status_code in LATER:
                await asyncio.sleep(random.uniform(0, wait))
                wait = min(2 * wait, 30)

    limits = httpx.Limits(max_connections=HERD_CONNECTIONS)
    async with httpx.AsyncClient(trust_env=False, timeout=120, limits=limits) as client:
        await asyncio.gather(*(connection(client) for _ in range(HERD_CONNECTIONS)))


def _flood(url: str) -> None:
    """Send as fast as there are answers, from four connections, whatever they say."""
    voice = Voice(FLOOD, _key(FLOOD))

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
    for name in (FLOOD, *(f"quiet-{number}" for number in range(QUIET)), *(f"herd-{number}" for number in range(herd))):
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


def _key(name: str) -> SoftwareKey:
    return SoftwareKey(name.encode().ljust(32, b"\x01")[:32])


def _device(name: str) -> Device:
    return scale(name, _key(name))


if __name__ == "__main__":
    _flood(sys.argv[1])
