"""The grade of a front end: ``ok``, ``degraded`` or ``error``, with one line per fault."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from api.health.judges import Judgement, State
from api.health.probe_runner import Outcome
from api.health.table import Check, Service


class Grade(StrEnum):
    """The grade of a front end."""

    OK = "ok"
    DEGRADED = "degraded"
    """A check failed, and the front end still serves requests."""
    ERROR = "error"
    """The front end serves none of the services of the path, or it is stopping."""


@dataclass(frozen=True, slots=True)
class Health:
    """The reply to a health check.

    Attributes:
        grade: the grade.
        checks: the state of each check.
        faults: a line for each fault, with the action.
    """

    grade: Grade
    checks: Mapping[str, State]
    faults: tuple[str, ...]

    @property
    def status(self) -> int:
        """The HTTP status."""
        return 503 if self.grade is Grade.ERROR else 200

    def body(self) -> dict[str, Any]:
        """Return the body of the reply. It is public and has no name of a host."""
        return {"status": self.grade, "checks": self.checks, "faults": self.faults}


STOPPING: Final = Health(
    Grade.ERROR, {}, ("this front end is stopping: send requests to another one",)
)
"""The health of a front end that is stopping."""


def grade(
    checks: Iterable[Check], outcomes: Mapping[str, Outcome], services: frozenset[Service]
) -> Health:
    """Return the health of a front end.

    Args:
        checks: the checks of the path.
        outcomes: the outcome of each of their probes.
        services: the services of the path. If none of them can be served, the grade is ``error``.
    """
    found = [(check, check.judge(outcomes[check.probe])) for check in checks]
    failed = {check.name: check for check, judgement in found if _failed(judgement)}
    broken = frozenset().union(*(check.needed_by for check in failed.values()))
    faults = tuple(
        judgement.line
        for check, judgement in found
        if _failed(judgement) and failed.keys().isdisjoint({check.part_of, judgement.part_of})
    )
    states = {check.name: judgement.state for check, judgement in found}
    if services <= broken:
        return Health(Grade.ERROR, states, faults)
    return Health(Grade.DEGRADED if failed else Grade.OK, states, faults)


def _failed(judgement: Judgement) -> bool:
    return judgement.state is State.FAILED
