"""Runs commands of ``acoustid`` on a stack, and measures their time."""

import resource
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.stack.checkouts import Checkout, clean_environment
from bench.stack.processes import Accounting
from cli.errors import StackError
from cli.stack.data_directory import DataDir


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command.

    Attributes:
        started: the time of its start, in seconds since the epoch.
        ended: the time of its end.
        cpu_seconds: the CPU time of the command, and that of each part of the stack meanwhile.
    """

    started: float
    ended: float
    cpu_seconds: Mapping[str, float]

    @property
    def seconds(self) -> float:
        """The time that it took."""
        return self.ended - self.started

    def figures(self, count: int, noun: str) -> dict[str, Any]:
        """Return what it cost to handle a number of things."""
        return {
            noun: count,
            "seconds": round(self.seconds, 1),
            f"{noun}_per_second": round(count / self.seconds),
            "cpu_seconds": {part: round(each, 1) for part, each in self.cpu_seconds.items()},
        }


def run_command(data: DataDir, *arguments: str) -> Run:
    """Run a command of this checkout on a running stack.

    Raises:
        StackError: it failed; the text has its standard error.
    """
    own = Checkout.own()
    accounting = Accounting(data)
    before, children = accounting.cpu(), _children()
    started = time.time()
    ended = subprocess.run(
        own.command(*arguments, "--data-dir", str(data.root)),
        env=clean_environment(),
        cwd=own.root,
        capture_output=True,
        text=True,
        check=False,
    )
    stopped = time.time()
    if ended.returncode != 0:
        raise StackError(f"acoustid {arguments[0]} failed:\n{ended.stderr[-2000:]}")
    used = accounting.cpu()
    parts = {part: used[part] - before[part] for part in used}
    return Run(started, stopped, {"command": _children() - children, **parts})


def _children() -> float:
    """Return the CPU seconds of the children of this process that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
