"""Tests of the fair queue: the order of requests, the size of batches, removal."""

from time import perf_counter

from api.lookups.fair_queue import FairQueue
from api.lookups.pending import PendingRequest
from pipeline.messages import Lookup


def request(client: str, lookups: int = 1) -> PendingRequest:
    return PendingRequest([Lookup(request=0)] * lookups, "", 0.0, client)


def waiting(*requests: PendingRequest) -> FairQueue:
    queue = FairQueue()
    for each in requests:
        queue.add(each)
    return queue


def test_the_requests_of_one_client_keep_their_order() -> None:
    requests = [request("a") for _ in range(5)]
    queue = waiting(*requests)
    assert queue.take(3) == requests[:3]
    assert len(queue) == 2
    assert queue.take(3) == requests[3:]
    assert queue.take(3) == []


def test_it_counts_the_waiting_lookups() -> None:
    first, *others = [request("a", 5), request("b", 2), request("a"), request("c", 3)]
    queue = waiting(first, *others)
    assert queue.weight == 11
    queue.remove(first)
    queue.remove(first)
    assert queue.weight == 6
    queue.take(3)
    assert queue.weight == 3
    queue.clear()
    assert queue.weight == 0


def test_a_client_with_one_request_is_in_the_next_batch() -> None:
    eager = [request("eager") for _ in range(100)]
    modest = request("modest")
    queue = waiting(*eager, modest)
    assert queue.take(4) == [eager[0], modest, *eager[1:3]]


def test_the_round_continues_after_the_last_batch() -> None:
    requests = {client: [request(client), request(client)] for client in "abc"}
    queue = waiting(*requests["a"], *requests["b"], *requests["c"])
    taken = [each.client for _ in range(3) for each in queue.take(2)]
    assert "".join(taken) == "abcabc"


def test_the_first_request_is_taken_however_large_it_is() -> None:
    large, small = request("a", 120), request("b")
    queue = waiting(large, small)
    assert queue.take(100) == [large]
    assert queue.take(100) == [small]


def test_a_request_that_does_not_fit_is_the_first_of_the_next_batch() -> None:
    small, large, later = request("a", 6), request("b", 8), request("c")
    queue = waiting(small, large, later)
    assert queue.take(10) == [small]
    assert queue.take(10) == [large, later]


def test_a_removed_request_is_not_taken() -> None:
    first, second, stranger = request("a"), request("a"), request("b")
    queue = waiting(first, second)
    queue.remove(first)
    queue.remove(stranger)
    assert list(queue) == [second]
    queue.clear()
    assert len(queue) == 0
    assert queue.take(1) == []


def test_removing_takes_constant_time() -> None:
    def seconds(count: int) -> float:
        """Return the time to remove 100 requests from the middle of `count`."""
        requests = [request("a") for _ in range(count)]
        queue = waiting(*requests)
        begun = perf_counter()
        for each in requests[count // 2 : count // 2 + 100]:
            queue.remove(each)
        return perf_counter() - begun

    few = min(seconds(200) for _ in range(5))
    many = min(seconds(20_000) for _ in range(5))
    assert many < 20 * few


def test_long_excerpts_and_second_chances_count_for_several_lookups() -> None:
    """They take longer, and all lookups of a batch wait for them."""

    def sent(words: bytes, *, excerpt: bool = False, second_chance: bool = False) -> PendingRequest:
        lookup = Lookup(0, fingerprint=words, excerpt=excerpt, second_chance=second_chance)
        return PendingRequest([lookup], "", 0.0, "a")

    short, long = bytes(800), bytes(60_000)
    assert sent(long).weight == 1  # its first 120 s are searched
    assert sent(short, second_chance=True).weight == 1
    assert sent(short, excerpt=True).weight == 4
    for flags in ({"excerpt": True}, {"second_chance": True}):
        requests = [sent(long, **flags) for _ in range(30)]
        assert 2 <= len(waiting(*requests).take(100)) <= 8
    assert len(waiting(*[sent(short, excerpt=True) for _ in range(30)]).take(100)) == 25
