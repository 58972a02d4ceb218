"""The file ``run.json`` of a data directory: the processes that run on it now.

`acoustid status`, `acoustid down` and the next `acoustid up` read it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from cli.stack.data_directory import DataDir, write_private
from cli.stack.processes.stopping import TERM_THEN_KILL, WITHOUT_DRAINING, StopOrder, stop_processes
from cli.stack.processes.strays import ProcessIdentity, StrayProcess


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """A running process of a stack.

    Attributes:
        role: the name of its role or server.
        stage: its `StopOrder`.
        port: the port on which it listens; None for no port.
        host: the address on which it listens.
        identity: its pid and start time.
    """

    role: str
    stage: int
    port: int | None
    host: str
    identity: ProcessIdentity


@dataclass(frozen=True, slots=True)
class RunState:
    """A stack that runs now, or ran when its supervisor was killed.

    Attributes:
        supervisor: the process of `acoustid up`.
        processes: the processes that it started.
        ready: whether the start of the stack is complete.
        restarts: the number of completed restarts of the front end.
        restart_problem: the reason why the last restart failed; empty if it succeeded.
    """

    supervisor: ProcessIdentity
    processes: tuple[RunningProcess, ...] = ()
    ready: bool = False
    restarts: int = 0
    restart_problem: str = ""

    @classmethod
    def load(cls, data: DataDir) -> "RunState | None":
        """Read the file of a data directory; return None if it is missing or malformed."""
        try:
            found = json.loads(data.run.read_bytes())
            processes = tuple(
                RunningProcess(**{**each, "identity": ProcessIdentity(**each["identity"])})
                for each in found["processes"]
            )
            return cls(
                ProcessIdentity(**found["supervisor"]),
                processes,
                found["ready"],
                found.get("restarts", 0),
                found.get("restart_problem", ""),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def find(self, role: str) -> RunningProcess | None:
        """Return the process of a role; None if there is none."""
        return next((each for each in self.processes if each.role == role), None)

    def save(self, data: DataDir) -> None:
        """Replace the file atomically."""
        write_private(data.run, json.dumps(asdict(self), indent=1))


def stop_strays(processes: Sequence[RunningProcess]) -> list[str]:
    """Stop those processes that still run, in the order of `StopOrder`; return their roles."""
    found: list[tuple[RunningProcess, StrayProcess]] = []
    for each in processes:
        stray = each.identity.find()
        if stray:
            found.append((each, stray))
    for order in StopOrder:
        signals = WITHOUT_DRAINING if order is StopOrder.FRONT_END else TERM_THEN_KILL
        stop_processes([(stray, signals) for each, stray in found if each.stage == order])
    return [each.role for each, _ in found]
