"""The numbers of an ingest process, for status, health and metrics."""

import threading
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class IngestNumbers:
    """The numbers at one time, since the start of the process.

    Attributes:
        received: messages that were delivered, redelivered ones included.
        accepted: submissions whose receipts were written.
        refused: dead letters.
        redelivered: messages that were delivered more than once.
        retried: messages that were given back to the server for a later delivery.
        pending: messages in the stream that no process has received; None if not known.
        unacknowledged: messages that processes hold, or that are delivered again later; None if not
            known.
        problem: why messages wait; empty without a problem.
    """

    received: int = 0
    accepted: int = 0
    refused: int = 0
    redelivered: int = 0
    retried: int = 0
    pending: int | None = None
    unacknowledged: int | None = None
    problem: str = ""


class IngestCounts:
    """Counts messages and submissions. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = IngestNumbers()

    def numbers(self) -> IngestNumbers:
        """Return all numbers at one time."""
        return self._numbers

    def add(
        self,
        *,
        received: int = 0,
        accepted: int = 0,
        refused: int = 0,
        redelivered: int = 0,
        retried: int = 0,
    ) -> None:
        """Add to the numbers."""
        with self._lock:
            now = self._numbers
            self._numbers = replace(
                now,
                received=now.received + received,
                accepted=now.accepted + accepted,
                refused=now.refused + refused,
                redelivered=now.redelivered + redelivered,
                retried=now.retried + retried,
            )

    def set_waiting(self, pending: int, unacknowledged: int | None) -> None:
        """Store the numbers of messages in the stream."""
        with self._lock:
            self._numbers = replace(self._numbers, pending=pending, unacknowledged=unacknowledged)

    def set_problem(self, problem: str) -> None:
        """Store why messages wait; an empty text if they do not."""
        with self._lock:
            self._numbers = replace(self._numbers, problem=problem)
