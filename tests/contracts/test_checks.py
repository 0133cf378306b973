"""What `pledgetrail doctor` says of the place where compiled contracts are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.checks import checks
from ledger.doctor import State


def test_a_cache_under_a_file_is_missing_and_a_new_one_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("PLEDGETRAIL_CACHE", str(tmp_path / "file" / "cache"))
    assert [check.state for check in checks(None)] == [State.MISSING]
    monkeypatch.setenv("PLEDGETRAIL_CACHE", str(tmp_path / "new" / "cache"))
    assert [check.state for check in checks(None)] == [State.OK]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
