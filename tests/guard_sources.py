"""Contracts compiled one by one, under a digest of what they import: one changed module leaves the others' artifacts.

Production keeps artifacts under a digest of every source (`contracts.compiler`), and compiles all of them when one
changed; where one line changes five hundred times that would be the whole day.
"""

from __future__ import annotations

import gc
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path

from contracts import compiler
from contracts.compiler import Artifact

_IMPORT = re.compile(r"^[ \t]*(?:import|from)[ \t]+(\S+)(?:[ \t]+import[ \t]+(\w+))?", re.MULTILINE)


class Artifacts(MutableMapping[str, Artifact]):
    """What `compiler.artifacts` gives, each compiled when it is asked for."""

    def __init__(self, cache: Path, on_failure: Callable[[str], object]) -> None:
        self._cache, self._on_failure = cache, on_failure
        self._held: dict[str, Artifact] = {}

    def __getitem__(self, name: str) -> Artifact:
        if name not in self._held:
            self._held[name] = self.at(compiler.SOURCES / f"{name}.vy")
        return self._held[name]

    def at(self, path: Path) -> Artifact:
        """A contract by its file. A failure to compile is told to `on_failure` before it is raised."""
        kept = self._cache / f"{path.stem}-{content_digest(path)}.json"
        if not kept.exists():
            gc.disable()  # a fifth faster
            try:
                content = compiler._compile(path.stem, compiler.SOURCES, path.parent)
            except Exception as failure:
                self._on_failure(f"{path.name}: {type(failure).__name__}: {failure}"[:500])
                raise
            finally:
                gc.enable()
            _write(kept, content)
        return compiler._read(path.stem, kept)

    def __setitem__(self, name: str, artifact: Artifact) -> None:
        self._held[name] = artifact

    def __delitem__(self, name: str) -> None:
        del self._held[name]

    def __iter__(self) -> Iterator[str]:
        return iter(compiler.CONTRACTS)

    def __len__(self) -> int:
        return len(compiler.CONTRACTS)


def compile_by_content(cache: Path, *, on_failure: Callable[[str], object]) -> None:
    """From now on `contracts.compiler` of this process compiles one by one. Before any test module is imported."""
    artifacts = Artifacts(cache, on_failure)
    compiler.artifacts = lambda: artifacts  # type: ignore[assignment]
    compiler.artifact_at = lambda path, cache=None: artifacts.at(path)


def content_digest(path: Path) -> str:
    """16 hex digits that change with a contract, whatever it imports, the compiler and its settings."""
    found = hashlib.sha256(f"{compiler.EVM_VERSION} {Path(compiler.__file__).read_text()}".encode())
    for source in sources(path):
        found.update(f"\n{source.name}\n".encode() + source.read_bytes())
    return found.hexdigest()[:16]


def sources(path: Path) -> list[Path]:
    """A contract and everything of ours that it imports, by name; what stands beside it comes first."""
    found: dict[str, Path] = {}
    waiting = [path]
    while waiting:
        source = waiting.pop()
        if source.name in found:
            continue
        found[source.name] = source
        for name, part in _IMPORT.findall(source.read_text()):
            stem = part if part and name == "." else name.removeprefix(".")
            for folder in (path.parent, compiler.SOURCES):
                beside = [folder / f"{stem}{suffix}" for suffix in (".vy", ".vyi")]
                if here := [each for each in beside if each.exists()]:
                    waiting += here
                    break
    return [found[name] for name in sorted(found)]


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as unfinished:
        unfinished.write(content)
    os.replace(unfinished.name, path)  # noqa: PTH105
