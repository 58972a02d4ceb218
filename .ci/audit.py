"""Compares the packages of the lock files with lists of known vulnerabilities, by pip-audit.

| exit status | meaning |
|---|---|
| 0 | no package has a known vulnerability |
| 1 | some have; pip-audit lists them |
| 2 | not all was compared: pip-audit is missing, or its data cannot be reached |
"""

# ruff: noqa: INP001 - a program, not a module

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

LOCKS: Final = ("requirements.lock", "requirements-dev.lock")
PROGRAMS: Final = (("pip-audit",), ("uvx", "pip-audit"))
"""The commands of pip-audit. The first one that is installed is used."""

OPTIONS: Final = ("--require-hashes", "--disable-pip", "--progress-spinner", "off")
TIMEOUT: Final = 600.0

OK, VULNERABLE, NOT_COMPARED = range(3)


def main() -> int:
    """Compare all lock files; return the exit status."""
    found = [command for command in PROGRAMS if shutil.which(command[0])]
    if not found:
        sys.stderr.write(
            "No package was compared: pip-audit is not installed. "
            "Install it outside .venv, for example with `pipx install pip-audit`.\n"
        )
        return NOT_COMPARED
    results = {_audit([*found[0], *OPTIONS], lock) for lock in LOCKS}
    return VULNERABLE if VULNERABLE in results else max(results)


def _audit(command: list[str], lock: str) -> int:
    """Compare one lock file; return its exit status."""
    path = Path(__file__).parents[1] / lock
    try:
        done = subprocess.run(  # noqa: S603 - the program of PROGRAMS
            [*command, "--format", "json", "--requirement", str(path)],
            check=False,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        packages = json.loads(done.stdout)["dependencies"]
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        sys.stderr.write(
            f"{lock} was not compared: pip-audit could not reach the lists of vulnerabilities. "
            f"`{' '.join(command)} -r {lock}` prints the reason.\n"
        )
        return NOT_COMPARED
    skipped = [each["name"] for each in packages if "skip_reason" in each]
    vulnerable = [each for each in packages if each.get("vulns")]
    for each in vulnerable:
        for vulnerability in each["vulns"]:
            fixed = ", ".join(vulnerability.get("fix_versions") or ()) or "no release"
            sys.stdout.write(
                f"{each['name']} {each['version']}: {vulnerability['id']}, fixed in {fixed}\n"
            )
    if vulnerable:
        return VULNERABLE
    if skipped or not packages:
        names = ", ".join(skipped) or "all"
        sys.stderr.write(f"{lock}: these packages were not compared: {names}\n")
        return NOT_COMPARED
    sys.stdout.write(f"{lock}: {len(packages)} packages, no known vulnerability\n")
    return OK


if __name__ == "__main__":
    sys.exit(main())
