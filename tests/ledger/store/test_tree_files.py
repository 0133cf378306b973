"""The tree on disk: the same tree as in memory, made again from the table where its files are missing or damaged."""

from __future__ import annotations

import os
import resource
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.merkle import HASH_BYTES, Tree, leaf_hash
from ledger.store import Ledger
from ledger.store.tree_files import TreeFiles, file_name
from tests.ledger.refusals import refused
from tests.ledger.tea import cosign_log, open_ledger

DOMAIN = "pledgetrail/test/v1/json"
LEAVES = [leaf_hash(bytes([number % 256, number // 256])) for number in range(700)]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 300), max_size=6), st.data())
def test_files_grown_in_any_steps_are_the_tree_in_memory(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], data: st.DataObject
) -> None:
    files, memory = TreeFiles(tmp_path_factory.mktemp("tree")), Tree()
    for step in steps:
        grown = LEAVES[len(memory) : len(memory) + step]
        files.extend(grown)
        memory.extend(grown)
        assert (len(files), files.root()) == (len(memory), memory.root())
    if len(memory):
        index, old = data.draw(st.integers(0, len(memory) - 1)), data.draw(st.integers(1, len(memory)))
        assert files.inclusion_proof(index) == memory.inclusion_proof(index)
        assert files.consistency_proof(old) == memory.consistency_proof(old)
        assert files.root(old) == memory.root(old)
    files.close()


def test_two_writers_of_one_tree_write_the_same(tmp_path: Path) -> None:
    first, second = TreeFiles(tmp_path), TreeFiles(tmp_path)
    first.extend(LEAVES[:300])
    second.extend(LEAVES[:100])
    second.extend(LEAVES[100:500])
    first.extend(LEAVES[300:400])
    assert first.root() == Tree(LEAVES[:400]).root()
    assert second.root(400) == first.root()


def test_a_short_file_is_noticed_when_it_is_read_and_when_it_is_opened(tmp_path: Path) -> None:
    files = TreeFiles(tmp_path)
    files.extend(LEAVES[:300])
    os.truncate(tmp_path / file_name(0), 299 * HASH_BYTES)
    with refused("LOG_DAMAGED"):
        files.leaf(299)
    again = TreeFiles(tmp_path)
    assert not again.restore(300)
    assert len(again) == 0
    assert again.restore(298)
    assert again.root() == Tree(LEAVES[:298]).root()


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with refused("LOG_TREE"):
        TreeFiles(tmp_path / "file")


def test_a_write_that_fails_adds_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    files = TreeFiles(tmp_path)
    files.extend(LEAVES[:10])
    before = files.root()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400, limits[1]))
    try:
        with refused("LOG_TREE"):
            files.extend(LEAVES[10:300])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (len(files), files.root()) == (10, before)
    files.extend(LEAVES[10:300])
    assert files.root() == Tree(LEAVES[:300]).root()


def _filled(folder: Path, entries: int = 700, *, signed: int = 600) -> Ledger:
    ledger = open_ledger(folder)
    for number in range(entries):
        if number == signed:
            cosign_log(ledger)
        ledger.statements.enter(DOMAIN, f"{number}".encode())
    return ledger


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    folder = tmp_path_factory.mktemp("original") / "ledger"
    ledger = _filled(folder)
    root = ledger.log.root()
    ledger.close()
    return folder, root


def _tree_of(folder: Path) -> Path:
    return folder / "ledger.tree"


def _copied(original: Path, to: Path) -> Path:
    return Path(shutil.copytree(original, to))


def _lose_all_above_leaves(tree: Path) -> None:
    for height in range(1, 10):
        os.truncate(tree / file_name(height), (600 >> height) * HASH_BYTES)


CRASHES: dict[str, Callable[[Path], None]] = {
    "the files were never written": shutil.rmtree,
    "leaves were written, what stands over them not": _lose_all_above_leaves,
    "the disk lost what no checkpoint covered": lambda tree: _fill(tree / file_name(0), 600 * 32, b"\0" * 3200),
    "a hash was half written": lambda tree: os.truncate(tree / file_name(0), 650 * 32 + 7),
    "more stands there than the table has": lambda tree: _fill(tree / file_name(0), 700 * 32, b"\xff" * 320),
    "a signed hash was lost": lambda tree: _fill(tree / file_name(9), 0, bytes(32)),
}


def _fill(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


@pytest.mark.parametrize("name", CRASHES)
def test_after_a_crash_the_table_decides_and_every_proof_holds(
    original: tuple[Path, bytes], tmp_path: Path, name: str
) -> None:
    folder = _copied(original[0], tmp_path / "ledger")
    CRASHES[name](_tree_of(folder))
    ledger = open_ledger(folder)
    assert (ledger.log.size, ledger.log.root()) == (700, original[1])
    for index in (0, 255, 256, 599):
        assert ledger.log.proof(index).index == index
    ledger.close()


def test_C11_a_damaged_hash_inside_is_not_handed_out_in_a_proof(original: tuple[Path, bytes], tmp_path: Path) -> None:
    folder = _copied(original[0], tmp_path / "ledger")
    ledger = open_ledger(folder)
    _fill(_tree_of(folder) / file_name(0), 7 * 32, bytes(32))
    with refused("LOG_DAMAGED"):
        ledger.log.proof(6)
    assert ledger.log.proof(300).index == 300
    ledger.close()
    ledger = open_ledger(folder)  # among the last signed entries, so that the start notices and mends it
    assert ledger.log.proof(6).index == 6
    ledger.close()


def test_a_long_log_takes_no_memory(tmp_path: Path) -> None:
    files = TreeFiles(tmp_path)
    run = LEAVES[:500] * 20
    tracemalloc.start()
    for _ in range(20):
        files.extend(run)
    grown = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(files) == 200_000
    assert grown < 4 * 1024**2
