"""The classes of a pending request and of a batch of pending requests."""

import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final

from api.http.errors import ApiError
from pipeline.messages import Lookup, LookupBatch

Answer = dict[str, Any]
"""``{"results": [...]}``, or ``{"error": reason}`` for a fingerprint that cannot be decoded.

See `pipeline.messages.LookupReply` for the field ``partial``.
"""


_EXCERPT: Final = 4  # an excerpt takes about as long as so many ordinary lookups
_PART: Final = 2048  # bytes of a compressed fingerprint, 80 s of audio or more


def lookup_weight(lookup: Lookup) -> int:
    """Return for how many ordinary lookups a lookup counts in a batch.

    A search of the sketch index takes longer, in proportion to the length of the fingerprint, and
    delays all lookups of its batch and of those behind it in the queue. The public algorithm uses
    the first 120 s only.
    """
    if not (lookup.excerpt or lookup.second_chance):
        return 1
    return (_EXCERPT if lookup.excerpt else 1) + len(lookup.fingerprint) // _PART


@dataclass(eq=False, slots=True)
class PendingRequest:
    """The lookups of one request, and the future that its thread waits for.

    Attributes:
        lookups: the lookups, at least one.
        meta: the words of the request's ``meta`` parameter.
        deadline: time at which the request times out, on the monotonic clock.
        client: the id of the client in the fair queue.
        trace_id: the trace id of the request, for the logs.
        attempt: the number of its attempt to use Redis, see `RedisCircuitBreaker.attempt`.
        future: resolves to one answer for each lookup, in their order, or to an `ApiError`.
        weight: the sum of the weights of its lookups.
    """

    lookups: Sequence[Lookup]
    meta: str
    deadline: float
    client: str = ""
    trace_id: str | None = None
    attempt: int = 0
    future: "Future[list[Answer]]" = field(default_factory=Future)
    weight: int = field(init=False)

    def __post_init__(self) -> None:
        """Compute the weight."""
        self.weight = sum(map(lookup_weight, self.lookups))


@dataclass(eq=False, slots=True)
class Batch:
    """The requests of one message to the workers.

    Attributes:
        requests: the requests.
        sent: time at which the batch was first sent, on the monotonic clock.
        resent: whether the batch was sent a second time.
        id: the id of the message and of its reply. The second message has the same id.
    """

    requests: list[PendingRequest]
    sent: float
    resent: bool = False
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def size(self) -> int:
        """The number of lookups."""
        return sum(len(request.lookups) for request in self.requests)

    @property
    def deadline(self) -> float:
        """Time at which the last request times out, on the monotonic clock."""
        return max(request.deadline for request in self.requests)

    @property
    def attempt(self) -> int:
        """The number of the last attempt to use Redis among those of the requests."""
        return max(request.attempt for request in self.requests)

    @property
    def trace_ids(self) -> list[str | None]:
        """The trace id of each request."""
        return [request.trace_id for request in self.requests]

    def message(self, reply_to: str, now: float) -> LookupBatch:
        """Return the message, and set the number of the request in each lookup.

        Args:
            reply_to: the key of the Redis list for the reply.
            now: the clock of Redis, in seconds since the epoch.
        """
        lookups: list[Lookup] = []
        for number, request in enumerate(self.requests):
            for lookup in request.lookups:
                lookup.request = number
                lookups.append(lookup)
        return LookupBatch(
            id=self.id,
            reply_to=reply_to,
            deadline=now + self.deadline - time.monotonic(),
            metas=[request.meta for request in self.requests],
            lookups=lookups,
        )

    def resolve(self, answers: Sequence[Answer]) -> None:
        """Resolve the future of each request to its answers.

        Args:
            answers: the answers to all lookups of the batch, in their order.
        """
        start = 0
        for request in self.requests:
            end = start + len(request.lookups)
            request.future.set_result(list(answers[start:end]))
            start = end

    def fail(self, make_error: Callable[[], ApiError]) -> None:
        """Fail the future of each request with an error of its own."""
        for request in self.requests:
            request.future.set_exception(make_error())
