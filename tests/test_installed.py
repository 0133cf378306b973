"""K06, supply chain: what is installed has the hashes that were locked, stays as it was, and nothing runs unasked.

The packages here are made by the tests and installed from a folder, without a network.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CHECK = ROOT / ".ci" / "check-installed"
UV = Path(sys.executable).parent / "uv"
CODE = b"ANSWER = 42\n"
PTH = "_editable_impl_pledgetrail.pth"


def wheel(folder: Path, name: str = "leaf", version: str = "1.0") -> str:
    """A wheel of one module; its SHA-256."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": CODE,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},{_recorded(raw)},{len(raw)}" for path, raw in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as packed:
        for each, raw in files.items():
            packed.writestr(each, raw)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _recorded(raw: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()


INSTALLERS = {
    "pip": [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"],
    "uv": [str(UV), "pip", "install", "--quiet", "--python", sys.executable, "--offline"],
}


def install(folder: Path, lock: str, site: Path, installer: str) -> subprocess.CompletedProcess[str]:
    (folder / "lock.txt").write_text(lock)
    command = [*INSTALLERS[installer], "--no-index", "--find-links", str(folder), "--require-hashes"]
    command += ["-r", str(folder / "lock.txt"), "--target", str(site)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def check(site: Path, *locks: Path) -> tuple[int, str]:
    """Exit status, and what is named."""
    done = subprocess.run([str(CHECK), str(site), *map(str, locks)], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a locked package is installed, as it was locked, and nothing else."""
    place = tmp_path_factory.mktemp("installed")
    digest = wheel(place / "wheels")
    done = install(place / "wheels", f"leaf==1.0 --hash=sha256:{digest}\n", place / "site", "uv")
    assert done.returncode == 0, done.stderr
    return place / "site"


@pytest.fixture
def site(installed: Path, tmp_path: Path) -> Path:
    """A copy of it, which a test may spoil."""
    found = shutil.copytree(installed, tmp_path / "site")
    (found / PTH).write_text(f"{ROOT}\n")
    assert check(found) == (0, "")
    return found


@pytest.mark.parametrize("installer", INSTALLERS)
def test_K06_a_package_with_another_hash_than_the_locks_is_not_installed(tmp_path: Path, installer: str) -> None:
    digest, site = wheel(tmp_path / "wheels"), tmp_path / "site"
    other = ("0" if digest[0] != "0" else "1") + digest[1:]
    refused = install(tmp_path / "wheels", f"leaf==1.0 --hash=sha256:{other}\n", site, installer)
    assert refused.returncode != 0
    assert "hash" in refused.stderr.lower()
    assert not (site / "leaf.py").exists()
    assert install(tmp_path / "wheels", f"leaf==1.0 --hash=sha256:{digest}\n", site, installer).returncode == 0
    assert (site / "leaf.py").read_bytes() == CODE


def test_K06_a_package_without_a_hash_is_not_installed(tmp_path: Path) -> None:
    wheel(tmp_path / "wheels")
    assert install(tmp_path / "wheels", "leaf==1.0\n", tmp_path / "site", "uv").returncode != 0
    assert not (tmp_path / "site" / "leaf.py").exists()


@pytest.mark.parametrize("name", ["litellm_init.pth", "zz.pth", "sitecustomize.py", "usercustomize.py"])
def test_K06_what_would_run_at_each_start_is_named(site: Path, name: str) -> None:
    (site / name).write_text("import os\n")
    status, said = check(site)
    assert status == 1
    assert name in said
    (site / name).unlink()
    assert check(site)[0] == 0


def test_K06_what_would_run_at_each_start_does_not_run_while_it_is_looked_for(site: Path, tmp_path: Path) -> None:
    (site / "zz.pth").write_text(f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).write_text('x')\n")
    assert check(site)[0] == 1
    assert not (tmp_path / "ran").exists()


def test_K06_a_file_that_is_not_what_was_recorded_is_named(site: Path) -> None:
    (site / "leaf.py").write_bytes(CODE.replace(b"42", b"43"))
    status, said = check(site)
    assert (status, "leaf.py of leaf-1.0.dist-info is not what was installed" in said) == (1, True)
    (site / "leaf.py").unlink()
    assert "is missing" in check(site)[1]
    (site / "leaf.py").write_bytes(CODE)
    assert check(site)[0] == 0


def test_K06_a_record_that_is_gone_or_of_a_weak_hash_is_named(site: Path) -> None:
    record = site / "leaf-1.0.dist-info" / "RECORD"
    before = record.read_text()
    record.write_text(before.replace("sha256=", "md5="))
    assert check(site)[0] == 1
    record.unlink()
    assert "has no RECORD" in check(site)[1]


def test_K06_a_file_that_two_packages_bring_is_the_later_ones(site: Path) -> None:
    other = site / "other-1.0.dist-info"
    other.mkdir()
    (other / "RECORD").write_text(f"leaf.py,{_recorded(b'LATER = 1')},9\n")
    assert check(site)[0] == 0
    (site / "leaf.py").write_bytes(b"LATER = 1")
    assert check(site)[0] == 0
    (site / "leaf.py").write_bytes(b"LATER = 2")
    assert check(site)[0] == 1


def test_K06_what_no_lock_names_is_named(site: Path, tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("leaf==1.0 --hash=sha256:00\n")
    assert check(site, lock) == (0, "")
    lock.write_text("leaf==1.1 --hash=sha256:00\n")
    status, said = check(site, lock)
    assert (status, "leaf 1.0 is installed, and no lock names it" in said) == (1, True)


def test_a_place_that_is_none_is_wrong_use(tmp_path: Path) -> None:
    assert check(tmp_path / "nowhere")[0] == 2
    assert check(tmp_path, tmp_path / "no.lock")[0] == 2


def test_K06_every_installation_is_from_a_lock_and_is_looked_at_afterwards() -> None:
    installs = re.compile(r"(?:pip install|pip sync|npm (?:ci|install|i)\b)(?!.*\|\|)")
    found = 0
    for script in sorted((ROOT / ".ci").iterdir()):
        if script.name == CHECK.name:
            continue
        for line in script.read_text().splitlines():
            if installs.search(line) and not line.lstrip().startswith(("#", "say ", "printf ")):
                found += 1
                assert "--require-hashes" in line or "npm ci" in line or line.rstrip().endswith("-e ."), line
    assert found >= 4
    setup = (ROOT / ".ci" / "setup").read_text()
    assert setup.index("pip install") < setup.index(".ci/check-installed") < setup.index('> "$stamp"')
