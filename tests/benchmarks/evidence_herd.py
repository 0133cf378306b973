"""Run by `evidence_intake`: very many devices come back at once, each on a connection of its own, with a reading each.

Every device connects in the same moment, says what it has, and comes again after what it is told to wait, or, where the
connection fails, after a pause that doubles. Prints what they were told as JSON once all of them are held.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
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


async def _device(place: tuple[str, int], request: bytes, told: Counter[str]) -> float:
    """Seconds until the device's reading is held."""
    begun, pause = time.monotonic(), FIRST_PAUSE_SECONDS
    while True:
        try:
            reader, writer = await asyncio.open_connection(*place)
        except OSError:
            told["not connected"] += 1
            await asyncio.sleep(random.uniform(0, pause))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            continue
        try:
            while True:
                writer.write(request)
                status, wait, ends = await _answer(reader)
                told[str(status)] += 1
                if status in (200, 201):
                    return time.monotonic() - begun
                if ends:
                    writer.close()
                await asyncio.sleep(wait)
                if ends:
                    break
        except (OSError, asyncio.IncompleteReadError):
            told["cut"] += 1
            await asyncio.sleep(random.uniform(0, pause))
        finally:
            writer.close()


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


async def _herd(url: str, count: int) -> dict[str, object]:
    parts, told = urlsplit(url), Counter[str]()
    assert parts.hostname is not None and parts.port is not None
    requests = [_request(parts.netloc, name) for name in names(count)]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    begun = time.monotonic()
    waits = sorted(await asyncio.gather(*(_device((parts.hostname, parts.port), each, told) for each in requests)))
    return {"seconds": time.monotonic() - begun, "told": told, "half": waits[count // 2], "last": waits[-1]}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_herd(sys.argv[1], int(sys.argv[2])))) + "\n")
