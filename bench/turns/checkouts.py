"""Checkouts of this project whose stacks a benchmark runs: this one, or another one beside it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cli.errors import StackError
from cli.stack.effective_settings import CONFIG_VARIABLE

_OTHERS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
"""Variables that would make one checkout's interpreter import what belongs to another one."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """The code of one version, and an interpreter with what it needs.

    Attributes:
        root: the directory that holds the packages, absolute.
        python: the interpreter.
    """

    root: Path
    python: Path

    @classmethod
    def own(cls) -> "Checkout":
        """Return the checkout of this very process."""
        return cls(Path(__file__).resolve().parents[2], Path(sys.executable))

    @classmethod
    def at(cls, folder: Path) -> "Checkout":
        """Return the checkout in a directory.

        Raises:
            StackError: the directory holds none, or `make install` has not run there.
        """
        found = cls(folder.resolve(), folder.resolve() / ".venv" / "bin" / "python")
        if not (found.root / "cli" / "main.py").exists():
            raise StackError(f"{folder} is no checkout of this project")
        if not found.python.exists():
            raise StackError(f"{folder} has no .venv: run `make install` there")
        return found

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of ``acoustid``; it has to run in `root`."""
        return [str(self.python), "-m", "cli.main", *arguments]

    def commit(self) -> str | None:
        """Return the hash of the commit, with ``-dirty`` if files differ from it.

        None if git is not installed, or the directory is not under its control.
        """
        head = self._git("rev-parse", "HEAD")
        if head is None:
            return None
        return f"{head}-dirty" if self._git("status", "--porcelain") else head

    def _git(self, *arguments: str) -> str | None:
        command = ["git", "-C", str(self.root), *arguments]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return ended.stdout.strip()


def clean_environment() -> dict[str, str]:
    """Return the environment without settings of the user's, and without paths of a checkout's."""
    own = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith("ACOUSTID_") and name not in _OTHERS
    }
    return {**own, CONFIG_VARIABLE: os.devnull}  # nor is an acoustid.conf read
