"""A queue of pending requests: round robin among clients, first in, first out for each client."""

from collections import OrderedDict
from collections.abc import Iterator

from api.lookups.pending import PendingRequest


class FairQueue:
    """The pending requests of each client. Not thread-safe.

    Each round takes one request of every client, even of a client with hundreds of requests.
    Adding and removing a request take constant time.

    Attributes:
        weight: sum of the weights of all pending requests.
    """

    def __init__(self) -> None:
        # In an OrderedDict the first key is found in constant time. In a dict it takes longer after
        # many keys have been deleted.
        self._clients: OrderedDict[str, OrderedDict[PendingRequest, None]] = OrderedDict()
        self._length = 0
        self.weight = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[PendingRequest]:
        for requests in self._clients.values():
            yield from requests

    def add(self, request: PendingRequest) -> None:
        """Append a request to those of its client."""
        self._clients.setdefault(request.client, OrderedDict())[request] = None
        self._length += 1
        self.weight += request.weight

    def remove(self, request: PendingRequest) -> bool:
        """Remove a request if it is in the queue; return whether it was."""
        requests = self._clients.get(request.client)
        if requests is None or request not in requests:
            return False
        del requests[request]
        if not requests:
            del self._clients[request.client]
        self._length -= 1
        self.weight -= request.weight
        return True

    def take(self, max_weight: int) -> list[PendingRequest]:
        """Remove and return the requests of the next batch.

        The batch ends before the first request that does not fit. No later request takes its place,
        so a large request does not wait forever. The first request is taken even if it is too
        large.

        Args:
            max_weight: maximum sum of the weights in the batch.
        """
        taken: list[PendingRequest] = []
        while self._clients:
            client, requests = next(iter(self._clients.items()))
            request = next(iter(requests))
            if taken and request.weight > max_weight:
                break
            self.remove(request)
            if requests:
                self._clients.move_to_end(client)
            taken.append(request)
            max_weight -= request.weight
        return taken

    def clear(self) -> None:
        """Remove all requests."""
        self._clients.clear()
        self._length = self.weight = 0
