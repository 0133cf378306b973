"""Vyper sources → artifacts, compiled once per change and kept in a cache folder.

The key of the cache is a digest of every source, of the compiler's version and of its settings: an artifact in the
cache is exactly what compiling now would give.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parent / "vyper"
EVM_VERSION = "prague"
CONTRACTS = (
    "Committee",
    "Administration",
    "Gateway",
    "AnchorRegistry",
    "AnchorMirror",
    "WarehouseReceipt",
    "GoodsRegistry",
    "PledgeRegistry",
    "TransactionRegistry",
    "InitiatorLock",
    "ResponderLock",
    "Coordinator",
    "LightClient",
    "CertifiedHeaders",
    "ConditionalLien",
    "ReceiptObserver",
    "RemoteReader",
    "Vault",
    "Voucher",
    "TokenLeg",
    "ConditionalFreeze",
)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract: its ABI as JSON values, its creation bytecode without constructor arguments, and its runtime
    bytecode without immutables, which stand behind it: offset and length in bytes by name, "module.NAME" in a module.
    `slots`: where variables are stored, by name, "module.name" in a module.
    """

    name: str
    abi: tuple[dict[str, Any], ...]
    bytecode: bytes
    runtime: bytes
    immutables: dict[str, tuple[int, int]]
    slots: dict[str, int]


def cache_folder() -> Path:
    """`PLEDGETRAIL_CACHE`, else the user's cache folder (XDG base directories)."""
    if configured := os.environ.get("PLEDGETRAIL_CACHE"):
        return Path(configured)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pledgetrail"


def artifact(name: str) -> Artifact:
    """One contract of `CONTRACTS`, compiled or from the cache."""
    return artifacts()[name]


def artifact_at(path: Path, cache: Path | None = None) -> Artifact:
    """A contract outside this package, which may import the modules here and those beside itself; cached as the others.

    For tests: nothing that is deployed lives outside `SOURCES`.
    """
    key = hashlib.sha256(source_digest().encode())
    for beside in sorted(path.parent.glob("*.vy*")):
        key.update(f"\n{beside.name} ".encode() + beside.read_bytes())
    kept = (cache or cache_folder()) / f"{path.stem}-{key.hexdigest()[:16]}.json"
    if not kept.exists():
        _write_atomically(kept, _compile(path.stem, SOURCES, path.parent))
    return _read(path.stem, kept)


@lru_cache(maxsize=1)
def artifacts() -> dict[str, Artifact]:
    """Every contract by name, compiled or from the cache."""
    return compile_all(cache_folder())


def compile_all(cache: Path, *, on_compile: Callable[[str], None] = lambda _name: None) -> dict[str, Artifact]:
    """Return every contract; compile those the cache lacks, calling `on_compile` with each name before it starts."""
    key = source_digest()
    found: dict[str, Artifact] = {}
    for name in CONTRACTS:
        path = cache / f"{name}-{key}.json"
        if not path.exists():
            on_compile(name)
            _write_atomically(path, _compile(name, SOURCES))
        found[name] = _read(name, path)
    return found


def source_digest() -> str:
    """16 hex digits that change with any source, the compiler or its settings."""
    # The last figure counts the forms of what is kept.
    digest = hashlib.sha256(f"vyper {version('vyper')} {EVM_VERSION} gas, 3".encode())
    for path in sorted(SOURCES.glob("*.vy*")):
        content = path.read_bytes()
        digest.update(f"\n{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _read(name: str, path: Path) -> Artifact:
    stored = json.loads(path.read_text())
    bytecode, runtime = (bytes.fromhex(stored[part]) for part in ("bytecode", "runtime"))
    immutables = {each: (offset, length) for each, (offset, length) in stored["immutables"].items()}
    return Artifact(name, tuple(stored["abi"]), bytecode, runtime, immutables, stored["slots"])


def _compile(name: str, *folders: Path) -> str:
    # Imported here: the compiler takes a second to load, and with a warm cache nobody needs it.
    from vyper.compiler import compile_from_file_input  # noqa: PLC0415
    from vyper.compiler.input_bundle import FilesystemInputBundle  # noqa: PLC0415
    from vyper.compiler.settings import OptimizationLevel, Settings  # noqa: PLC0415

    bundle = FilesystemInputBundle(list(folders))
    output = compile_from_file_input(
        bundle.load_file(f"{name}.vy"),
        input_bundle=bundle,
        settings=Settings(evm_version=EVM_VERSION, optimize=OptimizationLevel.GAS),
        output_formats=["abi", "bytecode", "bytecode_runtime", "layout"],
    )
    storage = output["layout"].get("storage_layout", {})
    return json.dumps(
        {
            "abi": output["abi"],
            "bytecode": output["bytecode"].removeprefix("0x"),
            "runtime": output["bytecode_runtime"].removeprefix("0x"),
            "immutables": dict(_immutables(output["layout"].get("code_layout", {}))),
            "slots": dict(_slots(storage)),
        }
    )


def _slots(layout: dict[str, Any], module: str = "") -> Iterator[tuple[str, int]]:
    """Name and slot of each variable; modules stand inside as objects of their own."""
    for name, entry in layout.items():
        if isinstance(entry.get("slot"), int):
            yield f"{module}{name}", entry["slot"]
        else:
            yield from _slots(entry, f"{module}{name}.")


def _immutables(layout: dict[str, Any], module: str = "") -> Iterator[tuple[str, tuple[int, int]]]:
    """Name, offset and length of each immutable; modules stand inside as objects of their own."""
    for name, entry in layout.items():
        if isinstance(entry.get("offset"), int):
            yield f"{module}{name}", (entry["offset"], entry["length"])
        else:
            yield from _immutables(entry, f"{module}{name}.")


def _write_atomically(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as unfinished:
        unfinished.write(content)
    Path(unfinished.name).replace(path)
