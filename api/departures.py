"""When batches of lookups leave: what waits, what is out, and who is likely to ask next."""

from collections.abc import Iterator
from typing import Final

from api.flight import Flight, Relay, Ticket
from api.turns import Turns

HELD: Final = 0.05
"""Seconds that what waits is held back, at most, for the requests that are being woken."""

BESIDE: Final = 0.025
"""Seconds that what waits is held back, at most, where a batch has just left."""


class Departures:
    """The timetable of a batcher; not safe among threads.

    While no batch is out, what waits leaves at once. Beside one that is out, a few requests would
    pay for a batch of their own, and have the one before them share the cores: they stay for a
    moment, unless half a batch has come. And who has just been answered is the likeliest to ask
    again, so while the requests of a batch are woken, what waits stays until a quarter as many have
    come: workers have nothing else to do.

    Args:
        size: lookups that a batch may carry.
        in_flight: batches that may be out.
        stalled_after: seconds after which a batch that is out no longer counts as such.
        lost_after: seconds after which a batch that is out is to be sent once more.
    """

    def __init__(
        self, size: int, in_flight: int, *, stalled_after: float, lost_after: float
    ) -> None:
        self._size = size
        self._in_flight = in_flight
        self._stalled_after = stalled_after
        self._lost_after = lost_after
        self._waiting = Turns()
        self._out: dict[str, Flight] = {}
        self._relays: dict[Relay, float] = {}  # until when each holds back what waits

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    @property
    def any_out(self) -> bool:
        """Whether a batch is out."""
        return bool(self._out)

    def tickets(self) -> Iterator[Ticket]:
        """Iterate over all requests that wait or are under way."""
        yield from self._waiting
        for flight in self._out.values():
            yield from flight.tickets

    def add(self, ticket: Ticket) -> None:
        """Let a request wait."""
        self._waiting.add(ticket)

    def remove(self, ticket: Ticket) -> None:
        """Let a request go that may wait here."""
        self._waiting.remove(ticket)

    def clear(self) -> None:
        """Forget all requests."""
        self._waiting.clear()
        self._out.clear()

    def is_time(self, now: float) -> bool:
        """Tell whether what waits may leave, by the monotonic clock."""
        fresh = self._fresh(now)
        if not self._waiting or len(fresh) >= self._in_flight:
            return False
        if self._waiting.lookups >= self._size / 2:
            return True
        if fresh and now < fresh[-1].sent + BESIDE:
            return False
        woken = sum(relay.size for relay, end in self._relays.items() if end > now)
        return len(self._waiting) >= woken // 4

    def take(self, now: float) -> Flight | None:
        """Return the next batch, which is out from now on, None where it is not its time."""
        if not self.is_time(now):
            return None
        flight = Flight(self._waiting.take(self._size), now)
        self._out[flight.id] = flight
        return flight

    def take_lost(self, now: float) -> Flight | None:
        """Return a batch to send once more; it keeps its id, so one answer counts."""
        for flight in self._out.values():
            if not flight.repeated and flight.sent <= now - self._lost_after:
                flight.repeated = True
                return flight
        return None

    def land(self, flight_id: str) -> Flight | None:
        """Return the batch that is no longer out, None where all who asked have gone."""
        return self._out.pop(flight_id, None)

    def drop_overdue(self, now: float) -> int:
        """Forget the batches that nobody waits for any more, and return how many."""
        overdue = [flight.id for flight in self._out.values() if flight.deadline < now]
        for flight_id in overdue:
            del self._out[flight_id]
        return len(overdue)

    def hold_for(self, relay: Relay, now: float) -> None:
        """Hold back what waits while a relay wakes its requests, but not for long."""
        self._relays[relay] = now + HELD

    def release(self, relay: Relay) -> None:
        """Hold nothing back for a relay any more."""
        self._relays.pop(relay, None)

    def until_next(self, now: float) -> float | None:
        """Return the seconds until something may be due unasked, None where nothing is out."""
        fresh = self._fresh(now)
        moments = [flight.sent + self._stalled_after for flight in fresh]
        moments += [
            flight.sent + self._lost_after for flight in self._out.values() if not flight.repeated
        ]
        held = list(self._relays.values())
        if 0 < len(fresh) < self._in_flight:
            held.append(fresh[-1].sent + BESIDE)
        moments += [end for end in held if end > now]
        return min(moments) - now if moments else None

    def _fresh(self, now: float) -> list[Flight]:
        return [f for f in self._out.values() if now - f.sent < self._stalled_after]
