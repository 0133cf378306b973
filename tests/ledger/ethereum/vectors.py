"""Where the public Ethereum vectors stand, and how their strings are read."""

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[4] / "shared" / "vectors" / "ethereum-tests"


def load(name: str) -> dict[str, Any]:
    """One vector file by its path inside the folder; the test skips where the folder is absent."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"public vectors are absent: {path}")
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return loaded


def text(value: str) -> bytes:
    """A vector's string: hex where it starts with 0x, else UTF-8."""
    return bytes.fromhex(value[2:]) if value.startswith("0x") else value.encode("utf-8")
