"""Run by `evidence_intake`: very many devices come back at once, each on a connection of its own, with a reading each.

Every device connects in the same moment, says what it has, and comes again after what it is told to wait, or, where the
connection fails, after a pause that doubles. Tells on stderr, each second, how many are in each phase and what they
were told, and as JSON on stdout, once all of them are held, the whole of it.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ledger.evidence import SoftwareKey
from ledger.uplink_protocol import STATEMENTS_PATH
from tests.ledger.intake.speaking import Voice

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0


def key_of(name: str) -> SoftwareKey:
    """The key of the device of this name."""
    return SoftwareKey(name.encode().ljust(32, b"\x01")[:32])


def names(count: int) -> list[str]:
    """The devices of a herd."""
    return [f"herd-{number}" for number in range(count)]


@dataclass
class Tale:
    """What a herd goes through. `phases`: how many are in each now; `told`: how often each answer was given.

    `connects`: seconds that each connection took; `first`: after how many seconds each had its first answer.
    """

    begun: float = field(default_factory=time.monotonic)
    phases: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    connects: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)

    async def tell(self) -> None:
        """Each second, until it is cancelled."""
        before, used = Counter(self.told), time.process_time()
        while True:
            await asyncio.sleep(1.0)
            at, now = time.monotonic() - self.begun, time.process_time()
            phases, told = _listed(self.phases, " "), _listed(self.told - before, " x ")
            sys.stderr.write(f"{at:6.1f} s: {phases}; told {told or 'nothing'}; {now - used:.2f} s of CPU here\n")
            before, used = Counter(self.told), now


def _listed(counts: Counter[str], between: str) -> str:
    return ", ".join(f"{count}{between}{name}" for name, count in sorted(counts.items()) if count)


class _Device:
    """One device, and the phase it is in."""

    def __init__(self, place: tuple[str, int], request: bytes, tale: Tale) -> None:
        self._place, self._request, self._tale = place, request, tale
        self._phase, self._pause, self._was_answered = "to come", FIRST_PAUSE_SECONDS, False

    async def come_back(self) -> float:
        """After how many seconds its reading is held."""
        while True:
            try:
                if await self._speak():
                    return time.monotonic() - self._tale.begun
            except (OSError, asyncio.IncompleteReadError):
                self._tale.told["cut" if self._phase == "asking" else "not connected"] += 1
                self._goes("cut off")
                await asyncio.sleep(random.uniform(0, self._pause))
                self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)

    async def _speak(self) -> bool:
        """Whether it was held on this connection, which otherwise ended as it was told."""
        self._goes("connecting")
        begun = time.monotonic()
        reader, writer = await asyncio.open_connection(*self._place)
        self._tale.connects.append(time.monotonic() - begun)
        try:
            while True:
                self._goes("asking")
                writer.write(self._request)
                status, wait, ends = await _answer(reader)
                self._is_told(str(status))
                if status in (200, 201):
                    self._goes("held")
                    return True
                if ends:
                    writer.close()
                self._goes("waiting")
                await asyncio.sleep(wait)
                if ends:
                    return False
        finally:
            writer.close()

    def _goes(self, phase: str) -> None:
        self._tale.phases[self._phase] -= 1
        self._tale.phases[phase] += 1
        self._phase = phase

    def _is_told(self, what: str) -> None:
        self._tale.told[what] += 1
        if not self._was_answered:
            self._tale.first.append(time.monotonic() - self._tale.begun)
        self._was_answered, self._pause = True, FIRST_PAUSE_SECONDS


async def _answer(reader: asyncio.StreamReader) -> tuple[int, float, bool]:
    """The status, how long (seconds) the device is to wait before it comes again, and whether on a new connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
    await reader.readexactly(int(fields.get("content-length", "0")))
    told = fields.get("retry-after")
    wait = float(told) if told else random.uniform(0, FIRST_PAUSE_SECONDS)
    return int(head.split(" ", 2)[1]), wait, fields.get("connection") == "close"


def _request(host: str, name: str) -> bytes:
    body = Voice(name, key_of(name)).reading().envelope()
    head = f"POST {STATEMENTS_PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def herd(url: str, count: int, tale: Tale) -> list[_Device]:
    """The devices, with what they are to say."""
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None
    return [_Device((parts.hostname, parts.port), _request(parts.netloc, name), tale) for name in names(count)]


async def come_back(devices: Sequence[_Device]) -> list[float]:
    """All at once; after how many seconds each was held, in order."""
    return sorted(await asyncio.gather(*(each.come_back() for each in devices)))


async def _tell(url: str, count: int) -> dict[str, object]:
    tale = Tale()
    devices = herd(url, count, tale)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    tale.begun, tale.phases["to come"] = time.monotonic(), count
    telling, used = asyncio.create_task(tale.tell()), time.process_time()
    waits = await come_back(devices)
    telling.cancel()
    connects = sorted(tale.connects)
    return {
        "begun": tale.begun,
        "seconds": time.monotonic() - tale.begun,
        "told": tale.told,
        "half": waits[count // 2],
        "last": waits[-1],
        "first": max(tale.first),
        "connects": [connects[len(connects) // 2], connects[-1]],
        "cpu": time.process_time() - used,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_tell(sys.argv[1], int(sys.argv[2])))) + "\n")
