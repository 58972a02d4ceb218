"""The process in which a stage runs, as a text, and whether such a process has ended.

The text is stored with a run (`pipeline.catalog.ingest.attempts`). It has four parts: the name of
the worker, the processes that see each other, the process id, and the time at which the process
started. The kernel gives a process id again, but not with the same time.

=================================  ==============================================
the stored process is of           it has ended if
=================================  ==============================================
the same host and container        the kernel does not know it
the same worker, another start     always: a worker's name is unique
another host                       its worker has sent no heartbeat for 15 s
=================================  ==============================================
"""

import os
import socket
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

import psutil

_PROCESSES: Final = Path("/proc")


def describe(node: str, pid: int | None = None) -> str:
    """Return the text of a process; by default of this one.

    Args:
        node: the name of the worker, such as ``submission@host``.
        pid: the id of a process of this host.
    """
    pid = os.getpid() if pid is None else pid
    return f"{node} {_group()} {pid} {_started(pid)}"


def has_ended(process: str, node: str, alive: Callable[[], Collection[str]]) -> bool:
    """Return whether a process has ended, as far as this process knows.

    Args:
        process: a text of `describe`.
        node: the name of this worker.
        alive: returns the names of the workers that send heartbeats.
    """
    parts = process.split(" ")
    if len(parts) != len(describe(node).split(" ")):
        return True  # of another version
    its_node, group, pid, started = parts
    if group == _group():
        return _started(int(pid)) != started
    return its_node == node or its_node not in alive()


def _group() -> str:
    """Return an identity of the processes that see each other: of a start of a host, a container.

    See ``random(4)`` for ``boot_id`` and ``pid_namespaces(7)``.
    """
    if not _PROCESSES.exists():  # macOS
        return socket.gethostname()
    boot = (_PROCESSES / "sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{(_PROCESSES / 'self/ns/pid').stat().st_ino}"


def _started(pid: int) -> str:
    """Return when a process started, in clock ticks since the start of the host (``proc(5)``).

    The text is empty if there is no such process, or if it has ended and its parent not noticed it.
    """
    if not _PROCESSES.exists():  # macOS
        return _started_by_wall_clock(pid)
    try:
        text = (_PROCESSES / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    state, *others = text.rpartition(")")[2].split()
    return "" if state in {"Z", "X"} else others[18]


def _started_by_wall_clock(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.NoSuchProcess:
        return ""
