"""`make audit` and the hashes of lock files, without a network."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
AUDIT = ROOT / ".ci" / "audit.py"
PACKAGE = {"name": "tiny", "version": "1.0", "vulns": []}
BAD = {**PACKAGE, "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"], "description": ""}]}
SKIPPED = {"name": "tiny", "skip_reason": "not found"}


def audit(folder: Path, program: str | None) -> subprocess.CompletedProcess[str]:
    """Run the audit with a shell script in place of pip-audit, or without pip-audit."""
    folder.joinpath("bin").mkdir()
    if program is not None:
        script = folder / "bin" / "pip-audit"
        script.write_text(f"#!/bin/sh\n{program}\n")
        script.chmod(0o755)
    return subprocess.run(
        [sys.executable, AUDIT],
        env={"PATH": str(folder / "bin")},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def prints(*packages: object, status: int = 0) -> str:
    return f"echo '{json.dumps({'dependencies': packages, 'fixes': []})}'; exit {status}"


@pytest.mark.parametrize(
    ("program", "status", "text"),
    [
        (prints(PACKAGE), 0, "no known vulnerability"),
        (prints(PACKAGE, BAD, status=1), 1, "tiny 1.0: PYSEC-1, fixed in 1.1"),
        (prints(PACKAGE, SKIPPED), 2, "these packages were not compared: tiny"),
        (prints(), 2, "were not compared: all"),
        # The second lock file cannot be compared.
        (f"test -e $0.ran && exit 1; : > $0.ran; {prints(BAD, status=1)}", 1, "PYSEC-1"),
        ("echo ERROR: no route to host >&2; exit 1", 2, "could not reach the lists"),
        (None, 2, "pip-audit is not installed"),
    ],
    ids=["clean", "vulnerable", "skipped", "empty", "half", "unreachable", "missing"],
)
def test_the_exit_status_says_what_was_found(
    tmp_path: Path, program: str | None, status: int, text: str
) -> None:
    done = audit(tmp_path, program)
    assert done.returncode == status
    assert text in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_ci_does_not_need_the_network_of_an_audit() -> None:
    assert "audit" not in (ROOT / ".ci" / "run").read_text()


def wheel(folder: Path) -> str:
    """Build a package without code; return its SHA-256."""
    path = folder / "tiny-1.0-py3-none-any.whl"
    metadata = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
    tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {
        "tiny.py": "",
        "tiny-1.0.dist-info/METADATA": metadata,
        "tiny-1.0.dist-info/WHEEL": tag,
    }
    with zipfile.ZipFile(path, "w") as archive:
        record = ""
        for name, text in files.items():
            archive.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            record += f"{name},sha256={digest.decode().rstrip('=')},{len(text)}\n"
        archive.writestr("tiny-1.0.dist-info/RECORD", f"{record}tiny-1.0.dist-info/RECORD,,\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def install(folder: Path, lock: str, *, uv: bool) -> subprocess.CompletedProcess[str]:
    """Install a lock file by the command of the Makefile, from a folder instead of an index."""
    (folder / "some.lock").write_text(lock)
    offline = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "PIP_TARGET": str(folder / "target"),
        "PIP_NO_CACHE_DIR": "1",
        "UV_OFFLINE": "1",
        "UV_FIND_LINKS": str(folder),
        "UV_NO_CACHE": "1",
    }
    environ = {name: text for name, text in os.environ.items() if not name.startswith("MAKE")}
    venv = folder / "venv" if uv else Path(sys.prefix)
    rule = f"try: ; $(INSTALL_LOCK) {folder / 'some.lock'}"
    if uv:
        rule = f"try: ; $(CREATE) && $(INSTALL_LOCK) {folder / 'some.lock'}"
    return subprocess.run(
        [
            *("make", f"UV={'uv' if uv else ''}", f"PYTHON={sys.executable}", f"VENV={venv}"),
            *(f"--eval={rule}", "try"),
        ],
        cwd=ROOT,
        env={**environ, **offline},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    "uv",
    [
        pytest.param(
            True,
            id="uv",
            marks=pytest.mark.skipif(shutil.which("uv") is None, reason="needs uv"),
        ),
        pytest.param(False, id="pip"),
    ],
)
def test_a_download_with_another_hash_is_refused(tmp_path: Path, uv: bool) -> None:
    right = wheel(tmp_path)
    refused = install(tmp_path, f"tiny==1.0 --hash=sha256:{'0' * 64}\n", uv=uv)
    assert refused.returncode != 0
    assert "hash" in refused.stderr.lower()
    accepted = install(tmp_path, f"tiny==1.0 --hash=sha256:{right}\n", uv=uv)
    assert accepted.returncode == 0, accepted.stderr
    assert list(tmp_path.rglob("tiny.py"))
