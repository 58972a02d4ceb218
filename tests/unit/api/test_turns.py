"""Where more waits than fits, clients take turns; otherwise first come, first served."""

from api.flight import Ticket
from api.turns import Turns
from pipeline.stages.messages import Lookup


def ticket(client: str, lookups: int = 1) -> Ticket:
    return Ticket([Lookup(request=0)] * lookups, "", 0.0, None, client)


def waiting(*tickets: Ticket) -> Turns:
    turns = Turns()
    for each in tickets:
        turns.add(each)
    return turns


def test_one_clients_tickets_keep_their_order() -> None:
    tickets = [ticket("a") for _ in range(5)]
    turns = waiting(*tickets)
    assert turns.take(3) == tickets[:3]
    assert len(turns) == 2
    assert turns.take(3) == tickets[3:]
    assert turns.take(3) == []


def test_it_counts_the_lookups_that_wait() -> None:
    first, *others = [ticket("a", 5), ticket("b", 2), ticket("a"), ticket("c", 3)]
    turns = waiting(first, *others)
    assert turns.lookups == 11
    turns.remove(first)
    turns.remove(first)
    assert turns.lookups == 6
    turns.take(3)
    assert turns.lookups == 3
    turns.clear()
    assert turns.lookups == 0


def test_a_client_with_one_ticket_is_in_the_next_batch() -> None:
    eager = [ticket("eager") for _ in range(100)]
    modest = ticket("modest")
    turns = waiting(*eager, modest)
    assert turns.take(4) == [eager[0], modest, *eager[1:3]]


def test_turns_go_on_where_the_last_batch_ended() -> None:
    tickets = {client: [ticket(client), ticket(client)] for client in "abc"}
    turns = waiting(*tickets["a"], *tickets["b"], *tickets["c"])
    taken = [each.client for _ in range(3) for each in turns.take(2)]
    assert "".join(taken) == "abcabc"


def test_the_first_ticket_travels_however_large_it_is() -> None:
    large, small = ticket("a", 120), ticket("b")
    turns = waiting(large, small)
    assert turns.take(100) == [large]
    assert turns.take(100) == [small]


def test_a_ticket_that_does_not_fit_is_the_first_of_the_next_batch() -> None:
    small, large, later = ticket("a", 6), ticket("b", 8), ticket("c")
    turns = waiting(small, large, later)
    assert turns.take(10) == [small]
    assert turns.take(10) == [large, later]


def test_a_ticket_that_gives_up_waits_no_longer() -> None:
    first, second, stranger = ticket("a"), ticket("a"), ticket("b")
    turns = waiting(first, second)
    turns.remove(first)
    turns.remove(stranger)
    assert list(turns) == [second]
    turns.clear()
    assert len(turns) == 0
    assert turns.take(1) == []
