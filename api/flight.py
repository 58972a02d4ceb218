"""A batch of lookups under way: whose they are, and how the answers are shared out."""

import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from api.errors import ApiError
from pipeline.stages.messages import Lookup, LookupBatch

Answer = dict[str, Any]


@dataclass(eq=False, slots=True)
class Ticket:
    """What one request asks, and in the end its answers or the error.

    Attributes:
        deadline: when the request gives up, on the monotonic clock.
        client: whose request it is; where many wait, clients take turns.
        done: set once there are answers or an error.
    """

    lookups: Sequence[Lookup]
    meta: str
    deadline: float
    trace_id: str | None
    client: str = ""
    done: threading.Event = field(default_factory=threading.Event)
    answers: list[Answer] = field(default_factory=list)
    error: ApiError | None = None

    def succeed(self, answers: list[Answer]) -> None:
        """Wake the request with its answers."""
        self.answers = answers
        self.done.set()

    def fail(self, error: ApiError) -> None:
        """Wake the request with an error."""
        self.error = error
        self.done.set()


@dataclass(eq=False, slots=True)
class Flight:
    """The tickets of one batch.

    Attributes:
        sent: when it was sent first, on the monotonic clock.
        repeated: whether it was sent once more.
    """

    tickets: list[Ticket]
    sent: float
    repeated: bool = False
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def size(self) -> int:
        """How many lookups it carries."""
        return sum(len(ticket.lookups) for ticket in self.tickets)

    @property
    def deadline(self) -> float:
        """When the last request gives up, on the monotonic clock."""
        return max(ticket.deadline for ticket in self.tickets)

    @property
    def trace_ids(self) -> list[str | None]:
        """The trace id of each request."""
        return [ticket.trace_id for ticket in self.tickets]

    def batch(self, reply_to: str) -> LookupBatch:
        """Return the message; each lookup learns which request it belongs to."""
        lookups: list[Lookup] = []
        for request, ticket in enumerate(self.tickets):
            for lookup in ticket.lookups:
                lookup.request = request
                lookups.append(lookup)
        return LookupBatch(
            id=self.id,
            reply_to=reply_to,
            deadline=time.time() + self.deadline - time.monotonic(),
            metas=[ticket.meta for ticket in self.tickets],
            lookups=lookups,
        )

    def settle(self, answers: list[Answer]) -> None:
        """Give each request its share of the answers, which are as many as lookups."""
        start = 0
        for ticket in self.tickets:
            ticket.succeed(answers[start : start + len(ticket.lookups)])
            start += len(ticket.lookups)

    def fail(self, error: ApiError) -> None:
        """Give every request the same error."""
        for ticket in self.tickets:
            ticket.fail(error)
