"""What runs on a data directory now: ``run.json``, for `status`, `down` and the next `up`."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from cli.stack.data_directory import DataDir, write_private
from cli.stack.processes import Identity, Stray
from cli.stack.roles import Stage
from cli.stack.stopping import POLITE, end_together


@dataclass(frozen=True, slots=True)
class Running:
    """One process of a stack.

    Attributes:
        stage: its place in the order of ending.
        port: where it listens, None for nowhere.
        host: the address on which it does.
    """

    role: str
    stage: int
    port: int | None
    host: str
    identity: Identity


@dataclass(frozen=True, slots=True)
class RunState:
    """A stack that runs, or one that a crash left behind.

    Attributes:
        supervisor: the process that looks after the others.
        ready: whether the stack has been ready to answer.
        restarts: how often somebody asked for a new front end, as far as that is decided.
        restart_problem: why the last one did not come, empty where it did.
    """

    supervisor: Identity
    processes: tuple[Running, ...] = ()
    ready: bool = False
    restarts: int = 0
    restart_problem: str = ""

    @classmethod
    def load(cls, data: DataDir) -> "RunState | None":
        """Return what a data directory last knew; None if nothing (readable)."""
        try:
            found = json.loads(data.run.read_bytes())
            processes = tuple(
                Running(**{**each, "identity": Identity(**each["identity"])})
                for each in found["processes"]
            )
            return cls(
                Identity(**found["supervisor"]),
                processes,
                found["ready"],
                found.get("restarts", 0),
                found.get("restart_problem", ""),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def find(self, role: str) -> Running | None:
        """Return the process of a role."""
        return next((each for each in self.processes if each.role == role), None)

    def save(self, data: DataDir) -> None:
        """Replace the file at once."""
        write_private(data.run, json.dumps(asdict(self), indent=1))


def end_strays(processes: Sequence[Running]) -> list[str]:
    """End what still runs of these, in the stack's order; return the roles."""
    found: list[tuple[Running, Stray]] = []
    for each in processes:
        stray = each.identity.find()
        if stray:
            found.append((each, stray))
    for stage in Stage:
        end_together([(stray, POLITE) for each, stray in found if each.stage == stage])
    return [each.role for each, _ in found]
