"""Checkouts of this project whose code a benchmark runs: this one or another one."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cli.errors import StackError
from cli.stack.data_directory import CONFIG_VARIABLE

_OTHERS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
"""Variables that can make an interpreter import modules of another checkout."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A version of the code and its interpreter.

    Attributes:
        root: the absolute path of the directory with the packages.
        python: the interpreter of its environment.
    """

    root: Path
    python: Path

    @classmethod
    def own(cls) -> "Checkout":
        """Return the checkout of this process."""
        return cls(Path(__file__).resolve().parents[2], Path(sys.executable))

    @classmethod
    def at(cls, folder: Path) -> "Checkout":
        """Return the checkout in a directory.

        Raises:
            StackError: the directory is not a checkout, or `make install` has not run there.
        """
        found = cls(folder.resolve(), folder.resolve() / ".venv" / "bin" / "python")
        if not (found.root / "cli" / "main.py").exists():
            raise StackError(f"{folder} is not a checkout of this project")
        if not found.python.exists():
            raise StackError(f"{folder} has no .venv: run `make install` there")
        return found

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of ``acoustid``. Its working directory must be `root`."""
        return [str(self.python), "-m", "cli.main", *arguments]

    def commit(self) -> str | None:
        """Return the hash of the commit, with ``-dirty`` if files differ from it.

        None if git is not installed, or the directory is not a git repository.
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
    """Return the environment without settings of AcoustID and without paths of a checkout."""
    own = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith("ACOUSTID_") and name not in _OTHERS
    }
    return {**own, CONFIG_VARIABLE: os.devnull}  # so no acoustid.conf is read
