"""A batch of lookups under way: whose they are, and how the answers are shared out.

The requests of a batch are woken a few at a time, each by one before it: a hundred threads that are
woken at once only stand in each other's way, since one at a time can run.
"""

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from api.errors import ApiError, ServiceUnavailableError
from api.latch import Latch
from pipeline.stages.messages import Lookup, LookupBatch

ABREAST: Final = 4
"""Requests of a batch that are on their way to wake up at a time.

One alone waits for its turn among the requests that arrive, and so does the one after it.
"""

Answer = dict[str, Any]


@dataclass(eq=False, slots=True)
class Ticket:
    """What one request asks, and in the end its answers or the error.

    Attributes:
        deadline: when the request gives up, on the monotonic clock.
        client: whose request it is; where many wait, clients take turns.
        done: opened once there are answers or an error.
        left: whether the request has stopped waiting.
        relay: which has this one and wakes the next.
    """

    lookups: Sequence[Lookup]
    meta: str
    deadline: float
    trace_id: str | None
    client: str = ""
    done: Latch = field(default_factory=Latch)
    answers: list[Answer] = field(default_factory=list)
    error: ApiError | None = None
    left: bool = False
    relay: "Relay | None" = None

    def wait(self, timeout: float) -> None:
        """Wait until there are answers or an error; having waited in vain is one.

        Args:
            timeout: seconds.
        """
        done = self.done.wait(timeout)
        self.left = True
        if not (done or self.done.wait(0)):  # opened before it was seen to have left
            self.error = ServiceUnavailableError()
        elif self.relay is not None:
            self.relay.wake_next()

    def fail(self, error: ApiError) -> None:
        """Wake the request with an error."""
        self.error = error
        self.done.open()


class Relay:
    """Wakes tickets a few at a time.

    Attributes:
        size: how many tickets.

    Args:
        tickets: to wake.
        ended: called, perhaps more than once, when all are awake or have left.
    """

    def __init__(self, tickets: Iterable[Ticket], ended: Callable[["Relay"], None]) -> None:
        self._tickets = deque(tickets)
        self.size = len(self._tickets)
        self._ended = ended

    def start(self) -> None:
        """Wake the first tickets, each of which will wake another."""
        for _ in range(min(ABREAST, self.size)):
            self.wake_next()

    def wake_next(self) -> None:
        """Wake the first ticket whose request still waits; it will wake another."""
        try:
            while True:
                ticket = self._tickets.popleft()
                ticket.done.open()
                if not ticket.left:
                    return
        except IndexError:
            self._ended(self)


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
        """Return the message; each lookup learns which request it belongs to.

        Args:
            reply_to: list of this front end.
        """
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

    def settle(self, answers: list[Answer], ended: Callable[[Relay], None]) -> Relay:
        """Give each request its share of the answers, which are as many as lookups.

        Returns:
            What wakes the requests, once its `Relay.start` is called.
        """
        start = 0
        relay = Relay(self.tickets, ended)
        for ticket in self.tickets:
            ticket.answers = answers[start : start + len(ticket.lookups)]
            ticket.relay = relay
            start += len(ticket.lookups)
        return relay

    def fail(self, error: ApiError) -> None:
        """Give every request the same error."""
        for ticket in self.tickets:
            ticket.fail(error)
