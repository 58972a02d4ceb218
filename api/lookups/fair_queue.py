"""The pending requests: round robin among the clients, first in first out for each client."""

from collections import OrderedDict
from collections.abc import Iterator

from api.lookups.pending import PendingRequest


class FairQueue:
    """Pending requests by client; not safe among threads.

    A client with hundreds of pending requests gets one place in each round, as a client with a
    single one does. Adding and removing a request take constant time.

    Attributes:
        lookups: the number of lookups of all pending requests.
    """

    def __init__(self) -> None:
        # Both are ordered: unlike a dict, an OrderedDict finds its first key in constant time
        # after many others before it were deleted.
        self._clients: OrderedDict[str, OrderedDict[PendingRequest, None]] = OrderedDict()
        self._length = 0
        self.lookups = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[PendingRequest]:
        for requests in self._clients.values():
            yield from requests

    def add(self, request: PendingRequest) -> None:
        """Append a request to its client's."""
        self._clients.setdefault(request.client, OrderedDict())[request] = None
        self._length += 1
        self.lookups += len(request.lookups)

    def remove(self, request: PendingRequest) -> None:
        """Remove a request; nothing happens where it is not in the queue."""
        requests = self._clients.get(request.client)
        if requests is None or request not in requests:
            return
        del requests[request]
        if not requests:
            del self._clients[request.client]
        self._length -= 1
        self.lookups -= len(request.lookups)

    def take(self, most: int) -> list[PendingRequest]:
        """Remove and return the next requests for a batch.

        It ends at the first request that does not fit, so that a large one is not passed over for
        ever. The first request is taken however large it is.

        Args:
            most: lookups that the batch may have.
        """
        taken: list[PendingRequest] = []
        while self._clients:
            client, requests = next(iter(self._clients.items()))
            request = next(iter(requests))
            if taken and len(request.lookups) > most:
                break
            self.remove(request)
            if requests:
                self._clients.move_to_end(client)
            taken.append(request)
            most -= len(request.lookups)
        return taken

    def clear(self) -> None:
        """Remove all requests."""
        self._clients.clear()
        self._length = self.lookups = 0
