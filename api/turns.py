"""Who travels next: requests that wait, taken in turns among the clients that sent them."""

from collections import OrderedDict, deque
from collections.abc import Iterator

from api.flight import Ticket


class Turns:
    """Waiting tickets by client, each client's in their order; not safe among threads.

    While all that waits fits into a batch, this is a plain queue. When it doesn't, a client with
    hundreds of tickets gets one place in each round, as one with a single ticket does.

    Attributes:
        lookups: that the waiting tickets have.
    """

    def __init__(self) -> None:
        self._clients: OrderedDict[str, deque[Ticket]] = OrderedDict()
        self._count = 0
        self.lookups = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Ticket]:
        for tickets in self._clients.values():
            yield from tickets

    def add(self, ticket: Ticket) -> None:
        """Let a ticket wait behind its client's others."""
        self._clients.setdefault(ticket.client, deque()).append(ticket)
        self._count += 1
        self.lookups += len(ticket.lookups)

    def remove(self, ticket: Ticket) -> None:
        """Let a ticket go that may wait here."""
        tickets = self._clients.get(ticket.client, ())
        if ticket in tickets:
            self._drop(ticket)

    def clear(self) -> None:
        """Let all tickets go."""
        self._clients.clear()
        self._count = 0
        self.lookups = 0

    def take(self, room: int) -> list[Ticket]:
        """Take tickets in turns for a batch.

        A client whose next ticket no longer fits ends the taking, so that none waits for ever.

        Args:
            room: lookups that the batch may carry; the first ticket may have more.
        """
        taken: list[Ticket] = []
        while self._clients:
            client, tickets = next(iter(self._clients.items()))
            if taken and len(tickets[0].lookups) > room:
                break
            ticket = tickets[0]
            self._drop(ticket)
            if tickets:
                self._clients.move_to_end(client)
            taken.append(ticket)
            room -= len(ticket.lookups)
        return taken

    def _drop(self, ticket: Ticket) -> None:
        tickets = self._clients[ticket.client]
        tickets.remove(ticket)
        if not tickets:
            del self._clients[ticket.client]
        self._count -= 1
        self.lookups -= len(ticket.lookups)
