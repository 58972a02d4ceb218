"""Memory and running time of the processes of a stack."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

from cli.stack.run_state import RunState

SUPERVISOR = "supervisor"
"""The name of the process of `acoustid up` in a status. It includes the log writer."""


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """A running process of a stack.

    Attributes:
        role: the name of its role or server.
        pid: its process id.
        port: the port on which it listens; None for no port.
        memory_bytes: its memory and that of its child processes, with its share of the pages that
            several processes use (PSS); None if it cannot be read.
        uptime_seconds: seconds since its start.
    """

    role: str
    pid: int
    port: int | None
    memory_bytes: int | None
    uptime_seconds: float


def process_statuses(state: RunState) -> list[ProcessStatus]:
    """Return the running processes of a stack: the supervisor, then those that it started."""
    living = [each for each in state.processes if each.identity.find()]
    found = [
        (SUPERVISOR, state.supervisor, None),
        *((each.role, each.identity, each.port) for each in living),
    ]
    memory = _memory_by_pid({identity.pid for _, identity, _ in found}, state.supervisor.pid)
    now = time.time()
    return [
        ProcessStatus(
            role,
            identity.pid,
            port,
            memory.get(identity.pid),
            round(max(0.0, now - identity.created), 1),
        )
        for role, identity, port in found
    ]


def _memory_by_pid(pids: set[int], supervisor: int) -> dict[int, int]:
    """Return the memory of each process and of its children, except the children in `pids`."""
    totals: dict[int, int] = {}
    try:
        root = psutil.Process(supervisor)
        processes = [root, *root.children(recursive=True)]
    except psutil.Error:
        return totals
    parents: dict[int, int] = {}
    for process in processes:
        with suppress(psutil.Error):
            parents[process.pid] = process.ppid()
    for process in processes:
        owner = _owner(process.pid, pids, parents)
        with suppress(psutil.Error):
            if owner is not None:
                totals[owner] = totals.get(owner, 0) + _memory(process)
    return totals


def _owner(pid: int, pids: set[int], parents: Mapping[int, int]) -> int | None:
    """Return the nearest of a process and its parents that is in `pids`."""
    current: int | None = pid
    while current is not None and current not in pids:
        current = parents.get(current)
    return current


def _memory(process: psutil.Process) -> int:
    """Return the PSS of a process; where the system has none, its unique memory."""
    found = process.memory_full_info()
    return int(getattr(found, "pss", 0) or found.uss)
