"""The requests of the load, each with its time and outcome, and the judgement of them."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

DEADLINE: Final = 10.0
"""Seconds: `[api] lookup_timeout` and `submit_timeout`."""

GRACE: Final = 1.0
AFTERMATH: Final = 5.0
"""Seconds after a fault in which connections that it broke may still fail."""

RIGHT: Final = "right"
REFUSED: Final = "refused"
WRONG: Final = "wrong"
MISSING: Final = "missing"
STATUS: Final = "status"
CONNECTION: Final = "connection"


@dataclass(frozen=True, slots=True)
class Record:
    """A request.

    Attributes:
        kind: such as ``lookup``.
        begun: the time of its start, monotonic.
        seconds: its duration.
        outcome: `RIGHT`; `REFUSED` for an honest 503; `WRONG` for a wrong answer; `MISSING` for an
            answer without a known track; `STATUS` for another status; `CONNECTION` for no reply.
        detail: what was received, if it is not right.
    """

    kind: str
    begun: float
    seconds: float
    outcome: str
    detail: str = ""

    @property
    def ended(self) -> float:
        """The time of its end, monotonic."""
        return self.begun + self.seconds


@dataclass(frozen=True, slots=True)
class Window:
    """A fault in time, with what it allows.

    Attributes:
        kind: the kind of the fault.
        begun: monotonic.
        ended: monotonic; the end of the fault's effects.
        breaks_connections: whether requests may get no reply.
        stops_front_end: whether requests may exceed their deadline.
        hides_hits: whether answers may lack a known track.
    """

    kind: str
    begun: float
    ended: float
    breaks_connections: bool = False
    stops_front_end: bool = False
    hides_hits: bool = False

    def overlaps(self, record: Record) -> bool:
        """Return whether a request was under way during the fault or its aftermath."""
        return record.begun <= self.ended + AFTERMATH and record.ended >= self.begun


@dataclass
class Records:
    """All requests of a run. Thread-safe."""

    all: list[Record] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, record: Record) -> None:
        """Append a request that has ended."""
        with self._lock:
            self.all.append(record)

    def since(self, begun: float, kind: str) -> list[Record]:
        """Return the requests of a kind that began at or after a time, in the order of starts."""
        with self._lock:
            found = [each for each in self.all if each.kind == kind and each.begun >= begun]
        return sorted(found, key=lambda each: each.begun)

    def outcomes(self) -> Counter[str]:
        """Return the number of requests by kind and outcome."""
        with self._lock:
            return Counter(f"{each.kind} {each.outcome}" for each in self.all)


def failures(records: Sequence[Record], windows: Sequence[Window]) -> list[tuple[str, Record]]:
    """Return the requests that break the promise, each with the reason."""
    found = []
    for record in records:
        reason = _failure(record, [each for each in windows if each.overlaps(record)])
        if reason:
            found.append((reason, record))
    return found


def _failure(record: Record, windows: Sequence[Window]) -> str | None:
    def allowed(rule: Callable[[Window], bool]) -> bool:
        return any(rule(each) for each in windows)

    if record.outcome == WRONG:
        return "wrong answer"
    if record.outcome == STATUS:
        return "status"
    if record.outcome == MISSING and not allowed(lambda window: window.hides_hits):
        return "known track missing"
    if record.outcome == CONNECTION and not allowed(lambda window: window.breaks_connections):
        return "no reply"
    late = record.seconds > DEADLINE + GRACE
    if late and not allowed(lambda window: window.stops_front_end):
        return "over its deadline"
    return None
