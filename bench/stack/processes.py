"""The processes of a stack: their ids from ``run.json``, their CPU time and memory.

`cli.stack.run_state` reads only files of its own version. A benchmark compares stacks of different
versions, and needs few fields of the file.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import psutil

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.logs.log_pipes import WRITER_MODULE

API: Final = "api"
PARTS: Final = (
    "front_end",
    "nats_ingest",
    "lookup_workers",
    "import_workers",
    "postgres",
    "redis",
    "rest",
)
SUPERVISOR: Final = "supervisor"
LOG_WRITER: Final = "log-writer"

_PARTS_BY_ROLE: Final = {
    API: "front_end",
    "ingest-nats": "nats_ingest",
    "worker-submission": "import_workers",
    "worker-index": "import_workers",
    "postgres": "postgres",
    "valkey": "redis",
}
_MEGABYTE: Final = 1e6


@dataclass(frozen=True, slots=True)
class RunFile:
    """The processes of a stack.

    Attributes:
        supervisor: the pid of the supervisor.
        pids: the pids of the other processes, by their roles.
        api_port: the port of the API; None without an API.
        ready: whether the start is complete.
    """

    supervisor: int
    pids: Mapping[str, int]
    api_port: int | None
    ready: bool


def read_run_file(data: DataDir) -> RunFile | None:
    """Return the content of ``run.json``; None if it is missing or not readable."""
    try:
        found = json.loads(data.run.read_bytes())
        processes = {each["role"]: each for each in found["processes"]}
        return RunFile(
            supervisor=found["supervisor"]["pid"],
            pids={role: each["identity"]["pid"] for role, each in processes.items()},
            api_port=processes.get(API, {}).get("port"),
            ready=found["ready"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def part_of(role: str) -> str:
    """Return the part of the report in which a process is counted.

    ``rest`` is beat, Flower, the supervisor, the log writer, and roles that only another version
    has.
    """
    if role.startswith("worker-lookup"):
        return "lookup_workers"
    return _PARTS_BY_ROLE.get(role, "rest")


class Accounting:
    """Reads CPU time and memory of a stack's processes.

    Args:
        data: the data directory of a running stack.

    Raises:
        StackError: no stack runs there.
    """

    def __init__(self, data: DataDir) -> None:
        found = read_run_file(data)
        if found is None:
            raise StackError(f"no stack runs on {data.root}")
        pids = {**found.pids, SUPERVISOR: found.supervisor}
        self._roots = {role: psutil.Process(pid) for role, pid in pids.items()}
        if writer := _log_writer(found.supervisor):
            self._roots[LOG_WRITER] = writer

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds of each part since its start.

        Raises:
            StackError: a process of the stack has ended, so the sums would be wrong.
        """
        used = dict.fromkeys(PARTS, 0.0)
        for part, process in self._processes():
            used[part] += _cpu_seconds(process)
        return used

    def memory(self) -> dict[str, float]:
        """Return the memory of each part in MB. Shared pages are divided among the processes.

        Raises:
            StackError: a process of the stack has ended.
        """
        used = dict.fromkeys(PARTS, 0.0)
        for part, process in self._processes():
            used[part] += _bytes(process) / _MEGABYTE
        return {part: round(size, 1) for part, size in used.items()}

    def rss(self, part: str) -> list[float]:
        """Return the resident memory of each process of a part in MB, shared pages included."""
        return [
            round(process.memory_info().rss / _MEGABYTE, 1)
            for found, process in self._processes()
            if found == part
        ]

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        """Yield every process with its part, the children of a role before its main process."""
        for role, root in self._roots.items():
            if not root.is_running():
                raise StackError(f"{role} ended during the measurement: see its log")
            # The children of the supervisor are the other roles and the log writer.
            for child in root.children(recursive=True) if role != SUPERVISOR else ():
                yield part_of(role), child
            yield part_of(role), root


def per_request(
    before: Mapping[str, float], after: Mapping[str, float], requests: int
) -> dict[str, float]:
    """Return CPU ms per request by part, and their total."""
    used = {part: 1000 * (after[part] - before[part]) / max(1, requests) for part in PARTS}
    return {part: round(each, 3) for part, each in {**used, "total": sum(used.values())}.items()}


def _log_writer(supervisor: int) -> psutil.Process | None:
    """Return the log writer of a stack, which ``run.json`` does not list; None without one."""
    for child in psutil.Process(supervisor).children():
        with suppress(psutil.NoSuchProcess):
            if WRITER_MODULE in child.cmdline():
                return child
    return None


def _cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time of a process and of its children that have ended."""
    with suppress(psutil.NoSuchProcess):
        return float(sum(process.cpu_times()[:4]))
    return 0.0


def _bytes(process: psutil.Process) -> int:
    """Return the memory of a process: PSS if the system reports it, else RSS."""
    with suppress(psutil.NoSuchProcess):
        try:
            return int(process.memory_full_info().pss)
        except (psutil.AccessDenied, AttributeError):
            return int(process.memory_info().rss)
    return 0
