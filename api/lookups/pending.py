"""A pending request, and a batch of pending requests that is in flight."""

import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from api.http.errors import ApiError
from pipeline.messages import Lookup, LookupBatch

Answer = dict[str, Any]
"""``{"results": [...]}``, or ``{"error": reason}`` for a fingerprint that cannot be decoded."""


@dataclass(eq=False, slots=True)
class PendingRequest:
    """The lookups of one request, and the future that its thread waits for.

    Attributes:
        lookups: at least one.
        meta: the words of the request's ``meta`` parameter.
        deadline: when the request gives up, on the monotonic clock.
        client: id of the client; the fair queue takes clients in turn.
        trace_id: the request's, for the logs.
        future: resolves to one answer for each lookup, in their order, or to an `ApiError`.
    """

    lookups: Sequence[Lookup]
    meta: str
    deadline: float
    client: str = ""
    trace_id: str | None = None
    future: "Future[list[Answer]]" = field(default_factory=Future)


@dataclass(eq=False, slots=True)
class Batch:
    """The requests that one message carries.

    Attributes:
        sent: when it was first sent, on the monotonic clock.
        resent: whether it was sent a second time.
        id: of the message and of its reply; the second message has the same.
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
        """When the last request gives up, on the monotonic clock."""
        return max(request.deadline for request in self.requests)

    @property
    def trace_ids(self) -> list[str | None]:
        """The trace id of each request."""
        return [request.trace_id for request in self.requests]

    def message(self, reply_to: str) -> LookupBatch:
        """Return the message; set the number of its request in each lookup.

        Args:
            reply_to: key of the Redis list for the reply.
        """
        lookups: list[Lookup] = []
        for number, request in enumerate(self.requests):
            for lookup in request.lookups:
                lookup.request = number
                lookups.append(lookup)
        return LookupBatch(
            id=self.id,
            reply_to=reply_to,
            deadline=time.time() + self.deadline - time.monotonic(),
            metas=[request.meta for request in self.requests],
            lookups=lookups,
        )

    def resolve(self, answers: Sequence[Answer]) -> None:
        """Give every request its share of the answers, of which there are `size`."""
        start = 0
        for request in self.requests:
            end = start + len(request.lookups)
            request.future.set_result(list(answers[start:end]))
            start = end

    def fail(self, make_error: Callable[[], ApiError]) -> None:
        """Give every request an error object of its own."""
        for request in self.requests:
            request.future.set_exception(make_error())
