"""`make test-system` installs missing packages, and prints the packages that it cannot install."""

import os
from pathlib import Path

import pytest

from tests.system import packages
from tests.system.packages import Program

UNKNOWN = Program("no-such-program", "no-such-package", "usr/bin")


@pytest.fixture(autouse=True)
def one_missing_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(packages, "PROGRAMS", (UNKNOWN,))
    monkeypatch.setattr(packages, "SERVICE_POLICY", tmp_path / "policy-rc.d")


def fake_apt_get(folder: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> Path:
    """Put an apt-get first on the PATH. It writes its arguments to the returned file."""
    log = folder / "log"
    program = folder / "apt-get"
    policy = folder / "policy-rc.d"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {log}\ntest -x {policy} || exit 9\nexit {status}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return log


def test_without_root_rights_the_missing_packages_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    packages.main()
    skipped = "Skipped: the tests that need no-such-package, because this user is not root\n"
    assert capsys.readouterr().out.endswith(skipped)


def test_a_failure_of_apt_get_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_apt_get(tmp_path, monkeypatch, status=100)
    packages.main()
    assert capsys.readouterr().out.endswith("no-such-package, because apt-get update failed\n")


def test_missing_packages_are_installed_without_their_services(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = fake_apt_get(tmp_path, monkeypatch, status=0)
    packages.main()
    update, install = log.read_text().splitlines()
    assert update.endswith("update")
    assert install.endswith("install --yes --no-install-recommends no-such-package")
    assert not packages.SERVICE_POLICY.exists()


def test_without_missing_packages_apt_get_is_not_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "PROGRAMS", ())
    log = fake_apt_get(tmp_path, monkeypatch, status=0)
    packages.main()
    assert not log.exists()
