"""What the processes of a stack cost: CPU time and memory, by the part that they play."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

import psutil

from bench.stack.run_file import API, read_run_file
from cli.errors import StackError
from cli.stack.data_directory import DataDir

PARTS: Final = ("front_end", "lookup_workers", "import_workers", "postgres", "redis", "rest")
SUPERVISOR: Final = "supervisor"

_PARTS_BY_ROLE: Final = {
    API: "front_end",
    "worker-submission": "import_workers",
    "worker-index": "import_workers",
    "postgres": "postgres",
    "valkey": "redis",
}
_MEGABYTE: Final = 1e6


def part_of(role: str) -> str:
    """Return the part that a process of the stack plays.

    ``rest`` is beat, Flower, the supervisor, and what another version may run beside them.
    """
    if role.startswith("worker-lookup"):
        return "lookup_workers"
    return _PARTS_BY_ROLE.get(role, "rest")


class Accounting:
    """Reads the clocks of a stack's processes.

    Args:
        data: of a stack that runs.

    Raises:
        StackError: none runs there.
    """

    def __init__(self, data: DataDir) -> None:
        found = read_run_file(data)
        if found is None:
            raise StackError(f"no stack runs on {data.root}")
        pids = {**found.pids, SUPERVISOR: found.supervisor}
        self._roots = {role: psutil.Process(pid) for role, pid in pids.items()}

    def cpu(self) -> dict[str, float]:
        """Return the seconds of CPU that each part has used since it was started.

        Raises:
            StackError: a process of the stack has ended, so that the sums would be wrong.
        """
        used = dict.fromkeys(PARTS, 0.0)
        for part, process in self._processes():
            used[part] += _cpu_seconds(process)
        return used

    def memory(self) -> dict[str, float]:
        """Return the memory of each part in MB; what processes share is divided among them.

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
        """Yield every process with its part: each role's own one last, after its children."""
        for role, root in self._roots.items():
            if not root.is_running():
                raise StackError(f"{role} has ended while it was measured: see its log")
            # The supervisor's children are the other roles.
            for child in root.children(recursive=True) if role != SUPERVISOR else ():
                yield part_of(role), child
            yield part_of(role), root


def per_request(
    before: Mapping[str, float], after: Mapping[str, float], requests: int
) -> dict[str, float]:
    """Return ms of CPU per request by part, and their total."""
    used = {part: 1000 * (after[part] - before[part]) / max(1, requests) for part in PARTS}
    return {part: round(each, 3) for part, each in {**used, "total": sum(used.values())}.items()}


def _cpu_seconds(process: psutil.Process) -> float:
    """Return what a process has used, those of its children that have ended included."""
    with suppress(psutil.NoSuchProcess):
        return float(sum(process.cpu_times()[:4]))
    return 0.0


def _bytes(process: psutil.Process) -> int:
    """Return a process's share of the memory: PSS where the system tells it, else RSS."""
    with suppress(psutil.NoSuchProcess):
        try:
            return int(process.memory_full_info().pss)
        except (psutil.AccessDenied, AttributeError):
            return int(process.memory_info().rss)
    return 0
