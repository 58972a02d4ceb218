"""Finds the supervisor that runs on a data directory, or on the one that was at its path before.

The lock alone does not show it: the lock file may be deleted, and a directory that was moved has
taken its lock file with it.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from cli.errors import StackError
from cli.stack.data_directory import AlreadyRunningError, DataDir
from cli.stack.processes.strays import StrayProcess
from cli.stack.run_state import RunState
from cli.stack.running.running_stacks import data_directory_of, is_supervisor


def find_supervisor(data: DataDir, state: RunState | None) -> StrayProcess | None:
    """Return the running supervisor of a data directory.

    ``run.json`` names it, or the lock file if ``run.json`` is missing.

    Args:
        data: the data directory.
        state: its ``run.json``; None if that is missing.

    Returns:
        None if none runs, or if its pid is not known.

    Raises:
        StackError: the directory belongs to another user.
    """
    found = state.supervisor.find() if state else None
    if found and (data.is_locked() or _is_up(found.pid)):
        return found
    holder = data.lock_holder()
    if holder is None or not _is_up(holder) or not _has_open(holder, data.lock_file):
        return None
    with suppress(psutil.Error):
        return StrayProcess(psutil.Process(holder))
    return None


def require_no_supervisor(data: DataDir) -> None:
    """Check that no other supervisor uses the path of a data directory, which this process locked.

    Raises:
        AlreadyRunningError: the one of ``run.json`` runs; its lock file was deleted.
        StackError: the one of another directory runs, which was at this path before.
    """
    state = RunState.load(data)
    if state and state.supervisor.pid != os.getpid() and state.supervisor.find():
        raise AlreadyRunningError(data.already_running(state.supervisor.pid))
    for pid in _supervisors_on(data.root):
        raise StackError(
            f"processes of another data directory that was at {data.root} before still run: the "
            f"supervisor (pid {pid}). It stops within seconds; otherwise stop it with `acoustid "
            "down` on the directory to which it was moved"
        )


def _supervisors_on(root: Path) -> Iterator[int]:
    """Yield the pids of the other supervisors whose command line names a data directory.

    A process without children has not started a stack: it waits for the lock.
    """
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError, StackError):  # it ended, or belongs to another user
            words = process.cmdline()
            if not is_supervisor(words) or "--detach" in words or process.pid == os.getpid():
                continue
            folder = DataDir.at(Path(process.cwd()) / data_directory_of(words)).root
            if folder == root and _sees_our_files(process.pid) and process.children():
                yield process.pid


def _sees_our_files(pid: int) -> bool:
    """Return False for a process in a container, whose paths are those of other files."""
    try:
        return Path(f"/proc/{pid}/root").samefile("/")
    except OSError:  # not on Linux
        return True


def _is_up(pid: int) -> bool:
    with suppress(psutil.Error, OSError):
        return is_supervisor(psutil.Process(pid).cmdline())
    return False


def _has_open(pid: int, path: Path) -> bool:
    with suppress(psutil.Error, OSError):
        return any(each.path == str(path) for each in psutil.Process(pid).open_files())
    return False
