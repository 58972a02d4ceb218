"""Finds and installs the Debian packages of the system tests.

``python -m tests.system.packages`` installs the missing packages as root with apt-get. Without root
rights, apt-get or a network it prints which packages are missing; their tests are skipped.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

APT_TIMEOUT: Final = 600.0
"""Seconds for one call of apt-get."""

APT_OPTIONS: Final = ("-qq", "-o", "Acquire::Retries=1", "-o", "DPkg::Lock::Timeout=60")
SERVICE_POLICY: Final = Path("/usr/sbin/policy-rc.d")


@dataclass(frozen=True)
class Program:
    """A program of a Debian package.

    Attributes:
        name: the file name.
        package: the package that contains it.
        folders: the pattern of its directories in Debian, relative to the root directory.
    """

    name: str
    package: str
    folders: str

    def folder(self) -> Path | None:
        """Return the directory of the program; with several releases, that of the last one."""
        found = [
            each for each in Path("/").glob(self.folders) if os.access(each / self.name, os.X_OK)
        ]
        return max(found, default=None)


FPCALC: Final = Program("fpcalc", "libchromaprint-tools", "usr/bin")
OPENSSL: Final = Program("openssl", "openssl", "usr/bin")
POSTGRES: Final = Program("postgres", "postgresql", "usr/lib/postgresql/*/bin")
REDIS: Final = Program("redis-server", "redis-server", "usr/bin")
FAKETIME: Final = Program("faketime", "faketime", "usr/bin")
NATS_SERVER: Final = Program("nats-server", "nats-server", "usr/sbin")
PROGRAMS: Final = (FPCALC, OPENSSL, POSTGRES, REDIS, FAKETIME, NATS_SERVER)


def needs(program: Program) -> pytest.MarkDecorator:
    """Skip a test if a program is not installed."""
    reason = f"needs {program.name} of the Debian package {program.package}"
    return pytest.mark.skipif(program.folder() is None, reason=reason)


needs_root: Final = pytest.mark.skipif(os.geteuid() != 0, reason="needs root rights")


def missing() -> list[str]:
    """Return the packages whose programs are not installed."""
    return [each.package for each in PROGRAMS if each.folder() is None]


def install(packages: list[str]) -> str | None:
    """Install packages with apt-get. Return the reason of a failure, None after success."""
    if os.geteuid() != 0:
        return "this user is not root"
    if shutil.which("apt-get") is None:
        return "apt-get is not installed"
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    calls = (("update",), ("install", "--yes", "--no-install-recommends", *packages))
    with services_stay_stopped():
        for arguments in calls:
            try:
                subprocess.run(
                    ["apt-get", *APT_OPTIONS, *arguments],
                    check=True,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    timeout=APT_TIMEOUT,
                )
            except (OSError, subprocess.SubprocessError):
                return f"apt-get {arguments[0]} failed"
    return None


@contextmanager
def services_stay_stopped() -> Iterator[None]:
    """Prevent apt-get from starting the installed servers."""
    if SERVICE_POLICY.exists():
        yield
        return
    SERVICE_POLICY.write_text("#!/bin/sh\nexit 101\n")
    SERVICE_POLICY.chmod(0o755)
    try:
        yield
    finally:
        SERVICE_POLICY.unlink()


def main() -> None:
    """Install missing packages, and print those that cannot be installed."""
    wanted = missing()
    if not wanted:
        return
    sys.stdout.write(f"Installing {', '.join(wanted)}\n")
    problem = install(wanted)
    left_out = missing()
    if left_out:
        reason = problem or "apt-get did not install their programs"
        sys.stdout.write(f"Skipped: the tests that need {', '.join(left_out)}, because {reason}\n")


if __name__ == "__main__":
    main()
