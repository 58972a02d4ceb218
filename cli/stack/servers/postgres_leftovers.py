"""Removes what a killed PostgreSQL has left: processes, its pid file, files with a password."""

from collections.abc import Callable, Iterator
from pathlib import Path
from signal import Signals
from typing import Final

import psutil

from cli.stack.processes.stopping import Escalation, stop_processes
from cli.stack.processes.strays import StrayProcess
from cli.stack.processes.waiting import wait_until
from cli.stack.servers.postgres_pid_file import PID_FILE, postmaster_pid

_PROGRAMS: Final = frozenset({"postgres", "initdb"})

_OWN_END: Final = 3.0
"""Seconds within which a server process ends by itself after the end of its postmaster."""

_ESCALATION: Final[Escalation] = (
    (Signals.SIGQUIT, 2.0),
    (Signals.SIGKILL, 5.0),
)


def stop_orphans(data: Path, report: Callable[[str], None]) -> None:
    """Wait until no server process uses the data directory; stop those that do not end.

    After the end of the postmaster, its children end by themselves. The next start is refused while
    one of them runs.

    Args:
        data: PostgreSQL's data directory. Its postmaster does not run.
        report: called with a line of text if processes are stopped.

    Raises:
        ProcessError: a process belongs to another user.
    """
    if not (data / PID_FILE).exists():
        return
    orphans = list(_server_processes(data))
    if wait_until(lambda: not any(each.runs() for each in orphans), _OWN_END):
        return
    left = [each for each in orphans if each.runs()]
    report(f"postgres: stopping {len(left)} processes of a server that was killed")
    stop_processes([(each, _ESCALATION) for each in left])


def kill_creation(folder: Path) -> None:
    """Kill the programs that a killed start has left, and that still fill a new data directory.

    Args:
        folder: the new data directory. It is deleted afterwards.

    Raises:
        ProcessError: a process belongs to another user.
    """
    stop_processes([(each, ((Signals.SIGKILL, 5.0),)) for each in _server_processes(folder)])


def remove_stale_pid_file(data: Path, report: Callable[[str], None]) -> None:
    """Remove the pid file if its pid belongs to another program now.

    PostgreSQL refuses to start while any process of the same user has this pid. It removes the file
    itself if no process has it.

    Args:
        data: PostgreSQL's data directory. No server process uses it.
        report: called with a line of text if the file is removed.
    """
    path = data / PID_FILE
    if not path.exists():
        return
    pid = postmaster_pid(data)
    if pid is None:
        _remove(path, "has no possible pid", report)
    elif psutil.pid_exists(pid):
        _remove(path, f"names process {pid}, which is no server of this directory", report)


def delete_password_files(base: Path) -> None:
    """Delete the files with the superuser's password that a killed start of an old version left.

    Args:
        base: the parent of PostgreSQL's data directory.
    """
    for path in base.glob(".password-*"):
        path.unlink(missing_ok=True)


def _remove(path: Path, problem: str, report: Callable[[str], None]) -> None:
    path.unlink(missing_ok=True)
    report(f"postgres: removed {path}: it {problem}")


def _server_processes(folder: Path) -> Iterator[StrayProcess]:
    """Yield the processes of PostgreSQL whose argument or working directory is a folder."""
    for process in psutil.process_iter(["name", "cwd", "cmdline"]):
        found = process.info
        if found["name"] in _PROGRAMS and str(folder) in (found["cwd"], *(found["cmdline"] or ())):
            yield StrayProcess(process)
