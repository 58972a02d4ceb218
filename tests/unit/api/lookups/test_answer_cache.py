"""Tests of the answer cache: keys, generations, age, sharing, failures and capacity."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.http.errors import ServiceUnavailableError
from api.lookups.answer_cache import LIFETIME, OVERHEAD, AnswerCache
from api.lookups.pending import Answer
from pipeline.messages import Lookup

TIMEOUT = 30.0


class Batcher:
    """Answers with the number of the call; waits until `go_on` is set."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.go_on.set()
        self.error: Exception | None = None
        self.padding = ""

    def __call__(
        self,
        lookups: Sequence[Lookup],
        meta: str,  # noqa: ARG002 - not needed
        deadline: float,  # noqa: ARG002 - not needed
        client: str,
    ) -> list[Answer]:
        number = len(self.calls)
        self.calls.append(client)
        self.begun.release()
        assert self.go_on.wait(TIMEOUT)
        if number == 0 and self.error is not None:
            raise self.error
        results = [number, self.padding] if self.padding else [number]
        return [{"results": results} for _ in lookups]


class Front:
    """A cache under test, its clock and generation."""

    def __init__(self, capacity: int = 2**20) -> None:
        self.batcher = Batcher()
        self.generation: bytes | None = b"1"
        self.now = 0.0
        self.cache = AnswerCache(
            self.batcher, lambda: self.generation, capacity=capacity, clock=lambda: self.now
        )

    def look_up(self, meta: str = "", **lookup: object) -> list[Answer]:
        fields = {"request": 0, "duration": 200, "fingerprint": b"\x02\x00", **lookup}
        return self.cache.look_up([Lookup(**fields)], meta, time.monotonic() + TIMEOUT, "client")  # type: ignore[arg-type]


def answer(number: int) -> list[Answer]:
    return [{"results": [number]}]


def test_an_equal_lookup_is_answered_from_memory() -> None:
    front = Front()
    first = front.look_up()
    first[0]["results"].append("changed by its reader")
    assert front.look_up() == front.look_up() == answer(0)
    assert front.batcher.calls == ["client"]


@pytest.mark.parametrize(
    "other",
    [
        {"duration": 201},
        {"max_duration_diff": 8},
        {"excerpt": True},
        {"second_chance": True},
        {"fingerprint": b"\x02\x01"},
        {"fingerprint": b"", "track_gid": "x"},
        {"meta": "m2"},
    ],
)
def test_a_different_lookup_has_its_own_answer(other: dict[str, object]) -> None:
    front = Front()
    assert front.look_up() == answer(0)
    assert front.look_up(**other) == answer(1)  # type: ignore[arg-type]


def test_the_lookups_of_a_request_are_one_entry() -> None:
    front = Front()
    lookups = [Lookup(request=0, track_gid="a"), Lookup(request=0, track_gid="b")]
    assert len(front.cache.look_up(lookups, "", time.monotonic() + TIMEOUT)) == 2
    assert front.cache.look_up(lookups[:1], "", time.monotonic() + TIMEOUT) == answer(1)


def test_a_new_generation_has_new_answers() -> None:
    front = Front()
    assert front.look_up() == answer(0)
    front.generation = b"2"
    assert front.look_up() == front.look_up() == answer(1)


def test_without_a_generation_nothing_is_kept() -> None:
    front = Front()
    front.generation = None
    assert [front.look_up(), front.look_up()] == [answer(0), answer(1)]


def test_an_answer_expires() -> None:
    front = Front()
    assert front.look_up() == answer(0)
    front.now = LIFETIME
    assert front.look_up() == answer(1)


def test_equal_lookups_at_one_time_share_one_answer() -> None:
    front = Front()
    front.batcher.go_on.clear()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(front.look_up)
        assert front.batcher.begun.acquire(timeout=TIMEOUT)
        others = [pool.submit(front.look_up) for _ in range(7)]
        front.batcher.go_on.set()
        assert [each.result() for each in [first, *others]] == [answer(0)] * 8
    assert len(front.batcher.calls) == 1


def test_lookups_of_different_generations_do_not_share_an_answer() -> None:
    front = Front()
    front.batcher.go_on.clear()
    with ThreadPoolExecutor(2) as pool:
        before = pool.submit(front.look_up)
        assert front.batcher.begun.acquire(timeout=TIMEOUT)
        front.generation = b"2"
        after = pool.submit(front.look_up)
        assert front.batcher.begun.acquire(timeout=TIMEOUT)
        front.batcher.go_on.set()
        assert [before.result(), after.result()] == [answer(0), answer(1)]
    assert front.look_up() == answer(1)


def test_a_failure_is_neither_kept_nor_shared() -> None:
    front = Front()
    front.batcher.error = ServiceUnavailableError()
    front.batcher.go_on.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(front.look_up)
        assert front.batcher.begun.acquire(timeout=TIMEOUT)
        other = pool.submit(front.look_up)
        front.batcher.go_on.set()
        with pytest.raises(ServiceUnavailableError):
            first.result()
        assert other.result() == answer(1)
    assert front.look_up() in (answer(1), answer(2))


def test_the_least_recently_used_answer_is_removed_first() -> None:
    front = Front(capacity=20 * (OVERHEAD + 12))
    for number in range(20):
        front.look_up(str(number))
    assert front.look_up("0") == answer(0)
    for number in range(20, 24):
        front.look_up(str(number))
    assert front.look_up("0") == answer(0)
    assert front.look_up("1") == answer(24)


def test_an_answer_above_a_tenth_of_the_capacity_is_not_kept() -> None:
    front = Front(capacity=20_000)
    assert front.look_up() == answer(0)
    front.batcher.padding = "x" * 2_000
    front.look_up("large")
    front.look_up("large")
    assert len(front.batcher.calls) == 3
    front.batcher.padding = ""
    assert front.look_up() == answer(0)


def test_a_request_waits_for_an_equal_one_only_until_its_own_deadline() -> None:
    front = Front()
    front.batcher.go_on.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(front.look_up)
        assert front.batcher.begun.acquire(timeout=TIMEOUT)
        lookup = Lookup(request=0, duration=200, fingerprint=b"\x02\x00")
        other = pool.submit(front.cache.look_up, [lookup], "", time.monotonic() + 0.05)
        assert front.batcher.begun.acquire(
            timeout=TIMEOUT
        )  # the second request is looked up on its own
        front.batcher.go_on.set()
        assert [first.result(), other.result()] == [answer(0), answer(1)]
