"""When a batch of lookups leaves, by a clock of the test's own."""

import pytest

from api.departures import BESIDE, HELD, Departures
from api.flight import Flight, Relay, Ticket
from pipeline.stages.messages import Lookup

NEVER = 1e9


def ticket(lookups: int = 1, deadline: float = NEVER) -> Ticket:
    return Ticket([Lookup(request=0)] * lookups, "", deadline, None)


def relay(size: int) -> Relay:
    return Relay([ticket() for _ in range(size)], lambda _: None)


@pytest.fixture
def make():
    def departures(size: int = 10, in_flight: int = 2) -> Departures:
        return Departures(size, in_flight, stalled_after=1, lost_after=2)

    return departures


def arrive(departures: Departures, count: int) -> None:
    for _ in range(count):
        departures.add(ticket())


def leave(departures: Departures, now: float = 0) -> Flight:
    flight = departures.take(now)
    assert flight is not None
    return flight


def test_who_comes_first_leaves_at_once(make) -> None:
    departures = make()
    assert departures.take(0) is None
    arrive(departures, 1)
    assert leave(departures).size == 1
    assert departures.waiting == 0
    assert departures.any_out


def test_who_comes_while_enough_are_out_waits_for_one_to_land(make) -> None:
    departures = make(in_flight=1)
    arrive(departures, 1)
    out = leave(departures)
    arrive(departures, 3)
    assert departures.take(0) is None
    assert departures.land(out.id) is out
    assert leave(departures).size == 3


def test_beside_a_batch_that_has_just_left_half_a_batch_leaves(make) -> None:
    departures = make(size=10)
    arrive(departures, 1)
    leave(departures)
    arrive(departures, 1)
    departures.add(ticket(lookups=3))
    assert departures.take(0) is None
    arrive(departures, 1)
    assert leave(departures).size == 5


def test_beside_a_batch_that_has_just_left_nobody_waits_for_long(make) -> None:
    departures = make(in_flight=3)
    for now in (0, BESIDE):
        arrive(departures, 1)
        leave(departures, now)
        arrive(departures, 1)
        assert departures.until_next(now) == BESIDE
        assert departures.take(now + 0.99 * BESIDE) is None
    assert leave(departures, 2 * BESIDE).size == 1


def test_those_who_wait_beside_a_batch_leave_when_it_lands(make) -> None:
    departures = make()
    arrive(departures, 1)
    out = leave(departures)
    arrive(departures, 1)
    assert departures.take(0) is None
    departures.land(out.id)
    assert leave(departures).size == 1


def test_what_waits_stays_until_a_quarter_of_those_who_are_woken_have_come(make) -> None:
    departures = make()
    departures.hold_for(relay(8), 0)
    arrive(departures, 1)
    assert departures.take(0) is None
    arrive(departures, 1)
    assert leave(departures).size == 2


def test_a_full_batch_waits_for_nobody(make) -> None:
    departures = make(size=3)
    arrive(departures, 1)
    leave(departures)
    departures.hold_for(relay(100), 0)
    arrive(departures, 3)
    assert leave(departures).size == 3


def test_one_who_is_woken_alone_holds_nobody_back(make) -> None:
    departures = make()
    departures.hold_for(relay(1), 0)
    arrive(departures, 1)
    assert leave(departures).size == 1


def test_the_holding_back_ends_with_the_waking_and_with_time(make) -> None:
    departures = make()
    woken = relay(8)
    departures.hold_for(woken, 0)
    arrive(departures, 1)
    assert departures.until_next(0) == HELD
    assert not departures.is_time(HELD / 2)
    assert departures.is_time(HELD)
    departures.release(woken)
    assert departures.is_time(0)


def test_a_batch_that_stalls_or_is_lost(make) -> None:
    departures = make(in_flight=1)
    arrive(departures, 1)
    first = leave(departures)
    arrive(departures, 1)
    assert departures.until_next(0) == 1
    assert departures.take(0.9) is None
    assert departures.take_lost(1.9) is None
    assert leave(departures, 1) is not first
    assert departures.take_lost(2) is first
    assert first.repeated
    assert departures.take_lost(2) is None


def test_what_nobody_waits_for_is_forgotten(make) -> None:
    departures = make()
    departures.add(ticket(deadline=5))
    out = leave(departures)
    assert departures.drop_overdue(4) == 0
    assert departures.drop_overdue(6) == 1
    assert departures.land(out.id) is None
    assert not departures.any_out


def test_at_the_end_all_are_named_and_forgotten(make) -> None:
    departures = make()
    under_way, waiting, gone = ticket(), ticket(), ticket()
    departures.add(under_way)
    leave(departures)
    departures.add(gone)
    departures.add(waiting)
    departures.remove(gone)
    assert set(departures.tickets()) == {under_way, waiting}
    departures.clear()
    assert not list(departures.tickets())
