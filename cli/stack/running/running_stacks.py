"""Finds the stacks that this user runs on this machine, for the text of an error.

No command uses a stack that was found in this way: it is only named.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from cli.errors import StackError
from cli.stack.data_directory import DEFAULT, DataDir
from cli.stack.run_state import RunState

_PROGRAMS: Final = frozenset({"acoustid", "cli.main"})
_OPTION: Final = "--data-dir"


def find_running_stacks() -> list[Path]:
    """Return the data directories of the stacks whose supervisors belong to this user."""
    return sorted(set(_running_stacks()))


def _running_stacks() -> Iterator[Path]:
    for process in psutil.process_iter():
        with suppress(
            psutil.Error, OSError, StackError
        ):  # it has ended, or belongs to another user
            if process.uids().real != os.getuid():
                continue
            words = process.cmdline()
            if not is_supervisor(words):
                continue
            data = DataDir.at(Path(process.cwd()) / data_directory_of(words))
            state = RunState.load(data)
            if state is not None and state.supervisor.pid == process.pid:
                yield data.root


def is_supervisor(words: Sequence[str]) -> bool:
    """Return whether a command line is one of `acoustid up`."""
    names = [Path(each).name for each in words[:3]]
    return "up" in words and not _PROGRAMS.isdisjoint(names)


def data_directory_of(words: Sequence[str]) -> Path:
    """Return the data directory that a command line of `acoustid up` names."""
    found = DEFAULT
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == _OPTION:
            found = Path(following)
        elif word.startswith(f"{_OPTION}="):
            found = Path(word.partition("=")[2])
    return found
